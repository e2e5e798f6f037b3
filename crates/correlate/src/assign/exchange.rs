//! Which pairings some complete matching uses (Régin, 1994): a line can take the attempt of another
//! one when that one can move on, to an attempt that is free or, in a circle, to the first line's.
//!
//! Circles are strongly connected groups of lines (Tarjan, 1972). The ways between lines are runs of
//! places, so what Tarjan asks of all neighbours is asked of a tree over the places.

use alloc::vec::Vec;

use super::Run;
use super::matching::{Matching, Skip};

/// More stretches than this a run is not cut into; what is over keeps attempts that are not possible.
const STRETCHES: usize = 16;

/// What can be exchanged.
pub(super) struct Exchange {
    /// Line -> group; a group comes after all groups that it can move on to.
    group: Vec<usize>,
    /// Place -> next place whose attempt anyone may take: it is free, or its line can move on.
    next_open: Vec<usize>,
    /// Group -> the places of its attempts, in order.
    places: Vec<Vec<usize>>,
    /// Place -> end of the stretch of places like it: open, or of one group.
    alike_until: Vec<usize>,
}

impl Exchange {
    pub(super) fn of(matching: &Matching<'_>) -> Self {
        let groups = Walk::new(matching).all();
        let places = &matching.part.places;
        let mut of_group: Vec<Vec<usize>> = alloc::vec![Vec::new(); groups.escapes.len()];
        let mut next_open = alloc::vec![places.len(); places.len() + 1];
        let mut alike_until: Vec<usize> = (1..=places.len()).collect();
        let mut last = None;
        for (i, place) in places.iter().enumerate().rev() {
            let group = matching.owner_of(place.attempt).and_then(|l| groups.of.get(l)).copied();
            let closed = group.filter(|&group| groups.escapes.get(group) == Some(&false));
            if let Some(list) = closed.and_then(|group| of_group.get_mut(group)) {
                list.push(i);
            }
            let open = if closed.is_none() { i } else { get(&next_open, i + 1) };
            let until = if last == Some(closed) { get(&alike_until, i + 1) } else { i + 1 };
            if let (Some(slot), Some(alike)) = (next_open.get_mut(i), alike_until.get_mut(i)) {
                (*slot, *alike) = (open, until);
            }
            last = Some(closed);
        }
        for list in &mut of_group {
            list.reverse();
        }
        Self { group: groups.of, next_open, places: of_group, alike_until }
    }

    /// The stretches of a run that are possible for a line.
    pub(super) fn possible(&self, line: usize, run: &Run, into: &mut Vec<Run>) {
        let own = self.group.get(line).and_then(|&group| self.places.get(group));
        let own = own.map(Vec::as_slice).unwrap_or_default();
        let from = |place: usize| {
            let mine = own.get(own.partition_point(|&p| p < place)).copied();
            get(&self.next_open, place).min(mine.unwrap_or(usize::MAX))
        };
        let mut place = from(run.from);
        let mut stretches = 0;
        while place < run.to {
            let end = get(&self.alike_until, place).min(run.to);
            let more = stretches == STRETCHES;
            match into.last_mut() {
                Some(before) if stretches > 0 && (before.to == place || more) => before.to = end,
                _ => {
                    into.push(Run { from: place, to: end, ..*run });
                    stretches += 1;
                }
            }
            place = from(end);
        }
    }
}

fn get(list: &[usize], i: usize) -> usize {
    list.get(i).copied().unwrap_or(usize::MAX)
}

struct Groups {
    of: Vec<usize>,
    /// Whether a group can move on to a free attempt.
    escapes: Vec<bool>,
}

struct Walk<'a> {
    matching: &'a Matching<'a>,
    /// Attempt -> its places, one after another; and where each attempt's begin.
    places: (Vec<usize>, Vec<usize>),
    /// Places -> least index of a line on the stack that has the attempt.
    on_stack: Least,
    /// Places -> 0 where the attempt is free or its line can move on.
    open: Least,
    groups: Groups,
    index: Vec<usize>,
    low: Vec<usize>,
    stack: Vec<usize>,
    next: usize,
}

impl<'a> Walk<'a> {
    fn new(matching: &'a Matching<'a>) -> Self {
        let (lines, places) = (matching.part.lines.len(), &matching.part.places);
        let free = |place: &super::Place| matching.owner_of(place.attempt).is_none();
        Self {
            matching,
            places: by_attempt(matching),
            on_stack: Least::new(places.iter().map(|_| usize::MAX).collect()),
            open: Least::new(places.iter().map(|p| if free(p) { 0 } else { usize::MAX }).collect()),
            groups: Groups { of: alloc::vec![usize::MAX; lines], escapes: Vec::new() },
            index: alloc::vec![usize::MAX; lines],
            low: alloc::vec![usize::MAX; lines],
            stack: Vec::new(),
            next: 0,
        }
    }

    fn all(mut self) -> Groups {
        let mut unentered = Skip::new(self.matching.part);
        for line in 0..self.index.len() {
            if get(&self.index, line) == usize::MAX {
                self.from(line, &mut unentered);
            }
        }
        self.groups
    }

    /// Depth first without recursion: hostile input makes deep graphs.
    fn from(&mut self, start: usize, unentered: &mut Skip) {
        let mut path = alloc::vec![start];
        self.enter(start);
        while let Some(&line) = path.last() {
            let (matching, index) = (self.matching, &self.index);
            let entered = |attempt: usize| {
                matching.owner_of(attempt).is_none_or(|owner| get(index, owner) != usize::MAX)
            };
            let next = unentered.first(matching.part, line, entered);
            let place = next.and_then(|place| matching.part.places.get(place));
            if let Some(owner) = place.and_then(|place| matching.owner_of(place.attempt)) {
                self.enter(owner);
                path.push(owner);
                continue;
            }
            path.pop();
            let low = self.least(line, &self.on_stack).min(get(&self.low, line));
            if low == get(&self.index, line) {
                self.close(line);
            } else if let Some(slot) = path.last().and_then(|&before| self.low.get_mut(before)) {
                *slot = low.min(*slot);
            }
        }
    }

    /// The least over all places of a line.
    fn least(&self, line: usize, tree: &Least) -> usize {
        let runs = self.matching.part.lines.get(line).map(|l| l.runs.as_slice());
        let runs = runs.unwrap_or_default().iter();
        runs.map(|run| tree.of(run.from, run.to)).min().unwrap_or(usize::MAX)
    }

    fn enter(&mut self, line: usize) {
        if let (Some(index), Some(low)) = (self.index.get_mut(line), self.low.get_mut(line)) {
            (*index, *low) = (self.next, self.next);
        }
        let now = self.next;
        self.next += 1;
        self.stack.push(line);
        for place in places_of(&self.places, self.matching, line) {
            self.on_stack.set(place, now);
        }
    }

    /// All lines since `line` on the stack are a group. Groups that it can move on to are closed.
    fn close(&mut self, line: usize) {
        let group = self.groups.escapes.len();
        let from = self.stack.iter().rposition(|&l| l == line).unwrap_or(0);
        let members = self.stack.split_off(from);
        let escapes = members.iter().any(|&member| self.least(member, &self.open) == 0);
        for &member in &members {
            if let Some(slot) = self.groups.of.get_mut(member) {
                *slot = group;
            }
            for place in places_of(&self.places, self.matching, member) {
                self.on_stack.set(place, usize::MAX);
                if escapes {
                    self.open.set(place, 0);
                }
            }
        }
        self.groups.escapes.push(escapes);
    }
}

/// The places of each attempt.
fn by_attempt(matching: &Matching<'_>) -> (Vec<usize>, Vec<usize>) {
    let places = &matching.part.places;
    let mut begins = alloc::vec![0; matching.part.attempts.len() + 1];
    for place in places {
        if let Some(slot) = begins.get_mut(place.attempt + 1) {
            *slot += 1;
        }
    }
    let mut sum = 0;
    for slot in &mut begins {
        sum += *slot;
        *slot = sum;
    }
    let mut at = begins.clone();
    let mut sorted = alloc::vec![0; places.len()];
    for (i, place) in places.iter().enumerate() {
        if let Some(next) = at.get_mut(place.attempt) {
            if let Some(slot) = sorted.get_mut(*next) {
                *slot = i;
            }
            *next += 1;
        }
    }
    (sorted, begins)
}

/// The places of the attempt that a line has.
fn places_of<'p>(
    places: &'p (Vec<usize>, Vec<usize>),
    matching: &Matching<'_>,
    line: usize,
) -> impl Iterator<Item = usize> + use<'p> {
    let attempt = matching.taken.get(line).copied().flatten().unwrap_or(usize::MAX - 1);
    let (from, to) = (get(&places.1, attempt), get(&places.1, attempt + 1));
    places.0.get(from..to).unwrap_or_default().iter().copied()
}

/// The least of any stretch of a list that changes: a tree over it, leaves last.
struct Least(Vec<usize>);

impl Least {
    fn new(list: Vec<usize>) -> Self {
        let n = list.len();
        let mut tree = alloc::vec![usize::MAX; n];
        tree.extend(list);
        for i in (1..n).rev() {
            let least = get(&tree, 2 * i).min(get(&tree, 2 * i + 1));
            if let Some(slot) = tree.get_mut(i) {
                *slot = least;
            }
        }
        Self(tree)
    }

    fn set(&mut self, i: usize, value: usize) {
        let mut node = i + self.0.len() / 2;
        if let Some(slot) = self.0.get_mut(node) {
            *slot = value;
        }
        while node > 1 {
            node /= 2;
            let least = get(&self.0, 2 * node).min(get(&self.0, 2 * node + 1));
            match self.0.get_mut(node) {
                Some(slot) if *slot != least => *slot = least,
                _ => return,
            }
        }
    }

    fn of(&self, from: usize, to: usize) -> usize {
        let n = self.0.len() / 2;
        let (mut from, mut to) = (from + n, to + n);
        let mut least = usize::MAX;
        while from < to {
            if from % 2 == 1 {
                least = least.min(get(&self.0, from));
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                least = least.min(get(&self.0, to));
            }
            from /= 2;
            to /= 2;
        }
        least
    }
}
