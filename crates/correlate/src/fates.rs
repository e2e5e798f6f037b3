//! What the candidates of one line say together.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::PointId;

use crate::case::{Candidate, Case};
use crate::deadline::Deadline;
use crate::judge::{Doubt, Judgement};
use crate::search::Join;
use crate::view::Points;
use crate::{Grade, Mechanism, Settles, Verdict};

/// Candidates that are judged alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) judgement: Judgement,
    /// How many they are.
    pub(crate) attempts: usize,
    /// Share of the best assignments that join one of them with the line.
    pub(crate) share: f64,
}

/// The candidates that share a verdict.
struct Fate {
    verdict: Verdict,
    attempts: usize,
    share: f64,
    /// The least sure of their judgements.
    least: Judgement,
    /// What refines the verdict, where all agree on it.
    mechanism: Option<Mechanism>,
}

/// The case of a line whose candidates are all known.
pub(crate) fn together(
    timeout: usize,
    join: Join,
    mut candidates: Vec<Candidate>,
    unmatched: f64,
    points: Points<'_>,
) -> Case {
    candidates.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.attempt.cmp(&b.attempt)));
    let party = |c: &Candidate| Party { judgement: c.judgement, attempts: 1, share: c.share };
    let parties: Vec<Party> = candidates.iter().map(party).collect();
    let deadlines: Vec<(usize, Deadline)> =
        candidates.iter().map(|c| (c.attempt, c.deadline)).collect();
    let between = |verdict| {
        let ways = deadlines.into_iter().map(|(attempt, deadline)| {
            points.lost_between(points.merged.attempts.get(attempt)?, verdict, deadline)
        });
        shared(ways).flatten()
    };
    of_parties(timeout, join, candidates, &parties, unmatched, between)
}

/// The case of a line that has candidates, some of whom are named: their verdict where they share
/// one, `ambiguous` where they do not. `between` says between which points they all lost what the
/// verdict says is lost, if they share that.
pub(crate) fn of_parties(
    timeout: usize,
    join: Join,
    candidates: Vec<Candidate>,
    parties: &[Party],
    unmatched: f64,
    between: impl FnOnce(Verdict) -> Option<(PointId, PointId)>,
) -> Case {
    let fates = fates(parties);
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
        fitting: parties.iter().map(|party| party.attempts).sum(),
        lost_between: None,
    };
    match fates.as_slice() {
        [only] => unanimous(case, only, unmatched, between(only.verdict)),
        _ => divided(case, &fates),
    }
}

/// The most frequent first.
fn fates(parties: &[Party]) -> Vec<Fate> {
    let mut by_verdict: BTreeMap<Verdict, Fate> = BTreeMap::new();
    for party in parties {
        let judgement = party.judgement;
        let verdict = judgement.verdict();
        let mechanism = judgement.mechanism;
        let none = Fate { verdict, attempts: 0, share: 0.0, least: judgement, mechanism };
        let fate = by_verdict.entry(verdict).or_insert(none);
        fate.attempts += party.attempts;
        fate.share += party.share;
        fate.mechanism = fate.mechanism.filter(|_| fate.mechanism == mechanism);
        if judgement.grade < fate.least.grade {
            fate.least = judgement;
        }
    }
    let mut fates: Vec<Fate> = by_verdict.into_values().collect();
    fates.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.verdict.cmp(&b.verdict)));
    fates
}

fn unanimous(
    mut case: Case,
    fate: &Fate,
    unmatched: f64,
    lost_between: Option<(PointId, PointId)>,
) -> Case {
    let mut judgement = fate.least;
    if unmatched > 0.0 {
        judgement = judgement.doubted(Doubt::Unmatched);
        case.probability = 1.0 - unmatched;
    }
    let row = judgement.row;
    case.verdict = fate.verdict;
    case.grade = judgement.grade;
    case.reason = row.reason;
    case.doubt = judgement.doubt;
    case.mechanism = fate.mechanism;
    case.lost_between = lost_between;
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
pub(crate) fn shared<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}
