//! Two capture points' clocks, held against each other by the packets that both saw.
//!
//! A packet from client to server is seen at the server's point after it was seen at the client's,
//! so `server clock - client clock` is at most the difference of its two time stamps; a packet the
//! other way gives a bound from below. The offset is a line between all upper and all lower bounds
//! (Moon, Skelly and Towsley, Infocom 1999), a constant where the data is too short for a slope.
//! Where no line fits, a clock was set: the time is cut there, and each piece has its own line.
//!
//! How wrong a line can be, no packet says: half the difference between the shortest ways there and
//! back is in the offset of any method. `uncertainty` is half the room between the bounds, which is
//! the worst case of that.

mod bounds;

use alloc::vec::Vec;

use why504_model::{Span, Timestamp};

use crate::Side;
use bounds::{Bounds, Fit};

/// Clocks that seem to be set more often than this are no clocks: packets were matched wrongly.
const STEPS_MAX: usize = 32;
/// A piece of fewer packets is no clock that was set twice, it is packets that were matched wrongly.
const PIECE_FROM: usize = 4;
/// So many of the packets may be matched wrongly (one in this) before nothing is believed.
const WRONG_SHARE: usize = 20;

/// `far clock - near clock` as lines in the near point's time.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockOffset {
    /// Offset at the first packet.
    pub offset: Span,
    /// Change of the offset, seconds a second, until the first step; 0 when it is taken as constant.
    pub drift: f64,
    /// Half the room between the bounds: the offset is right within this (the worst of all pieces).
    pub uncertainty: Span,
    /// Packets seen at both points.
    pub packets: usize,
    /// Of these, packets that contradict all others: matched wrongly, and left out.
    pub contradicting: usize,
    /// The bounds contradict each other by more than a millisecond, and no few steps explain it:
    /// packets were matched wrongly. Nothing is concluded from such an offset.
    pub inconsistent: bool,
    /// When one of the clocks was set, in order of time.
    pub steps: Vec<ClockStep>,
    first: Line,
    /// On the near clock: where packets of both directions bound each piece.
    known: Vec<(Timestamp, Timestamp)>,
    /// Around packets that were left out.
    doubtful: Vec<(Timestamp, Timestamp)>,
}

/// A clock that was set while the captures ran.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockStep {
    /// The last packet before it, on the near clock.
    pub after: Timestamp,
    /// The first packet behind it, on the near clock.
    pub before: Timestamp,
    /// How much the offset changed.
    pub by: Span,
    line: Line,
}

/// An offset that changes evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    origin: Timestamp,
    offset: Span,
    drift: f64,
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
        let mut sorted = pairings.to_vec();
        sorted.sort_by_key(|p| (p.near, p.far, p.sender));
        let whole = Fit::of(&sorted)?;
        let packets = sorted.len();
        if whole.is_feasible() {
            return Some(Self::of_pieces(&[whole], packets));
        }
        let (pieces, strays) = pieces(&sorted);
        let left_out = strays.iter().map(|stray| stray.packets).sum::<usize>();
        if pieces.is_empty()
            || pieces.len() > STEPS_MAX + 1
            || left_out.saturating_mul(WRONG_SHARE) > packets
        {
            return Some(Self { inconsistent: true, ..Self::of_pieces(&[whole], packets) });
        }
        let doubtful = strays.iter().map(|stray| (stray.after, stray.before)).collect();
        Some(Self { contradicting: left_out, doubtful, ..Self::of_pieces(&pieces, packets) })
    }

    fn of_pieces(pieces: &[Fit], packets: usize) -> Self {
        let line = |fit: &Fit| Line { origin: fit.start, offset: fit.offset, drift: fit.drift };
        let none = Line { origin: Timestamp::MIN, offset: Span::ZERO, drift: 0.0 };
        let first = pieces.first().map_or(none, line);
        let steps = pieces.windows(2).filter_map(|pair| match pair {
            [before, after] => Some(ClockStep {
                after: before.end,
                before: after.start,
                by: after.offset - line(before).at(after.start),
                line: line(after),
            }),
            _ => None,
        });
        Self {
            offset: first.offset,
            drift: first.drift,
            uncertainty: pieces.iter().map(|fit| fit.uncertainty).max().unwrap_or_default(),
            packets,
            contradicting: 0,
            inconsistent: false,
            steps: steps.collect(),
            first,
            known: pieces.iter().map(|fit| fit.bounded).collect(),
            doubtful: Vec::new(),
        }
    }

    /// The offset at a moment of the near clock.
    pub fn at(&self, near: Timestamp) -> Span {
        let step = self.steps.iter().rev().find(|step| step.middle() <= near);
        step.map_or(self.first, |step| step.line).at(near)
    }

    /// Whether the offset at a moment of the near clock is known: the packets fit together, and
    /// there are some in both directions before it and after it, so that no clock was set there.
    pub fn is_known_at(&self, near: Timestamp) -> bool {
        let within = |(from, until): &(Timestamp, Timestamp)| *from <= near && near <= *until;
        !self.inconsistent && self.known.iter().any(within) && !self.doubtful.iter().any(within)
    }

    /// A moment of the far clock on the near clock. Where the far clock was set back it showed some
    /// moments twice: the first is taken.
    pub fn to_near(&self, far: Timestamp) -> Timestamp {
        let mut until = self.steps.iter().map(ClockStep::middle).chain([Timestamp::MAX]);
        let lines = core::iter::once(&self.first).chain(self.steps.iter().map(|step| &step.line));
        let mut near = far;
        for (line, end) in lines.zip(&mut until) {
            near = line.to_near(far);
            if near <= end {
                break;
            }
        }
        near
    }
}

impl ClockStep {
    /// Between the packets that enclose it.
    fn middle(&self) -> Timestamp {
        self.after + self.before.since(self.after).scaled(1, 2)
    }
}

impl Line {
    fn at(self, near: Timestamp) -> Span {
        #[expect(clippy::cast_precision_loss, reason = "ns of a run fit a double to below 1 us")]
        let elapsed = near.since(self.origin).nanos() as f64;
        self.offset + bounds::nanos(elapsed * self.drift)
    }

    fn to_near(self, far: Timestamp) -> Timestamp {
        far - self.at(far - self.offset)
    }
}

/// Packets that were left out, and the moments of the packets before and after them.
struct Stray {
    packets: usize,
    after: Timestamp,
    before: Timestamp,
}

/// Cuts the packets where no line fits them any more, and says which were left out.
fn pieces(sorted: &[Pairing]) -> (Vec<Fit>, Vec<Stray>) {
    let (kept, strays) = without_strays(sorted);
    let mut fits = Vec::new();
    let mut rest = kept.as_slice();
    while !rest.is_empty() && fits.len() <= STEPS_MAX + 1 {
        let length = longest_feasible(rest);
        let (piece, further) = rest.split_at(length);
        fits.extend(Fit::of(piece));
        rest = further;
    }
    (fits, strays)
}

/// Leaves out short runs of packets that contradict those on both sides, and runs that bound the
/// offset from one side only.
fn without_strays(sorted: &[Pairing]) -> (Vec<Pairing>, Vec<Stray>) {
    let (mut kept, mut strays) = (Vec::<Pairing>::with_capacity(sorted.len()), Vec::new());
    let mut rest = sorted;
    let mut cuts = 0;
    while !rest.is_empty() {
        cuts += 1;
        // Packets without any order: what is left is not looked at one by one.
        let length = if cuts > STEPS_MAX * 4 { rest.len() } else { longest_feasible(rest) };
        let (piece, further) = rest.split_at(length);
        if piece.len() < PIECE_FROM || Fit::of(piece).is_none() {
            strays.push(Stray {
                packets: piece.len(),
                after: kept.last().map_or(Timestamp::MIN, |p| p.near),
                before: further.first().map_or(Timestamp::MAX, |p| p.near),
            });
        } else {
            kept.extend_from_slice(piece);
        }
        rest = further;
    }
    (kept, strays)
}

/// How many of the first packets one line fits; at least one. What fits all fits fewer, so the
/// length is doubled until it does not, and then halved in on.
fn longest_feasible(packets: &[Pairing]) -> usize {
    let fits = |length: usize| packets.get(..length).is_some_and(|p| Bounds::new(p).is_feasible());
    let (mut good, mut bad) = (1, 2);
    while bad <= packets.len() && fits(bad) {
        good = bad;
        bad *= 2;
    }
    let mut bad = bad.min(packets.len() + 1);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    good
}

#[cfg(test)]
mod tests;
