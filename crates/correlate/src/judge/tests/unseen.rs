//! Rows for lines without an attempt, and for what the client's end shows positively.

use super::*;

pub(super) fn without_attempt() -> Vec<Expectation> {
    use Grade::{Consistent, Signature};
    let nobody = Facts { asked: Asked::Connect, ..Facts::blank() };
    let covered =
        End { seen: Seen::default(), coverage: Ok(()), slow: Ok(()), acks: Ok(()), exact: true };
    std::vec![
        (with(nobody, |f| f.never_sent = true), "said_by_the_log", Verdict::NoSynSent, Signature,),
        // The question that nobody answered was seen: nothing rests on absence.
        (with(nobody, |f| f.unresolved = true), "no_neighbour", Verdict::NoSynSent, Signature),
        (
            with(nobody, |f| (f.client, f.no_syn_to_peer) = (Some(covered), true)),
            "no_syn_at_gateway",
            Verdict::NoSynSent,
            Signature,
        ),
        (
            // An error at once has some packet behind it, or the host's own filter.
            with(nobody, |f| {
                f.asked = Asked::Refused;
                (f.client, f.no_syn_to_peer) = (Some(covered), true);
            }),
            "failed_without_a_syn",
            Verdict::NoSynSent,
            Consistent,
        ),
        (
            // The same without proven coverage: the verdict stays, the grade falls.
            with(nobody, |f| {
                let coverage = Err(CoverageGap::OneDirection);
                (f.client, f.no_syn_to_peer) = (Some(End { coverage, ..covered }), true);
            }),
            "no_syn_at_gateway",
            Verdict::NoSynSent,
            Consistent,
        ),
        (
            with(nobody, |f| f.server = Some(covered)),
            "not_at_upstream",
            Verdict::NotCaptured,
            Consistent,
        ),
        (nobody, "no_attempt", Verdict::NotCaptured, Consistent),
    ]
}

pub(super) fn client_shows() -> Vec<Expectation> {
    use Grade::{Consistent, Proven, Signature};
    let connected = |f: &mut Facts| {
        *at_client(f) = Seen { syns: 1, syn_acks: 1, completed: true, ..Seen::default() };
    };
    std::vec![
        (
            with(both(), |f| {
                at_client(f).reverse_syn = true;
                at_client(f).completed = true;
            }),
            "simultaneous_open",
            Verdict::Connected,
            Proven,
        ),
        (
            with(both(), |f| {
                f.asked = Asked::Refused;
                at_client(f).refused = true;
                at_server(f).port_half_open = true;
            }),
            "refused_in_window",
            Verdict::Refused,
            Proven,
        ),
        (
            with(gateway_only(), |f| (f.asked, at_client(f).refused) = (Asked::Refused, true)),
            "refused",
            Verdict::Refused,
            Proven
        ),
        (
            with(gateway_only(), |f| (f.asked, at_client(f).icmp) = (Asked::Unreachable, true)),
            "icmp",
            Verdict::IcmpRejected,
            Proven,
        ),
        (
            with(gateway_only(), |f| {
                connected(f);
                at_client(f).closed_at_deadline = true;
            }),
            "stalled",
            Verdict::GatewayStall,
            Signature,
        ),
        (
            // It sent data: whatever timed out, it was not the connect.
            with(gateway_only(), |f| {
                connected(f);
                at_client(f).closed_at_deadline = true;
                at_client(f).client_bytes = 10;
            }),
            "connected",
            Verdict::Connected,
            Consistent,
        ),
        (
            with(gateway_only(), |f| {
                (at_client(f).syn_acks, at_client(f).prompt) = (1, true);
                at_client(f).syn_acks_damaged = true;
            }),
            "synack_damaged",
            Verdict::SynAckNotAccepted,
            Proven,
        ),
        (
            with(gateway_only(), |f| (at_client(f).syn_acks, at_client(f).prompt) = (1, true)),
            "not_accepted",
            Verdict::SynAckNotAccepted,
            Proven,
        ),
        (
            with(gateway_only(), |f| at_client(f).syn_acks = 1),
            "answered_at_deadline",
            Verdict::SynAckLate,
            Consistent,
        ),
        (
            // A filter on flags hides the ACK of every healthy handshake.
            with(gateway_only(), |f| {
                (at_client(f).syn_acks, at_client(f).prompt) = (1, true);
                f.client.as_mut().expect("a client end").acks = Err(CoverageGap::NoAcks);
            }),
            "answered_acks_hidden",
            Verdict::Connected,
            Consistent,
        ),
        (
            // What was sent again was missed, whatever the filter hides; by whom is open.
            with(gateway_only(), |f| {
                let seen = at_client(f);
                (seen.syn_acks, seen.prompt, seen.repeated) = (2, true, true);
                f.client.as_mut().expect("a client end").acks = Err(CoverageGap::NoAcks);
            }),
            "not_accepted",
            Verdict::SynAckNotAccepted,
            Consistent,
        ),
        (
            with(gateway_only(), |f| at_client(f).wrong_ack_unstamped = true),
            "wrong_ack_unstamped",
            Verdict::SynAckNotAccepted,
            Consistent,
        ),
        (
            // Mid-path it may have been lost beyond the capture point.
            with(gateway_only(), |f| {
                at_client(f).syn_acks = 1;
                f.client.as_mut().expect("a client end").exact = false;
            }),
            "synack_lost_beyond",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            with(gateway_only(), |f| at_client(f).wrong_ack = true),
            "wrong_ack",
            Verdict::SynAckNotAccepted,
            Proven,
        ),
    ]
}
