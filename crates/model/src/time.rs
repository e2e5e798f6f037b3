//! Points, lengths and intervals of time in whole nanoseconds.
//!
//! A packet has a point in time; a line of an nginx error log has only a whole second, so its time
//! is an [`Interval`]. Arithmetic saturates: a capture can claim any time stamp, and no input may
//! panic.

use core::ops::{Add, Neg, Sub};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. Range: the years 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A signed length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// A half-open interval of time: `start` belongs to it, `end` does not. Never reversed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start: Timestamp,
    end: Timestamp,
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl Timestamp {
    /// The earliest representable point.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest representable point.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From seconds since the epoch and nanoseconds within the second, saturating.
    pub const fn from_parts(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos as i64))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole minutes since the epoch, rounded down.
    #[inline]
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(60 * NANOS_PER_SECOND)
    }

    /// The length of time from `earlier` to `self`, negative when `self` is the earlier one.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The distance between two points, never negative.
    pub const fn distance(self, other: Self) -> Span {
        let span = self.since(other);
        if span.0 < 0 { Span(span.0.saturating_neg()) } else { span }
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From microseconds, saturating.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// From milliseconds, saturating.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From seconds, saturating.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// In nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// In seconds, for people and for JSON. Exact to the nanosecond up to about 104 days.
    #[expect(clippy::cast_precision_loss, reason = "a rendering, not arithmetic")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// `part / whole` of this length, with 128-bit intermediates; zero when `whole` is zero.
    #[must_use]
    pub fn scaled(self, part: i64, whole: i64) -> Self {
        if whole == 0 {
            return Self::ZERO;
        }
        let nanos = i128::from(self.0) * i128::from(part) / i128::from(whole);
        Self(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl Interval {
    /// `[start, end)`; an interval given the wrong way round is empty at `start`.
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The second that begins at `start`: what one error-log time stamp says.
    pub fn second_from(start: Timestamp) -> Self {
        Self::new(start, start + Span::from_secs(1))
    }

    /// Everything within `slack` of `point`.
    pub fn around(point: Timestamp, slack: Span) -> Self {
        Self::new(point - slack, point + slack)
    }

    /// First point inside.
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// First point after it.
    pub const fn end(self) -> Timestamp {
        self.end
    }

    /// `end - start`.
    pub const fn length(self) -> Span {
        self.end.since(self.start)
    }

    /// Whether the point lies inside.
    pub fn contains(self, point: Timestamp) -> bool {
        self.start <= point && point < self.end
    }

    /// Whether all of `other` lies inside.
    pub fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Whether the two share a point.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The smallest interval that covers both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// `early` more before it and `late` more after it.
    #[must_use]
    pub fn widened(self, early: Span, late: Span) -> Self {
        Self::new(self.start - early, self.end + late)
    }

    /// The same interval moved by `span`.
    #[must_use]
    pub fn shifted(self, span: Span) -> Self {
        Self { start: self.start + span, end: self.end + span }
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Span {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_panicking() {
        assert_eq!(Timestamp::MAX + Span::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN - Span::from_secs(1), Timestamp::MIN);
        assert_eq!(Timestamp::from_parts(i64::MAX, 1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.distance(Timestamp::MAX), Span(i64::MAX));
        assert_eq!(-Span(i64::MIN), Span(i64::MAX));
    }

    #[test]
    fn an_interval_is_half_open_and_never_reversed() {
        let second = Interval::second_from(Timestamp::from_parts(10, 0));
        assert!(second.contains(Timestamp::from_parts(10, 0)));
        assert!(second.contains(Timestamp::from_parts(10, 999_999_999)));
        assert!(!second.contains(Timestamp::from_parts(11, 0)));
        let reversed = Interval::new(Timestamp::from_parts(2, 0), Timestamp::from_parts(1, 0));
        assert_eq!(reversed.length(), Span::ZERO);
        assert!(!second.overlaps(second.shifted(Span::from_secs(1))));
    }

    #[test]
    fn scaling_does_not_overflow() {
        assert_eq!(Span::from_secs(3600).scaled(60, 1_000_000), Span::from_millis(216));
        assert_eq!(Span(i64::MAX).scaled(2, 1), Span(i64::MAX));
        assert_eq!(Span(5).scaled(1, 0), Span::ZERO);
    }
}
