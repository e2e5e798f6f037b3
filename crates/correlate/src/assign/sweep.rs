//! Counts all best assignments of a component, line by line.
//!
//! A state is which attempts that later lines could still want are taken, and how far each worker
//! has come; states that agree are one, with the number of ways that lead there. Forward and
//! backward counts together give, for each line and attempt, the share of best assignments that
//! join them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::Timestamp;

use super::{Assignment, Edge, Line, OTHER_WORKER, SAME_WORKER};

/// States kept over a whole component before counting is given up as too much work.
const STATES_MAX: usize = 20_000;

/// The same for each line: a few lines that reach this many states are a dense part of a log.
const STATES_A_LINE: usize = 1_000;
/// States followed from line to line where counting is too much work.
const STATES_TRIED: usize = 8;

/// Lines matched, then (negated) penalties.
type Score = (u32, i64);

/// What later lines can tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// Attempts that are taken and that a later line could want.
    taken: Vec<usize>,
    /// Log and worker -> latest (earliest possible) end it has logged, where that still binds.
    workers: Ends<(u32, u32)>,
    /// Log -> latest end logged by any of its workers.
    latest: Ends<u32>,
}

/// A few keys in order, each with an end: compared and copied as often as states are met, which a
/// tree of them would make five times dearer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ends<K>(Vec<(K, Timestamp)>);

impl<K> Default for Ends<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy> Ends<K> {
    fn get(&self, key: K) -> Option<Timestamp> {
        let place = self.0.binary_search_by_key(&key, |entry| entry.0).ok()?;
        self.0.get(place).map(|entry| entry.1)
    }

    /// Moves the end of a key to a later one.
    fn reach(&mut self, key: K, end: Timestamp) {
        match self.0.binary_search_by_key(&key, |entry| entry.0) {
            Ok(place) => {
                if let Some((_, old)) = self.0.get_mut(place) {
                    *old = end.max(*old);
                }
            }
            Err(place) => self.0.insert(place, (key, end)),
        }
    }
}

/// Best score over the lines on one side of a state, and in how many ways it is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ways {
    score: Score,
    count: f64,
}

pub(super) struct Sweep<'a> {
    lines: &'a [&'a Line],
    /// attempt -> (last line that wants it, latest end under which it could be wanted from there).
    wanted_until: BTreeMap<usize, usize>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(lines: &'a [&'a Line]) -> Self {
        let mut wanted_until = BTreeMap::new();
        for (i, line) in lines.iter().enumerate() {
            for edge in &line.edges {
                wanted_until.insert(edge.attempt, i);
            }
        }
        Self { lines, wanted_until }
    }

    /// `None` when there are too many states.
    pub(super) fn run(&self) -> Option<Vec<Assignment>> {
        let forward = self.forward()?;
        let mut after: BTreeMap<State, Ways> = BTreeMap::new();
        let mut answers = Vec::with_capacity(self.lines.len());
        for (i, line) in self.lines.iter().enumerate().rev() {
            let (answer, before) = self.backward(i, line, forward.get(i)?, &after);
            answers.push(answer);
            after = before;
            rescale(&mut after);
        }
        answers.reverse();
        Some(answers)
    }

    /// Whether some assignment that gives every line an attempt is found, following a few states
    /// only.
    pub(super) fn is_complete(&self) -> bool {
        let mut states = alloc::vec![State::default()];
        for (i, line) in self.lines.iter().enumerate() {
            let mut next: Vec<State> = Vec::new();
            for state in &states {
                let moves = self.moves(i, line, state).filter(|(edge, _)| edge.is_some());
                next.extend(moves.map(|(_, after)| after));
            }
            // Those that are least far on leave most to the lines to come.
            next.sort_unstable_by(|a, b| (&a.latest, a).cmp(&(&b.latest, b)));
            next.dedup();
            next.truncate(STATES_TRIED);
            states = next;
        }
        !states.is_empty()
    }

    /// For each line, the states in which it may be met.
    fn forward(&self) -> Option<Vec<BTreeMap<State, Ways>>> {
        let start = Ways { score: (0, 0), count: 1.0 };
        let mut layers = alloc::vec![BTreeMap::from([(State::default(), start)])];
        let mut total = 1;
        for (i, line) in self.lines.iter().enumerate() {
            let mut next: BTreeMap<State, Ways> = BTreeMap::new();
            for (state, ways) in layers.last()? {
                for (edge, after) in self.moves(i, line, state) {
                    join(&mut next, after, ways.then(gain(edge)));
                }
            }
            rescale(&mut next);
            total += next.len();
            if total > STATES_MAX.min(STATES_A_LINE * self.lines.len()) {
                return None;
            }
            layers.push(next);
        }
        Some(layers)
    }

    /// Shares of the moves of line `i`, and the ways from each state before it to the end.
    fn backward(
        &self,
        i: usize,
        line: &Line,
        layer: &BTreeMap<State, Ways>,
        after: &BTreeMap<State, Ways>,
    ) -> (Assignment, BTreeMap<State, Ways>) {
        let end = Ways { score: (0, 0), count: 1.0 };
        let mut before: BTreeMap<State, Ways> = BTreeMap::new();
        let mut whole: BTreeMap<Option<usize>, Ways> = BTreeMap::new();
        for (state, ways) in layer {
            for (edge, target) in self.moves(i, line, state) {
                let rest = if i + 1 == self.lines.len() {
                    end
                } else if let Some(rest) = after.get(&target) {
                    *rest
                } else {
                    continue;
                };
                let tail = rest.then(gain(edge));
                join(&mut before, state.clone(), tail);
                join(&mut whole, edge.map(|e| e.attempt), ways.times(tail));
            }
        }
        (share(&whole), before)
    }

    /// What line `i` can do in a state: take an attempt, or none.
    fn moves<'s>(
        &'s self,
        i: usize,
        line: &'s Line,
        state: &'s State,
    ) -> impl Iterator<Item = (Option<Edge>, State)> + 's {
        let none = core::iter::once((None, self.settled(i, state.clone())));
        let some = line
            .edges
            .iter()
            .filter(move |edge| state.allows(line, edge))
            .map(move |edge| (Some(*edge), self.settled(i, state.with(line, edge))));
        none.chain(some)
    }

    /// Forgets what no line after `i` can tell apart.
    fn settled(&self, i: usize, mut state: State) -> State {
        state.taken.retain(|a| self.wanted_until.get(a).is_some_and(|&last| last > i));
        let State { workers, latest, .. } = &mut state;
        workers.0.retain(|((log, _), end)| {
            latest.get(*log).is_none_or(|latest| *end - SAME_WORKER > latest - OTHER_WORKER)
        });
        state
    }
}

impl State {
    fn allows(&self, line: &Line, edge: &Edge) -> bool {
        let of_worker = line.worker.and_then(|w| self.workers.get((line.log, w)));
        self.taken.binary_search(&edge.attempt).is_err()
            && of_worker.is_none_or(|end| edge.end.1 >= end - SAME_WORKER)
            && self.latest.get(line.log).is_none_or(|end| edge.end.1 >= end - OTHER_WORKER)
    }

    fn with(&self, line: &Line, edge: &Edge) -> Self {
        let mut next = self.clone();
        if let Err(place) = next.taken.binary_search(&edge.attempt) {
            next.taken.insert(place, edge.attempt);
        }
        if let Some(worker) = line.binds() {
            next.workers.reach(worker, edge.end.0);
        }
        next.latest.reach(line.log, edge.end.0);
        next
    }
}

impl Ways {
    fn then(self, gain: Score) -> Self {
        Self { score: (self.score.0 + gain.0, self.score.1 + gain.1), count: self.count }
    }

    fn times(self, rest: Self) -> Self {
        Self { count: self.count * rest.count, ..self.then(rest.score) }
    }
}

const fn gain(edge: Option<Edge>) -> Score {
    match edge {
        Some(edge) => (1, -(edge.penalty as i64)),
        None => (0, 0),
    }
}

/// Adds ways to a key: a better score replaces, an equal one adds up.
fn join<K: Ord>(map: &mut BTreeMap<K, Ways>, key: K, ways: Ways) {
    let entry = map.entry(key).or_insert(Ways { count: 0.0, ..ways });
    match ways.score.cmp(&entry.score) {
        core::cmp::Ordering::Greater => *entry = ways,
        core::cmp::Ordering::Equal => entry.count += ways.count,
        core::cmp::Ordering::Less => {}
    }
}

/// Counts matter by their ratios within a layer alone; over a long log they would overflow.
fn rescale(layer: &mut BTreeMap<State, Ways>) {
    let most = layer.values().map(|ways| ways.count).fold(1.0, f64::max);
    for ways in layer.values_mut() {
        ways.count /= most;
    }
}

/// The shares of the best assignments.
fn share(whole: &BTreeMap<Option<usize>, Ways>) -> Assignment {
    let best = whole.values().map(|w| w.score).max().unwrap_or_default();
    let counts: Vec<(Option<usize>, f64)> =
        whole.iter().filter(|(_, w)| w.score == best).map(|(a, w)| (*a, w.count)).collect();
    let total: f64 = counts.iter().map(|(_, count)| count).sum();
    Assignment {
        attempts: counts.iter().filter_map(|(a, count)| Some(((*a)?, count / total))).collect(),
        unmatched: counts.iter().filter(|(a, _)| a.is_none()).map(|(_, c)| c / total).sum(),
        counted: true,
    }
}
