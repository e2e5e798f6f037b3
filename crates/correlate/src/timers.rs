//! Which timer was in force where nobody says so, worked out from lines and attempts.
//!
//! A length is the timer of a kind of line when it explains every line (an attempt to that upstream
//! began so long before) and no other length that people usually set does. Anything else leaves it
//! unknown: a busy background explains everything, several timers at once explain each a part.
//!
//! A few lines of another timer are explained by chance. So the length is told, and acted upon only
//! where there are many lines and every attempt that nobody answered has its line as well.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{
    Endpoint, Interval, LimitSource, Span, TimeLimit, Timeout, TimeoutKind, Timestamp,
};

use crate::LogClock;
use crate::candidates::plausible;
use crate::deadline::{EARLY, after};
use crate::search::Search;
use crate::view::Points;

/// Lengths that people set, in milliseconds: nginx's default (60 s) and round numbers.
const USUAL: [i64; 16] = [
    50, 100, 200, 250, 300, 500, 1000, 1500, 2000, 3000, 5000, 10_000, 15_000, 30_000, 60_000,
    75_000,
];
/// Fewer lines than this tell nothing.
const LINES_TOLD: usize = 8;
/// From so many lines on the length is acted upon.
const LINES_ACTED_UPON: usize = 30;
/// Lines that are tried; more do not make the answer surer.
const SAMPLE: usize = 1000;
/// Of so many lines, and of so many attempts, one may be unexplained by the true length.
const STRAY_ONE_IN: usize = 50;
/// At least so many lines must be left unexplained by every other length.
const REFUTED_BY: usize = 2;

/// The timer of a kind of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledTimer {
    /// The lines it is about.
    pub kind: TimeoutKind,
    /// Its length.
    pub length: Span,
    /// How many lines there are.
    pub lines: usize,
    /// How many of those that were tried find an attempt under this length.
    pub explained: usize,
    /// How many were tried.
    pub tried: usize,
    /// The length that explains most of the others, and how many lines it explains.
    pub runner_up: Option<(Span, usize)>,
    /// The lines were given this length: they are many, and the attempts agree.
    pub acted_upon: bool,
}

/// Works out the timers of kinds of lines for which nobody stated any, and gives them to the lines
/// where the data is clear. Only captures taken on the log's own host can tell: they show every
/// attempt, on the log's clock.
pub fn settle_timers(timeouts: &mut [Timeout], points: Points<'_>) -> Vec<SettledTimer> {
    let mut open: BTreeMap<TimeoutKind, Vec<usize>> = BTreeMap::new();
    for (i, timeout) in timeouts.iter().enumerate() {
        let dated = timeout.start.is_some() || !timeout.limits.is_empty();
        if !dated && timeout.peer.is_some() && timeout.kind.is_connect_timeout() {
            open.entry(timeout.kind).or_default().push(i);
        }
    }
    if open.is_empty() {
        return Vec::new();
    }
    let search = Search::new(timeouts, points);
    let mut settled = Vec::new();
    for (kind, lines) in open {
        let group: Vec<&Timeout> = lines.iter().filter_map(|&i| timeouts.get(i)).collect();
        let Some(timer) = settle(kind, &group, &search) else { continue };
        if timer.acted_upon {
            for &i in &lines {
                if let Some(timeout) = timeouts.get_mut(i) {
                    timeout.limits = alloc::vec![inferred(timer.length)];
                }
            }
        }
        settled.push(timer);
    }
    settled
}

const fn inferred(length: Span) -> TimeLimit {
    TimeLimit { at_least: length, at_most: length, source: LimitSource::Inferred }
}

fn settle(kind: TimeoutKind, lines: &[&Timeout], search: &Search<'_>) -> Option<SettledTimer> {
    let step = lines.len().div_ceil(SAMPLE).max(1);
    let tried = lines.len().div_ceil(step);
    if tried < LINES_TOLD {
        return None;
    }
    let explained = |length: Span| {
        lines.iter().step_by(step).filter(|line| explains(search, line, length)).count()
    };
    let mut votes: Vec<(usize, Span)> =
        USUAL.iter().map(|&ms| Span::from_millis(ms)).map(|l| (explained(l), l)).collect();
    votes.sort_unstable_by(|a, b| b.cmp(a));
    let (most, length) = votes.first().copied()?;
    let runner_up = votes.get(1).map(|&(lines, length)| (length, lines));
    let left = tried - most;
    let left_by_rival = tried - runner_up.map_or(0, |(_, lines)| lines);
    let clear =
        left * STRAY_ONE_IN <= tried && left_by_rival >= REFUTED_BY && left_by_rival >= left * 10;
    clear.then_some(SettledTimer {
        kind,
        length,
        lines: lines.len(),
        explained: most,
        tried,
        runner_up,
        acted_upon: tried >= LINES_ACTED_UPON && attempts_agree(search, lines, length),
    })
}

/// Whether an attempt fits a line under this length, within the precision of the timer itself.
fn explains(search: &Search<'_>, line: &Timeout, length: Span) -> bool {
    let mut probe = line.clone();
    probe.limits = alloc::vec![inferred(length)];
    let (edges, join) = search.of(&probe);
    let logged = line.logged.widened(EARLY, EARLY);
    join.clock == LogClock::SameHost
        && edges.iter().any(|e| e.penalty == 0 && logged.contains(e.end.0))
}

/// Whether nearly all attempts that were never answered find a line under this length.
fn attempts_agree(search: &Search<'_>, lines: &[&Timeout], length: Span) -> bool {
    let second = |time: Timestamp| time.nanos().div_euclid(1_000_000_000);
    let mut logged: BTreeSet<(Option<Endpoint>, i64)> = BTreeSet::new();
    for line in lines {
        logged.insert((line.peer, second(line.logged.start())));
    }
    let Some(span) = lines.iter().map(|line| line.logged).reduce(Interval::hull) else {
        return false;
    };
    let peers: BTreeSet<Option<Endpoint>> = lines.iter().map(|line| line.peer).collect();
    let (mut all, mut strays) = (0_usize, 0_usize);
    for peer in peers {
        for (_, attempt) in search.index.began(peer, span.shifted(-length)) {
            let seen = attempt.nearest();
            if seen.completed() || seen.refusal().is_some() || seen.icmp().is_some() {
                continue;
            }
            let end = after(attempt.first_syn(), &inferred(length));
            let has_line = [-EARLY, EARLY].into_iter().any(|slack| {
                logged.contains(&(peer, second(attempt.first_syn() + length + slack)))
            });
            all += 1;
            strays += usize::from(!(has_line && plausible(seen, end)));
        }
    }
    strays * STRAY_ONE_IN <= all
}
