//! What a capture does to packets: it delivers them twice, loses some, and its clock is set.

use super::*;

#[test]
fn a_clock_that_is_set_back_ends_no_attempt() {
    let wire = Wire::default();
    let mut packets = Vec::new();
    for (i, ms) in [(0_u16, 3_600_000), (1, 3_601_000), (2, 0), (3, 1000), (4, 300_000)] {
        let mut wire = wire;
        wire.client.port += i;
        packets.push(wire.packet(ms, ">S", X, 0));
        packets.push(wire.packet(ms + 20, "<S.", Y, X + 1));
        packets.push(wire.packet(ms + 21, ">.", X + 1, Y + 1));
    }
    // One that is in the middle of it.
    let mut torn = wire;
    torn.client.port += 9;
    packets.insert(6, torn.packet(3_602_000, ">S", Z, 0));
    packets.insert(8, torn.packet(20, "<S.", Y, Z + 1));
    let mut tracker = Tracker::new(PointId(0));
    for packet in &packets {
        tracker.push(packet);
    }
    tracker.end();
    let all = tracker.take();
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|s| s.syn_acks().count() == 1), "{:?}", summary(&all));
    // The hour that is there twice proves nothing, and what is before and behind it does.
    let (coverage, _) = tracker.finish();
    let moment = |seconds: i64| {
        let at = Timestamp::from_parts(1_000_000 + seconds, 0);
        coverage.of(wire.server, Interval::new(at, at + Span::from_millis(30)))
    };
    assert_eq!(moment(1800), Err(CoverageGap::Twice));
    assert_ne!(moment(3603), Err(CoverageGap::Twice));
}

#[test]
fn answers_that_were_acknowledged_and_not_captured_are_counted() {
    let wire = Wire::default();
    let missed = [
        wire.packet(0, ">S", X, 0),
        wire.packet(2, ">.", X + 1, Y + 1),
        wire.packet(3, ">P.", X + 1, Y + 1),
        wire.packet(9, "<P.", Y + 1, X + 101),
    ];
    let mut tracker = Tracker::new(PointId(0));
    for packet in &missed {
        tracker.push(packet);
    }
    tracker.end();
    let (coverage, _) = tracker.finish();
    assert_eq!((coverage.completed, coverage.missed), (1, 1));
    assert_eq!((coverage.requests, coverage.requests_missed), (1, 0));
    let during = coverage.span.expect("packets");
    assert_eq!(coverage.of(wire.server, during), Err(CoverageGap::Missed));
}

/// What an end acknowledges was sent.
#[test]
fn a_capture_that_lacks_what_was_acknowledged_lost_it() {
    let wire = Wire::default();
    // Another connection shows that the filter lets payload through.
    let mut other = wire;
    other.client.port += 1;
    let another = [
        other.packet(3_000, ">S", X, 0),
        other.packet(3_001, "<S.", Y, X + 1),
        other.packet(3_002, ">P.", X + 1, Y + 1),
        other.packet(3_003, "<P.", Y + 1, X + 101),
    ];
    let whole = [
        wire.packet(0, ">S", X, 0),
        wire.packet(1, "<S.", Y, X + 1),
        wire.packet(2, ">.", X + 1, Y + 1),
        wire.packet(3, ">P.", X + 1, Y + 1),
        wire.packet(9, "<.", Y + 1, X + 101),
        wire.packet(2_000, ">F.", X + 101, Y + 1),
        wire.packet(2_001, "<F.", Y + 1, X + 102),
        wire.packet(2_002, ">.", X + 102, Y + 2),
    ];
    let torn = |lost: usize| {
        let mut tracker = Tracker::new(PointId(0));
        let kept = whole.iter().enumerate().filter(|(i, _)| *i != lost);
        kept.for_each(|(_, packet)| tracker.push(packet));
        for packet in &another {
            tracker.push(packet);
        }
        tracker.end();
        let (coverage, _) = tracker.finish();
        assert_eq!((coverage.completed, coverage.missed), (2, u64::from(lost == 1)));
        let during = coverage.span.expect("packets");
        assert_eq!(coverage.of(wire.server, during).is_err(), coverage.torn + coverage.missed > 0);
        coverage.torn
    };
    // The FIN of the client says that it had sent the payload.
    let expected = [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (6, 1), (7, 0), (99, 0)];
    assert_eq!(expected.map(|(lost, _)| (lost, torn(lost))), expected);

    // A filter that lets no payload through hides some as well: there is none at all then.
    let mut tracker = Tracker::new(PointId(0));
    for i in [0_usize, 1, 2, 4] {
        tracker.push(&whole[i]);
    }
    tracker.end();
    let (coverage, _) = tracker.finish();
    let during = coverage.span.expect("packets");
    assert_eq!((coverage.torn, coverage.of(wire.server, during)), (1, Ok(())));
}

/// Buffers of several processors are written one after the other.
#[test]
fn payload_that_was_acknowledged_and_not_captured_is_counted() {
    let wire = Wire::default();
    let request = wire.packet(3, ">P.", X + 1, Y + 1);
    // What comes after the handshake, the requests that were acknowledged, and those that are missing.
    for (what, packets, requests, missed) in [
        ("all is there", &[request, wire.packet(9, "<P.", Y + 1, X + 101)][..], 1, 0),
        ("no request", &[wire.packet(9, "<P.", Y + 1, X + 101)], 1, 1),
        ("its second half", &[request, wire.packet(9, "<.", Y + 1, X + 201)], 1, 1),
        ("the server speaks first", &[wire.packet(9, "<P.", Y + 1, X + 1)], 0, 0),
        (
            "a FIN takes a number",
            &[wire.packet(3, ">F.", X + 1, Y + 1), wire.packet(9, "<.", Y + 1, X + 2)],
            1,
            0,
        ),
        ("an older connection's", &[wire.packet(9, "<.", Y + 1, X.wrapping_sub(5000))], 0, 0),
        ("asked and not acknowledged", &[request, request], 0, 0),
    ] {
        let mut tracker = Tracker::new(PointId(0));
        let handshake = [
            wire.packet(0, ">S", X, 0),
            wire.packet(1, "<S.", Y, X + 1),
            wire.packet(2, ">.", X + 1, Y + 1),
        ];
        for packet in handshake.iter().chain(packets) {
            tracker.push(packet);
        }
        tracker.end();
        let (coverage, _) = tracker.finish();
        assert_eq!((coverage.requests, coverage.requests_missed), (requests, missed), "{what}");
    }
}

#[test]
fn the_same_frame_captured_twice_is_not_a_retransmission() {
    let wire = Wire::default();
    let all = sightings(&[wire.packet(0, ">S", X, 0), wire.packet(0, ">S", X, 0)]);
    assert_eq!(all[0].syns().count(), 1);
}

/// A handshake with the IP identifications and time stamps of Linux; every packet but the last comes
/// again after `copies` milliseconds.
fn mirrored(copies: i64) -> Vec<Packet> {
    let wire = Wire::default();
    let sent = [
        (wire.packet(0, ">S", X, 0), 7),
        (wire.packet(1, "<S.", Y, X + 1), 0),
        (wire.packet(2, ">.", X + 1, Y + 1), 8),
        (wire.packet(3, ">P.", X + 1, Y + 1), 9),
        (wire.packet(9, "<P.", Y + 1, X + 101), 70),
    ];
    let mut packets = Vec::new();
    for (packet, id) in sent {
        let Packet::Tcp(mut segment) = packet else { continue };
        segment.ip_id = Some(id);
        packets.push(Packet::Tcp(segment));
        segment.time = segment.time + Span::from_millis(copies);
        packets.push(Packet::Tcp(segment));
    }
    packets.sort_by_key(Packet::time);
    packets
}

#[test]
fn what_a_mirror_delivers_again_is_one_packet() {
    // Sooner than a tick of the time stamp's clock the SYN+ACK, whose identification is 0, may be one
    // of two that were sent.
    for (copies, history) in [(1, "ShhADd"), (6, "ShADd"), (50, "ShADd"), (140, "ShADd")] {
        let all = sightings(&mirrored(copies));
        assert_eq!(summary(&all), [(X, history.into(), Closing::Answered)], "{copies} ms");
    }
    // What comes later was sent later.
    assert_eq!(sightings(&mirrored(400)).len(), 2);
}

#[test]
fn packets_that_differ_in_what_tells_copies_apart_are_several() {
    let wire = Wire::default();
    let later = |ms, change: fn(&mut Segment)| {
        let Packet::Tcp(mut segment) = wire.packet(0, "<S.", Y, X + 1) else { unreachable!() };
        segment.time = segment.time + Span::from_millis(ms);
        change(&mut segment);
        Packet::Tcp(segment)
    };
    let twins: [fn(&mut Segment); 4] = [
        |s| s.timestamps = s.timestamps.map(|ts| TcpTimestamps { value: ts.value + 50, ..ts }),
        |s| s.ip_id = Some(4),
        |s| s.seq = SeqNumber(s.seq.0 + 1),
        |s| s.timestamps = None,
    ];
    for (i, twin) in twins.into_iter().enumerate() {
        let all = sightings(&[wire.packet(-1, ">S", X, 0), later(0, |_| {}), later(50, twin)]);
        assert_eq!(all[0].history(), "Shh", "twin {i}");
    }
}

#[test]
fn a_frame_captured_twice_saves_no_handshake() {
    let wire = Wire::default();
    let ack = |ms| wire.packet(ms, ">.", X + 1, Y + 1);
    let syn_ack = |ms| wire.packet(ms, "<S.", Y, X + 1);
    let twice = [wire.packet(0, ">S", X, 0), syn_ack(1), syn_ack(2), ack(3)];
    assert!(!sightings(&twice)[0].saved_by_repetition());
    let repeated = [wire.packet(0, ">S", X, 0), syn_ack(1), syn_ack(1021), ack(1022)];
    assert!(sightings(&repeated)[0].saved_by_repetition());
    let after = [wire.packet(0, ">S", X, 0), syn_ack(1), ack(2), syn_ack(1021), ack(1022)];
    assert!(!sightings(&after)[0].saved_by_repetition(), "the third handshake was lost, not these");
}
