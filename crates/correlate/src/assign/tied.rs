//! Lines that share attempts, and how many of them at least and at most have an attempt of each kind.
//!
//! Which line has which attempt may be open and their number all the same known: where a group has as many
//! lines as attempts, every attempt is somebody's. Elsewhere the number lies between two bounds. In a
//! small group they are those of all assignments that keep the order of lines ([`Sweep`](super::sweep)'s
//! states, with the least and the most instead of a count). In a large one they are those of all one-to-one
//! assignments, whatever the order, and so no narrower: as many lines as can have an attempt of a kind at
//! once do have one in some complete assignment, since a way that helps another line takes no attempt
//! out of use (Berge, 1957).
//!
//! What the kinds mean is not known here.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::matching::Matching;
use super::order::{Moves, Orders};
use super::part::Part;
use super::sweep::{State, moves_of};
use super::taken::{Places, Taken};
use super::{Lines, Listed, Run, effort, is_sparse};

/// More kinds than this in one group are bounded without regard to the order of lines.
const KINDS: usize = 8;

/// Lines that share attempts, directly or by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tied<K> {
    /// Which lines, in order.
    pub(crate) lines: Vec<usize>,
    /// How many attempts fit them.
    pub(crate) attempts: usize,
    /// Kind -> how many of the lines have an attempt of it: at least, at most. Empty where nobody asked, or
    /// the lines cannot have an attempt each.
    pub(crate) bounds: BTreeMap<K, (usize, usize)>,
}

impl Lines {
    /// Puts lines that share attempts together. Of each line the runs are given that best assignments leave
    /// it; a place's kind is what `kind` says of it. Groups that are not `counted` get no bounds; in the
    /// others every line has an attempt for sure.
    pub(crate) fn tied<K: Ord + Copy>(
        self,
        given: Vec<(usize, Vec<Run>)>,
        kind: impl Fn(usize) -> Option<K>,
        counted: impl Fn(&[usize]) -> bool,
    ) -> Vec<Tied<K>> {
        let names: Vec<usize> = given.iter().map(|(line, _)| *line).collect();
        let Self { places, lines } = self;
        let with = |line: usize, runs| lines.get(line).map(|line| line.with(runs));
        let given = given.into_iter().filter_map(|(i, runs)| with(i, runs)).collect();
        let whole = Part::whole(places, given);
        let mut groups = Vec::new();
        for group in whole.sharers() {
            let part = whole.part(&group);
            let lines: Vec<usize> = group.iter().filter_map(|&i| names.get(i).copied()).collect();
            let kinds = Kinds::of(&part, &kind);
            let bounds =
                if counted(&lines) { kinds.bounds(&part, names.len()) } else { BTreeMap::new() };
            groups.push(Tied { lines, attempts: part.attempts.len(), bounds });
        }
        groups
    }
}

/// The kinds of the places of a part.
struct Kinds<K> {
    /// All there are, in order.
    all: Vec<K>,
    /// Place -> its kind.
    of: Vec<Option<K>>,
}

impl<K: Ord + Copy> Kinds<K> {
    fn of(part: &Part, kind: impl Fn(usize) -> Option<K>) -> Self {
        let of: Vec<Option<K>> = part.origins().map(kind).collect();
        let all: BTreeSet<K> = of.iter().flatten().copied().collect();
        Self { all: all.into_iter().collect(), of }
    }

    /// At least and at most so many lines have each kind; `lines` are all that share the effort.
    fn bounds(&self, part: &Part, lines: usize) -> BTreeMap<K, (usize, usize)> {
        let all = part.lines.len();
        // Lines that were assigned in halves, since their order contradicts, may each have an attempt
        // and not all at once.
        if Matching::most(part) != Some(all) {
            return BTreeMap::new();
        }
        if let [only] = self.all.as_slice() {
            return BTreeMap::from([(*only, (all, all))]);
        }
        let exact = if part.attempts.len() == all { self.of_all(part) } else { None };
        exact
            .or_else(|| self.in_order(part, effort(lines)))
            .unwrap_or_else(|| self.in_any_order(part))
    }

    /// The number of attempts of each kind, where each has one kind whichever line it belongs to.
    fn of_all(&self, part: &Part) -> Option<BTreeMap<K, (usize, usize)>> {
        let mut kinds: Vec<Option<K>> = alloc::vec![None; part.attempts.len()];
        for (place, kind) in part.places.iter().zip(&self.of) {
            let slot = kinds.get_mut(place.attempt)?;
            let kind = (*kind)?;
            if *slot.get_or_insert(kind) != kind {
                return None;
            }
        }
        let mut counts: BTreeMap<K, (usize, usize)> = BTreeMap::new();
        for kind in kinds {
            let count = counts.entry(kind?).or_default();
            *count = (count.0 + 1, count.1 + 1);
        }
        Some(counts)
    }

    /// The bounds over all assignments of one attempt to each line.
    fn in_any_order(&self, part: &Part) -> BTreeMap<K, (usize, usize)> {
        let all = part.lines.len();
        let most = |keep: &dyn Fn(Option<K>) -> bool| {
            let kept = part.filtered(|place| self.of.get(place).is_some_and(|kind| keep(*kind)));
            Matching::most(&kept).unwrap_or(all).min(all)
        };
        let bounds = |&kind: &K| {
            let without = most(&|other| other != Some(kind));
            (kind, (all - without, most(&|this| this == Some(kind))))
        };
        self.all.iter().map(bounds).collect()
    }

    /// The same over those that keep the order of lines; `None` where that is too much work.
    fn in_order(&self, part: &Part, effort: usize) -> Option<BTreeMap<K, (usize, usize)>> {
        if self.all.len() > KINDS || !is_sparse(&part.lines, effort) {
            return None;
        }
        let number = |kind: K| self.all.binary_search(&kind).ok();
        let mut kinds: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (i, line) in part.lines.iter().enumerate() {
            for place in line.runs.iter().flat_map(|run| run.from..run.to) {
                let attempt = *part.attempts.get(part.places.get(place)?.attempt)?;
                let kind = self.of.get(place).copied().flatten().and_then(number)?;
                // Under another timer the same attempt may have ended otherwise.
                if *kinds.entry((i, attempt)).or_insert(kind) != kind {
                    return None;
                }
            }
        }
        let reach = reach(&part.listed(), effort, |line, attempt| kinds.get(&(line, attempt)))?;
        let bounds = self.all.iter().zip(reach.0);
        Some(bounds.map(|(&k, (least, most))| (k, (least.into(), most.into()))).collect())
    }
}

/// So many lines of each kind at least and at most, over all ways into a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reach([(u16, u16); KINDS]);

impl Reach {
    fn with(mut self, kind: usize) -> Option<Self> {
        let (least, most) = self.0.get_mut(kind)?;
        (*least, *most) = (least.checked_add(1)?, most.checked_add(1)?);
        Some(self)
    }

    fn or(mut self, other: Self) -> Self {
        for ((least, most), (less, more)) in self.0.iter_mut().zip(other.0) {
            (*least, *most) = ((*least).min(less), (*most).max(more));
        }
        self
    }
}

/// Follows all complete assignments, line by line; `None` where there are too many states, or none is
/// complete.
fn reach<'k>(
    lines: &[Listed],
    effort: usize,
    kind: impl Fn(usize, usize) -> Option<&'k usize>,
) -> Option<Reach> {
    let places = Places::new(lines)?;
    let mut orders = Orders::default();
    let start = State { order: orders.start(), taken: Taken::default() };
    let mut states = alloc::vec![(start, Reach::default())];
    let mut total = 0;
    for (i, line) in lines.iter().enumerate() {
        let mut known: BTreeMap<u32, Moves> = BTreeMap::new();
        let mut next: Vec<(State, Reach)> = Vec::new();
        for (state, reach) in &states {
            let moves = known.entry(state.order).or_insert_with(|| orders.moves(line, state.order));
            for (edge, after) in moves_of(i, line, &places, *state, moves) {
                if let Some(edge) = edge {
                    next.push((after, reach.with(*kind(i, edge.attempt)?)?));
                }
            }
        }
        next.sort_by_key(|(state, _)| *state);
        next.dedup_by(|(state, reach), (kept, all)| {
            let same = state == kept;
            if same {
                *all = all.or(*reach);
            }
            same
        });
        total += next.len();
        if total > effort * lines.len() {
            return None;
        }
        states = next;
    }
    states.into_iter().map(|(_, reach)| reach).reduce(Reach::or)
}

#[cfg(test)]
mod tests;
