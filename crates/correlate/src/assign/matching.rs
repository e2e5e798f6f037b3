//! One attempt for each line at once: whether that is possible, and which pairings can be part of it.
//!
//! A maximum matching (Hopcroft and Karp, 1973), and from it the pairings that some complete
//! matching uses (Régin, 1994): a line can take the attempt of another one when that one can move
//! on, to an attempt that is free or, in a circle, to the first line's. The order of lines is no
//! matter here.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Lines and the attempts that fit them, the attempts numbered from zero.
pub(super) struct Matching {
    fits: Vec<Vec<usize>>,
    /// Line -> attempt.
    taken: Vec<Option<usize>>,
    /// Attempt -> line.
    owner: Vec<Option<usize>>,
}

impl Matching {
    /// A matching of all lines to the attempts that fit them (each of a line named once); `None` when
    /// there is none.
    pub(super) fn complete(lines: impl Iterator<Item = Vec<usize>>) -> Option<Self> {
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let mut number = |attempt: usize| {
            let next = numbers.len();
            *numbers.entry(attempt).or_insert(next)
        };
        let fits: Vec<Vec<usize>> =
            lines.map(|fits| fits.into_iter().map(&mut number).collect()).collect();
        let (n, m) = (fits.len(), numbers.len());
        let mut matching = Self { fits, taken: alloc::vec![None; n], owner: alloc::vec![None; m] };
        while matching.augment() {}
        matching.taken.iter().all(Option::is_some).then_some(matching)
    }

    fn owner_of(&self, attempt: usize) -> Option<usize> {
        self.owner.get(attempt).copied().flatten()
    }

    fn fits(&self, line: usize) -> &[usize] {
        self.fits.get(line).map(Vec::as_slice).unwrap_or_default()
    }

    /// One phase: by all shortest ways at once. Whether any line was helped.
    fn augment(&mut self) -> bool {
        let mut distance: Vec<usize> = alloc::vec![usize::MAX; self.fits.len()];
        let mut queue = VecDeque::new();
        for (line, taken) in self.taken.iter().enumerate() {
            if taken.is_none() {
                if let Some(slot) = distance.get_mut(line) {
                    *slot = 0;
                }
                queue.push_back(line);
            }
        }
        while let Some(line) = queue.pop_front() {
            let next = distance.get(line).copied().unwrap_or(0) + 1;
            for &attempt in self.fits(line) {
                if let Some(owner) = self.owner_of(attempt)
                    && let Some(slot) = distance.get_mut(owner)
                    && *slot == usize::MAX
                {
                    *slot = next;
                    queue.push_back(owner);
                }
            }
        }
        let mut helped = false;
        let mut tried: Vec<usize> = alloc::vec![0; self.fits.len()];
        for line in 0..self.fits.len() {
            if self.taken.get(line) == Some(&None) {
                helped |= self.way_out(line, &distance, &mut tried);
            }
        }
        helped
    }

    /// Moves lines on along one shortest way that ends at a free attempt. `tried` says how many
    /// attempts of each line have been looked at in this phase.
    fn way_out(&mut self, start: usize, distance: &[usize], tried: &mut [usize]) -> bool {
        let mut way: Vec<(usize, usize)> = Vec::new();
        let mut line = start;
        loop {
            let step = tried.get(line).copied().unwrap_or(usize::MAX);
            let Some(&attempt) = self.fits(line).get(step) else {
                let Some((before, _)) = way.pop() else { return false };
                line = before;
                continue;
            };
            if let Some(slot) = tried.get_mut(line) {
                *slot += 1;
            }
            match self.owner_of(attempt) {
                None => {
                    way.push((line, attempt));
                    for &(line, attempt) in &way {
                        if let (Some(taken), Some(owner)) =
                            (self.taken.get_mut(line), self.owner.get_mut(attempt))
                        {
                            (*taken, *owner) = (Some(attempt), Some(line));
                        }
                    }
                    return true;
                }
                Some(owner)
                    if distance.get(owner).copied().unwrap_or(0)
                        == distance.get(line).copied().unwrap_or(0).saturating_add(1) =>
                {
                    way.push((line, attempt));
                    line = owner;
                }
                Some(_) => {}
            }
        }
    }

    /// For each line and each attempt that fits it, in the order they were given, whether a matching
    /// of all lines can join the two.
    pub(super) fn possible(&self) -> Vec<Vec<bool>> {
        let groups = self.groups();
        let group = |line: usize| groups.of.get(line).copied().unwrap_or(usize::MAX);
        (0..self.fits.len())
            .map(|line| {
                self.fits(line)
                    .iter()
                    .map(|&attempt| match self.owner_of(attempt) {
                        None => true,
                        Some(owner) => {
                            owner == line
                                || group(owner) == group(line)
                                || groups.escapes.get(group(owner)) == Some(&true)
                        }
                    })
                    .collect()
            })
            .collect()
    }

    /// Lines that can exchange their attempts in circles (strongly connected: Tarjan, 1972), and
    /// which of these groups can move on to a free attempt.
    fn groups(&self) -> Groups {
        let n = self.fits.len();
        let mut walk = Walk {
            groups: Groups { of: alloc::vec![usize::MAX; n], escapes: Vec::new() },
            index: alloc::vec![usize::MAX; n],
            low: alloc::vec![usize::MAX; n],
            stack: Vec::new(),
            next: 0,
        };
        for line in 0..n {
            if walk.index.get(line) == Some(&usize::MAX) {
                walk.from(self, line);
            }
        }
        walk.groups
    }
}

struct Groups {
    /// Line -> group; a group comes after all groups that it can move on to.
    of: Vec<usize>,
    /// Whether a group can move on to a free attempt.
    escapes: Vec<bool>,
}

struct Walk {
    groups: Groups,
    index: Vec<usize>,
    low: Vec<usize>,
    stack: Vec<usize>,
    next: usize,
}

impl Walk {
    /// Depth first without recursion: hostile input makes deep graphs.
    fn from(&mut self, matching: &Matching, start: usize) {
        let mut path: Vec<(usize, usize)> = alloc::vec![(start, 0)];
        self.enter(start);
        while let Some((line, step)) = path.last_mut() {
            let (line, next) = (*line, matching.fits(*line).get(*step).copied());
            *step += 1;
            if let Some(attempt) = next {
                let Some(owner) = matching.owner_of(attempt) else { continue };
                if self.index.get(owner) == Some(&usize::MAX) {
                    self.enter(owner);
                    path.push((owner, 0));
                } else if self.groups.of.get(owner) == Some(&usize::MAX) {
                    self.lower(line, self.index.get(owner).copied());
                }
            } else {
                path.pop();
                if let Some(&(before, _)) = path.last() {
                    self.lower(before, self.low.get(line).copied());
                }
                if self.low.get(line) == self.index.get(line) {
                    self.close(matching, line);
                }
            }
        }
    }

    fn enter(&mut self, line: usize) {
        if let (Some(index), Some(low)) = (self.index.get_mut(line), self.low.get_mut(line)) {
            (*index, *low) = (self.next, self.next);
        }
        self.next += 1;
        self.stack.push(line);
    }

    fn lower(&mut self, line: usize, to: Option<usize>) {
        if let (Some(low), Some(to)) = (self.low.get_mut(line), to) {
            *low = to.min(*low);
        }
    }

    /// All lines since `line` on the stack are a group. Groups that it can move on to are closed.
    fn close(&mut self, matching: &Matching, line: usize) {
        let group = self.groups.escapes.len();
        let from = self.stack.iter().rposition(|&l| l == line).unwrap_or(0);
        let members = self.stack.split_off(from);
        for &member in &members {
            if let Some(slot) = self.groups.of.get_mut(member) {
                *slot = group;
            }
        }
        let escapes = members.iter().any(|&member| {
            matching.fits(member).iter().any(|&attempt| match matching.owner_of(attempt) {
                None => true,
                Some(owner) => {
                    let of = self.groups.of.get(owner).copied().unwrap_or(usize::MAX);
                    self.groups.escapes.get(of) == Some(&true)
                }
            })
        });
        self.groups.escapes.push(escapes);
    }
}
