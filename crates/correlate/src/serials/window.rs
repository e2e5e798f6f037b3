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

/// A run that chance would make so seldom is believed.
const RUNS_BY_CHANCE: f64 = 1e-6;
/// The same for the part of a run on one side of a line.
const SIDE_BY_CHANCE: f64 = 1e-4;
/// Lines that began later than their numbers say (a handler slept, a client's connection was kept) end a
/// run, but for those that fit by chance. As many of these as are to be expected among neighbours, where
/// so many show: each takes the attempt of another line, which shows in turn, or one of which no line tells.
const LATE_BY_CHANCE: f64 = 0.1;
/// Offsets that are looked at, those first that explain most lines.
const OFFSETS: usize = 32;
/// A connection that was accepted while others waited for their connects has a number that is as much
/// too low; workers may swap.
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
}

/// Lines that one offset explains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stretch {
    /// Those that stand well inside.
    pub(super) inside: Vec<At>,
    /// How probable it is that it explains a line by chance.
    chance: f64,
}

impl Voter {
    /// The offsets under which the line is about one of its attempts.
    fn offsets(&self) -> impl Iterator<Item = i64> {
        self.attempts.iter().map(|(number, _)| self.serial.saturating_sub(number.saturating_mul(2)))
    }

    fn under(&self, offset: i64) -> Fit {
        let off = |number: i64| {
            self.serial.saturating_sub(offset).saturating_sub(number.saturating_mul(2))
        };
        let from = self.attempts.partition_point(|(number, _)| off(*number) > OFF);
        let near = self.attempts.iter().skip(from).take_while(|(number, _)| off(*number) >= -OFF);
        let mut fit = Fit::Not;
        for &(number, attempt) in near {
            match off(number) {
                0 => return Fit::At(attempt),
                _ => fit = Fit::Near,
            }
        }
        fit
    }
}

/// Whether an offset explains a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// By this attempt.
    At(usize),
    /// But for a few places.
    Near,
    Not,
}

/// The runs among neighbouring lines; those `against` end a run.
pub(super) fn stretches(voters: &[Voter], against: &BTreeSet<usize>) -> Vec<Stretch> {
    let counts = counts(voters);
    let tried = counts.len();
    let mut best = counts;
    best.sort_by_key(|&(offset, count)| (core::cmp::Reverse(count), offset));
    best.truncate(OFFSETS);
    let mut found = Vec::new();
    for (offset, _) in best {
        let fits: Vec<Fit> = voters
            .iter()
            .map(|v| if against.contains(&v.line) { Fit::Not } else { v.under(offset) })
            .collect();
        let of_run =
            |run: Range<usize>| believed(voters.get(run.clone())?, fits.get(run)?, (offset, tried));
        let mut believed: Vec<Stretch> = runs(&fits).into_iter().filter_map(of_run).collect();
        // An offset comes back after a line that began later than its number says.
        let late = believed.len().saturating_sub(1);
        let chance = believed.iter().map(|stretch| stretch.chance).fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a few lines")]
        if late as f64 * chance <= LATE_BY_CHANCE {
            found.append(&mut believed);
        }
    }
    found
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

/// What stands well inside a run, if it is more than chance.
fn believed(run: &[Voter], fits: &[Fit], (offset, tried): (i64, usize)) -> Option<Stretch> {
    #[expect(clippy::cast_precision_loss, reason = "a few million offsets")]
    let tried = tried as f64;
    let hits = fits.iter().filter(|fit| matches!(fit, Fit::At(_))).count();
    // However few lines the next best explains.
    if tried * by_chance(0, hits, hits) > RUNS_BY_CHANCE {
        return None;
    }
    let others = counts(run).into_iter().filter(|(other, _)| *other != offset);
    let rival = others.map(|(_, count)| count).max().unwrap_or(0);
    if tried * by_chance(rival, hits, hits) > RUNS_BY_CHANCE {
        return None;
    }
    let side = (1..hits).find(|&lines| by_chance(rival, hits, lines) <= SIDE_BY_CHANCE)?;
    let at = |(voter, fit): (&Voter, &Fit)| match *fit {
        Fit::At(attempt) => Some(At { line: voter.line, attempt }),
        Fit::Near | Fit::Not => None,
    };
    let all: Vec<At> = run.iter().zip(fits).filter_map(at).collect();
    let inside = all.get(side..all.len().checked_sub(side)?)?;
    (!inside.is_empty())
        .then(|| Stretch { inside: inside.to_vec(), chance: by_chance(rival, hits, 1) })
}

/// How probable it is that a wrong offset explains so many lines in a row, if one explains `rival` of
/// `hits` lines.
fn by_chance(rival: usize, hits: usize, lines: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred lines")]
    let one = (rival + 1) as f64 / (hits + 1) as f64;
    // `core` has no `powi`.
    core::iter::repeat_n(one, lines).product()
}
