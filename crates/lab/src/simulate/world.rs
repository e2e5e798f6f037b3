//! A made-up incident with its truth: a gateway's workers, their timers, their log, and what the
//! two capture points saw. No nginx and no network: only what the join looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use why504_correlate::{Case, Correlation, Points, ROOM, Verdict, correlate_within};
use why504_handshake::{
    Closing, Coverage, Event, EventKind, Merged, Path, PointId, Side, Sighting, Tracker, merge,
};
use why504_model::{
    Checksum, Endpoint, Flow, Interval, LimitSource, Location, Packet, Segment, SeqNumber,
    SourceId, Span, StartBasis, TcpFlags, TcpTimestamps, TimeLimit, Timeout, TimeoutId,
    TimeoutKind, Timestamp,
};

use super::AllThreads;
use crate::random::Random;

/// The first second of every world.
const BEGIN: Timestamp = Timestamp::from_parts(1_795_000_000, 0);
/// A loop with a mean lateness of half a millisecond is later than this once in 20 000 times.
const LATE_AT_MOST: Span = Span::from_millis(5);
/// One way over the network.
const ONE_WAY: Span = Span::from_micros(200);
/// Copies of a SYN after the first, since it (Linux from 6.5 on, measured).
const SYN_AGAIN: [i64; 9] = [1020, 2050, 3070, 4090, 5120, 7130, 11_170, 19_360, 35_490];
/// SYN+ACKs that a server's timer repeats, in milliseconds after the first.
const SYN_ACK_AGAIN: [i64; 2] = [1020, 3040];
const GATEWAY: PointId = PointId(0);
const UPSTREAM: PointId = PointId(1);

/// What the world is like.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Connect timeouts, all upstreams together, per second.
    pub(super) rate: f64,
    /// How many there are.
    pub(super) lines: usize,
    /// Timers in force, each as likely.
    pub(super) timers: Vec<Span>,
    /// nginx workers, which share one log.
    pub(super) workers: u32,
    /// Upstreams, each as likely.
    pub(super) upstreams: u16,
    /// Attempts that nobody answers and no line reports, per second and upstream.
    pub(super) background: f64,
    /// The lines have their access lines.
    pub(super) access_log: bool,
    /// The timers are known to the join.
    pub(super) timers_known: bool,
    /// How the losses fall.
    pub(super) losses: Losses,
    /// Mean lateness of a worker's loop.
    pub(super) late: Span,
    /// Each accepted connection connects once and at once: the lines have numbers that tell which connect
    /// of the host theirs was.
    pub(super) numbered: bool,
    /// Added to the times of the lines: a zone that was taken for another.
    pub(super) zone: Span,
}

impl Setting {
    /// Incidents of so many timeouts a second and lines: one timer that is known, the error log alone, four
    /// workers and upstreams, a loop that is half a millisecond late.
    pub(super) fn plain(rate: f64, lines: usize) -> Self {
        Self {
            rate,
            lines,
            timers: vec![Span::from_millis(300)],
            workers: 4,
            upstreams: 4,
            background: 0.0,
            access_log: false,
            timers_known: true,
            losses: Losses::Even,
            late: Span::from_micros(500),
            numbered: false,
            zone: Span::ZERO,
        }
    }
}

/// How the losses fall on the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Losses {
    /// On each attempt independently, SYN and SYN+ACK alike.
    Even,
    /// In spells of half a second in one direction, so that neighbours share their fate, and
    /// attempts come in bunches.
    Spells,
}

/// An attempt as it was.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    began: Timestamp,
    open_for: Span,
    upstream: u16,
    syn_arrives: bool,
    worker: u32,
    logged: bool,
}

/// An incident and its truth.
#[derive(Debug)]
pub(super) struct World {
    /// Lines of the log, in its order.
    pub(super) timeouts: Vec<Timeout>,
    /// Line -> ISN of its attempt.
    truth: Vec<u32>,
    /// ISN -> what became of the attempt.
    fates: BTreeMap<u32, Verdict>,
    /// All attempts.
    pub(super) merged: Merged,
    path: Path,
    coverage: BTreeMap<PointId, Coverage>,
}

impl World {
    /// Makes the world that belongs to a setting and a seed.
    pub(super) fn new(setting: &Setting, random: &mut Random) -> Self {
        let attempts = attempts(setting, random);
        let mut lines: Vec<(Timestamp, usize)> = Vec::new();
        let mut sightings = Vec::new();
        let mut fates = BTreeMap::new();
        let places = if setting.numbered { places(&attempts) } else { Vec::new() };
        for (number, attempt) in attempts.iter().enumerate() {
            let late = exponential(setting.late, random);
            if attempt.logged {
                lines.push((attempt.began + attempt.open_for + late, number));
            }
            let fate = if attempt.syn_arrives { Verdict::SynAckLost } else { Verdict::SynLost };
            fates.insert(isn(number), fate);
            sightings.extend(seen(number, attempt, places.get(number).copied()));
        }
        lines.sort_unstable();
        let written = lines.iter().zip(0..);
        let timeouts = written
            .filter_map(|(&(time, number), id)| {
                let place = places.get(number).copied();
                Some(line(setting, (id, place), time, attempts.get(number)?))
            })
            .collect();
        let (path, coverage) = surroundings(setting, &attempts, &sightings);
        Self {
            timeouts,
            truth: lines.iter().map(|&(_, number)| isn(number)).collect(),
            fates,
            merged: merge(sightings, &path),
            path,
            coverage,
        }
    }

    /// Runs `work` with the capture points of this world.
    pub(super) fn with_points<T>(&self, work: impl FnOnce(Points<'_>) -> T) -> T {
        let coverage = self.coverage.iter().map(|(&point, c)| (point, c)).collect();
        work(Points { path: &self.path, coverage: &coverage, merged: &self.merged })
    }

    /// What the product says of it.
    pub(super) fn correlate(&self) -> Correlation {
        self.correlate_within(ROOM)
    }

    /// The same with room for so many places.
    pub(super) fn correlate_within(&self, room: usize) -> Correlation {
        let zones_known = BTreeSet::new();
        self.with_points(|points| {
            correlate_within(room, &self.timeouts, points, &zones_known, &AllThreads)
        })
    }

    /// Whether an attempt of `merged` is the one that a line is about.
    pub(super) fn is_true(&self, line: usize, attempt: usize) -> bool {
        let isn = self.merged.attempts.get(attempt).map(|a| a.isn().0);
        isn.is_some() && isn == self.truth.get(line).copied()
    }

    /// What became of the attempt that a line is about.
    pub(super) fn fate(&self, line: usize) -> Option<Verdict> {
        self.fates.get(self.truth.get(line)?).copied()
    }

    /// What became of an attempt of `merged`.
    pub(super) fn fate_of(&self, attempt: usize) -> Option<Verdict> {
        self.fates.get(&self.merged.attempts.get(attempt)?.isn().0).copied()
    }

    /// Whether a timer of this length can have ended the attempts of all lines, for somebody who knows
    /// which attempt each line is about: it fired in the second that was logged, and each SYN whose turn
    /// came before was sent, and none after.
    pub(super) fn allows(&self, length: Span) -> bool {
        let by_isn: BTreeMap<u32, &Sighting> =
            self.merged.attempts.iter().map(|a| (a.isn().0, a.nearest())).collect();
        let turns = SYN_AGAIN.iter().filter(|&&ms| Span::from_millis(ms) < length).count();
        self.timeouts.iter().zip(&self.truth).all(|(timeout, isn)| {
            by_isn.get(isn).is_some_and(|seen| {
                let fired = seen.first_syn() + length;
                timeout.logged.widened(LATE_AT_MOST, Span::ZERO).contains(fired)
                    && seen.syns().count() == 1 + turns
            })
        })
    }

    /// Whether a case says what became of its attempt.
    pub(super) fn is_right(&self, case: &Case) -> bool {
        self.fate(case.timeout) == Some(case.verdict)
    }
}

/// Distinct for distinct numbers, and spread over all ISNs.
fn isn(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).wrapping_mul(2_654_435_761)
}

#[expect(clippy::cast_possible_truncation, reason = "nanoseconds of a simulated wait")]
#[expect(clippy::cast_precision_loss, reason = "a mean of milliseconds")]
fn exponential(mean: Span, random: &mut Random) -> Span {
    let wait = -(1.0 - random.fraction()).ln() * mean.nanos() as f64;
    Span::from_nanos(wait as i64)
}

fn every(rate: f64) -> Span {
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds between two attempts")]
    Span::from_nanos((1e9 / rate) as i64)
}

/// The attempts of the log lines, then those of nobody's.
fn attempts(setting: &Setting, random: &mut Random) -> Vec<Attempt> {
    let mut all = Vec::with_capacity(setting.lines);
    let mut now = BEGIN;
    let mut spell = (BEGIN, true);
    while all.len() < setting.lines {
        // In spells one moment holds four attempts on average.
        let bunched = setting.losses == Losses::Spells && random.below(4) > 0;
        now = now
            + match (setting.losses, bunched) {
                (Losses::Even, _) => exponential(every(setting.rate), random),
                (Losses::Spells, true) => Span::from_micros(i64::from(random.below(2000))),
                (Losses::Spells, false) => exponential(every(setting.rate / 4.0), random),
            };
        if now >= spell.0 {
            spell = (now + Span::from_millis(500), random.below(2) == 0);
        }
        let timer = random.below(u32::try_from(setting.timers.len()).unwrap_or(1));
        let arrives = random.below(2) == 0;
        all.push(Attempt {
            began: now,
            open_for: setting.timers.get(timer as usize).copied().unwrap_or_default(),
            upstream: random.below_u16(setting.upstreams),
            syn_arrives: if setting.losses == Losses::Even { arrives } else { spell.1 },
            worker: random.below(setting.workers),
            logged: true,
        });
    }
    for upstream in 0..setting.upstreams {
        let mut other = BEGIN - Span::from_secs(80);
        while setting.background > 0.0 && other < now + Span::from_secs(80) {
            other = other + exponential(every(setting.background), random);
            all.push(Attempt {
                began: other,
                open_for: Span::from_millis(50 + i64::from(random.below(5000))),
                upstream,
                syn_arrives: random.below(2) == 0,
                worker: 0,
                logged: false,
            });
        }
    }
    all
}

/// Which of the host's connects each attempt is, from one on.
fn places(attempts: &[Attempt]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..attempts.len()).collect();
    order.sort_by_key(|&number| attempts.get(number).map(|attempt| attempt.began));
    let mut places = vec![0; attempts.len()];
    for (number, place) in order.into_iter().zip(1..) {
        if let Some(slot) = places.get_mut(number) {
            *slot = place;
        }
    }
    places
}

fn server(upstream: u16) -> Endpoint {
    Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 8000 + upstream)
}

/// The log line of an attempt whose timer was noticed at `time`.
fn line(
    setting: &Setting,
    (id, place): (u32, Option<u64>),
    time: Timestamp,
    attempt: &Attempt,
) -> Timeout {
    let moment = |at: Timestamp| Interval::around(at, Span::from_millis(2));
    let second = Timestamp::from_parts(time.nanos().div_euclid(1_000_000_000), 0);
    let limit = |length: Span, source| TimeLimit { at_least: length, at_most: length, source };
    let (logged, limits) = if setting.access_log {
        (moment(time), vec![limit(attempt.open_for, LimitSource::AccessLog)])
    } else {
        let known = setting.timers.iter().filter(|_| setting.timers_known);
        let limits = known.map(|&length| limit(length, LimitSource::Flag)).collect();
        (Interval::second_from(second), limits)
    };
    Timeout {
        id: TimeoutId(id),
        location: Location { source: SourceId(9), record: u64::from(id) + 1 },
        kind: TimeoutKind::LuaConnectTimeout,
        never_sent: false,
        peer: Some(server(attempt.upstream)),
        logged: logged.shifted(setting.zone),
        start: setting.access_log.then(|| (moment(attempt.began), StartBasis::UpstreamTimes)),
        limits,
        worker: Some(attempt.worker),
        // The client's connection takes a number, and then its connect to the upstream another one.
        connection: place.map(|place| place.saturating_mul(2).saturating_sub(1)),
    }
}

/// What each point saw of an attempt that is such a one of the host's connects.
fn seen(number: usize, attempt: &Attempt, place: Option<u64>) -> Vec<Sighting> {
    let client = Endpoint::new(
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)),
        // Ports are reused; 4-tuples repeat, ISNs do not.
        u16::try_from(20_000 + number % 40_000).unwrap_or(20_000),
    );
    let open = |ms: &&i64| Span::from_millis(**ms) < attempt.open_for;
    let copies = SYN_AGAIN.iter().take_while(open).map(|&ms| Span::from_millis(ms));
    let syns: Vec<Timestamp> =
        std::iter::once(Span::ZERO).chain(copies).map(|after| attempt.began + after).collect();
    let event = |time: Timestamp, side: Side, point: PointId| Event {
        time,
        location: Location { source: SourceId(u32::from(point.0)), record: number as u64 + 1 },
        side,
        kind: if side == Side::Client { EventKind::Syn } else { EventKind::SynAck },
        flags: TcpFlags(if side == Side::Client { 0x02 } else { 0x12 }),
        seq: SeqNumber(if side == Side::Client { isn(number) } else { 77 }),
        ack: if side == Side::Client { SeqNumber(0) } else { SeqNumber(isn(number)).next() },
        timestamps: Some(TcpTimestamps {
            value: u32::try_from((time.nanos() / 1_000_000) & 0x7fff_ffff).unwrap_or(0),
            echo: 0,
        }),
        ip_id: None,
        ttl: if (side == Side::Client) == (point == GATEWAY) { 64 } else { 63 },
        payload_len: 0,
        checksum: Checksum::Unknown,
        vlan: None,
        icmp: None,
        about: None,
        drawn_by: None,
    };
    let sighting = |point, events| Sighting {
        point,
        flow: Flow { client, server: server(attempt.upstream) },
        isn: SeqNumber(isn(number)),
        events,
        events_dropped: 0,
        moved: Vec::new(),
        closing: Closing::Over,
        number: place.filter(|_| point == GATEWAY),
    };
    let sent = syns.iter().map(|&time| event(time, Side::Client, GATEWAY)).collect();
    let mut all = vec![sighting(GATEWAY, sent)];
    if attempt.syn_arrives {
        let mut there: Vec<Event> =
            syns.iter().map(|&time| event(time + ONE_WAY, Side::Client, UPSTREAM)).collect();
        let answered = std::iter::once(0).chain(SYN_ACK_AGAIN).map(Span::from_millis);
        there.extend(
            answered.map(|after| {
                event(attempt.began + ONE_WAY + ONE_WAY + after, Side::Server, UPSTREAM)
            }),
        );
        there.sort_by_key(|e| e.time);
        // The capture's clock differs by nothing; the copies keep the times stamped by their hosts.
        for copy in &mut there {
            if copy.side == Side::Client {
                let sent = copy.time - ONE_WAY;
                copy.timestamps = Some(TcpTimestamps {
                    value: u32::try_from((sent.nanos() / 1_000_000) & 0x7fff_ffff).unwrap_or(0),
                    echo: 0,
                });
            }
        }
        all.push(sighting(UPSTREAM, there));
    }
    all
}

/// Both points watch every upstream: a healthy handshake every half minute shows it.
fn surroundings(
    setting: &Setting,
    attempts: &[Attempt],
    sightings: &[Sighting],
) -> (Path, BTreeMap<PointId, Coverage>) {
    let last = attempts.iter().map(|a| a.began + a.open_for).max().unwrap_or(BEGIN);
    let mut path = Path::new([GATEWAY, UPSTREAM]);
    for sighting in sightings {
        path.learn(sighting);
    }
    let mut coverage = BTreeMap::new();
    for point in [GATEWAY, UPSTREAM] {
        let mut tracker = Tracker::new(point);
        let mut now = BEGIN - Span::from_secs(120);
        while now < last + Span::from_secs(120) {
            for upstream in 0..setting.upstreams {
                for packet in healthy(now, server(upstream), point) {
                    tracker.push(&packet);
                }
            }
            now = now + Span::from_secs(30);
        }
        tracker.end();
        for sighting in tracker.take() {
            path.learn(&sighting);
        }
        coverage.insert(point, tracker.finish().0);
    }
    (path, coverage)
}

/// SYN, SYN+ACK, ACK, request, answer.
fn healthy(time: Timestamp, server: Endpoint, point: PointId) -> Vec<Packet> {
    let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), 61_000);
    let isn = u32::try_from(time.nanos() / 1_000_000_000 % 1_000_000).unwrap_or(0) * 4000;
    [
        (true, 0x02, isn, 0, 0),
        (false, 0x12, 77, isn.wrapping_add(1), 0),
        (true, 0x10, isn.wrapping_add(1), 78, 0),
        (true, 0x18, isn.wrapping_add(1), 78, 10),
        (false, 0x18, 78, isn.wrapping_add(11), 10),
    ]
    .into_iter()
    .zip(0..)
    .map(|((from_client, flags, seq, ack, payload_len), i)| {
        Packet::Tcp(Segment {
            time: time + Span::from_millis(i),
            location: Location { source: SourceId(u32::from(point.0)), record: 0 },
            source: if from_client { client } else { server },
            destination: if from_client { server } else { client },
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            timestamps: None,
            payload_len,
            ip_id: None,
            ttl: if from_client == (point == GATEWAY) { 64 } else { 63 },
            flags: TcpFlags(flags),
            checksum: Checksum::Unknown,
            vlan: None,
        })
    })
    .collect()
}
