//! TCP sequence numbers.

/// A sequence number. Its order is circular (RFC 9293 section 3.4), so it has no `Ord`; arithmetic
/// wraps and cannot panic on any pair of values that a foreign capture may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// The number `n` octets later.
    #[must_use]
    pub const fn plus(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// The number that follows an ISN: what acknowledges a SYN.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number before this one: the ISN that an `ack` acknowledges.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// Octets from `earlier` to `self` going forward, in `0..2^32`.
    pub const fn distance_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether `self` comes after `other` on the half circle that begins at `other`.
    pub const fn is_after(self, other: Self) -> bool {
        let ahead = self.distance_from(other);
        ahead != 0 && ahead < 1 << 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_circular() {
        assert!(SeqNumber(0).is_after(SeqNumber(u32::MAX)));
        assert!(!SeqNumber(u32::MAX).is_after(SeqNumber(0)));
        assert!(!SeqNumber(7).is_after(SeqNumber(7)));
        assert_eq!(SeqNumber(u32::MAX).next(), SeqNumber(0));
        assert_eq!(SeqNumber(0).previous(), SeqNumber(u32::MAX));
        assert_eq!(SeqNumber(2).distance_from(SeqNumber(u32::MAX)), 3);
    }
}
