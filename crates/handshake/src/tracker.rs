//! Follows the connect attempts in the packets of one capture point.
//!
//! Packets are given in time order; what is kept is what is still open. A packet of a connection
//! that is not tracked (the common case: data of an established connection) costs one look at its
//! mark.

mod just_closed;
mod stream_clock;
mod table;

use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;

use why504_model::{
    FlowMark, IcmpError, Packet, Segment, SeqNumber, SourceId, Span, TcpFlags, Timestamp,
};

use crate::path::hops;
use crate::{Closing, Coverage, Event, EventKind, PointId, Side, Sighting};
use just_closed::JustClosed;
use stream_clock::StreamClock;
use table::{Open, Pair, Table};

/// An attempt without news for this long is over: the widest gap between two SYNs is 64 s (Linux,
/// tcp_syn_retries = 6), a request in SYN-RECEIVED lives 63 s after its last SYN
/// (`reqsk_timer_handler`), and timers run up to 5 % late.
const HORIZON: Span = Span::from_secs(135);

/// What answers a SYN and was captured before it waits this long for it (per-CPU capture buffers
/// reorder).
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
    /// Packets of attempts that were captured twice.
    pub captured_twice: u64,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It is credited to an attempt.
    Credited,
    /// It was recorded before.
    CapturedTwice,
    /// No attempt wants it.
    Not,
}

/// Follows the attempts of one capture point. Closed attempts are handed over by [`Tracker::take`].
#[derive(Debug)]
pub struct Tracker {
    point: PointId,
    clock: StreamClock,
    /// Time of the latest packet, on its own clock.
    latest: Timestamp,
    table: Table,
    just_closed: JustClosed,
    /// Attempts of hosts on this link so far.
    begun: u64,
    closed: Vec<Sighting>,
    strays: Vec<Segment>,
    /// ICMP errors about no open attempt, likewise.
    stray_errors: Vec<IcmpError>,
    coverage: Coverage,
    tally: Tally,
}

impl Tracker {
    /// A tracker for the packets of one point.
    pub fn new(point: PointId) -> Self {
        Self {
            point,
            clock: StreamClock::default(),
            latest: Timestamp::MIN,
            table: Table::default(),
            just_closed: JustClosed::default(),
            begun: 0,
            closed: Vec::new(),
            strays: Vec::new(),
            stray_errors: Vec::new(),
            coverage: Coverage::default(),
            tally: Tally::default(),
        }
    }

    /// The next packet, in order of time (small inversions do no harm).
    pub fn push(&mut self, packet: &Packet) {
        // Of questions for addresses a capture may hold one and no other frame for long: they say nothing
        // of how far it reaches.
        if !matches!(packet, Packet::Resolution(_)) {
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
                let taken = self.answer(segment);
                self.count(taken, segment.flags);
            }
            Packet::Icmp(error) => {
                self.coverage.moment(error.time, error.location.source);
                self.icmp(error);
            }
            Packet::Resolution(resolution) => self.coverage.resolution(resolution),
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
        self.coverage.turned_back(time, self.latest);
        self.latest = self.latest.max(time);
        self.clock.see(time);
        self.expire();
    }

    /// What plain segments of one file show as a whole, which may have been passed over: the earliest
    /// and latest time, whether one was unmarked, and who sent to whom when, once in a minute at least.
    pub fn gathered(
        &mut self,
        file: SourceId,
        span: (Timestamp, Timestamp),
        unmarked: bool,
        talks: &[(IpAddr, IpAddr, Timestamp)],
    ) {
        self.coverage.gathered(file, span, unmarked, talks);
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
        for open in open {
            self.close(open.close(Closing::OpenAtEnd));
        }
    }

    /// What the point was seen to capture, and what became of its packets.
    pub fn finish(self) -> (Coverage, Tally) {
        (self.coverage, self.tally)
    }

    fn count(&mut self, taken: Taken, flags: TcpFlags) {
        let counter = match taken {
            Taken::Credited => &mut self.tally.credited,
            Taken::CapturedTwice => &mut self.tally.captured_twice,
            Taken::Not if flags.intersects(TcpFlags::SYN | TcpFlags::RST) => {
                &mut self.tally.unmatched
            }
            Taken::Not => &mut self.tally.established,
        };
        *counter += 1;
    }

    fn syn(&mut self, segment: &Segment) {
        let now = self.clock.now();
        let pair = Pair::of(segment.source, segment.destination);
        if let Some(open) = self.table.attempt(pair, segment.flow(), segment.seq) {
            if repeats_capture(open, segment) {
                self.tally.captured_twice += 1;
            } else {
                open.record(Event::of(segment, Side::Client), now);
                self.tally.credited += 1;
            }
            return;
        }
        if self.just_closed.has(pair, &Event::of(segment, Side::Client)) {
            self.tally.captured_twice += 1;
            return;
        }
        self.tally.credited += 1;
        // A SYN from the end that is being asked: both connect at once.
        if let Some(open) = self.table.latest(pair)
            && open.sighting.flow == segment.flow().reversed()
            && !open.sighting.completed()
            && open.sighting.syn_acks().next().is_none()
        {
            open.record(Event::of(segment, Side::Server), now);
            return;
        }
        let number = (hops(segment.ttl) == 0).then_some(self.begun);
        self.begun += u64::from(number.is_some());
        self.table.open(Open::new(self.point, pair, segment, number, now));
        self.settle(pair);
        self.replay_strays(segment);
    }

    /// A SYN+ACK, RST or ICMP error that was captured just before this SYN belongs to it.
    fn replay_strays(&mut self, syn: &Segment) {
        let horizon = syn.time - REORDERING;
        for error in mem::take(&mut self.stray_errors) {
            if error.quoted == syn.flow() && error.quoted_seq == syn.seq {
                self.tally.unmatched = self.tally.unmatched.saturating_sub(1);
                self.icmp(&error);
            } else if error.time >= horizon {
                self.stray_errors.push(error);
            }
        }
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

    /// Any segment that is not a SYN.
    fn answer(&mut self, segment: &Segment) -> Taken {
        if !self.table.may_hold(FlowMark::of(segment.source, segment.destination)) {
            return self.stray(segment);
        }
        let pair = Pair::of(segment.source, segment.destination);
        let now = self.clock.now();
        if let Some(only) = self.table.only(pair) {
            let event = Event::of(segment, only.side_of(segment));
            if only.has(&event) {
                return Taken::CapturedTwice;
            }
            if only.takes(event, now) {
                if only.answered() {
                    self.settle(pair);
                }
                return Taken::Credited;
            }
        } else if self.table.has(pair, segment) {
            return Taken::CapturedTwice;
        }
        let Some(latest) = self.table.latest(pair) else { return self.stray(segment) };
        let credited = match latest.side_of(segment) {
            Side::Client => self.client_sent(pair, segment),
            Side::Server => self.server_sent(pair, segment),
        };
        self.settle(pair);
        if credited { Taken::Credited } else { Taken::Not }
    }

    /// A segment that no open attempt wants.
    fn stray(&mut self, segment: &Segment) -> Taken {
        if segment.is_syn_ack() {
            let pair = Pair::of(segment.source, segment.destination);
            if self.just_closed.has(pair, &Event::of(segment, Side::Server)) {
                return Taken::CapturedTwice;
            }
        }
        if segment.is_syn_ack() || segment.is_rst() && segment.flags.contains(TcpFlags::ACK) {
            if self.strays.len() == STRAYS_KEPT {
                self.strays.remove(0);
            }
            self.strays.push(*segment);
        }
        Taken::Not
    }

    fn client_sent(&mut self, pair: Pair, segment: &Segment) -> bool {
        let now = self.clock.now();
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
            open.record(event, now);
        }
        if position != latest
            && segment.is_rst()
            && let Some(current) = self.table.at(pair, latest)
        {
            current.record(Event { about: isn, ..event }, now);
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
        let now = self.clock.now();
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
                let drawn_by = self.table.at(pair, latest).map(|later| later.sighting.isn);
                let isn = self.table.at(pair, position).map(|earlier| {
                    earlier.record(Event { drawn_by, ..event }, now);
                    earlier.sighting.isn
                });
                // The later attempt got this as its answer, too.
                if waiting && let Some(open) = self.table.at(pair, latest) {
                    open.record(Event { about: isn, ..event }, now);
                }
            }
            None if waiting && event.kind == EventKind::Ack => {
                self.foreign_ack(pair, latest, event);
            }
            _ => open.record(event, now),
        }
        true
    }

    /// A bare ACK, while the latest attempt waits, that is for none of the attempts on this
    /// 4-tuple: for an old connection, or for an attempt that source NAT had put on this port.
    fn foreign_ack(&mut self, pair: Pair, latest: usize, event: Event) {
        let now = self.clock.now();
        // An earlier attempt that was answered and completed meanwhile goes on.
        let began = self.table.at(pair, latest).map(|open| open.sighting.first_syn());
        let completed_since =
            |s: &Sighting| s.third_ack().zip(began).is_some_and(|(ack, began)| ack.time >= began);
        if let Some(other) = self.table.position(pair, completed_since)
            && let Some(open) = self.table.at(pair, other)
        {
            open.record(event, now);
            return;
        }
        let later = self.table.at(pair, latest).map(|o| (o.sighting.flow.server, o.sighting.isn));
        if let Some((server, isn)) = later
            && let Some(other) = self.table.unfinished(server, event.ack)
        {
            other.record(Event { drawn_by: Some(isn), ..event }, now);
        }
        if let Some(open) = self.table.at(pair, latest) {
            open.record(Event { about: Some(event.ack.previous()), ..event }, now);
        }
    }

    /// Lets go of attempts that the last packet closed.
    fn settle(&mut self, pair: Pair) {
        while let Some(done) = self.table.remove_answered(pair) {
            self.just_closed.add(self.clock.now(), pair, &done);
            self.close(done);
        }
    }

    fn icmp(&mut self, error: &IcmpError) {
        let now = self.clock.now();
        let pair = Pair::of(error.quoted.client, error.quoted.server);
        if let Some(open) = self.table.attempt(pair, error.quoted, error.quoted_seq) {
            open.record(Event::of_icmp(error), now);
            self.tally.credited += 1;
        } else {
            self.tally.unmatched += 1;
            if self.stray_errors.len() == STRAYS_KEPT {
                self.stray_errors.remove(0);
            }
            self.stray_errors.push(*error);
        }
    }

    fn expire(&mut self) {
        let limit = self.clock.now() - HORIZON;
        while let Some(done) = self.table.expire(limit) {
            self.close(done.close(Closing::Over));
        }
    }

    fn close(&mut self, done: Sighting) {
        self.coverage.closed(&done);
        self.closed.push(done);
    }
}

/// The same SYN captured a second time: same IP identification and time stamp within a moment. A
/// SYN that the client repeats has a new identification and `TSval`.
fn repeats_capture(open: &Open, segment: &Segment) -> bool {
    let event = Event::of(segment, Side::Client);
    open.has(&event)
        || open.sighting.syns().last().is_some_and(|before| {
            event.time.distance(before.time) < CAPTURED_TWICE
                && event.ip_id == before.ip_id
                && event.timestamps == before.timestamps
        })
}

/// Whether an ISN is the one that `ack` acknowledges.
fn acknowledges(ack: SeqNumber, isn: SeqNumber) -> bool {
    ack == isn.next()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
