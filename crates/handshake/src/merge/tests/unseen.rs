//! What one point saw and another one, on its way, did not.

use super::*;

/// One card of two was captured on the gateway: the upstream's capture shows what left by the other.
/// Behind a translator the same address may be another host's.
#[test]
fn handshakes_of_its_own_host_that_a_point_did_not_see_are_counted() {
    // One router between the two.
    let passed = |behind: bool| {
        move |segment: &mut why504_model::Segment| {
            let down = segment.destination == Wire::default().server;
            segment.ttl -= u8::from(down == behind);
        }
    };
    let all: Vec<u16> = (1..=40).map(|i| i * 1_000).collect();
    let some: Vec<u16> = all.iter().copied().filter(|port| port % 4_000 != 0).collect();
    let (gateway, upstream) = (handshakes(&some, passed(false)), handshakes(&all, passed(true)));
    let own = merged(&[&gateway, &upstream], &Nat::default());
    assert_eq!(own.overlooked, BTreeMap::from([(PointId(0), (40, 10))]));
    assert!(own.overlooks(PointId(0)));

    let whole = merged(&[&handshakes(&all, passed(false)), &upstream], &Nat::default());
    assert_eq!(whole.overlooked, BTreeMap::from([(PointId(0), (40, 0))]));
    assert!(!whole.overlooks(PointId(0)));

    let translated = |segment: &mut why504_model::Segment| {
        passed(true)(segment);
        let outer = Endpoint::new([192, 0, 2, 1].into(), 0).ip;
        let client = Wire::default().client.ip;
        for end in [&mut segment.source, &mut segment.destination] {
            if end.ip == client {
                end.ip = outer;
            }
        }
    };
    let natted = merged(&[&gateway, &handshakes(&all, translated)], &Nat::default());
    assert_eq!(natted.overlooked, BTreeMap::new());
    assert_eq!(natted.unclaimed, BTreeMap::from([(PointId(0), (40, 10))]));
    assert!(natted.may_overlook(PointId(0)) && !natted.overlooks(PointId(0)));
    assert!(!own.may_overlook(PointId(0)));
}

/// A server that never takes the connection: no handshake is healthy, and still the one capture shows
/// what the other lost of the packets that had to pass that one first.
#[test]
fn packets_that_came_out_and_were_not_seen_to_go_in_are_counted() {
    let wire = Wire::default();
    let packets = [
        wire.packet(0, ">S", 77, 0),
        wire.packet(1, "<S.", 7, 78),
        wire.packet(2, ">.", 78, 8),
        wire.packet(1_030, "<S.", 7, 78),
        wire.packet(1_031, ">.", 78, 8),
        wire.packet(2_000, ">F.", 78, 8),
        wire.packet(2_001, "<F.", 8, 79),
    ];
    // Another one, of which nothing is missing.
    let mut other = wire;
    other.client.port += 1;
    let another = [
        other.packet(3_000, ">S", 777, 0),
        other.packet(3_001, "<S.", 7, 778),
        other.packet(3_002, ">F.", 778, 8),
        other.packet(3_003, "<F.", 8, 779),
    ];
    // One router between the points; a packet is missing at one of them.
    let seen = |point: u16, lost: Option<usize>| -> Vec<Packet> {
        let kept = packets.iter().enumerate().filter(|(i, _)| Some(*i) != lost);
        kept.map(|(_, packet)| *packet)
            .chain(another)
            .map(|packet| match packet {
                Packet::Tcp(mut segment) => {
                    let down = segment.destination == wire.server;
                    segment.ttl -= u8::from(down == (point == 1));
                    Packet::Tcp(segment)
                }
                other => other,
            })
            .collect()
    };
    let missed = |at_client: Option<usize>, at_server: Option<usize>| {
        let merged = merged(&[&seen(0, at_client), &seen(1, at_server)], &Nat::default());
        let of = |point| merged.passed_unseen.get(&PointId(point)).map(|(_, missed)| *missed);
        assert_eq!(merged.attempts.len(), 2);
        (of(0), of(1))
    };
    assert_eq!(missed(None, None), (Some(0), Some(0)));
    // Of the client's own packets: the FIN. For one of two ACKs the other speaks.
    for (lost, shown) in [(1, 0), (2, 0), (3, 0), (5, 1), (6, 0)] {
        assert_eq!(missed(Some(lost), None), (Some(shown), Some(0)), "{lost}");
    }
    // Of the server's: SYN+ACKs and FIN.
    for (lost, shown) in [(1, 1), (2, 0), (3, 1), (5, 0), (6, 1)] {
        assert_eq!(missed(None, Some(lost)), (Some(0), Some(shown)), "{lost}");
    }
}

/// A second server behind the address answers as well, and only the first one's host was captured.
#[test]
fn what_another_server_sent_was_not_lost_at_the_first() {
    let wire = Wire::default();
    let near = [
        wire.packet(0, ">S", 77, 0),
        wire.packet(1, "<S.", 7, 78),
        wire.packet(2, ">.", 78, 8),
        wire.packet(3, "<S.", 90_000, 78),
        wire.packet(1_030, "<S.", 90_000, 78),
    ];
    let mut far = near[..3].to_vec();
    for packet in &mut far {
        if let Packet::Tcp(segment) = packet {
            segment.ttl -= u8::from(segment.destination == wire.server);
        }
    }
    let merged = merged(&[&near, &far], &Nat::default());
    assert_eq!(merged.attempts.len(), 1);
    assert!(!merged.loses_packets(PointId(1)));
    let attempt = &merged.attempts[0];
    let far = attempt.at(PointId(1)).expect("seen there");
    assert!(!lacks_packets(far, attempt.nearest(), Side::Server));
}

/// A filter on flags at one of the points is no loss, and does not hide one of what it lets through.
#[test]
fn what_a_filter_does_not_let_through_was_not_lost() {
    let answers = |packet: &&Packet| matches!(packet, Packet::Tcp(s) if s.flags.intersects(TcpFlags::SYN | TcpFlags::RST));
    let behind = |segment: &mut why504_model::Segment| segment.ttl -= 1;
    let (near, far) = (handshakes(&[1_000, 2_000], |_| ()), handshakes(&[1_000, 2_000], behind));
    let filtered: Vec<Packet> = near.iter().filter(answers).copied().collect();
    let merged = merged(&[&filtered, &far], &Nat::default());
    assert_eq!(merged.passed_unseen[&PointId(0)], (2, 0));
    assert!(!merged.loses_packets(PointId(0)));
}

/// What came twice at one point only was captured twice, and is not missing at the other.
#[test]
fn what_a_point_captured_twice_is_not_missing_elsewhere() {
    let once = handshakes(&[1_000, 2_000, 3_000], |_| ());
    let twice: Vec<Packet> = once.iter().flat_map(|packet| [*packet, *packet]).collect();
    let behind = |packets: &[Packet]| -> Vec<Packet> {
        let mut packets = packets.to_vec();
        for packet in &mut packets {
            if let Packet::Tcp(segment) = packet {
                segment.ttl -= u8::from(segment.destination == Wire::default().server);
            }
        }
        packets
    };
    for (near, far) in [(&once, behind(&twice)), (&twice, behind(&once))] {
        let merged = merged(&[near, &far], &Nat::default());
        assert!(merged.passed_unseen.values().all(|(all, missed)| *all > 0 && *missed == 0));
        assert_eq!(merged.passed_unseen.len(), 2);
    }
}
