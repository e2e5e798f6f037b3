//! Which access line belongs to which case, within one connection and request line.

use super::candidate::Candidate;
use super::{Group, JoinCase, JoinTally, Joined, derive};

/// Joins the cases of a group and counts what became of each.
pub(super) fn assign(
    mut group: Group,
    cases: &[JoinCase],
    all: &mut Vec<Joined>,
    tally: &mut JoinTally,
) {
    let overflown = group.met > group.capacity();
    sort_and_merge(&mut group.candidates);
    let members: Vec<&JoinCase> = group.cases.iter().filter_map(|i| cases.get(*i)).collect();
    let mut chosen: Vec<Vec<&JoinCase>> = vec![Vec::new(); group.candidates.len()];
    for (case, choice) in members.iter().zip(choices(&members, &group.candidates)) {
        match choice {
            Choice::Nothing => tally.without_line += 1,
            Choice::Line(index) if !overflown => {
                if let Some(cases) = chosen.get_mut(index) {
                    cases.push(case);
                }
            }
            Choice::Line(_) | Choice::Several => tally.ambiguous += 1,
        }
    }
    for (candidate, cases) in group.candidates.iter().zip(chosen) {
        for (joined, contradictory) in derive::derive(candidate, &cases) {
            tally.joined += 1;
            tally.contradictory += u64::from(contradictory);
            all.push(joined);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Nothing,
    Line(usize),
    Several,
}

/// A request that is logged into two files is one candidate.
fn sort_and_merge(candidates: &mut Vec<Candidate>) {
    candidates.sort_by_key(|one| (one.line.time, one.line.location));
    candidates.dedup_by(|later, earlier| {
        let (one, other) = (&later.line, &earlier.line);
        one.location.source != other.location.source
            && (one.time, one.status, one.request_time)
                == (other.time, other.status, other.request_time)
            && later.tries == earlier.tries
    });
}

/// A choice for each case. Lines and requests of one connection are both in order of time, so
/// where several requests fit, the lines are dealt out in order, and only if they come out even.
fn choices(cases: &[&JoinCase], candidates: &[Candidate]) -> Vec<Choice> {
    let fitting = |case: &JoinCase| -> Vec<usize> {
        let covering = |(index, one): (usize, &Candidate)| {
            (one.covers(case) && one.expected(case) != Some(0)).then_some(index)
        };
        let strict: Vec<usize> = candidates.iter().enumerate().filter_map(covering).collect();
        if !strict.is_empty() {
            return strict;
        }
        // The request is known by connection, text and time, even if its tries do not show the
        // failure (an aborted try, a status that was overwritten).
        let covers = |(index, one): (usize, &Candidate)| one.covers(case).then_some(index);
        candidates.iter().enumerate().filter_map(covers).collect()
    };
    let mut choices: Vec<Choice> = Vec::with_capacity(cases.len());
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let fits = fitting(case);
        choices.push(match fits.as_slice() {
            [] => Choice::Nothing,
            [only] => Choice::Line(*only),
            _ => Choice::Several,
        });
        if fits.len() > 1 {
            open.push((place, fits));
        }
    }
    deal(cases, candidates, &open, &mut choices);
    choices
}

/// Deals the cases for which several requests fit to those requests, in order of time. It must
/// come out even: each request gets as many lines as it has failed tries (where its line does not
/// tell, one), and none is left over.
fn deal(
    cases: &[&JoinCase],
    candidates: &[Candidate],
    open: &[(usize, Vec<usize>)],
    choices: &mut [Choice],
) {
    let mut wanted: Vec<usize> = open.iter().flat_map(|(_, fits)| fits).copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let Some(case) = open.first().and_then(|(place, _)| cases.get(*place)) else { return };
    let alike = |place: usize| {
        cases.get(place).is_some_and(|other| {
            (other.kind, other.phase, other.cosocket) == (case.kind, case.phase, case.cosocket)
        })
    };
    if !open.iter().all(|(place, _)| alike(*place)) {
        return;
    }
    let mut slots: Vec<usize> = Vec::new();
    for index in wanted {
        // Lines that had this request alone are its own already.
        let taken = choices.iter().filter(|choice| **choice == Choice::Line(index)).count();
        let expected = candidates.get(index).and_then(|one| one.expected(case)).unwrap_or(1);
        slots.extend(core::iter::repeat_n(index, expected.saturating_sub(taken)));
    }
    let even = slots.len() == open.len()
        && open.iter().zip(&slots).all(|((_, fits), slot)| fits.contains(slot));
    if !even {
        return;
    }
    for ((place, _), slot) in open.iter().zip(slots) {
        if let Some(choice) = choices.get_mut(*place) {
            *choice = Choice::Line(slot);
        }
    }
}
