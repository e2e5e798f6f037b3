//! No attempt was found: what can be said all the same.

use crate::facts::Asked;
use crate::judge::{Need, Row};
use crate::verdict::Settles::{BetterCoverage, GatewayCapture};
use crate::{Grade, Verdict};

pub(super) static ROWS: &[Row] = &[
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
        name: "no_neighbour",
        applies: |f| !f.attempt && f.unresolved,
        when: "at that moment the gateway was asking for the upstream's link address (ARP, IPv6 neighbour discovery) and nobody answered, and no SYN to it was captured",
        verdict: Verdict::NoSynSent,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Nothing,
        alternatives: &[],
        reason: "the gateway asked its link who has the upstream's address, again, and nobody answered: its kernel held the SYN back and dropped it",
    },
    // A packet filter of the host's own may reject what it sends (`REJECT` in the OUTPUT chain); mostly
    // something answers.
    Row {
        name: "failed_without_a_syn",
        applies: |f| {
            !f.attempt
                && f.client.is_some()
                && f.no_syn_to_peer
                && matches!(f.asked, Asked::Refused | Asked::Unreachable)
        },
        when: "the connect failed at once, and the gateway's capture covers the moment and holds no SYN that may be this line's",
        verdict: Verdict::NoSynSent,
        mechanism: None,
        grade: Grade::Consistent,
        need: Need::Nothing,
        alternatives: &[
            (Verdict::Refused, BetterCoverage),
            (Verdict::IcmpRejected, BetterCoverage),
        ],
        reason: "the connect failed at once and no SYN of it was captured: the gateway's own packet filter rejected it, or the capture lacks the SYN and its answer",
    },
    Row {
        name: "no_syn_at_gateway",
        applies: |f| !f.attempt && f.client.is_some() && f.no_syn_to_peer,
        when: "the gateway's capture covers the moment and holds no SYN to this upstream in the widest window that is not for sure another line's",
        verdict: Verdict::NoSynSent,
        mechanism: None,
        grade: Grade::Signature,
        need: Need::Client,
        alternatives: &[],
        reason: "the gateway's own capture covers the moment and holds no SYN to this upstream that may be this line's: it never left the host (firewall, ARP, no local port)",
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
        alternatives: &[(Verdict::NoSynSent, BetterCoverage), (Verdict::SynLost, BetterCoverage)],
        reason: "no captured attempt fits this line",
    },
];
