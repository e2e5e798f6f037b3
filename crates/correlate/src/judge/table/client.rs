//! What the client's end shows positively, and the third step.

use super::{answered_acks_hidden, past_connect, recovered, third_step};
use crate::LateAnswer;
use crate::facts::{Asked, Facts};
use crate::judge::{Need, Row};
use crate::verdict::Settles::{
    AccessLog, BetterCoverage, BetweenCapture, GatewayCapture, Timestamps, UpstreamCapture,
};
use crate::{Grade, Mechanism, Verdict};

pub(super) static ROWS: &[Row] = &[
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
            let end = f.client_or_only();
            matches!(f.asked, Asked::Connect | Asked::ConnectOrRead)
                && f.completed()
                && end.client_bytes == 0
                && end.closed_at_deadline
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
        name: "ack_ignored",
        applies: |f| {
            third_step(f)
                && f.server.is_some()
                && f.s().acked_in_time
                && f.s().syn_acks_after_ack > 0
                && !recovered(f)
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
        name: "ack_reset",
        applies: |f| third_step(f) && f.s().acked_in_time && f.s().ack_reset,
        when: "the ACK reached the server's point, and a RST of its kernel answered it at once: no socket took it",
        verdict: Verdict::AckIgnored,
        mechanism: Some(Mechanism::AcceptQueueOverflow),
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::Connected, UpstreamCapture)],
        reason: "the ACK arrived and the server's kernel reset it at once: accept queue full with tcp_abort_on_overflow, or its request was gone",
    },
    Row {
        name: "answered_by_another",
        applies: |f| {
            third_step(f)
                && f.both()
                && f.c().completed
                && f.other_answer
                && !f.s().acked_in_time
                && !recovered(f)
        },
        when: "the client acknowledged a SYN+ACK that the captured server did not send, and nothing acknowledged the server's",
        verdict: Verdict::Connected,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLost, BetweenCapture), (Verdict::AckLost, BetweenCapture)],
        reason: "the client's handshake was completed by something that answers in the captured server's place, or by another server; what the server's point saw is another handshake",
    },
    Row {
        name: "ack_lost",
        applies: |f| {
            third_step(f)
                && f.both()
                && f.c().completed
                && f.s().syn_acks + f.s().late_syn_acks > 0
                && !f.s().acked_in_time
        },
        when: "the client acknowledged the SYN+ACK; no acknowledgement or data reached the server's point in time",
        verdict: Verdict::AckLost,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::ServerAcks,
        alternatives: &[],
        reason: "the client took the SYN+ACK, and neither its ACK nor its data reached the server",
    },
    Row {
        name: "ack_lost_at_first",
        applies: |f| {
            third_step(f)
                && f.both()
                && f.c().completed
                && f.s().earlier_ack_missing
                && !f.other_answer
                && !recovered(f)
        },
        when: "the client acknowledged; the server repeated its SYN+ACK, and the first ACK that reached its point still echoes the first SYN+ACK",
        verdict: Verdict::AckLost,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::ServerAcks,
        alternatives: &[],
        reason: "the client took the first SYN+ACK, its ACK did not reach the server, and the server had to repeat its SYN+ACK",
    },
    Row {
        name: "ack_unheard",
        applies: |f| {
            third_step(f)
                && f.server.is_none()
                && f.c().completed
                && f.c().syn_acks_after_ack > 0
                && !recovered(f)
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
        name: "ack_unheard_at_server",
        applies: |f| {
            third_step(f) && f.client.is_none() && f.s().earlier_ack_missing && !recovered(f)
        },
        when: "seen from the server alone: the first ACK came after a repeated SYN+ACK and echoes the first one",
        verdict: Verdict::AckLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::Connected, GatewayCapture)],
        reason: "the ACK that came echoes the first SYN+ACK, though another had been sent since: the client had acknowledged before, and that ACK was lost",
    },
    Row {
        name: "connected_active",
        applies: |f| {
            past_connect(f)
                && f.completed()
                && (f.c().server_active || f.s().server_active || f.asked == Asked::Outcome)
        },
        when: "the handshake completed and the server acknowledged what followed",
        verdict: Verdict::Connected,
        mechanism: None,
        grade: Grade::Signature,
        // A SYN+ACK that came again would say that the ACK was not taken.
        need: Need::Server,
        alternatives: &[],
        reason: "the handshake was fine: the timeout is about what came after it",
    },
    Row {
        name: "connected_heard",
        applies: |f| {
            past_connect(f)
                && f.both()
                && f.c().completed
                && f.s().acked_in_time
                && f.c().syn_acks_after_ack == 0
        },
        when: "the handshake completed at both points and the SYN+ACK was not repeated",
        verdict: Verdict::Connected,
        mechanism: None,
        grade: Grade::Proven,
        // A SYN+ACK that came again would say that the ACK was not taken.
        need: Need::Server,
        alternatives: &[],
        reason: "the handshake completed at both points: the timeout is about what came after it",
    },
    Row {
        name: "connected",
        applies: Facts::completed,
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
        name: "synack_damaged",
        applies: |f| f.c().prompt && f.c().syn_acks_damaged && f.late == LateAnswer::None,
        when: "a SYN+ACK reached the client's point in time with a wrong TCP checksum, and the client did not answer it; at a point where other SYN+ACKs come with a right one and none with a wrong one was taken",
        verdict: Verdict::SynAckNotAccepted,
        mechanism: Some(Mechanism::SynAckCorrupt),
        grade: Grade::Proven,
        need: Need::ClientAcks,
        alternatives: &[],
        reason: "the SYN+ACK reached the gateway's interface with a wrong TCP checksum, so its kernel dropped it without a word: it was damaged on its way",
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
];
