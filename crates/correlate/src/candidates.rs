//! Which attempts a log line may be about: same upstream, right moment, an outcome that the line
//! can report.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::{Attempt, EventKind, PointId, Sighting};
use why504_model::{
    Endpoint, Interval, LimitSource, Span, StartBasis, TimeLimit, Timeout, TimeoutKind, Timestamp,
};

use crate::assign::Edge;
use crate::deadline::{Deadline, EARLY, LONGEST, STALL, after};
use crate::facts::Asked;
use crate::skew::LogClock;

/// Lua code often closes its socket a little after the timeout was logged.
const CLOSE_LATE: Span = Span::from_secs(1);
/// How well a skew between log and capture is known: two bins of 10 ms vote for it together, and some
/// drift hides in them.
const ALIGNED: Span = Span::from_millis(15);
/// A SYN_SENT socket of Linux repeats its SYN after 1 s, then at the latest after twice the time
/// that has passed (`TCP_TIMEOUT_INIT`, exponential backoff); timers run up to 5 % late.
const FIRST_REPEAT: Span = Span::from_millis(1150);

/// Where the window for the SYN came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The access line's millisecond times.
    AccessLog,
    /// The error line's second and the timeout.
    ErrorLogSecond,
    /// The error line's second; the timeout is not known.
    Inferred,
}

/// The window in which the SYN of a line was looked for (on the log's clock).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First SYN within.
    pub within: Interval,
    /// How much wider it is than the line's own resolution.
    pub widened_by: Span,
    /// What it rests on.
    pub basis: Basis,
}

/// Earliest and latest moment of the event that a line reports.
type End = (Timestamp, Timestamp);

/// Attempts by upstream and time.
pub(crate) struct Index<'a> {
    attempts: &'a [Attempt],
    by_peer: BTreeMap<Endpoint, Vec<usize>>,
    all: Vec<usize>,
}

impl<'a> Index<'a> {
    /// Over attempts that are in order of their first SYN; those for which `usable` is false are
    /// left out.
    pub(crate) fn new(attempts: &'a [Attempt], usable: impl Fn(&Attempt) -> bool) -> Self {
        let mut by_peer: BTreeMap<Endpoint, Vec<usize>> = BTreeMap::new();
        let mut all = Vec::new();
        for (i, attempt) in attempts.iter().enumerate().filter(|(_, a)| usable(a)) {
            for server in attempt.servers() {
                by_peer.entry(server).or_default().push(i);
            }
            all.push(i);
        }
        Self { attempts, by_peer, all }
    }

    /// The point whose clock the attempt's first SYN is on.
    pub(crate) fn point_of(&self, attempt: usize) -> Option<PointId> {
        self.attempts.get(attempt).map(|a| a.nearest().point)
    }

    /// The server of an attempt, as seen nearest the client.
    pub(crate) fn server_of(&self, attempt: usize) -> Option<Endpoint> {
        self.attempts.get(attempt).map(|a| a.flow().server)
    }

    /// Pairs of servers that one attempt was sent to: where an address is rewritten, its first and each
    /// further one.
    pub(crate) fn known_by_several(&self) -> impl Iterator<Item = (Endpoint, Endpoint)> {
        let usable = self.all.iter().filter_map(|&i| self.attempts.get(i));
        usable.flat_map(|attempt| {
            let mut servers = attempt.servers();
            let first = servers.next();
            servers.filter_map(move |other| Some((first?, other)))
        })
    }

    /// Attempts towards a peer (towards anyone when it is not known) that began within.
    pub(crate) fn began(
        &self,
        peer: Option<Endpoint>,
        within: Interval,
    ) -> impl Iterator<Item = (usize, &'a Attempt)> {
        let list = match peer {
            Some(peer) => self.by_peer.get(&peer).map(Vec::as_slice).unwrap_or_default(),
            None => &self.all,
        };
        let attempts = self.attempts;
        let began = |i: usize| attempts.get(i).map(Attempt::first_syn);
        let start = list.partition_point(|&i| began(i) < Some(within.start()));
        list.iter()
            .skip(start)
            .filter_map(move |&i| Some((i, attempts.get(i)?)))
            .take_while(move |(_, a)| a.first_syn() < within.end())
    }
}

/// The candidates of one line, and the window in which they were found. A capture on the gateway's
/// own host shows every SYN that was sent: there an empty narrow window means that the attempt began
/// later, and a wider one is tried. Elsewhere the SYN may just have been lost.
pub(crate) fn candidates(
    index: &Index<'_>,
    timeout: &Timeout,
    clock: LogClock,
) -> (Vec<Edge>, Window) {
    let (skew, complete) = (clock.skew(timeout), clock == LogClock::SameHost);
    let mut windows = windows(timeout, clock).into_iter().take(if complete { 2 } else { 1 });
    let mut last = windows.next().unwrap_or_else(|| by_second(timeout));
    loop {
        let edges = within(index, timeout, &last, skew);
        match windows.next() {
            Some(wider) if edges.is_empty() => last = wider,
            _ => return (edges, last),
        }
    }
}

/// The widest window in which the SYN of a line can lie, on the log's clock.
pub(crate) fn widest(timeout: &Timeout) -> Interval {
    // A configured length may not be the one that was in force; a measured one was.
    let measured = |limit: &TimeLimit| limit.source == LimitSource::AccessLog;
    let longest = match timeout.limits.iter().map(|l| l.at_most).max() {
        Some(longest) if timeout.limits.iter().all(measured) => longest,
        _ => LONGEST,
    };
    let by_log = Interval::new(timeout.logged.start() - longest - STALL, timeout.logged.end());
    timeout.start.map_or(by_log, |(start, _)| {
        Interval::new(start.start() - STALL, timeout.logged.end() + EARLY)
    })
}

/// Where the first SYN lies that leaves at a start, on the log's clock.
pub(crate) fn at_start(start: Interval, clock: LogClock) -> Interval {
    match clock {
        LogClock::SameHost => start,
        LogClock::Aligned { .. } | LogClock::Unknown => start.widened(ALIGNED, ALIGNED),
    }
}

/// From the narrowest to the widest.
fn windows(timeout: &Timeout, clock: LogClock) -> Vec<Window> {
    let Some((start, basis)) = timeout.start else { return alloc::vec![by_second(timeout)] };
    let start = at_start(start, clock);
    let exact = Window { within: start, widened_by: Span::ZERO, basis: Basis::AccessLog };
    match basis {
        StartBasis::UpstreamTimes => alloc::vec![exact],
        // A handler may do other things before it connects.
        StartBasis::RequestTime => {
            let within = Interval::new(start.start(), timeout.logged.end());
            let widened_by = within.length() - start.length();
            alloc::vec![exact, Window { within, widened_by, basis: Basis::AccessLog }]
        }
    }
}

fn by_second(timeout: &Timeout) -> Window {
    let (shortest, longest, basis) = match (
        timeout.limits.iter().map(|l| l.at_least).min(),
        timeout.limits.iter().map(|l| l.at_most).max(),
    ) {
        (Some(least), Some(most)) if timeout.kind.is_connect_timeout() => {
            (least, most, Basis::ErrorLogSecond)
        }
        _ => (Span::ZERO, LONGEST, Basis::Inferred),
    };
    let within = Interval::new(
        timeout.logged.start() - longest - STALL,
        timeout.logged.end() - shortest + EARLY,
    );
    Window { within, widened_by: STALL + EARLY, basis }
}

fn within(index: &Index<'_>, timeout: &Timeout, window: &Window, skew: Span) -> Vec<Edge> {
    let asked = Asked::by(timeout.kind);
    index
        .began(timeout.peer, window.within.shifted(skew))
        .flat_map(|(i, attempt)| {
            let found = fits(asked, timeout, attempt, window, skew);
            found.into_iter().map(move |(end, penalty, timer)| Edge {
                attempt: i,
                end,
                penalty,
                timer,
            })
        })
        .collect()
}

/// Whether an attempt can be what the line reports: when that event happened, and how plausible;
/// once for each timer under which it can.
fn fits(
    asked: Asked,
    timeout: &Timeout,
    attempt: &Attempt,
    window: &Window,
    skew: Span,
) -> Vec<(End, u32, u32)> {
    let seen = attempt.nearest();
    let logged = timeout.logged.shifted(skew);
    let once = match asked {
        Asked::Outcome => None,
        Asked::Connect | Asked::Tls | Asked::ConnectOrRead => {
            let known = !timeout.limits.is_empty();
            let fired = fired(timeout, seen, window, skew).into_iter();
            let fits = fired.filter(|(_, deadline, _)| timed_out(asked, known, seen, *deadline));
            return fits.map(|(end, _, timer)| (end, 0, timer)).collect();
        }
        Asked::Read => read_timed_out(timeout.kind, seen, logged),
        Asked::Refused => refusal(seen).and_then(|event| failed_at(event, logged)),
        Asked::Unreachable => seen.last_icmp().and_then(|event| failed_at(event.time, logged)),
        Asked::Failed => {
            let end = refusal(seen).map_or((logged.start(), logged.end()), |at| (at, at));
            (!seen.completed()).then_some((end, 0))
        }
    };
    once.map(|(end, penalty)| (end, penalty, 0)).into_iter().collect()
}

/// nginx logs a failure in the loop iteration in which the RST or ICMP error is read.
fn failed_at(event: Timestamp, logged: Interval) -> Option<(End, u32)> {
    let (earliest, latest) = logged_after(logged);
    (event >= earliest && event < latest).then_some(((event, event), 0))
}

/// Between which moments the packet came that failed a connect, by the time of its line.
pub(crate) fn logged_after(logged: Interval) -> End {
    (logged.start() - STALL, logged.end() + EARLY)
}

/// Whether a line of this kind reports a packet that failed its connect.
pub(crate) const fn failure(kind: TimeoutKind) -> bool {
    matches!(kind, TimeoutKind::ConnectRefused | TimeoutKind::ConnectUnreachable)
}

/// The packets that failed an attempt, each with the kind of line that reports it.
pub(crate) fn failures(seen: &Sighting) -> impl Iterator<Item = (TimeoutKind, Timestamp)> {
    let refused = refusal(seen).map(|at| (TimeoutKind::ConnectRefused, at));
    let icmp = seen.last_icmp().map(|event| (TimeoutKind::ConnectUnreachable, event.time));
    refused.into_iter().chain(icmp)
}

/// What the socket reports as ECONNREFUSED: an acceptable RST, or ICMP port unreachable
/// (`icmp_err_convert`, net/ipv4/icmp.c).
fn refusal(seen: &Sighting) -> Option<Timestamp> {
    let rst = seen.refusal().map(|e| e.time);
    rst.or_else(|| {
        let icmp = seen.last_icmp()?;
        let cause = icmp.icmp?;
        let port_unreachable =
            if cause.reporter.is_ipv4() { (3, 3) } else { (1, 4) } == (cause.kind, cause.code);
        port_unreachable.then_some(icmp.time)
    })
}

/// Whether a timer of this length may have ended this attempt.
pub(crate) fn could_fire(asked: Asked, seen: &Sighting, limit: &TimeLimit) -> bool {
    let deadline = after(seen.first_syn(), limit);
    plausible(seen, deadline) && timed_out(asked, true, seen, deadline)
}

/// Whether a timer which fired within `deadline` may have ended this attempt; `known` says whether
/// that rests on its length.
fn timed_out(asked: Asked, known: bool, seen: &Sighting, deadline: Interval) -> bool {
    if seen.completed() {
        // Without the timer's length any connection that was closed unused would fit.
        let close = seen.client_close().filter(|_| known);
        let at_deadline =
            close.is_some_and(|close| deadline.widened(EARLY, STALL).contains(close.time));
        return match asked {
            Asked::Tls | Asked::ConnectOrRead => at_deadline,
            // A worker that looked too late, or a connection that nobody used: as likely as a SYN that
            // nobody answered, which a request that its user left behind makes as well.
            _ => seen.client_bytes() == 0 && at_deadline,
        };
    }
    // An answer that ends a connect at once would have been logged as a failure, not as a timeout.
    let failed = refusal(seen).or_else(|| seen.icmp().map(|e| e.time));
    failed.is_none_or(|at| at > deadline.start())
}

/// When the timer of this line fired if it was armed for this attempt, for each length that it may
/// have: a point for the order of lines, and the interval within which it lies. Empty when the SYNs
/// contradict all of them.
fn fired(
    timeout: &Timeout,
    seen: &Sighting,
    window: &Window,
    skew: Span,
) -> Vec<(End, Interval, u32)> {
    let first = seen.first_syn();
    let logged = timeout.logged.shifted(skew).widened(STALL, EARLY);
    // With the request's start as the only bound the timer may have been armed at any time since.
    let started_late = window.widened_by > Span::ZERO && window.basis == Basis::AccessLog;
    if timeout.limits.is_empty() || started_late {
        let end = timeout.logged.shifted(skew);
        return plausible(seen, end)
            .then_some(((end.start(), end.end()), end, 0))
            .into_iter()
            .collect();
    }
    let ends = timeout.limits.iter().zip(0..).map(|(limit, timer)| {
        ((first + limit.at_least, first + limit.at_most), after(first, limit), timer)
    });
    ends.filter(|(_, within, _)| within.overlaps(logged) && plausible(seen, *within)).collect()
}

/// The SYNs fit a timer that fired within: a closed socket repeats none, an open one repeats in
/// time.
pub(crate) fn plausible(seen: &Sighting, fired: Interval) -> bool {
    let Some(last) = seen.syns().last() else { return true };
    let waited = last.time.since(seen.first_syn());
    let next_at_latest = seen.first_syn() + waited.scaled(21, 10) + FIRST_REPEAT;
    let answered = seen.events.iter().any(|e| e.kind != EventKind::Syn);
    last.time <= fired.end() && (answered || fired.start() <= next_at_latest)
}

fn read_timed_out(kind: TimeoutKind, seen: &Sighting, logged: Interval) -> Option<(End, u32)> {
    if seen.server_bytes() > 0 {
        return None;
    }
    if !seen.completed() {
        // Seen from the server alone the acknowledgement may be what is missing.
        let answered = seen.syn_acks().next().is_some();
        return answered.then_some(((logged.start(), logged.end()), 1));
    }
    // nginx itself closes in the loop iteration in which the timer fires; Lua code when it likes.
    let earliest = |close: Timestamp| match kind {
        TimeoutKind::UpstreamReadTimeout => close - STALL,
        _ => logged.start().min(close),
    };
    match seen.client_close() {
        Some(close) => logged
            .widened(STALL, CLOSE_LATE)
            .contains(close.time)
            .then_some(((earliest(close.time), close.time), 0)),
        // A FIN that goes out with what was never acknowledged is not seen as one.
        None => Some(((logged.start(), logged.end()), 0)),
    }
}

/// The moments that the judgement of this pairing must look at, on the capture's clock.
pub(crate) fn deadline(timeout: &Timeout, attempt: &Attempt, skew: Span) -> Deadline {
    Deadline::of(timeout, attempt.first_syn(), skew)
}
