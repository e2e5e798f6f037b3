//! Which offset explains the numbers of neighbouring lines, and which lines stand well inside such a run.
//!
//! A wrong offset fits a line by chance, when some other attempt of its happens to have the number that
//! the offset asks for. How often that happens the lines themselves show: by the offset that explains
//! most of them after the best. A run is believed where so many lines in a row would be explained by
//! chance, under any offset, less than once in [`RUNS_BY_CHANCE`] times. Where the second explains nearly
//! as many (SYNs at even distances, one upstream), that needs very many lines, or never comes about.
//!
//! Where a run ends the offset has changed, and the last lines may fit by chance. So a line is placed only
//! where the lines on either side of it, to the end of the run, would not fit by chance either.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Range;

use why504_model::{Span, Timestamp};

use super::{HELD_UP, SWAPPED};

/// A run that chance would make so seldom is believed.
const RUNS_BY_CHANCE: f64 = 1e-6;
/// Fewer lines are no run: where the offset changes so often, too much else goes on.
const LINES_IN_A_RUN: usize = 24;
/// The same for the part of a run on one side of a line.
const SIDE_BY_CHANCE: f64 = 1e-4;
/// Lines that began later than their numbers say (a handler slept, a client's connection was kept) end a
/// run, but for those that fit by chance. As many of these as are to be expected among neighbours, where
/// so many show: each takes the attempt of another line, which shows in turn, or one of which no line tells.
const LATE_BY_CHANCE: f64 = 0.1;
/// Of a window, so seldom chance makes a run that says that an offset has come back.
const RETURNED_BY_CHANCE: f64 = 0.05;
/// Offsets that are looked at, those first that explain most lines.
const OFFSETS: usize = 32;
/// A connection that was accepted while others waited for their connects has a number that is as much
/// too low; workers may swap. What began further apart than workers swap is no such thing.
const OFF: i64 = 4;
/// So many lines in a row may be off by that. More of them are a change of the offset.
const OFF_IN_A_ROW: usize = 2;

/// A line, its number, and what it may be about.
#[derive(Clone, Debug)]
pub(super) struct Voter {
    pub(super) line: usize,
    /// Of its client's connection, less those that took one number only.
    pub(super) serial: i64,
    /// Numbers of attempts, and the attempts; in order.
    pub(super) attempts: Vec<(i64, usize)>,
}

/// A line and the attempt at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) attempt: usize,
    /// The attempt of a later line. While a request waits between accept and connect, the numbers of the others
    /// are one off; so many lines from this one to that one are explained that chance does not do it, so
    /// if this one waited, then not for longer.
    pub(super) until: usize,
}

/// Lines that one offset explains.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stretch {
    /// Those that stand well inside.
    pub(super) inside: Vec<At>,
    /// Those among them that it explains but for a moment, each with the attempts at that moment.
    pub(super) near: Vec<(usize, Vec<usize>)>,
    /// Others that it explains as well as lines can be where no others follow: between those, and up to an
    /// end of the window.
    pub(super) beside: Vec<usize>,
    /// The attempts at the places of lines near an end of the window that is none of the run.
    pub(super) open: Vec<usize>,
    /// How probable it is that it explains a line by chance.
    chance: f64,
}

impl Voter {
    /// The offsets under which the line is about one of its attempts.
    fn offsets(&self) -> impl Iterator<Item = i64> {
        self.attempts.iter().map(|(number, _)| self.serial.saturating_sub(number.saturating_mul(2)))
    }

    /// Whether an offset explains the line; `began` says when the attempts began.
    fn under(&self, offset: i64, began: &Began) -> Fit {
        let place = self.serial.saturating_sub(offset);
        let off = |number: i64| place.saturating_sub(number.saturating_mul(2));
        let from = self.attempts.partition_point(|(number, _)| off(*number) > OFF);
        let near = || {
            let near = self.attempts.iter().skip(from);
            near.take_while(|(number, _)| off(*number) >= -OFF)
        };
        if let Some((_, attempt)) = near().find(|(number, _)| off(*number) == 0) {
            return Fit::At(*attempt);
        }
        if near().any(|(number, _)| began.apart(*number, place) <= SWAPPED) {
            Fit::Near
        } else {
            Fit::Not
        }
    }

    /// Its attempts nearest to the place that an offset means; not one that began plainly after another.
    fn near(&self, offset: i64, began: &Began) -> Vec<usize> {
        let place = self.serial.saturating_sub(offset);
        let off = |number: i64| place.saturating_sub(number.saturating_mul(2)).saturating_abs();
        let least = self.attempts.iter().map(|(number, _)| off(*number)).min();
        let near = || self.attempts.iter().filter(|(number, _)| Some(off(*number)) == least);
        let soonest = near().filter_map(|(number, _)| began.of(*number)).min();
        let held_up = |number| began.of(number) > soonest.map(|soonest| soonest + HELD_UP);
        near().filter(|(number, _)| !held_up(*number)).map(|(_, attempt)| *attempt).collect()
    }
}

/// When attempts began, by number; those of which nothing is kept are not there.
#[derive(Debug, Default)]
pub(super) struct Began(Vec<(i64, Timestamp)>);

impl Began {
    pub(super) fn new(mut began: Vec<(i64, Timestamp)>) -> Self {
        began.sort_unstable();
        Self(began)
    }

    /// When one did.
    fn of(&self, number: i64) -> Option<Timestamp> {
        let at = self.0.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.0.get(at).map(|(_, began)| *began)
    }

    /// How long before or after the attempt at a place (twice its number, and one more for one between two)
    /// another began, at least.
    fn apart(&self, number: i64, place: i64) -> Span {
        let at = |number: i64| self.0.partition_point(|(other, _)| *other < number);
        let Some(&(_, began)) = self.0.get(at(number)) else { return Span::ZERO };
        let floor = place.div_euclid(2);
        let before = at(floor.saturating_add(1)).checked_sub(1).and_then(|i| self.0.get(i));
        let after = self.0.get(at(floor.saturating_add(place.rem_euclid(2))));
        let early = before.map_or(Span::ZERO, |(_, before)| before.since(began));
        let late = after.map_or(Span::ZERO, |(_, after)| began.since(*after));
        early.max(late).max(Span::ZERO)
    }
}

/// Whether an offset explains a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// By this attempt.
    At(usize),
    /// By one that began a moment before or after the one that it means.
    Near,
    Not,
}

impl Fit {
    const fn is_at(self) -> bool {
        matches!(self, Self::At(_))
    }

    const fn attempt(self) -> Option<usize> {
        match self {
            Self::At(attempt) => Some(attempt),
            Self::Near | Self::Not => None,
        }
    }
}

/// The runs among neighbouring lines; those `against` end a run.
pub(super) fn stretches(
    voters: &[Voter],
    began: &Began,
    against: &BTreeSet<usize>,
) -> Vec<Stretch> {
    let counts = counts(voters);
    let tried = counts.len();
    let mut best = counts;
    best.sort_by_key(|&(offset, count)| (core::cmp::Reverse(count), offset));
    best.truncate(OFFSETS);
    let mut found = Vec::new();
    for (offset, _) in best {
        let fit = |v: &Voter| {
            if against.contains(&v.line) { Fit::Not } else { v.under(offset, began) }
        };
        let fits: Vec<Fit> = voters.iter().map(fit).collect();
        let of_run = |run: Range<usize>| {
            let part = (voters.get(run.clone())?, fits.get(run.clone())?);
            // Where the window ends, and not the run.
            let near =
                |fits: Option<&[Fit]>| fits.is_some_and(|f| f.iter().all(|f| *f == Fit::Near));
            let open = (near(fits.get(..run.start)), near(fits.get(run.end..)));
            believed(part, open, (offset, tried), began)
        };
        let runs = runs(&fits);
        let believed: Vec<Stretch> = runs.iter().cloned().filter_map(of_run).collect();
        let chance = believed.iter().map(|stretch| stretch.chance).fold(0.0, f64::max);
        if expected_by_chance(chance, &runs, &fits) <= LATE_BY_CHANCE {
            found.extend(believed);
        }
    }
    found
}

/// How many lines may be expected to fit an offset by chance, by those that do not fit it though lines on
/// both sides of them do. `chance` is that of one line.
fn expected_by_chance(chance: f64, runs: &[Range<usize>], fits: &[Fit]) -> f64 {
    let part = |run: &Range<usize>| fits.get(run.clone()).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred lines")]
    let float = |count: usize| count as f64;
    // Longer than any that chance makes in this window.
    let long = |run: &&Range<usize>| {
        let hits = part(run).iter().filter(|fit| fit.is_at()).count();
        float(fits.len()) * to_the_power(chance, hits) <= RETURNED_BY_CHANCE
    };
    let mut runs = runs.iter().filter(long);
    let Some(first) = runs.next() else { return 0.0 };
    let last = runs.next_back().unwrap_or(first);
    let late = part(&(first.start..last.end)).iter().filter(|fit| **fit == Fit::Not).count();
    float(late) * chance
}

/// The lines in a row that an offset explains, from the first that it explains exactly to the last.
fn runs(fits: &[Fit]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut broken = true;
    for (place, fit) in fits.iter().enumerate() {
        match (fit, runs.last_mut()) {
            (Fit::At(_), Some(run)) if !broken && place - run.end <= OFF_IN_A_ROW => {
                run.end = place + 1;
            }
            (Fit::At(_), _) => {
                runs.push(place..place + 1);
                broken = false;
            }
            (Fit::Not, _) => broken = true,
            (Fit::Near, _) => {}
        }
    }
    runs
}

/// How many lines each offset explains, in order of offset.
fn counts(voters: &[Voter]) -> Vec<(i64, usize)> {
    let mut all: Vec<i64> = voters.iter().flat_map(Voter::offsets).collect();
    all.sort_unstable();
    all.chunk_by(|a, b| a == b).filter_map(|same| Some((*same.first()?, same.len()))).collect()
}

/// What stands well inside a run, if it is more than chance. An end that is `open` is that of the window.
fn believed(
    (run, fits): (&[Voter], &[Fit]),
    open: (bool, bool),
    (offset, tried): (i64, usize),
    began: &Began,
) -> Option<Stretch> {
    #[expect(clippy::cast_precision_loss, reason = "a few million offsets")]
    let tried = tried as f64;
    let hits: Vec<usize> = (0..).zip(fits).filter(|(_, f)| f.is_at()).map(|(i, _)| i).collect();
    let all = hits.len();
    // However few lines the next best explains.
    if all < LINES_IN_A_RUN || tried * by_chance(0, all, all) > RUNS_BY_CHANCE {
        return None;
    }
    let others = counts(run).into_iter().filter(|(other, _)| *other != offset);
    let rival = others.map(|(_, count)| count).max().unwrap_or(0);
    if tried * by_chance(rival, all, all) > RUNS_BY_CHANCE {
        return None;
    }
    let side = (1..all).find(|&lines| by_chance(rival, all, lines) <= SIDE_BY_CHANCE)?;
    let (&from, &to) = (hits.get(side)?, hits.get(all.checked_sub(side + 1)?)?);
    let mut untils = hits.iter().skip(2 * side).filter_map(|&hit| fits.get(hit)?.attempt());
    let mut stretch = Stretch { chance: by_chance(rival, all, 1), ..Stretch::default() };
    for (place, (voter, fit)) in run.iter().zip(fits).enumerate() {
        let is_inside = (from..=to).contains(&place);
        let is_open = place < from && open.0 || place > to && open.1;
        match *fit {
            Fit::At(attempt) if is_inside => {
                let until = untils.next().unwrap_or(attempt);
                stretch.inside.push(At { line: voter.line, attempt, until });
                continue;
            }
            Fit::At(attempt) if is_open => stretch.open.push(attempt),
            Fit::Near if is_inside => stretch.near.push((voter.line, voter.near(offset, began))),
            _ => {}
        }
        if is_inside || is_open {
            stretch.beside.push(voter.line);
        }
    }
    Some(stretch)
}

/// How probable it is that a wrong offset explains so many lines in a row, if one explains `rival` of
/// `hits` lines.
fn by_chance(rival: usize, hits: usize, lines: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred lines")]
    let one = (rival + 1) as f64 / (hits + 1) as f64;
    to_the_power(one, lines)
}

/// `core` has no `powi`.
fn to_the_power(base: f64, exponent: usize) -> f64 {
    core::iter::repeat_n(base, exponent).product()
}
