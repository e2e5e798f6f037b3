//! Lines and attempts, assigned in two rounds.
//!
//! An attempt that lies where the access log says that a line began is that line's before it is
//! another's, which began later than its request: for both to be wrong, one line's SYN would have to
//! lie by chance in the milliseconds of another one that sent none. How often lines begin late the
//! log shows ([`Starts`](crate::starts::Starts)). So lines that found nothing at their moment choose
//! among what is left; where nothing is, they have no attempt, and take the grade of no other line.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::assign::{Assignment, Line, assign};

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
    /// Attempt -> share of the first round's assignments that give it to a line in its place.
    taken: BTreeMap<usize, f64>,
}

impl Rounds {
    /// Assigns lines, each with its claim.
    pub(crate) fn new(mut lines: Vec<Line>, claims: &[Claim]) -> Self {
        let claims = || claims.iter().copied();
        // Where a line without a start may want the same attempt, nothing is settled beforehand.
        let loose = claims().zip(&lines).filter(|(claim, _)| *claim == Claim::Loose);
        let wanted: BTreeSet<usize> =
            loose.flat_map(|(_, line)| &line.edges).map(|edge| edge.attempt).collect();
        let mut last: Vec<Line> = Vec::with_capacity(lines.len());
        for (line, claim) in lines.iter_mut().zip(claims()) {
            let mut second = Line { edges: Vec::new(), ..*line };
            let contested = line.edges.iter().any(|edge| wanted.contains(&edge.attempt));
            if claim == Claim::Late && !contested {
                second.edges = core::mem::take(&mut line.edges);
            }
            last.push(second);
        }
        let mut rounds = Self { assignments: assign(&lines), taken: BTreeMap::new() };
        let in_place = rounds.assignments.iter().zip(claims());
        let in_place = in_place.filter(|(_, claim)| *claim == Claim::InPlace);
        for (attempt, share) in in_place.flat_map(|(answer, _)| &answer.attempts) {
            if !wanted.contains(attempt) {
                *rounds.taken.entry(*attempt).or_default() += share;
            }
        }
        rounds.choose_among_the_rest(last);
        rounds
    }

    /// The second round.
    fn choose_among_the_rest(&mut self, mut lines: Vec<Line>) {
        let wants: Vec<bool> = lines.iter().map(|line| !line.edges.is_empty()).collect();
        for line in &mut lines {
            line.edges.retain(|edge| !self.is_taken(edge.attempt));
        }
        for (i, answer) in assign(&lines).into_iter().enumerate() {
            let answer = self.what_is_left(answer);
            if let Some(place) = self.assignments.get_mut(i)
                && wants.get(i) == Some(&true)
            {
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
        for (attempt, share) in &mut answer.attempts {
            let taken = self.taken.get(attempt).copied().unwrap_or(0.0).min(1.0);
            answer.unmatched += *share * taken;
            *share *= 1.0 - taken;
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assign::Edge;
    use why504_model::Timestamp;

    type Claims<'a> = &'a [(Claim, &'a [usize])];
    type Answers<'a> = &'a [(&'a [usize], bool)];

    fn line(attempts: &[usize]) -> Line {
        let end = (Timestamp::default(), Timestamp::default());
        let edges = attempts.iter().map(|&attempt| Edge { attempt, end, penalty: 0 }).collect();
        Line { edges, ..Line::default() }
    }

    fn assigned(lines: Claims<'_>) -> Vec<(Vec<usize>, bool)> {
        let (claims, lines): (Vec<Claim>, Vec<Line>) =
            lines.iter().map(|(claim, attempts)| (*claim, line(attempts))).unzip();
        let rounds = Rounds::new(lines, &claims);
        let plain = |a: Assignment| {
            (a.attempts.into_iter().map(|(attempt, _)| attempt).collect(), a.unmatched > 0.0)
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
