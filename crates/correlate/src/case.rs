//! From timeouts and attempts to cases: candidates, assignment, judgement.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_handshake::{Attempt, PointId};
use why504_model::{Interval, SourceId, Span, Timeout, TimeoutKind};

use crate::absence;
use crate::assign::{Edge, Line};
use crate::candidates;
use crate::deadline::Deadline;
use crate::facts::Asked;
use crate::fates::together;
use crate::history::History;
use crate::judge::{Doubt, Judgement, judge};
use crate::rounds::{Claim, Rounds};
use crate::search::{Join, Search};
use crate::starts::{Starts, is_in_place};
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

impl Candidate {
    /// No surer than `consistent`, for this reason.
    fn doubted(mut self, doubt: Doubt) -> Self {
        self.judgement = self.judgement.doubted(doubt);
        self
    }
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
    let search = Search::new(timeouts, points);
    let (edges, joins): (Vec<Vec<Edge>>, Vec<Join>) = timeouts
        .iter()
        .map(|timeout| {
            let (edges, mut join) = search.of(timeout);
            // The access log's `$msec` needs no zone.
            if timeout.start.is_none() && !zone_known(timeout) {
                join.clock = LogClock::Unknown;
            }
            (edges, join)
        })
        .unzip();
    let watched = watched_logs(timeouts, &edges);
    let starts = Starts::new(timeouts, &edges, &joins, &search);
    let claims: Vec<Claim> = timeouts.iter().zip(&joins).map(|(t, join)| claim(t, join)).collect();
    let lines = timeouts.iter().zip(edges);
    let lines: Vec<Line> = lines
        .map(|(timeout, edges)| Line {
            log: timeout.location.source.0,
            worker: timeout.worker,
            read: timeout.kind.is_failure(),
            edges,
        })
        .collect();
    let rounds = Rounds::new(lines, &claims);
    let history = History::new(points);
    let mut found = Correlation::default();
    for (i, (assignment, &join)) in rounds.assignments.iter().zip(&joins).enumerate() {
        let Some(timeout) = timeouts.get(i) else { continue };
        let doubt = match join.clock {
            LogClock::Unknown => Some(Doubt::Clock),
            clock => (!starts.agree_near(timeout, clock)).then_some(Doubt::Displaced),
        };
        let attempts = assignment.attempts.iter();
        let candidates: Vec<Candidate> = attempts
            .filter_map(|&(a, share)| candidate(points, &history, timeout, a, share, join.clock))
            .map(|candidate| doubt.map_or(candidate, |doubt| candidate.doubted(doubt)))
            .collect();
        if !candidates.is_empty() {
            found.cases.push(together(i, join, candidates, assignment, points));
        } else if timeout.kind.is_read_timeout() {
            found.unrelated.push(i);
        } else {
            let dated = timeout.start.is_some() || zone_known(timeout);
            let anchored = dated && doubt.is_none() && watched.contains(&timeout.location.source);
            let left = |attempt| !rounds.is_taken(attempt);
            let index = &search.index;
            let case = absence::without_attempt(i, timeout, join, points, (index, left), anchored);
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

/// What the times of a line say of the attempts that were found for it.
fn claim(timeout: &Timeout, join: &Join) -> Claim {
    match (timeout.start, join.clock) {
        (None, _) | (_, LogClock::Unknown) => Claim::Loose,
        _ if is_in_place(timeout, join) => Claim::InPlace,
        _ => Claim::Late,
    }
}

/// The logs of which at least half the lines found attempts: those whose gateway was captured. A log
/// of another host finds none, and that says nothing about its SYNs.
fn watched_logs(timeouts: &[Timeout], edges: &[Vec<Edge>]) -> BTreeSet<SourceId> {
    let mut counts: BTreeMap<SourceId, (usize, usize)> = BTreeMap::new();
    for (timeout, edges) in timeouts.iter().zip(edges) {
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
    let judgement = judge(&history.facts(points, attempt, asked, Some(deadline), during));
    Some(Candidate { attempt: index, share, judgement, deadline })
}
