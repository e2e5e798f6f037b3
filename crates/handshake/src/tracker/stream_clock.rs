//! A clock that runs with the packets, for what is over because nothing came for long.
//!
//! It is the time of the latest packet, until that of a packet lies far behind it: the capturing host's
//! clock was set back, or the file holds a section that begins before the one in front of it ends. Then
//! it goes on from where it is. A single packet with a time of its own changes it for that packet only.

use why504_model::{Span, Timestamp};

/// Packets of one clock are never this far behind each other in a file; smaller steps back only let
/// attempts live longer.
const SET_BACK: Span = Span::from_secs(60);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamClock {
    now: Timestamp,
    /// What is added to the times of packets, now and before the last change.
    shift: Span,
    before: Span,
}

impl Default for StreamClock {
    fn default() -> Self {
        Self { now: Timestamp::MIN, shift: Span::ZERO, before: Span::ZERO }
    }
}

impl StreamClock {
    /// Of this clock.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// A packet of this time came, on its own clock.
    pub(super) fn see(&mut self, time: Timestamp) {
        let apart = (time + self.shift).since(self.now);
        let near = |shift: Span| (time + shift).distance(self.now) <= SET_BACK;
        if (apart < -SET_BACK || apart > SET_BACK) && near(self.before) {
            (self.shift, self.before) = (self.before, self.shift);
        } else if apart < -SET_BACK && self.now > Timestamp::MIN {
            (self.shift, self.before) = (self.now.since(time), self.shift);
        }
        self.now = self.now.max(time + self.shift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(1_000_000 + seconds, 0)
    }

    /// The clock's time after packets of these times, in seconds.
    fn after(times: &[i64]) -> i64 {
        let mut clock = StreamClock::default();
        for time in times {
            clock.see(at(*time));
        }
        clock.now().since(at(0)).nanos() / 1_000_000_000
    }

    #[test]
    fn it_runs_on_whatever_the_packets_say() {
        for (times, expected) in [
            (&[0, 5, 4, 6][..], 6),
            (&[0, 5, 500], 500),
            // Set back by an hour, and on.
            (&[3600, 3610, 10, 20], 3620),
            (&[3600, 3610, 10, 20, 3620 - 3600 + 300], 3920),
            // And forward again.
            (&[3600, 3610, 10, 20, 3640, 3650], 3650),
            // One packet without a clock, and one of the far future.
            (&[3600, 3610, -900_000, 3611, 3612], 3612),
            (&[3600, 3610, 900_000, 3620, 3630], 900_010),
        ] {
            assert_eq!(after(times), expected, "{times:?}");
        }
    }
}
