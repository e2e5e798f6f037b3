//! Requests that waited between accept and connect, so that another's attempt stands at their place.
//!
//! While a request waits, the attempts of the others take its place, and those of all that are accepted
//! meanwhile are one off. Whoever stands at its place, if its own line is not in the log (the client went
//! away first), leaves the place to the line of the one that waited. What shows that is the attempt which
//! that line left behind: it began later, the line fits it, and it is at the place of no line.
//!
//! So a line stays placed only where each attempt of that kind is somebody's. Lines whose SYN never left
//! might be anybody's; they answer for no attempt here.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

use why504_handshake::Attempt;

use super::window::At;
use super::{Field, HELD_UP};
use crate::assign::Lines;

/// Attempts that are known to be a line's: those at the places of lines, placed or `open`, and of the few in
/// the moment of a line that is one off (`near`) the one that others leave to it.
pub(super) fn claimed(
    at: &BTreeMap<usize, At>,
    open: Vec<usize>,
    mut near: Vec<(usize, Vec<usize>)>,
) -> BTreeSet<usize> {
    let mut claimed: BTreeSet<usize> = at.values().map(|at| at.attempt).chain(open).collect();
    let mut before = 0;
    while claimed.len() > before {
        before = claimed.len();
        near.retain_mut(|(_, attempts)| {
            attempts.retain(|attempt| !claimed.contains(attempt));
            if let &[only] = attempts.as_slice() {
                claimed.insert(only);
            }
            attempts.len() > 1
        });
    }
    claimed
}

/// The lines at whose place may be another's attempt.
pub(super) fn doubtful(
    field: &Field<'_>,
    lines: &Lines,
    at: &BTreeMap<usize, At>,
    mut claimed: BTreeSet<usize>,
) -> BTreeSet<usize> {
    let began = |attempt: usize| field.attempt(attempt).map(Attempt::first_syn);
    let mut latest_first: Vec<&At> = at.values().collect();
    latest_first.sort_by_key(|at| Reverse((began(at.attempt), at.line)));
    let mut doubtful = BTreeSet::new();
    for at in latest_first {
        let soonest = began(at.attempt).map(|place| place + HELD_UP);
        let until = began(at.until);
        let left_behind = |other: usize| {
            let began = began(other);
            began > soonest && began < until && !claimed.contains(&other)
        };
        let runs = lines.runs_of(at.line).iter().filter(|run| run.penalty == 0);
        let mut fitting = runs.flat_map(|run| lines.run(run)).map(|place| place.attempt);
        if fitting.any(left_behind) {
            // Then the one here may be that of a request which waited before this one.
            claimed.remove(&at.attempt);
            doubtful.insert(at.line);
        }
    }
    doubtful
}
