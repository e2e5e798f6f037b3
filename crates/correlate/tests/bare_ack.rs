//! A bare ACK for an attempt that was never answered: drawn by a later SYN on its port, as RFC 9293 has
//! it, or sent where a SYN+ACK was due.

mod world;

use why504_correlate::{Grade, Mechanism, Verdict};
use world::{CLIENT_POINT, SERVER_POINT, Seen, World, gateway, start_at};

/// The founding write-up's sign, and what Contiki's µIP does (taxonomy section 1.5): there a repeated
/// SYN with the same ISN draws the bare ACK, which makes no signature of a reused port.
#[test]
fn a_bare_ack_is_a_signature_only_where_a_later_syn_drew_it() {
    let reuse = (Some(Mechanism::PortReuseSynRecv), Grade::Signature);
    let other = (Some(Mechanism::NonconformingServer), Grade::Consistent);
    // The timer, the ISN of the second SYN, and the port that it comes from: behind source NAT another.
    for (timer, isn, port, expected) in [
        (500, 900_000, 40_000, reuse),
        (500, 900_000, 40_001, reuse),
        (1_500, 5_000, 40_000, other),
    ] {
        let mut world = World::watched();
        world.up(10_100, gateway(40_000), 0x02, 5_000, 0, Seen::Both);
        world.down(10_101, gateway(40_000), 0x12, 9_000, 5_001, Seen::ServerOnly);
        world.up(11_120, gateway(port), 0x02, isn, 0, Seen::Both);
        world.down(11_121, gateway(port), 0x10, 9_001, 5_001, Seen::Both);
        // A request in SYN-RECEIVED sends identification 0.
        world.change(CLIENT_POINT, |s| Some(why504_model::Segment { ip_id: Some(0), ..*s }));
        world.timed_out(10_100 + timer, Some(timer)).start = Some(start_at(10_100));
        let cases = world.judge(&[CLIENT_POINT]);
        let answer = (cases[0].mechanism, cases[0].grade);
        assert_eq!(cases[0].verdict, Verdict::SynAckLost);
        assert_eq!(answer, expected, "{isn} {port}");
        // With both ends the lost SYN+ACK is seen.
        let both = world.judge(&[CLIENT_POINT, SERVER_POINT]);
        assert_eq!((both[0].verdict, both[0].grade), (Verdict::SynAckLost, Grade::Proven));
    }
}
