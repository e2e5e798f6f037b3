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
use super::part::{Block, Part};
use super::{Line, OTHER_WORKER, Place, Run, SAME_WORKER};
use crate::Threads;

/// Rounds of the three rules. Each strikes out a part only of what the one before it laid open; more
/// are needed by chains that are longer than any log needs.
const ROUNDS: usize = 12;

/// Leaves the pairings with which all lines have an attempt, and returns the lines as they were. Where
/// they cannot, the part stays as it is, and it says between which lines the contradiction lies, as far
/// as that is known.
///
/// The order of the log binds all lines; what is done one to one concerns those alone that share
/// attempts, mostly those about one upstream.
pub(super) fn complete(part: &mut Part, threads: &impl Threads) -> Result<Vec<Line>, Vec<usize>> {
    let before = part.lines.clone();
    for line in &mut part.lines {
        plausible(line);
    }
    let mut blocks = part.blocks(threads);
    let order = Order::of(part, &blocks);
    for _ in 0..ROUNDS {
        match both_ways(&mut blocks, &order) {
            None => {
                part.lines = before;
                return Err(Vec::new());
            }
            Some(true) => continue,
            Some(false) => {}
        }
        let found = threads.map(blocks, |mut block| (one_to_one(&mut block.part), block));
        let mut struck = false;
        let mut without: Vec<usize> = Vec::new();
        blocks = Vec::with_capacity(found.len());
        for (found, block) in found {
            match found {
                Ok(some) => struck |= some,
                Err(of_block) => without
                    .extend(of_block.iter().filter_map(|&line| block.lines.get(line)).copied()),
            }
            blocks.push(block);
        }
        if !without.is_empty() {
            without.sort_unstable();
            part.lines = before;
            return Err(without);
        }
        if !struck {
            break;
        }
    }
    for block in &blocks {
        for (&line, left) in block.lines.iter().zip(&block.part.lines) {
            if let Some(line) = part.lines.get_mut(line) {
                line.runs = left.runs.iter().map(|run| block.part.of_whole(run)).collect();
            }
        }
    }
    Ok(before)
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

/// A line in the order of the log, and whose order binds it. Workers are numbered over all logs.
struct Turn {
    block: usize,
    line: usize,
    log: usize,
    worker: Option<usize>,
    /// The worker whose later lines it binds closely.
    binds: Option<usize>,
}

/// The lines of all blocks in the order of the log.
struct Order {
    turns: Vec<Turn>,
    logs: usize,
    workers: usize,
}

impl Order {
    fn of(part: &Part, blocks: &[Block]) -> Self {
        let (mut logs, mut workers) = (BTreeMap::new(), BTreeMap::new());
        let mut places = alloc::vec![(0, 0); part.lines.len()];
        for (number, block) in blocks.iter().enumerate() {
            for (i, &line) in block.lines.iter().enumerate() {
                if let Some(place) = places.get_mut(line) {
                    *place = (number, i);
                }
            }
        }
        let turns = part.lines.iter().zip(places).map(|(line, (block, i))| {
            let writer = line.writer;
            let next = logs.len();
            let log = *logs.entry(writer.log).or_insert(next);
            let mut number = |of: (u32, u32)| {
                let next = workers.len();
                *workers.entry(of).or_insert(next)
            };
            let worker = writer.worker.map(|worker| number((writer.log, worker)));
            Turn { block, line: i, log, worker, binds: writer.binds().and(worker) }
        });
        let turns = turns.collect();
        Self { turns, logs: logs.len(), workers: workers.len() }
    }
}

/// How far the lines that were passed bind those to come.
struct Bounds {
    workers: Vec<Option<Timestamp>>,
    logs: Vec<Option<Timestamp>>,
}

/// Applies the order of lines in both directions.
fn both_ways(blocks: &mut [Block], order: &Order) -> Option<bool> {
    let forward = in_order(blocks, order, Direction::Forward)?;
    let backward = in_order(blocks, order, Direction::Backward)?;
    Some(forward | backward)
}

/// Applies the order of lines in one direction; whether it struck anything out, `None` when it left
/// a line without any pairing.
fn in_order(blocks: &mut [Block], order: &Order, direction: Direction) -> Option<bool> {
    let mut bounds =
        Bounds { workers: alloc::vec![None; order.workers], logs: alloc::vec![None; order.logs] };
    let mut struck = false;
    let mut one = |turn: &Turn| {
        let Part { places, lines, .. } = &mut blocks.get_mut(turn.block)?.part;
        let runs = &mut lines.get_mut(turn.line)?.runs;
        // The earlier line of two says how closely they are bound.
        let (bound_by, binding) = match direction {
            Direction::Forward => (turn.worker, turn.binds),
            Direction::Backward => (turn.binds, turn.worker),
        };
        if let Some(bound) = bounds.of(turn.log, bound_by, direction) {
            for run in runs.iter_mut() {
                struck |= cut(places, run, bound, direction);
            }
            runs.retain(|run| run.from < run.to);
        }
        let end = match direction {
            Direction::Forward => {
                runs.iter().filter_map(|run| Some(places.get(run.from)?.end.0)).min()
            }
            Direction::Backward => {
                runs.iter().filter_map(|run| Some(places.get(run.to - 1)?.end.1)).max()
            }
        };
        bounds.bind(turn.log, binding, end?, direction);
        Some(())
    };
    let whole = match direction {
        Direction::Forward => order.turns.iter().try_for_each(&mut one),
        Direction::Backward => order.turns.iter().rev().try_for_each(&mut one),
    };
    whole.map(|()| struck)
}

/// Moves the border of a run to what a bound allows; whether that struck anything out.
fn cut(places: &[Place], run: &mut Run, bound: Timestamp, direction: Direction) -> bool {
    let places = places.get(run.from..run.to).unwrap_or_default();
    let (early, late) = (|place: &Place| place.end.1 < bound, |place: &Place| place.end.0 > bound);
    // Mostly there is nothing to cut, which one look shows.
    match direction {
        Direction::Forward if places.first().is_some_and(early) => {
            run.from += places.partition_point(early);
            true
        }
        Direction::Backward if places.last().is_some_and(late) => {
            run.to = run.from + places.partition_point(|place| !late(place));
            true
        }
        Direction::Forward | Direction::Backward => false,
    }
}

impl Bounds {
    /// The tightest bound on a line.
    fn of(&self, log: usize, close: Option<usize>, direction: Direction) -> Option<Timestamp> {
        let of_worker = close.and_then(|worker| *self.workers.get(worker)?);
        let of_worker = of_worker.map(|bound| (bound, SAME_WORKER));
        let of_log = self.logs.get(log).copied().flatten().map(|bound| (bound, OTHER_WORKER));
        let all = of_worker.into_iter().chain(of_log);
        match direction {
            Direction::Forward => all.map(|(bound, slack)| bound - slack).max(),
            Direction::Backward => all.map(|(bound, slack)| bound + slack).min(),
        }
    }

    fn bind(&mut self, log: usize, close: Option<usize>, end: Timestamp, direction: Direction) {
        let of_worker = close.and_then(|worker| self.workers.get_mut(worker));
        for slot in of_worker.into_iter().chain(self.logs.get_mut(log)) {
            *slot = Some(match (*slot, direction) {
                (None, _) => end,
                (Some(old), Direction::Forward) => old.max(end),
                (Some(old), Direction::Backward) => old.min(end),
            });
        }
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
    let mut struck = false;
    for (line, runs) in part.lines.iter_mut().zip(left) {
        let before = line.pairings();
        line.runs = runs;
        struck |= line.pairings() < before;
    }
    Ok(struck)
}
