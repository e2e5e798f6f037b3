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
/// Width of a vote: the precision of an access-log start.
const BIN: i64 = 10_000_000;
/// Fewer pairs than this agree by chance.
const VOTES_MIN: usize = 5;
/// The winner needs this many times the votes of any other skew.
const MARGIN: usize = 3;

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
        votes: usize,
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

    /// The skew that the starts of the access log and the SYNs to the same upstreams share.
    pub(crate) fn vote<'a>(
        timeouts: &[Timeout],
        attempts: impl Iterator<Item = &'a Attempt>,
    ) -> Self {
        let mut syns: BTreeMap<Endpoint, Vec<Timestamp>> = BTreeMap::new();
        for attempt in attempts {
            syns.entry(attempt.flow().server).or_default().push(attempt.first_syn());
        }
        for times in syns.values_mut() {
            times.sort_unstable();
        }
        let mut bins: BTreeMap<i64, usize> = BTreeMap::new();
        for timeout in timeouts {
            let (Some((start, _)), Some(peer)) = (timeout.start, timeout.peer) else { continue };
            let began = start.start() + start.length().scaled(1, 2);
            let times = syns.get(&peer).map(Vec::as_slice).unwrap_or_default();
            let from = times.partition_point(|t| *t < began - SEARCHED);
            for time in times.iter().skip(from).take_while(|t| **t <= began + SEARCHED) {
                *bins.entry(time.since(began).nanos().div_euclid(BIN)).or_default() += 1;
            }
        }
        Self::winner(&bins)
    }

    fn winner(bins: &BTreeMap<i64, usize>) -> Self {
        // A skew near the edge of a bin spreads over two: neighbours vote together.
        let around = |bin: i64| -> usize { bins.range(bin - 1..=bin + 1).map(|(_, n)| n).sum() };
        let Some((&best, _)) = bins.iter().max_by_key(|(bin, n)| (**n, -bin.abs())) else {
            return Self::Unknown;
        };
        let votes = around(best);
        let rival = bins
            .keys()
            .filter(|bin| (**bin - best).abs() > 3)
            .map(|bin| around(*bin))
            .max()
            .unwrap_or(0);
        if votes >= VOTES_MIN && votes >= rival.saturating_mul(MARGIN) {
            Self::Aligned { skew: Span::from_nanos(best * BIN + BIN / 2), votes }
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_winner_is_applied_and_a_tie_is_not() {
        let clear = BTreeMap::from([(-322, 12), (-321, 3), (40, 2), (7000, 1)]);
        assert_eq!(
            LogClock::winner(&clear),
            LogClock::Aligned { skew: Span::from_millis(-3215), votes: 15 }
        );
        let tie = BTreeMap::from([(0, 9), (100, 8)]);
        assert_eq!(LogClock::winner(&tie), LogClock::Unknown);
        let few = BTreeMap::from([(0, 4)]);
        assert_eq!(LogClock::winner(&few), LogClock::Unknown);
        assert_eq!(LogClock::winner(&BTreeMap::new()), LogClock::Unknown);
    }
}
