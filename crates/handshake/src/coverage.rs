//! What one capture point can be trusted to have seen.
//!
//! The absence of a packet is evidence only where its presence would have been seen: inside the
//! files of the capture, for a host of which both directions were captured nearby in time, and for a
//! port that the capture's filter demonstrably lets through. A filter on flags (`tcp-syn|tcp-rst`,
//! which many people set) hides every plain ACK: where none was seen, its absence says nothing.

mod written;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use why504_model::{
    Endpoint, Interval, LinkAddress, Resolution, Segment, SourceId, Span, Timestamp,
};

use crate::Sighting;
use crate::address::{mix, place, spread};
use crate::neighbours::Neighbours;
use written::Written;

/// Minutes of activity are remembered for at most this many (host, minute) pairs; a SYN flood
/// towards ever new hosts cannot make it grow further.
const ACTIVITY_KEPT: usize = 1 << 18;
const PORTS_KEPT: usize = 1 << 16;
/// Pairs of hosts that a gateway talks to within a moment.
const RECENT_BITS: u32 = 10;

/// What a point was seen to capture.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// First to last packet, over all files of the point.
    pub span: Option<Interval>,
    /// Packets that the capture is known to have dropped (interface statistics).
    pub dropped: u64,
    /// Frames of TCP, and ICMP errors, that the snapshot length cut before what they say.
    pub cut_short: u64,
    /// Attempts that the client completed.
    pub completed: u64,
    /// Those of them whose SYN+ACK is not in the capture although the client acknowledged it: it was
    /// dropped by the capture, or came another way.
    pub missed: u64,
    /// Attempts in which the server acknowledged payload of the client before its first answer.
    pub requests: u64,
    /// Those of them whose payload is not in the capture: it was dropped by the capture, or hidden by its
    /// filter. Filters that pass no payload are usual, so no verdict is less sure for it.
    pub requests_missed: u64,
    /// Those of which other packets are not in the capture although an end acknowledged them. A filter on
    /// flags or on length does that, too: it counts where plain segments and payload were captured.
    pub torn: u64,
    /// Times that there are twice: the capturing host's clock was set back, or sections of a file overlap.
    twice: Vec<Interval>,
    /// Looked up, never iterated: the order of a hash map must not reach any output.
    activity: HashMap<(IpAddr, i64), Directions, FixedState>,
    hosts: BTreeMap<IpAddr, BTreeSet<u16>>,
    ports_seen: usize,
    /// Servers that are in `hosts` already, each at the place of its hash: every SYN names one.
    asked: Vec<Option<Endpoint>>,
    /// Sender, receiver and minute of recent packets, each at the place of its hash: what is here
    /// is in `activity` already.
    recent: Vec<Option<(IpAddr, IpAddr, i64)>>,
    written: Written,
    /// A segment without SYN, FIN, RST and PSH was captured.
    plain_segments: bool,
    neighbours: Neighbours,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Directions {
    to: bool,
    from: bool,
}

/// Packets of one clock that are captured one after the other are never this far behind each other.
const TURNED_BACK: Span = Span::from_millis(200);
/// Intervals that are told apart of those that there are twice.
const TWICE_KEPT: usize = 64;

/// One in so many handshakes may be missing; of fewer than so many none.
const MISSED_SHARE: u64 = 1000;

/// Whether more of the handshakes that a point should have seen are missing there than may hide behind
/// a verdict that is called proven: one in a thousand, and of fewer than a thousand none.
pub const fn misses_many(all: u64, missed: u64) -> bool {
    missed > 0 && (all < MISSED_SHARE || missed.saturating_mul(MISSED_SHARE) > all)
}

/// Why a point's silence proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoverageGap {
    /// The point has no packet at all.
    Empty,
    /// The moment lies outside the capture.
    OutsideSpan,
    /// The moment lies between two files of the point.
    BetweenFiles,
    /// The point was never seen to capture both directions of this server's traffic nearby.
    OneDirection,
    /// The capture saw other ports of the server only: its filter may be narrow.
    OtherPort,
    /// The capture holds no plain ACK at all: its filter may let through some flags only.
    NoAcks,
    /// The capture dropped packets.
    Dropped,
    /// The snapshot length cut frames, ICMP errors first, before what they say.
    CutShort,
    /// The capture lacks packets that were acknowledged.
    Missed,
    /// The capture lacks handshakes of its own host that another point saw.
    Overlooked,
    /// The capture lacks packets that another point saw further on.
    PassedUnseen,
    /// The capture holds this time twice.
    Twice,
}

impl Coverage {
    /// Something was captured at this moment, in this file.
    pub(crate) fn moment(&mut self, time: Timestamp, file: SourceId) {
        let here = Interval::new(time, time + Span::from_nanos(1));
        self.span = Some(self.span.map_or(here, |span| span.hull(here)));
        self.written.moment(here, file);
    }

    /// Somebody asked for an address or answered. It says nothing of what a filter lets through, so it
    /// does not make a capture reach further.
    pub(crate) fn resolution(&mut self, resolution: &Resolution) {
        self.neighbours.learn(resolution);
    }

    /// A packet of this time comes behind one of `latest`.
    pub(crate) fn turned_back(&mut self, time: Timestamp, latest: Timestamp) {
        if latest.since(time) < TURNED_BACK {
            return;
        }
        let again = Interval::new(time, latest);
        let full = self.twice.len() >= TWICE_KEPT;
        match self.twice.last_mut() {
            Some(last) if last.covers(again) => {}
            Some(last) if full || last.overlaps(again) => *last = last.hull(again),
            _ => self.twice.push(again),
        }
    }

    /// The times that there are twice: the clock was set back there, or sections of a file overlap.
    pub fn twice(&self) -> &[Interval] {
        &self.twice
    }

    /// An attempt has closed.
    pub(crate) fn closed(&mut self, sighting: &Sighting) {
        let completed = sighting.completed();
        self.completed += u64::from(completed);
        self.missed += u64::from(completed && sighting.answer_missed());
        let request = sighting.payload_missed();
        self.requests += u64::from(request.is_some());
        self.requests_missed += u64::from(request == Some(true));
        self.torn += u64::from(completed && sighting.is_torn());
    }

    /// A segment was captured.
    pub(crate) fn packet(&mut self, segment: &Segment) {
        self.moment(segment.time, segment.location.source);
        let (from, to) = (segment.source.ip, segment.destination.ip);
        self.plain_segments |= segment.flags.is_unmarked();
        if !segment.is_rst() {
            self.talk(from, to, segment.time);
        }
        if segment.is_syn() {
            self.port(segment.destination);
        } else if segment.is_syn_ack() {
            self.port(segment.source);
        }
    }

    /// Plain segments of a file as a whole: see [`Tracker::gathered`](crate::Tracker::gathered).
    pub(crate) fn gathered(
        &mut self,
        file: SourceId,
        (first, last): (Timestamp, Timestamp),
        unmarked: bool,
        talks: &[(IpAddr, IpAddr, Timestamp)],
    ) {
        self.moment(first, file);
        self.moment(last, file);
        self.plain_segments |= unmarked;
        for &(from, to, time) in talks {
            self.talk(from, to, time);
        }
    }

    /// One host sent to another something other than a RST: that passes filters that let nothing
    /// else of a direction through.
    fn talk(&mut self, from: IpAddr, to: IpAddr, time: Timestamp) {
        if self.is_new((from, to, time.minute())) {
            self.mark(to, time, |d| d.to = true);
            self.mark(from, time, |d| d.from = true);
        }
    }

    /// Whether this is not among the recent ones; it is afterwards.
    fn is_new(&mut self, run: (IpAddr, IpAddr, i64)) -> bool {
        if self.recent.is_empty() {
            self.recent.resize(1 << RECENT_BITS, None);
        }
        // The two directions of a connection have two places.
        let here = place(spread(mix(run.0).wrapping_add(mix(run.1).rotate_left(7))), RECENT_BITS);
        let Some(before) = self.recent.get_mut(here) else { return true };
        before.replace(run) != Some(run)
    }

    fn mark(&mut self, host: IpAddr, time: Timestamp, set: impl FnOnce(&mut Directions)) {
        let key = (host, time.minute());
        if self.activity.len() < ACTIVITY_KEPT || self.activity.contains_key(&key) {
            set(self.activity.entry(key).or_default());
        }
    }

    fn port(&mut self, server: Endpoint) {
        if self.asked.is_empty() {
            self.asked.resize(1 << RECENT_BITS, None);
        }
        let here = place(spread(mix(server.ip) ^ u64::from(server.port)), RECENT_BITS);
        if let Some(before) = self.asked.get_mut(here)
            && before.replace(server) == Some(server)
        {
            return;
        }
        if self.ports_seen < PORTS_KEPT
            && self.hosts.entry(server.ip).or_default().insert(server.port)
        {
            self.ports_seen += 1;
        }
    }

    /// Whether the point captured nothing at all.
    pub fn is_empty(&self) -> bool {
        self.span.is_none()
    }

    /// Whether any segment without SYN, FIN, RST and PSH was captured: no filter on flags was in force.
    pub const fn holds_plain_segments(&self) -> bool {
        self.plain_segments
    }

    /// Whether plain segments and payload were captured, of those that must have been there.
    fn is_unfiltered(&self) -> bool {
        let payload = self.requests == 0 || self.requests_missed < self.requests;
        self.plain_segments && payload
    }

    /// The servers that were asked or that answered, with their ports, in order.
    pub fn servers(&self) -> impl Iterator<Item = (IpAddr, &BTreeSet<u16>)> {
        self.hosts.iter().map(|(host, ports)| (*host, ports))
    }

    /// Whether a SYN to this server, or a SYN+ACK of it, was captured at any time.
    pub fn asked(&self, server: Endpoint) -> bool {
        self.hosts.get(&server.ip).is_some_and(|ports| ports.contains(&server.port))
    }

    /// Whether packets to and from the host were captured at any time. Resets do not count, and of a
    /// longer capture the first day does.
    pub fn shows_both_directions(&self, host: IpAddr) -> bool {
        let Some(span) = self.span else { return false };
        let seen = self.directions(host, span);
        seen.to && seen.from
    }

    /// Whether any packet to or from the host was captured within `during` or a minute or two
    /// beside it: the point lies on the way to that host.
    pub fn knows(&self, host: IpAddr, during: Interval) -> bool {
        let seen = self.directions(host, during);
        seen.to || seen.from
    }

    /// Whether a packet to or from `server` within `during` would have been seen; `Err` says why
    /// that is not shown.
    pub fn of(&self, server: Endpoint, during: Interval) -> Result<(), CoverageGap> {
        let Some(span) = self.span else { return Err(CoverageGap::Empty) };
        if !span.covers(during) {
            return Err(CoverageGap::OutsideSpan);
        }
        if !self.written.covers(during) {
            return Err(CoverageGap::BetweenFiles);
        }
        if self.dropped > 0 {
            return Err(CoverageGap::Dropped);
        }
        if self.cut_short > 0 {
            return Err(CoverageGap::CutShort);
        }
        if self.twice.iter().any(|twice| twice.overlaps(during)) {
            return Err(CoverageGap::Twice);
        }
        let torn = if self.is_unfiltered() { self.torn } else { 0 };
        if misses_many(self.completed, self.missed.saturating_add(torn)) {
            return Err(CoverageGap::Missed);
        }
        let seen = self.directions(server.ip, during);
        if !(seen.to && seen.from) {
            return Err(CoverageGap::OneDirection);
        }
        // Only SYNs and SYN+ACKs name a server's port; a capture that shows none of this host's
        // shows no narrow filter either.
        match self.hosts.get(&server.ip) {
            Some(ports) if !ports.contains(&server.port) => Err(CoverageGap::OtherPort),
            _ => Ok(()),
        }
    }

    /// The same, for a packet without SYN, FIN, RST and PSH: a plain ACK of either side.
    pub fn of_acks(&self, server: Endpoint, during: Interval) -> Result<(), CoverageGap> {
        self.of(server, during)?;
        if self.plain_segments { Ok(()) } else { Err(CoverageGap::NoAcks) }
    }

    /// Whether a host with one of these cards wanted to send to this address within `during` and could
    /// not: it asked for it on the link, again, and nobody answered.
    pub fn unresolved(
        &self,
        address: IpAddr,
        during: Interval,
        cards: &BTreeSet<LinkAddress>,
    ) -> bool {
        self.neighbours.unresolved(address, during, cards)
    }

    /// The cards of the hosts for whose addresses `own` is true, as far as they asked for others.
    pub fn cards_of(&self, own: impl Fn(IpAddr) -> bool) -> BTreeSet<LinkAddress> {
        self.neighbours.cards_of(own)
    }

    /// When the files of the point were written without a hole, in order.
    pub fn stretches(&self) -> Vec<Interval> {
        self.written.stretches()
    }

    fn directions(&self, host: IpAddr, during: Interval) -> Directions {
        let first = during.start().minute() - 1;
        // An interval longer than a day is no deadline of a connect.
        let last = (during.end().minute() + 1).min(first + 1440);
        (first..=last).filter_map(|minute| self.activity.get(&(host, minute))).fold(
            Directions::default(),
            |all, d| Directions { to: all.to || d.to, from: all.from || d.from },
        )
    }
}

impl CoverageGap {
    /// In words that complete "coverage unproven: ...".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Empty => "the capture holds no packet",
            Self::OutsideSpan => "the moment lies outside the capture",
            Self::OneDirection => "the capture shows no traffic of this server in both directions",
            Self::BetweenFiles => "the moment lies between two files of the capture",
            Self::OtherPort => "the capture saw only other ports of this server",
            Self::NoAcks => {
                "the capture holds no plain ACK at all, its filter may let through some flags only"
            }
            Self::Dropped => "the capture dropped packets",
            Self::CutShort => "the capture cuts ICMP errors, or more, before what they say",
            Self::Missed => "the capture lacks packets that were acknowledged",
            Self::Overlooked => {
                "the capture lacks handshakes of its own host that another point saw"
            }
            Self::PassedUnseen => "the capture lacks packets that another point saw further on",
            Self::Twice => {
                "the capture holds this time twice: its clock was set back, or its sections overlap"
            }
        }
    }
}

#[cfg(test)]
mod tests;
