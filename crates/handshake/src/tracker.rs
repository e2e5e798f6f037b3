//! Follows the connect attempts in the packets of one capture point.
//!
//! Packets are given in time order; what is kept is what is still open. A packet of a connection
//! that is not tracked (the common case: data of an established connection) costs one look at its
//! mark.

mod table;

use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;

use why504_model::{
    Endpoint, FlowMark, IcmpError, Packet, Segment, SeqNumber, SourceId, Span, TcpFlags, Timestamp,
};

use crate::{Closing, Coverage, Event, EventKind, PointId, Side, Sighting};
use table::{Open, Pair, Table};

/// An attempt without news for this long is over: the widest gap between two SYNs is 64 s (Linux,
/// tcp_syn_retries = 6), a request in SYN-RECEIVED lives 63 s after its last SYN
/// (`reqsk_timer_handler`), and timers run up to 5 % late.
const HORIZON: Span = Span::from_secs(135);

/// A SYN+ACK captured before its SYN waits this long for it (per-CPU capture buffers reorder).
const REORDERING: Span = Span::from_millis(5);
const STRAYS_KEPT: usize = 64;

/// The same frame captured twice (`-i any`, bridges, mirrors) comes within this time; a SYN is
/// never repeated so soon (the quickest repetition is two jiffies, linux commit 9603d47bad46).
const CAPTURED_TWICE: Span = Span::from_millis(1);

/// What became of the packets that were given to a tracker. The fields add up to `packets`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All packets.
    pub packets: u64,
    /// Credited to an attempt.
    pub credited: u64,
    /// Of connections that are not followed: established before, or already answered.
    pub established: u64,
    /// SYN+ACKs, RSTs and ICMP errors whose SYN is not in the capture.
    pub unmatched: u64,
    /// The same SYN captured twice.
    pub captured_twice: u64,
}

/// Follows the attempts of one capture point. Closed attempts are handed over by [`Tracker::take`].
#[derive(Debug)]
pub struct Tracker {
    point: PointId,
    now: Timestamp,
    table: Table,
    closed: Vec<Sighting>,
    strays: Vec<Segment>,
    coverage: Coverage,
    tally: Tally,
}

impl Tracker {
    /// A tracker for the packets of one point.
    pub fn new(point: PointId) -> Self {
        Self {
            point,
            now: Timestamp::MIN,
            table: Table::default(),
            closed: Vec::new(),
            strays: Vec::new(),
            coverage: Coverage::default(),
            tally: Tally::default(),
        }
    }

    /// The next packet, in order of time (small inversions do no harm).
    pub fn push(&mut self, packet: &Packet) {
        // Of questions for addresses a capture may hold one and no other frame for long: they say nothing
        // of how far it reaches.
        if !matches!(packet, Packet::Arp(_)) {
            self.tally.packets += 1;
            // What is over by now cannot be meant, whether other packets said so in between or not.
            self.advance(packet.time());
        }
        match packet {
            Packet::Tcp(segment) if segment.is_syn() => {
                self.coverage.packet(segment);
                self.syn(segment);
            }
            Packet::Tcp(segment) => {
                self.coverage.packet(segment);
                let credited = self.answer(segment);
                self.count(credited, segment.flags);
            }
            Packet::Icmp(error) => {
                self.coverage.moment(error.time, error.location.source);
                self.icmp(error);
            }
            Packet::Arp(arp) => self.coverage.arp(arp),
        }
    }

    /// Whether a plain segment (no SYN, no RST) with this mark may be of an attempt that is followed.
    /// One that is not need not be [pushed](Tracker::push): all that it could change is told by
    /// [`Tracker::pass_over`] and [`Tracker::gathered`].
    #[inline]
    pub fn wants(&self, mark: FlowMark) -> bool {
        self.table.may_hold(mark)
    }

    /// So many plain segments were passed over.
    pub const fn pass_over(&mut self, segments: u64) {
        self.tally.packets = self.tally.packets.saturating_add(segments);
        self.tally.established = self.tally.established.saturating_add(segments);
    }

    /// Everything up to `time` was pushed or passed over: lets go of what is over by then.
    pub fn advance(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
        self.expire();
    }

    /// What plain segments of one file show as a whole, which may have been passed over: the earliest
    /// and latest time, whether one had no FIN, and who sent to whom when, once in a minute at least.
    pub fn gathered(
        &mut self,
        file: SourceId,
        span: (Timestamp, Timestamp),
        without_fin: bool,
        talks: &[(IpAddr, IpAddr, Timestamp)],
    ) {
        self.coverage.gathered(file, span, without_fin, talks);
    }

    /// The attempts that have closed since the last call, in the order in which they closed.
    pub fn take(&mut self) -> Vec<Sighting> {
        mem::take(&mut self.closed)
    }

    /// What the point was seen to capture so far.
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// How many attempts are open.
    pub fn open(&self) -> usize {
        self.table.len()
    }

    /// The earliest first SYN of an open attempt: no attempt that closes later began before it.
    pub fn earliest_open(&self) -> Option<Timestamp> {
        self.table.earliest()
    }

    /// The capture ends here: what is open closes as [`Closing::OpenAtEnd`].
    pub fn end(&mut self) {
        let open = self.table.drain();
        self.closed.extend(open.into_iter().map(|o| o.close(Closing::OpenAtEnd)));
    }

    /// What the point was seen to capture, and what became of its packets.
    pub fn finish(self) -> (Coverage, Tally) {
        (self.coverage, self.tally)
    }

    fn count(&mut self, credited: bool, flags: TcpFlags) {
        if credited {
            self.tally.credited += 1;
        } else if flags.intersects(TcpFlags::SYN | TcpFlags::RST) {
            self.tally.unmatched += 1;
        } else {
            self.tally.established += 1;
        }
    }

    fn syn(&mut self, segment: &Segment) {
        let pair = Pair::of(segment.source, segment.destination);
        if let Some(open) = self.table.attempt(pair, segment.flow(), segment.seq) {
            if repeats_capture(open, segment) {
                self.tally.captured_twice += 1;
            } else {
                open.record(Event::of(segment, Side::Client));
                self.tally.credited += 1;
            }
            return;
        }
        self.tally.credited += 1;
        // A SYN from the end that is being asked: both connect at once.
        if let Some(open) = self.table.latest(pair)
            && open.sighting.flow == segment.flow().reversed()
            && !open.sighting.completed()
            && open.sighting.syn_acks().next().is_none()
        {
            open.record(Event::of(segment, Side::Server));
            return;
        }
        self.table.open(pair, Open::new(self.point, segment));
        self.replay_strays(segment);
    }

    /// A SYN+ACK that was captured just before this SYN belongs to it.
    fn replay_strays(&mut self, syn: &Segment) {
        let horizon = syn.time - REORDERING;
        let strays = mem::take(&mut self.strays);
        for stray in strays {
            if stray.flow() == syn.flow().reversed() && stray.ack == syn.seq.next() {
                self.answer(&stray);
                // It was tallied as unmatched when it came.
                self.tally.unmatched = self.tally.unmatched.saturating_sub(1);
                self.tally.credited += 1;
            } else if stray.time >= horizon {
                self.strays.push(stray);
            }
        }
    }

    /// Any segment that is not a SYN; `false` when no open attempt wants it.
    fn answer(&mut self, segment: &Segment) -> bool {
        if !self.table.may_hold(FlowMark::of(segment.source, segment.destination)) {
            self.stray(segment);
            return false;
        }
        let pair = Pair::of(segment.source, segment.destination);
        if let Some(only) = self.table.only(pair)
            && only.takes(segment)
        {
            if only.answered() {
                self.settle(pair);
            }
            return true;
        }
        let Some(latest) = self.table.latest(pair) else {
            self.stray(segment);
            return false;
        };
        let side = latest.side_of(segment);
        let credited = match side {
            Side::Client => self.client_sent(pair, segment),
            Side::Server => self.server_sent(pair, segment),
        };
        self.settle(pair);
        credited
    }

    fn stray(&mut self, segment: &Segment) {
        if segment.is_syn_ack() {
            if self.strays.len() == STRAYS_KEPT {
                self.strays.remove(0);
            }
            self.strays.push(*segment);
        }
    }

    fn client_sent(&mut self, pair: Pair, segment: &Segment) -> bool {
        let event = Event::of(segment, Side::Client);
        // The attempt that this packet speaks of: `seq = ISN + 1` names it, whatever came later on
        // the same 4-tuple. With payload sent the sequence has moved on; then it is the latest.
        let named = self
            .table
            .position(pair, |s| segment.seq == s.isn.next() && s.flow.client == segment.source);
        let latest = self.table.count(pair).saturating_sub(1);
        let position = named.unwrap_or(latest);
        let mut isn = None;
        if let Some(open) = self.table.at(pair, position) {
            isn = Some(open.sighting.isn);
            open.record(event);
        }
        if position != latest
            && segment.is_rst()
            && let Some(current) = self.table.at(pair, latest)
        {
            current.record(Event { about: isn, ..event });
        }
        // With source NAT the RST on this 4-tuple may speak of an attempt from another client port.
        if named.is_none()
            && segment.is_rst()
            && let Some(open) = self.table.at(pair, latest)
            && open.sighting.foreign_acks().any(|a| a.ack == segment.seq)
            && let Some(last) = open.sighting.events.last_mut()
        {
            last.about = Some(segment.seq.previous());
        }
        true
    }

    fn server_sent(&mut self, pair: Pair, segment: &Segment) -> bool {
        let event = Event::of(segment, Side::Server);
        let latest = self.table.count(pair).saturating_sub(1);
        let own = segment
            .flags
            .contains(TcpFlags::ACK)
            .then(|| self.table.position(pair, |s| segment.ack == s.isn.next() && !s.completed()));
        let Some(open) = self.table.at(pair, latest) else { return false };
        let waiting = !open.sighting.completed() && open.sighting.syn_acks().next().is_none();
        match own.flatten() {
            Some(position) if position != latest => {
                let isn = self.table.at(pair, position).map(|earlier| {
                    earlier.record(event);
                    earlier.sighting.isn
                });
                // The later attempt got this as its answer, too.
                if waiting && let Some(open) = self.table.at(pair, latest) {
                    open.record(Event { about: isn, ..event });
                }
            }
            None if waiting && event.kind == EventKind::Ack => {
                self.foreign_ack(pair, latest, event);
            }
            _ => open.record(event),
        }
        true
    }

    /// A bare ACK, while the latest attempt waits, that is for none of the attempts on this
    /// 4-tuple: for an old connection, or for an attempt that source NAT had put on this port.
    fn foreign_ack(&mut self, pair: Pair, latest: usize, event: Event) {
        // An earlier attempt that was answered and completed meanwhile goes on.
        let began = self.table.at(pair, latest).map(|open| open.sighting.first_syn());
        let completed_since =
            |s: &Sighting| s.third_ack().zip(began).is_some_and(|(ack, began)| ack.time >= began);
        if let Some(other) = self.table.position(pair, completed_since)
            && let Some(open) = self.table.at(pair, other)
        {
            open.record(event);
            return;
        }
        let server = self.table.at(pair, latest).map(|open| open.sighting.flow.server);
        if let Some(other) = server.and_then(|s| self.table.unfinished(s, event.ack)) {
            other.record(event);
        }
        if let Some(open) = self.table.at(pair, latest) {
            open.record(Event { about: Some(event.ack.previous()), ..event });
        }
    }

    /// Lets go of attempts that the last packet closed.
    fn settle(&mut self, pair: Pair) {
        while let Some(done) = self.table.remove_answered(pair) {
            self.closed.push(done);
        }
    }

    fn icmp(&mut self, error: &IcmpError) {
        let pair = Pair::of(error.quoted.client, error.quoted.server);
        match self.table.attempt(pair, error.quoted, error.quoted_seq) {
            Some(open) => {
                open.record(Event::of_icmp(error));
                self.tally.credited += 1;
            }
            None => self.tally.unmatched += 1,
        }
    }

    fn expire(&mut self) {
        let limit = self.now - HORIZON;
        while let Some(done) = self.table.expire(limit) {
            self.closed.push(done.close(Closing::Over));
        }
    }
}

/// The same SYN captured a second time: same IP identification and time stamp within a moment. A
/// SYN that the client repeats has a new identification and `TSval`.
fn repeats_capture(open: &Open, segment: &Segment) -> bool {
    open.sighting.syns().last().is_some_and(|before| {
        segment.time.distance(before.time) < CAPTURED_TWICE
            && segment.ip_id == before.ip_id
            && segment.timestamps == before.timestamps
    })
}

/// Whether an ISN is the one that `ack` acknowledges.
fn acknowledges(ack: SeqNumber, isn: SeqNumber) -> bool {
    ack == isn.next()
}

/// Server and acknowledgement number: the key under which an unfinished attempt is found when
/// source NAT has moved the port.
type Unfinished = (Endpoint, u32);

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
