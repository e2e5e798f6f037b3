//! Lines with the places of the attempts that fit them, and which of them bear on each other.
//!
//! A burst of thousands of lines in one second fits as many attempts each: written out, the pairs
//! would be millions. Lines of one second share one row of places instead, in order of time, and a
//! line names a run of it: what is struck out at its ends moves a border.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::Timestamp;

use super::{Edge, Line, Listed, Place, Run, SAME_WORKER};
use crate::Threads;

/// Attempts are numbered by a table where it has at most so many entries for each place.
const TABLE: usize = 4;

/// Some lines, and the places that their runs name.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Attempts are numbered from zero here.
    pub(super) places: Vec<Place>,
    /// Number -> attempt.
    pub(super) attempts: Vec<usize>,
    /// Place -> place of the whole.
    origin: Vec<usize>,
    pub(super) lines: Vec<Line>,
}

/// Lines that share attempts with each other and with no other line.
#[derive(Debug)]
pub(super) struct Block {
    /// Their places are of the part that was cut into blocks.
    pub(super) part: Part,
    /// Which lines of that part they are, in order.
    pub(super) lines: Vec<usize>,
}

impl Block {
    /// The lines that share attempts still, as lines of the part that was cut into blocks.
    pub(super) fn sharers(&self) -> Vec<Vec<usize>> {
        let of_part = |lines: Vec<usize>| {
            lines.into_iter().filter_map(|line| self.lines.get(line).copied()).collect()
        };
        self.part.sharers().into_iter().map(of_part).collect()
    }
}

impl Part {
    /// All lines there are.
    pub(super) fn whole(places: Vec<Place>, lines: Vec<Line>) -> Self {
        let origin = (0..places.len()).collect();
        let mut whole = Self { places, attempts: Vec::new(), origin, lines };
        whole.number();
        whole
    }

    /// Numbers the attempts of the places, in order.
    fn number(&mut self) {
        let named = || self.places.iter().map(|place| place.attempt);
        let (least, most) = (named().min().unwrap_or(0), named().max().unwrap_or(0));
        if most - least > TABLE * self.places.len() {
            return self.number_by_search();
        }
        let mut number = alloc::vec![usize::MAX; most - least + 1];
        for place in &self.places {
            if let Some(slot) = number.get_mut(place.attempt - least) {
                *slot = 0;
            }
        }
        for (slot, attempt) in number.iter_mut().zip(least..) {
            if *slot == 0 {
                *slot = self.attempts.len();
                self.attempts.push(attempt);
            }
        }
        for place in &mut self.places {
            place.attempt = number.get(place.attempt - least).copied().unwrap_or_default();
        }
    }

    /// The same where few of many attempts are named. Places lie in order of time, as attempts do, so
    /// mostly the next number is the one.
    fn number_by_search(&mut self) {
        let mut attempts: Vec<usize> = self.places.iter().map(|place| place.attempt).collect();
        #[expect(clippy::stable_sort_primitive, reason = "it takes what is in order as it is")]
        attempts.sort();
        attempts.dedup();
        let mut next = 0;
        for place in &mut self.places {
            if attempts.get(next) != Some(&place.attempt) {
                // Every attempt of a place is in the list made of them.
                next = attempts.binary_search(&place.attempt).unwrap_or_default();
            }
            place.attempt = next;
            next += 1;
        }
        self.attempts = attempts;
    }

    /// Some of the lines, with their own places alone.
    pub(super) fn part(&self, lines: &[usize]) -> Self {
        let mut part = self.cut_out(lines);
        for attempt in &mut part.attempts {
            *attempt = self.attempts.get(*attempt).copied().unwrap_or_default();
        }
        for place in &mut part.origin {
            *place = self.origin.get(*place).copied().unwrap_or_default();
        }
        part
    }

    /// All lines, by what they share.
    pub(super) fn blocks(&self, threads: &impl Threads) -> Vec<Block> {
        let mut parent: Vec<usize> = (0..self.lines.len()).collect();
        self.unite_sharers(&mut parent);
        let groups = groups(&mut parent, |_| true);
        threads.map(groups, |lines| Block { part: self.cut_out(&lines), lines })
    }

    /// Leaves the lines what is left of them in their blocks.
    pub(super) fn put_back(&mut self, blocks: &[Block]) {
        for block in blocks {
            for (&line, left) in block.lines.iter().zip(&block.part.lines) {
                if let Some(line) = self.lines.get_mut(line) {
                    line.runs = left.runs.iter().map(|run| block.part.of_whole(run)).collect();
                }
            }
        }
    }

    /// Some of the lines with their places, whose origin and attempts are those of this part.
    fn cut_out(&self, lines: &[usize]) -> Self {
        let lines: Vec<&Line> = lines.iter().filter_map(|&i| self.lines.get(i)).collect();
        let mut named: Vec<(usize, usize)> =
            lines.iter().flat_map(|l| &l.runs).map(|run| (run.from, run.to)).collect();
        named.sort_unstable();
        // Stretches of places that some run names: start, end, and where they come to lie.
        let mut stretches: Vec<(usize, usize, usize)> = Vec::new();
        let mut used = 0;
        for (from, to) in named {
            match stretches.last_mut() {
                Some((_, end, _)) if from <= *end => {
                    used += to.saturating_sub(*end);
                    *end = to.max(*end);
                }
                _ => {
                    stretches.push((from, to, used));
                    used += to - from;
                }
            }
        }
        let mut part = Self::default();
        part.places.reserve_exact(used);
        part.origin.reserve_exact(used);
        for &(from, to, _) in &stretches {
            part.places.extend_from_slice(self.places.get(from..to).unwrap_or_default());
            part.origin.extend(from..to);
        }
        let moved = |run: &Run| {
            let stretch = stretches.partition_point(|(from, ..)| *from <= run.from);
            let (from, _, at) = stretches.get(stretch - 1).copied().unwrap_or_default();
            Run { from: run.from - from + at, to: run.to - from + at, ..*run }
        };
        part.lines =
            lines.iter().map(|line| line.with(line.runs.iter().map(moved).collect())).collect();
        part.number();
        part
    }

    /// The places of a run.
    pub(super) fn run(&self, run: &Run) -> &[Place] {
        self.places.get(run.from..run.to).unwrap_or_default()
    }

    /// A run of this part in the places of the whole.
    pub(super) fn of_whole(&self, run: &Run) -> Run {
        let from = self.origin.get(run.from).copied().unwrap_or_default();
        Run { from, to: from + (run.to - run.from), ..*run }
    }

    /// The attempt of a line that is settled.
    pub(super) fn settled(&self, line: &Line) -> Option<usize> {
        let place = line.runs.iter().find_map(|run| self.run(run).first())?;
        self.attempts.get(place.attempt).copied().filter(|_| line.settled)
    }

    /// The lines with their pairings written out.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let attempt = |number: usize| self.attempts.get(number).copied().unwrap_or_default();
        let edges = |line: &Line| {
            let runs = line.runs.iter();
            let mut edges: Vec<Edge> = runs
                .flat_map(|run| self.run(run).iter().map(move |place| (place, run)))
                .map(|(place, run)| Edge {
                    attempt: attempt(place.attempt),
                    end: place.end,
                    penalty: run.penalty,
                    timer: run.timer,
                })
                .collect();
            edges.sort_unstable();
            edges
        };
        self.lines.iter().map(|l| Listed { writer: l.writer, edges: edges(l) }).collect()
    }

    /// The places of the whole that its own places are.
    pub(super) fn origins(&self) -> impl Iterator<Item = usize> {
        self.origin.iter().copied()
    }

    /// The same lines with those of their places alone that are kept.
    pub(super) fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut kept = Self { attempts: self.attempts.clone(), ..Self::default() };
        // Place -> how many are kept before it.
        let mut before = Vec::with_capacity(self.places.len() + 1);
        before.push(0);
        for (i, place) in self.places.iter().enumerate() {
            if keep(i) {
                kept.places.push(*place);
                kept.origin.extend(self.origin.get(i));
            }
            before.push(kept.places.len());
        }
        let moved = |run: &Run| {
            let (from, to) = (*before.get(run.from)?, *before.get(run.to)?);
            (from < to).then_some(Run { from, to, ..*run })
        };
        let lines = self.lines.iter();
        kept.lines =
            lines.map(|line| line.with(line.runs.iter().filter_map(moved).collect())).collect();
        kept
    }

    /// Lines that share attempts, directly or by others. In the order of the log; lines without attempts
    /// are left out.
    pub(super) fn sharers(&self) -> Vec<Vec<usize>> {
        let mut parent: Vec<usize> = (0..self.lines.len()).collect();
        self.unite_sharers(&mut parent);
        self.groups(parent)
    }

    /// Lines that bear on each other: they share attempts, or an attempt of one would put it out of
    /// order with the other. In the order of the log; lines without attempts are left out.
    pub(super) fn components(&self) -> Vec<Vec<usize>> {
        let mut parent: Vec<usize> = (0..self.lines.len()).collect();
        self.unite_sharers(&mut parent);
        self.unite_neighbours(&mut parent);
        self.groups(parent)
    }

    /// The same where it is known which lines share attempts.
    pub(super) fn components_of(&self, sharers: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let mut parent: Vec<usize> = (0..self.lines.len()).collect();
        for lines in sharers {
            for &line in lines {
                if let (Some(slot), Some(first)) = (parent.get_mut(line), lines.first()) {
                    *slot = *first;
                }
            }
        }
        self.unite_neighbours(&mut parent);
        self.groups(parent)
    }

    fn groups(&self, mut parent: Vec<usize>) -> Vec<Vec<usize>> {
        groups(&mut parent, |i| self.lines.get(i).is_some_and(|line| !line.runs.is_empty()))
    }

    /// Those that share attempts.
    fn unite_sharers(&self, parent: &mut [usize]) {
        // Place -> the last of those that hang together with it by runs.
        let mut last: Vec<usize> = (0..self.places.len()).collect();
        for run in self.lines.iter().flat_map(|line| &line.runs) {
            let mut place = above(&mut last, run.from);
            while place + 1 < run.to {
                if let Some(slot) = last.get_mut(place) {
                    *slot = place + 1;
                }
                place = above(&mut last, place);
            }
        }
        let mut owner = alloc::vec![usize::MAX; self.places.len()];
        for (i, line) in self.lines.iter().enumerate() {
            for run in &line.runs {
                let block = above(&mut last, run.from);
                claim(parent, owner.get_mut(block), i);
            }
        }
        let mut of_attempt = alloc::vec![usize::MAX; self.attempts.len()];
        for (i, place) in self.places.iter().enumerate() {
            let block = above(&mut last, i);
            if let Some(&line) = owner.get(block)
                && line != usize::MAX
            {
                claim(parent, of_attempt.get_mut(place.attempt), line);
            }
        }
    }

    /// Those that could come out of order.
    fn unite_neighbours(&self, parent: &mut [usize]) {
        // Log and latest end so far -> a line of the component that has it.
        let mut ends: BTreeMap<(u32, Timestamp), usize> = BTreeMap::new();
        for (i, line) in self.lines.iter().enumerate() {
            let log = line.writer.log;
            let first = |run| Some(self.run(run).first()?.end.1);
            let last = |run| Some(self.run(run).last()?.end.0);
            let earliest = line.runs.iter().filter_map(first).min();
            let latest = line.runs.iter().filter_map(last).max();
            if let (Some(earliest), Some(latest)) = (earliest, latest) {
                let later = (log, earliest + SAME_WORKER)..=(log, Timestamp::MAX);
                let out_of_order: Vec<((u32, Timestamp), usize)> =
                    ends.range(later).map(|(&key, &line)| (key, line)).collect();
                let mut end = latest;
                for (key, other) in out_of_order {
                    ends.remove(&key);
                    unite(parent, other, i);
                    end = end.max(key.1);
                }
                if let Some(other) = ends.insert((log, end), i) {
                    unite(parent, other, i);
                }
            }
        }
    }
}

/// Gives a slot to a line, or unites the line with the one that has it.
fn claim(parent: &mut [usize], slot: Option<&mut usize>, line: usize) {
    match slot {
        Some(owner) if *owner == usize::MAX => *owner = line,
        Some(owner) => unite(parent, *owner, line),
        None => {}
    }
}

/// The members of each group that `counts` lets in, in order; groups in the order of their first.
fn groups(parent: &mut [usize], counts: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let mut number = alloc::vec![usize::MAX; parent.len()];
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for i in (0..parent.len()).filter(|&i| counts(i)) {
        let root = root(parent, i);
        let Some(slot) = number.get_mut(root) else { continue };
        if *slot == usize::MAX {
            *slot = groups.len();
            groups.push(Vec::new());
        }
        if let Some(group) = groups.get_mut(*slot) {
            group.push(i);
        }
    }
    groups
}

/// The smaller index becomes the root, so that components come in order of their first line.
fn unite(parent: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parent, a), root(parent, b));
    if let Some(slot) = parent.get_mut(a.max(b)) {
        *slot = a.min(b);
    }
}

fn root(parent: &mut [usize], i: usize) -> usize {
    above(parent, i)
}

/// Follows the links from `i` to where they end, and halves the way for those who come next.
pub(super) fn above(links: &mut [usize], mut i: usize) -> usize {
    while let Some(&up) = links.get(i)
        && up != i
    {
        let next = links.get(up).copied().unwrap_or(up);
        if let Some(slot) = links.get_mut(i) {
            *slot = next;
        }
        i = next;
    }
    i
}
