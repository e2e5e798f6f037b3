//! The lines of plain attempts are those that any attempt would get.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use why504_correlate::Plain;
use why504_handshake::{Closing, Event, EventKind, Path, PointId, Side, Sighting};
use why504_model::{Checksum, Endpoint, Flow, Location, SeqNumber, Span, TcpFlags, Timestamp};
use why504_report::{Captures, PointInfo, ndjson};

fn event(time: Timestamp, side: Side, kind: EventKind, flags: u8, numbers: (u32, u32)) -> Event {
    Event {
        time,
        location: Location::default(),
        side,
        kind,
        flags: TcpFlags(flags),
        seq: SeqNumber(numbers.0),
        ack: SeqNumber(numbers.1),
        timestamps: None,
        ip_id: None,
        ttl: 64,
        payload_len: if kind == EventKind::Data { 100 } else { 0 },
        checksum: Checksum::Unknown,
        vlan: None,
        icmp: None,
        about: None,
        drawn_by: None,
    }
}

/// Handshake, request and answer from `start` on, `gap` nanoseconds apart.
fn exchange((isn, answer): (u32, u32), start: Timestamp, gap: i64) -> Vec<Event> {
    let (next, acked) = (isn.wrapping_add(1), answer.wrapping_add(1));
    [
        (Side::Client, EventKind::Syn, 0x02, (isn, 0)),
        (Side::Server, EventKind::SynAck, 0x12, (answer, next)),
        (Side::Client, EventKind::Ack, 0x10, (next, acked)),
        (Side::Client, EventKind::Data, 0x18, (next, acked)),
        (Side::Server, EventKind::Data, 0x18, (acked, next.wrapping_add(100))),
    ]
    .into_iter()
    .zip(0..)
    .map(|((side, kind, flags, numbers), i)| {
        event(start + Span::from_nanos(gap * i), side, kind, flags, numbers)
    })
    .collect()
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
    (prop_oneof![v4, v6], any::<u16>()).prop_map(|(ip, port)| Endpoint::new(ip, port))
}

fn sighting() -> impl Strategy<Value = Sighting> {
    // Several in one second, and others anywhere.
    let start = prop_oneof![0..3_000_000_000_i64, any::<i64>()];
    let numbers = any::<(u32, u32)>();
    (endpoint(), endpoint(), numbers, start, 0..900_000_000_i64).prop_map(
        |(client, server, numbers, start, gap)| Sighting {
            point: PointId(1),
            flow: Flow { client, server },
            isn: SeqNumber(numbers.0),
            events: exchange(numbers, Timestamp::from_nanos(start), gap),
            events_dropped: 0,
            moved: Vec::new(),
            closing: Closing::Answered,
            number: None,
        },
    )
}

proptest! {
    #[test]
    fn they_are_the_same_bytes(
        sightings in prop::collection::vec(sighting(), 1..8),
        name in any::<String>(),
    ) {
        let info = |name: &str| PointInfo { name: name.to_owned(), ..PointInfo::default() };
        let (points, path) = ([info("other"), info(&name)], Path::new([PointId(0), PointId(1)]));
        let captures = Captures {
            sources: &[],
            points: &points,
            path: &path,
            coverage: &BTreeMap::new(),
            offsets: &BTreeMap::new(),
            tunnels: &BTreeMap::new(),
        };
        let (mut quick, mut slow) = (Vec::new(), Vec::new());
        let mut lines = ndjson::PlainLines::new(&captures, PointId(1)).expect("memory");
        for sighting in sightings {
            // A time near the end of all times leaves no room for an order.
            let Ok(plain) = Plain::of(sighting.clone()) else { continue };
            let judgement = plain.judge();
            lines.write(&plain, &judgement, &mut quick).expect("memory");
            ndjson::attempt(&captures, &sighting.into(), &judgement, &mut slow).expect("memory");
        }
        prop_assert_eq!(String::from_utf8(quick), String::from_utf8(slow));
    }
}

/// The property has something to hold.
#[test]
fn an_ordinary_exchange_is_plain() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let tree = sighting().new_tree(&mut runner).expect("a value");
    let sighting = proptest::strategy::ValueTree::current(&tree);
    assert!(Plain::of(sighting).is_ok());
}
