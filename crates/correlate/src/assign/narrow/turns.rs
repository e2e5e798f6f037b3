//! What the order of a log's lines rules out: nothing ends before what stands earlier in the log, and
//! nothing after what stands later, within the stall.
//!
//! The log is gone through again and again, a million lines at a time, and mostly there is nothing to
//! strike out. So of each line its outermost ends are kept side by side in the order of the log, and
//! its places are looked at only where they must change.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::Timestamp;

use super::super::part::{Block, Part};
use super::super::{Line, OTHER_WORKER, Place, Run, SAME_WORKER};

/// What order struck out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Struck {
    Nothing,
    /// The first or last places of runs.
    Places,
    /// Whole runs.
    Runs,
}

#[derive(Clone, Copy)]
enum Direction {
    /// Nothing ends before what stands earlier in the log.
    Forward,
    /// Nothing ends after what stands later in the log.
    Backward,
}

/// The outermost of a line's pairings: when its event can have happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Over the first places of its runs: the earliest moment of all, and the earliest of their latest.
    first: (Timestamp, Timestamp),
    /// Over the last places: the latest of their earliest moments, and the latest of all.
    last: (Timestamp, Timestamp),
}

impl Reach {
    /// `None` for a line without pairings.
    pub(super) fn of(part: &Part, line: &Line) -> Option<Self> {
        Self::of_runs(&part.places, &line.runs)
    }

    fn of_runs(places: &[Place], runs: &[Run]) -> Option<Self> {
        let ends = runs.iter().filter_map(|run| {
            let (first, last) = (places.get(run.from)?, places.get(run.to.checked_sub(1)?)?);
            Some(Self { first: first.end, last: last.end })
        });
        ends.reduce(|a, b| Self {
            first: (a.first.0.min(b.first.0), a.first.1.min(b.first.1)),
            last: (a.last.0.max(b.last.0), a.last.1.max(b.last.1)),
        })
    }

    /// Whether some of the pairings are beyond a bound.
    fn is_beyond(&self, bound: Timestamp, direction: Direction) -> bool {
        match direction {
            Direction::Forward => self.first.1 < bound,
            Direction::Backward => self.last.0 > bound,
        }
    }

    /// What binds other lines.
    fn end(&self, direction: Direction) -> Timestamp {
        match direction {
            Direction::Forward => self.first.0,
            Direction::Backward => self.last.1,
        }
    }
}

/// A line in the order of the log, and whose order binds it. Workers are numbered over all logs.
struct Turn {
    reach: Reach,
    /// Where the line is: which block, and which line of it.
    place: (usize, usize),
    log: usize,
    worker: Option<usize>,
    /// The worker whose later lines it binds closely.
    binds: Option<usize>,
}

/// The lines of all blocks in the order of the log.
pub(super) struct Turns {
    all: Vec<Turn>,
    logs: usize,
    workers: usize,
}

impl Turns {
    /// `None` where a line has no pairing.
    pub(super) fn of(part: &Part, blocks: &[Block]) -> Option<Self> {
        let (mut logs, mut workers) = (BTreeMap::new(), BTreeMap::new());
        let mut places = alloc::vec![(0, 0); part.lines.len()];
        for (number, block) in blocks.iter().enumerate() {
            for (i, &line) in block.lines.iter().enumerate() {
                if let Some(place) = places.get_mut(line) {
                    *place = (number, i);
                }
            }
        }
        let turn = |(line, place): (&Line, (usize, usize))| {
            let writer = line.writer;
            let next = logs.len();
            let log = *logs.entry(writer.log).or_insert(next);
            let worker = writer.worker.map(|worker| {
                let next = workers.len();
                *workers.entry((writer.log, worker)).or_insert(next)
            });
            let reach = Reach::of(part, line)?;
            Some(Turn { reach, place, log, worker, binds: writer.binds().and(worker) })
        };
        let all = part.lines.iter().zip(places).map(turn).collect::<Option<Vec<Turn>>>()?;
        Some(Self { all, logs: logs.len(), workers: workers.len() })
    }

    /// Lines of the log can have their events at other moments now.
    pub(super) fn reach(&mut self, lines: &[usize], reaches: &[Option<Reach>]) {
        for (&line, reach) in lines.iter().zip(reaches) {
            if let (Some(turn), Some(reach)) = (self.all.get_mut(line), reach) {
                turn.reach = *reach;
            }
        }
    }

    /// Applies the order in both directions; `None` when it left a line without any pairing.
    pub(super) fn both_ways(&mut self, blocks: &mut [Block]) -> Option<Struck> {
        let forward = self.one_way(blocks, Direction::Forward)?;
        let backward = self.one_way(blocks, Direction::Backward)?;
        Some(forward.max(backward))
    }

    fn one_way(&mut self, blocks: &mut [Block], direction: Direction) -> Option<Struck> {
        let mut bounds =
            Bounds { workers: alloc::vec![None; self.workers], logs: alloc::vec![None; self.logs] };
        let mut struck = Struck::Nothing;
        let mut one = |turn: &mut Turn| {
            // The earlier line of two says how closely they are bound.
            let (bound_by, binding) = match direction {
                Direction::Forward => (turn.worker, turn.binds),
                Direction::Backward => (turn.binds, turn.worker),
            };
            let bound = bounds.of(turn.log, bound_by, direction);
            if let Some(bound) = bound.filter(|&bound| turn.reach.is_beyond(bound, direction)) {
                let Part { places, lines, .. } = &mut blocks.get_mut(turn.place.0)?.part;
                let runs = &mut lines.get_mut(turn.place.1)?.runs;
                let before = runs.len();
                for run in runs.iter_mut() {
                    cut(places, run, bound, direction);
                }
                runs.retain(|run| run.from < run.to);
                struck =
                    struck.max(if runs.len() < before { Struck::Runs } else { Struck::Places });
                turn.reach = Reach::of_runs(places, runs)?;
            }
            bounds.bind(turn.log, binding, turn.reach.end(direction), direction);
            Some(())
        };
        match direction {
            Direction::Forward => self.all.iter_mut().try_for_each(&mut one)?,
            Direction::Backward => self.all.iter_mut().rev().try_for_each(&mut one)?,
        }
        Some(struck)
    }
}

/// Moves the border of a run to what a bound allows.
fn cut(places: &[Place], run: &mut Run, bound: Timestamp, direction: Direction) {
    let places = places.get(run.from..run.to).unwrap_or_default();
    match direction {
        Direction::Forward => run.from += places.partition_point(|place| place.end.1 < bound),
        Direction::Backward => {
            run.to = run.from + places.partition_point(|place| place.end.0 <= bound);
        }
    }
}

/// How far the lines that were passed bind those to come.
struct Bounds {
    workers: Vec<Option<Timestamp>>,
    logs: Vec<Option<Timestamp>>,
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
