//! Strikes out the pairings that no complete assignment can use.
//!
//! Where every line of a component can have an attempt, every best assignment gives it one, of its
//! most plausible kind. That makes three rules sound, and they are applied until nothing changes:
//! a pairing that ends before an earlier line of the log can have ended is out; so is one that ends
//! after a later line must have ended; and so is one that leaves some line without any attempt.
//! The last is what lets a log with as many lines as there are unanswered attempts tell its timers
//! apart.

use alloc::vec::Vec;

use super::exchange::Exchange;
use super::matching::Matching;
use super::part::{Block, Part};
use super::{Line, Run};
use crate::Threads;

mod turns;

use turns::{Reach, Struck, Turns};

/// Rounds of the three rules. Each strikes out a part only of what the one before it laid open; more
/// are needed by chains that are longer than any log needs.
const ROUNDS: usize = 12;

/// What narrowing a part leaves.
pub(super) struct Narrowed {
    /// The lines as they were.
    pub(super) before: Vec<Line>,
    /// Lines that share attempts still.
    pub(super) sharers: Vec<Vec<usize>>,
}

/// Leaves the pairings with which all lines have an attempt. Where they cannot, the part stays as it is,
/// and it says between which lines the contradiction lies, as far as that is known.
///
/// The order of the log binds all lines; what is done one to one concerns those alone that share
/// attempts, mostly those about one upstream.
pub(super) fn complete(part: &mut Part, threads: &impl Threads) -> Result<Narrowed, Vec<usize>> {
    let before = part.lines.clone();
    for line in &mut part.lines {
        plausible(line);
    }
    match narrowed(part.blocks(threads), part, threads) {
        Ok(blocks) => {
            let sharers = threads.map(blocks.iter().collect(), Block::sharers).concat();
            part.put_back(&blocks);
            Ok(Narrowed { before, sharers })
        }
        Err(between) => {
            part.lines = before;
            Err(between)
        }
    }
}

/// The blocks of a part with what is left of them.
fn narrowed(
    mut blocks: Vec<Block>,
    part: &Part,
    threads: &impl Threads,
) -> Result<Vec<Block>, Vec<usize>> {
    let mut turns = Turns::of(part, &blocks).ok_or_else(Vec::new)?;
    let mut changed = true;
    for _ in 0..ROUNDS {
        let in_order = turns.both_ways(&mut blocks).ok_or_else(Vec::new)?;
        changed |= in_order != Struck::Nothing;
        if in_order == Struck::Runs {
            // An earlier line may end later now, which one more pass carries on.
            continue;
        }
        if !changed {
            break;
        }
        changed = false;
        let found = threads.map(blocks, |mut block| {
            let found = one_to_one(&mut block.part);
            let reach = |line| Reach::of(&block.part, line);
            let reaches: Vec<Option<Reach>> = block.part.lines.iter().map(reach).collect();
            (found, reaches, block)
        });
        let mut struck = false;
        let mut without: Vec<usize> = Vec::new();
        blocks = Vec::with_capacity(found.len());
        for (found, reaches, block) in found {
            match found {
                Ok(some) => struck |= some,
                Err(of_block) => without
                    .extend(of_block.iter().filter_map(|&line| block.lines.get(line)).copied()),
            }
            turns.reach(&block.lines, &reaches);
            blocks.push(block);
        }
        if !without.is_empty() {
            without.sort_unstable();
            return Err(without);
        }
        if !struck {
            break;
        }
    }
    Ok(blocks)
}

/// Leaves a line its most plausible pairings alone.
fn plausible(line: &mut Line) {
    let least = line.runs.iter().map(|run| run.penalty).min().unwrap_or(0);
    line.runs.retain(|run| run.penalty == least);
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
