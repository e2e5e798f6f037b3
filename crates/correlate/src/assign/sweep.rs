//! Counts all best assignments of a component, line by line.
//!
//! A state is which attempts that later lines could still want are taken, and how far each worker
//! has come; states that agree are one, with the number of ways that lead there. Forward and
//! backward counts together give, for each line and attempt, the share of best assignments that
//! join them.
//!
//! States are met by the hundred thousand, so they are two numbers: a set of attempts as bits, and
//! the number under which [`Orders`] holds how far the workers have come.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::order::{Moves, Orders};
use super::taken::{Places, Taken};
use super::{Assignment, Edge, Listed};

/// States kept over a whole component before counting is given up as too much work.
const STATES_MAX: usize = 20_000;

/// The same for each line: a few lines that reach this many states are a dense part of a log.
pub(super) const STATES_A_LINE: usize = 1_000;
/// So many times the states that a line may have are let pass among the first lines.
const STEEP: usize = 2;
/// States followed from line to line where counting is too much work.
const STATES_TRIED: usize = 8;

/// Lines matched, then (negated) penalties.
type Score = (u32, i64);

/// What later lines can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    /// How far the workers have come.
    pub(super) order: u32,
    /// Attempts that are taken and that a later line could want.
    pub(super) taken: Taken,
}

/// Best score over the lines on one side of a state, and in how many ways it is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ways {
    score: Score,
    count: f64,
}

const START: Ways = Ways { score: (0, 0), count: 1.0 };

/// The states in which a line may be met, in order, and what it can do there.
#[derive(Default)]
struct Layer {
    states: Vec<(State, Ways)>,
    /// How far the workers have come -> the moves of the line.
    moves: BTreeMap<u32, Moves>,
}

pub(super) struct Sweep<'a> {
    lines: &'a [Listed],
    /// `None` when more attempts are wanted at once than there are bits.
    places: Option<Places>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(lines: &'a [Listed]) -> Self {
        Self { lines, places: Places::new(lines) }
    }

    /// `None` when there are more states than `effort` for each line.
    pub(super) fn run(&self, effort: usize) -> Option<Vec<Assignment>> {
        let places = self.places.as_ref()?;
        let layers = self.forward(places, effort)?;
        let mut after: Vec<(State, Ways)> = Vec::new();
        let mut answers = Vec::with_capacity(self.lines.len());
        for (i, layer) in layers.iter().enumerate().rev() {
            let (answer, before) = self.backward(i, places, layer, &after);
            answers.push(answer);
            after = before;
            rescale(&mut after);
        }
        answers.reverse();
        Some(answers)
    }

    /// Whether some assignment that gives every line an attempt is found, following a few states
    /// only. Where that cannot be tried it may exist.
    pub(super) fn is_complete(&self) -> bool {
        let Some(places) = &self.places else { return true };
        let mut orders = Orders::default();
        let mut states = alloc::vec![State { order: orders.start(), taken: Taken::default() }];
        for (i, line) in self.lines.iter().enumerate() {
            let mut next: Vec<State> = Vec::new();
            for state in &states {
                let moves = orders.moves(line, state.order);
                let moves = moves_of(i, line, places, *state, &moves);
                next.extend(moves.filter(|(edge, _)| edge.is_some()).map(|(_, after)| after));
            }
            // Those that are least far on leave most to the lines to come.
            next.sort_unstable_by(|a, b| orders.compare(a.order, b.order).then(a.cmp(b)));
            next.dedup();
            next.truncate(STATES_TRIED);
            states = next;
        }
        !states.is_empty()
    }

    /// For each line, the states in which it may be met.
    fn forward(&self, places: &Places, effort: usize) -> Option<Vec<Layer>> {
        let mut orders = Orders::default();
        let mut states =
            alloc::vec![(State { order: orders.start(), taken: Taken::default() }, START)];
        let mut layers = Vec::with_capacity(self.lines.len());
        let mut total = 1;
        for (i, line) in self.lines.iter().enumerate() {
            let mut layer = Layer { states, ..Layer::default() };
            let mut next: Vec<(State, Ways)> = Vec::new();
            for (state, ways) in &layer.states {
                let moves = layer
                    .moves
                    .entry(state.order)
                    .or_insert_with(|| orders.moves(line, state.order));
                for (edge, after) in moves_of(i, line, places, *state, moves) {
                    next.push((after, ways.then(gain(edge))));
                }
            }
            merge(&mut next);
            rescale(&mut next);
            total += next.len();
            // What grows so fast from the start will not be done in time.
            let early = effort * STEEP * (i + 1);
            if total > STATES_MAX.min(effort * self.lines.len()).min(early) {
                return None;
            }
            layers.push(layer);
            states = next;
        }
        Some(layers)
    }

    /// Shares of the moves of line `i`, and the ways from each state before it to the end.
    fn backward(
        &self,
        i: usize,
        places: &Places,
        layer: &Layer,
        after: &[(State, Ways)],
    ) -> (Assignment, Vec<(State, Ways)>) {
        let mut before: Vec<(State, Ways)> = Vec::with_capacity(layer.states.len());
        let mut whole: BTreeMap<Option<usize>, Ways> = BTreeMap::new();
        let nothing = Listed::default();
        let line = self.lines.get(i).unwrap_or(&nothing);
        for (state, ways) in &layer.states {
            let Some(moves) = layer.moves.get(&state.order) else { continue };
            let mut tails: Option<Ways> = None;
            for (edge, target) in moves_of(i, line, places, *state, moves) {
                let rest = if i + 1 == self.lines.len() {
                    Some(START)
                } else {
                    let found = after.binary_search_by(|(state, _)| state.cmp(&target));
                    found.ok().and_then(|at| after.get(at)).map(|(_, ways)| *ways)
                };
                let Some(rest) = rest else { continue };
                let tail = rest.then(gain(edge));
                tails = Some(tails.map_or(tail, |tails| tails.or(tail)));
                let all = ways.times(tail);
                let entry = whole.entry(edge.map(|e| e.attempt));
                entry.and_modify(|known| *known = known.or(all)).or_insert(all);
            }
            before.extend(tails.map(|tails| (*state, tails)));
        }
        (share(&whole), before)
    }
}

/// What line `i` can do in a state: take an attempt, or none.
pub(super) fn moves_of<'s>(
    i: usize,
    line: &'s Listed,
    places: &'s Places,
    state: State,
    moves: &'s Moves,
) -> impl Iterator<Item = (Option<Edge>, State)> + 's {
    let none = State { order: moves.none, taken: places.settled(i, state.taken) };
    let wanted = places.of(i);
    let some = line.edges.iter().zip(wanted).zip(&moves.some);
    let some = some.filter_map(move |((edge, &place), order)| {
        let taken = state.taken.with(place)?;
        Some((Some(*edge), State { order: (*order)?, taken: places.settled(i, taken) }))
    });
    core::iter::once((None, none)).chain(some)
}

impl Ways {
    fn then(self, gain: Score) -> Self {
        Self { score: (self.score.0 + gain.0, self.score.1 + gain.1), count: self.count }
    }

    fn times(self, rest: Self) -> Self {
        Self { count: self.count * rest.count, ..self.then(rest.score) }
    }

    /// This or another way: the better score, and where they are as good, both.
    fn or(self, other: Self) -> Self {
        match self.score.cmp(&other.score) {
            core::cmp::Ordering::Greater => self,
            core::cmp::Ordering::Equal => Self { count: self.count + other.count, ..self },
            core::cmp::Ordering::Less => other,
        }
    }
}

const fn gain(edge: Option<Edge>) -> Score {
    match edge {
        Some(edge) => (1, -(edge.penalty as i64)),
        None => (0, 0),
    }
}

/// Puts states in order, and those that agree together.
fn merge(states: &mut Vec<(State, Ways)>) {
    states.sort_by_key(|(state, _)| *state);
    states.dedup_by(|(state, ways), (kept, best)| {
        let same = state == kept;
        if same {
            *best = best.or(*ways);
        }
        same
    });
}

/// Counts matter by their ratios within a layer alone; over a long log they would overflow.
fn rescale(layer: &mut [(State, Ways)]) {
    let most = layer.iter().map(|(_, ways)| ways.count).fold(1.0, f64::max);
    for (_, ways) in layer {
        ways.count /= most;
    }
}

/// The shares of the best assignments.
fn share(whole: &BTreeMap<Option<usize>, Ways>) -> Assignment {
    let best = whole.values().map(|w| w.score).max().unwrap_or_default();
    let counts: Vec<(Option<usize>, f64)> =
        whole.iter().filter(|(_, w)| w.score == best).map(|(a, w)| (*a, w.count)).collect();
    let total: f64 = counts.iter().map(|(_, count)| count).sum();
    Assignment::Counted {
        attempts: counts.iter().filter_map(|(a, count)| Some(((*a)?, count / total))).collect(),
        unmatched: counts.iter().filter(|(a, _)| a.is_none()).map(|(_, c)| c / total).sum(),
    }
}
