//! The last line: tallies that add up, and what the run rests on.

use std::collections::BTreeMap;

use serde::Serialize;
use why504_correlate::{LogClock, Verdict};
use why504_handshake::PointId;
use why504_model::Endpoint;

use super::group::Bounds;
use super::rates::{self, LossConcentration, LossRate};
use crate::counted::Counted;
use crate::moment::rfc3339;
use crate::run::Run;

#[derive(Serialize)]
pub(super) struct SummaryLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    log_lines: LogLines,
    cases: Cases,
    unrelated_read_timeouts: usize,
    http_504: Option<Http504>,
    logged_504: Option<Logged504>,
    attempts: Attempts,
    loss_rates: Vec<LossRate<'a>>,
    loss_concentrations: Vec<LossConcentration<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets: Option<super::reset::Totals>,
    packets: Packets<'a>,
    zone: Zone<'a>,
    points: Vec<Point<'a>>,
    clock_offsets: Vec<Offset<'a>>,
    log_clocks: Vec<OfLog<'a>>,
    reliability: Vec<Reliability<'a>>,
    overlooked: Vec<Overlooked<'a>>,
    passed_unseen: Vec<PassedUnseen<'a>>,
    nat: Vec<Pair>,
    snat: Vec<Masquerade>,
    isn_rewritten: u64,
    skipped: Vec<Skipped<'a>>,
    diagnostics: Vec<Diagnostic<'a>>,
}

#[derive(Serialize)]
struct LogLines {
    total: u64,
    cases: u64,
    other: u64,
    unparsed: u64,
}

#[derive(Serialize)]
struct Cases {
    total: usize,
    by_verdict: BTreeMap<&'static str, u64>,
    by_grade: BTreeMap<&'static str, u64>,
    /// Those that a connection number joined with their attempts.
    #[serde(skip_serializing_if = "is_none_of_them")]
    by_connection_number: usize,
    /// Those that were not assigned one to one.
    #[serde(skip_serializing_if = "is_none_of_them")]
    not_assigned: usize,
    /// The ambiguous ones, as far as they are counted together.
    ambiguous: Ambiguous,
}

#[derive(Serialize)]
struct Ambiguous {
    counted: usize,
    uncounted: usize,
    sure: bool,
    counts: Vec<Bounds>,
}

#[derive(Serialize)]
struct Http504 {
    total: u64,
    explained: u64,
    other: u64,
    undecided: u64,
}

#[derive(Serialize)]
struct Logged504 {
    total: u64,
    with_error_line: u64,
    access_504: u64,
    without_upstream: u64,
    after_connect: u64,
    untold: u64,
    copies: u64,
    beyond: u64,
}

#[derive(Serialize)]
struct Attempts {
    total: u64,
    near_misses: u64,
    /// Near misses over all attempts; null without attempts.
    near_miss_rate: Option<f64>,
    /// Cases whose verdict is a lost handshake packet.
    lost: u64,
    /// How all attempts ended; empty where they were not all judged.
    by_verdict: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Packets<'a> {
    total: u64,
    tally: &'a BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Zone<'a> {
    name: &'a str,
    chosen: &'a str,
}

#[derive(Serialize)]
struct Point<'a> {
    name: &'a str,
    files: usize,
    packets: u64,
    start: Option<String>,
    end: Option<String>,
    dropped: u64,
    acknowledged: u64,
    answers_missed: u64,
    handshakes_torn: u64,
    link: &'a str,
    snaplen: Option<u32>,
}

#[derive(Serialize)]
struct Offset<'a> {
    near: &'a str,
    far: &'a str,
    #[serde(rename = "offset")]
    seconds: f64,
    drift: f64,
    uncertainty: f64,
    packets: usize,
    contradicting: usize,
    inconsistent: bool,
    steps: Vec<Step>,
}

/// A point's clock and the log's.
#[derive(Serialize)]
struct OfLog<'a> {
    point: &'a str,
    relation: &'static str,
    skew: Option<f64>,
    pinned: Option<Pin>,
}

/// What connects that failed at once say of it.
#[derive(Serialize)]
struct Pin {
    low: f64,
    high: f64,
    found: usize,
    of: usize,
}

#[derive(Serialize)]
struct Step {
    after: String,
    before: String,
    by: f64,
}

/// Two addresses of one server.
#[derive(Serialize)]
struct Pair {
    front: String,
    back: String,
    /// How it is known.
    by: &'static str,
    attempts: u64,
    log_lines: u64,
}

/// Where attempts came from behind source NAT.
#[derive(Serialize)]
struct Masquerade {
    address: String,
    attempts: u64,
}

/// Healthy handshakes of a point's own host that others saw, and those of them that it did not.
#[derive(Serialize)]
struct Overlooked<'a> {
    point: &'a str,
    healthy: u64,
    missed: u64,
}

/// Packets of handshakes that had to pass a point to be seen further on, and those of them that it did
/// not see.
#[derive(Serialize)]
struct PassedUnseen<'a> {
    point: &'a str,
    packets: u64,
    missed: u64,
}

#[derive(Serialize)]
struct Reliability<'a> {
    near: &'a str,
    far: &'a str,
    healthy: u64,
    seen_at_both: u64,
}

#[derive(Serialize)]
struct Skipped<'a> {
    path: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Diagnostic<'a> {
    path: &'a str,
    record: u64,
    offset: Option<u64>,
    message: &'a str,
}

pub(super) fn line<'a>(run: &Run<'a>) -> SummaryLine<'a> {
    let lines = run.log_lines;
    let (total, cases, other, unparsed) = (lines.total, lines.cases, lines.other, lines.unparsed);
    let totals = run.totals;
    SummaryLine {
        kind: "summary",
        log_lines: LogLines { total, cases, other, unparsed },
        cases: tally(run),
        unrelated_read_timeouts: run.correlation.unrelated.len(),
        http_504: totals.http_504.map(|c| Http504 {
            total: c.total,
            explained: c.explained,
            other: c.other,
            undecided: c.undecided,
        }),
        logged_504: totals.logged_504.map(|c| Logged504 {
            total: c.total,
            with_error_line: c.with_error_line,
            access_504: c.access_504,
            without_upstream: c.without_upstream,
            after_connect: c.after_connect,
            untold: c.untold,
            copies: c.copies,
            beyond: c.beyond,
        }),
        attempts: attempts(run),
        loss_rates: rates::rates(run),
        loss_concentrations: rates::concentrations(run),
        resets: totals.resets.as_ref().map(super::reset::totals),
        packets: Packets { total: totals.packets, tally: &totals.packet_tally },
        zone: Zone { name: &run.zone.name, chosen: &run.zone.chosen },
        points: points(run),
        clock_offsets: offsets(run),
        log_clocks: of_log(run),
        reliability: reliability(run),
        overlooked: overlooked(run),
        passed_unseen: passed_unseen(run),
        nat: pairs(run),
        snat: run
            .merged
            .masqueraded
            .iter()
            .map(|(ip, &attempts)| Masquerade { address: ip.to_string(), attempts })
            .collect(),
        isn_rewritten: run.merged.rewritten,
        skipped: totals
            .skipped
            .iter()
            .map(|s| Skipped { path: &s.path, reason: &s.reason })
            .collect(),
        diagnostics: totals
            .diagnostics
            .iter()
            .map(|d| Diagnostic {
                path: &d.path,
                record: d.record,
                offset: d.offset,
                message: &d.message,
            })
            .collect(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_none_of_them(count: &usize) -> bool {
    *count == 0
}

fn tally(run: &Run<'_>) -> Cases {
    let mut cases = Cases {
        total: run.correlation.cases.len(),
        by_verdict: BTreeMap::new(),
        by_grade: BTreeMap::new(),
        by_connection_number: run.correlation.cases.iter().filter(|c| c.join.numbered).count(),
        not_assigned: run.correlation.not_assigned(),
        ambiguous: ambiguous(run),
    };
    for case in &run.correlation.cases {
        *cases.by_verdict.entry(case.verdict.name()).or_default() += 1;
        *cases.by_grade.entry(case.grade.name()).or_default() += 1;
    }
    cases
}

fn ambiguous(run: &Run<'_>) -> Ambiguous {
    let all = Counted::of(run.correlation.groups.iter());
    let undecided = run.correlation.cases.iter().filter(|c| c.verdict == Verdict::Ambiguous);
    let left_out = undecided.filter(|case| !case.join.assigned);
    Ambiguous {
        counted: all.lines,
        uncounted: all.uncounted + left_out.count(),
        sure: all.sure,
        counts: all.counts.iter().map(Bounds::from).collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people and dashboards")]
fn attempts(run: &Run<'_>) -> Attempts {
    let (total, near_misses) = (run.totals.attempts, run.totals.near_misses);
    let lost = run.correlation.cases.iter().filter(|c| c.verdict.is_loss()).count();
    Attempts {
        total,
        near_misses,
        near_miss_rate: (total > 0).then(|| near_misses as f64 / total as f64),
        lost: lost as u64,
        by_verdict: run.totals.attempts_by_verdict.iter().map(|(v, n)| (v.name(), *n)).collect(),
    }
}

fn points<'a>(run: &Run<'a>) -> Vec<Point<'a>> {
    run.points
        .iter()
        .enumerate()
        .map(|(i, point)| {
            let id = u16::try_from(i).ok().map(PointId);
            let coverage = id.and_then(|point| run.coverage.get(&point));
            Point {
                name: &point.name,
                files: point.files,
                packets: point.packets,
                start: point.span.map(|s| rfc3339(s.start())),
                end: point.span.map(|s| rfc3339(s.end())),
                dropped: coverage.map_or(0, |c| c.dropped),
                acknowledged: coverage.map_or(0, |c| c.completed),
                answers_missed: coverage.map_or(0, |c| c.missed),
                handshakes_torn: coverage.map_or(0, |c| c.torn),
                link: &point.link,
                snaplen: point.snaplen,
            }
        })
        .collect()
}

fn offsets<'a>(run: &Run<'a>) -> Vec<Offset<'a>> {
    let captures = run.captures();
    run.merged
        .offsets
        .iter()
        .map(|(&(near, far), clock)| Offset {
            near: captures.point(near),
            far: captures.point(far),
            seconds: clock.offset.as_secs_f64(),
            drift: clock.drift,
            uncertainty: clock.uncertainty.as_secs_f64(),
            packets: clock.packets,
            contradicting: clock.contradicting,
            inconsistent: clock.inconsistent,
            steps: clock
                .steps
                .iter()
                .map(|step| Step {
                    after: rfc3339(step.after),
                    before: rfc3339(step.before),
                    by: step.by.as_secs_f64(),
                })
                .collect(),
        })
        .collect()
}

fn of_log<'a>(run: &Run<'a>) -> Vec<OfLog<'a>> {
    let captures = run.captures();
    let clocks = run.correlation.clocks.iter();
    clocks
        .map(|(&point, &(clock, pin))| OfLog {
            point: captures.point(point),
            relation: match clock {
                LogClock::SameHost => "same_host",
                LogClock::Aligned { .. } => "aligned",
                LogClock::Unknown => "unknown",
            },
            skew: match clock {
                LogClock::Aligned { skew, .. } => Some(skew.as_secs_f64()),
                LogClock::SameHost | LogClock::Unknown => None,
            },
            pinned: pin.map(|pin| Pin {
                low: pin.least.as_secs_f64(),
                high: pin.most.as_secs_f64(),
                found: pin.lines,
                of: pin.of,
            }),
        })
        .collect()
}

fn pairs(run: &Run<'_>) -> Vec<Pair> {
    let pair = |(front, back): (Endpoint, Endpoint), by, attempts, log_lines| Pair {
        front: front.to_string(),
        back: back.to_string(),
        by,
        attempts,
        log_lines,
    };
    let merged = run.merged;
    let given = merged.given.pairs().map(|ends| pair(ends, "given", 0, 0));
    let packets = merged.translations.iter().map(|(e, seen)| pair(*e, "packets", seen.attempts, 0));
    let logs = merged.virtual_peers.iter().map(|(e, &lines)| pair(*e, "log", 0, lines));
    given.chain(packets).chain(logs).collect()
}

fn reliability<'a>(run: &Run<'a>) -> Vec<Reliability<'a>> {
    let captures = run.captures();
    run.merged
        .reliability
        .iter()
        .map(|(&(near, far), &(healthy, both))| Reliability {
            near: captures.point(near),
            far: captures.point(far),
            healthy,
            seen_at_both: both,
        })
        .collect()
}

fn overlooked<'a>(run: &Run<'a>) -> Vec<Overlooked<'a>> {
    let captures = run.captures();
    run.merged
        .overlooked
        .iter()
        .map(|(&home, &(healthy, missed))| Overlooked {
            point: captures.point(home),
            healthy,
            missed,
        })
        .collect()
}

fn passed_unseen<'a>(run: &Run<'a>) -> Vec<PassedUnseen<'a>> {
    let captures = run.captures();
    let of = |(&point, &(packets, missed))| PassedUnseen {
        point: captures.point(point),
        packets,
        missed,
    };
    run.merged.passed_unseen.iter().map(of).collect()
}
