//! Packets by hand, and what the tracker makes of them.

mod capture;

use std::vec::Vec;

use super::testing::{Wire, by_isn, sightings, summary};
use crate::{Closing, CoverageGap, EventKind, PointId, Side, Tracker};
use why504_model::{
    Endpoint, Flow, IcmpError, IcmpFamily, Interval, Location, Packet, Segment, SeqNumber,
    SourceId, Span, TcpTimestamps, Timestamp,
};

const X: u32 = 1000;
const Z: u32 = 900_000;
const Y: u32 = 5000;

#[test]
fn a_clean_handshake_closes_with_the_first_answer() {
    let wire = Wire::default();
    let all = sightings(&[
        wire.packet(0, ">S", X, 0),
        wire.packet(1, "<S.", Y, X + 1),
        wire.packet(2, ">.", X + 1, Y + 1),
        wire.packet(3, ">P.", X + 1, Y + 1),
        wire.packet(4, "<.", Y + 1, X + 101),
        wire.packet(5, "<P.", Y + 1, X + 101),
        wire.packet(6, ">.", X + 101, Y + 101),
    ]);
    assert_eq!(summary(&all), [(X, "ShADad".into(), Closing::Answered)]);
    assert!(all[0].is_clean());
}

#[test]
fn a_repeated_syn_is_the_same_attempt() {
    let wire = Wire::default();
    let all = sightings(&[
        wire.packet(0, ">S", X, 0),
        wire.packet(1020, ">S", X, 0),
        wire.packet(3040, ">S", X, 0),
    ]);
    assert_eq!(summary(&all), [(X, "SSS".into(), Closing::OpenAtEnd)]);
    assert_eq!(all[0].syns().count(), 3);
}

/// A scanner that is never answered: each SYN of one 4-tuple is an attempt of its own, and only the
/// latest few are held, however many come.
#[test]
fn a_scanner_pushes_out_its_own_oldest_attempts() {
    let wire = Wire::default();
    let mut tracker = Tracker::new(PointId(0));
    for i in 0..40 {
        tracker.push(&wire.packet(i64::from(i) * 10, ">S", X + 1000 * i, 0));
    }
    assert_eq!(tracker.open(), 8);
    let closed = tracker.take();
    let gone: Vec<u32> = closed.iter().map(|sighting| sighting.isn.0).collect();
    assert_eq!(gone, (0..32).map(|i| X + 1000 * i).collect::<Vec<_>>());
    assert!(closed.iter().all(|sighting| sighting.closing == Closing::Over));
    assert_eq!(tracker.earliest_open(), Some(wire.packet(320, ">S", 0, 0).time()));
}

/// The lists of what is open hold what has closed for a while: it changes nothing.
#[test]
fn what_has_closed_is_swept_out() {
    let wire = Wire::default();
    let mut tracker = Tracker::new(PointId(0));
    let on = |port: u16| Wire { client: Endpoint { port, ..wire.client }, ..wire };
    tracker.push(&on(1).packet(0, ">S", X, 0));
    for port in 2..6000 {
        let ms = i64::from(port);
        for packet in [
            on(port).packet(ms, ">S", X, 0),
            on(port).packet(ms, "<S.", Y, X + 1),
            on(port).packet(ms, ">P.", X + 1, Y + 1),
            on(port).packet(ms, "<P.", Y + 1, X + 101),
        ] {
            tracker.push(&packet);
        }
        assert_eq!(tracker.earliest_open(), Some(on(1).packet(0, ">S", 0, 0).time()));
    }
    assert_eq!((tracker.open(), tracker.take().len()), (1, 5998));
    tracker.push(&on(7000).packet(136_000, ">S", X, 0));
    assert_eq!(tracker.take().len(), 1);
    assert_eq!(tracker.earliest_open(), Some(on(7000).packet(136_000, ">S", 0, 0).time()));
}

/// The founding write-up's exchange as the server's side sees it: SYN x, SYN+ACKs in vain, SYN z on
/// the same port, a bare ACK for x, the client's RST, SYN z again.
fn reused_port(wire: &Wire) -> Vec<Packet> {
    std::vec![
        wire.packet(0, ">S", X, 0),
        wire.packet(1, "<S.", Y, X + 1),
        wire.packet(1020, "<S.", Y, X + 1),
        wire.packet(2800, ">S", Z, 0),
        wire.packet(2801, "<.", Y + 1, X + 1),
        wire.packet(2802, ">R", X + 1, 0),
        wire.packet(2814, ">S", Z, 0),
        wire.packet(2815, "<S.", Y + 7777, Z + 1),
    ]
}

#[test]
fn the_bare_ack_on_a_reused_port_is_credited_to_the_earlier_attempt() {
    let all = sightings(&reused_port(&Wire::default()));
    assert_eq!(all.len(), 2);
    let earlier = by_isn(&all, X);
    assert_eq!(earlier.history(), "ShhaR");
    let bare: Vec<_> = earlier.bare_acks().collect();
    assert_eq!(bare.len(), 1);
    assert_eq!((bare[0].seq, bare[0].ack), (SeqNumber(Y + 1), SeqNumber(X + 1)));
    assert_eq!(earlier.client_rst().map(|e| e.seq), Some(SeqNumber(X + 1)));
    assert!(!earlier.completed());

    let later = by_isn(&all, Z);
    assert_eq!(later.history(), "SaRSh", "the answer that it got is shown with it as well");
    let foreign: Vec<_> = later.foreign_acks().map(|e| e.about).collect();
    assert_eq!(foreign, [Some(SeqNumber(X))]);
    assert_eq!(later.client_rst(), None, "the RST speaks of x");
    assert_eq!(later.syn_acks().count(), 1);
    assert!(!later.completed());
}

/// Once the later attempt is answered and forgotten, its remaining packets are nobody's: they must
/// not be taken for those of the earlier attempt on the same 4-tuple.
#[test]
fn what_follows_the_later_connection_is_not_credited_to_the_earlier_attempt() {
    let wire = Wire::default();
    let mut packets = reused_port(&wire);
    packets.extend([
        wire.packet(2816, ">.", Z + 1, Y + 7778),
        wire.packet(2817, ">P.", Z + 1, Y + 7778),
        wire.packet(2818, "<P.", Y + 7778, Z + 101),
        wire.packet(2819, ">.", Z + 101, Y + 7878),
        wire.packet(2820, "<F.", Y + 7878, Z + 101),
        wire.packet(2821, ">F.", Z + 101, Y + 7879),
    ]);
    let all = sightings(&packets);
    let earlier = by_isn(&all, X);
    assert_eq!(earlier.history(), "ShhaR");
    assert!(!earlier.completed());
    assert_eq!(by_isn(&all, Z).closing, Closing::Answered);
}

#[test]
fn behind_source_nat_the_bare_ack_finds_the_attempt_on_another_port() {
    let first = Wire::default();
    let mut second = first;
    second.client.port += 10;
    let all = sightings(&[
        first.packet(0, ">S", X, 0),
        second.packet(2800, ">S", Z, 0),
        second.packet(2801, "<.", Y + 1, X + 1),
        second.packet(2802, ">R", X + 1, 0),
        second.packet(2814, ">S", Z, 0),
    ]);
    let earlier = by_isn(&all, X);
    assert_eq!(earlier.bare_acks().count(), 1);
    let later = by_isn(&all, Z);
    assert_eq!(later.foreign_acks().map(|e| e.about).collect::<Vec<_>>(), [Some(SeqNumber(X))]);
    assert_eq!(later.client_rst(), None);
}

#[test]
fn a_bare_ack_of_a_connection_from_before_the_capture_is_foreign() {
    let wire = Wire::default();
    let all = sightings(&[wire.packet(0, ">S", Z, 0), wire.packet(1, "<.", 7, 4242)]);
    assert_eq!(all[0].foreign_acks().map(|e| e.about).collect::<Vec<_>>(), [Some(SeqNumber(4241))]);
    assert_eq!(all[0].bare_acks().count(), 0);
}

#[test]
fn a_late_syn_ack_is_answered_by_a_reset_and_that_is_no_third_ack() {
    let wire = Wire::default();
    let all = sightings(&[
        wire.packet(0, ">S", X, 0),
        wire.packet(1020, "<S.", Y, X + 1),
        wire.packet(1021, ">R", X + 1, 0),
    ]);
    assert!(!all[0].completed());
    assert_eq!(all[0].client_rst().map(|e| e.kind), Some(EventKind::Rst));
}

#[test]
fn only_an_acceptable_reset_refuses() {
    let wire = Wire::default();
    let refused = sightings(&[wire.packet(0, ">S", X, 0), wire.packet(1, "<R.", 0, X + 1)]);
    assert!(refused[0].refusal().is_some());
    let ignored = sightings(&[wire.packet(0, ">S", X, 0), wire.packet(1, "<R.", 0, X)]);
    assert!(ignored[0].refusal().is_none());
}

#[test]
fn both_ends_connecting_at_once_are_one_attempt() {
    let wire = Wire::default();
    let all = sightings(&[
        wire.packet(0, ">S", X, 0),
        wire.packet(1, "<S", Y, 0),
        wire.packet(2, ">S.", X, Y + 1),
        wire.packet(3, "<S.", Y, X + 1),
    ]);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].reverse_syn().map(|e| e.side), Some(Side::Server));
}

#[test]
fn a_syn_ack_captured_before_its_syn_finds_it() {
    let wire = Wire::default();
    let all = sightings(&[
        wire.packet(1, "<S.", Y, X + 1),
        wire.packet(2, ">S", X, 0),
        wire.packet(3, ">.", X + 1, Y + 1),
    ]);
    assert_eq!(summary(&all), [(X, "hSA".into(), Closing::OpenAtEnd)]);
    assert!(all[0].completed());
}

#[test]
fn a_reset_that_was_captured_before_its_syn_belongs_to_it() {
    let wire = Wire::default();
    let (syn, reset) = (wire.packet(0, ">S", X, 0), wire.packet(1, "<R.", 0, X + 1));
    for order in [[&syn, &reset], [&reset, &syn]] {
        let mut tracker = Tracker::new(PointId(0));
        for packet in order {
            tracker.push(packet);
        }
        tracker.end();
        let all = tracker.take();
        assert!(all.iter().all(|s| s.refusal().is_some()) && all.len() == 1, "{all:?}");
        let (_, tally) = tracker.finish();
        assert_eq!((tally.credited, tally.unmatched), (2, 0));
    }
}

#[test]
fn an_icmp_error_that_was_captured_before_its_syn_belongs_to_it() {
    let wire = Wire::default();
    let syn = wire.packet(0, ">S", X, 0);
    let error = Packet::Icmp(IcmpError {
        time: syn.time() + Span::from_millis(1),
        location: Location { source: SourceId(0), record: 9 },
        reporter: wire.server.ip,
        family: IcmpFamily::V4,
        kind: 3,
        code: 13,
        quoted: Flow { client: wire.client, server: wire.server },
        quoted_seq: SeqNumber(X),
    });
    for order in [[&syn, &error], [&error, &syn]] {
        let mut tracker = Tracker::new(PointId(0));
        for packet in order {
            tracker.push(packet);
        }
        tracker.end();
        let all = tracker.take();
        assert!(all.len() == 1 && all.iter().all(|s| s.icmp().is_some()), "{all:?}");
        let (_, tally) = tracker.finish();
        assert_eq!((tally.credited, tally.unmatched), (2, 0));
    }
}

#[test]
fn silence_longer_than_any_retransmission_closes_an_attempt() {
    let wire = Wire::default();
    let mut other = wire;
    other.client.port += 1;
    let all = sightings(&[
        wire.packet(0, ">S", X, 0),
        other.packet(100_000, ">S", Z, 0),
        other.packet(140_000, ">S", Z, 0),
    ]);
    assert_eq!(
        summary(&all),
        [(X, "S".into(), Closing::Over), (Z, "SS".into(), Closing::OpenAtEnd)]
    );
}

/// `seq = ISN`, not `ISN + 1`, and no acknowledgement of the server's ISN: what an unwilling client
/// sends after its RST (suricata-verify issue-3341) is no third handshake.
#[test]
fn what_does_not_acknowledge_the_answer_is_no_third_ack() {
    let wire = Wire::default();
    let all = sightings(&[
        wire.packet(0, ">S", X, 0),
        wire.packet(12, "<S.", Y, X + 1),
        wire.packet(13, ">R", X + 1, 0),
        wire.packet(30, ">P.", X, 4242),
    ]);
    assert!(!all[0].completed());
    // Without the SYN+ACK in the capture the sequence number must do.
    let async_side = [wire.packet(0, ">S", X, 0), wire.packet(2, ">.", X + 1, Y + 1)];
    assert!(sightings(&async_side)[0].completed());
    let older = [wire.packet(0, ">S", X, 0), wire.packet(2, ">F.", X + 900_000_000, Y + 1)];
    assert!(!sightings(&older)[0].completed());
}

/// A flood of ISNs on one 4-tuple must not push out the attempt that is being answered.
#[test]
fn of_too_many_attempts_on_a_port_the_one_without_news_goes() {
    let wire = Wire::default();
    let mut packets = std::vec![wire.packet(0, ">S", X, 0)];
    packets.extend((1..8).map(|i| wire.packet(i64::from(i) * 100, ">S", Z + i * 1_000_000, 0)));
    packets.extend([wire.packet(1020, ">S", X, 0), wire.packet(1100, ">S", Z + 90_000_000, 0)]);
    packets.extend([wire.packet(1110, "<S.", Y, X + 1), wire.packet(1111, ">.", X + 1, Y + 1)]);
    let all = sightings(&packets);
    assert_eq!(by_isn(&all, X).history(), "SShA");
    assert!(!by_isn(&all, Z + 90_000_000).completed());
}

mod properties {
    use super::*;
    use proptest::prelude::*;
    use why504_model::FlowMark;

    fn any_packet() -> impl Strategy<Value = Packet> {
        let flags = prop::sample::select(std::vec![
            ">S", "<S", "<S.", ">S.", ">.", "<.", ">P.", "<P.", ">R", "<R.", "<R", ">F.", "<F."
        ]);
        let number = prop::sample::select(std::vec![X, X + 1, Y, Y + 1, Z, Z + 1, 0, u32::MAX]);
        (0i64..400_000, flags, number.clone(), number, 0u16..3).prop_map(
            |(ms, flags, seq, ack, port)| {
                let mut wire = Wire::default();
                wire.client.port += port;
                wire.packet(ms, flags, seq, ack)
            },
        )
    }

    proptest! {
        /// Whatever arrives in whatever order: no panic, the tally adds up (asserted in
        /// `sightings`), and every attempt has a SYN.
        #[test]
        fn any_packets_make_well_formed_attempts(packets in prop::collection::vec(any_packet(), 0..200)) {
            for sighting in sightings(&packets) {
                prop_assert!(sighting.syns().next().is_some());
                prop_assert_eq!(sighting.history().len(), sighting.events.len());
            }
        }

        /// A plain segment that the tracker does not want need not be shown to it.
        #[test]
        fn what_is_not_wanted_changes_nothing(
            mut packets in prop::collection::vec(any_packet(), 0..200), split in 0usize..200,
        ) {
            packets.sort_by_key(Packet::time);
            let (mut all, mut few) = (Tracker::new(PointId(0)), Tracker::new(PointId(0)));
            for (i, packet) in packets.iter().enumerate() {
                all.push(packet);
                match packet {
                    Packet::Tcp(segment)
                        if segment.flags.is_plain()
                            && !few.wants(FlowMark::of(segment.source, segment.destination)) =>
                    {
                        few.pass_over(1);
                    }
                    _ => few.push(packet),
                }
                if i == split {
                    few.advance(packet.time());
                }
            }
            if let Some(last) = packets.last() {
                few.advance(last.time());
            }
            for tracker in [&mut all, &mut few] {
                tracker.end();
            }
            prop_assert_eq!(all.take(), few.take());
            prop_assert_eq!(all.finish().1, few.finish().1);
        }
    }
}
