//! Lines of logs, and the attempts that fit each of them, before anything is assigned.

use alloc::vec::Vec;

use why504_model::Timestamp;

/// Who wrote a line, as far as the order of lines is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// Which log the line stands in; the order of lines means something within one log.
    pub log: u32,
    /// Process id of the worker, when logged.
    pub worker: Option<u32>,
    /// It reports a packet that was read (a refusal), not a timer. A loop that was held up reads
    /// what has come before it looks at its timers (`ngx_process_events_and_timers`), so such a line
    /// may stand before those of timers that expired earlier, as if it were another worker's.
    pub read: bool,
}

/// An attempt that fits a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// When, under this pairing, the event happened that the line reports: earliest and latest.
    pub end: (Timestamp, Timestamp),
    /// Index of the attempt.
    pub attempt: usize,
    /// 0 for a plausible attempt, more for candidates of last resort.
    pub penalty: u32,
    /// Which of the line's timers it was.
    pub timer: u32,
}

/// An attempt, and when the event happened that a line reports if it is about this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Earliest and latest.
    pub end: (Timestamp, Timestamp),
    /// Index of the attempt.
    pub attempt: usize,
}

/// Places one after another, of attempts that are as plausible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first place.
    pub from: usize,
    /// The first place that is not of it any more.
    pub to: usize,
    /// 0 for plausible attempts, more for candidates of last resort.
    pub penalty: u32,
    /// Under which of the line's timers they fit.
    pub timer: u32,
}

/// A log line and the attempts that fit it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) writer: Writer,
    /// Places in order of both their ends.
    pub(super) runs: Vec<Run>,
    /// Its attempt may not have been captured: it began, perhaps, before the captures did.
    pub(super) beyond: bool,
    /// The one attempt that is left is its own by more than what others leave.
    pub(super) settled: bool,
}

/// Lines of logs, each with the attempts that fit it. Lines of one second to one upstream fit the
/// same: those are held once.
#[derive(Debug, Default)]
pub struct Lines {
    pub(super) places: Vec<Place>,
    pub(super) lines: Vec<Line>,
}

impl Lines {
    /// Holds attempts that fit one or more lines, and says where.
    pub fn hold(&mut self, mut edges: Vec<Edge>) -> Vec<Run> {
        edges.sort_unstable_by_key(|e| (e.penalty, e.timer, e.end, e.attempt));
        edges.dedup();
        let mut runs: Vec<Run> = Vec::new();
        for edge in edges {
            let to = self.places.len();
            let last = self.places.last().map(|place| place.end.1);
            self.places.push(Place { end: edge.end, attempt: edge.attempt });
            match runs.last_mut() {
                Some(run)
                    if (run.penalty, run.timer) == (edge.penalty, edge.timer)
                        && last <= Some(edge.end.1) =>
                {
                    run.to = to + 1;
                }
                _ => runs.push(Run {
                    from: to,
                    to: to + 1,
                    penalty: edge.penalty,
                    timer: edge.timer,
                }),
            }
        }
        runs
    }

    /// The next line of a log, and what fits it. The captures hold all of the time in which its attempt
    /// may have begun.
    pub fn push(&mut self, writer: Writer, runs: Vec<Run>) {
        self.lines.push(Line { writer, runs, beyond: false, settled: false });
    }

    /// The same of a line whose attempt may have begun when nothing was captured.
    pub fn push_beyond(&mut self, writer: Writer, runs: Vec<Run>) {
        self.lines.push(Line { writer, runs, beyond: true, settled: false });
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many places are held.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// The runs of a line.
    pub(crate) fn runs_of(&self, line: usize) -> &[Run] {
        self.lines.get(line).map(|line| line.runs.as_slice()).unwrap_or_default()
    }

    /// The attempts that fit a line, once for each timer under which they do.
    pub(crate) fn attempts_of(&self, line: usize) -> impl Iterator<Item = usize> {
        self.runs_of(line).iter().flat_map(|run| self.run(run)).map(|place| place.attempt)
    }

    /// Takes the lines from which `chosen` is true away, as they are, and leaves nothing that fits
    /// them.
    pub(crate) fn set_aside(&mut self, chosen: impl Fn(usize) -> bool) -> Vec<(usize, Vec<Run>)> {
        let lines = self.lines.iter_mut().enumerate().filter(|(i, _)| chosen(*i));
        lines.map(|(i, line)| (i, core::mem::take(&mut line.runs))).collect()
    }

    /// Leaves only these lines something that fits them: those of their attempts that are `left`.
    pub(crate) fn only(&mut self, aside: Vec<(usize, Vec<Run>)>, left: impl Fn(usize) -> bool) {
        for line in &mut self.lines {
            line.runs.clear();
        }
        for (i, runs) in aside {
            let edges = runs.iter().flat_map(|run| self.run(run).iter().map(move |p| (run, p)));
            let edges = edges.filter(|(_, place)| left(place.attempt)).map(|(run, place)| Edge {
                attempt: place.attempt,
                end: place.end,
                penalty: run.penalty,
                timer: run.timer,
            });
            let runs = self.hold(edges.collect());
            if let Some(line) = self.lines.get_mut(i) {
                line.runs = runs;
            }
        }
    }

    /// Leaves a line those of its attempts that are kept.
    pub(crate) fn keep(&mut self, line: usize, kept: impl Fn(usize) -> bool) {
        let runs = self.narrowed(self.runs_of(line), kept);
        if let Some(line) = self.lines.get_mut(line) {
            line.runs = runs;
        }
    }

    /// The only attempt of a line is its own, which nobody else has, by more than what others leave: where
    /// these contradict each other, it is none of its concern.
    pub(crate) fn settle(&mut self, line: usize) {
        if let Some(line) = self.lines.get_mut(line) {
            line.settled = true;
        }
    }

    /// What of some runs is of attempts that are kept.
    pub(crate) fn narrowed(&self, runs: &[Run], keep: impl Fn(usize) -> bool) -> Vec<Run> {
        let mut narrowed: Vec<Run> = Vec::new();
        for run in runs {
            let mut before = false;
            for (at, place) in (run.from..).zip(self.run(run)) {
                let kept = keep(place.attempt);
                match narrowed.last_mut() {
                    Some(last) if kept && before => last.to = at + 1,
                    _ if kept => narrowed.push(Run { from: at, to: at + 1, ..*run }),
                    _ => {}
                }
                before = kept;
            }
        }
        narrowed
    }

    /// The places that a run stands for.
    pub fn run(&self, run: &Run) -> &[Place] {
        self.places.get(run.from..run.to).unwrap_or_default()
    }
}

impl Line {
    /// The same line with other runs.
    pub(super) fn with(&self, runs: Vec<Run>) -> Self {
        Self { writer: self.writer, runs, beyond: self.beyond, settled: self.settled }
    }

    /// Whether it is at odds with the captures that it has no attempt. A read timeout that has nothing
    /// but attempts of last resort may be about something else.
    pub(super) fn needs_one(&self) -> bool {
        !self.beyond && self.runs.iter().any(|run| run.penalty == 0)
    }

    /// How many attempts fit it, one that does under several timers as often.
    pub(super) fn pairings(&self) -> usize {
        self.runs.iter().map(|run| run.to - run.from).sum()
    }
}

impl Writer {
    /// The worker whose later lines this one binds closely.
    pub(super) fn binds(&self) -> Option<(u32, u32)> {
        self.worker.filter(|_| !self.read).map(|worker| (self.log, worker))
    }
}
