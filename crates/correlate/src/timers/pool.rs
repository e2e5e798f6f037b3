//! Lines, and the attempts that they may be about, held against each other under a length.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_handshake::{Attempt, PointId};
use why504_model::{Endpoint, Interval, Span, TimeLimit, Timeout, Timestamp};

use crate::LogClock;
use crate::candidates::{could_fire, plausible};
use crate::deadline::{EARLY, LONGEST, after};
use crate::facts::Asked;
use crate::search::Search;
use crate::vote::{Step, Votes, differences};

use super::{MARGIN, RANGE, STRAY_ONE_IN};

/// Blocks of neighbouring lines that are tried, and lines of each; more do not make the answer surer.
const BLOCKS: usize = 5;
const BLOCK: usize = 200;

/// The lines that are tried, and the attempts near them.
pub(super) struct Pool<'a> {
    asked: Asked,
    /// Peer -> its lines' seconds, in order, and the attempts to it, in order.
    peers: Vec<(Vec<Interval>, Vec<&'a Attempt>)>,
    tried: usize,
    /// Seconds in which attempts were looked for, over all peers.
    seconds: f64,
}

impl<'a> Pool<'a> {
    /// `None` where no capture is on the log's own host.
    pub(super) fn of(lines: &[&Timeout], search: &Search<'a>) -> Option<Self> {
        let on_host = |point: PointId| search.clock_at(point) == Some(LogClock::SameHost);
        let mut by_peer: BTreeMap<Option<Endpoint>, Vec<Interval>> = BTreeMap::new();
        let step = lines.len().div_ceil(BLOCKS).max(BLOCK);
        let tried: Vec<&Timeout> =
            lines.chunks(step).flat_map(|block| block.iter().take(BLOCK)).copied().collect();
        for line in &tried {
            by_peer.entry(line.peer).or_default().push(line.logged);
        }
        let asked = Asked::by(tried.first()?.kind);
        let mut pool = Self { asked, peers: Vec::new(), tried: tried.len(), seconds: 0.0 };
        for (peer, mut seconds) in by_peer {
            seconds.sort_unstable_by_key(|second| second.start());
            let mut near: BTreeMap<usize, &Attempt> = BTreeMap::new();
            let mut until = None;
            for second in &seconds {
                let from = second.start() - LONGEST - EARLY;
                let from = until.map_or(from, |until: Timestamp| until.max(from));
                let within = Interval::new(from, second.end().max(from));
                pool.seconds += within.length().as_secs_f64();
                near.extend(search.index.began(peer, within));
                until = Some(within.end());
            }
            let attempts = near.into_values().filter(|a| on_host(a.nearest().point)).collect();
            pool.peers.push((seconds, attempts));
        }
        pool.peers.iter().any(|(_, attempts)| !attempts.is_empty()).then_some(pool)
    }

    /// How many lines are tried.
    pub(super) const fn tried(&self) -> usize {
        self.tried
    }

    /// How many lines can have an attempt each under a length, within the precision of the timer
    /// itself. All windows are as long, so the first attempt that is left is the best choice.
    pub(super) fn explained(&self, limit: &TimeLimit) -> usize {
        let of_peer = |(seconds, attempts): &(Vec<Interval>, Vec<&Attempt>)| {
            let mut left = attempts
                .iter()
                .filter(|attempt| could_fire(self.asked, attempt.nearest(), limit))
                .map(|attempt| attempt.first_syn())
                .peekable();
            let explains = |second: &&Interval| {
                let from = second.start() - limit.at_most - EARLY;
                let to = second.end() - limit.at_least + EARLY;
                while left.next_if(|began| *began < from).is_some() {}
                left.next_if(|began| *began < to).is_some()
            };
            seconds.iter().filter(explains).count()
        };
        self.peers.iter().map(of_peer).sum()
    }

    /// The lengths that remain probable, all but one part in `one_in`; `votes` are all that there are, the
    /// best first.
    pub(super) fn likely(&self, votes: &[(usize, TimeLimit)], one_in: f64) -> Vec<TimeLimit> {
        let Some(&(most, _)) = votes.first() else { return Vec::new() };
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let float = |count: usize| count as f64;
        let attempts: usize = self.peers.iter().map(|(_, attempts)| attempts.len()).sum();
        // Other attempts a second; one at least may be about to come.
        let density = float(attempts.saturating_sub(most).max(1)) / self.seconds.max(1.0);
        // An attempt that is a line's lies in one second; a line without one is a stray.
        let stray = 1.0 / float(STRAY_ONE_IN);
        let a_line = (stray * density / (1.0 - stray)).min(1.0);
        let weight = |&(explained, _): &(usize, TimeLimit)| {
            to_the_power(a_line, most.saturating_sub(explained))
        };
        let all: f64 = votes.iter().map(weight).sum();
        let mut rest = all;
        let mut left = Vec::new();
        for vote in votes {
            if rest * one_in < all {
                break;
            }
            rest -= weight(vote);
            left.push(vote.1);
        }
        left
    }
}

/// A vote of more pairs than this is not taken.
const PAIRS: usize = 2_000_000;
/// A timer fires late by some milliseconds as a matter of course, and hardly ever by more than this: half of
/// what a line's window allows ([`STALL`](crate::deadline::STALL)).
const LATE: Span = Span::from_millis(100);

impl Pool<'_> {
    /// Whether most lines vote for this length, of all lengths that there can be, usual or not: no other
    /// explains more lines, none that is far from it nearly as many, and those that explain as many reach no
    /// further to both sides than they would for just this one, but for a [margin](MARGIN). Where everything
    /// finds an attempt, or the true length is none of the usual ones, this is not so.
    pub(super) fn is_voted_for(&self, length: Span) -> bool {
        let mut votes = Votes::default();
        let mut pairs = 0;
        for (seconds, attempts) in &self.peers {
            let unanswered = attempts.iter().filter(|attempt| went_unanswered(attempt));
            let began: Vec<Timestamp> = unanswered.map(|attempt| attempt.first_syn()).collect();
            for second in seconds {
                let (from, to) = (second.start() - LATE, second.end() + EARLY);
                let first = began.partition_point(|time| *time < from - LONGEST);
                let near = began.iter().skip(first).take_while(|time| **time < to);
                let stretches = differences(near.copied(), (from, to));
                pairs += stretches.len();
                if pairs > PAIRS {
                    return false;
                }
                votes.cast(stretches);
            }
        }
        // An attempt lies before its line: the difference is the length, negated.
        let steps = votes.steps();
        let most = steps.iter().map(|step| step.lines).max().unwrap_or(0);
        let best = || steps.iter().filter(|step| step.lines == most);
        let here = best().any(|step| step.from <= -length && -length <= step.to);
        let from = best().map(|step| -step.to).min().unwrap_or(length);
        let to = best().map(|step| -step.from).max().unwrap_or(length);
        let narrow = from >= length - LATE - MARGIN && to <= length + EARLY + MARGIN;
        let near = |step: &&Step| -step.from >= length - RANGE && -step.to <= length + RANGE;
        let rival =
            steps.iter().filter(|step| !near(step)).map(|step| step.lines).max().unwrap_or(0);
        here && narrow && rival + 1 + most / STRAY_ONE_IN <= most
    }
}

/// Nothing ended this attempt but a timer, as far as was seen.
fn went_unanswered(attempt: &Attempt) -> bool {
    let seen = attempt.nearest();
    !seen.completed() && seen.refusal().is_none() && seen.icmp().is_none()
}

/// `core` has no `powi`.
fn to_the_power(base: f64, exponent: usize) -> f64 {
    core::iter::repeat_n(base, exponent).product()
}

/// Whether nearly all attempts that were never answered find a line under this length.
pub(super) fn attempts_agree(search: &Search<'_>, lines: &[&Timeout], limit: &TimeLimit) -> bool {
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
        for (_, attempt) in search.index.began(peer, span.shifted(-limit.at_most)) {
            if !went_unanswered(attempt) {
                continue;
            }
            let seen = attempt.nearest();
            let ends = |length: Span, slack: Span| second(attempt.first_syn() + length + slack);
            let seconds = ends(limit.at_least, -EARLY)..=ends(limit.at_most, EARLY);
            let mut seconds = seconds.take(3);
            let has_line = seconds.any(|second| logged.contains(&(peer, second)));
            all += 1;
            strays +=
                usize::from(!(has_line && plausible(seen, after(attempt.first_syn(), limit))));
        }
    }
    strays * STRAY_ONE_IN <= all
}
