//! Which attempts fit a line, over all capture points.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::{Attempt, Coverage, PointId};
use why504_model::{Span, Timeout, Timestamp};

use crate::LogClock;
use crate::assign::Edge;
use crate::candidates::{self, Index, Window};
use crate::deadline::{LONGEST, STALL};
use crate::pin::ClockPin;
use crate::view::Points;

/// How the candidates were found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Join {
    /// The window for the first SYN, on the log's clock.
    pub window: Window,
    /// How the capture's clock relates to the log's.
    pub clock: LogClock,
    /// The connection number of the line (`*N`) names its attempt among those of its window.
    pub numbered: bool,
    /// Its attempt was assigned one to one with those of other lines. Where so many attempts fit so many
    /// lines that this takes too much memory it is not, and any attempt that fits may be the one, or none.
    pub assigned: bool,
}

/// The attempts that lines may be about, and the clocks to look for them by.
pub(crate) struct Search<'a> {
    pub(crate) index: Index<'a>,
    clocks: BTreeMap<PointId, LogClock>,
    /// What failed connects say of the points' clocks.
    pins: BTreeMap<PointId, ClockPin>,
    coverage: &'a BTreeMap<PointId, &'a Coverage>,
    /// When a clock was set while the captures ran, in order.
    pub(crate) set: Vec<Timestamp>,
}

/// A clock that changed by less was not set: packets bound the offset no better everywhere.
const SET_BY: Span = Span::from_millis(10);

impl<'a> Search<'a> {
    pub(crate) fn new(timeouts: &[Timeout], points: Points<'a>) -> Self {
        let attempts = &points.merged.attempts;
        let (clocks, pins) = log_clocks(timeouts, points);
        Self {
            index: Index::new(attempts, |attempt| points.is_home(attempt)),
            clocks,
            pins,
            coverage: points.coverage,
            set: clocks_set(points),
        }
    }

    /// How the clock of a point relates to the log's.
    pub(crate) fn clock_at(&self, point: PointId) -> Option<LogClock> {
        self.clocks.get(&point).copied()
    }

    /// How the clock of each point relates to the log's, and what failed connects say of it.
    pub(crate) fn clocks(&self) -> BTreeMap<PointId, (LogClock, Option<ClockPin>)> {
        let with_pin = |(&point, &clock)| (point, (clock, self.pins.get(&point).copied()));
        self.clocks.iter().map(with_pin).collect()
    }

    /// Whether some capture holds all of the time in which a line's attempt may have begun.
    pub(crate) fn covers(&self, timeout: &Timeout) -> bool {
        let longest = timeout.limits.iter().map(|limit| limit.at_most).max().unwrap_or(LONGEST);
        let spans = self.coverage.values().filter_map(|coverage| coverage.span);
        let mut spans =
            spans.filter(|span| span.start() <= timeout.logged.start() - longest - STALL);
        spans.any(|span| span.end() >= timeout.logged.end())
    }

    /// Whether the capture of a point went on until this moment.
    pub(crate) fn goes_on(&self, point: PointId, until: Timestamp) -> bool {
        let span = self.coverage.get(&point).and_then(|coverage| coverage.span);
        span.is_some_and(|span| span.end() >= until)
    }

    /// The candidates of a line: those of all points on the hosts of clients together (they show
    /// every SYN that was sent, and which log is of which host is not known), else those of the
    /// first other point that has any.
    pub(crate) fn of(&self, timeout: &Timeout) -> (Vec<Edge>, Join) {
        let on_hosts = |clock: &LogClock| *clock == LogClock::SameHost;
        let mut found = None;
        if self.clocks.values().any(on_hosts) {
            found = Some(self.seen_at(timeout, LogClock::SameHost, |point| {
                self.clocks.get(&point).is_some_and(on_hosts)
            }));
        }
        for (&point, &clock) in self.clocks.iter().filter(|(_, clock)| !on_hosts(clock)) {
            if found.as_ref().is_none_or(|(edges, _)| edges.is_empty()) {
                let here = self.seen_at(timeout, clock, |seen| seen == point);
                found = match found {
                    Some(nothing) if here.0.is_empty() => Some(nothing),
                    _ => Some(here),
                };
            }
        }
        let (mut edges, join) =
            found.unwrap_or_else(|| self.seen_at(timeout, LogClock::Unknown, |_| false));
        if timeout.never_sent {
            edges.clear();
        }
        (edges, join)
    }

    fn seen_at(
        &self,
        timeout: &Timeout,
        clock: LogClock,
        at: impl Fn(PointId) -> bool,
    ) -> (Vec<Edge>, Join) {
        let (mut edges, window) = candidates::candidates(&self.index, timeout, clock);
        edges.retain(|edge| self.index.point_of(edge.attempt).is_some_and(&at));
        (edges, Join { window, clock, numbered: false, assigned: true })
    }
}

/// When a point's clock was set, as another point's shows or its own packets do.
fn clocks_set(points: Points<'_>) -> Vec<Timestamp> {
    let against = points.merged.offsets.values().flat_map(|offset| &offset.steps);
    let by_much = against.filter(|step| step.by >= SET_BY || step.by <= -SET_BY);
    let back = points.coverage.values().flat_map(|coverage| coverage.twice());
    let mut set: Vec<Timestamp> =
        by_much.map(|step| step.before).chain(back.map(|twice| twice.start())).collect();
    set.sort_unstable();
    set
}

/// How each point's clock relates to the log's, and what failed connects say of it.
fn log_clocks(
    timeouts: &[Timeout],
    points: Points<'_>,
) -> (BTreeMap<PointId, LogClock>, BTreeMap<PointId, ClockPin>) {
    let mut by_point: BTreeMap<PointId, Vec<&Attempt>> = BTreeMap::new();
    for attempt in &points.merged.attempts {
        by_point.entry(attempt.nearest().point).or_default().push(attempt);
    }
    let (mut clocks, mut pins) = (BTreeMap::new(), BTreeMap::new());
    for (point, attempts) in by_point {
        let same_host = attempts.iter().any(|a| points.at_client(point, a.flow().server));
        let all = || attempts.iter().copied();
        let pin = ClockPin::new(timeouts, all());
        let clock = if same_host {
            LogClock::on_host(timeouts, all(), pin)
        } else {
            LogClock::vote(timeouts, all())
        };
        clocks.insert(point, clock);
        pins.extend(pin.map(|pin| (point, pin)));
    }
    (clocks, pins)
}
