use alloc::vec::Vec;
use core::net::Ipv4Addr;

use proptest::prelude::*;
use why504_model::{Checksum, Endpoint, Location};

use super::*;

const ISN: u32 = 7;
const ANSWER: u32 = 70;

/// What [`Sighting::is_clean`] says, in the words of the questions it is made of.
fn asked_one_by_one(sighting: &Sighting) -> bool {
    sighting.closing != Closing::OpenAtEnd
        && sighting.syns().count() == 1
        && sighting.syn_acks().count() == 1
        && sighting
            .syn_acks()
            .all(|answer| answer.time.since(sighting.first_syn()) < NOT_AGAIN_BEFORE)
        && sighting.wrong_syn_acks().next().is_none()
        && sighting.completed()
        && sighting.events.iter().all(|e| e.about.is_none() && e.kind != EventKind::Icmp)
        && sighting.server_bytes() > 0
}

/// A packet: most that are drawn make an ordinary exchange.
fn event() -> impl Strategy<Value = Event> {
    let packet = prop::sample::select(alloc::vec![
        (Side::Client, EventKind::Ack, 0x10, ISN + 1, ANSWER + 1, 0),
        (Side::Client, EventKind::Ack, 0x10, ISN + 1, ANSWER, 0),
        (Side::Client, EventKind::Data, 0x18, ISN + 1, ANSWER + 1, 100),
        (Side::Client, EventKind::Data, 0x00, ISN + 1, ANSWER + 1, 100),
        (Side::Server, EventKind::Data, 0x18, ANSWER + 1, ISN + 101, 900),
        (Side::Server, EventKind::Ack, 0x10, ANSWER + 1, ISN + 101, 0),
        (Side::Client, EventKind::Fin, 0x11, ISN + 101, ANSWER + 901, 0),
        (Side::Server, EventKind::Rst, 0x14, ANSWER + 1, ISN + 1, 3),
        (Side::Server, EventKind::Syn, 0x02, ANSWER, 0, 5),
        (Side::Server, EventKind::Icmp, 0, ISN, 0, 0),
    ]);
    let time = prop::sample::select(alloc::vec![0_i64, 1, 2, 949, 950, 1000]);
    let about = prop::option::weighted(0.02, Just(SeqNumber(1)));
    (packet, time, about).prop_map(|(packet, ms, about)| {
        let (side, kind, flags, seq, ack, payload_len) = packet;
        Event {
            time: Timestamp::from_parts(1_000_000, 0) + Span::from_millis(ms),
            location: Location::default(),
            side,
            kind,
            flags: TcpFlags(flags),
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            timestamps: None,
            ip_id: None,
            ttl: 64,
            payload_len,
            checksum: Checksum::Unknown,
            vlan: None,
            icmp: None,
            about,
            drawn_by: None,
        }
    })
}

/// Of this kind, whatever else was drawn.
fn as_packet(
    event: Event,
    (side, kind, flags): (Side, EventKind, u8),
    (seq, ack, payload_len): (u32, u32, u32),
) -> Event {
    let (seq, ack) = (SeqNumber(seq), SeqNumber(ack));
    Event { side, kind, flags: TcpFlags(flags), seq, ack, payload_len, ..event }
}

fn sighting() -> impl Strategy<Value = Sighting> {
    let syn =
        (event(), prop::sample::select(alloc::vec![0_u32, 0, 0, 4])).prop_map(|(e, payload)| {
            as_packet(e, (Side::Client, EventKind::Syn, 2), (ISN, 0, payload))
        });
    let answer =
        (event(), prop::sample::select(alloc::vec![1_u32, 1, 1, 5, 6])).prop_map(|(e, acked)| {
            as_packet(e, (Side::Server, EventKind::SynAck, 0x12), (ANSWER, ISN + acked, 0))
        });
    let closing = prop::sample::select(alloc::vec![
        Closing::Answered,
        Closing::Answered,
        Closing::Over,
        Closing::OpenAtEnd
    ]);
    let syns = prop::collection::vec(syn, 1..3);
    let answers = prop::collection::vec(answer, 0..3);
    let others = prop::collection::vec(event(), 1..6);
    (syns, answers, others, closing).prop_map(|(syns, answers, others, closing)| {
        let mut events = [syns, answers, others].concat();
        events.sort_by_key(|e| e.time);
        let end = |host, port| Endpoint::new(Ipv4Addr::new(10, 0, 0, host).into(), port);
        Sighting {
            point: PointId(0),
            flow: Flow { client: end(5, 40_000), server: end(9, 80) },
            isn: SeqNumber(ISN),
            events,
            events_dropped: 0,
            moved: Vec::new(),
            closing,
            number: None,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn clean_is_what_all_questions_say(sighting in sighting()) {
        prop_assert_eq!(sighting.is_clean(), asked_one_by_one(&sighting));
    }
}

/// The property has something to hold.
#[test]
fn some_of_what_is_drawn_is_clean() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let clean = (0..2000).filter(|_| {
        let tree = sighting().new_tree(&mut runner).expect("a value");
        proptest::strategy::ValueTree::current(&tree).is_clean()
    });
    assert!(clean.count() > 20);
}
