//! Strikes out the pairings that no complete assignment can use.
//!
//! Where every line of a component can have an attempt, every best assignment gives it one, of its
//! most plausible kind. That makes three rules sound, and they are applied until nothing changes:
//! a pairing that ends before an earlier line of the log can have ended is out; so is one that ends
//! after a later line must have ended; and so is one that leaves some line without any attempt.
//! The last is what lets a log with as many lines as there are unanswered attempts tell its timers
//! apart.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::Timestamp;

use super::matching::Matching;
use super::{Edge, Line, OTHER_WORKER, SAME_WORKER};

/// Rounds of the three rules. Each strikes out a part only of what the one before it laid open; more
/// are needed by chains that are longer than any log needs.
const ROUNDS: usize = 12;
/// The pairings that are left when all lines have an attempt; `None` when they cannot.
pub(super) fn complete(lines: &[&Line]) -> Option<Vec<Line>> {
    let mut left: Vec<Line> = lines.iter().map(|line| plausible(line)).collect();
    for _ in 0..ROUNDS {
        let mut struck = in_order(left.iter_mut(), Direction::Forward)?;
        struck |= in_order(left.iter_mut().rev(), Direction::Backward)?;
        if !struck && !one_to_one(&mut left)? {
            break;
        }
    }
    Some(left)
}

/// The line with its most plausible pairings alone.
fn plausible(line: &Line) -> Line {
    let least = line.edges.iter().map(|e| e.penalty).min().unwrap_or(0);
    let edges = line.edges.iter().copied().filter(|e| e.penalty == least).collect();
    Line { edges, ..*line }
}

#[derive(Clone, Copy)]
enum Direction {
    /// Nothing ends before what stands earlier in the log.
    Forward,
    /// Nothing ends after what stands later in the log.
    Backward,
}

/// How far the lines that were passed bind those to come.
#[derive(Default)]
struct Bounds {
    workers: BTreeMap<(u32, u32), Timestamp>,
    logs: BTreeMap<u32, Timestamp>,
}

/// Applies the order of lines in one direction; whether it struck anything out, `None` when it left
/// a line without any pairing.
fn in_order<'a>(lines: impl Iterator<Item = &'a mut Line>, direction: Direction) -> Option<bool> {
    let mut bounds = Bounds::default();
    let mut struck = false;
    for line in lines {
        let before = line.edges.len();
        let (log, worker, binds) = (line.log, line.worker, line.binds());
        // The earlier line of two says how closely they are bound.
        let close = match direction {
            Direction::Forward => worker.map(|worker| (log, worker)),
            Direction::Backward => binds,
        };
        line.edges.retain(|edge| bounds.allow(log, close, edge, direction));
        struck |= line.edges.len() < before;
        let end = match direction {
            Direction::Forward => line.edges.iter().map(|e| e.end.0).min(),
            Direction::Backward => line.edges.iter().map(|e| e.end.1).max(),
        };
        let close = match direction {
            Direction::Forward => binds,
            Direction::Backward => worker.map(|worker| (log, worker)),
        };
        bounds.bind(log, close, end?, direction);
    }
    Some(struck)
}

impl Bounds {
    fn allow(
        &self,
        log: u32,
        close: Option<(u32, u32)>,
        edge: &Edge,
        direction: Direction,
    ) -> bool {
        let of_worker =
            close.and_then(|worker| self.workers.get(&worker)).map(|&b| (b, SAME_WORKER));
        let of_log = self.logs.get(&log).map(|&b| (b, OTHER_WORKER));
        of_worker.into_iter().chain(of_log).all(|(bound, slack)| match direction {
            Direction::Forward => edge.end.1 >= bound - slack,
            Direction::Backward => edge.end.0 <= bound + slack,
        })
    }

    fn bind(&mut self, log: u32, close: Option<(u32, u32)>, end: Timestamp, direction: Direction) {
        let tighter = |old: Timestamp| match direction {
            Direction::Forward => old.max(end),
            Direction::Backward => old.min(end),
        };
        if let Some(worker) = close {
            self.workers.entry(worker).and_modify(|old| *old = tighter(*old)).or_insert(end);
        }
        self.logs.entry(log).and_modify(|old| *old = tighter(*old)).or_insert(end);
    }
}

/// Strikes out what leaves another line without an attempt; whether there was any. `None` when some
/// line goes without in any case.
fn one_to_one(lines: &mut [Line]) -> Option<bool> {
    let matching = Matching::complete(lines.iter().map(attempts_of))?;
    let mut struck = false;
    for (line, possible) in lines.iter_mut().zip(matching.possible()) {
        let attempts = attempts_of(line);
        let before = line.edges.len();
        line.edges.retain(|edge| {
            let place = attempts.binary_search(&edge.attempt).unwrap_or(usize::MAX);
            possible.get(place) == Some(&true)
        });
        struck |= line.edges.len() < before;
    }
    Some(struck)
}

/// The attempts that fit a line, each once, in order.
fn attempts_of(line: &Line) -> Vec<usize> {
    let mut attempts: Vec<usize> = line.edges.iter().map(|e| e.attempt).collect();
    attempts.sort_unstable();
    attempts.dedup();
    attempts
}
