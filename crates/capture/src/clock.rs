//! From the time units of a capture to nanoseconds since the epoch.
//!
//! pcap-parser 0.17 refuses every power-of-two resolution, cuts fractions to 32 bits, panics on a
//! negative `if_tsoffset` and reads that option as little-endian in either byte order; none of its
//! time functions is used here.

use why504_model::Timestamp;

/// The length of one time unit: `if_tsresol` (pcapng, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// `10^-n` seconds; 6 is microseconds, 9 nanoseconds, 12 picoseconds. At most 127.
    Decimal(u8),
    /// `2^-n` seconds. At most 127.
    Binary(u8),
}

/// How one interface writes time: units since the epoch, and seconds to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock {
    /// Length of a unit.
    pub resolution: Resolution,
    /// `if_tsoffset`: whole seconds to add to every time stamp, of either sign.
    pub offset_seconds: i64,
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_DIGITS: u8 = 9;

impl Resolution {
    /// From the octet of the option: the top bit tells binary from decimal.
    pub fn from_octet(octet: u8) -> Self {
        let exponent = octet & 0x7f;
        if octet & 0x80 == 0 { Self::Decimal(exponent) } else { Self::Binary(exponent) }
    }

    /// Nanoseconds in `units`, rounded down. A `u64` of whole seconds fits in the result.
    #[inline]
    fn nanos(self, units: u64) -> i128 {
        let units = i128::from(units);
        match self {
            Self::Decimal(digits) if digits <= NANOS_DIGITS => {
                units * 10_i128.pow(u32::from(NANOS_DIGITS - digits))
            }
            // 10^20 is beyond any u64, so what is finer than 10^-29 s is always below 1 ns.
            Self::Decimal(digits) => match 10_i128.checked_pow(u32::from(digits - NANOS_DIGITS)) {
                Some(divisor) => units / divisor,
                None => 0,
            },
            Self::Binary(bits) => units.saturating_mul(NANOS_PER_SECOND) >> bits.min(127),
        }
    }
}

impl Clock {
    /// The clock of an interface that says nothing about it: microseconds since the epoch.
    pub const MICROSECONDS: Self = Self { resolution: Resolution::Decimal(6), offset_seconds: 0 };
    /// Nanoseconds since the epoch.
    pub const NANOSECONDS: Self = Self { resolution: Resolution::Decimal(9), offset_seconds: 0 };

    /// The point in time of `units`, saturating at the ends of [`Timestamp`]'s range.
    #[inline]
    pub fn timestamp(self, units: u64) -> Timestamp {
        let offset = i128::from(self.offset_seconds) * NANOS_PER_SECOND;
        let nanos = self.resolution.nanos(units).saturating_add(offset);
        let limit = if nanos < 0 { i64::MIN } else { i64::MAX };
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(limit))
    }
}

impl std::fmt::Display for Resolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decimal(0) => f.write_str("seconds"),
            Self::Decimal(3) => f.write_str("milliseconds"),
            Self::Decimal(6) => f.write_str("microseconds"),
            Self::Decimal(9) => f.write_str("nanoseconds"),
            Self::Decimal(12) => f.write_str("picoseconds"),
            Self::Decimal(digits) => write!(f, "10^-{digits} s"),
            Self::Binary(bits) => write!(f, "2^-{bits} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(octet: u8, offset_seconds: i64, units: u64) -> i64 {
        Clock { resolution: Resolution::from_octet(octet), offset_seconds }.timestamp(units).nanos()
    }

    #[test]
    fn decimal_resolutions() {
        assert_eq!(nanos(0, 0, 7), 7_000_000_000);
        assert_eq!(nanos(6, 0, 1_700_000_000_123_456), 1_700_000_000_123_456_000);
        assert_eq!(nanos(9, 0, 1_700_000_000_123_456_789), 1_700_000_000_123_456_789);
    }

    /// pcap-parser gives 3567587327 for the fraction of this one.
    #[test]
    fn picoseconds_keep_their_fraction() {
        assert_eq!(nanos(12, 0, 1_999_999_999_999), 1_999_999_999);
    }

    /// pcap-parser knows no power-of-two resolution.
    #[test]
    fn binary_resolutions() {
        assert_eq!(nanos(0x80, 0, 3), 3_000_000_000);
        assert_eq!(nanos(0x83, 0, 9), 1_125_000_000);
        assert_eq!(nanos(0x8a, 0, 1536), 1_500_000_000);
        assert_eq!(nanos(0xa0, 0, (1 << 32) + (1 << 31)), 1_500_000_000);
    }

    /// pcap-parser panics on a negative offset.
    #[test]
    fn offsets_have_a_sign() {
        assert_eq!(nanos(6, -3600, 3_600_000_000), 0);
        assert_eq!(nanos(6, 10, 1), 10_000_001_000);
    }

    #[test]
    fn nothing_overflows() {
        for octet in 0..=u8::MAX {
            for offset in [i64::MIN, -1, 0, 1, i64::MAX] {
                for units in [0, 1, u64::MAX] {
                    nanos(octet, offset, units);
                }
            }
        }
        assert_eq!(nanos(0, 0, u64::MAX), i64::MAX);
        assert_eq!(nanos(9, i64::MIN, 1), i64::MIN);
        assert_eq!(nanos(127, 0, u64::MAX), 0);
        assert_eq!(nanos(0xff, 0, u64::MAX), 0);
    }
}
