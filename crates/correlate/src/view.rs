//! The two ends from which an attempt is judged: the points that lie on its way.

use why504_handshake::{
    Attempt, ClockOffset, Coverage, CoverageGap, Event, Merged, Path, PointId, Sighting,
    misses_many,
};
use why504_model::{Endpoint, Interval, Span, Timestamp};

use crate::deadline::Deadline;
use crate::verdict::{LostPacket, Verdict};

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What is known of all capture points of a run.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    /// Their order on the way to each server.
    pub path: &'a Path,
    /// What each of them can be trusted to have seen.
    pub coverage: &'a BTreeMap<PointId, &'a Coverage>,
    /// Clock offsets and reliability between them.
    pub merged: &'a Merged,
}

/// One capture point as far as one attempt is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Station<'a> {
    /// Which point.
    pub point: PointId,
    /// What it saw of the attempt, if anything.
    pub sighting: Option<&'a Sighting>,
    /// Whether a packet missing there was missing.
    pub coverage: Result<(), CoverageGap>,
    /// The same, up to the time when the slowest of them would have come.
    pub slow: Result<(), CoverageGap>,
    /// It lies on the client's own host (or next to it, with no hop between).
    pub at_client: bool,
    /// It lies on the server's own host (or next to it, with no hop between).
    pub at_server: bool,
    /// Whether a missing plain ACK was missing: not all filters let them through.
    pub acks: Result<(), CoverageGap>,
    /// It lies nearer the server than the client, or away from the client where the server was
    /// never heard.
    pub near_server: bool,
}

/// A SYN or SYN+ACK that has not come after this time is not on its way any more: its sender sends it
/// again (RFC 6298 section 2).
const SLOW: Span = Span::from_secs(1);
/// Below this share the others take another way.
const PASSING_SHARE: (u64, u64) = (9, 10);
/// So many healthy handshakes, and none of them seen: the point is not on the way.
const PASSING_FROM: u64 = 3;
/// A share of fewer handshakes than this is not a measurement.
const RELIABLE_FROM: u64 = 20;

impl<'a> Points<'a> {
    /// The points on the way of an attempt, from the client to the server. A point counts when it
    /// saw the attempt, when it shows traffic of this server at that time, or when it is empty: a
    /// file that was given counts as present. A point on the client's side of the nearest sighting
    /// does not count: the attempt did not pass it, or was rewritten behind it. Nor does a point on
    /// the host of another client, nor one on another way to the server.
    pub(crate) fn stations(&self, attempt: &'a Attempt, during: Interval) -> Vec<Station<'a>> {
        let on_its_way = (SLOW - during.end().since(attempt.first_syn())).max(Span::ZERO);
        self.path
            .order_by(|point| self.server_at(attempt, point).ip)
            .into_iter()
            .skip_while(|&point| attempt.at(point).is_none())
            .filter_map(|point| {
                let server = self.server_at(attempt, point);
                let sighting = attempt.at(point);
                let coverage = self.coverage.get(&point)?;
                let there = self.at_point_of(attempt, point, during);
                let elsewhere = || self.at_client(point, server) || !self.passes(attempt, point);
                if sighting.is_none() && elsewhere() {
                    return None;
                }
                let present =
                    sighting.is_some() || coverage.is_empty() || coverage.knows(server.ip, there);
                let place = sighting.map_or_else(
                    || self.path.place(point, server.ip),
                    |sighting| self.path.place_of(sighting),
                );
                present.then(|| Station {
                    point,
                    sighting,
                    coverage: self.covers(point, server, there),
                    slow: self.covers(point, server, there.widened(Span::ZERO, on_its_way)),
                    acks: coverage.of_acks(server, there),
                    at_client: place.at_client(),
                    at_server: place.at_server(),
                    near_server: place.nearer_server(),
                })
            })
            .collect()
    }

    /// Whether a packet to or from `server` within `during` would have been seen at a point: that was
    /// capturing, and shows otherwise what passes it.
    pub(crate) fn covers(
        &self,
        point: PointId,
        server: Endpoint,
        during: Interval,
    ) -> Result<(), CoverageGap> {
        self.coverage.get(&point).ok_or(CoverageGap::Empty)?.of(server, during)?;
        if self.merged.overlooks(point) {
            Err(CoverageGap::Overlooked)
        } else if self.merged.loses_packets(point) {
            Err(CoverageGap::PassedUnseen)
        } else {
            Ok(())
        }
    }

    /// The address under which a point knows the server of an attempt: as it saw it, else the only
    /// one into which this server's was seen to be rewritten on the way to that point.
    fn server_at(&self, attempt: &Attempt, point: PointId) -> Endpoint {
        let seen = attempt.at(point).map(|sighting| sighting.flow.server);
        seen.unwrap_or_else(|| self.server_behind(attempt.flow().server, point))
    }

    /// The addresses into which this one was seen to be rewritten on the way to a point.
    pub(crate) fn servers_behind(
        &self,
        front: Endpoint,
        point: PointId,
    ) -> impl Iterator<Item = Endpoint> {
        self.merged
            .translations
            .range((front, Endpoint::LEAST)..)
            .take_while(move |((of, _), _)| *of == front)
            .filter(move |(_, translation)| translation.behind.contains(&point))
            .map(|((_, back), _)| *back)
    }

    /// The same for a server of which the point nearest the client has this address.
    pub(crate) fn server_behind(&self, front: Endpoint, point: PointId) -> Endpoint {
        let mut backs = self.servers_behind(front, point);
        match (backs.next(), backs.next()) {
            (Some(only), None) => only,
            _ => front,
        }
    }

    /// Whether attempts to this server pass a point.
    fn passes(&self, attempt: &Attempt, far: PointId) -> bool {
        let nearest = attempt.nearest();
        self.leads_past(nearest.point, nearest.flow.server, far)
    }

    /// Whether the way from a point to a server passes another. One that misses many of the healthy
    /// attempts lies on one of several ways (two firewalls, ECMP), one that has seen none of them on
    /// no way at all.
    pub(crate) fn leads_past(&self, near: PointId, server: Endpoint, far: PointId) -> bool {
        self.merged.routes.get(&(near, far, server)).is_none_or(|&(all, both)| {
            let parallel = all >= RELIABLE_FROM && both * PASSING_SHARE.1 < all * PASSING_SHARE.0;
            !parallel && (both > 0 || all < PASSING_FROM)
        })
    }

    /// Whether a point is on the client's end of the way to a server.
    pub(crate) fn at_client(&self, point: PointId, server: Endpoint) -> bool {
        self.path.place(point, server.ip).at_client()
    }

    /// Whether what a point saw of an attempt was seen on the client's end of its way.
    pub(crate) fn saw_at_client(&self, sighting: &Sighting) -> bool {
        self.path.place_of(sighting).at_client()
    }

    /// An interval of the clock nearest the client on another point's. Where no packets in both
    /// directions tell the offset, or a clock was set meanwhile, the attempt's own SYN does, up to
    /// the time that it was on its way.
    pub(crate) fn at_point_of(
        &self,
        attempt: &Attempt,
        point: PointId,
        during: Interval,
    ) -> Interval {
        let near = attempt.nearest().point;
        let offset = self.offset(near, point).or_else(|| self.offset(point, near));
        match attempt.syn_shift(point) {
            Some(shift) if offset.is_none_or(|o| !o.is_known_at(during.start())) => {
                during.shifted(shift)
            }
            _ => self.at_point(near, point, during),
        }
    }

    /// A moment of one point's clock on another's, where packets in both directions tell the offset
    /// between the two at that time.
    pub(crate) fn moment_at(
        &self,
        from: PointId,
        to: PointId,
        moment: Timestamp,
    ) -> Option<Timestamp> {
        let offset = self.offset(from, to).or_else(|| self.offset(to, from))?;
        let there = || self.at_point(from, to, Interval::new(moment, moment)).start();
        offset.is_known_at(moment).then(there)
    }

    /// An interval of one point's clock on another's.
    pub(crate) fn at_point(&self, from: PointId, to: PointId, during: Interval) -> Interval {
        if let Some(offset) = self.offset(from, to) {
            during.shifted(offset.at(during.start()))
        } else if let Some(offset) = self.offset(to, from) {
            let start = offset.to_near(during.start());
            Interval::new(start, start + during.length())
        } else {
            during
        }
    }

    fn offset(&self, near: PointId, far: PointId) -> Option<&ClockOffset> {
        self.merged.offsets.get(&(near, far))
    }

    /// Whether "seen at one, not at the other" can be believed of two points, for one attempt. They
    /// must have seen some attempt both: a filter on another client, or a second way beside this
    /// one, would show none. Of few healthy handshakes none may be missing, of many a small share;
    /// of those to this server, and of all. Where the server's address is rewritten in between, its
    /// attempts may go to several servers, and enough of them must be seen to tell.
    pub(crate) fn reliable(&self, attempt: &Attempt, near: PointId, far: PointId) -> bool {
        if !self.merged.shared.contains_key(&(near, far)) {
            return false;
        }
        let server = attempt.flow().server;
        let rewritten = attempt.at(far).is_none() && self.server_at(attempt, far) != server;
        (!rewritten || self.is_measured(near, server, far)) && self.misses_few(near, server, far)
    }

    /// Whether there were enough healthy handshakes to a server to tell which share of them a point
    /// further on saw.
    pub(crate) fn is_measured(&self, near: PointId, server: Endpoint, far: PointId) -> bool {
        self.merged.routes.get(&(near, far, server)).is_some_and(|(all, _)| *all >= RELIABLE_FROM)
    }

    /// Whether one point saw nearly all healthy handshakes of the other: with this server, and with
    /// all.
    pub(crate) fn misses_few(&self, near: PointId, server: Endpoint, far: PointId) -> bool {
        let route = self.merged.routes.get(&(near, far, server)).copied();
        let overall = self.merged.reliability.get(&(near, far)).copied();
        [route, overall]
            .into_iter()
            .flatten()
            .all(|(all, both)| !misses_many(all, all.saturating_sub(both)))
    }

    /// Whether an attempt may be one of a gateway's whose log is read: seen on the host of its
    /// client, or no capture on a client's host was watching this server then.
    pub(crate) fn is_home(&self, attempt: &Attempt) -> bool {
        let nearest = attempt.nearest();
        let server = attempt.flow().server;
        let moment = Interval::around(attempt.first_syn(), Span::from_secs(1));
        let watching = |(&point, coverage): (&PointId, &&Coverage)| {
            self.at_client(point, server)
                && coverage.knows(server.ip, self.at_point(nearest.point, point, moment))
        };
        self.saw_at_client(nearest) || !self.coverage.iter().any(watching)
    }

    /// The neighbouring points between which the packet of a verdict was lost: the last one on its
    /// way that saw it, and the next one, which would have.
    pub(crate) fn lost_between(
        &self,
        attempt: &Attempt,
        verdict: Verdict,
        deadline: Deadline,
    ) -> Option<(PointId, PointId)> {
        let lost = verdict.lost_packet()?;
        let mut way = self.stations(attempt, deadline.within);
        let first_answer = way.iter().rev().find_map(|s| s.sighting?.syn_acks().next()).copied();
        if matches!(lost, LostPacket::SynAck | LostPacket::Reply) {
            way.reverse();
        }
        let saw = |station: &Station<'_>| {
            station.sighting.is_some_and(|sighting| match lost {
                LostPacket::Syn => true,
                LostPacket::ThirdAck => sighting.completed(),
                LostPacket::SynAck => {
                    first_answer.is_some_and(|f| sighting.syn_acks().any(|e| is_copy(e, &f)))
                }
                LostPacket::Reply => {
                    sighting.server_rst().is_some()
                        || sighting.icmp().is_some()
                        || sighting.foreign_acks().next().is_some()
                }
            })
        };
        let seen_at = way.iter().rposition(saw)?;
        Some((way.get(seen_at)?.point, way.get(seen_at + 1)?.point))
    }
}

/// Of the points on the way of an attempt, from the client to the server, those that stand for its
/// two ends. One alone stands for the end that it is nearer to.
pub fn ends<T>(stations: &[T], near_server: impl Fn(&T) -> bool) -> (Option<&T>, Option<&T>) {
    match stations {
        [] => (None, None),
        [only] if near_server(only) => (None, Some(only)),
        [only] => (Some(only), None),
        [first, .., last] => (Some(first), Some(last)),
    }
}

/// The same SYN+ACK at another point. Repeated ones of Linux differ in their time stamps only, and a
/// box that rewrites ISNs changes all numbers but these.
fn is_copy(one: &Event, other: &Event) -> bool {
    match (one.timestamps, other.timestamps) {
        (Some(one), Some(other)) => one == other,
        _ => (one.seq, one.ack) == (other.seq, other.ack),
    }
}
