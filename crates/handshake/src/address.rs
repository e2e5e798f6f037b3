//! A quick hash of addresses, for small tables that every packet looks into.
//!
//! It only has to spread: whoever chooses addresses so that they collide makes the look-up behind
//! it happen, and nothing else.

use core::net::IpAddr;

/// The fractional part of the golden ratio (Knuth, The Art of Computer Programming, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The address as a number, spread over all bits.
pub(crate) fn mix(ip: IpAddr) -> u64 {
    let bits = match ip {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
            let (high, low) = ((bits >> 64) as u64, bits as u64);
            high.rotate_left(29) ^ low
        }
    };
    spread(bits)
}

/// Every bit of the result depends on every bit of `number`.
pub(crate) fn spread(number: u64) -> u64 {
    let product = number.wrapping_mul(GOLDEN);
    (product ^ (product >> 32)).wrapping_mul(GOLDEN)
}

/// The upper `bits` (1 to 32) of a spread number: a place in a table of as many.
pub(crate) fn place(number: u64, bits: u32) -> usize {
    usize::try_from(number >> (64 - bits.clamp(1, 32))).unwrap_or(0)
}
