//! Rows for one end alone.

use super::*;

pub(super) fn one_end() -> Vec<Expectation> {
    use Grade::{Consistent, Proven, Signature};
    let late = |answer| with(gateway_only(), |f| f.late = answer);
    std::vec![
        (
            with(gateway_only(), |f| at_client(f).own_bare_ack = true),
            "bare_ack_undrawn",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            with(gateway_only(), |f| {
                (at_client(f).own_bare_ack, at_client(f).bare_ack_drawn) = (true, true);
            }),
            "synack_lost_bare_ack",
            Verdict::SynAckLost,
            Signature,
        ),
        (
            with(gateway_only(), |f| {
                (at_client(f).own_bare_ack, at_client(f).bare_ack_drawn) = (true, true);
                at_client(f).bare_ack_counted = true;
            }),
            "synack_lost_counted_ack",
            Verdict::SynAckLost,
            Consistent,
        ),
        (late(LateAnswer::Repeated), "synack_lost_late", Verdict::SynAckLost, Signature),
        (late(LateAnswer::InSlot), "late_in_slot", Verdict::SynAckLost, Consistent),
        (late(LateAnswer::LaterCopyRepeated), "late_copy_in_slot", Verdict::SynAckLost, Consistent),
        (
            with(late(LateAnswer::LaterCopyRepeated), |f| f.linux_like = true),
            "late_copy_repeated",
            Verdict::SynAckLost,
            Signature,
        ),
        (late(LateAnswer::LaterCopy), "late_copy", Verdict::SynLost, Consistent),
        (
            with(late(LateAnswer::TheFirst), |f| {
                (at_client(f).late_syn_acks, at_client(f).rst_after_first) = (1, true);
            }),
            "late_first",
            Verdict::SynAckLate,
            Signature,
        ),
        (
            // Reset before the deadline: a local firewall does that as well.
            with(late(LateAnswer::TheFirst), |f| at_client(f).syn_acks = 1),
            "late_off_schedule",
            Verdict::SynAckLate,
            Consistent,
        ),
        (late(LateAnswer::OffSchedule), "late_off_schedule", Verdict::SynAckLate, Consistent),
        (late(LateAnswer::Unknown), "late_unknown", Verdict::SynAckLate, Consistent),
        (
            with(gateway_only(), |f| {
                let seen = at_client(f);
                (seen.foreign_ack, seen.held_to_the_last) = (Foreign::Established, true);
            }),
            "bare_ack_to_the_last",
            Verdict::StaleConnection,
            Signature,
        ),
        (
            with(gateway_only(), |f| at_client(f).foreign_ack = Foreign::Unfinished),
            "bare_ack_only",
            Verdict::StaleConnection,
            Consistent,
        ),
        (
            with(gateway_only(), |f| {
                (f.asked, at_client(f).server_rst) = (Asked::Outcome, true);
            }),
            "refused_without_ack",
            Verdict::Refused,
            Consistent,
        ),
        // One capture with nothing back is never better than this.
        (gateway_only(), "no_reply", Verdict::NoReply, Consistent),
        (
            with(upstream_only(), |f| {
                f.asked = Asked::Refused;
                at_server(f).server_rst = true;
            }),
            "refused_at_server",
            Verdict::Refused,
            Signature,
        ),
        (
            with(upstream_only(), |f| {
                at_server(f).syn_acks = 1;
                at_server(f).rst_after_repeat = true;
            }),
            "synack_lost_slow_rst",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            with(upstream_only(), |f| {
                at_server(f).syn_acks = 1;
                at_server(f).rst_after_repeat = true;
                at_server(f).rst_at_once = true;
            }),
            "synack_lost_rst",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            with(upstream_only(), |f| {
                at_server(f).syn_acks = 1;
                at_server(f).rst_after_first = true;
            }),
            "late_rst",
            Verdict::SynAckLate,
            Consistent,
        ),
        (
            with(upstream_only(), |f| at_server(f).syn_acks = 3),
            "synack_unanswered",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            with(upstream_only(), |f| at_server(f).foreign_ack = Foreign::Unfinished),
            "bare_ack_at_server",
            Verdict::StaleConnection,
            Consistent,
        ),
        (
            with(upstream_only(), |f| at_server(f).server_rst = true),
            "reply_at_server",
            Verdict::ReplyLost,
            Consistent,
        ),
        (
            with(upstream_only(), |f| {
                f.asked = Asked::Outcome;
                at_server(f).server_rst = true;
            }),
            "refused_unheard",
            Verdict::Refused,
            Consistent,
        ),
        (
            with(upstream_only(), |f| at_server(f).syns_damaged = true),
            "damaged_at_server",
            Verdict::ServerSilent,
            Proven,
        ),
        (upstream_only(), "silent_at_server", Verdict::ServerSilent, Proven),
        (
            with(upstream_only(), |f| {
                f.server.as_mut().expect("a server end").coverage = Err(CoverageGap::OneDirection);
            }),
            "silent_at_server",
            Verdict::ServerSilent,
            Consistent,
        ),
        (
            with(both(), |f| (f.client, f.server) = (None, None)),
            "nothing",
            Verdict::NotCaptured,
            Consistent,
        ),
    ]
}
