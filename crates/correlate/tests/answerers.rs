//! Something on the way that answers in the server's place, or puts its own numbers in: SYN proxies,
//! several servers behind one address, boxes that rewrite ISNs.

mod world;

use why504_correlate::{Case, Grade, Mechanism, Verdict};
use why504_handshake::PointId;
use why504_model::{Endpoint, Segment, SeqNumber, Span, TimeoutKind};

use world::{CLIENT_POINT, SERVER_POINT, Seen, World, gateway, upstream};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];
const OF_PROXY: u32 = 7_000;
const OF_SERVER: u32 = 9_000;

/// The proxy answers the SYN (Linux's SYNPROXY), takes the ACK, and only then asks the server, with
/// the client's ISN.
fn proxied(world: &mut World, ms: i64, port: u16, isn: u32, completes: bool) {
    let client = gateway(port);
    world.up(ms, client, 0x02, isn, 0, Seen::ClientOnly);
    world.down(ms + 1, client, 0x12, OF_PROXY, isn + 1, Seen::ClientOnly);
    world.up(ms + 2, client, 0x10, isn + 1, OF_PROXY + 1, Seen::ClientOnly);
    world.up(ms + 4, client, 0x02, isn, 0, Seen::ServerOnly);
    world.down(ms + 5, client, 0x12, OF_SERVER, isn + 1, Seen::ServerOnly);
    if completes {
        world.up(ms + 6, client, 0x10, isn + 1, OF_SERVER + 1, Seen::ServerOnly);
    } else {
        for again in [1_010, 3_030] {
            world.down(ms + again, client, 0x12, OF_SERVER, isn + 1, Seen::ServerOnly);
        }
    }
}

fn only(world: &World) -> Case {
    let mut cases = world.judge(&BOTH);
    assert_eq!(cases.len(), 1);
    cases.remove(0)
}

#[test]
fn what_a_proxy_answered_proves_no_lost_ack() {
    let mut world = World::watched();
    proxied(&mut world, 10_100, 42_000, 5_000, false);
    world.timed_out(13_150, Some(3_000)).kind = TimeoutKind::UpstreamReadTimeout;
    let case = only(&world);
    assert_eq!((case.verdict, case.grade), (Verdict::Connected, Grade::Consistent));
    assert_eq!(case.mechanism, Some(Mechanism::SynProxy));
    let others: Vec<Verdict> = case.alternatives.iter().map(|(verdict, ..)| *verdict).collect();
    assert_eq!(others, [Verdict::SynAckLost, Verdict::AckLost]);
}

#[test]
fn the_answer_of_another_server_proves_no_lost_ack() {
    let mut world = World::watched();
    let (ms, client) = (10_100, gateway(42_000));
    world.up(ms, client, 0x02, 5_000, 0, Seen::Both);
    world.down(ms + 1, client, 0x12, OF_SERVER, 5_001, Seen::ServerOnly);
    world.down(ms + 2, client, 0x12, OF_PROXY, 5_001, Seen::ClientOnly);
    world.up(ms + 3, client, 0x10, 5_001, OF_PROXY + 1, Seen::ClientOnly);
    world.down(ms + 1_010, client, 0x12, OF_SERVER, 5_001, Seen::ServerOnly);
    world.timed_out(ms + 3_050, Some(3_000)).kind = TimeoutKind::UpstreamReadTimeout;
    let case = only(&world);
    assert_eq!((case.verdict, case.grade), (Verdict::Connected, Grade::Consistent));
    assert_eq!(case.mechanism, None, "which of the two it is does not show");
}

/// Where a proxy answers, a SYN that does not come through may have been answered by it. A filter that hides
/// the client's ACKs hides no proxy.
#[test]
fn behind_a_proxy_no_syn_is_proven_lost() {
    for (through_proxy, hidden, grade) in [
        (false, false, Grade::Proven),
        (false, true, Grade::Proven),
        (true, false, Grade::Consistent),
        (true, true, Grade::Consistent),
    ] {
        let mut world = World::watched();
        for i in 0..4_u16 {
            let ms = 2_000 + i64::from(i) * 1_000;
            if through_proxy {
                proxied(&mut world, ms, 41_000 + i, 1_000 * u32::from(i) + 1, true);
            } else {
                world.healthy(ms, 41_000 + i, upstream());
            }
        }
        world.unanswered(10_100, 42_000, 50_000);
        world.timed_out(10_450, Some(300));
        world.filter(CLIENT_POINT, |segment| !hidden || !segment.flags.is_unmarked());
        let case = only(&world);
        let proxy = (through_proxy, hidden);
        assert_eq!((case.verdict, case.grade), (Verdict::SynLost, grade), "{proxy:?}");
    }
}

/// Before the proxy stands a point of its own, one router from the gateway.
const FRONT: u16 = 2;

/// Four connects that the proxy answered, seen at the gateway and in front of the proxy, and what
/// `incident` adds to both.
fn fronted(incident: impl Fn(&mut World)) -> World {
    let mut world = World::watched();
    for i in 0..4_u16 {
        let ms = 2_000 + i64::from(i) * 1_000;
        let (port, isn) = (41_000 + i, 1_000 * u32::from(i) + 1);
        proxied(&mut world, ms, port, isn, true);
        world.up(ms + 10, gateway(port), 0x11, isn + 1, OF_PROXY + 1, Seen::ClientOnly);
        world.down(ms + 11, gateway(port), 0x11, OF_PROXY + 1, isn + 2, Seen::ClientOnly);
    }
    incident(&mut world);
    world.copy_point(CLIENT_POINT, FRONT, |segment| {
        let own = segment.ack.0 == OF_PROXY || segment.seq.0 == OF_PROXY;
        let ttl = if own { 64 } else { 63 };
        Some(Segment { ttl, time: segment.time + Span::from_micros(200), ..*segment })
    });
    // A second router, behind the proxy.
    world.change(SERVER_POINT, |segment| {
        let ttl = if segment.destination.ip == upstream().ip { 62 } else { 64 };
        Some(Segment { ttl, ..*segment })
    });
    world
}

/// What became of a connect to what a proxy answers for, and what is to be said of it.
struct Fate {
    verdict: Verdict,
    mechanism: Option<Mechanism>,
    between: Option<(PointId, PointId)>,
    /// What never came to which point.
    lost: (u16, fn(&Segment) -> bool),
}

impl Fate {
    fn of_a_read(&self) -> bool {
        matches!(self.verdict, Verdict::AckLost | Verdict::Connected)
    }

    fn world(&self) -> World {
        let mut world = fronted(|world| {
            let (ms, client) = (10_100, gateway(42_000));
            if self.verdict == Verdict::Connected {
                proxied(world, ms, 42_000, 5_000, false);
                return;
            }
            world.up(ms, client, 0x02, 5_000, 0, Seen::ClientOnly);
            if self.verdict != Verdict::SynLost {
                world.down(ms + 1, client, 0x12, OF_PROXY, 5_001, Seen::ClientOnly);
            }
            if self.of_a_read() {
                world.up(ms + 2, client, 0x10, 5_001, OF_PROXY + 1, Seen::ClientOnly);
            }
        });
        let (point, lost) = self.lost;
        let own = |s: &Segment| [s.source, s.destination].contains(&gateway(42_000));
        world.filter(point, |segment| !(own(segment) && lost(segment)));
        if self.of_a_read() {
            world.timed_out(13_150, Some(3_000)).kind = TimeoutKind::UpstreamReadTimeout;
        } else {
            world.timed_out(10_450, Some(300));
        }
        world
    }
}

/// The far end of the gateway's handshake is the proxy: with a capture in front of it, what is lost
/// before it is proven, and what happens behind it is not the gateway's.
#[test]
fn a_point_before_the_proxy_places_the_loss() {
    let proxy = Some(Mechanism::SynProxy);
    let (near, front) = (PointId(CLIENT_POINT), PointId(FRONT));
    let (there, back) = (Some((near, front)), Some((front, near)));
    let fate = |verdict, mechanism, between, lost| Fate { verdict, mechanism, between, lost };
    for fate in [
        fate(Verdict::SynLost, None, there, (FRONT, |_| true)),
        fate(Verdict::SynAckLost, proxy, back, (CLIENT_POINT, |s| s.flags.0 == 0x12)),
        fate(Verdict::AckLost, proxy, there, (FRONT, |s| s.flags.0 & 0x02 == 0)),
        fate(Verdict::Connected, proxy, None, (FRONT, |_| false)),
    ] {
        let world = fate.world();
        for order in [[CLIENT_POINT, FRONT, SERVER_POINT], [SERVER_POINT, FRONT, CLIENT_POINT]] {
            let case = world.judge(&order).remove(0);
            assert_eq!(
                (case.verdict, case.grade),
                (fate.verdict, Grade::Proven),
                "{}",
                case.reason
            );
            assert_eq!((case.mechanism, case.lost_between), (fate.mechanism, fate.between));
        }
        // Without the point in front of it the proxy may have answered, or not.
        assert_eq!(only(&world).grade, Grade::Consistent, "{:?}", fate.verdict);
    }
}

/// A box that answers for one port of a server is not on the server's host: what it lets through to
/// another port and gets no answer to is lost beyond it, or the server is silent.
#[test]
fn a_proxy_for_one_port_is_not_the_server() {
    let mut world = fronted(|world| {
        // The server itself talks to the client at last.
        let (ms, client) = (8_000, gateway(41_500));
        proxied(world, ms, 41_500, 70_000, true);
        world.request(ms + 8, client, 70_001, OF_PROXY + 1, 100);
        world.down(ms + 9, client, 0x18, OF_PROXY + 1, 70_101, Seen::ClientOnly);
        // `fronted` has it answer with other hops than the proxy.
        world.unanswered(10_100, 42_000, 5_000);
    });
    let other = |end: Endpoint| Endpoint::new(end.ip, 8082);
    for point in [CLIENT_POINT, FRONT, SERVER_POINT] {
        world.change(point, |segment| {
            let own = segment.source == gateway(42_000);
            let destination = if own { other(segment.destination) } else { segment.destination };
            Some(Segment { destination, ..*segment })
        });
    }
    world.timed_out(10_450, Some(300)).peer = Some(other(upstream()));
    for given in [&[CLIENT_POINT, FRONT][..], &[FRONT]] {
        let case = world.judge(given).remove(0);
        assert_eq!(
            (case.verdict, case.grade),
            (Verdict::ServerSilent, Grade::Consistent),
            "{given:?}"
        );
    }
}

/// One SYN came to two servers behind one address (a mirrored or duplicated SYN), and each answered with
/// an ISN of its own. No answer reached the gateway, or both did and it took the first.
#[test]
fn two_servers_answer_one_syn() {
    let (ms, client) = (10_100, gateway(42_000));
    let mut lost = World::watched();
    lost.up(ms, client, 0x02, 5_000, 0, Seen::Both);
    lost.down(ms + 1, client, 0x12, OF_SERVER, 5_001, Seen::ServerOnly);
    lost.down(ms + 2, client, 0x12, OF_PROXY, 5_001, Seen::ServerOnly);
    lost.timed_out(10_450, Some(300));
    let case = only(&lost);
    assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Proven));
    assert_eq!(case.mechanism, Some(Mechanism::LbSplit));

    let mut taken = World::watched();
    taken.up(ms, client, 0x02, 5_000, 0, Seen::Both);
    taken.down(ms + 1, client, 0x12, OF_SERVER, 5_001, Seen::Both);
    taken.up(ms + 2, client, 0x10, 5_001, OF_SERVER + 1, Seen::Both);
    // The other one has no use for that, and repeats itself.
    for again in [3, 1_020] {
        taken.down(ms + again, client, 0x12, OF_PROXY, 5_001, Seen::Both);
        taken.up(ms + again + 1, client, 0x10, 5_001, OF_SERVER + 1, Seen::Both);
    }
    taken.timed_out(13_150, Some(3_000)).kind = TimeoutKind::UpstreamReadTimeout;
    // What the other repeats is not for this ACK, which arrived: nobody ignored it.
    for (given, grade) in [(&BOTH[..], Grade::Proven), (&[CLIENT_POINT], Grade::Consistent)] {
        let case = taken.judge(given).remove(0);
        assert_eq!((case.verdict, case.grade), (Verdict::Connected, grade), "{}", case.reason);
        assert_eq!(case.mechanism, Some(Mechanism::LbSplit), "{given:?}");
    }
}

/// A router shares connections to one address out among servers that were captured. What left one of
/// them is judged as ever; a SYN that shows at none may have been for one more.
#[test]
fn a_syn_that_came_to_none_of_several_servers_is_undecided() {
    for servers in [1, 2] {
        let mut world = World::watched();
        for i in 0..60_u16 {
            world.healthy(2_000 + i64::from(i) * 50, 41_000 + i, upstream());
        }
        world.answer_lost(10_100, 42_000, 5_000);
        world.timed_out(10_450, Some(300));
        world.unanswered(12_100, 42_001, 6_000);
        world.timed_out(12_450, Some(300));
        world.change(SERVER_POINT, |segment| {
            let behind = |end: Endpoint, client: Endpoint| {
                let second = u8::from(servers == 2 && client.port % 2 == 1);
                let address = [10, 1, 0, second].into();
                if end.ip == upstream().ip { Endpoint::new(address, end.port) } else { end }
            };
            let (source, destination) = (segment.source, segment.destination);
            Some(Segment {
                source: behind(source, destination),
                destination: behind(destination, source),
                ..*segment
            })
        });
        let cases = world.judge(&BOTH);
        let said: Vec<_> = cases.iter().map(|case| (case.verdict, case.grade)).collect();
        let silent = if servers == 1 {
            (Verdict::SynLost, Grade::Proven)
        } else {
            (Verdict::NoReply, Grade::Consistent)
        };
        assert_eq!(said, [(Verdict::SynAckLost, Grade::Proven), silent], "{servers}");
    }
}

#[test]
fn rewritten_numbers_are_named() {
    let mut world = World::watched();
    world.answer_lost(10_100, 42_000, 5_000);
    world.timed_out(10_450, Some(300));
    world.change(SERVER_POINT, |segment| {
        let mut changed = *segment;
        if segment.destination == gateway(42_000) {
            changed.ack = SeqNumber(segment.ack.0.wrapping_add(123_456));
        } else if segment.source == gateway(42_000) {
            changed.seq = SeqNumber(segment.seq.0.wrapping_add(123_456));
        }
        Some(changed)
    });
    let case = only(&world);
    assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Proven));
    assert_eq!(case.mechanism, Some(Mechanism::IsnRewrite));
}

/// Seen from the gateway alone: a proxy's SYN+ACKs have made fewer hops than what the server itself
/// sends once it is asked. Of one whose server never was reached, the others tell.
#[test]
fn one_point_tells_a_proxy_by_hops() {
    let fronted = Some(Mechanism::SynProxy);
    for (hops, retransmits, mechanism) in
        [(60, false, fronted), (60, true, fronted), (63, false, None)]
    {
        let mut world = World::watched();
        let (ms, client) = (10_100, gateway(42_000));
        world.up(ms, client, 0x02, 5_000, 0, Seen::Both);
        world.down(ms + 1, client, 0x12, OF_PROXY, 5_001, Seen::Both);
        world.up(ms + 2, client, 0x10, 5_001, OF_PROXY + 1, Seen::Both);
        world.request(ms + 3, client, 5_001, OF_PROXY + 1, 100);
        if retransmits {
            world.down(ms + 1_010, client, 0x12, OF_PROXY, 5_001, Seen::Both);
        }
        world.timed_out(ms + 3_050, Some(3_000)).kind = TimeoutKind::UpstreamReadTimeout;
        // What is no SYN+ACK comes from the server behind.
        world.change(CLIENT_POINT, |segment| {
            let of_server = segment.source.ip == upstream().ip && segment.flags.0 != 0x12;
            Some(Segment { ttl: if of_server { hops } else { segment.ttl }, ..*segment })
        });
        let cases = world.judge(&[CLIENT_POINT]);
        let verdict = if retransmits { Verdict::AckLost } else { Verdict::Connected };
        assert_eq!((cases[0].verdict, cases[0].grade), (verdict, Grade::Consistent));
        assert_eq!(cases[0].mechanism, mechanism, "{hops} {retransmits}");
    }
}
