//! Addresses, ports and ISNs that change on the way.

use super::*;

#[test]
fn nat_changes_the_port_and_not_the_identity() {
    let wire = Wire::default();
    let inside = segment(at(0), wire.client, wire.server, TcpFlags::SYN, 77, 0);
    let mut outside = inside;
    outside.source.port = 61_000;
    outside.time = at(5);
    outside.ttl = 63;
    let mut all = track(0, &[Packet::Tcp(inside)]);
    all.extend(track(1, &[Packet::Tcp(outside)]));
    let mut path = Path::new([PointId(0), PointId(1)]);
    for sighting in &all {
        path.learn(sighting);
    }
    let merged = merge(all, &path);
    assert_eq!(merged.attempts.len(), 1);
    let attempt = &merged.attempts[0];
    assert_eq!(attempt.flow().client, wire.client, "as seen nearest the client");
    assert_eq!(attempt.at(PointId(1)).map(Sighting::history).as_deref(), Some("S"));
}

#[test]
fn one_isn_on_two_ports_stays_two_attempts() {
    let wire = Wire::default();
    let mut other = wire;
    other.client.port += 1;
    let near: Vec<Packet> = [wire, other]
        .iter()
        .map(|w| Packet::Tcp(segment(at(0), w.client, w.server, TcpFlags::SYN, 77, 0)))
        .collect();
    let far: Vec<Packet> = [other, wire]
        .iter()
        .map(|w| {
            let mut syn = segment(at(1), w.client, w.server, TcpFlags::SYN, 77, 0);
            syn.ttl = 63;
            Packet::Tcp(syn)
        })
        .collect();
    let mut all = track(0, &near);
    all.extend(track(1, &far));
    let mut path = Path::new([PointId(0), PointId(1)]);
    for sighting in &all {
        path.learn(sighting);
    }
    let merged = merge(all, &path);
    assert_eq!(merged.attempts.len(), 2);
    for attempt in &merged.attempts {
        let flows: Vec<Flow> = attempt.sightings().map(|s| s.flow).collect();
        assert_eq!(flows.len(), 2);
        assert_eq!(flows[0], flows[1]);
    }
}

const BACK: Endpoint = Endpoint::new(IpAddr::V4(core::net::Ipv4Addr::new(10, 1, 1, 7)), 9090);

fn behind(segment: &mut why504_model::Segment) {
    let front = Wire::default().server;
    for end in [&mut segment.source, &mut segment.destination] {
        if *end == front {
            *end = BACK;
        }
    }
    segment.ttl -= 1;
}

#[test]
fn destination_nat_is_learnt_from_isn_and_time_stamp() {
    let near = handshakes(&[1, 2, 3], |_| ());
    // With and without source NAT beside it.
    for masquerade in [false, true] {
        let far = handshakes(&[1, 2, 3], |segment| {
            behind(segment);
            for end in [&mut segment.source, &mut segment.destination] {
                if masquerade && *end != BACK {
                    end.ip = [10, 9, 9, 9].into();
                    end.port += 50_000;
                }
            }
        });
        let merged = merged(&[&near, &far], &Nat::default());
        assert_eq!(merged.attempts.len(), 3, "masquerade {masquerade}");
        let front = Wire::default().server;
        let pair = &merged.translations[&(front, BACK)];
        assert_eq!((pair.attempts, pair.behind.len()), (3, 1));
        for attempt in &merged.attempts {
            assert_eq!(attempt.servers().collect::<Vec<_>>(), [front, BACK]);
        }
    }
}

#[test]
fn an_attempt_seen_behind_the_translation_alone_is_known_by_the_front_as_well() {
    let near = handshakes(&[1, 2], |_| ());
    let far = handshakes(&[1, 2, 3], behind);
    let merged = merged(&[&near, &far], &Nat::default());
    let alone = merged.attempts.iter().find(|a| a.flow().client.port == 3).unwrap();
    assert_eq!(alone.servers().collect::<Vec<_>>(), [BACK, Wire::default().server]);
}

#[test]
fn a_given_pair_joins_what_has_no_time_stamps() {
    let near = handshakes(&[1, 2], |segment| segment.timestamps = None);
    let far = handshakes(&[1, 2], |segment| {
        segment.timestamps = None;
        behind(segment);
    });
    assert_eq!(merged(&[&near, &far], &Nat::default()).attempts.len(), 4);
    let given = Nat::given([(Wire::default().server, BACK)]);
    assert_eq!(merged(&[&near, &far], &given).attempts.len(), 2);
    // The node's own translation: only the back is on the wire, and the log has the front.
    let behind_only = merged(&[&far], &given);
    assert!(behind_only.attempts.iter().all(|a| a.servers().count() == 2));
}

#[test]
fn a_rewritten_isn_is_seen_through_where_the_match_is_the_only_one() {
    let rewritten = |segment: &mut why504_model::Segment| {
        segment.ttl -= 1;
        let delta = 900_000_000 + u32::from(segment.source.port.min(segment.destination.port));
        if segment.destination == Wire::default().server {
            segment.seq = segment.seq.plus(delta);
        } else {
            segment.ack = segment.ack.plus(delta);
        }
    };
    let near = handshakes(&[1, 2, 3], |_| ());
    let far = handshakes(&[1, 2, 3], rewritten);
    let both = merged(&[&near, &far], &Nat::default());
    assert_eq!((both.attempts.len(), both.rewritten), (3, 3));
    assert!(both.offsets.contains_key(&(PointId(0), PointId(1))), "clocks are compared");
    // A SYN proxy opens a connection of its own, with its own time stamps.
    let proxied = handshakes(&[1, 2, 3], |segment| {
        rewritten(segment);
        if let Some(stamps) = &mut segment.timestamps {
            stamps.value = stamps.value.wrapping_add(12_345);
        }
    });
    let both = merged(&[&near, &proxied], &Nat::default());
    assert_eq!((both.attempts.len(), both.rewritten), (6, 0));
    // Two that could be it: neither is.
    let twice: Vec<Packet> = far
        .iter()
        .chain(&handshakes(&[1], |segment| {
            rewritten(segment);
            segment.time = segment.time + Span::from_secs(9);
            if segment.destination == Wire::default().server {
                segment.seq = segment.seq.plus(77);
            } else {
                segment.ack = segment.ack.plus(77);
            }
        }))
        .copied()
        .collect();
    let both = merged(&[&near, &twice], &Nat::default());
    assert_eq!((both.attempts.len(), both.rewritten), (5, 2));
}

/// Source NAT and another ISN at once: only time stamps are left, and three handshakes that were answered
/// show that there is such a box.
#[test]
fn a_masqueraded_and_renumbered_connect_is_known_by_its_time_stamps() {
    let changed = |segment: &mut why504_model::Segment| {
        let server = Wire::default().server;
        let there = segment.destination == server;
        let port = if there { segment.source.port } else { segment.destination.port };
        let client = Endpoint::new([10, 9, 9, 9].into(), 20_000 + port);
        segment.ttl = if there { 63 } else { 65 };
        if there {
            segment.source = client;
            segment.seq = segment.seq.plus(900_000_000 + u32::from(port));
        } else {
            segment.destination = client;
            segment.ack = segment.ack.plus(900_000_000 + u32::from(port));
        }
    };
    let stamped = |port: u16, value: u32, ms: i64| {
        let mut wire = Wire::default();
        wire.client.port = port;
        let mut packet = wire.packet(ms, ">S", u32::from(port) * 70_001, 0);
        let Packet::Tcp(segment) = &mut packet else { panic!("TCP") };
        segment.timestamps = Some(why504_model::TcpTimestamps { value, echo: 0 });
        *segment
    };
    let far_of = |mut segment: why504_model::Segment| {
        changed(&mut segment);
        Packet::Tcp(segment)
    };
    let lost = stamped(900, 4711, 5_000);
    let merge_of = |healthy: &[u16], near_too: &[Packet], there: why504_model::Segment| {
        let mut near = handshakes(healthy, |_| ());
        let mut far = handshakes(healthy, changed);
        near.push(Packet::Tcp(lost));
        near.extend(near_too);
        far.push(far_of(there));
        let merged = merged(&[&near, &far], &Nat::default());
        (merged.attempts.len(), merged.rewritten)
    };
    let others: &[u16] = &[100, 200, 300];
    assert_eq!(merge_of(others, &[], lost), (4, 4), "each is one attempt, answered or not");
    assert_eq!(merge_of(&others[..2], &[], lost), (6, 0), "two handshakes may be chance");
    // Another time stamp; the same one, but not at that moment; two SYNs that bear it.
    assert_eq!(merge_of(others, &[], stamped(900, 4712, 5_000)), (5, 3));
    assert_eq!(merge_of(others, &[], stamped(900, 4711, 65_000)), (5, 3));
    let twin = Packet::Tcp(stamped(901, 4711, 5_000));
    assert_eq!(merge_of(others, &[twin], lost), (6, 3));
}

#[test]
fn copies_of_a_syn_that_masquerading_gave_other_ports_are_one_attempt() {
    let wire = Wire::default();
    let stamped = |ms: i64, value: u32, port: u16, ttl: u8| {
        let mut syn = segment(at(ms), wire.client, wire.server, TcpFlags::SYN, 77, 0);
        syn.timestamps = Some(why504_model::TcpTimestamps { value, echo: 0 });
        syn.source.port = port;
        syn.ttl = ttl;
        Packet::Tcp(syn)
    };
    let near = [stamped(0, 500, 40_000, 64), stamped(1000, 1500, 40_000, 64)];
    let far = [stamped(5, 500, 30_001, 63), stamped(1005, 1500, 30_002, 63)];
    let both = merged(&[&near, &far], &Nat::default());
    assert_eq!(both.attempts.len(), 1);
    let upstream = both.attempts[0].at(PointId(1)).unwrap();
    assert_eq!(upstream.syns().count(), 2);
    let ports: Vec<u16> = upstream.flows().map(|flow| flow.client.port).collect();
    assert_eq!(ports, [30_001, 30_002]);
    // A copy that came under both ports, or that the near point never sent, is not explained.
    for value in [500, 9_999] {
        let far = [stamped(5, 500, 30_001, 63), stamped(1005, value, 30_002, 63)];
        assert_eq!(merged(&[&near, &far], &Nat::default()).attempts.len(), 2, "{value}");
    }
}
