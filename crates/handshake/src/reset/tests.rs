//! RSTs and their reasons, on exchanges written by hand after the lab's captures and the RFC.

use std::vec::Vec;

use proptest::prelude::*;
use why504_model::{Packet, Segment, Span, TcpFlags};

use super::*;
use crate::tracker::testing::Wire;

const X: u32 = 1000;
const Y: u32 = 70_000;
/// Far outside the window of `X`.
const Z: u32 = 900_000_000;

fn watch(packets: &[Packet]) -> Vec<Reset> {
    let mut watch = ResetWatch::new(PointId(0));
    for packet in packets {
        watch.push(packet);
    }
    watch.take()
}

/// What provoked the only RST, and the ISN that it is about.
fn only(packets: &[Packet]) -> (Trigger, Option<u32>) {
    let found = watch(packets);
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].trigger, found[0].about.map(|isn| isn.0))
}

/// (milliseconds, direction and flags, seq, ack).
type Row = (i64, &'static str, u32, u32);

fn exchange(rows: &[Row]) -> Vec<Packet> {
    let wire = Wire::default();
    rows.iter().map(|&(ms, flags, seq, ack)| wire.packet(ms, flags, seq, ack)).collect()
}

const CASES: &[(&str, &[Row], Trigger, Option<u32>)] = &[
    (
        "the second SYN+ACK finds the socket closed (lab F)",
        &[(0, ">S", X, 0), (1020, "<S.", Y, X + 1), (1020, ">R", X + 1, 0)],
        Trigger::LateSynAck,
        Some(X),
    ),
    (
        "a SYN+ACK for a SYN from before the capture",
        &[(0, "<S.", Y, X + 1), (0, ">R", X + 1, 0)],
        Trigger::LateSynAck,
        Some(X),
    ),
    (
        "SYN z meets the half-open x (lab C): RFC 9293 section 3.10.7.4",
        &[(0, ">S", X, 0), (2800, ">S", Z, 0), (2801, "<.", Y + 1, X + 1), (2801, ">R", X + 1, 0)],
        Trigger::BareAck,
        Some(X),
    ),
    (
        "SYN z meets an old connection of which nothing was captured (lab G)",
        &[(0, ">S", Z, 0), (1, "<.", Y, 5000), (1, ">R", 5000, 0)],
        Trigger::BareAck,
        Some(4999),
    ),
    (
        "nobody listens (RFC 9293 section 3.10.7.1)",
        &[(0, ">S", X, 0), (1, "<R.", 0, X + 1)],
        Trigger::Refused,
        Some(X),
    ),
    (
        "z within 64 KiB of x, 138 us later (lab L): x is what it is about",
        &[(0, ">S", X, 0), (0, ">S", X + 2160, 0), (0, "<R.", 0, X + 2161)],
        Trigger::InWindowSyn,
        Some(X),
    ),
    (
        "accept queue full with tcp_abort_on_overflow (lab I3)",
        &[(0, ">S", X, 0), (0, "<S.", Y, X + 1), (0, ">.", X + 1, Y + 1), (0, "<R", Y + 1, 0)],
        Trigger::ThirdAck,
        Some(X),
    ),
    (
        "close() with unread data: RST+ACK with the sender's own numbers",
        &[
            (0, ">S", X, 0),
            (0, "<S.", Y, X + 1),
            (0, ">.", X + 1, Y + 1),
            (1, ">P.", X + 1, Y + 1),
            (2, "<.", Y + 1, X + 101),
            (40, "<R.", Y + 1, X + 101),
        ],
        Trigger::Aborted,
        Some(X),
    ),
    (
        "the accepted connection is dropped with SO_LINGER 0 before anything came",
        &[(0, ">S", X, 0), (0, "<S.", Y, X + 1), (1, "<R.", Y + 1, X + 1)],
        Trigger::Aborted,
        Some(X),
    ),
    (
        "data for a connection that the client has closed",
        &[
            (0, ">S", X, 0),
            (0, "<S.", Y, X + 1),
            (0, ">.", X + 1, Y + 1),
            (9, ">F.", X + 1, Y + 1),
            (10, "<P.", Y + 1, X + 2),
            (10, ">R", X + 2, 0),
        ],
        Trigger::Gone,
        Some(X),
    ),
    (
        "a RST with a number that no packet here acknowledged (lab X at the server)",
        &[(0, ">S", X, 0), (0, "<S.", Y, X + 1), (0, ">R", 12_345, 0)],
        Trigger::Unseen,
        None,
    ),
    ("a RST out of nowhere", &[(0, ">S", X, 0), (500, ">R", X + 1, 0)], Trigger::Unseen, Some(X)),
    (
        "on the sender's own host the answer comes at once: 400 ms later is no answer",
        &[(0, ">S", X, 0), (100, "<S.", Y, X + 1), (500, ">R", X + 1, 0)],
        Trigger::Unseen,
        Some(X),
    ),
];

#[test]
fn the_packet_before_and_its_numbers_say_what_provoked_a_reset() {
    for (name, rows, trigger, about) in CASES {
        assert_eq!(only(&exchange(rows)), (*trigger, *about), "{name}");
    }
}

fn tcp(packet: &mut Packet) -> &mut Segment {
    match packet {
        Packet::Tcp(segment) => segment,
        Packet::Icmp(_) | Packet::Resolution(_) => unreachable!("the wire makes segments"),
    }
}

#[test]
fn a_wrong_number_is_told_from_an_older_attempt_by_the_echoed_time_stamp() {
    let rows = [(0, ">S", X, 0), (1, "<S.", Y, 12_345), (1, ">R", 12_345, 0)];
    for (own, expected) in
        [(true, (Trigger::WrongAck, Some(X))), (false, (Trigger::LateSynAck, Some(12_344)))]
    {
        let mut packets = exchange(&rows);
        let sent = tcp(&mut packets[0]).timestamps.expect("the wire stamps").value;
        let stamp = tcp(&mut packets[1]).timestamps.as_mut().expect("the wire stamps");
        stamp.echo = if own { sent } else { sent.wrapping_sub(77) };
        assert_eq!(only(&packets), expected);
    }
}

#[test]
fn away_from_the_sender_the_answer_takes_a_round_trip() {
    let mut packets = exchange(&[(0, ">S", X, 0), (1020, "<S.", Y, X + 1), (1100, ">R", X + 1, 0)]);
    tcp(&mut packets[2]).ttl = 62;
    let found = watch(&packets);
    assert_eq!(found[0].trigger, Trigger::LateSynAck);
    assert_eq!(found[0].since_syn, Some(Span::from_millis(1020)));
    assert_eq!(found[0].foreign_ttl, Some((62, 64)), "the SYN had another time to live");
}

#[test]
fn two_syn_acks_in_a_moment_draw_two_resets_and_a_frame_captured_twice_is_one() {
    let late = [
        (0, ">S", X, 0),
        (1020, "<S.", Y, X + 1),
        (1020, "<S.", Y, X + 1),
        (1020, ">R", X + 1, 0),
        (1020, ">R", X + 1, 0),
    ];
    assert_eq!(watch(&exchange(&late)).len(), 2, "lab C: two SYN+ACKs 46 us apart");
    let twice = [late[0], late[1], late[3], late[4]];
    let mut all = ResetWatch::new(PointId(0));
    for packet in exchange(&twice) {
        all.push(&packet);
    }
    assert_eq!(all.take().len(), 1);
    assert_eq!(all.tally(), ResetTally { resets: 1, captured_twice: 1 });
}

#[test]
fn memory_is_bounded_by_generations() {
    let mut all = ResetWatch::new(PointId(0));
    for i in 0..100_000_u32 {
        let mut packet = Wire::default().packet(i64::from(i), ">S", i, 0);
        let segment = tcp(&mut packet);
        segment.source.port = u16::try_from(i % 60_000).expect("small");
        segment.source.ip = core::net::Ipv4Addr::from(0x0a00_0000 + i / 60_000).into();
        all.push(&packet);
    }
    assert!(all.talks.len() <= 2 * talk::GENERATION, "{}", all.talks.len());
}

proptest! {
    /// Whatever comes, every RST is counted once, and a packet that is named as the trigger came
    /// from the other side and has the numbers that the RST answers.
    #[test]
    fn a_trigger_has_the_numbers_that_the_reset_answers(
        rows in prop::collection::vec((0_i64..50, 0..2_u8, 0..6_u8, 0..4_u32, 0..4_u32), 0..60),
    ) {
        let flags = ["S", "S.", ".", "P.", "R", "R."];
        let mut packets: Vec<Packet> = Vec::new();
        let mut ms = 0;
        for (wait, side, kind, seq, ack) in rows {
            ms += wait;
            let letters = std::format!("{}{}", if side == 0 { '>' } else { '<' }, flags[usize::from(kind)]);
            packets.push(Wire::default().packet(ms, &letters, seq, ack));
        }
        let mut all = ResetWatch::new(PointId(0));
        for packet in &packets {
            all.push(packet);
        }
        let resets = packets.iter().filter(|p| matches!(p, Packet::Tcp(s) if s.is_rst())).count() as u64;
        let tally = all.tally();
        prop_assert_eq!(resets, tally.resets + tally.captured_twice);
        let found = all.take();
        prop_assert_eq!(found.len() as u64, tally.resets);
        for reset in found {
            let Some(asked) = reset.provoked_by else { continue };
            prop_assert_ne!(asked.side, reset.packet.side);
            if reset.packet.flags.contains(TcpFlags::ACK) {
                prop_assert_eq!(asked.seq.next(), reset.packet.ack);
            } else {
                prop_assert_eq!(asked.ack, reset.packet.seq);
            }
        }
    }
}
