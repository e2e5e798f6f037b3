//! Captures taken with a filter, on flags, ports or hosts: what it hides was not lost.

mod world;

use why504_correlate::{Grade, Verdict};
use why504_model::{Endpoint, Segment, TcpFlags, TimeoutKind};
use world::{CLIENT_POINT, SERVER_POINT, Seen, World, gateway, upstream};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];

/// `tcp[tcpflags] & (tcp-syn|tcp-rst) != 0`
fn syn_or_rst(segment: &Segment) -> bool {
    segment.flags.intersects(TcpFlags::SYN | TcpFlags::RST)
}

/// The client took the SYN+ACK; the connection was closed long after.
fn taken(world: &mut World) {
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9000, 5001, Seen::Both);
    world.up(10_102, client, 0x10, 5001, 9001, Seen::Both);
    world.timed_out(10_400, Some(300));
}

#[test]
fn a_filter_on_flags_makes_no_healthy_handshake_a_rejected_one() {
    let mut world = World::watched();
    taken(&mut world);
    world.filter(CLIENT_POINT, syn_or_rst);
    world.filter(SERVER_POINT, syn_or_rst);
    for given in [&BOTH[..], &[CLIENT_POINT], &[SERVER_POINT]] {
        assert_eq!(world.answers(given), [(Verdict::Connected, Grade::Consistent)], "{given:?}");
    }
}

#[test]
fn a_filter_on_flags_hides_the_bare_ack_of_a_silent_server() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    world.down(10_101, client, 0x10, 777, 4242, Seen::ServerOnly);
    world.timed_out(10_400, Some(300));
    assert_eq!(world.answers(&BOTH), [(Verdict::ReplyLost, Grade::Proven)]);
    world.filter(SERVER_POINT, syn_or_rst);
    assert_eq!(world.sure(&BOTH), []);
    assert_eq!(world.sure(&[SERVER_POINT]), []);
}

#[test]
fn an_ack_hidden_at_the_server_is_not_lost() {
    let mut world = World::watched();
    taken(&mut world);
    world.lines[0].kind = TimeoutKind::LuaReadTimeout;
    world.filter(SERVER_POINT, syn_or_rst);
    assert_eq!(world.sure(&BOTH), []);
}
#[test]
fn a_filter_may_name_two_ports_and_not_a_third() {
    let mut world = World::watched();
    world.unanswered(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    assert_eq!(world.answers(&BOTH), [(Verdict::SynLost, Grade::Proven)]);
    let third = Endpoint::new(upstream().ip, 8082);
    world.healthy(500, 60_002, third);
    let port = upstream().port;
    world.filter(SERVER_POINT, |s| s.source.port != port && s.destination.port != port);
    assert_eq!(world.sure(&BOTH), []);
}

#[test]
fn a_filter_on_another_gateway_proves_nothing_about_this_one() {
    let mut world = World::watched();
    world.unanswered(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    // The upstream's capture holds the same ports, for another client only.
    world.change(SERVER_POINT, |segment| {
        let mut other = *segment;
        for end in [&mut other.source, &mut other.destination] {
            if end.ip == gateway(0).ip {
                end.ip = [10, 0, 0, 6].into();
            }
        }
        other.seq.0 = other.seq.0.wrapping_add(1_000_000);
        other.ack.0 = other.ack.0.wrapping_add(1_000_000);
        // Another host's time stamps begin elsewhere (`secure_tcp_ts_off`).
        if let Some(stamps) = &mut other.timestamps {
            stamps.value = stamps.value.wrapping_add(3_000_000_000);
        }
        Some(other)
    });
    assert_eq!(world.sure(&BOTH), []);
}
