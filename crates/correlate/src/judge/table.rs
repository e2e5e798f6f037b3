//! The rows. Order is meaning: the first that applies decides.

use why504_handshake::CoverageGap;

use super::{Need, Row};
use crate::facts::{Asked, Facts, Foreign, LateAnswer};
use crate::verdict::Settles::{
    AccessLog, BetterCoverage, GatewayCapture, Timestamps, UpstreamCapture,
};
use crate::{Grade, Mechanism, Verdict};

/// The decision table (`docs/verdicts.md` is generated from it).
pub static TABLE: &[Row] = &[
    Row {
        name: "said_by_the_log",
        applies: |f| f.never_sent,
        when: "the log line itself says that nothing was sent (queued connect, bind() failed, no local port)",
        verdict: Verdict::NoSynSent,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Nothing,
        alternatives: &[],
        reason: "nginx says itself that it sent no SYN",
    },
    Row {
        name: "no_syn_at_gateway",
        applies: |f| !f.attempt && f.no_syn_to_peer,
        when: "the gateway's capture covers the moment and holds no SYN to this upstream in the widest window",
        verdict: Verdict::NoSynSent,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Client,
        alternatives: &[],
        reason: "the gateway's own capture covers the moment and holds no SYN to this upstream: it never left the host (firewall, ARP, no local port)",
    },
    Row {
        name: "not_at_upstream",
        applies: |f| !f.attempt && f.client.is_none() && f.server.is_some(),
        when: "no attempt fits, and only the upstream was captured",
        verdict: Verdict::NotCaptured,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynLost, GatewayCapture), (Verdict::NoSynSent, GatewayCapture)],
        reason: "no SYN of this attempt reached the upstream's capture; whether one was sent only the gateway can show",
    },
    Row {
        name: "no_attempt",
        applies: |f| !f.attempt,
        when: "no attempt fits the line",
        verdict: Verdict::NotCaptured,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::NoSynSent, BetterCoverage)],
        reason: "no captured attempt fits this line",
    },
    Row {
        name: "simultaneous_open",
        applies: |f| {
            (f.c().reverse_syn || f.s().reverse_syn) && (f.c().completed || f.s().completed)
        },
        when: "both ends sent SYNs and the connection came up",
        verdict: Verdict::Connected,
        mechanism: Some(Mechanism::SimultaneousOpen),
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "both ends connected at once and the connection came up",
    },
    // What the client's end shows positively.
    Row {
        name: "refused_in_window",
        applies: |f| f.c().refused && f.s().port_half_open && f.both(),
        when: "a RST answered the SYN while an earlier attempt was half open on the same port",
        verdict: Verdict::Refused,
        mechanism: Some(Mechanism::InWindowReuse),
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "a RST answered the SYN: its ISN fell into the window of an attempt that was still half open on this port",
    },
    Row {
        name: "refused",
        applies: |f| f.c().refused,
        when: "a RST that acknowledges the SYN reached the client before the deadline",
        verdict: Verdict::Refused,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "a RST answered the SYN",
    },
    Row {
        name: "icmp",
        applies: |f| f.c().icmp,
        when: "an ICMP error that quotes the SYN reached the client before the deadline",
        verdict: Verdict::IcmpRejected,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "an ICMP error answered the SYN",
    },
    Row {
        name: "stalled",
        applies: |f| {
            f.asked == Asked::Connect
                && f.c().completed
                && f.c().client_bytes == 0
                && f.c().closed_at_deadline
        },
        when: "a connect timeout, yet the client acknowledged the SYN+ACK in time, sent nothing and closed at the deadline",
        verdict: Verdict::GatewayStall,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Nothing,
        alternatives: &[],
        reason: "the kernel had completed the handshake in time; nginx looked at the socket only after its timer had fired",
    },
    Row {
        name: "ack_lost",
        applies: |f| {
            third_step(f)
                && f.both()
                && f.c().completed
                && f.s().syn_acks + f.s().late_syn_acks > 0
                && !f.s().completed
        },
        when: "the client acknowledged the SYN+ACK; no acknowledgement or data reached the server's point",
        verdict: Verdict::AckLost,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::ServerAcks,
        alternatives: &[],
        reason: "the client took the SYN+ACK, and neither its ACK nor its data reached the server",
    },
    Row {
        name: "ack_ignored",
        applies: |f| {
            third_step(f)
                && f.server.is_some()
                && f.s().completed
                && f.s().syn_acks_after_ack > 0
                && !f.s().server_active
        },
        when: "the ACK reached the server's point and the server went on repeating SYN+ACKs",
        verdict: Verdict::AckIgnored,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "the ACK arrived and the server went on repeating its SYN+ACK: accept queue full, or defer_accept",
    },
    Row {
        name: "ack_unheard",
        applies: |f| {
            third_step(f)
                && f.server.is_none()
                && f.c().completed
                && f.c().syn_acks_after_ack > 0
                && !f.c().server_active
        },
        when: "seen from the client alone: SYN+ACKs keep coming after its ACK",
        verdict: Verdict::AckLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::AckIgnored, UpstreamCapture)],
        reason: "the client acknowledged and the server repeated its SYN+ACK: the ACK was lost, or the server ignored it",
    },
    Row {
        name: "connected_active",
        applies: |f| {
            f.asked != Asked::Connect
                && (f.c().completed || f.client.is_none() && f.s().completed)
                && (f.c().server_active || f.s().server_active || f.asked == Asked::Outcome)
        },
        when: "the handshake completed and the server acknowledged what followed",
        verdict: Verdict::Connected,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Nothing,
        alternatives: &[],
        reason: "the handshake was fine: the timeout is about what came after it",
    },
    Row {
        name: "connected_heard",
        applies: |f| f.asked != Asked::Connect && f.both() && f.c().completed && f.s().completed,
        when: "the handshake completed at both points and the SYN+ACK was not repeated",
        verdict: Verdict::Connected,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "the handshake completed at both points: the timeout is about what came after it",
    },
    Row {
        name: "connected",
        applies: |f| f.c().completed || f.client.is_none() && f.s().completed,
        when: "the handshake completed as far as one point shows",
        verdict: Verdict::Connected,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::AckLost, UpstreamCapture), (Verdict::GatewayStall, AccessLog)],
        reason: "the handshake completed as far as the capture shows",
    },
    Row {
        name: "answered_acks_hidden",
        applies: answered_acks_hidden,
        when: "a SYN+ACK answered and nothing was repeated; the capture's filter lets no plain ACK through",
        verdict: Verdict::Connected,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[
            (Verdict::SynAckNotAccepted, BetterCoverage),
            (Verdict::SynAckLost, BetterCoverage),
        ],
        reason: "the SYN was answered and nothing was sent again; the capture holds no plain ACKs, so whether the client acknowledged it does not show",
    },
    Row {
        name: "synack_lost_beyond",
        applies: |f| {
            f.client.is_some_and(|c| !c.exact) && f.c().syn_acks > 0 && f.late == LateAnswer::None
        },
        when: "the SYN+ACK passed the point nearest the client, which is not on the client's host, and was never acknowledged",
        verdict: Verdict::SynAckLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckNotAccepted, GatewayCapture)],
        reason: "the SYN+ACK passed the capture point on its way to the gateway and was never acknowledged",
    },
    Row {
        name: "not_accepted",
        applies: |f| f.c().prompt && f.late == LateAnswer::None,
        when: "a SYN+ACK reached the client's point in time; the client neither acknowledged nor reset it",
        verdict: Verdict::SynAckNotAccepted,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::ClientAcks,
        alternatives: &[],
        reason: "the SYN+ACK reached the gateway's interface in time and its own host did not take it: local firewall, conntrack, reverse-path filter or checksum",
    },
    Row {
        name: "answered_at_deadline",
        applies: |f| f.c().syn_acks > 0 && f.late == LateAnswer::None,
        when: "a SYN+ACK reached the client's point about when nginx gave up; the client neither acknowledged nor reset it",
        verdict: Verdict::SynAckLate,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckNotAccepted, AccessLog)],
        reason: "the SYN+ACK came about when nginx gave up; whether it was in time the log does not tell",
    },
    Row {
        name: "wrong_ack",
        applies: |f| f.c().wrong_ack,
        when: "the SYN+ACK acknowledged a number that the client never sent, and the client reset it",
        verdict: Verdict::SynAckNotAccepted,
        mechanism: Some(Mechanism::WrongAck),
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "the SYN+ACK acknowledged a number that the client never sent: something on the way rewrote it",
    },
    Row {
        name: "wrong_ack_unstamped",
        applies: |f| f.c().wrong_ack_unstamped,
        when: "the same, and no TCP timestamps tell whether it answers an older attempt on this port",
        verdict: Verdict::SynAckNotAccepted,
        mechanism: Some(Mechanism::WrongAck),
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::StaleConnection, Timestamps)],
        reason: "the SYN+ACK acknowledged a number that this attempt never sent: rewritten, or late for an older attempt on this port",
    },
    // What two ends show together.
    Row {
        name: "syn_lost",
        applies: |f| f.both() && f.s().syns == 0 && !heard(f),
        when: "both ends captured; SYNs left the client's point and none reached the server's",
        verdict: Verdict::SynLost,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Server,
        alternatives: &[],
        reason: "every SYN left the gateway and none reached the upstream",
    },
    Row {
        name: "server_slow",
        applies: |f| f.both() && f.s().syns > 0 && f.server_slow,
        when: "both ends captured; the server's first SYN+ACK left after the deadline",
        verdict: Verdict::SynAckLate,
        mechanism: Some(Mechanism::ServerSlow),
        grade: Grade::Proven,
        need: Need::Server,
        alternatives: &[],
        reason: "nothing was lost: the server sent its SYN+ACK only after nginx had given up",
    },
    Row {
        name: "late_path",
        applies: |f| f.both() && f.s().syn_acks > 0 && late_seen(f) && f.late_is_first,
        when: "both ends captured; the server's first SYN+ACK arrived, after the deadline",
        verdict: Verdict::SynAckLate,
        mechanism: Some(Mechanism::LatePath),
        grade: Grade::Proven,
        need: Need::Nothing,
        alternatives: &[],
        reason: "nothing was lost: the first SYN+ACK arrived after nginx had given up",
    },
    Row {
        name: "synack_lost",
        applies: |f| f.both() && f.s().syn_acks > 0,
        when: "both ends captured; the server's point saw the SYN and a SYN+ACK leave in time, the client's did not see it come in time",
        verdict: Verdict::SynAckLost,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Client,
        alternatives: &[],
        reason: "the SYN arrived, the SYN+ACK left the upstream and never reached the gateway in time",
    },
    Row {
        name: "reply_lost",
        applies: |f| {
            f.both()
                && f.s().syns > 0
                && (f.s().server_rst && !f.c().server_rst
                    || f.s().icmp
                    || f.s().foreign_ack != Foreign::None && f.c().foreign_ack == Foreign::None)
        },
        when: "both ends captured; the server answered with RST, ICMP or a bare ACK, and the client's point did not see it",
        verdict: Verdict::ReplyLost,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::ClientAcks,
        alternatives: &[],
        reason: "the server answered with something other than a SYN+ACK, and that answer never reached the gateway",
    },
    Row {
        name: "half_open_port",
        applies: |f| {
            f.both()
                && f.s().foreign_ack != Foreign::None
                && f.c().foreign_ack == Foreign::Unfinished
        },
        when: "both ends captured; a bare ACK for an unfinished earlier attempt was the only answer",
        verdict: Verdict::StaleConnection,
        mechanism: Some(Mechanism::PortReuseSynRecv),
        grade: Grade::Proven,
        need: Need::Server,
        alternatives: &[],
        reason: "the only answer was a bare ACK: the server still held an earlier, half-open attempt on this port",
    },
    Row {
        name: "stale",
        applies: |f| {
            f.both() && f.s().foreign_ack != Foreign::None && f.c().foreign_ack != Foreign::None
        },
        when: "both ends captured; a bare ACK for an older connection was the only answer",
        verdict: Verdict::StaleConnection,
        mechanism: Some(Mechanism::Established),
        grade: Grade::Proven,
        need: Need::Server,
        alternatives: &[],
        reason: "the only answer was a bare ACK: the server still held an older connection on this port",
    },
    Row {
        name: "server_silent",
        applies: |f| f.both() && f.s().syns > 0 && !heard(f),
        when: "both ends captured; the SYN reached the server's point and no answer left it",
        verdict: Verdict::ServerSilent,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::ServerAcks,
        alternatives: &[],
        reason: "the SYN reached the upstream and nothing came back out: host firewall, full listen queue, or nobody there",
    },
    // What the client's end shows alone.
    Row {
        name: "synack_lost_bare_ack",
        applies: |f| f.client.is_some() && f.c().own_bare_ack,
        when: "seen from the client alone: a later SYN on its port drew a bare ACK for this attempt (ack = ISN + 1)",
        verdict: Verdict::SynAckLost,
        mechanism: Some(Mechanism::PortReuseSynRecv),
        grade: Grade::Signature,
        need: Need::Client,
        alternatives: &[],
        reason: "the server acknowledged this very SYN later, on the reused port: it had it, had answered it, and its SYN+ACKs never came",
    },
    Row {
        name: "synack_lost_late",
        applies: |f| f.client.is_some() && f.late == LateAnswer::Repeated,
        when: "seen from the client alone: a SYN+ACK came too late, echoes the first SYN, and came when a server repeats itself",
        verdict: Verdict::SynAckLost,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Client,
        alternatives: &[],
        reason: "the SYN+ACK that came too late is a repeated one that echoes the first SYN: the server had that SYN at once, and its first SYN+ACK was lost",
    },
    Row {
        name: "late_copy",
        applies: |f| f.client.is_some() && f.late == LateAnswer::LaterCopy,
        when: "seen from the client alone: the late SYN+ACK echoes a repeated SYN",
        verdict: Verdict::SynLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[
            (Verdict::SynAckLost, UpstreamCapture),
            (Verdict::ServerSilent, UpstreamCapture),
        ],
        reason: "the SYN+ACK that came too late echoes a repeated SYN: the first one made no request at the server",
    },
    Row {
        name: "late_off_schedule",
        applies: |f| f.client.is_some() && f.late == LateAnswer::OffSchedule,
        when: "seen from the client alone: the late SYN+ACK echoes the first SYN, at no moment at which a server repeats itself",
        verdict: Verdict::SynAckLate,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLost, UpstreamCapture)],
        reason: "a SYN+ACK came after nginx had given up, at no moment at which a server repeats itself: path or server were slow",
    },
    Row {
        name: "late_unknown",
        applies: |f| f.client.is_some() && f.late == LateAnswer::Unknown,
        when: "seen from the client alone: a SYN+ACK came too late, and no TCP timestamps tell which SYN it answers",
        verdict: Verdict::SynAckLate,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLost, Timestamps), (Verdict::SynLost, Timestamps)],
        reason: "a SYN+ACK came after nginx had given up; without TCP timestamps nothing tells whether earlier ones were lost",
    },
    Row {
        name: "bare_ack_only",
        applies: |f| f.client.is_some() && f.c().foreign_ack != Foreign::None,
        when: "seen from the client alone: a bare ACK for something else was the only answer",
        verdict: Verdict::StaleConnection,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[
            (Verdict::SynAckLost, UpstreamCapture),
            (Verdict::SynLost, UpstreamCapture),
            (Verdict::ServerSilent, UpstreamCapture),
        ],
        reason: "the only answer was a bare ACK for an earlier attempt or connection on this port; what became of the SYN sent after it, one capture cannot tell",
    },
    Row {
        name: "no_reply",
        applies: |f| f.client.is_some(),
        when: "seen from the client alone: SYNs, and nothing came back",
        verdict: Verdict::NoReply,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[
            (Verdict::SynAckLost, UpstreamCapture),
            (Verdict::SynLost, UpstreamCapture),
            (Verdict::ServerSilent, UpstreamCapture),
            (Verdict::ReplyLost, UpstreamCapture),
        ],
        reason: "SYNs left the gateway and nothing came back; one capture cannot tell which packet was lost",
    },
    // What the server's end shows alone.
    Row {
        name: "refused_at_server",
        applies: |f| f.asked == Asked::Refused && f.s().server_rst,
        when: "seen from the server alone: it sent a RST, and nginx logged that the connect was refused",
        verdict: Verdict::Refused,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Nothing,
        alternatives: &[],
        reason: "the server answered the SYN with a RST, and nginx logged it",
    },
    Row {
        name: "ack_lost_at_server",
        applies: |f| f.asked == Asked::Read && f.s().syn_acks + f.s().late_syn_acks > 0,
        when: "seen from the server alone: nginx timed out reading, so it had a connection, and the server never saw its ACK",
        verdict: Verdict::AckLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLost, GatewayCapture)],
        reason: "nginx had a connection to read from, and the server never saw its ACK",
    },
    Row {
        name: "synack_lost_rst",
        applies: |f| f.s().rst_after_repeat,
        when: "seen from the server alone: the client reset the attempt within a round trip of a repeated SYN+ACK",
        verdict: Verdict::SynAckLost,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::ServerAcks,
        alternatives: &[],
        reason: "the client's stack answered a repeated SYN+ACK with a RST and not the ones before it: those never reached it",
    },
    Row {
        name: "late_rst",
        applies: |f| f.s().rst_after_first,
        when: "seen from the server alone: the client reset the first SYN+ACK, after its deadline",
        verdict: Verdict::SynAckLate,
        mechanism: Some(Mechanism::LatePath),
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLost, GatewayCapture)],
        reason: "the client reset the first SYN+ACK after it had given up: the way was slow",
    },
    Row {
        name: "synack_unanswered",
        applies: |f| f.s().syn_acks + f.s().late_syn_acks > 0,
        when: "seen from the server alone: SYN+ACKs left it and nothing answered them",
        verdict: Verdict::SynAckLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[
            (Verdict::SynAckNotAccepted, GatewayCapture),
            (Verdict::ReplyLost, GatewayCapture),
        ],
        reason: "SYN+ACKs left the upstream and nothing answered them; whether they reached the gateway only its capture can show",
    },
    Row {
        name: "bare_ack_at_server",
        applies: |f| f.s().foreign_ack != Foreign::None,
        when: "seen from the server alone: it answered with a bare ACK for something else",
        verdict: Verdict::StaleConnection,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::ReplyLost, GatewayCapture)],
        reason: "the server answered with a bare ACK for an earlier attempt or connection on this port",
    },
    Row {
        name: "reply_at_server",
        applies: |f| f.s().server_rst || f.s().icmp,
        when: "seen from the server alone: it answered with RST or ICMP, and nginx logged a timeout",
        verdict: Verdict::ReplyLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::Refused, GatewayCapture)],
        reason: "the server answered with RST or ICMP, and nginx saw a timeout",
    },
    Row {
        name: "silent_at_server",
        applies: |f| f.s().syns > 0,
        when: "seen from the server alone: the SYN arrived and no answer left",
        verdict: Verdict::ServerSilent,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::ServerAcks,
        alternatives: &[],
        reason: "the SYN reached the upstream and nothing came back out: host firewall, full listen queue, or nobody there",
    },
    Row {
        name: "nothing",
        applies: |_| true,
        when: "nothing above applies",
        verdict: Verdict::NotCaptured,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::NoSynSent, BetterCoverage)],
        reason: "no capture that could show it covers the moment",
    },
];

/// The question is about the third handshake: nginx had a connection, or there is no log line.
fn third_step(f: &Facts) -> bool {
    matches!(f.asked, Asked::Read | Asked::Tls | Asked::Outcome)
}

/// The end that is judged saw a SYN+ACK and no repetition, and its capture shows no plain ACKs.
fn answered_acks_hidden(f: &Facts) -> bool {
    let end = f.client.or(f.server);
    f.late == LateAnswer::None
        && end.is_some_and(|end| {
            end.acks == Err(CoverageGap::NoAcks)
                && end.seen.syn_acks > 0
                && !end.seen.repeated
                && !end.seen.rst_after_first
        })
}

/// A SYN+ACK reached the client after it had given up.
fn late_seen(f: &Facts) -> bool {
    f.late != LateAnswer::None
}

/// Something of the server reached the client: it had a SYN and it answered, whatever the server's
/// point shows.
fn heard(f: &Facts) -> bool {
    late_seen(f) || f.c().own_bare_ack || f.c().foreign_ack != Foreign::None || f.c().server_rst
}
