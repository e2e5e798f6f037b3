//! The attempts that are open, by 4-tuple.

mod agenda;

use alloc::vec;
use alloc::vec::Vec;
use core::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use core::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::acknowledges;
use crate::address::mix;
use crate::sighting::EVENTS_KEPT;
use crate::{Closing, Event, EventKind, PointId, Side, Sighting};
use agenda::{Agenda, Starts};
use why504_model::{Endpoint, Flow, FlowMark, Segment, SeqNumber, Timestamp};

/// Attempts kept on one 4-tuple. Linux never has more than two alive; a scanner that sends SYNs
/// with ever new ISNs pushes out the oldest.
const PER_PAIR: usize = 8;

/// Packets of a clean attempt up to the server's first payload: rarely more.
const CLEAN: usize = 6;

/// Two endpoints without direction: one look-up serves both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// Every packet of an attempt asks for it several times.
    hash: u64,
    mark: FlowMark,
    ends: (Endpoint, Endpoint),
}

impl Pair {
    pub(super) fn of(a: Endpoint, b: Endpoint) -> Self {
        // Of IPv4 the comparison in one number.
        let in_order = match (a.ip, b.ip) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits(), a.port) <= (other.to_bits(), b.port)
            }
            _ => a <= b,
        };
        let ends = if in_order { (a, b) } else { (b, a) };
        let (one, other) = ends;
        let mut state = FixedState::default().build_hasher();
        // Of IPv4 in two numbers instead of eight.
        if let (IpAddr::V4(one), IpAddr::V4(other)) = (one.ip, other.ip) {
            state.write_u64(u64::from(one.to_bits()) << 32 | u64::from(other.to_bits()));
        } else {
            (one.ip, other.ip).hash(&mut state);
        }
        state.write_u32(u32::from(one.port) << 16 | u32::from(other.port));
        Self { hash: state.finish(), mark: FlowMark::of(a, b), ends }
    }

    pub(super) const fn mark(self) -> FlowMark {
        self.mark
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.ends == other.ends
    }
}

impl Eq for Pair {}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// For keys that bring their hash along.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        // Not in use: a pair writes one number.
        self.0 = bytes.iter().fold(self.0, |all, byte| all.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Which pairs may be in the table, in little memory: nearly all packets of a capture are data of
/// connections that are not followed, and are told from the others by one look at this.
#[derive(Debug)]
pub(super) struct Followed {
    /// Pairs in the table whose mark has this place. A counter that is full stays full.
    places: Vec<u8>,
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
            && *count < u8::MAX
        {
            *count = count.saturating_sub(1);
        }
    }
}

/// An attempt that may still get packets.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sighting: Sighting,
    pair: Pair,
    /// When the last packet came, on the clock of the stream.
    last: Timestamp,
    serial: u64,
}

impl Open {
    /// An attempt that begins now, on the clock of the stream.
    pub(super) fn new(
        point: PointId,
        pair: Pair,
        syn: &Segment,
        number: Option<u64>,
        now: Timestamp,
    ) -> Self {
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
                number,
            },
            last: now,
            serial: 0,
            pair,
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

/// An open attempt: its place in the table and its number, since places are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    serial: u64,
    place: u32,
}

/// The places of the attempts of a pair, oldest first. One more than [`PER_PAIR`] are there for a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Queue {
    places: [u32; PER_PAIR + 1],
    length: u8,
}

/// The open attempts. Iteration goes by number of opening, never by hash.
#[derive(Debug, Default)]
pub(super) struct Table {
    places: Vec<Option<Open>>,
    free: Vec<u32>,
    pairs: HashMap<Pair, Queue, BuildHasherDefault<Hashed>>,
    followed: Followed,
    unfinished: HashMap<Unfinished, Ticket, FixedState>,
    agenda: Agenda,
    starts: Starts,
    serials: u64,
}

impl Queue {
    fn places(&self) -> &[u32] {
        self.places.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Whether there was room.
    fn push(&mut self, place: u32) -> bool {
        let room = self.places.get_mut(usize::from(self.length));
        let Some(room) = room else { return false };
        *room = place;
        self.length += 1;
        true
    }

    fn remove(&mut self, index: usize) -> Option<u32> {
        let place = *self.places().get(index)?;
        self.places.copy_within(index + 1.., index);
        self.length -= 1;
        Some(place)
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.starts.earliest()
    }

    /// Whoever opens an attempt takes out what is [answered](Table::remove_answered) or too many next.
    pub(super) fn open(&mut self, mut open: Open) {
        let pair = open.pair;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            // No memory holds four milliards of them.
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        if !self.pairs.entry(pair).or_default().push(place) {
            self.free.push(place);
            return;
        }
        self.serials += 1;
        open.serial = self.serials;
        let ticket = Ticket { serial: open.serial, place };
        self.agenda.add(open.last, ticket);
        self.starts.add(open.sighting.first_syn(), ticket);
        self.unfinished.insert(unfinished_key(&open.sighting), ticket);
        self.followed.add(pair);
        if let Some(room) = self.places.get_mut(place as usize) {
            *room = Some(open);
        }
    }

    /// Whether there may be an attempt with this mark; `false` is certain.
    #[inline]
    pub(super) fn may_hold(&self, mark: FlowMark) -> bool {
        self.followed.holds(mark)
    }

    /// The places of the attempts of a pair, oldest first.
    fn of(&self, pair: Pair) -> &[u32] {
        self.pairs.get(&pair).map(Queue::places).unwrap_or_default()
    }

    fn look(&self, place: u32) -> Option<&Open> {
        self.places.get(place as usize)?.as_ref()
    }

    fn take_up(&mut self, place: u32) -> Option<&mut Open> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    pub(super) fn count(&self, pair: Pair) -> usize {
        self.of(pair).len()
    }

    pub(super) fn at(&mut self, pair: Pair, position: usize) -> Option<&mut Open> {
        let place = *self.of(pair).get(position)?;
        self.take_up(place)
    }

    /// The attempt of a pair that has no other.
    pub(super) fn only(&mut self, pair: Pair) -> Option<&mut Open> {
        match *self.of(pair) {
            [place] => self.take_up(place),
            _ => None,
        }
    }

    /// Whether an attempt of the pair has this packet already, captured once before.
    pub(super) fn has(&self, pair: Pair, segment: &Segment) -> bool {
        let mut attempts = self.of(pair).iter().filter_map(|&place| self.look(place));
        attempts.any(|open| open.has(&Event::of(segment, open.side_of(segment))))
    }

    pub(super) fn latest(&mut self, pair: Pair) -> Option<&mut Open> {
        let place = *self.of(pair).last()?;
        self.take_up(place)
    }

    /// The open attempt of this flow with this ISN.
    pub(super) fn attempt(&mut self, pair: Pair, flow: Flow, isn: SeqNumber) -> Option<&mut Open> {
        let wanted = |open: &Open| open.sighting.flow == flow && open.sighting.isn == isn;
        let mut places = self.of(pair).iter();
        let place = *places.find(|&&place| self.look(place).is_some_and(wanted))?;
        self.take_up(place)
    }

    /// The place in the row of the newest open attempt of the pair for which `wanted` holds.
    pub(super) fn position(&self, pair: Pair, wanted: impl Fn(&Sighting) -> bool) -> Option<usize> {
        let is_wanted = |&place: &u32| self.look(place).is_some_and(|open| wanted(&open.sighting));
        self.of(pair).iter().rposition(is_wanted)
    }

    /// The open attempt towards `server` that `ack` acknowledges, on whatever client port.
    pub(super) fn unfinished(&mut self, server: Endpoint, ack: SeqNumber) -> Option<&mut Open> {
        let ticket = *self.unfinished.get(&Unfinished(server, ack.0))?;
        self.take_up(ticket.place).filter(|open| {
            open.serial == ticket.serial
                && open.sighting.flow.server == server
                && acknowledges(ack, open.sighting.isn)
                && !open.sighting.completed()
        })
    }

    /// Takes out an attempt of the pair that is over: one that was answered, every earlier one (the
    /// 4-tuple now belongs to the later connection, and what follows is not theirs), and the oldest
    /// of too many.
    pub(super) fn remove_answered(&mut self, pair: Pair) -> Option<Sighting> {
        let attempts = || self.of(pair).iter().filter_map(|&place| self.look(place));
        let answered = attempts().position(Open::answered);
        let closing = if answered == Some(0) { Closing::Answered } else { Closing::Over };
        let index = match answered {
            Some(_) => 0,
            // The one without news for longest, which need not be the one that began first.
            None if attempts().count() > PER_PAIR => {
                attempts().enumerate().min_by_key(|(_, open)| open.last)?.0
            }
            None => return None,
        };
        self.remove(pair, index).map(|open| open.close(closing))
    }

    /// Takes out an attempt without news since `limit`.
    pub(super) fn expire(&mut self, limit: Timestamp) -> Option<Open> {
        loop {
            let (look, ticket) = self.agenda.due(limit)?;
            let Some(open) = self.look(ticket.place).filter(|open| open.serial == ticket.serial)
            else {
                continue;
            };
            // In order of the last news, whenever that is looked at.
            if open.last > look {
                self.agenda.add(open.last, ticket);
                continue;
            }
            let pair = open.pair;
            let index = self.of(pair).iter().position(|place| *place == ticket.place)?;
            return self.remove(pair, index);
        }
    }

    fn remove(&mut self, pair: Pair, index: usize) -> Option<Open> {
        let queue = self.pairs.get_mut(&pair)?;
        let place = queue.remove(index)?;
        if queue.length == 0 {
            self.pairs.remove(&pair);
        }
        let open = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        self.followed.remove(pair);
        let key = unfinished_key(&open.sighting);
        if self.unfinished.get(&key).is_some_and(|ticket| ticket.serial == open.serial) {
            self.unfinished.remove(&key);
        }
        let (open_now, places) = (self.len(), &self.places);
        let is_open = |ticket: Ticket| {
            let there = places.get(ticket.place as usize).and_then(Option::as_ref);
            there.is_some_and(|open| open.serial == ticket.serial)
        };
        self.agenda.sweep(open_now, is_open);
        self.starts.sweep(open_now, is_open);
        Some(open)
    }

    /// All that is open, in order of opening.
    pub(super) fn drain(&mut self) -> Vec<Open> {
        let mut all: Vec<Open> = self.places.drain(..).flatten().collect();
        all.sort_by_key(|open| open.serial);
        *self = Self { serials: self.serials, ..Self::default() };
        all
    }
}

fn unfinished_key(sighting: &Sighting) -> Unfinished {
    Unfinished(sighting.flow.server, sighting.isn.next().0)
}

/// Server and acknowledgement number: the key under which an unfinished attempt is found when
/// source NAT has moved the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unfinished(Endpoint, u32);

impl Hash for Unfinished {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self(server, ack) = self;
        state.write_u64(mix(server.ip));
        state.write_u64(u64::from(server.port) << 32 | u64::from(*ack));
    }
}
