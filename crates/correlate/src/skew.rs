//! The log's clock against a capture's.
//!
//! A capture taken on the gateway's own host shares the log's clock. Any other has to be shown to
//! agree: the millisecond starts of the access log and the SYNs of the same upstreams are held
//! against each other, and the difference that most pairs share is the skew, or the line that most
//! of them lie on. Nothing is applied that is not clear.

mod drift;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::Attempt;
use why504_model::{Endpoint, Span, Timeout, Timestamp};

use crate::pin::ClockPin;
pub use drift::Drift;

/// Skews are searched this far to both sides.
const SEARCHED: Span = Span::from_secs(600);
/// Width of a bin of votes: the precision of an access-log start.
const BIN: i64 = 10_000_000;
/// Fewer pairs than this agree by chance.
const VOTES_MIN: u64 = 5;
/// Unrelated pairs fall into all bins alike. The winner must exceed the fullest other bins by this
/// many of their standard deviations (a count's is its square root).
const DEVIATIONS: u64 = 5;

/// Lines that vote on a skew; more do not make the answer surer, and each is held against the SYNs of
/// twenty minutes.
const VOTERS: usize = 5000;
/// Lines that are asked whether a host's capture has the clock of its log.
const HOST_SAMPLE: usize = 200;
/// Starts are milliseconds, and the SYN leaves in the same turn of nginx's loop.
const ONE_CLOCK: Span = Span::from_millis(50);
/// Wider bins, in which clocks that drift apart still meet: so many times a bin.
const DRIFTED: [i64; 2] = [5, 25];
/// What a handler may do before it connects takes less.
const LONG_WORK: Span = Span::from_secs(1);

/// Votes of one bin: how many pairs, of how many lines, and the sum of their differences in
/// nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    pairs: u64,
    lines: u64,
    sum: i64,
}

impl Votes {
    /// One pair more, of another line than the last or of the same.
    fn count(&mut self, difference: i64, another_line: bool) {
        self.pairs += 1;
        self.lines += u64::from(another_line);
        self.sum = self.sum.saturating_add(difference);
    }
}

/// How a capture point's clock relates to the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogClock {
    /// The capture was taken on the host that wrote the log.
    SameHost,
    /// Shown to agree up to this skew (capture minus log), by so many pairs.
    Aligned {
        /// Capture clock minus log clock.
        skew: Span,
        /// What is added to it as time goes on.
        drift: Drift,
        /// Pairs of access-log start and SYN that share it.
        votes: u64,
    },
    /// Not shown to agree; taken as equal, and no verdict is sure because of it.
    Unknown,
}

impl LogClock {
    /// Capture clock minus log clock where a line began; zero where it is unknown.
    pub fn skew(self, timeout: &Timeout) -> Span {
        match self {
            Self::Aligned { skew, drift, .. } => {
                let moment = timeout.start.map_or(timeout.logged, |(start, _)| start).start();
                skew + drift.by(moment)
            }
            Self::SameHost | Self::Unknown => Span::ZERO,
        }
    }

    /// That of a capture on the very host that wrote the log: one clock, unless its packets plainly
    /// say otherwise (time stamps of a network card, a clock that was set, files whose times were
    /// moved). A SYN does not leave before its request came, and a handler that works for a whole
    /// second first, always the same, is rarer than a wrong clock. In between it may be either. Where
    /// no starts tell, the lines of failed connects may (`pin`).
    pub(crate) fn on_host<'a>(
        timeouts: &'a [Timeout],
        attempts: impl Iterator<Item = &'a Attempt>,
        pin: Option<ClockPin>,
    ) -> Self {
        let dated: Vec<&Timeout> = timeouts.iter().filter(|t| t.start.is_some()).collect();
        let every = dated.len() / HOST_SAMPLE + 1;
        let asked = || dated.iter().copied().step_by(every);
        let lines = u64::try_from(asked().count()).unwrap_or(u64::MAX);
        let attempts: Vec<&Attempt> = attempts.collect();
        let drifting = || {
            let sampled: Vec<&Timeout> = asked().collect();
            match drift::line(&sampled, attempts.iter().copied()) {
                Self::Aligned { votes, .. } if !most(votes, lines) => Self::Unknown,
                clock => clock,
            }
        };
        let syns = syns(attempts.iter().copied());
        let even = Self::winner(&binned(asked(), &syns, BIN));
        // Where the clocks drift apart, a part of the lines shares a skew that others do not.
        let shared = matches!(even, Self::Aligned { votes, .. } if most(votes, lines));
        if !shared && let aligned @ Self::Aligned { .. } = drifting() {
            return aligned;
        }
        match even {
            Self::Aligned { skew, .. } if skew >= -ONE_CLOCK && skew <= ONE_CLOCK => Self::SameHost,
            Self::Aligned { skew, .. } if skew > ONE_CLOCK && skew < LONG_WORK => Self::Unknown,
            Self::Aligned { .. } if shared => even,
            Self::Aligned { .. } => Self::Unknown,
            Self::SameHost | Self::Unknown => {
                let pinned_elsewhere = pin.is_some_and(|pin| !pin.agrees());
                if pinned_elsewhere || drifts(|width| binned(asked(), &syns, width)) {
                    Self::Unknown
                } else {
                    Self::SameHost
                }
            }
        }
    }

    /// The skew that the starts of the access log and the SYNs to the same upstreams share.
    pub(crate) fn vote<'a>(
        timeouts: &'a [Timeout],
        attempts: impl Iterator<Item = &'a Attempt>,
    ) -> Self {
        let dated: Vec<&Timeout> = timeouts.iter().filter(|t| t.start.is_some()).collect();
        let every = dated.len() / VOTERS + 1;
        let sampled: Vec<&Timeout> = dated.into_iter().step_by(every).collect();
        let attempts: Vec<&Attempt> = attempts.collect();
        let syns = syns(attempts.iter().copied());
        let even = Self::winner(&binned(sampled.iter().copied(), &syns, BIN));
        match (even, drift::line(&sampled, attempts.into_iter())) {
            // A rate is one thing more that can be chosen to fit.
            (Self::Aligned { votes: without, .. }, drifting @ Self::Aligned { votes, .. })
                if votes > without + VOTES_MIN =>
            {
                drifting
            }
            (Self::Unknown, drifting) => drifting,
            (even, _) => even,
        }
    }

    /// The skew that stands out by its pairs or, where many SYNs of one moment make pairs with each
    /// other, by the lines that have one.
    fn winner(bins: &BTreeMap<i64, Votes>) -> Self {
        match Self::standing_out(bins, |votes| votes.pairs) {
            Self::Unknown => Self::standing_out(bins, |votes| votes.lines),
            clock => clock,
        }
    }

    fn standing_out(bins: &BTreeMap<i64, Votes>, count: fn(Votes) -> u64) -> Self {
        // A skew near the edge of a bin spreads over two: neighbours vote together.
        let from = |bin: i64| {
            bins.range(bin..=bin + 1).fold(Votes::default(), |all, (_, votes)| Votes {
                pairs: all.pairs + votes.pairs,
                lines: all.lines + votes.lines,
                sum: all.sum.saturating_add(votes.sum),
            })
        };
        let Some(best) = bins.keys().copied().max_by_key(|&bin| (count(from(bin)), -bin.abs()))
        else {
            return Self::Unknown;
        };
        let all = from(best);
        let votes = count(all);
        let others = bins.keys().filter(|bin| (**bin - best).abs() > 2);
        let rival = others.map(|&bin| count(from(bin))).max().unwrap_or(0);
        let excess = votes.saturating_sub(rival).saturating_sub(VOTES_MIN);
        let clear = excess * excess >= DEVIATIONS * DEVIATIONS * rival;
        if votes >= rival + VOTES_MIN && clear {
            let mean = all.sum / i64::try_from(all.pairs).unwrap_or(i64::MAX);
            Self::Aligned { skew: Span::from_nanos(mean), drift: Drift::NONE, votes }
        } else {
            Self::Unknown
        }
    }
}

/// Four of five.
const fn most(votes: u64, lines: u64) -> bool {
    votes.saturating_mul(5) >= lines.saturating_mul(4)
}

/// No one skew is shared, but a range of them is, on the side of zero where no handler's work can be.
fn drifts(bins: impl Fn(i64) -> BTreeMap<i64, Votes>) -> bool {
    DRIFTED.iter().any(|factor| match LogClock::winner(&bins(factor * BIN)) {
        LogClock::Aligned { skew, .. } => skew < -ONE_CLOCK || skew >= LONG_WORK,
        LogClock::SameHost | LogClock::Unknown => false,
    })
}

/// The SYNs to each upstream, in order of time.
fn syns<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> BTreeMap<Endpoint, Vec<Timestamp>> {
    let mut syns: BTreeMap<Endpoint, Vec<Timestamp>> = BTreeMap::new();
    for attempt in attempts {
        syns.entry(attempt.flow().server).or_default().push(attempt.first_syn());
    }
    for times in syns.values_mut() {
        times.sort_unstable();
    }
    syns
}

/// The start of a line, and the SYNs to its upstream.
struct Pairs<'s> {
    start: Timestamp,
    syns: &'s [Timestamp],
}

impl<'s> Pairs<'s> {
    fn of(timeout: &Timeout, syns: &'s BTreeMap<Endpoint, Vec<Timestamp>>) -> Option<Self> {
        let (start, _) = timeout.start?;
        let syns = syns.get(&timeout.peer?)?;
        Some(Self { start: start.start() + start.length().scaled(1, 2), syns })
    }
}

/// Every start of the log against every SYN to the same upstream within the search, in bins of this
/// many nanoseconds.
fn binned<'a>(
    timeouts: impl Iterator<Item = &'a Timeout>,
    syns: &BTreeMap<Endpoint, Vec<Timestamp>>,
    width: i64,
) -> BTreeMap<i64, Votes> {
    // Pairs are many and bins are not: a place for each is faster than a tree.
    let lowest = (-SEARCHED).nanos().div_euclid(width);
    let places = usize::try_from(SEARCHED.nanos() / width * 2 + 2).unwrap_or_default();
    let mut dense = alloc::vec![Votes::default(); places];
    for timeout in timeouts {
        let Some(Pairs { start, syns }) = Pairs::of(timeout, syns) else { continue };
        let from = syns.partition_point(|t| *t < start - SEARCHED);
        let mut last = None;
        for time in syns.iter().skip(from).take_while(|t| **t <= start + SEARCHED) {
            let difference = time.since(start).nanos();
            let place = usize::try_from(difference.div_euclid(width) - lowest).ok();
            if let Some(bin) = place.and_then(|place| dense.get_mut(place)) {
                bin.count(difference, place != last);
                last = place;
            }
        }
    }
    (lowest..).zip(dense).filter(|(_, votes)| votes.pairs > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bins by number, with the pairs in their middles.
    fn bins(counts: &[(i64, u64)]) -> BTreeMap<i64, Votes> {
        let middle = |bin: i64| bin * BIN + BIN / 2;
        counts
            .iter()
            .map(|&(bin, pairs)| {
                let sum = middle(bin) * i64::try_from(pairs).unwrap();
                (bin, Votes { pairs, lines: pairs, sum })
            })
            .collect()
    }

    #[test]
    fn a_clear_winner_is_applied_and_a_tie_is_not() {
        let clear = bins(&[(-322, 12), (-321, 4), (40, 2), (7000, 1)]);
        // 12 pairs at -3215 ms and 4 at -3205 ms.
        let skew = Span::from_micros(-3_212_500);
        assert_eq!(
            LogClock::winner(&clear),
            LogClock::Aligned { skew, drift: Drift::NONE, votes: 16 }
        );
        assert_eq!(LogClock::winner(&bins(&[(0, 9), (100, 8)])), LogClock::Unknown);
        assert_eq!(LogClock::winner(&bins(&[(0, 4)])), LogClock::Unknown);
        assert_eq!(LogClock::winner(&bins(&[])), LogClock::Unknown);
    }

    /// The same pairs in wider bins.
    fn coarser(bins: &BTreeMap<i64, Votes>, width: i64) -> BTreeMap<i64, Votes> {
        let mut coarse: BTreeMap<i64, Votes> = BTreeMap::new();
        for (bin, votes) in bins {
            let wide = coarse.entry(bin.div_euclid(width / BIN)).or_default();
            wide.pairs += votes.pairs;
            wide.lines += votes.lines;
            wide.sum += votes.sum;
        }
        coarse
    }

    /// A burst of SYNs makes pairs with every line of its minute; each line has one SYN of its own.
    #[test]
    fn a_burst_is_not_taken_for_a_skew() {
        let mut burst: BTreeMap<i64, Votes> =
            (-4000_i64..-3000).map(|bin| (bin, Votes { pairs: 120, lines: 2, sum: 0 })).collect();
        burst.insert(0, Votes { pairs: 145, lines: 145, sum: 0 });
        let skew = Span::ZERO;
        assert_eq!(
            LogClock::winner(&burst),
            LogClock::Aligned { skew, drift: Drift::NONE, votes: 145 }
        );
    }

    #[test]
    fn clocks_that_drift_apart_meet_in_wider_bins() {
        // 40 pairs each from -400 to -200 ms: no two bins stand out, a range does.
        let smeared: Vec<(i64, u64)> = (-40_i64..-20).map(|bin| (bin, 40)).collect();
        assert_eq!(LogClock::winner(&bins(&smeared)), LogClock::Unknown);
        assert!(drifts(|width| coarser(&bins(&smeared), width)));
        // On the other side of zero it is what handlers do before they connect.
        let worked: Vec<(i64, u64)> = (20_i64..40).map(|bin| (bin, 40)).collect();
        assert!(!drifts(|width| coarser(&bins(&worked), width)));
    }

    #[test]
    fn a_busy_background_does_not_hide_the_skew_and_does_not_make_one() {
        let mut busy: Vec<(i64, u64)> =
            (-500_i64..500).map(|bin| (bin, 70 + bin.unsigned_abs() % 25)).collect();
        assert_eq!(LogClock::winner(&bins(&busy)), LogClock::Unknown);
        busy[500] = (0, 489);
        assert!(matches!(LogClock::winner(&bins(&busy)), LogClock::Aligned { .. }));
    }
}
