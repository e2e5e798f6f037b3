//! Rows that need both ends.

use super::*;

pub(super) fn both_ends() -> Vec<Expectation> {
    use Grade::{Consistent, Proven};
    let no_syn = |f: &mut Facts| at_server(f).syns = 0;
    let answered = |f: &mut Facts| at_server(f).syn_acks = 1;
    std::vec![
        (with(both(), no_syn), "syn_lost", Verdict::SynLost, Proven),
        (
            with(both(), |f| {
                no_syn(f);
                f.server.as_mut().expect("a server end").coverage = Err(CoverageGap::Empty);
            }),
            "syn_lost",
            Verdict::SynLost,
            Consistent,
        ),
        (
            with(both(), |f| {
                no_syn(f);
                f.unpaired_at_server = true;
            }),
            "syn_lost",
            Verdict::SynLost,
            Consistent,
        ),
        (
            with(both(), |f| {
                no_syn(f);
                f.proxied = true;
            }),
            "syn_lost",
            Verdict::SynLost,
            Consistent,
        ),
        (
            with(both(), |f| {
                no_syn(f);
                f.reliable = false;
            }),
            "syn_lost",
            Verdict::SynLost,
            Consistent,
        ),
        (with(both(), answered), "synack_lost", Verdict::SynAckLost, Proven),
        (
            with(both(), |f| {
                answered(f);
                f.client.as_mut().expect("a client end").coverage = Err(CoverageGap::OutsideSpan);
            }),
            "synack_lost",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            // A repeated SYN+ACK came late: the first one was lost all the same.
            with(both(), |f| {
                answered(f);
                f.late = LateAnswer::Repeated;
            }),
            "synack_lost",
            Verdict::SynAckLost,
            Proven,
        ),
        (
            with(both(), |f| {
                answered(f);
                f.late = LateAnswer::OffSchedule;
                f.came = Which::First;
            }),
            "late_path",
            Verdict::SynAckLate,
            Proven,
        ),
        (
            with(both(), |f| {
                answered(f);
                f.late = LateAnswer::TheFirst;
                f.came = Which::First;
                at_client(f).reset_in_time = true;
            }),
            "reset_in_time",
            Verdict::SynAckLate,
            Consistent,
        ),
        (
            // The capture ended soon after the deadline: the SYN+ACK may have been on its way still.
            with(both(), |f| {
                answered(f);
                f.client.as_mut().expect("a client end").slow = Err(CoverageGap::OutsideSpan);
            }),
            "synack_lost",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            with(both(), |f| {
                answered(f);
                (f.late, f.came) = (LateAnswer::Unknown, Which::AnotherByTime);
            }),
            "repeated_by_time",
            Verdict::SynAckLost,
            Consistent,
        ),
        (
            with(both(), |f| {
                answered(f);
                (f.late, f.came) = (LateAnswer::Unknown, Which::Untold);
            }),
            "late_untold",
            Verdict::SynAckLate,
            Consistent,
        ),
        (
            with(both(), |f| {
                answered(f);
                at_client(f).wrong_ack_unreset = true;
            }),
            "wrong_ack_unreset",
            Verdict::SynAckNotAccepted,
            Consistent,
        ),
        (with(both(), |f| f.server_slow = true), "server_slow", Verdict::SynAckLate, Proven),
        (
            with(both(), |f| at_server(f).server_rst = true),
            "reply_lost",
            Verdict::ReplyLost,
            Proven
        ),
        (with(both(), |f| at_server(f).icmp = true), "reply_lost", Verdict::ReplyLost, Proven),
        (
            with(both(), |f| at_server(f).foreign_ack = Foreign::Unfinished),
            "reply_lost",
            Verdict::ReplyLost,
            Proven,
        ),
        (
            with(both(), |f| {
                at_server(f).foreign_ack = Foreign::Unfinished;
                at_client(f).foreign_ack = Foreign::Unfinished;
            }),
            "half_open_port",
            Verdict::StaleConnection,
            Proven,
        ),
        (
            with(both(), |f| {
                at_server(f).foreign_ack = Foreign::Established;
                at_client(f).foreign_ack = Foreign::Established;
            }),
            "stale",
            Verdict::StaleConnection,
            Proven,
        ),
        (
            with(both(), |f| at_server(f).syns_damaged = true),
            "syn_damaged",
            Verdict::ServerSilent,
            Proven,
        ),
        (both(), "server_silent", Verdict::ServerSilent, Proven),
        (
            // "Nothing left the server" is a claim about the server's own host.
            with(both(), |f| f.server.as_mut().expect("a server end").exact = false),
            "server_silent",
            Verdict::ServerSilent,
            Consistent,
        ),
    ]
}

/// An answer that reached the client is stronger than an upstream capture that shows nothing.
#[test]
fn a_server_that_was_heard_is_neither_silent_nor_unreached() {
    for syns in [0, 1] {
        let heard = with(both(), |f| {
            at_server(f).syns = syns;
            f.late = LateAnswer::Repeated;
        });
        let judgement = judge(&heard);
        assert_eq!(judgement.row.name, "synack_lost_late", "{syns} SYNs at the server");
    }
}
