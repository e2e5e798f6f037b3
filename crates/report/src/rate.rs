//! Shares with the interval that is believed: what was counted, for people and for dashboards.

use why504_handshake::Count;

/// The 97.5th percentile of the standard normal distribution: 95 % lie within.
const Z: f64 = 1.959_963_984_540_054;

/// A share and its 95 % interval, all from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Lost over sent.
    pub(crate) share: f64,
    /// Lower end of the interval.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
}

impl Rate {
    /// By the score interval of Wilson (Probable inference, the law of succession, and statistical
    /// inference, JASA 22, 1927), which stays right for few trials and for shares near 0, where the
    /// usual one does not (Brown, Cai, `DasGupta`: Interval estimation for a binomial proportion,
    /// Statistical Science 16, 2001). `None` without trials.
    #[expect(clippy::cast_precision_loss, reason = "counts of connects are far below 2^52")]
    pub(crate) fn of(count: Count) -> Option<Self> {
        if count.trials == 0 {
            return None;
        }
        let (trials, lost) = (count.trials as f64, count.lost.min(count.trials) as f64);
        let share = lost / trials;
        let middle = (lost + Z * Z / 2.0) / (trials + Z * Z);
        let spread = share * (1.0 - share) * trials + Z * Z / 4.0;
        let half = Z / (trials + Z * Z) * spread.sqrt();
        // Rounding must not put the share itself outside.
        Some(Self {
            share,
            low: (middle - half).clamp(0.0, share),
            high: (middle + half).clamp(share, 1.0),
        })
    }
}

/// A share in percent, with two digits that mean something.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p == 0.0 || p >= 9.95 => format!("{p:.0}"),
        p if p >= 0.995 => format!("{p:.1}"),
        p if p >= 0.0995 => format!("{p:.2}"),
        p => format!("{p:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_are_those_of_the_literature() {
        // Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine
        // 17 (1998), table I, method 3.
        for (lost, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let rate = Rate::of(Count { trials, lost }).expect("there are trials");
            assert!((rate.low - low).abs() < 5e-5, "{lost}/{trials}: {rate:?}");
            assert!((rate.high - high).abs() < 5e-5, "{lost}/{trials}: {rate:?}");
        }
        assert_eq!(Rate::of(Count::default()), None);
    }

    #[test]
    fn shares_keep_their_first_digits() {
        for (share, text) in [
            (0.0, "0"),
            (0.000_04, "0.004"),
            (0.0034, "0.34"),
            (0.0151, "1.5"),
            (0.151, "15"),
            (1.0, "100"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_share(trials in 1_u64..1 << 40, lost in 0_u64..1 << 40) {
            let rate = Rate::of(Count { trials, lost: lost.min(trials) }).expect("there are trials");
            prop_assert!(0.0 <= rate.low && rate.low <= rate.share);
            prop_assert!(rate.share <= rate.high && rate.high <= 1.0);
        }
    }
}
