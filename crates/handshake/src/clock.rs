//! Two capture points' clocks, held against each other by the packets that both saw.
//!
//! A packet from client to server is seen at the server's point after it was seen at the client's,
//! so `server clock - client clock` is at most the difference of its two time stamps; a packet the
//! other way gives a bound from below. The offset is a line between all upper and all lower bounds
//! (Moon, Skelly and Towsley, Infocom 1999), a constant where the data is too short for a slope.

use alloc::vec::Vec;

use why504_model::{Span, Timestamp};

use crate::Side;

/// Slopes are searched up to this drift; quartz clocks stay far below.
const DRIFT_MAX: f64 = 500e-6;
/// Fewer matched packets, or a shorter time, do not carry a slope (simulated: below five handshakes
/// a line is worse than the midpoint).
const LINE_FROM_PACKETS: usize = 20;
const LINE_FROM_SPAN: Span = Span::from_secs(20);

/// `far clock - near clock` as a line in the near point's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockOffset {
    /// Offset at `origin`.
    pub offset: Span,
    /// Change of the offset, seconds a second; 0 when it is taken as constant.
    pub drift: f64,
    /// Half the room between the bounds: the offset is right within this.
    pub uncertainty: Span,
    /// Packets seen at both points.
    pub packets: usize,
    /// The bounds contradict each other by more than a millisecond: a clock was set, or packets
    /// were matched wrongly.
    pub inconsistent: bool,
    origin: Timestamp,
}

/// One packet seen at both points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pairing {
    pub(crate) sender: Side,
    /// Time at the point nearer the client.
    pub(crate) near: Timestamp,
    /// Time at the point nearer the server.
    pub(crate) far: Timestamp,
}

impl ClockOffset {
    /// The offset that the packets allow; `None` without packets in both directions.
    pub(crate) fn estimate(pairings: &[Pairing]) -> Option<Self> {
        let origin = pairings.iter().map(|p| p.near).min()?;
        let end = pairings.iter().map(|p| p.near).max()?;
        let bounds = Bounds::new(pairings, origin);
        if bounds.upper.is_empty() || bounds.lower.is_empty() {
            return None;
        }
        let steady = pairings.len() < LINE_FROM_PACKETS || end.since(origin) < LINE_FROM_SPAN;
        let drift = if steady { 0.0 } else { bounds.best_drift() };
        let (low, high) = bounds.room(drift);
        Some(Self {
            offset: nanos(f64::midpoint(low, high)),
            drift,
            uncertainty: nanos((high - low).abs() / 2.0),
            packets: pairings.len(),
            inconsistent: low - high > 1e6,
            origin,
        })
    }

    /// The offset at a moment of the near clock.
    pub fn at(&self, near: Timestamp) -> Span {
        #[expect(clippy::cast_precision_loss, reason = "ns of a run fit a double to below 1 us")]
        let elapsed = near.since(self.origin).nanos() as f64;
        self.offset + nanos(elapsed * self.drift)
    }

    /// A moment of the far clock on the near clock.
    pub fn to_near(&self, far: Timestamp) -> Timestamp {
        far - self.at(far - self.offset)
    }
}

/// The bounds as points (time, difference) in nanoseconds since `origin`.
struct Bounds {
    upper: Vec<(f64, f64)>,
    lower: Vec<(f64, f64)>,
}

impl Bounds {
    fn new(pairings: &[Pairing], origin: Timestamp) -> Self {
        let of = |side| {
            pairings
                .iter()
                .filter(move |p| p.sender == side)
                .map(|p| {
                    #[expect(clippy::cast_precision_loss, reason = "differences, not epochs")]
                    let ns = |span: Span| span.nanos() as f64;
                    (ns(p.near.since(origin)), ns(p.far.since(p.near)))
                })
                .collect()
        };
        Self { upper: of(Side::Client), lower: of(Side::Server) }
    }

    /// Greatest lower and least upper bound of the offset at the origin under a drift.
    fn room(&self, drift: f64) -> (f64, f64) {
        let low = self.lower.iter().map(|(t, d)| d - drift * t).fold(f64::NEG_INFINITY, f64::max);
        let high = self.upper.iter().map(|(t, d)| d - drift * t).fold(f64::INFINITY, f64::min);
        (low, high)
    }

    /// The slope that leaves most room between the bounds. The room is concave in the slope, so a
    /// ternary search finds it.
    fn best_drift(&self) -> f64 {
        let gap = |drift| {
            let (low, high) = self.room(drift);
            high - low
        };
        let (mut left, mut right) = (-DRIFT_MAX, DRIFT_MAX);
        // 2/3 to the 40th of 1000 ppm is far below a part in 10^9.
        for _ in 0..40 {
            let third = (right - left) / 3.0;
            if gap(left + third) < gap(right - third) {
                left += third;
            } else {
                right -= third;
            }
        }
        f64::midpoint(left, right)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
fn nanos(value: f64) -> Span {
    Span::from_nanos(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Handshakes every `step`, seen over a path of 200 us each way plus jitter, with the far clock
    /// `offset` ahead and drifting.
    fn exchange(n: i64, step: Span, offset: Span, ppm: i64) -> Vec<Pairing> {
        (0..n)
            .flat_map(|i| {
                let near = Timestamp::from_parts(1_000_000, 0)
                    + Span::from_nanos(step.nanos().saturating_mul(i));
                let skew = offset + Span::from_nanos(step.nanos() * i).scaled(ppm, 1_000_000);
                let delay = Span::from_micros(200 + (i * 7919) % 300);
                [
                    Pairing { sender: Side::Client, near, far: near + skew + delay },
                    Pairing { sender: Side::Server, near, far: near + skew - delay },
                ]
            })
            .collect()
    }

    fn error(estimate: &ClockOffset, at: Timestamp, truth: Span) -> i64 {
        (estimate.at(at) - truth).nanos().abs()
    }

    #[test]
    fn a_constant_offset_is_found_within_a_millisecond() {
        let offset = Span::from_millis(-3217);
        let pairs = exchange(5, Span::from_secs(1), offset, 0);
        let found = ClockOffset::estimate(&pairs).unwrap();
        assert!(error(&found, pairs[0].near, offset) < 1_000_000);
        assert!(!found.inconsistent);
        let back = found.to_near(pairs[0].near + offset);
        assert!(back.distance(pairs[0].near) < Span::from_millis(1));
    }

    #[test]
    fn drift_is_followed() {
        for ppm in [-500, -60, 60, 200, 499] {
            let pairs = exchange(600, Span::from_secs(1), Span::from_secs(5), ppm);
            let found = ClockOffset::estimate(&pairs).unwrap();
            let last = pairs.last().unwrap().near;
            let truth = Span::from_secs(5) + Span::from_secs(599).scaled(ppm, 1_000_000);
            assert!(error(&found, last, truth) < 1_000_000, "{ppm} ppm: {found:?}");
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let expected = ppm as f64 * 1e-6;
            assert!((found.drift - expected).abs() < 5e-6, "{ppm} ppm: {found:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_is_reported() {
        let mut pairs = exchange(30, Span::from_secs(1), Span::ZERO, 0);
        pairs.extend(exchange(30, Span::from_secs(1), Span::from_secs(2), 0));
        assert!(ClockOffset::estimate(&pairs).unwrap().inconsistent);
    }

    #[test]
    fn one_direction_bounds_nothing() {
        let pairs = exchange(30, Span::from_secs(1), Span::ZERO, 0);
        let one: Vec<_> = pairs.into_iter().filter(|p| p.sender == Side::Client).collect();
        assert_eq!(ClockOffset::estimate(&one), None);
    }
}
