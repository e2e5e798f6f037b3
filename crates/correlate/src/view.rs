//! The two ends from which an attempt is judged: the points that lie on its way.

use why504_handshake::{
    Attempt, ClockOffset, Coverage, CoverageGap, Event, Merged, Path, PointId, Sighting,
};
use why504_model::{Endpoint, Interval, Span};

use crate::deadline::Deadline;
use crate::verdict::Verdict;

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

/// Below this share of healthy handshakes seen at both points, absence at one proves nothing.
const RELIABLE_SHARE: (u64, u64) = (99, 100);
/// A share of fewer handshakes than this is not a measurement.
const RELIABLE_FROM: u64 = 20;

impl<'a> Points<'a> {
    /// The points on the way of an attempt, from the client to the server. A point counts when it
    /// saw the attempt, when it shows traffic of this server at that time, or when it is empty: a
    /// file that was given counts as present. A point on the client's side of the nearest sighting
    /// does not count: the attempt did not pass it, or was rewritten behind it. Nor does a point on
    /// the host of another client.
    pub(crate) fn stations(&self, attempt: &'a Attempt, during: Interval) -> Vec<Station<'a>> {
        let server = attempt.flow().server;
        self.path
            .order(server.ip)
            .into_iter()
            .skip_while(|&point| attempt.at(point).is_none())
            .filter_map(|point| {
                let sighting = attempt.at(point);
                let coverage = self.coverage.get(&point)?;
                let there = self.at_point_of(attempt, point, during);
                if sighting.is_none() && self.at_client(point, server) {
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
                    coverage: coverage.of(server, there),
                    acks: coverage.of_acks(server, there),
                    at_client: place.at_client(),
                    at_server: place.at_server(),
                    near_server: place.nearer_server(),
                })
            })
            .collect()
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
            Some(shift) if offset.is_none_or(|o| o.inconsistent) => during.shifted(shift),
            _ => self.at_point(near, point, during),
        }
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

    /// Whether "seen at one, not at the other" can be believed of two points. They must have seen
    /// some attempt both: a filter on another client, or a second way beside this one, would show
    /// none. Of few healthy handshakes none may be missing, of many a small share.
    pub(crate) fn reliable(&self, near: PointId, far: PointId) -> bool {
        if !self.merged.shared.contains_key(&(near, far)) {
            return false;
        }
        let Some(&(all, both)) = self.merged.reliability.get(&(near, far)) else { return true };
        let missing = all.saturating_sub(both);
        missing == 0 || all >= RELIABLE_FROM && both * RELIABLE_SHARE.1 >= all * RELIABLE_SHARE.0
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

    /// The neighbouring points between which the lost packet was lost.
    pub(crate) fn lost_between(
        &self,
        attempt: &Attempt,
        verdict: Verdict,
        deadline: Deadline,
    ) -> Option<(PointId, PointId)> {
        let stations = self.stations(attempt, deadline.within);
        let seen = |wanted: &dyn Fn(&Sighting) -> bool| -> Vec<bool> {
            stations.iter().map(|s| s.sighting.is_some_and(wanted)).collect()
        };
        let pair =
            |from: usize, to: usize| Some((stations.get(from)?.point, stations.get(to)?.point));
        match verdict {
            Verdict::SynLost => {
                let last = seen(&|_| true).iter().rposition(|s| *s)?;
                pair(last, last + 1)
            }
            Verdict::AckLost => {
                let last = seen(&Sighting::completed).iter().rposition(|s| *s)?;
                pair(last, last + 1)
            }
            Verdict::SynAckLost => {
                let first =
                    stations.iter().filter_map(|s| s.sighting).next_back()?.syn_acks().next()?;
                let nearest = seen(&|s| s.syn_acks().any(|e| is_copy(e, first)));
                let nearest = nearest.iter().position(|s| *s)?;
                pair(nearest, nearest.checked_sub(1)?)
            }
            Verdict::ReplyLost => {
                let first = seen(&|s| {
                    s.server_rst().is_some()
                        || s.icmp().is_some()
                        || s.foreign_acks().next().is_some()
                })
                .iter()
                .position(|s| *s)?;
                pair(first, first.checked_sub(1)?)
            }
            _ => None,
        }
    }
}

/// The same SYN+ACK at another point. Repeated ones of Linux differ in their time stamps only.
fn is_copy(one: &Event, other: &Event) -> bool {
    (one.seq, one.ack, one.timestamps) == (other.seq, other.ack, other.timestamps)
}
