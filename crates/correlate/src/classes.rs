//! Lines that ask the same: of one log and one second, about one upstream, with the same timers. What
//! fits one of them fits all, and is looked for once; a burst of thousands of lines is one class.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Endpoint, Interval, SourceId, TimeLimit, Timeout, TimeoutKind};

use crate::LogClock;
use crate::assign::{Lines, Run, Writer};
use crate::search::{Join, Search};

/// What tells the candidates of one line from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question<'a> {
    log: SourceId,
    logged: Interval,
    peer: Option<Endpoint>,
    kind: TimeoutKind,
    never_sent: bool,
    limits: &'a [TimeLimit],
}

/// Lines that ask the same.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) join: Join,
    /// All that fits them.
    pub(crate) runs: Vec<Run>,
    /// The gateway asked for their upstream's link address in vain.
    pub(crate) in_vain: bool,
}

/// The lines of a run by what they ask.
pub(crate) struct Classes {
    all: Vec<Class>,
    /// Line -> class.
    of: Vec<usize>,
    /// Logs of which at least half the lines found attempts: those whose gateway was captured. A log
    /// of another host finds none, and that says nothing about its SYNs. Where the gateway asked for
    /// the upstream's address in vain there is none to find; that the log, too, says that the host could
    /// not be reached speaks for them being of one host.
    watched: BTreeSet<SourceId>,
}

impl Classes {
    /// Looks for what fits the lines, and enters them in `lines`.
    pub(crate) fn new(
        timeouts: &[Timeout],
        search: &Search<'_>,
        lines: &mut Lines,
        unzoned: &BTreeSet<SourceId>,
        in_vain: impl Fn(&Timeout, &Join) -> bool,
    ) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        let mut of = Vec::with_capacity(timeouts.len());
        let mut known: BTreeMap<Question<'_>, usize> = BTreeMap::new();
        let mut counts: BTreeMap<SourceId, (usize, usize)> = BTreeMap::new();
        for timeout in timeouts {
            let mut new = || {
                let (edges, mut join) = search.of(timeout);
                // The access log's `$msec` needs no zone.
                if timeout.start.is_none() && unzoned.contains(&timeout.location.source) {
                    join.clock = LogClock::Unknown;
                }
                let in_vain = edges.is_empty() && in_vain(timeout, &join);
                classes.push(Class { join, runs: lines.hold(edges), in_vain });
                classes.len() - 1
            };
            let number = match timeout.start {
                // To the millisecond hardly any two are alike.
                Some(_) => new(),
                None => *known.entry(Question::of(timeout)).or_insert_with(new),
            };
            of.push(number);
            let class = classes.get(number);
            let (runs, in_vain) = class.map(|c| (c.runs.clone(), c.in_vain)).unwrap_or_default();
            if !in_vain || timeout.kind == TimeoutKind::ConnectUnreachable {
                let count = counts.entry(timeout.location.source).or_default();
                count.0 += usize::from(in_vain || !runs.is_empty());
                count.1 += 1;
            }
            let writer = Writer {
                log: timeout.location.source.0,
                worker: timeout.worker,
                read: timeout.kind.is_failure(),
            };
            if search.covers(timeout) {
                lines.push(writer, runs);
            } else {
                lines.push_beyond(writer, runs);
            }
        }
        let watched =
            counts.into_iter().filter(|(_, (some, all))| some * 2 >= *all).map(|(log, _)| log);
        Self { all: classes, of, watched: watched.collect() }
    }

    /// The class of a line.
    pub(crate) fn of(&self, line: usize) -> Option<&Class> {
        self.all.get(*self.of.get(line)?)
    }

    /// The lines of each class, in order.
    pub(crate) fn lines(&self) -> Vec<Vec<usize>> {
        let mut lines = alloc::vec![Vec::new(); self.all.len()];
        for (i, &number) in self.of.iter().enumerate() {
            if let Some(of_class) = lines.get_mut(number) {
                of_class.push(i);
            }
        }
        lines
    }

    /// Whether the gateway that wrote a log was captured.
    pub(crate) fn is_watched(&self, log: SourceId) -> bool {
        self.watched.contains(&log)
    }
}

impl<'a> Question<'a> {
    fn of(timeout: &'a Timeout) -> Self {
        Self {
            log: timeout.location.source,
            logged: timeout.logged,
            peer: timeout.peer,
            kind: timeout.kind,
            never_sent: timeout.never_sent,
            limits: &timeout.limits,
        }
    }
}
