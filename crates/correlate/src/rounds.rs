//! Lines and attempts, assigned in two rounds.
//!
//! An attempt that lies where the access log says that a line began is that line's before it is
//! another's, which began later than its request: for both to be wrong, one line's SYN would have to
//! lie by chance in the milliseconds of another one that sent none. How often lines begin late the
//! log shows ([`Starts`](crate::starts::Starts)). So lines that found nothing at their moment choose
//! among what is left; where nothing is, they have no attempt, and take the grade of no other line.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::Threads;
use crate::assign::{Assignment, Lines, Run, assign};

/// What more than this share of the assignments gives to a line is that line's.
const SURELY: f64 = 1.0 - 1e-9;

/// How well a line's own times say which attempts are its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// They lie where the access log says that it began.
    InPlace,
    /// By the second of the error log, or by a clock that was not shown to agree.
    Loose,
    /// None lies where it began: these began later.
    Late,
}

/// The assignments of all lines.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) assignments: Vec<Assignment>,
    /// Where the places lie that they name.
    pub(crate) lines: Lines,
    /// Attempt -> share of the first round's assignments that give it to a line in its place.
    taken: BTreeMap<usize, f64>,
}

impl Rounds {
    /// Assigns lines, each with its claim.
    pub(crate) fn new(mut lines: Lines, claims: &[Claim], threads: &impl Threads) -> Self {
        let claimed = |which| claims.iter().enumerate().filter(move |(_, c)| **c == which);
        if claimed(Claim::Late).next().is_none() && claimed(Claim::InPlace).next().is_none() {
            return Self { assignments: assign(&lines, threads), lines, taken: BTreeMap::new() };
        }
        // Where a line without a start may want the same attempt, nothing is settled beforehand.
        let mut wanted: BTreeSet<usize> = BTreeSet::new();
        let mut looked_at: BTreeSet<(usize, usize)> = BTreeSet::new();
        for run in claimed(Claim::Loose).flat_map(|(i, _)| lines.runs_of(i)) {
            // Lines of one second share their runs.
            if looked_at.insert((run.from, run.to)) {
                wanted.extend(lines.run(run).iter().map(|place| place.attempt));
            }
        }
        let late = |i: usize| claims.get(i) == Some(&Claim::Late);
        let contested: Vec<bool> = (0..lines.len())
            .map(|i| late(i) && lines.attempts_of(i).any(|attempt| wanted.contains(&attempt)))
            .collect();
        let aside = lines.set_aside(|i| late(i) && contested.get(i) == Some(&false));
        let mut rounds =
            Self { assignments: assign(&lines, threads), lines, taken: BTreeMap::new() };
        for (i, _) in claimed(Claim::InPlace) {
            for (attempt, share) in rounds.shares(i) {
                if !wanted.contains(&attempt) {
                    *rounds.taken.entry(attempt).or_default() += share;
                }
            }
        }
        rounds.choose_among_the_rest(aside, threads);
        rounds
    }

    /// The attempts of a line, and the share of each.
    fn shares(&self, line: usize) -> Vec<(usize, f64)> {
        match self.assignments.get(line) {
            Some(Assignment::Counted { attempts, .. }) => attempts.clone(),
            Some(Assignment::Uncounted { runs, contradicted }) => {
                let places = || runs.iter().flat_map(|run| self.lines.run(run));
                let fates = places().count() + usize::from(*contradicted);
                #[expect(clippy::cast_precision_loss, reason = "a number of attempts")]
                let share = 1.0 / fates.max(1) as f64;
                places().map(|place| (place.attempt, share)).collect()
            }
            None => Vec::new(),
        }
    }

    /// The second round.
    fn choose_among_the_rest(&mut self, aside: Vec<(usize, Vec<Run>)>, threads: &impl Threads) {
        let chosen: Vec<usize> = aside.iter().map(|(i, _)| *i).collect();
        let mut lines = core::mem::take(&mut self.lines);
        lines.only(aside, |attempt| !self.is_taken(attempt));
        let mut answers = assign(&lines, threads);
        self.lines = lines;
        for i in chosen {
            let Some(answer) = answers.get_mut(i).map(core::mem::take) else { continue };
            let answer = self.what_is_left(answer);
            if let Some(place) = self.assignments.get_mut(i) {
                *place = answer;
            }
        }
    }

    /// Whether a line in its place has this attempt, in every assignment of the first round.
    pub(crate) fn is_taken(&self, attempt: usize) -> bool {
        self.taken.get(&attempt).is_some_and(|share| *share >= SURELY)
    }

    /// An attempt that a line of the first round may have is left for the others that much less.
    fn what_is_left(&self, mut answer: Assignment) -> Assignment {
        let taken = |attempt| self.taken.get(&attempt).copied().unwrap_or(0.0).min(1.0);
        match &mut answer {
            Assignment::Counted { attempts, unmatched } => {
                for (attempt, share) in attempts {
                    *unmatched += *share * taken(*attempt);
                    *share *= 1.0 - taken(*attempt);
                }
            }
            Assignment::Uncounted { runs, contradicted } => {
                let mut places = runs.iter().flat_map(|run| self.lines.run(run));
                *contradicted |= places.any(|place| taken(place.attempt) > 0.0);
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OneThread;
    use crate::assign::{Edge, Writer};
    use why504_model::Timestamp;

    type Claims<'a> = &'a [(Claim, &'a [usize])];
    type Answers<'a> = &'a [(&'a [usize], bool)];

    fn assigned(given: Claims<'_>) -> Vec<(Vec<usize>, bool)> {
        let end = (Timestamp::default(), Timestamp::default());
        let mut lines = Lines::default();
        for (_, attempts) in given {
            let edge = |&attempt: &usize| Edge { attempt, end, penalty: 0, timer: 0 };
            let runs = lines.hold(attempts.iter().map(edge).collect());
            lines.push(Writer::default(), runs);
        }
        let claims: Vec<Claim> = given.iter().map(|(claim, _)| *claim).collect();
        let rounds = Rounds::new(lines, &claims, &OneThread);
        let plain = |answer| match answer {
            Assignment::Counted { attempts, unmatched } => {
                (attempts.into_iter().map(|(attempt, _)| attempt).collect(), unmatched > 0.0)
            }
            Assignment::Uncounted { .. } => (Vec::new(), false),
        };
        rounds.assignments.into_iter().map(plain).collect()
    }

    #[test]
    fn a_late_line_takes_what_is_left_and_nothing_from_others() {
        use Claim::{InPlace, Late, Loose};
        let cases: [(Claims<'_>, Answers<'_>); 4] = [
            // Its only attempt is another's by the millisecond: it has none.
            (&[(InPlace, &[1]), (Late, &[1])], &[(&[1], false), (&[], true)]),
            (&[(InPlace, &[1]), (Late, &[1, 2])], &[(&[1], false), (&[2], false)]),
            // Which of two is the other's is open, so it is open whether one is left.
            (&[(InPlace, &[1, 2]), (Late, &[1])], &[(&[1, 2], false), (&[1], true)]),
            // By the second alone nobody comes first.
            (&[(Loose, &[1]), (Late, &[1])], &[(&[1], true), (&[1], true)]),
        ];
        for (lines, expected) in cases {
            let expected: Vec<(Vec<usize>, bool)> =
                expected.iter().map(|(attempts, open)| (attempts.to_vec(), *open)).collect();
            assert_eq!(assigned(lines), expected, "{lines:?}");
        }
    }
}
