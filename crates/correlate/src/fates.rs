//! What the candidates of one line say together.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::assign::Assignment;
use crate::case::{Candidate, Case};
use crate::judge::{Doubt, Judgement};
use crate::search::Join;
use crate::view::Points;
use crate::{Grade, Settles, Verdict};

/// The candidates that share a verdict.
struct Fate {
    verdict: Verdict,
    /// How many they are.
    attempts: usize,
    /// Share of the best assignments that join one of them with the line.
    share: f64,
    /// The least sure of their judgements.
    least: Judgement,
}

/// The case of a line that has candidates: their verdict where they share one, `ambiguous` where
/// they do not.
pub(crate) fn together(
    timeout: usize,
    join: Join,
    mut candidates: Vec<Candidate>,
    assignment: &Assignment,
    points: Points<'_>,
) -> Case {
    candidates.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.attempt.cmp(&b.attempt)));
    let fates = fates(&candidates);
    let case = Case {
        timeout,
        verdict: Verdict::Ambiguous,
        mechanism: None,
        grade: Grade::Ambiguous,
        reason: "several attempts fit this line, and they do not share one fate",
        doubt: None,
        alternatives: Vec::new(),
        join,
        probability: 1.0,
        candidates,
        lost_between: None,
    };
    match fates.as_slice() {
        [only] => unanimous(case, only, assignment, points),
        _ => divided(case, &fates),
    }
}

/// The most frequent first.
fn fates(candidates: &[Candidate]) -> Vec<Fate> {
    let mut by_verdict: BTreeMap<Verdict, Fate> = BTreeMap::new();
    for candidate in candidates {
        let judgement = candidate.judgement;
        let verdict = judgement.verdict();
        let none = Fate { verdict, attempts: 0, share: 0.0, least: judgement };
        let fate = by_verdict.entry(verdict).or_insert(none);
        fate.attempts += 1;
        fate.share += candidate.share;
        if judgement.grade < fate.least.grade {
            fate.least = judgement;
        }
    }
    let mut fates: Vec<Fate> = by_verdict.into_values().collect();
    fates.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.verdict.cmp(&b.verdict)));
    fates
}

fn unanimous(mut case: Case, fate: &Fate, assignment: &Assignment, points: Points<'_>) -> Case {
    let mut judgement = fate.least;
    if assignment.unmatched > 0.0 {
        judgement = judgement.doubted(Doubt::Unmatched);
        case.probability = 1.0 - assignment.unmatched;
    }
    let row = judgement.row;
    case.verdict = fate.verdict;
    case.grade = judgement.grade;
    case.reason = row.reason;
    case.doubt = judgement.doubt;
    case.mechanism = shared(case.candidates.iter().map(|c| c.judgement.mechanism)).flatten();
    case.lost_between = shared(case.candidates.iter().map(|c| {
        let attempt = points.merged.attempts.get(c.attempt)?;
        points.lost_between(attempt, fate.verdict, c.deadline)
    }))
    .flatten();
    case.alternatives =
        row.alternatives.iter().map(|&(v, settles)| (v, fate.attempts, settles)).collect();
    if case.alternatives.is_empty() && judgement.doubt.is_some() {
        case.alternatives.push((Verdict::NotCaptured, 0, Settles::BetterCoverage));
    }
    case
}

fn divided(mut case: Case, fates: &[Fate]) -> Case {
    case.probability = fates.first().map_or(0.0, |leading| leading.share);
    case.alternatives = fates.iter().map(|f| (f.verdict, f.attempts, Settles::AccessLog)).collect();
    case
}

/// The value that all share; `None` when they differ or there are none.
fn shared<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}
