//! Which timer was in force where nobody says so, or where several are stated, worked out from lines
//! and attempts.
//!
//! The model: each line has an attempt that began one timer before it, but for one line in
//! [`STRAY_ONE_IN`]; all other attempts fall anywhere, so many a second. Under a length that is not the
//! true one, lines find attempts by chance alone. What is compared is how many lines can have an
//! attempt each, one to one; each line more makes a length likelier by a factor that the density of
//! other attempts sets. All usual lengths are alike beforehand. What remains after all but one in
//! [`WRONG_ONE_IN`] of the probability is told: one length, or a short range of them; anything else
//! leaves it unknown. A busy background explains everything, several timers at once explain each a
//! part.
//!
//! A few lines of another timer are explained by chance, and nothing in the data tells them. So the
//! length is acted upon only where there are many lines and every attempt that nobody answered has its
//! line as well; or where nginx's configuration rules it out, since one location has one
//! `proxy_connect_timeout`: several timers are stated, or the lines of one path vote for one length and for
//! no other, usual or not. Lua code sets its timer for each socket.

mod pool;

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use why504_model::{LimitSource, Span, TimeLimit, Timeout, TimeoutKind};

use crate::search::Search;
use crate::view::Points;
use pool::Pool;

/// Lengths that people set, in milliseconds: nginx's default (60 s) and round numbers. A timer that nobody
/// states is taken to be one of these.
pub const USUAL_TIMERS: [i64; 16] = [
    50, 100, 200, 250, 300, 500, 1000, 1500, 2000, 3000, 5000, 10_000, 15_000, 30_000, 60_000,
    75_000,
];
/// Fewer lines than this tell nothing.
const LINES_TOLD: usize = 3;
/// From so many lines on the length is acted upon.
const LINES_ACTED_UPON: usize = 30;
/// Of so many lines, and of so many attempts, one may be unexplained by the true length.
const STRAY_ONE_IN: usize = 50;
/// What is told leaves out at most one part in so many of the probability. Most answers are much surer
/// than that: of a thousand simulated incidents of each size and background not one in a thousand is
/// to be wrong (docs/accuracy.md), which is how this number was found.
const WRONG_ONE_IN: f64 = 200.0;
/// Of several lengths that remain, the longest less the shortest. Ten lines in whole seconds leave a gap of
/// some 0.2 s on average (docs/accuracy.md), and 200, 300 and 500 ms stand within 0.3.
const RANGE: Span = Span::from_millis(300);
/// A length that lines of one location vote for is no further than this from the true one, whatever that is.
const MARGIN: Span = Span::from_millis(100);
/// What is acted upon because lines of one location say it leaves out one part in so many.
const WRONG_AT_A_LOCATION_ONE_IN: f64 = 1e6;
/// The same where one of several stated timers is to be found for a location.
const OF_A_LOCATION: usize = 10;

/// The timer of a kind of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledTimer {
    /// The lines it is about.
    pub kind: TimeoutKind,
    /// Its length, from shortest to longest; the same where one length is left.
    pub length: (Span, Span),
    /// It is one of several that are stated for these lines.
    pub stated: bool,
    /// Of how many locations the lines are, where each was asked on its own though nothing is stated.
    pub locations: usize,
    /// How many lines there are.
    pub lines: usize,
    /// How many of those that were tried can have an attempt each under this length.
    pub explained: usize,
    /// How many were tried.
    pub tried: usize,
    /// The length that explains most of the others, and how many lines it explains.
    pub runner_up: Option<(Span, usize)>,
    /// The lines were given this length: they are many, and the attempts agree.
    pub acted_upon: bool,
}

/// What the words of a line tell of the location of nginx's configuration that it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineOrigin<L> {
    /// Roughly: the server and the directory of the request's path. It may be several locations.
    pub near: L,
    /// All that selects a location (`ngx_http_core_find_location` looks at the URI alone): lines which share
    /// it are of one.
    pub exact: L,
}

/// Works out the timers of kinds of lines for which nobody stated any, and which of several stated ones
/// a location has, and gives them to the lines where the data is clear. `origin` says where a line comes
/// from. Only captures taken on the log's own host can tell: they show every attempt, on the log's clock.
pub fn settle_timers<L: Ord>(
    timeouts: &mut [Timeout],
    origin: impl Fn(usize) -> LineOrigin<L>,
    points: Points<'_>,
) -> Vec<SettledTimer> {
    let mut open: BTreeMap<(TimeoutKind, Vec<TimeLimit>, Option<L>), Vec<usize>> = BTreeMap::new();
    for (i, timeout) in timeouts.iter().enumerate() {
        let settled = timeout.start.is_some() || timeout.limits.len() == 1;
        let several = !timeout.limits.is_empty();
        let group = match timeout.kind {
            kind if settled || !kind.is_connect_timeout() || timeout.peer.is_none() => continue,
            kind if of_a_location(kind) && several => Some(origin(i).near),
            _ if several => continue,
            _ => None,
        };
        open.entry((timeout.kind, timeout.limits.clone(), group)).or_default().push(i);
    }
    if open.is_empty() {
        return Vec::new();
    }
    let search = Search::new(timeouts, points);
    let mut settled = Vec::new();
    for ((kind, stated, _), lines) in open {
        let question = Question { kind, stated: &stated, at_one_location: false };
        let of_all = settle(question, timeouts, &lines, &search);
        let acted_upon = of_all.as_ref().is_some_and(|timer| timer.acted_upon);
        let asked = of_a_location(kind) && stated.is_empty() && !acted_upon;
        let by_location =
            if asked { by_location(kind, timeouts, lines, &origin, &search) } else { Vec::new() };
        // What the locations say is said in place of what all of them say together.
        settled.extend(of_all.filter(|_| by_location.is_empty()));
        settled.extend(by_location);
    }
    settled
}

/// nginx's own connects: the timer is that of the location (`proxy_connect_timeout` and its like).
const fn of_a_location(kind: TimeoutKind) -> bool {
    matches!(kind, TimeoutKind::UpstreamConnectTimeout | TimeoutKind::UpstreamSslTimeout)
}

/// The same for the lines of each location on their own; those that have one length are told together.
fn by_location<L: Ord>(
    kind: TimeoutKind,
    timeouts: &mut [Timeout],
    lines: Vec<usize>,
    origin: impl Fn(usize) -> LineOrigin<L>,
    search: &Search<'_>,
) -> Vec<SettledTimer> {
    let mut locations: BTreeMap<L, Vec<usize>> = BTreeMap::new();
    for line in lines {
        locations.entry(origin(line).exact).or_default().push(line);
    }
    let mut by_length: BTreeMap<(Span, Span), SettledTimer> = BTreeMap::new();
    for lines in locations.values().filter(|lines| lines.len() >= LINES_ACTED_UPON) {
        let question = Question { kind, stated: &[], at_one_location: true };
        let timer = settle(question, timeouts, lines, search);
        let Some(timer) = timer.filter(|timer| timer.acted_upon) else { continue };
        match by_length.entry(timer.length) {
            Entry::Occupied(mut known) => known.get_mut().add(&timer),
            Entry::Vacant(free) => {
                free.insert(timer);
            }
        }
    }
    by_length.into_values().collect()
}

impl SettledTimer {
    /// Takes in the lines of another location that has the same length.
    fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.explained += other.explained;
        self.tried += other.tried;
        self.locations += other.locations;
        // The next best differs from one to the other.
        self.runner_up = None;
    }
}

const fn inferred(at_least: Span, at_most: Span) -> TimeLimit {
    TimeLimit { at_least, at_most, source: LimitSource::Inferred }
}

/// Which lines are asked for their timer.
#[derive(Clone, Copy)]
struct Question<'q> {
    kind: TimeoutKind,
    /// The lengths that are stated, if any.
    stated: &'q [TimeLimit],
    /// They are of one location, and have one timer.
    at_one_location: bool,
}

/// Works out a timer, and gives it to the lines where that is clear.
fn settle(
    question: Question<'_>,
    timeouts: &mut [Timeout],
    lines: &[usize],
    search: &Search<'_>,
) -> Option<SettledTimer> {
    let group: Vec<&Timeout> = lines.iter().filter_map(|&i| timeouts.get(i)).collect();
    let (timer, limit) = work_out(question, &group, search)?;
    for &i in lines.iter().filter(|_| timer.acted_upon) {
        if let Some(timeout) = timeouts.get_mut(i) {
            timeout.limits = alloc::vec![limit];
        }
    }
    Some(timer)
}

fn work_out(
    question: Question<'_>,
    lines: &[&Timeout],
    search: &Search<'_>,
) -> Option<(SettledTimer, TimeLimit)> {
    let Question { kind, stated, at_one_location } = question;
    if lines.len() < LINES_TOLD {
        return None;
    }
    let usual = || {
        let lengths = USUAL_TIMERS.iter().map(|&ms| Span::from_millis(ms));
        lengths.map(|length| inferred(length, length)).collect()
    };
    let limits: Vec<TimeLimit> = if stated.is_empty() { usual() } else { stated.to_vec() };
    let pool = Pool::of(lines, search)?;
    let mut votes: Vec<(usize, TimeLimit)> =
        limits.iter().map(|limit| (pool.explained(limit), *limit)).collect();
    votes.sort_by_key(|&(explained, limit)| (core::cmp::Reverse(explained), limit));
    let (most, _) = votes.first().copied()?;
    if (pool.tried() - most) * STRAY_ONE_IN > pool.tried() {
        return None;
    }
    let wrong = if at_one_location { WRONG_AT_A_LOCATION_ONE_IN } else { WRONG_ONE_IN };
    let left = pool.likely(&votes, wrong);
    let at_least = left.iter().map(|limit| limit.at_least).min()?;
    let at_most = left.iter().map(|limit| limit.at_most).max()?;
    let one = left.len() == 1;
    if !one && (!stated.is_empty() || at_most - at_least > RANGE) {
        return None;
    }
    let limit = match left.first() {
        // The true length may be a little shorter; one that is longer fires late, for which there is room.
        Some(only) if one && at_one_location => inferred(only.at_least - MARGIN, only.at_most),
        Some(only) if one => *only,
        _ => inferred(at_least, at_most),
    };
    let rival = votes.iter().find(|(_, limit)| !left.contains(limit));
    let runner_up = rival.map(|&(explained, limit)| (limit.at_most, explained));
    let many = pool.tried() >= LINES_ACTED_UPON;
    let acted_upon = match stated {
        [] if at_one_location => one && many && pool.is_voted_for(at_most),
        [] => many && pool::attempts_agree(search, lines, &limit),
        _ => pool.tried() >= OF_A_LOCATION,
    };
    let timer = SettledTimer {
        kind,
        length: (at_least, at_most),
        stated: !stated.is_empty(),
        locations: usize::from(at_one_location),
        lines: lines.len(),
        explained: most,
        tried: pool.tried(),
        runner_up,
        acted_upon,
    };
    Some((timer, limit))
}
