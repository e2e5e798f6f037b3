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

use why504_handshake::Attempt;
use why504_model::{Interval, SourceId, Span, Timeout, TimeoutKind, Timestamp};

use crate::LogClock;
use crate::absence;
use crate::assign::Lines;
use crate::candidates::{self, Basis};
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

/// In a crowd every line finds some SYN at its moment, by whatever clock. So many lines before and
/// after, taken together, then tell whether more lie there than directly beside.
const CROWD: usize = 200;
/// Where a clock was set, so many lines between one time and the next find their SYNs by the log's clock, or
/// nothing shows that it is the capture's there.
const SHOWN_BY: usize = 10;
/// Of these one in so many may have found its SYN elsewhere.
const SHOWN_FOR_ONE: usize = 5;

/// Windows beside that of the start, in its own lengths.
const BESIDE: [i64; 4] = [-2, -1, 1, 2];

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

/// A dated line.
#[derive(Clone, Copy, Debug)]
struct Dated {
    start: Timestamp,
    found: Found,
    /// A connect failed, so that its SYN must lie there if one was sent.
    connect: bool,
    /// SYNs at the start that the line may be about.
    here: u64,
    /// The same directly beside it.
    beside: [u64; BESIDE.len()],
}

/// Lines by their starts.
type ByTime = Vec<Dated>;

/// The dated lines of each log, and the attempts that lie where one of them began.
#[derive(Debug)]
pub(crate) struct Starts {
    held: BTreeSet<usize>,
    /// Apart by the clock by which a line was looked for: each has to be shown by its own lines.
    by_log: BTreeMap<SourceId, Vec<(LogClock, ByTime)>>,
    /// When a clock was set, in order.
    set: Vec<Timestamp>,
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
        let mut starts = Self { held, by_log: BTreeMap::new(), set: search.set.clone() };
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
            let (here, beside) = starts_near(timeout, start, join.clock, search);
            let connect = failed_connect(timeout);
            let line = Dated { start: start.start(), found, connect, here, beside };
            match log.iter_mut().find(|(clock, _)| *clock == join.clock) {
                Some((_, lines)) => lines.push(line),
                None => log.push((join.clock, alloc::vec![line])),
            }
        }
        for (_, lines) in starts.by_log.values_mut().flatten() {
            lines.sort_by_key(|line| line.start);
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
        let near = start.shifted(clock.skew(timeout)).widened(NEAR, NEAR);
        let reported = timeout.logged.shifted(clock.skew(timeout)).end();
        failed_connect(timeout)
            && search.index.began(timeout.peer, near).any(|(i, attempt)| {
                !self.held.contains(&i)
                    && search.clock_at(attempt.nearest().point) == Some(clock)
                    && search.goes_on(attempt.nearest().point, reported)
                    && may_be(timeout, attempt)
            })
    }

    /// Which clock was set, two captures do not tell. If it was the one that the log is held against, the
    /// lines before or after find their SYNs elsewhere.
    fn holds_since_set(&self, moment: Timestamp, lines: &ByTime) -> bool {
        if self.set.is_empty() {
            return true;
        }
        let piece = |time: Timestamp| self.set.partition_point(|set| *set <= time);
        let beside =
            || lines.iter().filter(|line| line.connect && piece(line.start) == piece(moment));
        let count = |which| beside().filter(|line| line.found == which).count();
        let shown = count(Found::InPlace);
        shown >= SHOWN_BY && count(Found::Elsewhere) * SHOWN_FOR_ONE <= shown
    }

    /// Whether the lines of this log that lie next to a line found their SYNs where they should be.
    /// Also of a log without any start: then nothing is said against it.
    pub(crate) fn agree_near(&self, timeout: &Timeout, clock: LogClock) -> bool {
        let moment = timeout.start.map_or(timeout.logged, |(start, _)| start).start();
        let log = self.by_log.get(&timeout.location.source).into_iter().flatten();
        let Some((_, lines)) = log.into_iter().find(|(of, _)| *of == clock) else {
            return self.set.is_empty();
        };
        let here = lines.partition_point(|line| line.start < moment);
        let around =
            |count: usize| lines.iter().skip(here.saturating_sub(count)).take(2 * count + 1);
        if !stands_out(around(CROWD)) || !self.holds_since_set(moment, lines) {
            return false;
        }
        let count = |which| around(NEIGHBOURS).filter(|line| line.found == which).count();
        let for_one = match clock {
            LogClock::SameHost => IN_PLACE_FOR_ONE,
            LogClock::Aligned { .. } | LogClock::Unknown => IN_PLACE_FOR_ONE_AWAY,
        };
        count(Found::Elsewhere) <= 1 + count(Found::InPlace) / for_one
    }
}

/// A connect failed, by its timer or at once.
fn failed_connect(timeout: &Timeout) -> bool {
    timeout.kind.is_connect_timeout() || candidates::failure(timeout.kind)
}

/// How many SYNs that a line may be about lie at its start, and in the windows beside it.
fn starts_near(
    timeout: &Timeout,
    start: Interval,
    clock: LogClock,
    search: &Search<'_>,
) -> (u64, [u64; BESIDE.len()]) {
    let at = candidates::at_start(start, clock).shifted(clock.skew(timeout));
    let count = |by: i64| {
        let there = at.shifted(at.length().scaled(by, 1));
        let began = search.index.began(timeout.peer, there);
        let here = |attempt: &Attempt| {
            search.clock_at(attempt.nearest().point) == Some(clock) && may_be(timeout, attempt)
        };
        began.filter(|(_, attempt)| here(attempt)).count() as u64
    };
    (count(0), BESIDE.map(count))
}

/// Whether a line may be about an attempt, whenever that was: it went unanswered for a timer, or failed
/// as the line says.
fn may_be(timeout: &Timeout, attempt: &Attempt) -> bool {
    match timeout.kind {
        TimeoutKind::ConnectRefused | TimeoutKind::ConnectUnreachable => {
            candidates::failures(attempt.nearest()).any(|(kind, _)| kind == timeout.kind)
        }
        _ => !absence::was_answered(timeout, attempt),
    }
}

/// Whether the SYNs at the starts of some lines stand out from those beside them: by one for every other
/// line. Where there are few beside, this is not asked: each line then speaks for itself.
fn stands_out<'a>(lines: impl Iterator<Item = &'a Dated>) -> bool {
    let (mut all, mut here, mut beside) = (0_u64, 0_u64, [0_u64; BESIDE.len()]);
    for line in lines {
        all += 1;
        here = here.saturating_add(line.here);
        for (sum, count) in beside.iter_mut().zip(line.beside) {
            *sum = sum.saturating_add(count);
        }
    }
    let beside = beside.into_iter().max().unwrap_or(0);
    beside <= all / 4 || here >= beside.saturating_add(all / 2)
}

/// Whether the attempts of a line were found at the very start that its access line gives.
pub(crate) fn is_in_place(timeout: &Timeout, join: &Join) -> bool {
    timeout.start.is_some()
        && join.window.basis == Basis::AccessLog
        && join.window.widened_by == Span::ZERO
}
