//! Which access line belongs to which case, within one connection and request line.

use why504_model::Span;

use super::candidate::Candidate;
use super::{Group, JoinCase, Met, Outcome, derive};

/// What becomes of each case of a group, by its index.
pub(super) fn assign(group: &Group, met: Met, cases: &[JoinCase]) -> Vec<(usize, Outcome)> {
    let overflown = met.count > met.capacity;
    let mut candidates = met.kept;
    sort_and_merge(&mut candidates);
    let members: Vec<(usize, &JoinCase)> =
        group.cases.iter().filter_map(|index| Some((*index, cases.get(*index)?))).collect();
    let mut chosen: Vec<Vec<(usize, &JoinCase)>> = vec![Vec::new(); candidates.len()];
    let mut outcomes = Vec::with_capacity(members.len());
    for (member, choice) in members.iter().zip(choices(group, &candidates, &members)) {
        match choice {
            Choice::Nothing if !overflown => outcomes.push((member.0, Outcome::Nothing)),
            Choice::Line(index) if !overflown => {
                if let Some(cases) = chosen.get_mut(index) {
                    cases.push(*member);
                }
            }
            _ => outcomes.push((member.0, Outcome::Several)),
        }
    }
    let by_connection = group.one_connection;
    for (candidate, members) in candidates.iter().zip(chosen) {
        let (indices, cases): (Vec<usize>, Vec<&JoinCase>) = members.into_iter().unzip();
        // One request has one connection: found by the client alone, it belongs to one of them.
        let shared = cases
            .windows(2)
            .any(|two| matches!(two, [one, other] if one.connection != other.connection));
        if shared {
            outcomes.extend(indices.into_iter().map(|index| (index, Outcome::Several)));
            continue;
        }
        let derived = derive::derive(candidate, &cases);
        outcomes.extend(indices.into_iter().zip(derived).map(
            |(index, (joined, contradictory))| {
                let joined = Box::new(joined);
                (index, Outcome::Line { joined, contradictory, by_connection })
            },
        ));
    }
    outcomes
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
/// A client's connections go side by side; there only one request may fit.
fn choices(group: &Group, candidates: &[Candidate], members: &[(usize, &JoinCase)]) -> Vec<Choice> {
    let longest = candidates.iter().map(|one| one.alive.length()).max().unwrap_or(Span::ZERO);
    let mut choices: Vec<Choice> = Vec::with_capacity(members.len());
    let mut open: Vec<Open<'_>> = Vec::new();
    for (place, (_, case)) in members.iter().enumerate() {
        let fits = fitting(case, group, candidates, longest);
        choices.push(match fits.as_deref() {
            Some([]) => Choice::Nothing,
            Some([only]) => Choice::Line(*only),
            Some(_) | None => Choice::Several,
        });
        if let Some(fits) = fits.filter(|fits| fits.len() > 1) {
            open.push(Open { place, case, fits });
        }
    }
    if group.one_connection {
        let mut taken = vec![0_usize; candidates.len()];
        for choice in &choices {
            if let Choice::Line(index) = choice
                && let Some(count) = taken.get_mut(*index)
            {
                *count += 1;
            }
        }
        let apart = |one: &Open<'_>, next: &Open<'_>| one.fits.last() >= next.fits.first();
        for cluster in open.chunk_by(apart) {
            deal(cluster, candidates, &taken, &mut choices);
        }
    }
    choices
}

/// A case for which several requests fit.
struct Open<'a> {
    place: usize,
    case: &'a JoinCase,
    /// Their indices, in order of time.
    fits: Vec<usize>,
}

/// The most requests that are weighed for one case, and that are looked at for it: what a crowded
/// group costs. Beyond, its cases count as ambiguous.
const MAX_FITS: usize = 64;
const MAX_LOOKS: usize = 4096;

/// The candidates that may be the request of a case, in order of time; `None` when there are too
/// many. `longest` is the longest life of a candidate.
fn fitting(
    case: &JoinCase,
    group: &Group,
    candidates: &[Candidate],
    longest: Span,
) -> Option<Vec<usize>> {
    let first = candidates.partition_point(|one| one.alive.end() <= case.logged.start());
    let (mut strict, mut covering) = (Vec::new(), Vec::new());
    let near = candidates
        .iter()
        .enumerate()
        .skip(first)
        .take_while(|(_, one)| one.alive.end() - longest < case.logged.end());
    for (looks, (index, one)) in near.enumerate() {
        if strict.len() > MAX_FITS || looks > MAX_LOOKS {
            return None;
        }
        if !one.covers(case) {
            continue;
        }
        if one.expected(case) != Some(0) {
            strict.push(index);
            // Without a request time nothing says when it began; the requests of a connection
            // follow each other, so it is the nearest one.
            if group.one_connection && one.line.request_time.is_none() {
                break;
            }
        } else if covering.len() < 2 {
            covering.push(index);
        }
    }
    // A request that is known by its connection is the right one even if its tries do not show
    // the failure (an aborted try, a status that was overwritten), if there is no other.
    if strict.is_empty() && group.one_connection {
        return (covering.len() < 2).then_some(covering);
    }
    Some(strict)
}

/// Deals the cases for which several requests fit to those requests, in order of time. It must
/// come out even: each request gets as many lines as it has failed tries (where its line does not
/// tell, one), and none is left over. `taken`: lines that are a request's own already.
fn deal(cluster: &[Open<'_>], candidates: &[Candidate], taken: &[usize], choices: &mut [Choice]) {
    let Some(case) = cluster.first().map(|open| open.case) else { return };
    let what = |case: &JoinCase| (case.kind, case.phase, case.cosocket);
    if cluster.iter().any(|open| what(open.case) != what(case)) {
        return;
    }
    let mut wanted: Vec<usize> = cluster.iter().flat_map(|open| &open.fits).copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut slots: Vec<usize> = Vec::new();
    for index in wanted {
        let expected = candidates.get(index).and_then(|one| one.expected(case)).unwrap_or(1);
        let free = expected.saturating_sub(taken.get(index).copied().unwrap_or(0));
        slots.extend(core::iter::repeat_n(index, free));
    }
    let even = slots.len() == cluster.len()
        && cluster.iter().zip(&slots).all(|(open, slot)| open.fits.contains(slot));
    if !even {
        return;
    }
    for (open, slot) in cluster.iter().zip(slots) {
        if let Some(choice) = choices.get_mut(open.place) {
            *choice = Choice::Line(slot);
        }
    }
}
