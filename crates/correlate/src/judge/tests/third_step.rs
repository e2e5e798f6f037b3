//! Rows about the third handshake.

use super::*;

pub(super) fn third_step() -> Vec<Expectation> {
    use Grade::{Consistent, Proven, Signature};
    let read = |facts: Facts| {
        with(facts, |f| {
            f.asked = Asked::Read;
            if f.client.is_some() {
                *at_client(f) = Seen { syns: 1, syn_acks: 1, completed: true, ..Seen::default() };
            }
            if f.server.is_some() {
                *at_server(f) = Seen { syns: 1, syn_acks: 1, ..Seen::default() };
            }
        })
    };
    std::vec![
        (read(both()), "ack_lost", Verdict::AckLost, Proven),
        (
            with(read(both()), |f| {
                f.server.as_mut().expect("a server end").coverage = Err(CoverageGap::Dropped);
            }),
            "ack_lost",
            Verdict::AckLost,
            Consistent,
        ),
        (
            // Not the captured server's: a SYN proxy, or another server of the same address.
            with(read(both()), |f| f.other_answer = true),
            "answered_by_another",
            Verdict::Connected,
            Consistent,
        ),
        (
            with(read(both()), |f| {
                at_server(f).acked_in_time = true;
                at_server(f).syn_acks_after_ack = 2;
            }),
            "ack_ignored",
            Verdict::AckIgnored,
            Proven,
        ),
        (
            // It took payload in time after all: the read timer fired for something else.
            with(read(both()), |f| {
                let seen = at_server(f);
                (seen.acked_in_time, seen.syn_acks_after_ack, seen.server_active) = (true, 2, true);
            }),
            "connected_active",
            Verdict::Connected,
            Signature,
        ),
        (
            // Without a log there is no time by which it must have recovered.
            with(read(both()), |f| {
                f.asked = Asked::Outcome;
                let seen = at_server(f);
                (seen.acked_in_time, seen.syn_acks_after_ack, seen.server_active) = (true, 2, true);
            }),
            "ack_ignored",
            Verdict::AckIgnored,
            Proven,
        ),
        (
            with(read(both()), |f| {
                (at_server(f).acked_in_time, at_server(f).ack_reset) = (true, true);
            }),
            "ack_reset",
            Verdict::AckIgnored,
            Consistent,
        ),
        (
            with(read(both()), |f| {
                (at_server(f).acked_in_time, at_server(f).earlier_ack_missing) = (true, true);
            }),
            "ack_lost_at_first",
            Verdict::AckLost,
            Proven,
        ),
        (
            with(read(upstream_only()), |f| {
                (at_server(f).acked_in_time, at_server(f).earlier_ack_missing) = (true, true);
            }),
            "ack_unheard_at_server",
            Verdict::AckLost,
            Consistent,
        ),
        (
            with(read(gateway_only()), |f| at_client(f).syn_acks_after_ack = 1),
            "ack_unheard",
            Verdict::AckLost,
            Consistent,
        ),
        (
            with(read(gateway_only()), |f| at_client(f).server_active = true),
            "connected_active",
            Verdict::Connected,
            Signature,
        ),
        (
            with(read(both()), |f| at_server(f).acked_in_time = true),
            "connected_heard",
            Verdict::Connected,
            Proven,
        ),
        (read(gateway_only()), "connected", Verdict::Connected, Consistent),
        (read(upstream_only()), "ack_lost_at_server", Verdict::AckLost, Consistent),
    ]
}
