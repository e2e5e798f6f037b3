//! What two ends show together.

use super::{heard, late_seen};
use crate::facts::Foreign;
use crate::judge::{Need, Row};
use crate::verdict::Settles::{AccessLog, BetterCoverage, Timestamps};
use crate::which::Which;
use crate::{Grade, Mechanism, Verdict};

pub(super) static ROWS: &[Row] = &[
    Row {
        name: "syn_lost",
        applies: |f| f.both() && f.s().syns == 0 && !heard(f),
        when: "both ends captured; SYNs left the client's point and none reached the server's",
        verdict: Verdict::SynLost,
        mechanism: None,
        grade: Grade::Proven,
        // An ICMP error at the client would say more.
        need: Need::Both,
        alternatives: &[],
        reason: "every SYN left the gateway and none reached the upstream",
    },
    Row {
        name: "server_slow",
        applies: |f| f.both() && f.s().syns > 0 && f.server_slow,
        when: "both ends captured; the server's first SYN+ACK left after the deadline",
        verdict: Verdict::SynAckLate,
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Server,
        alternatives: &[],
        reason: "nothing was lost: the server sent its SYN+ACK only after nginx had given up",
    },
    // Either a filter of the gateway's own resets (`reject with tcp reset`), or nginx had given up sooner
    // than the log says.
    Row {
        name: "reset_in_time",
        applies: |f| {
            f.both()
                && f.s().syn_acks > 0
                && late_seen(f)
                && f.came == Which::First
                && f.c().reset_in_time
        },
        when: "both ends captured; the server's first SYN+ACK arrived before nginx can have given up, and the client reset it or the next",
        verdict: Verdict::SynAckLate,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckNotAccepted, AccessLog)],
        reason: "the gateway reset the SYN+ACK, so its socket was gone, or its own filter resets; by the log it was too early for the first",
    },
    Row {
        name: "late_path",
        applies: |f| f.both() && f.s().syn_acks > 0 && late_seen(f) && f.came == Which::First,
        when: "both ends captured; the server's first SYN+ACK arrived, after the deadline",
        verdict: Verdict::SynAckLate,
        mechanism: None,
        grade: Grade::Proven,
        // A capture that began after the real first one would take a repetition for it.
        need: Need::Server,
        alternatives: &[],
        reason: "nothing was lost: the first SYN+ACK arrived after nginx had given up",
    },
    Row {
        name: "repeated_by_time",
        applies: |f| {
            f.both() && f.s().syn_acks > 0 && late_seen(f) && f.came == Which::AnotherByTime
        },
        when: "both ends captured; without TCP timestamps: the SYN+ACK that came late came at once after one that the server had repeated",
        verdict: Verdict::SynAckLost,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLate, Timestamps)],
        reason: "the SYN+ACK that came too late came as a repeated one had just left: those before it were lost, unless one of them was on its way for just as long",
    },
    Row {
        name: "late_untold",
        applies: |f| f.both() && f.s().syn_acks > 0 && late_seen(f) && f.came == Which::Untold,
        when: "both ends captured; several SYN+ACKs left in time for the one that came late, and no TCP timestamps tell which of them it is",
        verdict: Verdict::SynAckLate,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLost, Timestamps)],
        reason: "a SYN+ACK came after nginx had given up, and not at once after any that had left: one of them was slow; without TCP timestamps nothing tells which",
    },
    Row {
        name: "wrong_ack_unreset",
        applies: |f| f.both() && f.s().syn_acks > 0 && f.c().wrong_ack_unreset,
        when: "both ends captured; a SYN+ACK for a number that the client never sent came, and no RST of the client is in its capture",
        verdict: Verdict::SynAckNotAccepted,
        mechanism: Some(Mechanism::WrongAck),
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[(Verdict::SynAckLost, BetterCoverage)],
        reason: "the SYN+ACK that came acknowledges a number that this attempt never sent; the capture does not show that the client reset it, so it may be about something else",
    },
    Row {
        name: "synack_lost",
        applies: |f| f.both() && f.s().syn_acks > 0,
        when: "both ends captured; the server's point saw the SYN and a SYN+ACK leave in time, the client's did not see it come in time",
        verdict: Verdict::SynAckLost,
        mechanism: None,
        grade: Grade::Proven,
        // A capture at the server that began late shows a repeated SYN+ACK as the first.
        need: Need::Both,
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
        mechanism: None,
        grade: Grade::Proven,
        need: Need::Server,
        alternatives: &[],
        reason: "the only answer was a bare ACK: the server still held an older connection on this port",
    },
    Row {
        name: "syn_damaged",
        applies: |f| f.both() && f.s().syns > 0 && f.s().syns_damaged && !heard(f),
        when: "both ends captured; no answer left the server's point; every SYN came with a wrong TCP checksum, at a point where other SYNs come with a right one and none with a wrong one was answered",
        verdict: Verdict::ServerSilent,
        mechanism: Some(Mechanism::SynCorrupt),
        grade: Grade::Proven,
        need: Need::ServerAcks,
        alternatives: &[],
        reason: "the SYN reached the upstream's interface with a wrong TCP checksum, so its kernel dropped it without a word: it was damaged on its way",
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
];
