//! The log's clock against a capture's.
//!
//! A capture taken on the gateway's own host shares the log's clock. Any other has to be shown to
//! agree: the millisecond starts of the access log and the SYNs of the same upstreams are held
//! against each other, and the difference that most pairs share is the skew. Nothing is applied
//! that is not clear.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::Attempt;
use why504_model::{Endpoint, Span, Timeout, Timestamp};

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

/// Votes of one bin: how many pairs, and the sum of their differences in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    pairs: u64,
    sum: i64,
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
        /// Pairs of access-log start and SYN that share it.
        votes: u64,
    },
    /// Not shown to agree; taken as equal, and no verdict is sure because of it.
    Unknown,
}

impl LogClock {
    /// Capture clock minus log clock; zero where it is unknown.
    pub const fn skew(self) -> Span {
        match self {
            Self::Aligned { skew, .. } => skew,
            Self::SameHost | Self::Unknown => Span::ZERO,
        }
    }

    /// That of a capture on the very host that wrote the log: one clock, unless its packets plainly
    /// say otherwise (time stamps of a network card, a clock that was set, files whose times were
    /// moved). A SYN does not leave before its request came, and a handler that works for a whole
    /// second first, always the same, is rarer than a wrong clock. In between it may be either.
    pub(crate) fn on_host<'a>(
        timeouts: &'a [Timeout],
        attempts: impl Iterator<Item = &'a Attempt>,
    ) -> Self {
        let every = timeouts.len() / HOST_SAMPLE + 1;
        let asked = || timeouts.iter().step_by(every).filter(|t| t.start.is_some());
        let lines = u64::try_from(asked().count()).unwrap_or(u64::MAX);
        let bins = bins(asked(), attempts);
        match Self::winner(&bins) {
            Self::Aligned { skew, .. } if skew >= -ONE_CLOCK && skew <= ONE_CLOCK => Self::SameHost,
            Self::Aligned { skew, .. } if skew > ONE_CLOCK && skew < LONG_WORK => Self::Unknown,
            // Where the clocks drift apart, a part of the lines shares a skew that others do not.
            Self::Aligned { votes, .. } if votes.saturating_mul(5) < lines.saturating_mul(4) => {
                Self::Unknown
            }
            aligned @ Self::Aligned { .. } => aligned,
            Self::SameHost | Self::Unknown if drifts(&bins) => Self::Unknown,
            Self::SameHost | Self::Unknown => Self::SameHost,
        }
    }

    /// The skew that the starts of the access log and the SYNs to the same upstreams share.
    pub(crate) fn vote<'a>(
        timeouts: &'a [Timeout],
        attempts: impl Iterator<Item = &'a Attempt>,
    ) -> Self {
        let dated = || timeouts.iter().filter(|t| t.start.is_some());
        let every = dated().count() / VOTERS + 1;
        Self::winner(&bins(dated().step_by(every), attempts))
    }

    fn winner(bins: &BTreeMap<i64, Votes>) -> Self {
        // A skew near the edge of a bin spreads over two: neighbours vote together.
        let from = |bin: i64| {
            bins.range(bin..=bin + 1).fold(Votes::default(), |all, (_, votes)| Votes {
                pairs: all.pairs + votes.pairs,
                sum: all.sum.saturating_add(votes.sum),
            })
        };
        let Some(best) = bins.keys().copied().max_by_key(|&bin| (from(bin).pairs, -bin.abs()))
        else {
            return Self::Unknown;
        };
        let votes = from(best);
        let others = bins.keys().filter(|bin| (**bin - best).abs() > 2);
        let rival = others.map(|&bin| from(bin).pairs).max().unwrap_or(0);
        let excess = votes.pairs.saturating_sub(rival).saturating_sub(VOTES_MIN);
        let clear = excess * excess >= DEVIATIONS * DEVIATIONS * rival;
        if votes.pairs >= rival + VOTES_MIN && clear {
            let mean = votes.sum / i64::try_from(votes.pairs).unwrap_or(i64::MAX);
            Self::Aligned { skew: Span::from_nanos(mean), votes: votes.pairs }
        } else {
            Self::Unknown
        }
    }
}

/// Every start of the log against every SYN to the same upstream within the search, in bins.
fn bins<'a>(
    timeouts: impl Iterator<Item = &'a Timeout>,
    attempts: impl Iterator<Item = &'a Attempt>,
) -> BTreeMap<i64, Votes> {
    let mut syns: BTreeMap<Endpoint, Vec<Timestamp>> = BTreeMap::new();
    for attempt in attempts {
        syns.entry(attempt.flow().server).or_default().push(attempt.first_syn());
    }
    for times in syns.values_mut() {
        times.sort_unstable();
    }
    // Pairs are many and bins are not: a place for each is faster than a tree.
    let lowest = (-SEARCHED).nanos().div_euclid(BIN);
    let places = usize::try_from(SEARCHED.nanos() / BIN * 2 + 2).unwrap_or_default();
    let mut dense = alloc::vec![Votes::default(); places];
    for timeout in timeouts {
        let (Some((start, _)), Some(peer)) = (timeout.start, timeout.peer) else { continue };
        let began = start.start() + start.length().scaled(1, 2);
        let times = syns.get(&peer).map(Vec::as_slice).unwrap_or_default();
        let from = times.partition_point(|t| *t < began - SEARCHED);
        for time in times.iter().skip(from).take_while(|t| **t <= began + SEARCHED) {
            let difference = time.since(began).nanos();
            let place = usize::try_from(difference.div_euclid(BIN) - lowest).ok();
            if let Some(bin) = place.and_then(|place| dense.get_mut(place)) {
                bin.pairs += 1;
                bin.sum = bin.sum.saturating_add(difference);
            }
        }
    }
    (lowest..).zip(dense).filter(|(_, votes)| votes.pairs > 0).collect()
}

/// The same pairs in bins that are wider by a factor.
fn coarser(bins: &BTreeMap<i64, Votes>, factor: i64) -> BTreeMap<i64, Votes> {
    let mut coarse: BTreeMap<i64, Votes> = BTreeMap::new();
    for (bin, votes) in bins {
        let wide = coarse.entry(bin.div_euclid(factor)).or_default();
        wide.pairs += votes.pairs;
        wide.sum = wide.sum.saturating_add(votes.sum);
    }
    coarse
}

/// No one skew is shared, but a range of them is, on the side of zero where no handler's work can be.
fn drifts(bins: &BTreeMap<i64, Votes>) -> bool {
    DRIFTED.iter().any(|factor| match LogClock::winner(&coarser(bins, *factor)) {
        LogClock::Aligned { skew, .. } => skew < -ONE_CLOCK || skew >= LONG_WORK,
        LogClock::SameHost | LogClock::Unknown => false,
    })
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
                (bin, Votes { pairs, sum })
            })
            .collect()
    }

    #[test]
    fn a_clear_winner_is_applied_and_a_tie_is_not() {
        let clear = bins(&[(-322, 12), (-321, 4), (40, 2), (7000, 1)]);
        // 12 pairs at -3215 ms and 4 at -3205 ms.
        let skew = Span::from_micros(-3_212_500);
        assert_eq!(LogClock::winner(&clear), LogClock::Aligned { skew, votes: 16 });
        assert_eq!(LogClock::winner(&bins(&[(0, 9), (100, 8)])), LogClock::Unknown);
        assert_eq!(LogClock::winner(&bins(&[(0, 4)])), LogClock::Unknown);
        assert_eq!(LogClock::winner(&bins(&[])), LogClock::Unknown);
    }

    #[test]
    fn clocks_that_drift_apart_meet_in_wider_bins() {
        // 40 pairs each from -400 to -200 ms: no two bins stand out, a range does.
        let smeared: Vec<(i64, u64)> = (-40_i64..-20).map(|bin| (bin, 40)).collect();
        assert_eq!(LogClock::winner(&bins(&smeared)), LogClock::Unknown);
        assert!(drifts(&bins(&smeared)));
        // On the other side of zero it is what handlers do before they connect.
        let worked: Vec<(i64, u64)> = (20_i64..40).map(|bin| (bin, 40)).collect();
        assert!(!drifts(&bins(&worked)));
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
