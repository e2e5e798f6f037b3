//! From timeouts and attempts to cases: candidates, assignment, judgement.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use why504_handshake::{Attempt, PointId};
use why504_model::{Interval, SourceId, Span, Timeout, TimeoutKind};

use crate::absence::{self, ClientHosts};
use crate::assign::{Assignment, Lines};
use crate::candidates;
use crate::classes::{Class, Classes};
use crate::crowd::{Crowds, Member};
use crate::deadline::Deadline;
use crate::facts::Asked;
use crate::fates::together;
use crate::history::History;
use crate::judge::{Doubt, Judgement, judge};
use crate::plain;
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
    /// The candidates, the most frequent first; where very many fit the line alike, the first of them.
    pub candidates: Vec<Candidate>,
    /// How many candidates there are.
    pub fitting: usize,
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
    pub(crate) fn doubted(mut self, doubt: Doubt) -> Self {
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
    let search = Search::new(timeouts, points);
    let mut lines = Lines::default();
    let hosts = ClientHosts::new(points);
    let in_vain = |timeout: &Timeout, join: &Join| hosts.asked_in_vain(points, timeout, join);
    let classes = Classes::new(timeouts, &search, &mut lines, unzoned, in_vain);
    let starts = Starts::new(timeouts, &lines, &classes, &search);
    let claim = |(i, timeout)| classes.of(i).map_or(Claim::Loose, |class| claim(timeout, class));
    let claims: Vec<Claim> = timeouts.iter().enumerate().map(claim).collect();
    let rounds = Rounds::new(lines, &claims);
    let history = History::new(points);
    let mut crowds = Crowds::new(&rounds.lines, points, &history);
    let mut found = Correlation::default();
    for (i, (timeout, answer)) in timeouts.iter().zip(&rounds.assignments).enumerate() {
        let Some(class) = classes.of(i) else { continue };
        let join = class.join;
        let doubt = match join.clock {
            LogClock::Unknown => Some(Doubt::Clock),
            _ if by_second_alone(timeout) => Some(Doubt::Address),
            clock => (!starts.agree_near(timeout, clock)).then_some(Doubt::Displaced),
        };
        let case = match answer {
            Assignment::Counted { attempts, unmatched } => {
                let attempts = attempts.iter();
                let candidates: Vec<Candidate> = attempts
                    .filter_map(|&(attempt, share)| {
                        candidate(points, &history, timeout, (attempt, share), join.clock)
                    })
                    .map(|candidate| doubt.map_or(candidate, |doubt| candidate.doubted(doubt)))
                    .collect();
                (!candidates.is_empty()).then(|| together(i, join, candidates, *unmatched, points))
            }
            Assignment::Uncounted { runs, contradicted } => {
                let line =
                    Member { line: i, timeout, join, doubt, runs, contradicted: *contradicted };
                // A line with a start of its own shares its attempts with no other.
                let all = if timeout.start.is_some() { runs } else { &class.runs };
                Some(crowds.case(line, classes.number(i), all))
            }
        };
        if let Some(case) = case {
            found.cases.push(case);
        } else if timeout.kind.is_read_timeout() {
            found.unrelated.push(i);
        } else {
            let dated = timeout.start.is_some() || !unzoned.contains(&timeout.location.source);
            let anchored = dated && doubt.is_none() && classes.is_watched(timeout.location.source);
            let shown = absence::Shown {
                points,
                history: &history,
                attempts: &search.index,
                taken: |attempt| rounds.is_taken(attempt),
                unresolved: class.in_vain,
                anchored,
            };
            let case = absence::without_attempt(i, timeout, join, &shown);
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

/// Nothing but the second in which it was logged ties a connect timeout to its attempt: an older
/// cosocket's line, a message of the user's own.
fn by_second_alone(timeout: &Timeout) -> bool {
    timeout.peer.is_none() && timeout.start.is_none() && timeout.kind.is_connect_timeout()
}

/// What the times of a line say of the attempts that were found for it.
fn claim(timeout: &Timeout, class: &Class) -> Claim {
    match (timeout.start, class.join.clock) {
        (None, _) | (_, LogClock::Unknown) => Claim::Loose,
        _ if is_in_place(timeout, &class.join) => Claim::InPlace,
        _ => Claim::Late,
    }
}

/// Without a log an attempt is judged by what never came. A capture that ends sooner than this after
/// its last packet does not show that.
const ANSWER_AWAITED: Span = Span::from_secs(1);

/// The outcome of an attempt without any log.
pub fn judge_attempt(points: Points<'_>, history: &History<'_>, attempt: &Attempt) -> Judgement {
    if let Some(facts) = plain::facts(points, attempt) {
        return judge(&facts);
    }
    let last = attempt.nearest().events.last().map_or(attempt.first_syn(), |e| e.time);
    let until = |end| {
        let during = Interval::new(attempt.first_syn(), end);
        judge(&history.facts(points, attempt, Asked::Outcome, None, during))
    };
    let judgement = until(last + Span::from_nanos(1));
    if judgement.grade == Grade::Proven { until(last + ANSWER_AWAITED) } else { judgement }
}

pub(crate) fn candidate(
    points: Points<'_>,
    history: &History<'_>,
    timeout: &Timeout,
    (index, share): (usize, f64),
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
