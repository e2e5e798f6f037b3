//! From timeouts and attempts to cases: candidates, assignment, judgement.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use why504_model::{SourceId, Timeout, TimeoutKind};

use crate::absence::{self, ClientHosts};
use crate::assign::{Assignment, Lines};
use crate::case::{Candidate, Case, Correlation};
use crate::classes::{Class, Classes};
use crate::crowd::{Crowds, Member};
use crate::fates::together;
use crate::groups::Ties;
use crate::history::History;
use crate::judge::Doubt;
use crate::rounds::{Claim, Rounds};
use crate::search::{Join, Search};
use crate::starts::{Starts, is_in_place};
use crate::view::Points;
use crate::{LogClock, Threads, Verdict};

/// Joins the timeouts of a run with its attempts and judges each. Timeouts are in the order of
/// their log lines.
/// `unzoned` are the logs whose zone was neither named nor shown by
/// [`zone_evidence`](crate::zone_evidence); no verdict that rests on an assumed one is sure.
pub fn correlate(
    timeouts: &[Timeout],
    points: Points<'_>,
    unzoned: &BTreeSet<SourceId>,
    threads: &impl Threads,
) -> Correlation {
    let search = Search::new(timeouts, points);
    let mut lines = Lines::default();
    let hosts = ClientHosts::new(points);
    let in_vain = |timeout: &Timeout, join: &Join| hosts.asked_in_vain(points, timeout, join);
    let classes = Classes::new(timeouts, &search, &mut lines, unzoned, in_vain);
    let starts = Starts::new(timeouts, &lines, &classes, &search);
    let claim = |(i, timeout)| classes.of(i).map_or(Claim::Loose, |class| claim(timeout, class));
    let claims: Vec<Claim> = timeouts.iter().enumerate().map(claim).collect();
    let rounds = Rounds::new(lines, &claims, threads);
    let history = History::new(points);
    let mut crowds = Crowds::new(&rounds.lines, points, &history);
    let mut ties = Ties::default();
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
                    .filter_map(|&share| {
                        Candidate::judged(points, &history, timeout, share, join.clock)
                    })
                    .map(|candidate| doubt.map_or(candidate, |doubt| candidate.doubted(doubt)))
                    .collect();
                (!candidates.is_empty()).then(|| {
                    let case = together(i, join, candidates, *unmatched, points);
                    ties.counted(&case, &rounds.lines, &class.runs, *unmatched);
                    case
                })
            }
            Assignment::Uncounted { runs, contradicted } => {
                let line =
                    Member { line: i, timeout, join, doubt, runs, contradicted: *contradicted };
                // A line with a start of its own shares its attempts with no other.
                let all = if timeout.start.is_some() { runs } else { &class.runs };
                Some(crowds.case(line, (classes.number(i), all), &mut ties))
            }
        };
        if let Some(case) = case {
            found.cases.push(case);
            continue;
        }
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
        match without_attempt((i, timeout), join, &shown) {
            Some(case) => found.cases.push(case),
            None => found.unrelated.push(i),
        }
    }
    found.groups = ties.groups(rounds.lines);
    found
}

/// The case of a line for which no attempt was found; `None` where it has no handshake to blame.
fn without_attempt(
    (index, timeout): (usize, &Timeout),
    join: Join,
    shown: &absence::Shown<'_, impl Fn(usize) -> bool>,
) -> Option<Case> {
    if timeout.kind.is_read_timeout() {
        return None;
    }
    let case = absence::without_attempt(index, timeout, join, shown);
    // No connect failed then, so it was the answer on a connection that was open.
    let answer = case.verdict == Verdict::NoSynSent;
    (timeout.kind != TimeoutKind::Access504Unclear || !answer).then_some(case)
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
