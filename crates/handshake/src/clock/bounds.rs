//! The line between upper and lower bounds.

use alloc::vec::Vec;

use why504_model::{Span, Timestamp};

use super::Pairing;
use crate::Side;

/// Slopes are searched up to this drift; quartz clocks stay far below.
const DRIFT_MAX: f64 = 500e-6;
/// Fewer packets in either direction (a handshake has one back and two there), or a shorter time,
/// carry no slope: simulated, the midpoint is nearer the truth there than a line.
const LINE_FROM_PACKETS: usize = 5;
const LINE_FROM_SPAN: Span = Span::from_secs(60);
/// Bounds that contradict each other by no more than this are measurement errors, in nanoseconds.
const TOLERANCE: f64 = 1e6;

/// The offset that a run of packets allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// First and last packet, on the near clock.
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// From when until when packets of both directions bound it.
    pub(super) bounded: (Timestamp, Timestamp),
    /// Offset at `start`.
    pub(super) offset: Span,
    pub(super) drift: f64,
    pub(super) uncertainty: Span,
    room: f64,
}

impl Fit {
    /// Of packets in order of time; `None` without packets in both directions.
    pub(super) fn of(packets: &[Pairing]) -> Option<Self> {
        let (start, end) = (packets.first()?.near, packets.last()?.near);
        let bounds = Bounds::new(packets);
        let fewest = bounds.upper.len().min(bounds.lower.len());
        if fewest == 0 {
            return None;
        }
        let steady = fewest < LINE_FROM_PACKETS || end.since(start) < LINE_FROM_SPAN;
        let flat = bounds.room(0.0);
        // A clock that drifts may contradict itself even in a minute.
        let drift = if steady && flat.1 - flat.0 >= 0.0 { 0.0 } else { bounds.best_drift() };
        let (low, high) = bounds.room(drift);
        Some(Self {
            start,
            end,
            bounded: bounded(packets),
            offset: nanos(f64::midpoint(low, high)),
            drift,
            uncertainty: nanos((high - low).abs() / 2.0),
            room: high - low,
        })
    }

    pub(super) fn is_feasible(&self) -> bool {
        self.room >= -TOLERANCE
    }
}

/// The stretch of time at both ends of which there are packets in both directions: beyond it a
/// clock may have been set, and nothing would show it.
fn bounded(packets: &[Pairing]) -> (Timestamp, Timestamp) {
    let of = |side| packets.iter().filter(move |p| p.sender == side).map(|p| p.near);
    let sides = [Side::Client, Side::Server];
    let from = sides.into_iter().filter_map(|side| of(side).min()).max();
    let until = sides.into_iter().filter_map(|side| of(side).max()).min();
    (from.unwrap_or(Timestamp::MAX), until.unwrap_or(Timestamp::MIN))
}

/// The bounds as points (time, difference) in nanoseconds since the first packet.
pub(super) struct Bounds {
    upper: Vec<(f64, f64)>,
    lower: Vec<(f64, f64)>,
}

impl Bounds {
    /// Of packets in order of time.
    pub(super) fn new(packets: &[Pairing]) -> Self {
        let origin = packets.first().map(|p| p.near).unwrap_or_default();
        let of = |side| {
            packets
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

    /// Whether some line within the drift of any clock lies between the bounds.
    pub(super) fn is_feasible(&self) -> bool {
        if self.upper.is_empty() || self.lower.is_empty() {
            return true;
        }
        let fits = |drift| {
            let (low, high) = self.room(drift);
            high - low >= -TOLERANCE
        };
        fits(0.0) || fits(self.best_drift())
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
pub(super) fn nanos(value: f64) -> Span {
    Span::from_nanos(value as i64)
}
