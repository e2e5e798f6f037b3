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

use super::exchange::Exchange;
use super::matching::Matching;
use super::part::Part;
use super::{Line, OTHER_WORKER, Run, SAME_WORKER};

/// Rounds of the three rules. Each strikes out a part only of what the one before it laid open; more
/// are needed by chains that are longer than any log needs.
const ROUNDS: usize = 12;

/// Leaves the pairings with which all lines have an attempt. Where they cannot, it says between which
/// lines the contradiction lies, as far as that is known.
pub(super) fn complete(part: &mut Part) -> Result<(), Vec<usize>> {
    for line in &mut part.lines {
        plausible(line);
    }
    for _ in 0..ROUNDS {
        let mut struck = in_order(part, Direction::Forward).ok_or_else(Vec::new)?;
        struck |= in_order(part, Direction::Backward).ok_or_else(Vec::new)?;
        if !struck && !one_to_one(part)? {
            break;
        }
    }
    Ok(())
}

/// Leaves a line its most plausible pairings alone.
fn plausible(line: &mut Line) {
    let least = line.runs.iter().map(|run| run.penalty).min().unwrap_or(0);
    line.runs.retain(|run| run.penalty == least);
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
fn in_order(part: &mut Part, direction: Direction) -> Option<bool> {
    let mut bounds = Bounds::default();
    let mut struck = false;
    let mut lines = core::mem::take(&mut part.lines);
    let mut one = |line: &mut Line| {
        let writer = line.writer;
        let (any, binds) = (writer.worker.map(|w| (writer.log, w)), writer.binds());
        // The earlier line of two says how closely they are bound.
        let (bound_by, binding) = match direction {
            Direction::Forward => (any, binds),
            Direction::Backward => (binds, any),
        };
        if let Some(bound) = bounds.of(writer.log, bound_by, direction) {
            for run in &mut line.runs {
                struck |= cut(part, run, bound, direction);
            }
            line.runs.retain(|run| run.from < run.to);
        }
        let end = match direction {
            Direction::Forward => {
                line.runs.iter().filter_map(|r| Some(part.run(r).first()?.end.0)).min()
            }
            Direction::Backward => {
                line.runs.iter().filter_map(|r| Some(part.run(r).last()?.end.1)).max()
            }
        };
        bounds.bind(writer.log, binding, end?, direction);
        Some(())
    };
    let whole = match direction {
        Direction::Forward => lines.iter_mut().try_for_each(&mut one),
        Direction::Backward => lines.iter_mut().rev().try_for_each(&mut one),
    };
    part.lines = lines;
    whole.map(|()| struck)
}

/// Moves the border of a run to what a bound allows; whether that struck anything out.
fn cut(part: &Part, run: &mut Run, bound: Timestamp, direction: Direction) -> bool {
    let places = part.run(run);
    let before = *run;
    match direction {
        Direction::Forward => run.from += places.partition_point(|place| place.end.1 < bound),
        Direction::Backward => {
            run.to = run.from + places.partition_point(|place| place.end.0 <= bound);
        }
    }
    *run != before
}

impl Bounds {
    /// The tightest bound on a line.
    fn of(&self, log: u32, close: Option<(u32, u32)>, direction: Direction) -> Option<Timestamp> {
        let of_worker = close.and_then(|worker| self.workers.get(&worker));
        let of_worker = of_worker.map(|&bound| (bound, SAME_WORKER));
        let of_log = self.logs.get(&log).map(|&bound| (bound, OTHER_WORKER));
        let all = of_worker.into_iter().chain(of_log);
        match direction {
            Direction::Forward => all.map(|(bound, slack)| bound - slack).max(),
            Direction::Backward => all.map(|(bound, slack)| bound + slack).min(),
        }
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

/// Strikes out what leaves another line without an attempt; whether there was any. An error names the
/// lines of which some go without in any case.
fn one_to_one(part: &mut Part) -> Result<bool, Vec<usize>> {
    let mut matching = Matching::complete(part)?;
    if matching.leaves_all_a_choice() {
        return Ok(false);
    }
    let exchange = Exchange::of(&matching);
    let mut left: Vec<Vec<Run>> = Vec::with_capacity(part.lines.len());
    for (i, line) in part.lines.iter().enumerate() {
        let mut runs = Vec::with_capacity(line.runs.len());
        for run in &line.runs {
            exchange.possible(i, run, &mut runs);
        }
        left.push(runs);
    }
    let before = part.pairings();
    for (line, runs) in part.lines.iter_mut().zip(left) {
        line.runs = runs;
    }
    Ok(part.pairings() < before)
}
