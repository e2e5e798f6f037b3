//! The starts that an access log gives, held against the SYNs that were captured, over the whole log.
//!
//! A line whose start is known to the millisecond finds its SYN at that moment, or no SYN was sent, or
//! it began later than the request did (a handler worked first, a worker stood still), or the capture
//! is not by the log's clock. Of these the last makes wrong verdicts: the SYNs of others lie where the
//! line's own should be. It shows, because most lines then find nothing at their moment while SYNs
//! that are nobody's lie near. Where more than a few do, no verdict nearby in time is sure.
//!
//! What becomes of such lines is not decided here.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Interval, SourceId, Span, Timeout, Timestamp};

use crate::LogClock;
use crate::absence;
use crate::assign::Lines;
use crate::candidates::Basis;
use crate::classes::Classes;
use crate::search::{Join, Search};

/// How far from a start a SYN that is nobody's is looked for. Clocks that differ by more than this are
/// found by the vote of all starts ([`LogClock`]).
const NEAR: Span = Span::from_secs(1);
/// So many dated lines of the log, before and after, say whether its starts can be trusted there.
const NEIGHBOURS: usize = 25;
/// Among them one may have found its SYN elsewhere, and one more for so many that found it in place:
/// on the gateway's host, where every SYN that is sent shows when it was sent.
const IN_PLACE_FOR_ONE: usize = 25;
/// Away from it, where first SYNs are lost or late as a matter of course, and the vote of all starts
/// has shown the clock.
const IN_PLACE_FOR_ONE_AWAY: usize = 8;

/// Where a dated line found its SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// At the start that the access log gives.
    InPlace,
    /// Not there, though one that is nobody's lies near.
    Elsewhere,
    /// Neither: none was sent, or it shows nothing.
    Nowhere,
}

/// Lines by their starts.
type ByTime = Vec<(Timestamp, Found)>;

/// The dated lines of each log, and the attempts that lie where one of them began.
#[derive(Debug)]
pub(crate) struct Starts {
    held: BTreeSet<usize>,
    /// Apart by the clock by which a line was looked for: each has to be shown by its own lines.
    by_log: BTreeMap<SourceId, Vec<(LogClock, ByTime)>>,
}

impl Starts {
    /// Of all lines of a run, with the attempts that fit each and how they were found.
    pub(crate) fn new(
        timeouts: &[Timeout],
        fitting: &Lines,
        classes: &Classes,
        search: &Search<'_>,
    ) -> Self {
        let join = |i| classes.of(i).map(|class| &class.join);
        let lines = || timeouts.iter().enumerate().filter_map(|(i, t)| Some((i, t, join(i)?)));
        let in_place = lines().filter(|(_, timeout, join)| is_in_place(timeout, join));
        let held = in_place.flat_map(|(i, ..)| fitting.attempts_of(i)).collect();
        let mut starts = Self { held, by_log: BTreeMap::new() };
        for (i, timeout, join) in lines() {
            let Some((start, _)) = timeout.start else { continue };
            let found = if fitting.attempts_of(i).next().is_some() && is_in_place(timeout, join) {
                Found::InPlace
            } else if starts.has_one_near(timeout, start, join.clock, search) {
                Found::Elsewhere
            } else {
                Found::Nowhere
            };
            let log = starts.by_log.entry(timeout.location.source).or_default();
            let line = (start.start(), found);
            match log.iter_mut().find(|(clock, _)| *clock == join.clock) {
                Some((_, lines)) => lines.push(line),
                None => log.push((join.clock, alloc::vec![line])),
            }
        }
        for (_, lines) in starts.by_log.values_mut().flatten() {
            lines.sort_by_key(|(time, _)| *time);
        }
        starts
    }

    /// Whether a SYN that is nobody's lies near a start, which this line may be about. One that
    /// began shortly before the capture's end may fit no line because of that.
    fn has_one_near(
        &self,
        timeout: &Timeout,
        start: Interval,
        clock: LogClock,
        search: &Search<'_>,
    ) -> bool {
        let near = start.shifted(clock.skew()).widened(NEAR, NEAR);
        let reported = timeout.logged.shifted(clock.skew()).end();
        timeout.kind.is_connect_timeout()
            && search.index.began(timeout.peer, near).any(|(i, attempt)| {
                !self.held.contains(&i)
                    && search.clock_at(attempt.nearest().point) == Some(clock)
                    && search.goes_on(attempt.nearest().point, reported)
                    && !absence::was_answered(timeout, attempt)
            })
    }

    /// Whether the lines of this log that lie next to a line found their SYNs where they should be.
    /// Also of a log without any start: then nothing is said against it.
    pub(crate) fn agree_near(&self, timeout: &Timeout, clock: LogClock) -> bool {
        let moment = timeout.start.map_or(timeout.logged, |(start, _)| start).start();
        let log = self.by_log.get(&timeout.location.source).into_iter().flatten();
        let Some((_, lines)) = log.into_iter().find(|(of, _)| *of == clock) else { return true };
        let here = lines.partition_point(|(time, _)| *time < moment);
        let near = lines.iter().skip(here.saturating_sub(NEIGHBOURS)).take(2 * NEIGHBOURS + 1);
        let count = |which| near.clone().filter(|(_, found)| *found == which).count();
        let for_one = match clock {
            LogClock::SameHost => IN_PLACE_FOR_ONE,
            LogClock::Aligned { .. } | LogClock::Unknown => IN_PLACE_FOR_ONE_AWAY,
        };
        count(Found::Elsewhere) <= 1 + count(Found::InPlace) / for_one
    }
}

/// Whether the attempts of a line were found at the very start that its access line gives.
pub(crate) fn is_in_place(timeout: &Timeout, join: &Join) -> bool {
    timeout.start.is_some()
        && join.window.basis == Basis::AccessLog
        && join.window.widened_by == Span::ZERO
}
