//! Which pairs of hosts were seen of late, and in which minute: of nearly every segment the like was.
//!
//! A table of few places in the fastest cache, each for the last pair that fell on it. Forgetting costs
//! nothing but telling it again.

use why504_model::{FlowMark, Timestamp};

use crate::glance::Hosts;

/// 2^9 places of 16 octets.
const BITS: u32 = 9;
/// In nanoseconds.
const MINUTE: i64 = 60_000_000_000;
/// No time is of this minute.
const NEVER: i64 = i64::MIN;
/// The fractional part of the golden ratio (Knuth, The Art of Computer Programming, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Sender and receiver, and the minute.
    v4: Vec<(u64, i64)>,
    v6: Vec<((u128, u128), i64)>,
    /// The minute of the last time that was asked for, and its first and last nanosecond: the next
    /// time is of the same, as a rule.
    minute: i64,
    bounds: (i64, i64),
}

impl Recent {
    /// Whether these two are not known to have been seen in this minute; they are from now on.
    #[inline]
    pub(crate) fn is_new(&mut self, hosts: Hosts, time: Timestamp) -> bool {
        let minute = self.minute_of(time);
        match hosts {
            Hosts::V4 { from, to } => {
                let key = u64::from(from) << 32 | u64::from(to);
                let place = key.wrapping_mul(GOLDEN) >> (64 - BITS);
                note(&mut self.v4, usize::try_from(place).unwrap_or(0), (key, minute))
            }
            Hosts::V6 { from, to } => {
                let place = FlowMark::of_bits((from, 0), (to, 1)).place(BITS);
                note(&mut self.v6, place, ((from, to), minute))
            }
        }
    }

    #[inline]
    fn minute_of(&mut self, time: Timestamp) -> i64 {
        let nanos = time.nanos();
        if nanos < self.bounds.0 || nanos > self.bounds.1 || self.bounds == (0, 0) {
            self.minute = time.minute();
            let within = nanos.rem_euclid(MINUTE);
            self.bounds = (nanos.saturating_sub(within), nanos.saturating_add(MINUTE - 1 - within));
        }
        self.minute
    }
}

#[inline]
fn note<K: Copy + Default + PartialEq>(
    table: &mut Vec<(K, i64)>,
    place: usize,
    seen: (K, i64),
) -> bool {
    if table.is_empty() {
        table.resize(1 << BITS, (K::default(), NEVER));
    }
    let Some(before) = table.get_mut(place) else { return true };
    let is_new = *before != seen;
    *before = seen;
    is_new
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is called known was told before, and what was told last is known.
        #[test]
        fn nothing_is_known_that_was_not_told(
            told in prop::collection::vec((0_u32..40, 0_u32..40, any::<bool>(), -3_i64..3), 1..200),
        ) {
            let (mut recent, mut all) = (Recent::default(), std::collections::HashSet::new());
            for (from, to, v6, half_minute) in told {
                let hosts = if v6 {
                    Hosts::V6 { from: from.into(), to: to.into() }
                } else {
                    Hosts::V4 { from, to }
                };
                let time = Timestamp::from_nanos(half_minute * 30_000_000_000);
                let known = !recent.is_new(hosts, time);
                prop_assert!(all.contains(&(from, to, v6, time.minute())) || !known);
                all.insert((from, to, v6, time.minute()));
                prop_assert!(!recent.is_new(hosts, time));
            }
        }

        #[test]
        fn minutes_are_those_of_the_times(times in prop::collection::vec(any::<i64>(), 1..20)) {
            let mut recent = Recent::default();
            for nanos in times.into_iter().flat_map(|n| [n, n.saturating_add(1), i64::MIN, 0, 0]) {
                let time = Timestamp::from_nanos(nanos);
                prop_assert_eq!(recent.minute_of(time), time.minute());
            }
        }
    }
}
