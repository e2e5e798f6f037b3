//! What lines that cannot be told apart say together.
//!
//! Where several attempts fit a line and their fates differ, its verdict is `ambiguous`; how many of
//! such lines have which fate may be known all the same. Lines that share attempts are a group. Where each
//! of them has an attempt for sure, the number of each verdict among those whose own is open is bounded
//! ([`Lines::tied`]), and exact where the bounds meet: with as many lines as attempts always. The expected
//! number is the sum of the lines' shares of best assignments, so it is only there where these were
//! counted. Where lines contradict each other (more of them than attempts) nothing is said.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::assign::{Lines, Run, Tied};
use crate::case::{Candidate, Case};
use crate::{LogClock, Verdict};

/// Lines that share attempts and whose own verdicts are open.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Indices of their timeouts, in order.
    pub lines: Vec<usize>,
    /// How many lines with a verdict of their own share these attempts.
    pub decided: usize,
    /// How many attempts fit all of these lines.
    pub attempts: usize,
    /// How many of the open lines have each verdict, in order of verdict; empty where the lines
    /// contradict each other.
    pub counts: Vec<Count>,
    /// Every SYN of these lines was captured, and whichever is whose, its verdict is sure.
    pub sure: bool,
}

/// A number of lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// With this verdict.
    pub verdict: Verdict,
    /// At least so many in any best assignment.
    pub least: usize,
    /// At most so many.
    pub most: usize,
    /// So many on average, if all best assignments are equally likely; where those were counted, or
    /// the number is exact.
    pub expected: Option<f64>,
}

impl Group {
    /// Every number is exact.
    pub fn is_exact(&self) -> bool {
        !self.counts.is_empty() && self.counts.iter().all(|count| count.least == count.most)
    }
}

/// A line, as far as others that share its attempts are concerned.
#[derive(Debug)]
struct Tie {
    /// `None` while it is open.
    verdict: Option<Verdict>,
    /// All best assignments give it an attempt.
    complete: bool,
    sure: bool,
    /// Verdict and share of the best assignments, where these were counted.
    shares: Option<Vec<(Verdict, f64)>>,
}

/// The lines of a run that may share attempts with others.
#[derive(Debug, Default)]
pub(crate) struct Ties {
    /// Places, and the verdicts of their attempts there.
    fates: Vec<(usize, Verdict)>,
    /// Lines, and what each says.
    by_line: Vec<(usize, Tie)>,
    runs: Vec<(usize, Vec<Run>)>,
}

impl Ties {
    /// The verdicts of attempts by place.
    pub(crate) fn know(&mut self, fates: impl Iterator<Item = (usize, Verdict)>) {
        self.fates.extend(fates);
    }

    /// Takes in what other lines say.
    pub(crate) fn take_in(&mut self, mut other: Self) {
        self.fates.append(&mut other.fates);
        self.by_line.append(&mut other.by_line);
        self.runs.append(&mut other.runs);
    }

    /// A line whose assignments were counted, and the runs that its attempts lie in.
    pub(crate) fn counted(&mut self, case: &Case, lines: &Lines, runs: &[Run], unmatched: f64) {
        let complete = unmatched <= 0.0;
        // An attempt that is this line's in every assignment is nobody else's.
        if case.candidates.len() < 2 && complete {
            return;
        }
        let of = |attempt| case.candidates.iter().find(|candidate| candidate.attempt == attempt);
        let runs = lines.narrowed(runs, |attempt| of(attempt).is_some());
        let places = runs.iter().flat_map(|run| (run.from..).zip(lines.run(run)));
        self.know(places.filter_map(|(i, p)| Some((i, of(p.attempt)?.judgement.verdict()))));
        let share = |c: &Candidate| (c.judgement.verdict(), c.share);
        let sure = case.candidates.iter().all(|c| c.judgement.grade.is_sure());
        let shares = Some(case.candidates.iter().map(share).collect());
        self.add(case, runs, Tie { verdict: own(case), complete, sure, shares });
    }

    /// A line whose assignments were not, with its runs; `sure` says whether all that is in them is. Their
    /// places are [known](Self::know).
    pub(crate) fn uncounted(&mut self, case: &Case, runs: &[Run], contradicted: bool, sure: bool) {
        let tie = Tie { verdict: own(case), complete: !contradicted, sure, shares: None };
        self.add(case, runs.to_vec(), tie);
    }

    fn add(&mut self, case: &Case, runs: Vec<Run>, mut tie: Tie) {
        // Only the gateway's own capture shows every SYN that was sent: elsewhere a line's may be missing,
        // and an attempt of nobody's fill the number.
        tie.sure &= case.join.clock == LogClock::SameHost;
        self.runs.push((case.timeout, runs));
        self.by_line.push((case.timeout, tie));
    }

    /// The groups in which some line is open, in order of their first lines.
    pub(crate) fn groups(self, lines: Lines) -> Vec<Group> {
        let Self { fates, by_line, mut runs } = self;
        if by_line.iter().all(|(_, tie)| tie.verdict.is_some()) {
            return Vec::new();
        }
        let by_line: BTreeMap<usize, Tie> = by_line.into_iter().collect();
        runs.sort_unstable_by_key(|(line, _)| *line);
        let mut fate = alloc::vec![None; lines.places()];
        for (place, verdict) in fates {
            if let Some(slot) = fate.get_mut(place) {
                *slot = Some(verdict);
            }
        }
        let of = |lines: &[usize]| -> Vec<&Tie> {
            lines.iter().filter_map(|line| by_line.get(line)).collect()
        };
        let counted = |lines: &[usize]| {
            let ties = of(lines);
            ties.iter().any(|tie| tie.verdict.is_none()) && ties.iter().all(|tie| tie.complete)
        };
        let tied = lines.tied(runs, |place| fate.get(place).copied().flatten(), counted);
        let groups = tied.iter().filter_map(|tied| group(&of(&tied.lines), tied));
        let mut groups: Vec<Group> = groups.collect();
        groups.sort_by_key(|group| group.lines.first().copied());
        groups
    }
}

fn own(case: &Case) -> Option<Verdict> {
    (case.verdict != Verdict::Ambiguous).then_some(case.verdict)
}

fn group(ties: &[&Tie], found: &Tied<Verdict>) -> Option<Group> {
    let open = || ties.iter().copied().filter(|tie| tie.verdict.is_none());
    open().next()?;
    let count = |(&verdict, &(least, most)): (&Verdict, &(usize, usize))| {
        // A line with a verdict of its own has it in every assignment.
        let own = ties.iter().filter(|tie| tie.verdict == Some(verdict)).count();
        let (least, most) = (least.saturating_sub(own), most.saturating_sub(own));
        let of_line = |tie: &Tie| {
            let shares = tie.shares.as_ref()?.iter().filter(|(v, _)| *v == verdict);
            Some(shares.map(|(_, share)| share).sum::<f64>())
        };
        let sum: Option<f64> = open().map(of_line).sum();
        #[expect(clippy::cast_precision_loss, reason = "a number of lines")]
        let expected = if least == most {
            Some(least as f64)
        } else {
            sum.map(|sum| sum.clamp(least as f64, most as f64))
        };
        Count { verdict, least, most, expected }
    };
    let counts = found.bounds.iter().map(count).filter(|count| count.most > 0).collect();
    let lines = found.lines.iter().zip(ties).filter(|(_, tie)| tie.verdict.is_none());
    let lines: Vec<usize> = lines.map(|(line, _)| *line).collect();
    Some(Group {
        decided: ties.len() - lines.len(),
        lines,
        attempts: found.attempts,
        counts,
        sure: !found.bounds.is_empty() && ties.iter().all(|tie| tie.sure),
    })
}
