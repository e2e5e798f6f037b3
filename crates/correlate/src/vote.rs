//! Interval votes: each line allows some stretches of a quantity that all share (what clocks differ by, the
//! length of a timer), and the stretches that most lines allow are counted.
//!
//! What a count proves is for whoever asks.

use alloc::vec::Vec;

use why504_model::{Span, Timestamp};

/// Stretches that lines allow.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    /// Where a stretch begins (1) and ends (-1).
    edges: Vec<(Span, i32)>,
}

/// A stretch that the same lines allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) from: Span,
    pub(crate) to: Span,
    pub(crate) lines: usize,
}

impl Votes {
    /// The stretches of one line, none of which overlap.
    pub(crate) fn cast(&mut self, stretches: Vec<(Span, Span)>) {
        self.edges.extend(stretches.into_iter().flat_map(|(from, to)| [(from, 1), (to, -1)]));
    }

    /// All stretches, in order.
    pub(crate) fn steps(mut self) -> Vec<Step> {
        // A stretch includes both its ends: what begins at a place comes before what ends there.
        self.edges.sort_unstable_by_key(|&(at, step)| (at, -step));
        let mut lines = 0_i32;
        let mut steps = Vec::with_capacity(self.edges.len());
        for pair in self.edges.windows(2) {
            if let &[(from, step), (to, _)] = pair {
                lines += step;
                steps.push(Step { from, to, lines: usize::try_from(lines).unwrap_or_default() });
            }
        }
        steps
    }
}

/// By how much moments, in order, lie after what happened between the two ends of an interval; none twice.
pub(crate) fn differences(
    moments: impl Iterator<Item = Timestamp>,
    (earliest, latest): (Timestamp, Timestamp),
) -> Vec<(Span, Span)> {
    let mut ranges: Vec<(Span, Span)> = Vec::new();
    for time in moments {
        let (least, most) = (time.since(latest), time.since(earliest));
        match ranges.last_mut() {
            Some((_, end)) if least <= *end => *end = most.max(*end),
            _ => ranges.push((least, most)),
        }
    }
    ranges
}
