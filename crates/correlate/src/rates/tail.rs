//! The exact conditional test of Mantel and Haenszel's stratified 2x2 tables: given how many were lost
//! in each stratum, how likely is it that chance puts so many of them into one class?
//!
//! Within a stratum the number that falls into the class is hypergeometric; over strata these are
//! convolved (Mehta, Patel, Gray: Computing an exact confidence interval for the common odds ratio
//! in several 2x2 contingency tables, JASA 80, 1985). Rates may differ between strata as they like.

use alloc::vec;
use alloc::vec::Vec;

use why504_handshake::Count;

/// Terms this small beside the largest are left out: what is left out of a tail, over thousands of
/// strata, stays far below [`LEAST`].
const NEGLIGIBLE: f64 = 1e-22;
/// Probabilities below this are not told apart.
const LEAST: f64 = 1e-15;

/// All trials of a stratum, and those of them in the class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stratum {
    pub(super) all: Count,
    pub(super) class: Count,
}

/// Probabilities of successive numbers, from `first` on.
struct Distribution {
    first: u64,
    terms: Vec<f64>,
}

/// The probability that the class holds as many losses as it does, or more; never below 1e-15.
pub(super) fn upper_tail(strata: &[Stratum]) -> f64 {
    let lost: u64 = strata.iter().map(|stratum| stratum.class.lost).sum();
    let mut sum = Distribution { first: 0, terms: vec![1.0] };
    for stratum in strata {
        sum = sum.plus(&Distribution::of(*stratum));
    }
    let below = usize::try_from(lost.saturating_sub(sum.first)).unwrap_or(usize::MAX);
    let tail: f64 = sum.terms.iter().skip(below).rev().sum();
    tail.clamp(LEAST, 1.0)
}

impl Distribution {
    /// The hypergeometric distribution of a stratum's losses in its class: its terms have ratios of
    /// whole numbers, so they are counted from the most likely one and need no factorial.
    fn of(stratum: Stratum) -> Self {
        let (lost, class) = (stratum.all.lost, stratum.class.trials);
        let others = stratum.all.trials.saturating_sub(class);
        let least = lost.saturating_sub(others);
        let most = lost.min(class);
        let mode = mode(stratum.all.trials, lost, class).clamp(least, most);
        // The ratio of the term at n + 1 to the term at n.
        let ratio = |n: u64| {
            let gain = real(lost - n) * real(class - n);
            gain / (real(n + 1) * real((others + n + 1).saturating_sub(lost)))
        };
        let (mut up, mut down) = (vec![1.0], Vec::new());
        let (mut n, mut term) = (mode, 1.0);
        while n < most && term > NEGLIGIBLE {
            term *= ratio(n);
            n += 1;
            up.push(term);
        }
        (n, term) = (mode, 1.0);
        while n > least && term > NEGLIGIBLE {
            n -= 1;
            term /= ratio(n);
            down.push(term);
        }
        let sum: f64 = up.iter().chain(&down).sum();
        let terms = down.into_iter().rev().chain(up).map(|term| term / sum).collect();
        Self { first: n, terms }
    }

    fn plus(&self, other: &Self) -> Self {
        let length = (self.terms.len() + other.terms.len()).saturating_sub(1);
        let mut terms = vec![0.0; length];
        for (i, one) in self.terms.iter().enumerate() {
            for (sum, another) in terms.iter_mut().skip(i).zip(&other.terms) {
                *sum += one * another;
            }
        }
        let peak = terms.iter().copied().fold(0.0, f64::max);
        let matters = |term: &f64| *term > peak * NEGLIGIBLE;
        let start = terms.iter().position(matters).unwrap_or(0);
        let end = terms.iter().rposition(matters).map_or(0, |last| last + 1);
        terms.truncate(end);
        terms.drain(..start.min(end));
        Self { first: self.first + other.first + start as u64, terms }
    }
}

/// The most likely number of losses in the class: `floor((lost + 1)(class + 1) / (all + 2))`.
fn mode(all: u64, lost: u64, class: u64) -> u64 {
    let product = (u128::from(lost) + 1) * (u128::from(class) + 1);
    u64::try_from(product / (u128::from(all) + 2)).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts of connects are far below 2^52")]
const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stratum(all: u64, lost: u64, class: u64, in_class: u64) -> Stratum {
        Stratum { all: Count { trials: all, lost }, class: Count { trials: class, lost: in_class } }
    }

    #[test]
    fn tails_are_those_of_textbooks() {
        for (strata, expected) in [
            // Fisher's tea: all four of four out of eight, 1 in 70; three or more, 17 in 70.
            (vec![stratum(8, 4, 4, 4)], 1.0 / 70.0),
            (vec![stratum(8, 4, 4, 3)], 17.0 / 70.0),
            (vec![stratum(8, 4, 4, 0)], 1.0),
            // Twice the tea: 8 of 8 is the product, 7 or more adds 2 * 16 / 70^2.
            (vec![stratum(8, 4, 4, 4); 2], 1.0 / 4900.0),
            (vec![stratum(8, 4, 4, 4), stratum(8, 4, 4, 3)], 33.0 / 4900.0),
            // Strata in which all or none were lost say nothing.
            (vec![stratum(8, 4, 4, 4), stratum(5, 5, 2, 2), stratum(9, 0, 3, 0)], 1.0 / 70.0),
            (vec![], 1.0),
        ] {
            let found = upper_tail(&strata);
            assert!((found / expected - 1.0).abs() < 1e-12, "{strata:?}: {found} {expected}");
        }
    }

    #[test]
    fn what_cannot_be_chance_is_not_told_below_the_least() {
        assert!(upper_tail(&[stratum(4000, 300, 1000, 300)]) <= LEAST);
        let million = stratum(1_000_000_000, 50_000, 250_000_000, 12_500);
        let half = upper_tail(&[million]);
        assert!((half - 0.5).abs() < 0.01, "{half}");
    }

    /// All ways to lose `lost` of `all` connects, the first `class` of which are in the class.
    fn by_hand(all: u32, lost: u32, class: u32, in_class: u32) -> f64 {
        let ways: Vec<u32> = (0..1_u32 << all).filter(|set| set.count_ones() == lost).collect();
        let hits = ways.iter().filter(|set| (*set & ((1 << class) - 1)).count_ones() >= in_class);
        f64::from(u32::try_from(hits.count()).unwrap())
            / f64::from(u32::try_from(ways.len()).unwrap())
    }

    proptest! {
        #[test]
        fn one_stratum_is_counted_as_by_hand(all in 1_u32..11, lost in 0_u32..11, class in 0_u32..11, hit in 0_u32..11) {
            let (lost, class) = (lost.min(all), class.min(all));
            let hit = hit.clamp((lost + class).saturating_sub(all), lost.min(class));
            let found = upper_tail(&[stratum(all.into(), lost.into(), class.into(), hit.into())]);
            prop_assert!((found - by_hand(all, lost, class, hit)).abs() < 1e-12);
        }
    }
}
