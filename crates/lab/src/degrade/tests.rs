//! Each way does what its words say, to packets that are written out here.

use super::*;
use crate::packet::flag;

const CLIENT: (u8, u16) = (1, 40_000);
const SERVER: (u8, u16) = (2, 8001);

fn packet(ms: i64, from: (u8, u16), to: (u8, u16), flags: u8) -> Frame {
    let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    bytes.extend([10, 0, 0, from.0, 10, 0, 0, to.0]);
    bytes.extend(from.1.to_be_bytes());
    bytes.extend(to.1.to_be_bytes());
    bytes.extend([0, 0, 0, 7, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
    let time_ns = 1_000_000_000_000 + ms * 1_000_000;
    Frame { number: 0, time_ns, link: 101, bytes, wire_length: 40 }
}

/// A thousand handshakes, a tenth of a second apart, each from a port of its own.
fn handshakes() -> Vec<Frame> {
    let handshake = |(time, port): (i64, u16)| {
        let client = (CLIENT.0, port);
        [
            packet(time, client, SERVER, flag::SYN),
            packet(time + 1, SERVER, client, flag::SYN | flag::ACK),
            packet(time + 2, client, SERVER, flag::ACK),
        ]
    };
    (0..).step_by(100).zip(CLIENT.1..).take(1000).flat_map(handshake).collect()
}

fn spoil(name: &str) -> Vec<Frame> {
    let way = WAYS.iter().find(|way| way.name == name).expect(name);
    way.what.spoil(handshakes(), &mut Random::new(1))
}

fn flags(frames: &[Frame]) -> BTreeSet<u8> {
    frames.iter().filter_map(segment).map(|tcp| tcp.flags).collect()
}

#[test]
fn names_are_unique_and_name_the_side() {
    let names: BTreeSet<&str> = WAYS.iter().map(|way| way.name).collect();
    assert_eq!(names.len(), WAYS.len());
    for way in WAYS {
        assert!(way.name.starts_with(way.side.name()) && !way.words.is_empty(), "{}", way.name);
    }
}

#[test]
fn every_way_changes_a_capture_that_it_can_change_and_twice_the_same() {
    let whole = handshakes();
    for way in WAYS {
        let spoiled = way.what.spoil(whole.clone(), &mut Random::new(504));
        assert_eq!(spoiled, way.what.spoil(whole.clone(), &mut Random::new(504)), "{}", way.name);
        // Packets of 40 octets are not cut, and nothing here uses that port.
        let harmless = ["port-8002", "cut-54", "cut-68"].iter().any(|end| way.name.ends_with(end));
        assert_eq!(spoiled == whole, harmless, "{}", way.name);
        assert!(way.what.spoil(Vec::new(), &mut Random::new(504)).is_empty(), "{}", way.name);
    }
}

#[test]
fn as_much_is_missing_as_the_words_say() {
    let counts = [
        ("gateway-lose-10pct", 2550..2850),
        ("gateway-lose-40pct", 1650..1950),
        ("gateway-flows-30pct", 1950..2250),
        ("gateway-flows-5pct-to-server", 2850..2930),
        ("gateway-middle", 1490..1510),
        ("gateway-gaps", 2500..3000),
        ("gateway-no-port-8001", 0..1),
        ("gateway-twice-60ms", 6000..6001),
    ];
    for (name, expected) in counts {
        let kept = spoil(name).len();
        assert!(expected.contains(&kept), "{name}: {kept}");
    }
}

#[test]
fn filters_and_mirrors_keep_what_they_let_through() {
    let (syn, answer, ack) = (flag::SYN, flag::SYN | flag::ACK, flag::ACK);
    for (name, kept) in [
        ("gateway-from-server-only", vec![answer]),
        ("gateway-to-server-only", vec![syn, ack]),
        ("gateway-syn-only", vec![syn, answer]),
        ("gateway-no-plain-ack", vec![syn, answer]),
    ] {
        assert_eq!(flags(&spoil(name)), kept.into_iter().collect(), "{name}");
    }
}

#[test]
fn a_connection_is_missing_as_a_whole() {
    let mut seen = BTreeMap::new();
    for tcp in spoil("upstream-flows-30pct").iter().filter_map(segment) {
        *seen.entry(tcp.sport.max(tcp.dport)).or_insert(0) += 1;
    }
    assert!(seen.values().all(|packets| *packets == 3));
}

#[test]
fn clocks_are_moved_as_the_words_say() {
    let moved =
        |name, index: usize| (spoil(name)[index].time_ns - handshakes()[index].time_ns) / 1_000_000;
    assert_eq!((moved("gateway-ahead-3s", 0), moved("gateway-behind-0.06s", 2999)), (3000, -60));
    assert_eq!((moved("gateway-drift-200ppm", 0), moved("gateway-drift-200ppm", 2999)), (0, 19));
    assert_eq!(
        (moved("gateway-set-forward-0.8s", 0), moved("gateway-set-forward-0.8s", 2999)),
        (0, 800)
    );
    assert_eq!(
        (moved("gateway-set-back-0.3s", 0), moved("gateway-set-back-0.3s", 2999)),
        (0, -300)
    );
}

#[test]
fn an_excuse_is_for_a_way_that_there_is_and_for_one_verdict_in_one_mode() {
    for excuse in ways::EXCUSES {
        for name in excuse.ways {
            let way = WAYS.iter().find(|way| way.name == *name).expect(name);
            assert_eq!(way.excuse(excuse.mode, excuse.verdict), Some(excuse.why));
            assert_eq!(way.excuse(Mode::NoAccess, excuse.verdict), None, "{name}");
            assert_eq!(way.excuse(excuse.mode, "synack_lost"), None, "{name}");
        }
    }
}
