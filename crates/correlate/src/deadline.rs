//! When nginx gave up.

use why504_model::{Interval, Span, TimeLimit, Timeout, Timestamp};

/// A busy event loop fires a timer late; 91 ms was seen on a real gateway.
pub(crate) const STALL: Span = Span::from_millis(200);
/// A timer counts from the cached time of the loop's start, so it may fire early by that staleness.
pub(crate) const EARLY: Span = Span::from_millis(20);
/// nginx documents that a connect timeout "cannot usually exceed 75 seconds"
/// (`ngx_http_proxy_module`); the bound where nothing is known.
pub(crate) const LONGEST: Span = Span::from_secs(75);

/// The moment until which an answer was of use, as an interval on the clock of the point nearest
/// the client. Without a log there is none: an attempt then has until the end of the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Earliest and latest moment at which the connect may have been given up.
    pub within: Interval,
}

impl Deadline {
    /// The deadline of an attempt that began at `first_syn` and that this line may be about.
    /// `skew` is the capture's clock minus the log's.
    pub(crate) fn of(timeout: &Timeout, first_syn: Timestamp, skew: Span) -> Self {
        let logged = timeout.logged.shifted(skew).widened(EARLY, EARLY);
        let by_limits = timeout
            .limits
            .iter()
            .map(|limit| after(first_syn, limit))
            .filter(|end| end.overlaps(logged))
            .reduce(Interval::hull);
        let within = match by_limits {
            Some(end) => {
                Interval::new(end.start().max(logged.start()), end.end().min(logged.end()))
            }
            None => logged,
        };
        Self { within }
    }
}

/// When a timer of this length, started at `start`, fires.
pub(crate) fn after(start: Timestamp, limit: &TimeLimit) -> Interval {
    Interval::new(start + limit.at_least - EARLY, start + limit.at_most + STALL)
}
