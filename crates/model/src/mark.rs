//! A quick mark of a 4-tuple, which its two directions share.
//!
//! Whoever follows a few connections among millions of packets asks first whether a packet's mark is
//! that of one of them. It only has to spread: 4-tuples with the same mark make the look-up behind it
//! happen, and nothing else.

use core::net::IpAddr;

use crate::Endpoint;

/// The mark of a 4-tuple, whatever its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowMark(u32);

/// The fractional part of the golden ratio (Knuth, The Art of Computer Programming, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl FlowMark {
    /// The mark of the connections between these two.
    #[inline]
    pub fn of(a: Endpoint, b: Endpoint) -> Self {
        let bits = |end: Endpoint| match end.ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        Self::of_bits((bits(a), a.port), (bits(b), b.port))
    }

    /// The same, from addresses as numbers.
    #[inline]
    pub fn of_bits(a: (u128, u16), b: (u128, u16)) -> Self {
        // A sum is the same in both directions. It is spread before, lest neighbouring ports of
        // neighbouring addresses come to the same, and after, lest ends of equal shape do.
        let sum = spread(end(a)).wrapping_add(spread(end(b)));
        Self((sum.wrapping_mul(GOLDEN) >> 32) as u32)
    }

    /// The place of the mark in a table of `2^bits` (1 to 32).
    #[inline]
    pub fn place(self, bits: u32) -> usize {
        usize::try_from(self.0 >> (32 - bits.clamp(1, 32))).unwrap_or(0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
#[inline]
fn end((address, port): (u128, u16)) -> u64 {
    let (high, low) = ((address >> 64) as u64, address as u64);
    high.wrapping_mul(GOLDEN) ^ low.rotate_left(16) ^ u64::from(port)
}

#[inline]
fn spread(number: u64) -> u64 {
    let product = number.wrapping_mul(GOLDEN);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::collections::BTreeSet;

    #[test]
    fn both_directions_have_one_mark_and_neighbours_have_others() {
        let v4 = |i: u32, port| Endpoint::new(Ipv4Addr::from(0x0a00_0000 + i).into(), port);
        let v6 = |i: u128, port| Endpoint::new(Ipv6Addr::from((0xfd << 120) + i).into(), port);
        let mut places = BTreeSet::new();
        for i in 0..64 {
            for port in 0..64 {
                for (a, b) in [
                    (v4(i, 10_000 + port), v4(7000, 80)),
                    (v6(u128::from(i), 10_000 + port), v6(7000, 80)),
                ] {
                    assert_eq!(FlowMark::of(a, b), FlowMark::of(b, a));
                    places.insert(FlowMark::of(a, b).place(16));
                }
            }
        }
        // 8192 thrown into 65536 places at random: 7700 different ones are expected.
        assert!(places.len() > 7500, "{}", places.len());
    }
}
