//! One line, one attempt: all best one-to-one assignments, counted.
//!
//! Best means: most lines matched, then the most plausible attempts. The order of a worker's lines
//! is a hard constraint: deadlines fire in order within an event loop, and between workers of one
//! log within the stall. Between the logs of two gateways nothing is known. All best assignments count alike; nothing else breaks a tie.
//!
//! The lines are swept in order. A state is which attempts that later lines could still want are
//! taken, and how far each worker has come; states that agree are one, with the number of ways that
//! lead there. Forward and backward counts together give, for each line and attempt, the share of
//! best assignments that join them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::{Span, Timestamp};

/// Timers of one worker that fire in one loop iteration are logged in the order of the timer tree;
/// their SYNs may have been sent in the other order within the staleness of its clock.
const SAME_WORKER: Span = Span::from_millis(5);
/// One worker may be late by a stall while another is not (91 ms measured).
const OTHER_WORKER: Span = Span::from_millis(200);
/// States kept over a whole component before the order of lines is given up as too much work.
const STATES_MAX: usize = 20_000;

/// A log line and the attempts that fit it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Which log the line stands in; the order of lines means something within one log.
    pub log: u32,
    /// Process id of the worker, when logged.
    pub worker: Option<u32>,
    /// The attempts that fit.
    pub edges: Vec<Edge>,
}

/// An attempt that fits a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Index of the attempt.
    pub attempt: usize,
    /// When, under this pairing, the event happened that the line reports: earliest and latest.
    pub end: (Timestamp, Timestamp),
    /// 0 for a plausible attempt, more for candidates of last resort.
    pub penalty: u32,
}

/// What the best assignments say about one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Attempts that some best assignment joins with the line, with the share of best assignments
    /// that do; in order of attempt.
    pub attempts: Vec<(usize, f64)>,
    /// Share of best assignments that leave the line without attempt.
    pub unmatched: f64,
    /// The component was too large to count: every attempt that fits is listed, with equal shares.
    pub counted: bool,
}

/// Assigns attempts to lines. Lines are in the order of the log.
pub fn assign(lines: &[Line]) -> Vec<Assignment> {
    let mut result = alloc::vec![Assignment { unmatched: 1.0, counted: true, ..Assignment::default() }; lines.len()];
    for component in components(lines) {
        let part: Vec<&Line> = component.iter().filter_map(|&i| lines.get(i)).collect();
        let answers = Sweep::new(&part).run().unwrap_or_else(|| all_that_fit(&part));
        for (&index, answer) in component.iter().zip(answers) {
            if let Some(slot) = result.get_mut(index) {
                *slot = answer;
            }
        }
    }
    result
}

/// Lines that bear on each other: they share attempts, or an attempt of one would put it out of
/// order with the other. In the order of the log.
fn components(lines: &[Line]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..lines.len()).collect();
    let mut owner: BTreeMap<usize, usize> = BTreeMap::new();
    // Log and latest end so far -> a line of the component that has it.
    let mut ends: BTreeMap<(u32, Timestamp), usize> = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        for edge in &line.edges {
            unite(&mut parent, *owner.entry(edge.attempt).or_insert(i), i);
        }
        let earliest = line.edges.iter().map(|e| e.end.1).min();
        let latest = line.edges.iter().map(|e| e.end.0).max();
        if let (Some(earliest), Some(latest)) = (earliest, latest) {
            let later = (line.log, earliest + SAME_WORKER)..=(line.log, Timestamp::MAX);
            let out_of_order: Vec<((u32, Timestamp), usize)> =
                ends.range(later).map(|(&key, &line)| (key, line)).collect();
            let mut end = latest;
            for (key, other) in out_of_order {
                ends.remove(&key);
                unite(&mut parent, other, i);
                end = end.max(key.1);
            }
            if let Some(other) = ends.insert((line.log, end), i) {
                unite(&mut parent, other, i);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        if !line.edges.is_empty() {
            groups.entry(root(&mut parent, i)).or_default().push(i);
        }
    }
    groups.into_values().collect()
}

/// The smaller index becomes the root, so that components come in order of their first line.
fn unite(parent: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parent, a), root(parent, b));
    if let Some(slot) = parent.get_mut(a.max(b)) {
        *slot = a.min(b);
    }
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while let Some(&up) = parent.get(i)
        && up != i
    {
        let above = parent.get(up).copied().unwrap_or(up);
        if let Some(slot) = parent.get_mut(i) {
            *slot = above;
        }
        i = above;
    }
    i
}

/// The sound answer without counting: any attempt that fits may be the one, or none.
fn all_that_fit(lines: &[&Line]) -> Vec<Assignment> {
    lines
        .iter()
        .map(|line| {
            let mut attempts: Vec<usize> = line.edges.iter().map(|e| e.attempt).collect();
            attempts.sort_unstable();
            attempts.dedup();
            #[expect(clippy::cast_precision_loss, reason = "a share of a few thousand")]
            let share = 1.0 / attempts.len().max(1) as f64;
            Assignment {
                attempts: attempts.into_iter().map(|a| (a, share)).collect(),
                unmatched: 0.0,
                counted: false,
            }
        })
        .collect()
}

/// Lines matched, then (negated) penalties.
type Score = (u32, i64);

/// What later lines can tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// Attempts that are taken and that a later line could want.
    taken: Vec<usize>,
    /// Log and worker -> latest (earliest possible) end it has logged, where that still binds.
    workers: BTreeMap<(u32, u32), Timestamp>,
    /// Log -> latest end logged by any of its workers.
    latest: BTreeMap<u32, Timestamp>,
}

/// Best score over the lines on one side of a state, and in how many ways it is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ways {
    score: Score,
    count: f64,
}

struct Sweep<'a> {
    lines: &'a [&'a Line],
    /// attempt -> (last line that wants it, latest end under which it could be wanted from there).
    wanted_until: BTreeMap<usize, usize>,
}

impl<'a> Sweep<'a> {
    fn new(lines: &'a [&'a Line]) -> Self {
        let mut wanted_until = BTreeMap::new();
        for (i, line) in lines.iter().enumerate() {
            for edge in &line.edges {
                wanted_until.insert(edge.attempt, i);
            }
        }
        Self { lines, wanted_until }
    }

    /// `None` when there are too many states.
    fn run(&self) -> Option<Vec<Assignment>> {
        let forward = self.forward()?;
        let mut after: BTreeMap<State, Ways> = BTreeMap::new();
        let mut answers = Vec::with_capacity(self.lines.len());
        for (i, line) in self.lines.iter().enumerate().rev() {
            let (answer, before) = self.backward(i, line, forward.get(i)?, &after);
            answers.push(answer);
            after = before;
        }
        answers.reverse();
        Some(answers)
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
            total += next.len();
            if total > STATES_MAX {
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
        workers.retain(|(log, _), end| {
            latest.get(log).is_none_or(|&latest| *end - SAME_WORKER > latest - OTHER_WORKER)
        });
        state
    }
}

impl State {
    fn allows(&self, line: &Line, edge: &Edge) -> bool {
        let of_worker = line.worker.and_then(|w| self.workers.get(&(line.log, w)));
        self.taken.binary_search(&edge.attempt).is_err()
            && of_worker.is_none_or(|&end| edge.end.1 >= end - SAME_WORKER)
            && self.latest.get(&line.log).is_none_or(|&end| edge.end.1 >= end - OTHER_WORKER)
    }

    fn with(&self, line: &Line, edge: &Edge) -> Self {
        let mut next = self.clone();
        if let Err(place) = next.taken.binary_search(&edge.attempt) {
            next.taken.insert(place, edge.attempt);
        }
        if let Some(worker) = line.worker {
            let end = next.workers.entry((line.log, worker)).or_insert(edge.end.0);
            *end = edge.end.0.max(*end);
        }
        let latest = next.latest.entry(line.log).or_insert(edge.end.0);
        *latest = edge.end.0.max(*latest);
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

#[cfg(test)]
mod tests;
