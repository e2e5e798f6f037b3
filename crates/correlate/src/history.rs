//! What went before on the same port: earlier attempts that a bare ACK may speak of, and that may
//! still be half open at the server.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::{Attempt, PointId, Side, Sighting};
use why504_model::{Endpoint, Flow, Interval, Span, Timestamp};

use crate::deadline::Deadline;
use crate::facts::{self, Asked, End, Facts, Foreign, LateAnswer};
use crate::view::{Points, Station};

/// A request in SYN-RECEIVED of Linux lives 63 s from its last SYN (tcp_synack_retries = 5), with
/// timers up to 5 % late.
const HALF_OPEN: Span = Span::from_secs(67);
/// Two points' views of one moment, clocks included, agree within this.
const SAME_MOMENT: Span = Span::from_millis(100);

/// Earlier attempts by what finds them.
#[derive(Clone, Debug, Default)]
pub struct History<'a> {
    /// Server and ISN of attempts that never completed.
    unfinished: BTreeMap<(Endpoint, u32), Timestamp>,
    /// 4-tuple as one point sees it -> what it saw there, in order of time.
    by_flow: BTreeMap<(PointId, Flow), Vec<&'a Sighting>>,
    /// Attempts that only points away from the client saw, by server: first SYN at that point.
    unpaired: BTreeMap<(PointId, Endpoint), Vec<Timestamp>>,
}

impl<'a> History<'a> {
    /// Of all attempts of a run.
    pub fn new(points: Points<'a>) -> Self {
        let mut history = Self::default();
        for attempt in &points.merged.attempts {
            if !attempt.sightings().any(Sighting::completed) {
                let key = (attempt.flow().server, attempt.isn().0);
                history.unfinished.entry(key).or_insert(attempt.first_syn());
            }
            for sighting in attempt.sightings() {
                history.by_flow.entry((sighting.point, sighting.flow)).or_default().push(sighting);
            }
            let nearest = attempt.nearest();
            if !points.saw_at_client(nearest) {
                let key = (nearest.point, nearest.flow.server);
                history.unpaired.entry(key).or_default().push(nearest.first_syn());
            }
        }
        for list in history.by_flow.values_mut() {
            list.sort_by_key(|s| s.first_syn());
        }
        for list in history.unpaired.values_mut() {
            list.sort_unstable();
        }
        history
    }

    /// All facts about one attempt.
    pub(crate) fn facts(
        &self,
        points: Points<'_>,
        attempt: &Attempt,
        asked: Asked,
        deadline: Option<Deadline>,
        during: Interval,
    ) -> Facts {
        let stations = points.stations(attempt, during);
        let (client, server) = ends(&stations);
        let at = |station: &Station<'_>, side: Side| {
            let there = deadline
                .map(|d| Deadline { within: points.at_point_of(attempt, station.point, d.within) });
            let mut end = facts::end(station, side, there, self.half_open(station));
            end.seen.foreign_ack = self.foreign(station);
            end
        };
        let c = client.map(|station| at(station, Side::Client));
        let s = server.map(|station| at(station, Side::Server));
        let mut facts = Facts {
            asked,
            attempt: true,
            client: c,
            server: s,
            open_at_end: attempt
                .sightings()
                .any(|s| s.closing == why504_handshake::Closing::OpenAtEnd),
            ..Facts::blank()
        };
        if let Some(station) = client {
            facts.late = late(points, station, c, attempt);
        }
        if let (Some(client), Some(server)) = (client, server) {
            facts.reliable = points.reliable(client.point, server.point);
            facts.late_is_first = client
                .sighting
                .zip(server.sighting)
                .is_some_and(|(c, s)| facts::same_first_answer(c, s));
            facts.server_slow = s.is_some_and(|s| s.seen.syn_acks == 0 && s.seen.late_syn_acks > 0);
            facts.unpaired_at_server = self.unpaired(points, attempt, server, during);
        }
        facts
    }

    /// What a bare ACK that answered this attempt speaks of.
    fn foreign(&self, station: &Station<'_>) -> Foreign {
        let Some(sighting) = station.sighting else { return Foreign::None };
        let mut foreign = Foreign::None;
        for isn in sighting.foreign_acks().filter_map(|e| e.about) {
            let key = (sighting.flow.server, isn.0);
            let earlier = self.unfinished.get(&key).is_some_and(|t| *t <= sighting.first_syn());
            foreign = if earlier { Foreign::Unfinished } else { Foreign::Other };
        }
        foreign
    }

    /// Whether the server still held an earlier, unanswered attempt on this 4-tuple.
    fn half_open(&self, station: &Station<'_>) -> bool {
        let Some(sighting) = station.sighting else { return false };
        let began = sighting.first_syn();
        let earlier = self.by_flow.get(&(sighting.point, sighting.flow));
        earlier.is_some_and(|list| {
            list.iter().any(|other| {
                other.isn != sighting.isn
                    && other.first_syn() < began
                    && other.syn_acks().next().is_some()
                    && !other.completed()
                    && other.client_rst().is_none_or(|rst| rst.time >= began)
                    && other.syns().last().is_some_and(|s| began.since(s.time) <= HALF_OPEN)
            })
        })
    }

    /// Whether the server's point saw, at that moment, an attempt to the same upstream that the
    /// client's point did not: it may be this one with its numbers rewritten.
    fn unpaired(
        &self,
        points: Points<'_>,
        attempt: &Attempt,
        server: &Station<'_>,
        during: Interval,
    ) -> bool {
        let there = points
            .at_point(attempt.nearest().point, server.point, during)
            .widened(SAME_MOMENT, SAME_MOMENT);
        self.unpaired.get(&(server.point, attempt.flow().server)).is_some_and(|times| {
            let from = times.partition_point(|t| *t < there.start());
            times.get(from).is_some_and(|t| there.contains(*t))
        })
    }
}

/// The stations that stand for the two ends.
fn ends<'a, 'b>(stations: &'b [Station<'a>]) -> (Option<&'b Station<'a>>, Option<&'b Station<'a>>) {
    match stations {
        [] => (None, None),
        [only] if only.near_server => (None, Some(only)),
        [only] => (Some(only), None),
        [first, .., last] => (Some(first), Some(last)),
    }
}

/// A SYN+ACK that the client's point saw after the client had given up: its socket reset it, or the
/// deadline was past.
fn late(
    points: Points<'_>,
    station: &Station<'_>,
    end: Option<End>,
    attempt: &Attempt,
) -> LateAnswer {
    let Some(sighting) = station.sighting else { return LateAnswer::None };
    let after_deadline = end.is_some_and(|e| e.seen.syn_acks == 0);
    let reset = sighting.client_rst().is_some_and(|rst| {
        sighting.syn_acks().next().is_some_and(|answer| rst.time >= answer.time)
    });
    if sighting.completed() || !(after_deadline || reset) {
        return LateAnswer::None;
    }
    let place = points.path.place(station.point, attempt.flow().server.ip);
    facts::late_answer(sighting, place.to_server.unwrap_or(Span::ZERO))
}
