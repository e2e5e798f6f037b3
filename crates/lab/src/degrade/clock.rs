//! Captures whose clock is wrong, or was set.

use super::Spoil;
use crate::pcap::Frame;
use crate::random::Random;

/// Ahead by so many milliseconds from the beginning, and by so many millionths more as time goes on.
pub(super) struct Wrong {
    pub(super) ahead_ms: i64,
    pub(super) ppm: i64,
}

/// Set forward by so many milliseconds, or back, after so many thousandths of the capture's time.
pub(super) struct Set {
    pub(super) at: i64,
    pub(super) ahead_ms: i64,
}

const MILLISECOND: i64 = 1_000_000;

impl Spoil for Wrong {
    fn spoil(&self, mut frames: Vec<Frame>, _: &mut Random) -> Vec<Frame> {
        let Some(first) = frames.first().map(|frame| frame.time_ns) else { return frames };
        for frame in &mut frames {
            let drift = (frame.time_ns - first) / 1000 * self.ppm / 1000;
            frame.time_ns += self.ahead_ms * MILLISECOND + drift;
        }
        frames
    }
}

impl Spoil for Set {
    fn spoil(&self, mut frames: Vec<Frame>, _: &mut Random) -> Vec<Frame> {
        let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return frames };
        let moment = first.time_ns + (last.time_ns - first.time_ns) / 1000 * self.at;
        for frame in frames.iter_mut().filter(|frame| frame.time_ns > moment) {
            frame.time_ns += self.ahead_ms * MILLISECOND;
        }
        frames
    }
}
