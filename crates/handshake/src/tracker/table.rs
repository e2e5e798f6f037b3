//! The attempts that are open, by 4-tuple.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Unfinished, acknowledges};
use crate::sighting::EVENTS_KEPT;
use crate::{Closing, Event, EventKind, PointId, Side, Sighting};
use why504_model::{Endpoint, Flow, FlowMark, Segment, SeqNumber, Timestamp};

/// Attempts kept on one 4-tuple. Linux never has more than two alive; a scanner that sends SYNs
/// with ever new ISNs pushes out the oldest.
const PER_PAIR: usize = 8;

/// Packets of a clean attempt up to the server's first payload: rarely more.
const CLEAN: usize = 6;

/// Two endpoints without direction: one look-up serves both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair(Endpoint, Endpoint);

impl Hash for Pair {
    /// Every packet of an attempt asks for it: of IPv4 in two numbers instead of eight.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self(a, b) = self;
        if let (IpAddr::V4(a), IpAddr::V4(b)) = (a.ip, b.ip) {
            state.write_u64(u64::from(a.to_bits()) << 32 | u64::from(b.to_bits()));
        } else {
            (a.ip, b.ip).hash(state);
        }
        state.write_u32(u32::from(a.port) << 16 | u32::from(b.port));
    }
}

impl Pair {
    pub(super) fn of(a: Endpoint, b: Endpoint) -> Self {
        if a <= b { Self(a, b) } else { Self(b, a) }
    }

    pub(super) fn mark(self) -> FlowMark {
        FlowMark::of(self.0, self.1)
    }
}

/// Which pairs may be in the table, in little memory: nearly all packets of a capture are data of
/// connections that are not followed, and are told from the others by one look at this.
#[derive(Debug)]
pub(super) struct Followed {
    /// Pairs in the table whose mark has this place. A counter that is full stays full.
    places: Vec<u16>,
}

impl Default for Followed {
    fn default() -> Self {
        Self { places: vec![0; 1 << Self::BITS] }
    }
}

impl Followed {
    /// A few thousand attempts are open at once on a busy gateway; the counters fit in a cache.
    const BITS: u32 = 16;

    #[inline]
    pub(super) fn holds(&self, mark: FlowMark) -> bool {
        self.places.get(mark.place(Self::BITS)).is_some_and(|count| *count > 0)
    }

    pub(super) fn add(&mut self, pair: Pair) {
        if let Some(count) = self.places.get_mut(pair.mark().place(Self::BITS)) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn remove(&mut self, pair: Pair) {
        if let Some(count) = self.places.get_mut(pair.mark().place(Self::BITS))
            && *count < u16::MAX
        {
            *count = count.saturating_sub(1);
        }
    }
}

/// An attempt that may still get packets.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sighting: Sighting,
    /// When the last packet came, on the clock of the stream.
    last: Timestamp,
    /// When to look next whether it has expired; its key in `Table::clock`.
    look: Timestamp,
    serial: u64,
}

impl Open {
    /// An attempt that begins now, on the clock of the stream.
    pub(super) fn new(point: PointId, syn: &Segment, now: Timestamp) -> Self {
        let mut events = Vec::with_capacity(CLEAN);
        events.push(Event::of(syn, Side::Client));
        Self {
            sighting: Sighting {
                point,
                flow: syn.flow(),
                isn: syn.seq,
                events,
                events_dropped: 0,
                moved: Vec::new(),
                closing: Closing::Over,
            },
            last: now,
            look: now,
            serial: 0,
        }
    }

    /// Whether a packet was recorded before, and captured a second time since.
    pub(super) fn has(&self, event: &Event) -> bool {
        // The latest first: of what is further back than a moment nothing comes again.
        self.sighting.events.iter().rev().any(|before| event.is_captured_again(before))
    }

    pub(super) fn record(&mut self, event: Event, now: Timestamp) {
        self.last = now;
        if self.sighting.events.len() < EVENTS_KEPT {
            self.sighting.events.push(event);
        } else {
            self.sighting.events_dropped = self.sighting.events_dropped.saturating_add(1);
        }
    }

    pub(super) fn close(mut self, closing: Closing) -> Sighting {
        self.sighting.closing = closing;
        // A SYN+ACK captured before its SYN, and other small inversions.
        self.sighting.events.sort_by_key(|e| (e.time, e.location));
        // Some callers keep many.
        self.sighting.events.shrink_to(CLEAN);
        self.sighting
    }

    /// Who sent a segment of this pair.
    pub(super) fn side_of(&self, segment: &Segment) -> Side {
        if self.sighting.flow.client == segment.source { Side::Client } else { Side::Server }
    }

    /// Records a segment of a pair on which this is the only attempt, the common case; `false` where it
    /// may speak of another: a RST, or a bare ACK of a server that has not answered this one.
    pub(super) fn takes(&mut self, event: Event, now: Timestamp) -> bool {
        let own = match event.kind {
            EventKind::Rst => false,
            EventKind::Ack if event.side == Side::Server => {
                self.sighting.syn_acks().next().is_some()
            }
            _ => true,
        };
        if own {
            self.record(event, now);
        }
        own
    }

    /// Nothing that can happen now says anything about the handshake: the server has sent payload.
    pub(super) fn answered(&self) -> bool {
        // The cheaper question first: it is asked of every packet of an attempt.
        self.sighting.server_bytes() > 0 && self.sighting.completed()
    }
}

/// The open attempts. Iteration goes by number of opening, never by hash.
#[derive(Debug, Default)]
pub(super) struct Table {
    pairs: HashMap<Pair, VecDeque<Open>, FixedState>,
    followed: Followed,
    unfinished: HashMap<Unfinished, Pair, FixedState>,
    /// (time of the next look, number) -> where it is.
    clock: BTreeMap<(Timestamp, u64), Pair>,
    starts: BTreeMap<u64, Timestamp>,
    serials: u64,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        // Numbers are given in order of opening, which is the order of time but for small
        // inversions.
        self.starts.first_key_value().map(|(_, start)| *start)
    }

    pub(super) fn open(&mut self, pair: Pair, mut open: Open) {
        self.serials += 1;
        open.serial = self.serials;
        self.clock.insert((open.look, open.serial), pair);
        self.starts.insert(open.serial, open.sighting.first_syn());
        self.unfinished.insert(unfinished_key(&open.sighting), pair);
        self.followed.add(pair);
        let queue = self.pairs.entry(pair).or_insert_with(|| VecDeque::with_capacity(1));
        queue.push_back(open);
    }

    /// Whether there may be an attempt with this mark; `false` is certain.
    #[inline]
    pub(super) fn may_hold(&self, mark: FlowMark) -> bool {
        self.followed.holds(mark)
    }

    pub(super) fn count(&self, pair: Pair) -> usize {
        self.pairs.get(&pair).map_or(0, VecDeque::len)
    }

    pub(super) fn at(&mut self, pair: Pair, position: usize) -> Option<&mut Open> {
        self.pairs.get_mut(&pair)?.get_mut(position)
    }

    /// The attempt of a pair that has no other.
    pub(super) fn only(&mut self, pair: Pair) -> Option<&mut Open> {
        self.pairs.get_mut(&pair).filter(|queue| queue.len() == 1)?.front_mut()
    }

    /// Whether an attempt of the pair has this packet already, captured once before.
    pub(super) fn has(&self, pair: Pair, segment: &Segment) -> bool {
        self.pairs.get(&pair).is_some_and(|queue| {
            queue.iter().any(|open| open.has(&Event::of(segment, open.side_of(segment))))
        })
    }

    pub(super) fn latest(&mut self, pair: Pair) -> Option<&mut Open> {
        self.pairs.get_mut(&pair)?.back_mut()
    }

    /// The open attempt of this flow with this ISN.
    pub(super) fn attempt(&mut self, pair: Pair, flow: Flow, isn: SeqNumber) -> Option<&mut Open> {
        self.pairs
            .get_mut(&pair)?
            .iter_mut()
            .find(|open| open.sighting.flow == flow && open.sighting.isn == isn)
    }

    /// The place of the newest open attempt of the pair for which `wanted` holds.
    pub(super) fn position(&self, pair: Pair, wanted: impl Fn(&Sighting) -> bool) -> Option<usize> {
        self.pairs.get(&pair)?.iter().rposition(|open| wanted(&open.sighting))
    }

    /// The open attempt towards `server` that `ack` acknowledges, on whatever client port.
    pub(super) fn unfinished(&mut self, server: Endpoint, ack: SeqNumber) -> Option<&mut Open> {
        let pair = *self.unfinished.get(&(server, ack.0))?;
        self.pairs.get_mut(&pair)?.iter_mut().find(|open| {
            open.sighting.flow.server == server
                && acknowledges(ack, open.sighting.isn)
                && !open.sighting.completed()
        })
    }

    /// Takes out an attempt of the pair that is over: one that was answered, every earlier one (the
    /// 4-tuple now belongs to the later connection, and what follows is not theirs), and the oldest
    /// of too many.
    pub(super) fn remove_answered(&mut self, pair: Pair) -> Option<Sighting> {
        let queue = self.pairs.get(&pair)?;
        let answered = queue.iter().position(Open::answered);
        let closing = if answered == Some(0) { Closing::Answered } else { Closing::Over };
        let place = match answered {
            Some(_) => 0,
            // The one without news for longest, which need not be the one that began first.
            None if queue.len() > PER_PAIR => {
                queue.iter().enumerate().min_by_key(|(_, o)| o.last)?.0
            }
            None => return None,
        };
        self.remove(pair, place).map(|open| open.close(closing))
    }

    /// Takes out an attempt without news since `limit`.
    pub(super) fn expire(&mut self, limit: Timestamp) -> Option<Open> {
        loop {
            let (&(look, serial), &pair) = self.clock.first_key_value()?;
            if look > limit {
                return None;
            }
            self.clock.pop_first();
            let Some(place) = self
                .pairs
                .get(&pair)
                .and_then(|queue| queue.iter().position(|open| open.serial == serial))
            else {
                continue;
            };
            let open = self.at(pair, place)?;
            // In order of the last news, whenever that is looked at.
            if open.last <= look {
                return self.remove(pair, place);
            }
            open.look = open.last;
            let look = open.look;
            self.clock.insert((look, serial), pair);
        }
    }

    fn remove(&mut self, pair: Pair, place: usize) -> Option<Open> {
        let queue = self.pairs.get_mut(&pair)?;
        let open = queue.remove(place)?;
        self.followed.remove(pair);
        if queue.is_empty() {
            self.pairs.remove(&pair);
        }
        self.starts.remove(&open.serial);
        self.clock.remove(&(open.look, open.serial));
        let key = unfinished_key(&open.sighting);
        if self.unfinished.get(&key) == Some(&pair) {
            self.unfinished.remove(&key);
        }
        Some(open)
    }

    /// All that is open, in order of opening.
    pub(super) fn drain(&mut self) -> Vec<Open> {
        let mut all: Vec<Open> =
            self.pairs.drain().flat_map(|(_, queue)| queue.into_iter()).collect();
        all.sort_by_key(|open| open.serial);
        self.followed = Followed::default();
        self.clock.clear();
        self.starts.clear();
        self.unfinished.clear();
        all
    }
}

fn unfinished_key(sighting: &Sighting) -> Unfinished {
    (sighting.flow.server, sighting.isn.next().0)
}
