//! Numbers out of bytes, in either byte order, at a named range; `None` where the bytes end.
//!
//! Container headers come in the byte order of the machine that wrote them; network headers are
//! always big-endian (RFC 1700), for which [`be_u16`] and [`be_u32`] are there.

use std::ops::Range;

/// The byte order of a pcap file or of a pcapng section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ByteOrder {
    /// Least significant octet first.
    Little,
    /// Most significant octet first.
    Big,
}

impl ByteOrder {
    /// The 16-bit number at `at`.
    #[inline]
    pub(crate) fn u16(self, bytes: &[u8], at: Range<usize>) -> Option<u16> {
        let octets = array(bytes, at)?;
        Some(match self {
            Self::Little => u16::from_le_bytes(octets),
            Self::Big => u16::from_be_bytes(octets),
        })
    }

    /// The 32-bit number at `at`.
    #[inline]
    pub(crate) fn u32(self, bytes: &[u8], at: Range<usize>) -> Option<u32> {
        let octets = array(bytes, at)?;
        Some(match self {
            Self::Little => u32::from_le_bytes(octets),
            Self::Big => u32::from_be_bytes(octets),
        })
    }

    /// The 64-bit number at `at`.
    #[inline]
    pub(crate) fn u64(self, bytes: &[u8], at: Range<usize>) -> Option<u64> {
        let octets = array(bytes, at)?;
        Some(match self {
            Self::Little => u64::from_le_bytes(octets),
            Self::Big => u64::from_be_bytes(octets),
        })
    }
}

/// The octet at `at`.
#[inline]
pub(crate) fn octet(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The 16-bit number in network byte order at `at`.
#[inline]
pub(crate) fn be_u16(bytes: &[u8], at: Range<usize>) -> Option<u16> {
    ByteOrder::Big.u16(bytes, at)
}

/// The 32-bit number in network byte order at `at`.
#[inline]
pub(crate) fn be_u32(bytes: &[u8], at: Range<usize>) -> Option<u32> {
    ByteOrder::Big.u32(bytes, at)
}

/// The `N` octets at `at`, which must be `N` long.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: Range<usize>) -> Option<[u8; N]> {
    bytes.get(at)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_and_the_end_of_the_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(ByteOrder::Little.u16(&bytes, 0..2), Some(0x0201));
        assert_eq!(ByteOrder::Big.u16(&bytes, 0..2), Some(0x0102));
        assert_eq!(ByteOrder::Little.u32(&bytes, 4..8), Some(0x0807_0605));
        assert_eq!(ByteOrder::Big.u64(&bytes, 0..8), Some(0x0102_0304_0506_0708));
        assert_eq!(be_u32(&bytes, 5..9), None);
        assert_eq!(octet(&bytes, 8), None);
    }
}
