//! One attempt for each line at once: whether that is possible.
//!
//! The pairs are not written out: each round visits an attempt once, whichever line asks for it.
//! The lines take the first attempt that is left, those whose runs end first before others, which is
//! best where each has one run (Glover, 1967); whoever got none pushes others on along a way to a
//! free attempt (Pothen and Fan, 1990). The order of lines is no matter here.

use alloc::vec::Vec;

use super::part::{Part, above};

/// Rounds in which lines push others on. Each helps all that it can reach without visiting an
/// attempt twice; logs need two or three.
const ROUNDS: usize = 64;

/// A matching of all lines of a part.
pub(super) struct Matching<'a> {
    pub(super) part: &'a Part,
    /// Line -> attempt.
    pub(super) taken: Vec<Option<usize>>,
    /// Attempt -> line.
    pub(super) owner: Vec<Option<usize>>,
    /// Skips the places of attempts that are taken.
    free: Skip,
}

/// Places to be skipped: for each, where to look next.
pub(super) struct Skip(Vec<usize>);

impl Skip {
    pub(super) fn new(part: &Part) -> Self {
        Self((0..=part.places.len()).collect())
    }

    /// The first place of the line's runs that is not to be skipped. What `skip` says of an attempt
    /// must stay true.
    pub(super) fn first(
        &mut self,
        part: &Part,
        line: usize,
        skip: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        for run in part.lines.get(line).map(|l| l.runs.as_slice()).unwrap_or_default() {
            let mut place = above(&mut self.0, run.from);
            while place < run.to {
                match part.places.get(place) {
                    Some(found) if !skip(found.attempt) => return Some(place),
                    _ => {
                        if let Some(slot) = self.0.get_mut(place) {
                            *slot = place + 1;
                        }
                        place = above(&mut self.0, place);
                    }
                }
            }
        }
        None
    }
}

impl<'a> Matching<'a> {
    /// Where there is none, or none was found: the lines of which one or the other must go without
    /// (those that the lines without attempt could push on; Dulmage and Mendelsohn, 1958).
    pub(super) fn complete(part: &'a Part) -> Result<Self, Vec<usize>> {
        let mut matching = Self::started(part);
        for _ in 0..ROUNDS {
            if matching.taken.iter().all(Option::is_some) {
                return Ok(matching);
            }
            if !matching.push_on() {
                break;
            }
        }
        Err(matching.too_many())
    }

    /// How many lines can have an attempt at once; `None` where the rounds did not suffice to tell.
    pub(super) fn most(part: &'a Part) -> Option<usize> {
        let mut matching = Self::started(part);
        let done = (0..ROUNDS).any(|_| !matching.push_on());
        done.then(|| matching.taken.iter().flatten().count())
    }

    /// Each line has the first attempt that is left.
    fn started(part: &'a Part) -> Self {
        let mut matching = Self {
            part,
            taken: alloc::vec![None; part.lines.len()],
            owner: alloc::vec![None; part.attempts.len()],
            free: Skip::new(part),
        };
        let mut order: Vec<usize> = (0..part.lines.len()).collect();
        let ends = |&line: &usize| {
            let runs = part.lines.get(line).map(|l| l.runs.as_slice()).unwrap_or_default();
            runs.iter().filter_map(|run| Some(part.run(run).last()?.end)).max()
        };
        order.sort_by_cached_key(ends);
        for line in order {
            if let Some(attempt) = matching.free_for(line) {
                matching.pair(line, attempt);
            }
        }
        matching
    }

    /// All lines that those without attempt compete with, these included.
    fn too_many(&self) -> Vec<usize> {
        let mut unvisited = Skip::new(self.part);
        let mut visited = alloc::vec![false; self.part.attempts.len()];
        let without = |&line: &usize| self.taken.get(line) == Some(&None);
        let mut lines: Vec<usize> = (0..self.taken.len()).filter(without).collect();
        let mut next = 0;
        while let Some(&line) = lines.get(next) {
            let seen = |attempt: usize| visited.get(attempt) == Some(&true);
            match unvisited.first(self.part, line, seen).and_then(|p| self.part.places.get(p)) {
                Some(place) => {
                    if let Some(slot) = visited.get_mut(place.attempt) {
                        *slot = true;
                    }
                    lines.extend(self.owner_of(place.attempt));
                }
                None => next += 1,
            }
        }
        lines.sort_unstable();
        lines.dedup();
        lines
    }

    /// Whether every line could have another attempt than its own at once: then each pairing is part
    /// of some matching.
    pub(super) fn leaves_all_a_choice(&mut self) -> bool {
        (0..self.part.lines.len()).all(|line| self.free_for(line).is_some())
    }

    /// The line that has an attempt.
    pub(super) fn owner_of(&self, attempt: usize) -> Option<usize> {
        self.owner.get(attempt).copied().flatten()
    }

    fn free_for(&mut self, line: usize) -> Option<usize> {
        let owner = &self.owner;
        let taken = |attempt: usize| owner.get(attempt).copied().flatten().is_some();
        let place = self.free.first(self.part, line, taken)?;
        self.part.places.get(place).map(|place| place.attempt)
    }

    fn pair(&mut self, line: usize, attempt: usize) {
        if let (Some(taken), Some(owner)) = (self.taken.get_mut(line), self.owner.get_mut(attempt))
        {
            (*taken, *owner) = (Some(attempt), Some(line));
        }
    }

    /// One round; whether any line was helped.
    fn push_on(&mut self) -> bool {
        let mut unvisited = Skip::new(self.part);
        let mut visited = alloc::vec![false; self.part.attempts.len()];
        let mut helped = false;
        for line in 0..self.part.lines.len() {
            if self.taken.get(line) == Some(&None) {
                helped |= self.way_out(line, &mut unvisited, &mut visited);
            }
        }
        helped
    }

    /// Moves lines on along a way that ends at a free attempt.
    fn way_out(&mut self, start: usize, unvisited: &mut Skip, visited: &mut [bool]) -> bool {
        // Lines, each with the attempt of the next one that it would take.
        let mut way: Vec<(usize, usize)> = Vec::new();
        let mut line = start;
        loop {
            if let Some(attempt) = self.free_for(line) {
                way.push((line, attempt));
                for &(line, attempt) in &way {
                    self.pair(line, attempt);
                }
                return true;
            }
            let seen = |attempt: usize| visited.get(attempt) == Some(&true);
            let place = unvisited.first(self.part, line, seen);
            let attempt = place.and_then(|p| self.part.places.get(p)).map(|place| place.attempt);
            match attempt.and_then(|attempt| Some((attempt, self.owner_of(attempt)?))) {
                Some((attempt, owner)) => {
                    if let Some(slot) = visited.get_mut(attempt) {
                        *slot = true;
                    }
                    way.push((line, attempt));
                    line = owner;
                }
                None => match way.pop() {
                    Some((before, _)) => line = before,
                    None => return false,
                },
            }
        }
    }
}
