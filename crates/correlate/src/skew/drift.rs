//! A capture's clock that runs at another rate than the log's: their difference is a line, not a
//! number. Which line most starts and SYNs share is looked for rate by rate, in bins along the line
//! (P. Hough, US patent 3069654), and then fitted to the pairs that lie on it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::Attempt;
use why504_model::{Endpoint, Span, Timeout, Timestamp};

use super::{BIN, LogClock, Pairs, Votes, binned};

/// Crystals differ by less: 500 millionths, and some room.
const FASTEST: i64 = 520_000;
const BILLION: i64 = 1_000_000_000;
/// Lines over a longer time are not looked at: a rate would have to be known too well.
const LONGEST: Span = Span::from_secs(2 * 3600);
/// More pairs do not make the answer surer, and each is tried at every rate.
const PAIRS_MAX: usize = 100_000;

/// An even change of a skew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Where the skew is as said, on the log's clock.
    pub since: Timestamp,
    /// By how much it grows afterwards: nanoseconds a second.
    pub rate: i64,
}

impl Drift {
    /// None at all.
    pub const NONE: Self = Self { since: Timestamp::from_nanos(0), rate: 0 };

    /// What it has come to at a moment of the log's clock.
    pub(super) fn by(self, moment: Timestamp) -> Span {
        moment.since(self.since).scaled(self.rate, BILLION)
    }
}

/// A start of the log and a SYN that may have been it: when, and how much later the capture says.
#[derive(Clone, Copy)]
struct Pair {
    line: usize,
    start: Timestamp,
    ahead: Span,
}

/// The line that the starts share with the SYNs of the same upstreams, where it is clear.
pub(super) fn line<'a>(
    timeouts: &[&'a Timeout],
    attempts: impl Iterator<Item = &'a Attempt>,
) -> LogClock {
    let moments = || timeouts.iter().filter_map(|t| Some(t.start?.0.start()));
    let (Some(first), Some(last)) = (moments().min(), moments().max()) else {
        return LogClock::Unknown;
    };
    let over = last.since(first);
    let spread = over.scaled(2 * FASTEST, BILLION);
    if over > LONGEST || spread < Span::from_nanos(BIN) {
        return LogClock::Unknown;
    }
    let syns = super::syns(attempts);
    // In bins as wide as any drift, the whole line lies in two neighbours.
    let wide = spread.nanos().max(BIN);
    let LogClock::Aligned { skew, .. } =
        LogClock::winner(&binned(timeouts.iter().copied(), &syns, wide))
    else {
        return LogClock::Unknown;
    };
    let pairs = pairs(timeouts, &syns, skew, Span::from_nanos(wide.saturating_mul(2)));
    let middle = first + over.scaled(1, 2);
    let at = |rate| LogClock::winner(&along(&pairs, Drift { since: middle, rate }));
    // So that a line leaves its bin by half at either end.
    let step = Span::from_nanos(BIN).scaled(BILLION, over.nanos()).nanos().max(1);
    let rates = (-FASTEST / step..=FASTEST / step).map(|n| n * step);
    let best = rates
        .filter_map(|rate| match at(rate) {
            LogClock::Aligned { votes, skew, .. } => Some((votes, -rate.abs(), rate, skew)),
            LogClock::SameHost | LogClock::Unknown => None,
        })
        .max();
    let Some((.., rate, skew)) = best else { return LogClock::Unknown };
    let mut drift = Drift { since: middle, rate };
    let mut line = skew;
    for _ in 0..3 {
        (line, drift) = fitted(&pairs, line, drift);
    }
    // Else one skew says as much.
    if over.scaled(drift.rate.saturating_abs(), BILLION) < Span::from_nanos(BIN) {
        return LogClock::Unknown;
    }
    let on_it = |pair: &&Pair| near(pair, line, drift);
    let mut votes: Vec<usize> = pairs.iter().filter(on_it).map(|pair| pair.line).collect();
    votes.dedup();
    LogClock::Aligned { skew: line, drift, votes: votes.len() as u64 }
}

fn near(pair: &Pair, line: Span, drift: Drift) -> bool {
    let off = pair.ahead - drift.by(pair.start) - line;
    off.nanos().saturating_abs() <= BIN
}

/// Pairs whose difference is near a skew, line by line.
fn pairs(
    timeouts: &[&Timeout],
    syns: &BTreeMap<Endpoint, Vec<Timestamp>>,
    skew: Span,
    around: Span,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (line, timeout) in timeouts.iter().enumerate() {
        let Some(Pairs { start, syns }) = Pairs::of(timeout, syns) else { continue };
        let from = syns.partition_point(|t| *t < start + skew - around);
        let near = syns.iter().skip(from).take_while(|t| **t <= start + skew + around);
        pairs.extend(near.map(|time| Pair { line, start, ahead: time.since(start) }));
        if pairs.len() > PAIRS_MAX {
            return Vec::new();
        }
    }
    pairs
}

/// The pairs in bins along a rate.
fn along(pairs: &[Pair], drift: Drift) -> BTreeMap<i64, Votes> {
    let mut bins: BTreeMap<i64, Votes> = BTreeMap::new();
    let mut last = None;
    for pair in pairs {
        let off = (pair.ahead - drift.by(pair.start)).nanos();
        let bin = off.div_euclid(BIN);
        let here = Some((pair.line, bin));
        bins.entry(bin).or_default().count(off, here != last);
        last = here;
    }
    bins
}

/// The line of least squares through the pairs that lie near one, in whole microseconds: differences
/// are milliseconds, and the sums then stay far below 2^127.
fn fitted(pairs: &[Pair], line: Span, drift: Drift) -> (Span, Drift) {
    let mut count = 0;
    let (mut times, mut squares) = (0_i128, 0_i128);
    let (mut leads, mut products) = (0_i128, 0_i128);
    for pair in pairs.iter().filter(|pair| near(pair, line, drift)) {
        let time = i128::from(pair.start.since(drift.since).nanos() / 1000);
        let lead = i128::from(pair.ahead.nanos() / 1000);
        (count, times, leads) = (count + 1, times + time, leads + lead);
        (squares, products) = (squares + time * time, products + time * lead);
    }
    let under = count * squares - times * times;
    if under == 0 {
        return (line, drift);
    }
    let rate = (count * products - times * leads) * i128::from(BILLION) / under;
    let skew = (leads - times * rate / i128::from(BILLION)) / count;
    match (i64::try_from(rate), i64::try_from(skew)) {
        (Ok(rate), Ok(skew)) => (Span::from_micros(skew), Drift { rate, ..drift }),
        _ => (line, drift),
    }
}
