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
#[derive(Debug)]
pub(crate) struct Recent {
    /// Sender and receiver, and the minute.
    v4: Box<[(u64, i64); 1 << BITS]>,
    /// The same, made when the first comes.
    v6: Vec<((u128, u128), i64)>,
    /// The minute of the last time that was asked for, and its first and last nanosecond: the next
    /// time is of the same, as a rule.
    minute: i64,
    first: i64,
    last: i64,
}

impl Default for Recent {
    fn default() -> Self {
        let v4 = Box::new([(0, NEVER); 1 << BITS]);
        Self { v4, v6: Vec::new(), minute: NEVER, first: i64::MAX, last: i64::MIN }
    }
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
                let place = usize::try_from(place).unwrap_or(0);
                self.v4.get_mut(place).is_none_or(|before| replace(before, (key, minute)))
            }
            Hosts::V6 { from, to } => self.is_new_v6((from, to), minute),
        }
    }

    #[inline(never)]
    fn is_new_v6(&mut self, hosts: (u128, u128), minute: i64) -> bool {
        if self.v6.is_empty() {
            self.v6.resize(1 << BITS, ((0, 0), NEVER));
        }
        let place = FlowMark::of_bits((hosts.0, 0), (hosts.1, 1)).place(BITS);
        self.v6.get_mut(place).is_none_or(|before| replace(before, (hosts, minute)))
    }

    #[inline]
    fn minute_of(&mut self, time: Timestamp) -> i64 {
        let nanos = time.nanos();
        if nanos < self.first || nanos > self.last {
            self.begin_minute(time);
        }
        self.minute
    }

    #[cold]
    fn begin_minute(&mut self, time: Timestamp) {
        self.minute = time.minute();
        let within = time.nanos().rem_euclid(MINUTE);
        self.first = time.nanos().saturating_sub(within);
        self.last = time.nanos().saturating_add(MINUTE - 1 - within);
    }
}

/// Whether there was something else.
#[inline]
fn replace<K: Copy + PartialEq>(before: &mut (K, i64), seen: (K, i64)) -> bool {
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
