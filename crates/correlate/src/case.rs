//! From timeouts and attempts to cases: candidates, assignment, judgement, and what several
//! candidates say together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_handshake::{Attempt, PointId};
use why504_model::{Interval, SourceId, Span, Timeout, TimeoutKind};

use crate::absence;
use crate::assign::{Assignment, Edge, Line, assign};
use crate::candidates::{self, Index, Window};
use crate::deadline::Deadline;
use crate::facts::Asked;
use crate::history::History;
use crate::judge::{Doubt, Judgement, judge};
use crate::view::Points;
use crate::{Grade, LogClock, Mechanism, Settles, Verdict};

/// One log line and what became of its handshake.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Index of the timeout.
    pub timeout: usize,
    /// The answer.
    pub verdict: Verdict,
    /// What refines it, where all candidates agree on it.
    pub mechanism: Option<Mechanism>,
    /// How sure it is.
    pub grade: Grade,
    /// The reason in one sentence.
    pub reason: &'static str,
    /// Why the grade is lower than the evidence alone would make it.
    pub doubt: Option<Doubt>,
    /// Other verdicts that fit, how many candidates have each, and what would settle it.
    pub alternatives: Vec<(Verdict, usize, Settles)>,
    /// The arithmetic that led to the candidates.
    pub join: Join,
    /// Probability of the verdict if all best assignments are equally likely; of the leading
    /// alternative when the verdict is `ambiguous`.
    pub probability: f64,
    /// The candidates, the most frequent first.
    pub candidates: Vec<Candidate>,
    /// The capture points that enclose the loss.
    pub lost_between: Option<(PointId, PointId)>,
}

/// One attempt that some best assignment joins with the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Index of the attempt.
    pub attempt: usize,
    /// Share of the best assignments that join it with the line.
    pub share: f64,
    /// What became of it.
    pub judgement: Judgement,
    /// When nginx gave up, on the clock of the point nearest the client.
    pub deadline: Deadline,
}

/// How the candidates were found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Join {
    /// The window for the first SYN, on the log's clock.
    pub window: Window,
    /// How the capture's clock relates to the log's.
    pub clock: LogClock,
}

/// All cases of a run, and the timeouts that are about something else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correlation {
    /// One for each timeout that is about a connect, in the order of the timeouts.
    pub cases: Vec<Case>,
    /// Read timeouts without a handshake to blame: connections opened long before, or kept alive.
    pub unrelated: Vec<usize>,
}

/// Joins the timeouts of a run with its attempts and judges each. Timeouts are in the order of
/// their log lines.
/// `unzoned` are the logs whose zone was neither named nor shown by
/// [`zone_evidence`](crate::zone_evidence); no verdict that rests on an assumed one is sure.
pub fn correlate(
    timeouts: &[Timeout],
    points: Points<'_>,
    unzoned: &BTreeSet<SourceId>,
) -> Correlation {
    let zone_known = |timeout: &Timeout| !unzoned.contains(&timeout.location.source);
    let attempts = &points.merged.attempts;
    let index = Index::new(attempts, |attempt| points.is_home(attempt));
    let clocks = log_clocks(timeouts, points);
    let history = History::new(points);
    let joins: Vec<(Vec<Edge>, Join)> = timeouts
        .iter()
        .map(|timeout| {
            let (edges, mut join) = candidates_of(&index, timeout, &clocks);
            // The access log's `$msec` needs no zone.
            if timeout.start.is_none() && !zone_known(timeout) {
                join.clock = LogClock::Unknown;
            }
            (edges, join)
        })
        .collect();
    let watched = watched_logs(timeouts, &joins);
    let lines: Vec<Line> = timeouts
        .iter()
        .zip(&joins)
        .map(|(timeout, (edges, _))| Line {
            log: timeout.location.source.0,
            worker: timeout.worker,
            edges: edges.clone(),
        })
        .collect();
    let mut found = Correlation::default();
    for (i, (assignment, (_, join))) in assign(&lines).into_iter().zip(joins).enumerate() {
        let Some(timeout) = timeouts.get(i) else { continue };
        let candidates: Vec<Candidate> = assignment
            .attempts
            .iter()
            .filter_map(|&(a, share)| candidate(points, &history, timeout, a, share, join.clock))
            .collect();
        if !candidates.is_empty() {
            found.cases.push(together(i, join, candidates, &assignment, points));
        } else if timeout.kind.is_read_timeout() {
            found.unrelated.push(i);
        } else {
            let dated = timeout.start.is_some() || zone_known(timeout);
            let anchored = dated && watched.contains(&timeout.location.source);
            let case = absence::without_attempt(i, timeout, join, points, &index, anchored);
            // No connect failed then, so it was the answer on a connection that was open.
            let answer = case.verdict == Verdict::NoSynSent;
            if timeout.kind == TimeoutKind::Access504Unclear && answer {
                found.unrelated.push(i);
            } else {
                found.cases.push(case);
            }
        }
    }
    found
}

/// The logs of which at least half the lines found attempts: those whose gateway was captured. A log
/// of another host finds none, and that says nothing about its SYNs.
fn watched_logs(timeouts: &[Timeout], joins: &[(Vec<Edge>, Join)]) -> BTreeSet<SourceId> {
    let mut counts: BTreeMap<SourceId, (usize, usize)> = BTreeMap::new();
    for (timeout, (edges, _)) in timeouts.iter().zip(joins) {
        let count = counts.entry(timeout.location.source).or_default();
        count.0 += usize::from(!edges.is_empty());
        count.1 += 1;
    }
    counts.into_iter().filter(|(_, (some, all))| some * 2 >= *all).map(|(log, _)| log).collect()
}

/// Without a log an attempt is judged by what never came. A capture that ends sooner than this after
/// its last packet does not show that.
const ANSWER_AWAITED: Span = Span::from_secs(1);

/// The outcome of an attempt without any log.
pub fn judge_attempt(points: Points<'_>, history: &History<'_>, attempt: &Attempt) -> Judgement {
    let last = attempt.nearest().events.last().map_or(attempt.first_syn(), |e| e.time);
    let until = |end| {
        let during = Interval::new(attempt.first_syn(), end);
        judge(&history.facts(points, attempt, Asked::Outcome, None, during))
    };
    let judgement = until(last + Span::from_nanos(1));
    if judgement.grade == Grade::Proven { until(last + ANSWER_AWAITED) } else { judgement }
}

/// How each point's clock relates to the log's.
fn log_clocks(timeouts: &[Timeout], points: Points<'_>) -> BTreeMap<PointId, LogClock> {
    let mut by_point: BTreeMap<PointId, Vec<&Attempt>> = BTreeMap::new();
    for attempt in &points.merged.attempts {
        by_point.entry(attempt.nearest().point).or_default().push(attempt);
    }
    by_point
        .into_iter()
        .map(|(point, attempts)| {
            let same_host = attempts.iter().any(|a| points.at_client(point, a.flow().server));
            let clock = if same_host {
                LogClock::SameHost
            } else {
                LogClock::vote(timeouts, attempts.into_iter())
            };
            (point, clock)
        })
        .collect()
}

/// The candidates of a line: those of all points on the hosts of clients together (which log is of
/// which host is not known), else those of the first other point that has any.
fn candidates_of(
    index: &Index<'_>,
    timeout: &Timeout,
    clocks: &BTreeMap<PointId, LogClock>,
) -> (Vec<Edge>, Join) {
    let at = |point: PointId, clock: LogClock| {
        let (mut edges, window) = candidates::candidates(index, timeout, clock);
        edges.retain(|edge| index.point_of(edge.attempt) == Some(point));
        (edges, Join { window, clock })
    };
    let unknown = || {
        let (_, window) = candidates::candidates(index, timeout, LogClock::Unknown);
        (Vec::new(), Join { window, clock: LogClock::Unknown })
    };
    let mut found: Option<(Vec<Edge>, Join)> = None;
    // Captures on clients' own hosts first: they show every SYN that was sent.
    for same_host in [true, false] {
        for (&point, &clock) in clocks {
            if (clock == LogClock::SameHost) != same_host {
                continue;
            }
            let (edges, join) = at(point, clock);
            match &mut found {
                Some((all, _)) if same_host || all.is_empty() => all.extend(edges),
                Some(_) => {}
                None => found = Some((edges, join)),
            }
        }
    }
    let (mut edges, join) = found.unwrap_or_else(unknown);
    if timeout.never_sent {
        edges.clear();
    }
    (edges, join)
}

fn candidate(
    points: Points<'_>,
    history: &History<'_>,
    timeout: &Timeout,
    index: usize,
    share: f64,
    clock: LogClock,
) -> Option<Candidate> {
    let attempt = points.merged.attempts.get(index)?;
    let deadline = candidates::deadline(timeout, attempt, clock.skew());
    let end = deadline.within.end().max(attempt.first_syn() + Span::from_nanos(1));
    let during = Interval::new(attempt.first_syn(), end);
    let asked = Asked::by(timeout.kind);
    let mut judgement = judge(&history.facts(points, attempt, asked, Some(deadline), during));
    if clock == LogClock::Unknown {
        judgement = judgement.doubted(Doubt::Clock);
    }
    Some(Candidate { attempt: index, share, judgement, deadline })
}

/// What the candidates of one line say together.
fn together(
    timeout: usize,
    join: Join,
    mut candidates: Vec<Candidate>,
    assignment: &Assignment,
    points: Points<'_>,
) -> Case {
    candidates.sort_by(|a, b| {
        b.share
            .partial_cmp(&a.share)
            .unwrap_or(core::cmp::Ordering::Equal)
            .then(a.attempt.cmp(&b.attempt))
    });
    let mut by_verdict: BTreeMap<Verdict, (usize, f64, Judgement)> = BTreeMap::new();
    for candidate in &candidates {
        let entry = by_verdict.entry(candidate.judgement.verdict()).or_insert((
            0,
            0.0,
            candidate.judgement,
        ));
        entry.0 += 1;
        entry.1 += candidate.share;
        if candidate.judgement.grade < entry.2.grade {
            entry.2 = candidate.judgement;
        }
    }
    let mechanism = shared(candidates.iter().map(|c| c.judgement.mechanism)).flatten();
    let lost_between = shared(candidates.iter().map(|c| {
        let attempt = points.merged.attempts.get(c.attempt)?;
        points.lost_between(attempt, c.judgement.verdict(), c.deadline)
    }))
    .flatten();
    let case = Case {
        timeout,
        verdict: Verdict::Ambiguous,
        mechanism,
        grade: Grade::Ambiguous,
        reason: "several attempts fit this line, and they do not share one fate",
        doubt: None,
        alternatives: Vec::new(),
        join,
        probability: 1.0,
        candidates,
        lost_between,
    };
    match by_verdict.len() {
        1 => unanimous(case, by_verdict, assignment),
        _ => divided(case, by_verdict),
    }
}

fn unanimous(
    mut case: Case,
    by_verdict: BTreeMap<Verdict, (usize, f64, Judgement)>,
    assignment: &Assignment,
) -> Case {
    for (verdict, (count, _, judgement)) in by_verdict {
        let judgement = if assignment.unmatched > 0.0 {
            judgement.doubted(Doubt::Unmatched)
        } else {
            judgement
        };
        case.verdict = verdict;
        case.grade = judgement.grade;
        case.reason = judgement.row.reason;
        case.doubt = judgement.doubt;
        case.alternatives =
            judgement.row.alternatives.iter().map(|&(v, settles)| (v, count, settles)).collect();
        if case.alternatives.is_empty() && judgement.doubt.is_some() {
            case.alternatives.push((Verdict::NotCaptured, 0, Settles::BetterCoverage));
        }
        if assignment.unmatched > 0.0 {
            case.probability = 1.0 - assignment.unmatched;
        }
    }
    case
}

fn divided(mut case: Case, by_verdict: BTreeMap<Verdict, (usize, f64, Judgement)>) -> Case {
    let mut ranked: Vec<(Verdict, usize, f64)> =
        by_verdict.into_iter().map(|(v, (count, share, _))| (v, count, share)).collect();
    ranked.sort_by(|a, b| {
        b.2.partial_cmp(&a.2).unwrap_or(core::cmp::Ordering::Equal).then(a.0.cmp(&b.0))
    });
    case.probability = ranked.first().map_or(0.0, |leading| leading.2);
    case.alternatives =
        ranked.into_iter().map(|(v, count, _)| (v, count, Settles::AccessLog)).collect();
    case.mechanism = None;
    case.lost_between = None;
    case
}

/// The value that all share; `None` when they differ or there are none.
fn shared<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}
