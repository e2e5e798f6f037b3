//! Sightings of several points made one attempt: what belongs together and what does not.

mod nat;
mod unseen;

use alloc::vec;

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

/// A capture of ten minutes beside one of an hour: what passed before it began is not missing in it, nor
/// what passed between two of its files.
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
    let whole = vec![span(&far)];
    // The file from 20.5 s to 30.5 s is missing.
    let missing = Interval::new(at(20_500), at(30_500));
    let torn: Vec<Packet> = far.iter().filter(|p| !missing.contains(p.time())).copied().collect();
    let (before, behind) = torn.split_at(torn.partition_point(|p| p.time() < missing.start()));
    let halves = vec![span(before), span(behind)];
    let written = |of_far: Vec<Interval>| {
        BTreeMap::from([(PointId(0), vec![span(&near)]), (PointId(1), of_far)])
    };
    for (far, written, counted) in [
        (&far, BTreeMap::new(), (40, 25)),
        (&far, written(whole.clone()), (23, 23)),
        // Held against the whole time those of 21 s to 30 s are missing.
        (&torn, written(whole), (23, 13)),
        // And those beside the hole lie on an edge.
        (&torn, written(halves), (11, 11)),
    ] {
        let mut all = track(0, &near);
        all.extend(track(1, far));
        let mut path = path.clone();
        for sighting in &all {
            path.learn(sighting);
        }
        let merged = merge_translated(all, &path, &Nat::default(), &written);
        // Those of 11 s to 35 s, and of these neither the first nor the last, which lie on the edges.
        assert_eq!(merged.reliability[&(PointId(0), PointId(1))], counted);
    }
}
