//! What went before on the same port: earlier attempts that a bare ACK may speak of, and that may
//! still be half open at the server.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use why504_handshake::{Attempt, Event, EventKind, PointId, Side, Sighting, lacks_packets};
use why504_model::{Endpoint, Flow, Interval, Span, Timestamp};

use crate::answerer::{Answerers, acked_before, is_apart};
use crate::answers;
use crate::checksums::Checksums;
use crate::deadline::Deadline;
use crate::delay;
use crate::facts::{self, Asked, End, Facts, Foreign};
use crate::late;
use crate::view::{Points, Station, ends};
use crate::which::which_came;
use crate::{LateAnswer, OneThread, Threads};

/// A request in SYN-RECEIVED of Linux lives 63 s from its last SYN (tcp_synack_retries = 5), with
/// timers up to 5 % late.
const HALF_OPEN: Span = Span::from_secs(67);
/// Two points' views of one moment, clocks included, agree within this.
const SAME_MOMENT: Span = Span::from_millis(100);
/// A server repeats its SYN+ACK after 1 s, and a client its SYN (`TCP_TIMEOUT_INIT`), up to 5 % late.
const REPEATED_BY: Span = Span::from_millis(1200);
/// A host answers within the shortest round trip, as long again, and this.
const TRIP_SLACK: Span = Span::from_millis(20);
/// The receive window of a request in SYN-RECEIVED is not scaled (RFC 7323 section 2.2).
const LARGEST_WINDOW: u32 = 65_535;

/// So many attempts are gone through together on one thread.
const TOGETHER: usize = 4096;

/// A client as a point sees it, when its attempt began, and what the point saw of it.
type Seen<'a> = (Endpoint, Timestamp, &'a Sighting);

/// Earlier attempts by what finds them.
#[derive(Clone, Debug, Default)]
pub struct History<'a> {
    /// Server -> ISNs of attempts that never completed, and their first SYNs, in order.
    unfinished: BTreeMap<Endpoint, Vec<(u32, Timestamp)>>,
    /// Server as a point sees it -> what that point saw of whom, in order, then in order of time. Of
    /// hundreds of thousands of attempts sorted lists take a fraction of a tree's time and memory.
    by_server: BTreeMap<(PointId, Endpoint), Vec<Seen<'a>>>,
    /// Attempts that only points away from the client saw, by server: first SYN at that point.
    unpaired: BTreeMap<(PointId, Endpoint), Vec<Timestamp>>,
    /// Points where some SYN+ACK was followed by no repetition although there was time for one.
    quiet: BTreeSet<PointId>,
    /// Points where something of a handshake came again.
    restless: BTreeSet<PointId>,
    /// Where answers of a server came late, at no moment at which it repeats itself.
    delaying: BTreeSet<(PointId, IpAddr)>,
    /// Servers that echo the first SYN that they accepted.
    linux_like: BTreeSet<IpAddr>,
    /// What on the way answers in servers' places.
    answerers: Answerers,
    /// Servers of which one point saw something answer in their place.
    fronted: BTreeSet<(PointId, Endpoint)>,
    /// What the points show of checksums.
    checksums: Checksums,
}

impl<'a> History<'a> {
    /// Of all attempts of a run.
    pub fn new(points: Points<'a>) -> Self {
        Self::made_by(&OneThread, points)
    }

    /// The same on several threads.
    pub fn made_by(threads: &impl Threads, points: Points<'a>) -> Self {
        let attempts = || points.merged.attempts.chunks(TOGETHER).collect();
        let mut history = Self::default();
        for some in threads.map(attempts(), |some| Self::of(points, some)) {
            history.take_in(some);
        }
        let lists = core::mem::take(&mut history.by_server).into_iter().collect();
        let sorted = threads.map(lists, |(server, mut list): (_, Vec<Seen<'a>>)| {
            list.sort_by_key(|&(client, began, _)| (client, began));
            (server, list)
        });
        history.by_server = sorted.into_iter().collect();
        history.unfinished.values_mut().for_each(|list| list.sort_unstable());
        history.unpaired = unpaired(points);
        history
    }

    /// What some attempts show, in no order yet.
    fn of(points: Points<'a>, attempts: &'a [Attempt]) -> Self {
        let mut history = Self::default();
        for attempt in attempts {
            if !attempt.sightings().any(Sighting::completed) {
                let of_server = history.unfinished.entry(attempt.flow().server).or_default();
                of_server.push((attempt.isn().0, attempt.first_syn()));
            }
            for sighting in attempt.sightings() {
                let began = sighting.first_syn();
                for Flow { client, server } in sighting.flows() {
                    let there = history.by_server.entry((sighting.point, server)).or_default();
                    there.push((client, began, sighting));
                }
                history.listen(points, sighting);
            }
            history.answerers.learn(points, attempt);
        }
        history
    }

    /// Takes in what later attempts show.
    fn take_in(&mut self, later: Self) {
        // Every field by name, so that none is forgotten.
        let Self {
            unfinished,
            by_server,
            unpaired: _,
            quiet,
            restless,
            delaying,
            linux_like,
            answerers,
            fronted,
            checksums,
        } = later;
        for (server, mut list) in unfinished {
            self.unfinished.entry(server).or_default().append(&mut list);
        }
        for (server, mut list) in by_server {
            self.by_server.entry(server).or_default().append(&mut list);
        }
        self.quiet.extend(quiet);
        self.restless.extend(restless);
        self.delaying.extend(delaying);
        self.linux_like.extend(linux_like);
        self.answerers.take_in(answerers);
        self.fronted.extend(fronted);
        self.checksums.take_in(checksums);
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
        let (way, beyond) = stations.split_at(self.answerers.far_end(points, attempt, &stations));
        let (client, server) = ends(way, |station| station.near_server);
        let at = |station: &Station<'_>, side: Side| {
            let there = deadline
                .map(|d| Deadline { within: points.at_point_of(attempt, station.point, d.within) });
            let mut end = facts::end(station, side, there);
            end.seen.port_half_open = self.half_open(station);
            end.seen.reset_in_window = self.reset_in_window(station);
            end.seen.foreign_ack = self.foreign(station);
            end.seen.rst_at_once = self.rst_at_once(points, station);
            end.seen.held_to_the_last &= drawn_at_once(points, station);
            if let Some(sighting) = station.sighting {
                end.seen.syns_damaged = self.checksums.all_damaged(sighting, Side::Client);
                end.seen.syn_acks_damaged = self.checksums.all_damaged(sighting, Side::Server);
            }
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
        facts.acks_may_be_hidden = client.or(server).is_none_or(|station| {
            self.quiet.contains(&station.point) || !self.restless.contains(&station.point)
        });
        if let Some(sighting) = client.and_then(|station| station.sighting) {
            let here = (sighting.point, sighting.flow.server);
            // Whoever asks without a line asks of each attempt, most of them plain.
            facts.answered_in_place = asked != Asked::Outcome && self.fronted.contains(&here);
        }
        if let Some(station) = client {
            // What came for sure in time is not late, whatever became of a later one; unless it was reset.
            let prompt = |end: End| end.seen.prompt && !end.seen.reset_in_time;
            let in_time = deadline.is_some() && c.is_some_and(prompt);
            if !in_time {
                facts.late = self.late(points, station, c);
            }
            facts.linux_like = self.linux_like.contains(&attempt.flow().server.ip);
        }
        if let (Some(client), Some(server)) = (client, server) {
            facts.reliable = points.reliable(attempt, client.point, server.point);
            facts.server_slow = s.is_some_and(|s| s.seen.syn_acks == 0 && s.seen.late_syn_acks > 0);
            if let (Some(c), Some(s)) = (client.sighting, server.sighting) {
                let there = |moment| points.moment_at(client.point, server.point, moment);
                facts.came = which_came(c, s, there);
                facts.slowest = delay::slowest(c, s, there);
                facts.other_answer = answers::other_answer(c, s);
                let behind = |station: &Station<'_>| {
                    station.sighting.is_some_and(|far| is_apart(points, c, far))
                };
                facts.acked_before = acked_before(points, c, s) || beyond.iter().any(behind);
                facts.rewritten = c.isn != s.isn || answers::rewritten(c, s);
                tear(&mut facts, c, s);
            }
            let proxied = self.answerers.answer_for(attempt.flow().server);
            facts.proxied = proxied && beyond.is_empty();
            facts.ends_at_proxy = (proxied || facts.acked_before) && !beyond.is_empty();
            facts.unpaired_at_server = self.unpaired(points, attempt, server, during);
        }
        facts
    }

    /// What a bare ACK that answered this attempt speaks of.
    fn foreign(&self, station: &Station<'_>) -> Foreign {
        let Some(sighting) = station.sighting else { return Foreign::None };
        let Some(ack) = sighting.foreign_acks().last() else { return Foreign::None };
        let (server, isn) = (sighting.flow.server, ack.ack.previous().0);
        let of_server = self.unfinished.get(&server).map(Vec::as_slice).unwrap_or_default();
        let first = of_server.partition_point(|&(of, _)| of < isn);
        let earlier = of_server
            .get(first)
            .is_some_and(|&(of, began)| of == isn && began <= sighting.first_syn());
        if earlier { Foreign::Unfinished } else { self.older_connection(sighting, ack) }
    }

    /// What is left of a connection of which a bare ACK speaks, by what its FINs were.
    fn older_connection(&self, sighting: &Sighting, ack: &Event) -> Foreign {
        let before =
            |other: &&Sighting| other.first_syn() < sighting.first_syn() && other.completed();
        let old = self.on_its_ports(sighting).filter(before).max_by_key(|s| s.first_syn());
        // A full socket of Linux counts its IP identifications; a request and a TIME-WAIT entry answer
        // with 0 (IPv4; NAT keeps it).
        let counted = ack.ip_id.is_some_and(|id| id != 0);
        let Some(old) = old else {
            return if counted { Foreign::Established } else { Foreign::Unknown };
        };
        let fin = |side| {
            old.events
                .iter()
                .filter(move |e| e.side == side && e.kind == EventKind::Fin && e.about.is_none())
        };
        if !fin(Side::Client).any(|e| e.next_seq() == ack.ack) {
            // A clean connection is not followed to its end.
            if ack.ip_id == Some(0) { Foreign::TimeWait } else { Foreign::Established }
        } else if fin(Side::Server).next().is_some() {
            Foreign::TimeWait
        } else {
            Foreign::CloseWait
        }
    }

    /// Notes whether a point shows that SYN+ACKs were missed, or that they were not.
    fn listen(&mut self, points: Points<'_>, sighting: &Sighting) {
        self.checksums.learn(sighting);
        let server = sighting.flow.server.ip;
        let place = points.path.place(sighting.point, server);
        if place.to_server.is_some_and(|trip| late::shows_delay(sighting, trip))
            || place.to_client.is_some_and(|trip| late::shows_delayed_reply(sighting, trip))
        {
            self.delaying.insert((sighting.point, server));
        }
        if answers::answered_in_place(sighting) {
            self.fronted.insert((sighting.point, sighting.flow.server));
        }
        if late::keeps_the_first(sighting) {
            self.linux_like.insert(server);
        }
        let Some(answer) = sighting.syn_acks().last() else { return };
        let end = points.coverage.get(&sighting.point).and_then(|c| c.span).map(Interval::end);
        if facts::repeated(sighting) {
            self.restless.insert(sighting.point);
        } else if end.is_some_and(|end| end.since(answer.time) >= REPEATED_BY) {
            self.quiet.insert(sighting.point);
        }
    }

    /// Whether a later SYN on this 4-tuple was reset because it fell into the window of this attempt
    /// (`tcp_check_req`): the server still held it half open.
    fn reset_in_window(&self, station: &Station<'_>) -> bool {
        let Some(sighting) = station.sighting else { return false };
        let answered = sighting.syn_acks().next().is_some() && !sighting.completed();
        let began = sighting.first_syn();
        answered
            && self.on_its_ports(sighting).any(|other| {
                let beyond = other.isn.distance_from(sighting.isn.next());
                other.first_syn() > began
                    && other.first_syn().since(began) <= HALF_OPEN
                    && beyond <= LARGEST_WINDOW
                    && other.isn != sighting.isn
                    && other.refusal().is_some()
                    && other.syn_acks().next().is_none()
            })
    }

    /// Whether the server still held an earlier, unanswered attempt on this 4-tuple.
    fn half_open(&self, station: &Station<'_>) -> bool {
        let Some(sighting) = station.sighting else { return false };
        let began = sighting.first_syn();
        self.on_its_ports(sighting).any(|other| {
            other.isn != sighting.isn
                && other.first_syn() < began
                && other.syn_acks().next().is_some()
                && !other.completed()
                && !answers::each_of_its_own(other)
                && other.client_rst().is_none_or(|rst| rst.time >= began)
                && other.syns().last().is_some_and(|s| began.since(s.time) <= HALF_OPEN)
        })
    }

    /// What one point saw on the 4-tuples of an attempt, itself included.
    fn on_its_ports(&self, sighting: &Sighting) -> impl Iterator<Item = &'a Sighting> {
        let point = sighting.point;
        sighting.flows().flat_map(move |Flow { client, server }| {
            let there = self.by_server.get(&(point, server)).map(Vec::as_slice).unwrap_or_default();
            let first = there.partition_point(|&(other, ..)| other < client);
            let from = there.get(first..).unwrap_or_default().iter();
            from.take_while(move |&&(other, ..)| other == client).map(|&(.., seen)| seen)
        })
    }

    /// A SYN+ACK that the client's point saw after the client had given up: its socket reset it, or
    /// the deadline was past.
    fn late(&self, points: Points<'_>, station: &Station<'_>, end: Option<End>) -> LateAnswer {
        let Some(sighting) = station.sighting else { return LateAnswer::None };
        let after_deadline = end.is_some_and(|e| e.seen.syn_acks == 0);
        let reset = sighting.client_rst().is_some_and(|rst| {
            sighting.syn_acks().next().is_some_and(|answer| rst.time >= answer.time)
        });
        if sighting.completed() || !(after_deadline || reset) {
            return LateAnswer::None;
        }
        let server = sighting.flow.server.ip;
        let trip = points.path.place(station.point, server).to_server.unwrap_or(Span::ZERO);
        match late::late_answer(sighting, trip) {
            LateAnswer::Repeated if self.delaying.contains(&(station.point, server)) => {
                LateAnswer::InSlot
            }
            answer => answer,
        }
    }

    /// Whether the client's RST answered a repeated SYN+ACK: it came within the round trip that was
    /// measured here, and nothing here takes longer.
    fn rst_at_once(&self, points: Points<'_>, station: &Station<'_>) -> bool {
        let Some(sighting) = station.sighting else { return false };
        let server = sighting.flow.server.ip;
        points.path.place(station.point, server).to_client.is_some_and(|trip| {
            facts::rst_after_repeat(sighting, trip + trip + TRIP_SLACK)
                && !self.delaying.contains(&(station.point, server))
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
        let there = points.at_point(attempt.nearest().point, server.point, during);
        self.unpaired_within(points, server.point, attempt.flow().server, there)
    }

    /// The same for a server as the gateway names it, whatever it is rewritten into.
    fn unpaired_within(
        &self,
        points: Points<'_>,
        point: PointId,
        server: Endpoint,
        there: Interval,
    ) -> bool {
        let there = there.widened(SAME_MOMENT, SAME_MOMENT);
        let mut names = points.servers_behind(server, point).chain([server]);
        names.any(|name| {
            self.unpaired.get(&(point, name)).is_some_and(|times| {
                let from = times.partition_point(|t| *t < there.start());
                times.get(from).is_some_and(|t| there.contains(*t))
            })
        })
    }

    /// Whether a point saw, within `during` on the gateway's clock, an attempt to this upstream that no
    /// point on the client's host did: what the gateway sends is not all in its capture. Behind a
    /// translator any attempt of its address that the capture lacks says so of all moments, since what
    /// the capture lacks may have been lost on its way.
    pub(crate) fn seen_away_only(
        &self,
        points: Points<'_>,
        upstream: Endpoint,
        during: Interval,
    ) -> bool {
        let home = points.coverage.keys().find(|point| points.at_client(**point, upstream));
        home.is_some_and(|&home| {
            if points.merged.may_overlook(home) {
                return true;
            }
            let mut away = points.coverage.keys().filter(|point| **point != home);
            away.any(|&away| {
                let there = points.at_point(home, away, during);
                self.unpaired_within(points, away, upstream, there)
            })
        })
    }
}

/// Notes of the two ends which of them did not see all that the other shows to have passed it.
fn tear(facts: &mut Facts, client: &Sighting, server: &Sighting) {
    if let Some(end) = &mut facts.client {
        end.seen.torn = lacks_packets(client, server, Side::Client);
    }
    if let Some(end) = &mut facts.server {
        end.seen.torn = lacks_packets(server, client, Side::Server);
    }
}

/// Whether a bare ACK of something else followed the last SYN within the round trip that was measured
/// here: later it may be a probe of an older connection that was due just then.
fn drawn_at_once(points: Points<'_>, station: &Station<'_>) -> bool {
    let Some(sighting) = station.sighting else { return false };
    let Some(last) = sighting.syns().map(|syn| syn.time).max() else { return false };
    let trip = points.path.place(station.point, sighting.flow.server.ip).to_server;
    let within = trip.map_or(facts::ROUND_TRIP_MAX, |trip| trip + trip + TRIP_SLACK);
    sighting.foreign_acks().any(|ack| ack.time >= last && ack.time.since(last) <= within)
}

/// The first SYNs of attempts that only points away from the client saw, by server, in order. A copy of a
/// SYN that arrives when its attempt is over begins another one at that point alone.
fn unpaired(points: Points<'_>) -> BTreeMap<(PointId, Endpoint), Vec<Timestamp>> {
    let key = |sighting: &Sighting| (sighting.flow.server, sighting.isn.0);
    let (at_client, away): (Vec<&Attempt>, Vec<&Attempt>) =
        points.merged.attempts.iter().partition(|a| points.saw_at_client(a.nearest()));
    let mut unseen: BTreeSet<(Endpoint, u32)> = away.iter().map(|a| key(a.nearest())).collect();
    if !unseen.is_empty() {
        for sighting in at_client.into_iter().flat_map(Attempt::sightings) {
            unseen.remove(&key(sighting));
        }
    }
    let mut unpaired: BTreeMap<(PointId, Endpoint), Vec<Timestamp>> = BTreeMap::new();
    for nearest in away.into_iter().map(Attempt::nearest) {
        if unseen.contains(&key(nearest)) {
            let there = unpaired.entry((nearest.point, nearest.flow.server)).or_default();
            there.push(nearest.first_syn());
        }
    }
    for list in unpaired.values_mut() {
        list.sort_unstable();
    }
    unpaired
}
