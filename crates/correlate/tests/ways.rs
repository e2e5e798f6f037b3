//! More than two points: the loss between neighbours, and two firewalls side by side.

mod world;

use why504_correlate::{Grade, Verdict};
use why504_handshake::PointId;
use why504_model::{Segment, Span};

use world::{CLIENT_POINT, SERVER_POINT, Seen, World, gateway, upstream};

const LEFT: u16 = 2;
const RIGHT: u16 = 3;

/// Thirty healthy connections, and one whose SYN+ACK is lost; a router before and behind the firewalls.
fn incident() -> World {
    let mut world = World::watched();
    for i in 0..60_u16 {
        world.healthy(2_000 + i64::from(i) * 50, 41_000 + i, upstream());
    }
    world.answer_lost(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    for point in [CLIENT_POINT, SERVER_POINT] {
        let far = |ttl: u8| if ttl == 63 { 62 } else { ttl };
        world.change(point, |segment| Some(Segment { ttl: far(segment.ttl), ..*segment }));
    }
    world
}

/// A firewall half way, with a clock of its own, that the packets of some connections pass.
fn firewall(world: &mut World, point: u16, passes: impl Fn(&Segment) -> bool) {
    world.copy_point(SERVER_POINT, point, |segment| {
        let time = segment.time + Span::from_secs(7 * i64::from(point));
        passes(segment).then_some(Segment { ttl: 63, time, ..*segment })
    });
}

fn port(segment: &Segment) -> u16 {
    if segment.destination == upstream() { segment.source.port } else { segment.destination.port }
}

#[test]
fn the_loss_lies_between_the_firewall_that_saw_it_and_the_gateway() {
    let mut world = incident();
    firewall(&mut world, LEFT, |_| true);
    let cases = world.judge(&[CLIENT_POINT, LEFT, SERVER_POINT]);
    assert_eq!(cases[0].verdict, Verdict::SynAckLost);
    assert_eq!(cases[0].lost_between, Some((PointId(LEFT), PointId(CLIENT_POINT))));
}

/// Without the server's own capture a SYN+ACK that passes the firewall late may be a repetition of one
/// that was lost behind it, unless it comes sooner than a server repeats itself.
#[test]
fn a_late_answer_half_way_may_be_a_repeated_one() {
    for (waited, grade) in [(1_030, Grade::Consistent), (700, Grade::Proven)] {
        let mut world = incident();
        world.lines.clear();
        let (ms, client) = (20_100, gateway(40_100));
        world.up(ms, client, 0x02, 7_000, 0, Seen::Both);
        world.down(ms + waited, client, 0x12, 9_000, 7_001, Seen::Both);
        world.up(ms + waited + 1, client, 0x04, 7_001, 0, Seen::Both);
        world.timed_out(20_450, Some(300));
        firewall(&mut world, LEFT, |_| true);
        let case = world.judge(&[CLIENT_POINT, LEFT]).remove(0);
        assert_eq!((case.verdict, case.grade), (Verdict::SynAckLate, grade), "{waited}");
    }
}

#[test]
fn a_firewall_on_the_other_way_does_not_place_the_loss() {
    let mut world = incident();
    // Even ports go left, odd ones right; the lost one is even.
    firewall(&mut world, LEFT, |s| port(s).is_multiple_of(2));
    firewall(&mut world, RIGHT, |s| !port(s).is_multiple_of(2));
    for order in [[0, LEFT, RIGHT, 1], [1, RIGHT, LEFT, 0]] {
        let cases = world.judge(&order);
        assert_eq!(cases[0].verdict, Verdict::SynAckLost);
        assert_eq!(cases[0].lost_between, Some((PointId(LEFT), PointId(CLIENT_POINT))));
    }
    // Without the left one nothing tells where on that way it was.
    let cases = world.judge(&[CLIENT_POINT, RIGHT, SERVER_POINT]);
    assert_eq!(cases[0].lost_between, Some((PointId(SERVER_POINT), PointId(CLIENT_POINT))));
}
