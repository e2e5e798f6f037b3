//! One line, one attempt: all best one-to-one assignments, counted.
//!
//! Best means: most lines matched, then the most plausible attempts. The order of a worker's lines
//! is a hard constraint: deadlines fire in order within an event loop, and between workers of one
//! log within the stall. Between the logs of two gateways nothing is known. All best assignments
//! count alike; nothing else breaks a tie. Where several timers are in force, a pairing counts once
//! for each timer under which it fits.
//!
//! First what no complete assignment can use is struck out ([`narrow`]), which leaves small groups of
//! lines that bear on each other ([`component`]); the assignments of each are counted ([`sweep`]).

mod component;
mod matching;
mod narrow;
mod sweep;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use why504_model::{Span, Timestamp};

use component::components;
use sweep::Sweep;

/// Timers of one worker that fire in one loop iteration are logged in the order of the timer tree;
/// their SYNs may have been sent in the other order within the staleness of its clock (23 ms
/// measured).
const SAME_WORKER: Span = Span::from_millis(25);
/// One worker may be late by a stall while another is not (91 ms measured).
const OTHER_WORKER: Span = Span::from_millis(200);

/// Lines with more pairings than this on average are neither narrowed nor counted: what order and
/// number leave of them is still many, and the states of a few of them are too many already.
const DENSE: usize = 48;
/// Fewer lines than this are not halved.
const HALVED: usize = 16;

/// A log line and the attempts that fit it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Which log the line stands in; the order of lines means something within one log.
    pub log: u32,
    /// Process id of the worker, when logged.
    pub worker: Option<u32>,
    /// It reports a packet that was read (a refusal), not a timer. A loop that was held up reads
    /// what has come before it looks at its timers (`ngx_process_events_and_timers`), so such a line
    /// may stand before those of timers that expired earlier, as if it were another worker's.
    pub read: bool,
    /// The attempts that fit.
    pub edges: Vec<Edge>,
}

/// An attempt that fits a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Index of the attempt.
    pub attempt: usize,
    /// When, under this pairing, the event happened that the line reports: earliest and latest.
    pub end: (Timestamp, Timestamp),
    /// 0 for a plausible attempt, more for candidates of last resort.
    pub penalty: u32,
}

/// What the best assignments say about one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Attempts that some best assignment joins with the line, with the share of best assignments
    /// that do; in order of attempt.
    pub attempts: Vec<(usize, f64)>,
    /// Share of best assignments that leave the line without attempt.
    pub unmatched: f64,
    /// The component was too large to count: every attempt that fits is listed, with equal shares.
    pub counted: bool,
}

/// Assigns attempts to lines. Lines are in the order of the log.
pub fn assign(lines: &[Line]) -> Vec<Assignment> {
    let nothing = Assignment { unmatched: 1.0, counted: true, ..Assignment::default() };
    let mut result = alloc::vec![nothing; lines.len()];
    for component in components(lines) {
        let part: Vec<&Line> = component.iter().filter_map(|&i| lines.get(i)).collect();
        fill(&mut result, &component, of_component(&part));
    }
    result
}

/// Small components are counted as they are. A large one is narrowed first, and what that leaves
/// open is counted piece by piece.
fn of_component(lines: &[&Line]) -> Vec<Assignment> {
    let pairings: usize = lines.iter().map(|line| line.edges.len()).sum();
    if pairings > DENSE * lines.len() {
        return lines.iter().map(|line| any(line)).collect();
    }
    Sweep::new(lines).run().unwrap_or_else(|| by_halves(lines))
}

/// A line whose attempt was not captured, or whose timer is not among those that were stated, shows
/// as a contradiction, and not always where it stands. The lines are then halved, in the order of
/// the log, until the halves are free of it; what is too short for that stays in doubt.
fn by_halves(lines: &[&Line]) -> Vec<Assignment> {
    let mut answers = Vec::with_capacity(lines.len());
    let mut rest = alloc::vec![lines];
    while let Some(part) = rest.pop() {
        if let Some(found) = narrow::complete(part).and_then(|lines| complete(&lines)) {
            answers.extend(found);
        } else if part.len() < HALVED {
            answers.extend(part.iter().map(|line| any_or_none(line)));
        } else {
            let (earlier, later) = part.split_at(part.len() / 2);
            rest.extend([later, earlier]);
        }
    }
    answers
}

/// The assignments that give every line an attempt, piece by piece; `None` when there are none, or
/// none was found. That is settled for all pieces before any is counted.
fn complete(lines: &[Line]) -> Option<Vec<Assignment>> {
    let mut answers = alloc::vec![Assignment::default(); lines.len()];
    let pieces = components(lines);
    let of =
        |piece: &[usize]| -> Vec<&Line> { piece.iter().filter_map(|&i| lines.get(i)).collect() };
    let counted = |part: &[&Line]| {
        let counted = Sweep::new(part).run()?;
        counted.iter().all(|answer| answer.unmatched <= 0.0).then_some(counted)
    };
    let mut open = Vec::new();
    for piece in &pieces {
        let part = of(piece);
        if Sweep::new(&part).is_complete() {
            open.push(piece);
        } else {
            fill(&mut answers, piece, counted(&part)?);
        }
    }
    for piece in open {
        let part = of(piece);
        let found = counted(&part).unwrap_or_else(|| part.iter().map(|line| any(line)).collect());
        fill(&mut answers, piece, found);
    }
    Some(answers)
}

/// Puts the answers of some lines in their places.
fn fill(all: &mut [Assignment], places: &[usize], answers: Vec<Assignment>) {
    for (&place, answer) in places.iter().zip(answers) {
        if let Some(slot) = all.get_mut(place) {
            *slot = answer;
        }
    }
}

impl Line {
    /// The worker whose later lines this one binds closely.
    fn binds(&self) -> Option<(u32, u32)> {
        self.worker.filter(|_| !self.read).map(|worker| (self.log, worker))
    }
}

/// The sound answer without counting: any attempt that is left may be the one.
fn any(line: &Line) -> Assignment {
    let mut attempts: Vec<usize> = line.edges.iter().map(|e| e.attempt).collect();
    attempts.sort_unstable();
    attempts.dedup();
    #[expect(clippy::cast_precision_loss, reason = "a share of a few thousand")]
    let share = 1.0 / attempts.len().max(1) as f64;
    Assignment {
        attempts: attempts.into_iter().map(|a| (a, share)).collect(),
        unmatched: 0.0,
        counted: false,
    }
}

/// Any attempt that is left, or none of them: the lines contradict each other.
fn any_or_none(line: &Line) -> Assignment {
    let mut answer = any(line);
    #[expect(clippy::cast_precision_loss, reason = "a share of a few thousand")]
    let share = 1.0 / (answer.attempts.len() + 1) as f64;
    for attempt in &mut answer.attempts {
        attempt.1 = share;
    }
    answer.unmatched = share;
    answer
}
