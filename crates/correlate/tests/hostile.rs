//! Packets that look like a sign and are none: what hosts and boxes send for reasons of their own may make
//! a verdict weaker, and never wrong and sure.

mod world;

use why504_correlate::{Grade, Verdict};
use why504_model::{Segment, TcpFlags};
use world::{CLIENT_POINT, SERVER_POINT, Seen, World, gateway, upstream};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];
const POINTS: [&[u16]; 3] = [&BOTH, &[CLIENT_POINT], &[SERVER_POINT]];

/// The flags of RFC 3168: a SYN that asks for ECN bears both, a SYN+ACK that agrees the first.
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

/// Nothing is sure but, perhaps, the truth.
fn nothing_else_is_sure(world: &World, truth: Verdict, what: &str) {
    for given in POINTS {
        for (verdict, grade) in world.answers(given) {
            assert!(
                !grade.is_sure() || verdict == truth,
                "{what}, {given:?}: {verdict:?} {grade:?}"
            );
        }
    }
}

/// An old connection that both ends still have, and a line about a later connect from the same port. The
/// client had closed; its FIN was lost, so that the server does not know.
fn beside_an_old_connection(world: &mut World) {
    let client = gateway(40_000);
    world.up(2_000, client, 0x02, 100, 0, Seen::Both);
    world.down(2_001, client, 0x12, 900, 101, Seen::Both);
    world.up(2_002, client, 0x10, 101, 901, Seen::Both);
    world.request(2_003, client, 101, 901, 10);
    world.down(2_010, client, 0x10, 901, 111, Seen::Both);
    world.up(4_000, client, 0x11, 111, 901, Seen::ClientOnly);
    world.timed_out(10_400, Some(300)).start = Some(world::start_at(10_100));
}

/// A keepalive probe (RFC 9293 section 3.8.4: one octet before what was sent) of the server, by chance while
/// a SYN that it never got waits for its answer.
#[test]
fn a_keepalive_probe_of_an_old_connection_answers_no_syn() {
    for length in [0, 1] {
        let mut world = World::watched();
        beside_an_old_connection(&mut world);
        world.up(10_100, gateway(40_000), 0x02, 5_000, 0, Seen::ClientOnly);
        world.down(10_250, gateway(40_000), 0x10, 900, 111, Seen::Both);
        world.change(CLIENT_POINT, |segment| {
            let probe =
                segment.source == upstream() && segment.seq.0 == 900 && !segment.is_syn_ack();
            Some(Segment {
                payload_len: if probe { length } else { segment.payload_len },
                ..*segment
            })
        });
        nothing_else_is_sure(&world, Verdict::SynLost, "keepalive");
    }
}

/// Linux sends the last copies of a SYN without the ECN flags (`tcp_ecn_clear_syn`), BSD the second.
#[test]
fn a_syn_that_asks_for_ecn_and_its_copy_that_does_not_are_one_attempt() {
    for (answered, truth) in [(false, Verdict::SynLost), (true, Verdict::SynAckLost)] {
        let mut world = World::watched();
        let client = gateway(40_000);
        let seen = if answered { Seen::Both } else { Seen::ClientOnly };
        world.up(10_100, client, 0x02 | ECE | CWR, 5_000, 0, Seen::ClientOnly);
        world.up(11_130, client, 0x02, 5_000, 0, seen);
        if answered {
            world.down(11_131, client, 0x12 | ECE, 9_000, 5_001, Seen::ServerOnly);
        }
        world.timed_out(12_100, Some(2_000)).start = Some(world::start_at(10_100));
        assert_eq!(world.answers(&BOTH), [(truth, Grade::Proven)]);
        nothing_else_is_sure(&world, truth, "ecn");
    }
}

/// TCP Fast Open (RFC 7413): the SYN carries payload, of which the server may take nothing.
#[test]
fn payload_in_a_syn_changes_nothing() {
    for taken in [0, 10] {
        let mut world = World::watched();
        let client = gateway(40_000);
        world.up(10_100, client, 0x02, 5_000, 0, Seen::Both);
        world.down(10_101, client, 0x12, 9_000, 5_001 + taken, Seen::ServerOnly);
        for point in BOTH {
            world.change(point, |segment| {
                let payload_len = if segment.seq.0 == 5_000 { 10 } else { segment.payload_len };
                Some(Segment { payload_len, ..*segment })
            });
        }
        world.timed_out(10_400, Some(300)).start = Some(world::start_at(10_100));
        assert_eq!(world.answers(&BOTH), [(Verdict::SynAckLost, Grade::Proven)], "{taken}");
        nothing_else_is_sure(&world, Verdict::SynAckLost, "fast open");
    }
}

/// An accelerator on the way sends the SYN again by itself: more copies arrive than were sent. Then what the
/// gateway's capture holds is not all that there was, or it is; nobody can say.
#[test]
fn copies_of_a_syn_that_a_box_made_prove_nothing_about_the_gateways_capture() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5_000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9_000, 5_001, Seen::ServerOnly);
    world.up(10_700, client, 0x02, 5_000, 0, Seen::ServerOnly);
    world.down(10_701, client, 0x12, 9_000, 5_001, Seen::ServerOnly);
    world.timed_out(11_000, Some(900)).start = Some(world::start_at(10_100));
    assert_eq!(world.answers(&BOTH), [(Verdict::SynAckLost, Grade::Consistent)]);
    nothing_else_is_sure(&world, Verdict::SynAckLost, "accelerator");
}

/// A box resets in the server's name, from nearer than the server is: to nginx it is a refusal all the same.
#[test]
fn a_reset_of_a_box_is_a_refusal_and_no_word_of_the_server() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5_000, 0, Seen::ClientOnly);
    world.down(10_101, client, 0x14, 0, 5_001, Seen::ClientOnly);
    world.change(CLIENT_POINT, |segment| {
        let ttl = if segment.flags.contains(TcpFlags::RST) { 60 } else { segment.ttl };
        Some(Segment { ttl, ..*segment })
    });
    let line = world.timed_out(10_102, None);
    line.kind = why504_model::TimeoutKind::ConnectRefused;
    line.start = Some(world::start_at(10_100));
    assert_eq!(world.answers(&BOTH), [(Verdict::Refused, Grade::Proven)]);
}

/// Two processes on one port within a second: the first gives up, the second connects from the same port.
/// The answer to the first, late, is none to the second.
#[test]
fn a_port_that_another_process_takes_within_a_second_keeps_its_attempts_apart() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5_000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9_000, 5_001, Seen::ServerOnly);
    world.up(10_600, client, 0x02, 700_000, 0, Seen::ClientOnly);
    world.down(11_130, client, 0x12, 9_000, 5_001, Seen::Both);
    world.up(11_131, client, 0x04, 5_001, 0, Seen::Both);
    world.timed_out(10_400, Some(300)).start = Some(world::start_at(10_100));
    let second = world.timed_out(10_900, Some(300));
    second.start = Some(world::start_at(10_600));
    let cases = world.answers(&BOTH);
    assert_eq!(cases[0], (Verdict::SynAckLost, Grade::Proven));
    assert!(cases[1].0 == Verdict::SynLost || !cases[1].1.is_sure(), "{cases:?}");
}
