//! The decision table, row by row: facts in, row and grade out. What each row should say is taken
//! from the taxonomy (section 3.2 and the notes under it) and from product.md section 3.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use std::collections::BTreeSet;
use std::vec::Vec;

use super::*;
use crate::LateAnswer;
use crate::facts::{Asked, End, Foreign, Seen};

/// Both ends captured and covered: SYNs at both.
fn both() -> Facts {
    let seen = Seen { syns: 1, ..Seen::default() };
    let end = End { seen, coverage: Ok(()), acks: Ok(()), exact: true };
    Facts {
        asked: Asked::Connect,
        attempt: true,
        client: Some(end),
        server: Some(end),
        ..Facts::blank()
    }
}

fn gateway_only() -> Facts {
    Facts { server: None, ..both() }
}

fn upstream_only() -> Facts {
    Facts { client: None, ..both() }
}

/// Facts changed by a closure: keeps a row of the tests on a few lines.
fn with(mut facts: Facts, change: impl FnOnce(&mut Facts)) -> Facts {
    change(&mut facts);
    facts
}

fn at_client(facts: &mut Facts) -> &mut Seen {
    &mut facts.client.as_mut().expect("a client end").seen
}

fn at_server(facts: &mut Facts) -> &mut Seen {
    &mut facts.server.as_mut().expect("a server end").seen
}

/// One case of the table: facts, the row that must decide, verdict, grade.
type Expectation = (Facts, &'static str, Verdict, Grade);

fn without_attempt() -> Vec<Expectation> {
    use Grade::{Consistent, Signature};
    let nobody = Facts { asked: Asked::Connect, ..Facts::blank() };
    let covered = End { seen: Seen::default(), coverage: Ok(()), acks: Ok(()), exact: true };
    std::vec![
        (with(nobody, |f| f.never_sent = true), "said_by_the_log", Verdict::NoSynSent, Signature,),
        (
            with(nobody, |f| (f.client, f.no_syn_to_peer) = (Some(covered), true)),
            "no_syn_at_gateway",
            Verdict::NoSynSent,
            Signature,
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

fn client_shows() -> Vec<Expectation> {
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
                at_client(f).refused = true;
                at_server(f).port_half_open = true;
            }),
            "refused_in_window",
            Verdict::Refused,
            Proven,
        ),
        (
            with(gateway_only(), |f| at_client(f).refused = true),
            "refused",
            Verdict::Refused,
            Proven
        ),
        (with(gateway_only(), |f| at_client(f).icmp = true), "icmp", Verdict::IcmpRejected, Proven),
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

fn third_step() -> Vec<Expectation> {
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

fn both_ends() -> Vec<Expectation> {
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
                f.late_is_first = true;
            }),
            "late_path",
            Verdict::SynAckLate,
            Proven,
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

fn one_end() -> Vec<Expectation> {
    use Grade::{Consistent, Proven, Signature};
    let late = |answer| with(gateway_only(), |f| f.late = answer);
    std::vec![
        (
            with(gateway_only(), |f| at_client(f).own_bare_ack = true),
            "synack_lost_bare_ack",
            Verdict::SynAckLost,
            Signature,
        ),
        (
            with(gateway_only(), |f| {
                (at_client(f).own_bare_ack, at_client(f).bare_ack_counted) = (true, true);
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

fn all() -> Vec<Expectation> {
    [without_attempt(), client_shows(), third_step(), both_ends(), one_end()].concat()
}

#[test]
fn every_row_decides_what_it_should() {
    for (facts, row, verdict, grade) in all() {
        let judgement = judge(&facts);
        assert_eq!(judgement.row.name, row, "{facts:#?}");
        assert_eq!((judgement.verdict(), judgement.grade), (verdict, grade), "{row}: {facts:#?}");
        assert_eq!(judgement.doubt.is_some(), judgement.grade < judgement.row.grade, "{row}");
    }
}

#[test]
fn no_row_is_without_a_case() {
    let tested: BTreeSet<&str> = all().iter().map(|(_, row, _, _)| *row).collect();
    let names: BTreeSet<&str> = rows().map(|row| row.name).collect();
    assert_eq!(tested, names);
    assert_eq!(names.len(), rows().count(), "names are unique");
}

#[test]
fn what_nobody_can_know_is_never_sure() {
    for row in rows() {
        if row.verdict.is_undecided() {
            assert!(!row.grade.is_sure(), "{}", row.name);
        }
        assert_ne!(row.grade, Grade::Ambiguous, "{}: only several candidates are", row.name);
        // A verdict that is not sure says what else it may be and what would settle it.
        assert_eq!(row.grade.is_sure(), row.alternatives.is_empty(), "{}", row.name);
    }
}

#[test]
fn loss_in_both_directions_and_a_held_port_are_named() {
    let mixed = with(both(), |f| {
        at_client(f).syns = 2;
        at_server(f).syn_acks = 1;
    });
    assert_eq!(judge(&mixed).mechanism, Some(Mechanism::Mixed));
    // Linux's limiter may swallow the bare ACK: SYN z gets no answer while x is half open.
    let limited = with(both(), |f| at_server(f).port_half_open = true);
    let judgement = judge(&limited);
    assert_eq!(judgement.verdict(), Verdict::ServerSilent);
    assert_eq!(judgement.mechanism, Some(Mechanism::PortReuseSynRecv));
}

#[test]
fn what_the_server_held_and_why_it_ignored_the_ack_are_named() {
    for (foreign, mechanism) in [
        (Foreign::Unknown, None),
        (Foreign::Unfinished, Some(Mechanism::PortReuseSynRecv)),
        (Foreign::Established, Some(Mechanism::Established)),
        (Foreign::CloseWait, Some(Mechanism::CloseWait)),
        (Foreign::TimeWait, Some(Mechanism::TimeWait)),
    ] {
        let stale = with(both(), |f| {
            at_server(f).foreign_ack = foreign;
            at_client(f).foreign_ack = foreign;
        });
        assert_eq!(judge(&stale).mechanism, mechanism);
        // The connect that succeeded after that says the same.
        let saved = with(stale, |f| (f.asked, at_client(f).completed) = (Asked::Outcome, true));
        assert_eq!(
            (judge(&saved).verdict(), judge(&saved).mechanism),
            (Verdict::Connected, mechanism)
        );
    }
    for (first_timer_fired, mechanism) in
        [(true, Mechanism::AcceptQueueOverflow), (false, Mechanism::DeferAccept)]
    {
        let ignored = with(both(), |f| {
            f.asked = Asked::Outcome;
            let seen = at_server(f);
            (seen.acked_in_time, seen.syn_acks_after_ack) = (true, 1);
            seen.first_timer_fired = first_timer_fired;
        });
        assert_eq!(judge(&ignored).mechanism, Some(mechanism));
    }
}

/// Taxonomy section 3.2, row 10: what was slow names the mechanism of an answer that came too late.
#[test]
fn what_took_longest_is_named() {
    for (leg, mechanism) in [
        (Some(Leg::Syn), Some(Mechanism::SynDelayed)),
        (Some(Leg::Server), Some(Mechanism::ServerSlow)),
        (Some(Leg::SynAck), Some(Mechanism::LatePath)),
        (None, None),
    ] {
        let left_late = with(both(), |f| (f.server_slow, f.slowest) = (true, leg));
        let came_late = with(both(), |f| {
            at_server(f).syn_acks = 1;
            (f.late, f.late_is_first, f.slowest) = (LateAnswer::OffSchedule, true, leg);
        });
        for facts in [left_late, came_late] {
            let judgement = judge(&facts);
            assert_eq!(
                (judgement.verdict(), judgement.grade, judgement.mechanism),
                (Verdict::SynAckLate, Grade::Proven, mechanism)
            );
        }
    }
}

/// product.md section 4: an attempt still open when the capture ends says so in its mechanism.
#[test]
fn an_attempt_that_the_capture_left_open_says_so() {
    let open = |asked| {
        with(gateway_only(), |f| {
            f.asked = asked;
            f.open_at_end = true;
        })
    };
    assert_eq!(judge(&open(Asked::Outcome)).mechanism, Some(Mechanism::OpenAtEnd));
    assert_eq!(judge(&open(Asked::Connect)).mechanism, None, "nginx gave it up");
    let connected = with(open(Asked::Outcome), |f| at_client(f).completed = true);
    assert_eq!(judge(&connected).mechanism, None);
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

/// Whatever the packets say, together or against each other: one row decides, what nobody can know is
/// never sure, and what is not proven to be covered proves nothing.
mod any_facts {
    use proptest::prelude::*;

    use super::*;

    const GAPS: [Result<(), CoverageGap>; 3] =
        [Ok(()), Err(CoverageGap::OutsideSpan), Err(CoverageGap::NoAcks)];
    const FOREIGN: [Foreign; 6] = [
        Foreign::None,
        Foreign::Unfinished,
        Foreign::Unknown,
        Foreign::Established,
        Foreign::CloseWait,
        Foreign::TimeWait,
    ];
    const LATE: [LateAnswer; 8] = [
        LateAnswer::None,
        LateAnswer::Repeated,
        LateAnswer::InSlot,
        LateAnswer::LaterCopy,
        LateAnswer::LaterCopyRepeated,
        LateAnswer::TheFirst,
        LateAnswer::OffSchedule,
        LateAnswer::Unknown,
    ];
    const ASKED: [Asked; 8] = [
        Asked::Outcome,
        Asked::Connect,
        Asked::Tls,
        Asked::ConnectOrRead,
        Asked::Read,
        Asked::Refused,
        Asked::Unreachable,
        Asked::Failed,
    ];

    fn any_of<T: Copy + core::fmt::Debug>(values: &'static [T]) -> impl Strategy<Value = T> {
        prop::sample::select(values)
    }

    /// One end: each fact is rare, as in captures, so that later rows are reached, too.
    fn end() -> impl Strategy<Value = End> {
        let rare = prop::collection::vec(prop::bool::weighted(0.1), BOOLS);
        let counts = prop::collection::vec(prop_oneof![3 => Just(0_u32), 1 => 1..3_u32], COUNTS);
        (rare, counts, any_of(&FOREIGN), any_of(&GAPS), any_of(&GAPS), any::<bool>()).prop_map(
            |(flags, counts, foreign_ack, coverage, acks, exact)| {
                let (mut flags, mut counts) = (flags.into_iter(), counts.into_iter());
                let mut seen = Seen { foreign_ack, ..Seen::default() };
                for fact in [
                    &mut seen.prompt,
                    &mut seen.repeated,
                    &mut seen.completed,
                    &mut seen.acked_in_time,
                    &mut seen.earlier_ack_missing,
                    &mut seen.server_active,
                    &mut seen.ack_reset,
                    &mut seen.first_timer_fired,
                    &mut seen.cookies,
                    &mut seen.split,
                    &mut seen.closed_at_deadline,
                    &mut seen.refused,
                    &mut seen.server_rst,
                    &mut seen.icmp,
                    &mut seen.wrong_ack,
                    &mut seen.wrong_ack_unstamped,
                    &mut seen.held_to_the_last,
                    &mut seen.own_bare_ack,
                    &mut seen.rst_after_repeat,
                    &mut seen.rst_at_once,
                    &mut seen.bare_ack_counted,
                    &mut seen.rst_after_first,
                    &mut seen.syn_after_syn_ack,
                    &mut seen.reset_in_window,
                    &mut seen.port_half_open,
                    &mut seen.reverse_syn,
                ] {
                    *fact = flags.next().unwrap_or_default();
                }
                for count in [
                    &mut seen.syns,
                    &mut seen.syn_acks,
                    &mut seen.late_syn_acks,
                    &mut seen.syn_acks_after_ack,
                ] {
                    *count = counts.next().unwrap_or_default();
                }
                End { seen, coverage, acks, exact }
            },
        )
    }

    const BOOLS: usize = 26;
    const COUNTS: usize = 4;

    proptest! {
        #[test]
        fn one_row_decides(
            client in prop::option::of(end()),
            server in prop::option::of(end()),
            late in any_of(&LATE),
            asked in any_of(&ASKED),
            other in prop::collection::vec(any::<bool>(), 8),
        ) {
            let [never_sent, attempt, no_syn_to_peer, late_is_first, linux_like, server_slow,
                unpaired_at_server, reliable] = other[..] else { unreachable!("eight") };
            let facts = Facts {
                asked,
                never_sent,
                attempt,
                no_syn_to_peer,
                client,
                server,
                late,
                late_is_first,
                linux_like,
                server_slow,
                unpaired_at_server,
                reliable,
                ..Facts::blank()
            };
            let judgement = judge(&facts);
            let first = rows().find(|row| (row.applies)(&facts)).map(|row| row.name);
            prop_assert_eq!(first, Some(judgement.row.name));
            prop_assert!(judgement.grade <= judgement.row.grade);
            prop_assert!(judgement.grade >= Grade::Consistent);
            prop_assert_eq!(judgement.grade < judgement.row.grade, judgement.doubt.is_some());
            if judgement.verdict().is_undecided() {
                prop_assert!(!judgement.grade.is_sure());
            }
            let uncovered = |end: Option<End>| end.is_none_or(|end| end.coverage.is_err());
            match judgement.row.need {
                Need::Client | Need::ClientAcks if uncovered(client) => {
                    prop_assert!(!judgement.grade.is_sure());
                }
                Need::Server | Need::ServerAcks if uncovered(server) => {
                    prop_assert!(!judgement.grade.is_sure());
                }
                _ => {}
            }
        }
    }
}
