//! Lines that ask the same: of one log and one second, about one upstream, with the same timers. What
//! fits one of them fits all, and is looked for once; a burst of thousands of lines is one class.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Endpoint, Interval, SourceId, TimeLimit, Timeout, TimeoutKind};

use crate::assign::{Lines, Run, Writer};
use crate::search::{Join, Search};
use crate::{LogClock, room};

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

/// One line of each class.
pub(crate) fn distinct(timeouts: &[Timeout]) -> impl Iterator<Item = &Timeout> {
    let mut known: BTreeSet<Question<'_>> = BTreeSet::new();
    timeouts.iter().filter(move |t| t.start.is_some() || known.insert(Question::of(t)))
}

/// Lines that ask the same.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) join: Join,
    /// All that fits them; nothing where they were left out.
    pub(crate) runs: Vec<Run>,
    /// The gateway asked for their upstream's link address in vain.
    pub(crate) in_vain: bool,
}

/// The lines of a run by what they ask.
#[derive(Default)]
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

/// What the classes of a run's lines rest on.
pub(crate) struct Asked<'a, V> {
    pub(crate) timeouts: &'a [Timeout],
    pub(crate) search: &'a Search<'a>,
    /// Logs whose zone is not known.
    pub(crate) unzoned: &'a BTreeSet<SourceId>,
    /// Whether the gateway asked for the upstream's link address in vain.
    pub(crate) in_vain: V,
}

impl<V: Fn(&Timeout, &Join) -> bool> Asked<'_, V> {
    /// The class of a line, and what fits it; where it is left out, that anything does.
    fn class(&self, timeout: &Timeout, lines: &mut Lines, left_out: bool) -> Class {
        let (edges, mut join) = self.search.of(timeout);
        // The access log's `$msec` needs no zone.
        if timeout.start.is_none() && self.unzoned.contains(&timeout.location.source) {
            join.clock = LogClock::Unknown;
        }
        join.assigned = !left_out || edges.is_empty();
        let in_vain = edges.is_empty() && (self.in_vain)(timeout, &join);
        let runs = if join.assigned { lines.hold(edges) } else { Vec::new() };
        Class { join, runs, in_vain }
    }
}

impl Classes {
    /// Looks for what fits the lines, and enters them in `lines`. Where that takes more than `room`
    /// places, nothing fits those about some upstreams there ([`room`]).
    pub(crate) fn new<V: Fn(&Timeout, &Join) -> bool>(
        asked: &Asked<'_, V>,
        lines: &mut Lines,
        room: usize,
    ) -> Self {
        Self::entered(asked, lines, &BTreeSet::new(), room).unwrap_or_else(|| {
            *lines = Lines::default();
            let left_out = room::left_out(asked.timeouts, asked.search, room);
            Self::entered(asked, lines, &left_out, usize::MAX).unwrap_or_default()
        })
    }

    /// `None` where there is not room enough.
    fn entered<V: Fn(&Timeout, &Join) -> bool>(
        asked: &Asked<'_, V>,
        lines: &mut Lines,
        left_out: &BTreeSet<Option<Endpoint>>,
        room: usize,
    ) -> Option<Self> {
        let mut classes: Vec<Class> = Vec::new();
        let mut of = Vec::with_capacity(asked.timeouts.len());
        let mut known: BTreeMap<Question<'_>, usize> = BTreeMap::new();
        let mut counts: BTreeMap<SourceId, (usize, usize)> = BTreeMap::new();
        for timeout in asked.timeouts {
            let mut new = || {
                classes.push(asked.class(timeout, lines, left_out.contains(&timeout.peer)));
                classes.len() - 1
            };
            let number = match timeout.start {
                // To the millisecond hardly any two are alike.
                Some(_) => new(),
                None => *known.entry(Question::of(timeout)).or_insert_with(new),
            };
            if lines.places() > room {
                return None;
            }
            of.push(number);
            let class = classes.get(number)?;
            if !class.in_vain || timeout.kind == TimeoutKind::ConnectUnreachable {
                let count = counts.entry(timeout.location.source).or_default();
                let found = !class.join.assigned || !class.runs.is_empty();
                count.0 += usize::from(class.in_vain || found);
                count.1 += 1;
            }
            let writer = Writer {
                log: timeout.location.source.0,
                worker: timeout.worker,
                read: timeout.kind.is_failure(),
            };
            if asked.search.covers(timeout) {
                lines.push(writer, class.runs.clone());
            } else {
                lines.push_beyond(writer, class.runs.clone());
            }
        }
        let watched =
            counts.into_iter().filter(|(_, (some, all))| some * 2 >= *all).map(|(log, _)| log);
        Some(Self { all: classes, of, watched: watched.collect() })
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
