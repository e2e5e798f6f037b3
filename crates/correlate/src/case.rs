//! A case: one log line and what became of its handshake, with the attempts that it may be about.

use alloc::vec::Vec;

use why504_handshake::PointId;
use why504_model::{Interval, Span, Timeout};

use crate::candidates;
use crate::deadline::Deadline;
use crate::facts::Asked;
use crate::history::History;
use crate::judge::{Doubt, Judgement, judge};
use crate::search::Join;
use crate::view::Points;
use crate::{Exchange, Grade, LogClock, Mechanism, Settles, Verdict};

/// One log line and what became of its handshake.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Index of the timeout.
    pub timeout: usize,
    /// The answer.
    pub verdict: Verdict,
    /// What refines it, where all candidates agree on it.
    pub mechanism: Option<Mechanism>,
    /// How sure it is.
    pub grade: Grade,
    /// The reason in one sentence.
    pub reason: &'static str,
    /// Why the grade is lower than the evidence alone would make it.
    pub doubt: Option<Doubt>,
    /// Other verdicts that fit, how many candidates have each, and what would settle it.
    pub alternatives: Vec<(Verdict, usize, Settles)>,
    /// The arithmetic that led to the candidates.
    pub join: Join,
    /// Probability of the verdict if all best assignments are equally likely; of the leading
    /// alternative when the verdict is `ambiguous`.
    pub probability: f64,
    /// The candidates, the most frequent first; where very many fit the line alike, the first of them.
    pub candidates: Vec<Candidate>,
    /// How many candidates there are.
    pub fitting: usize,
    /// The capture points that enclose the loss.
    pub lost_between: Option<(PointId, PointId)>,
}

/// One attempt that some best assignment joins with the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Index of the attempt.
    pub attempt: usize,
    /// Share of the best assignments that join it with the line.
    pub share: f64,
    /// What became of it.
    pub judgement: Judgement,
    /// When nginx gave up, on the clock of the point nearest the client.
    pub deadline: Deadline,
}

impl Case {
    /// How many copies of SYN and SYN+ACK were sent and came: of a lost handshake that is for sure one
    /// attempt's, and that two points saw.
    pub fn copies(&self) -> Option<Exchange> {
        match self.candidates.as_slice() {
            [only] if self.fitting == 1 && self.verdict.is_loss() => only.judgement.copies,
            _ => None,
        }
    }
}

impl Candidate {
    /// An attempt of which a share of the best assignments says that the line is about it; `None` where
    /// there is no such attempt.
    pub(crate) fn judged(
        points: Points<'_>,
        history: &History<'_>,
        timeout: &Timeout,
        (index, share): (usize, f64),
        clock: LogClock,
    ) -> Option<Self> {
        let attempt = points.merged.attempts.get(index)?;
        let deadline = candidates::deadline(timeout, attempt, clock.skew(timeout));
        let end = deadline.within.end().max(attempt.first_syn() + Span::from_nanos(1));
        let during = Interval::new(attempt.first_syn(), end);
        let asked = Asked::by(timeout.kind);
        let judgement = judge(&history.facts(points, attempt, asked, Some(deadline), during));
        Some(Self { attempt: index, share, judgement, deadline })
    }

    /// No surer than `consistent`, for this reason.
    pub(crate) fn doubted(mut self, doubt: Doubt) -> Self {
        self.judgement = self.judgement.doubted(doubt);
        self
    }
}
