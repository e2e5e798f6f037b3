//! Captures that hold packets cut, twice, or in another order.

use std::time::Duration;

use super::Spoil;
use crate::pcap::Frame;
use crate::random::Random;

/// Cut after so many octets.
pub(super) struct Cut(pub(super) usize);

/// This share of the packets comes again after `later`: `-i any`, a mirror of both directions.
pub(super) struct Twice {
    pub(super) share: f64,
    pub(super) later: Duration,
}

/// This share of the packets is written behind the next one: several queues, one file.
pub(super) struct Order(pub(super) f64);

impl Spoil for Cut {
    fn spoil(&self, mut frames: Vec<Frame>, _: &mut Random) -> Vec<Frame> {
        for frame in &mut frames {
            frame.bytes.truncate(self.0);
        }
        frames
    }
}

impl Spoil for Twice {
    fn spoil(&self, mut frames: Vec<Frame>, random: &mut Random) -> Vec<Frame> {
        let later = i64::try_from(self.later.as_nanos()).unwrap_or(i64::MAX);
        let copies: Vec<Frame> = frames
            .iter()
            .filter(|_| random.fraction() < self.share)
            .map(|frame| Frame { time_ns: frame.time_ns.saturating_add(later), ..frame.clone() })
            .collect();
        frames.extend(copies);
        frames.sort_by_key(|frame| frame.time_ns);
        frames
    }
}

impl Spoil for Order {
    fn spoil(&self, mut frames: Vec<Frame>, random: &mut Random) -> Vec<Frame> {
        for i in 1..frames.len() {
            if random.fraction() < self.0 {
                frames.swap(i - 1, i);
            }
        }
        frames
    }
}
