//! Sightings of several points made one attempt: what belongs together and what does not.

use super::*;
use crate::tracker::testing::{Wire, segment};
use crate::{Side, Tracker};
use why504_model::{Packet, TcpFlags, Timestamp};

fn track(point: u16, packets: &[Packet]) -> Vec<Sighting> {
    let mut tracker = Tracker::new(PointId(point));
    for packet in packets {
        tracker.push(packet);
    }
    tracker.end();
    tracker.take()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_parts(1_000_000, 0) + Span::from_millis(ms)
}

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

/// What each point saw, by what is done to the packets on the way to it.
fn merged(points: &[&[Packet]], given: &Nat) -> Merged {
    let mut path = Path::new((0..points.len()).map(|i| PointId(u16::try_from(i).unwrap())));
    let mut all = Vec::new();
    for (point, packets) in (0..).zip(points) {
        all.extend(track(point, packets));
    }
    for sighting in &all {
        path.learn(sighting);
    }
    merge_translated(all, &path, given, &BTreeMap::new())
}

/// Healthy handshakes from the ports given; each packet passes `change` on its way.
fn handshakes(ports: &[u16], change: impl Fn(&mut why504_model::Segment)) -> Vec<Packet> {
    let mut packets = Vec::new();
    for &port in ports {
        let mut wire = Wire::default();
        wire.client.port = port;
        let isn = u32::from(port) * 70_001;
        let ms = i64::from(port);
        packets.extend([
            wire.packet(ms, ">S", isn, 0),
            wire.packet(ms + 1, "<S.", 7, isn + 1),
            wire.packet(ms + 2, ">.", isn + 1, 8),
            wire.packet(ms + 3, "<P.", 8, isn + 1),
        ]);
    }
    for packet in &mut packets {
        if let Packet::Tcp(segment) = packet {
            change(segment);
        }
    }
    packets
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

#[test]
fn one_capture_is_the_client_of_one_flow_and_the_server_of_another() {
    // client -> edge gateway -> inner gateway -> upstream; a capture on each gateway's host.
    let inner = Endpoint::new([10, 3, 0, 1].into(), 8080);
    let first = handshakes(&[1, 2, 3], |_| ());
    let hop = |segment: &mut why504_model::Segment, by: u8, toward: Endpoint| {
        segment.ttl -= if segment.destination == toward { by } else { 2 - by };
    };
    let front = Wire::default().server;
    let second = |segment: &mut why504_model::Segment| {
        let (client, server) = (Endpoint::new(front.ip, 45_000), inner);
        let down = segment.destination == front;
        let port = if down { segment.source.port } else { segment.destination.port };
        let client = Endpoint { port: client.port + port, ..client };
        (segment.source, segment.destination) =
            if down { (client, server) } else { (server, client) };
        segment.time = segment.time + Span::from_millis(500);
        if down {
            segment.seq = segment.seq.plus(5_000);
        } else {
            segment.ack = segment.ack.plus(5_000);
        }
    };
    let leg = |packets: &[Packet], change: &dyn Fn(&mut why504_model::Segment)| {
        let mut packets = packets.to_vec();
        for packet in &mut packets {
            if let Packet::Tcp(segment) = packet {
                change(segment);
            }
        }
        packets
    };
    let edge = leg(&first, &|s| hop(s, 0, front));
    let mut middle = leg(&first, &|s| hop(s, 2, front));
    middle.extend(leg(&first, &|s| {
        second(s);
        hop(s, 0, inner);
    }));
    let upstream = leg(&first, &|s| {
        second(s);
        hop(s, 2, inner);
    });
    let merged = merged(&[&upstream, &middle, &edge], &Nat::default());
    assert_eq!(merged.attempts.len(), 6);
    for attempt in &merged.attempts {
        let order: Vec<u16> = attempt.sightings().map(|s| s.point.0).collect();
        let expected: &[u16] = if attempt.flow().server == inner { &[1, 0] } else { &[2, 1] };
        assert_eq!(order, expected, "{:?}", attempt.flow());
    }
}

#[test]
fn points_are_in_order_of_hops_and_each_flow_has_its_own_roles() {
    let hops = |from: u8| {
        handshakes(&[1, 2, 3], move |segment| {
            let down = segment.destination == Wire::default().server;
            segment.ttl -= if down { from } else { 3 - from };
        })
    };
    // Given in any order: gateway, outside and inside of the firewall, upstream.
    let (gateway, outside, inside, upstream) = (hops(0), hops(1), hops(2), hops(3));
    let merged = merged(&[&upstream, &inside, &gateway, &outside], &Nat::default());
    for attempt in &merged.attempts {
        let order: Vec<u16> = attempt.sightings().map(|s| s.point.0).collect();
        assert_eq!(order, [2, 3, 1, 0]);
    }
}

/// A SYN proxy beside the server writes SYN and ACK anew, in the client's name, and passes on what
/// follows. Linux's proxy leaves the echo of the client's ACK in its SYN; another may not.
#[test]
fn what_a_proxy_wrote_does_not_bring_the_client_near() {
    for echo in [777, 0] {
        let packets = handshakes(&[1, 2, 3], |segment| {
            let up = segment.destination == Wire::default().server;
            let syn = segment.flags == TcpFlags::SYN;
            if syn && let Some(stamps) = &mut segment.timestamps {
                stamps.echo = echo;
            }
            if segment.payload_len == 0 && up && !syn {
                // Sooner than the server answers: the proxy is next door.
                segment.time = segment.time - Span::from_micros(900);
            }
        });
        let wire = Wire::default();
        let mut all = Vec::new();
        for packet in packets {
            if let Packet::Tcp(answer) = packet
                && answer.payload_len > 0
            {
                let (from, to) = (answer.destination, answer.source);
                let (seq, ack) = (answer.ack.0, answer.seq.0);
                let mut request = segment(answer.time, from, to, TcpFlags::ACK, seq, ack);
                (request.ttl, request.payload_len) = (63, 10);
                all.push(Packet::Tcp(request));
            }
            all.push(packet);
        }
        let mut path = Path::new([PointId(0)]);
        for sighting in &track(0, &all) {
            path.learn(sighting);
        }
        let place = path.place(PointId(0), wire.server.ip);
        assert!(!place.at_client(), "echo {echo}: {place:?}");
        // With a SYN that tells nothing, the server's own packets tell where the point is.
        assert_eq!(place.at_server(), echo != 0, "echo {echo}: {place:?}");
    }
}

/// On one wire only delays tell the ends apart. Where a filter hides plain ACKs, the first thing that takes
/// a SYN+ACK comes when the client has something to send: that is no long way to the client.
#[test]
fn a_request_much_later_does_not_bring_the_clients_capture_to_the_server() {
    let wire = Wire::default();
    let packets = [
        wire.packet(0, ">S", 77, 0),
        wire.packet(4, "<S.", 7, 78),
        wire.packet(5, ">.", 78, 8),
        wire.packet(50, ">P.", 78, 8),
        wire.packet(60, "<P.", 8, 178),
    ];
    let hidden: Vec<Packet> = [0, 1, 3, 4].map(|i| packets[i]).to_vec();
    for (packets, to_client) in [(&packets[..], Some(Span::from_millis(1))), (&hidden, None)] {
        let mut path = Path::new([PointId(0)]);
        for sighting in track(0, packets) {
            path.learn(&sighting);
        }
        let place = path.place(PointId(0), wire.server.ip);
        assert_eq!((place.to_client, place.at_server()), (to_client, false));
    }
}

/// A capture of ten minutes beside one of an hour: what passed before it began is not missing in it.
#[test]
fn handshakes_count_while_both_points_captured() {
    let ports: Vec<u16> = (1..=40).map(|i| i * 1_000).collect();
    let near = handshakes(&ports, |_| {});
    let behind = |segment: &mut why504_model::Segment| segment.ttl -= 1;
    let far: Vec<Packet> =
        handshakes(&ports[10..], behind).into_iter().filter(|p| p.time() < at(35_500)).collect();
    let path = Path::new([PointId(0), PointId(1)]);
    let span = |packets: &[Packet]| {
        Interval::new(packets[0].time(), packets[packets.len() - 1].time() + Span::from_nanos(1))
    };
    let spans = BTreeMap::from([(PointId(0), span(&near)), (PointId(1), span(&far))]);
    for (spans, counted) in [(BTreeMap::new(), (40, 25)), (spans, (23, 23))] {
        let mut all = track(0, &near);
        all.extend(track(1, &far));
        let mut path = path.clone();
        for sighting in &all {
            path.learn(sighting);
        }
        let merged = merge_translated(all, &path, &Nat::default(), &spans);
        // Those of 11 s to 35 s, and of these neither the first nor the last, which lie on the edges.
        assert_eq!(merged.reliability[&(PointId(0), PointId(1))], counted);
    }
}

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
