//! Linux's clock of initial sequence numbers: on one 4-tuple the ISN of a connect grows by one every
//! 64 ns (`seq_scale`, net/core/secure_seq.c; RFC 6528 section 3 asks for such a clock), so that two
//! ISNs tell the time between two connects, even where the capture began after the first.
//!
//! Other stacks draw theirs at random, other hosts behind one address have another hash, and some
//! boxes write their own: what the clock says is to be held against something else.

use why504_model::{SeqNumber, Span};

use crate::{Event, Sighting};

/// One step of the clock.
const STEP: Span = Span::from_nanos(64);
/// After this the clock begins anew: 2^32 steps, 274.88 s.
const PERIOD: i64 = (1 << 32) * STEP.nanos();
/// From the choice of an ISN to the capture of its SYN; on a busy host it may be this much.
const NOTED_LATE: Span = Span::from_millis(2);
/// Clocks of a capture and of its host drift apart by less than this.
const DRIFT: (i64, i64) = (1, 2000);
/// Time stamps count milliseconds (`TCP_TS_HZ`, Linux since 4.13), as exactly as a capture's clock.
const STAMPS_OFF: Span = Span::from_millis(10);

/// An attempt of which only a server's bare ACK speaks, as seen from the SYN that drew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its ISN, if it never sent anything; else that number and what it had sent.
    pub isn: SeqNumber,
    /// How long before, by the ISN clock: this, or this and any number of its periods.
    pub by_isn: Span,
    /// How long before the client had sent the packet that the server echoes, by its time stamps.
    pub by_stamps: Option<Span>,
}

/// The time from a connect to a later one on the same 4-tuple, up to whole periods of 274.88 s.
pub fn between(earlier: SeqNumber, later: SeqNumber) -> Span {
    Span::from_nanos(i64::from(later.distance_from(earlier)).saturating_mul(STEP.nanos()))
}

/// Whether two attempts on one 4-tuple are as far apart as their ISNs say.
pub fn agrees(earlier: &Sighting, later: &Sighting) -> bool {
    let measured = later.first_syn().since(earlier.first_syn());
    let off = (measured - between(earlier.isn, later.isn)).nanos().rem_euclid(PERIOD);
    let slack = NOTED_LATE + measured.scaled(DRIFT.0, DRIFT.1);
    off.min(PERIOD - off) <= slack.nanos()
}

impl Earlier {
    /// What a bare ACK for something else tells of it; `None` where the attempt drew none.
    pub fn of(sighting: &Sighting) -> Option<Self> {
        let ack = sighting.foreign_acks().next()?;
        let isn = ack.ack.previous();
        Some(Self {
            isn,
            by_isn: between(isn, sighting.isn),
            by_stamps: sighting.syns().next().and_then(|syn| stamped(syn, ack)),
        })
    }

    /// Whether both clocks can be right. What the server echoes may be a repeated SYN, which is
    /// younger than the attempt by what a client waits: up to 67 s. `None` without time stamps.
    pub fn is_consistent(&self) -> Option<bool> {
        let stamps = self.by_stamps?;
        let younger = (self.by_isn - stamps).nanos().rem_euclid(PERIOD);
        let slack = STAMPS_OFF + stamps.scaled(DRIFT.0, DRIFT.1);
        let repeated = |after: i64| {
            let after = Span::from_secs(after);
            let latest = after + after.scaled(5, 100) + slack;
            (after - slack).nanos() <= younger && younger <= latest.nanos()
        };
        let first = younger.min(PERIOD - younger) <= slack.nanos();
        Some(first || REPEATS.into_iter().any(repeated))
    }
}

/// When clients repeat their SYNs, in seconds: [`crate::Schedule`], all of them.
const REPEATS: [i64; 13] = [1, 2, 3, 4, 5, 7, 9, 11, 15, 19, 31, 35, 63];

/// From the packet that an ACK echoes to a SYN, on the client's clock.
fn stamped(syn: &Event, ack: &Event) -> Option<Span> {
    let (sent, echoed) = (syn.timestamps?.value, ack.timestamps?.echo);
    // An echo from the future is of another clock.
    let age = sent.wrapping_sub(echoed);
    (age < 1 << 31).then(|| Span::from_millis(i64::from(age)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::testing::{Wire, sightings};
    use why504_model::{Packet, TcpTimestamps};

    /// Two connects on one port: ISNs and time stamps as Linux counts them, the second answered by
    /// a bare ACK for the first.
    fn pair(apart_ms: i64, isn_of_later: u32, echo: Option<u32>) -> [Sighting; 2] {
        let (wire, earlier) = (Wire::default(), 4_294_000_000_u32);
        let mut packets = [
            wire.packet(0, ">S", earlier, 0),
            wire.packet(apart_ms, ">S", isn_of_later, 0),
            wire.packet(apart_ms + 1, "<.", 9_001, earlier.wrapping_add(1)),
        ];
        for (packet, stamps) in packets.iter_mut().zip([(1000, 0), (8000, 0), (77, 0)]) {
            let Packet::Tcp(segment) = packet else { panic!("TCP") };
            let echoed = if stamps.0 == 77 { echo } else { Some(0) };
            segment.timestamps = echoed.map(|echo| TcpTimestamps { value: stamps.0, echo });
        }
        let [first, second] = sightings(&packets).try_into().expect("two attempts");
        [first, second]
    }

    /// The ISN so many milliseconds after 4 294 000 000.
    fn after(ms: u64) -> u32 {
        u32::try_from((4_294_000_000 + ms * 1_000_000 / 64) % (1 << 32)).expect("reduced")
    }

    #[test]
    fn isns_tell_the_time_between_connects() {
        assert_eq!(between(SeqNumber(10), SeqNumber(10 + 15_625)), Span::from_millis(1));
        assert_eq!(between(SeqNumber(u32::MAX), SeqNumber(0)), Span::from_nanos(64));
        for (apart, by_isn, agree) in [
            (7_000, 7_000, true),
            (7_001, 7_000, true),
            // One period of the clock later.
            (7_000 + 274_878, 7_000, true),
            (7_000, 7_100, false),
            (7_000, 200_000, false),
        ] {
            let [earlier, later] = pair(apart, after(by_isn), None);
            assert_eq!(agrees(&earlier, &later), agree, "{apart} {by_isn}");
        }
    }

    #[test]
    fn a_bare_ack_tells_the_age_of_an_attempt_from_before_the_capture() {
        for (by_isn, echo, stamps, consistent) in [
            // Both say seven seconds.
            (7_000, Some(1000), Some(7_000), Some(true)),
            // The server echoes a copy that was sent a second later.
            (7_000, Some(2024), Some(5_976), Some(true)),
            (7_000, None, None, None),
            // Another host's counter, or one that a box has written.
            (120_500, Some(1000), Some(7_000), Some(false)),
            // The echo of another clock.
            (7_000, Some(9000), None, None),
        ] {
            let [_, later] = pair(7_000, after(by_isn), echo);
            let earlier = Earlier::of(&later).expect("a bare ACK for another");
            assert_eq!(earlier.isn, SeqNumber(4_294_000_000));
            let off = earlier.by_isn - Span::from_millis(i64::try_from(by_isn).expect("small"));
            assert!(off <= Span::ZERO && off > -STEP, "{off:?}");
            assert_eq!(earlier.by_stamps, stamps.map(Span::from_millis));
            assert_eq!(earlier.is_consistent(), consistent, "{by_isn} {echo:?}");
        }
        let [first, _] = pair(7_000, after(7_000), None);
        assert_eq!(Earlier::of(&first), None);
    }
}
