//! Which timeout was in force for a line, as one number that a person can check.

use why504_correlate::{Candidate, Case};
use why504_handshake::Attempt;
use why504_model::{Interval, LimitSource, Span, TimeLimit, Timeout, Timestamp};

use crate::run::Run;

/// The slack with which a timer and a deadline are compared: nginx's timers fire up to 20 ms early
/// (cached loop time) and late by what a busy event loop costs.
const EARLY: Span = Span::from_millis(20);
const STALL: Span = Span::from_millis(200);
/// Steps to which a measured time is rounded, the roundest first.
const STEPS: [Span; 5] = [
    Span::from_secs(1),
    Span::from_millis(500),
    Span::from_millis(100),
    Span::from_millis(50),
    Span::from_millis(10),
];

/// The timeout of a case: the only one that is known; of several the one that fits the deadline of
/// every candidate; the longest where that does not decide. `None` when nothing is known.
pub(crate) fn of_case(run: &Run<'_>, case: &Case, timeout: &Timeout) -> Option<TimeLimit> {
    let mut fitting = timeout.limits.iter().filter(|limit| {
        !case.candidates.is_empty()
            && case.candidates.len() == case.fitting
            && case.candidates.iter().all(|c| {
                let first = run.merged.attempts.get(c.attempt).map(Attempt::first_syn);
                first.is_some_and(|first| fits(limit, first, c))
            })
    });
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Some(*only),
        _ => longest(timeout),
    }
}

/// The longest timeout that may have been in force.
pub(crate) fn longest(timeout: &Timeout) -> Option<TimeLimit> {
    timeout.limits.iter().max_by_key(|limit| limit.at_most).copied()
}

/// A timeout as the number that somebody configured. One that is configured is exact. One measured
/// by an access log lies in `at_least..=at_most` and was measured a little late: it is the roundest
/// number (of 1 s, 0.5 s, 0.1 s, 50 ms, 10 ms steps) from 10 ms below `at_most` on; else `at_most`.
pub(crate) fn nominal(limit: &TimeLimit) -> Span {
    if limit.source != LimitSource::AccessLog {
        return limit.at_most;
    }
    let least = limit.at_least.min(limit.at_most - Span::from_millis(10));
    STEPS
        .iter()
        .map(|step| {
            let steps = limit.at_most.nanos().div_euclid(step.nanos());
            Span::from_nanos(steps.saturating_mul(step.nanos()))
        })
        .find(|round| *round >= least && *round > Span::ZERO)
        .unwrap_or(limit.at_most)
}

fn fits(limit: &TimeLimit, first_syn: Timestamp, candidate: &Candidate) -> bool {
    let fired =
        Interval::new(first_syn + limit.at_least - EARLY, first_syn + limit.at_most + STALL);
    fired.overlaps(candidate.deadline.within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(least: i64, most: i64, source: LimitSource) -> TimeLimit {
        TimeLimit { at_least: Span::from_millis(least), at_most: Span::from_millis(most), source }
    }

    #[test]
    fn a_measured_timeout_becomes_the_number_that_was_configured() {
        for (least, most, nominal_ms) in [
            (1950, 2050, 2000),
            (2003, 2003, 2000),
            (2994, 3006, 3000),
            (505, 505, 500),
            (257, 257, 250),
            (61, 61, 60),
            (7, 7, 7),
        ] {
            let found = nominal(&limit(least, most, LimitSource::AccessLog));
            assert_eq!(found, Span::from_millis(nominal_ms), "{least}..{most}");
        }
        let flag = limit(2003, 2003, LimitSource::Flag);
        assert_eq!(nominal(&flag), Span::from_millis(2003));
    }
}
