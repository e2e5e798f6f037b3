//! Whatever the packets say, together or against each other: one row decides, what nobody can know is
//! never sure, and what is not proven to be covered proves nothing.

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
                &mut seen.reset_in_time,
                &mut seen.unrepeated,
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
                &mut seen.wrong_ack_unreset,
                &mut seen.held_to_the_last,
                &mut seen.own_bare_ack,
                &mut seen.bare_ack_drawn,
                &mut seen.rst_after_repeat,
                &mut seen.rst_at_once,
                &mut seen.bare_ack_counted,
                &mut seen.rst_after_first,
                &mut seen.syn_after_syn_ack,
                &mut seen.reset_in_window,
                &mut seen.port_half_open,
                &mut seen.reverse_syn,
                &mut seen.syns_damaged,
                &mut seen.syn_acks_damaged,
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
            End { seen, coverage, slow: coverage, acks, exact }
        },
    )
}

const BOOLS: usize = 32;
const COUNTS: usize = 4;

proptest! {
    #[test]
    fn one_row_decides(
        client in prop::option::of(end()),
        server in prop::option::of(end()),
        late in any_of(&LATE),
        asked in any_of(&ASKED),
        came in any_of(&[Which::First, Which::Another, Which::AnotherByTime, Which::Untold]),
        other in prop::collection::vec(any::<bool>(), 11),
    ) {
        let [never_sent, attempt, no_syn_to_peer, linux_like, server_slow,
            unpaired_at_server, reliable, other_answer, acked_before, proxied, unresolved] = other[..] else { unreachable!("eleven") };
        let facts = Facts {
            asked,
            never_sent,
            attempt,
            no_syn_to_peer,
            unresolved,
            client,
            server,
            late,
            came,
            linux_like,
            server_slow,
            unpaired_at_server,
            other_answer,
            acked_before,
            proxied,
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
        // What became of a connection one end tells alone; the other's capture is asked where there is one.
        let connected = judgement.verdict() == Verdict::Connected;
        let uncovered =
            |end: Option<End>| end.map_or(!connected, |end| end.coverage.is_err());
        // An attempt without a line that completed needs no proof of it.
        match judgement.row.need {
            _ if connected && asked == Asked::Outcome => {}
            Need::Client | Need::ClientAcks | Need::Both if uncovered(client) => {
                prop_assert!(!judgement.grade.is_sure());
            }
            Need::Server | Need::ServerAcks | Need::Both if uncovered(server) => {
                prop_assert!(!judgement.grade.is_sure());
            }
            _ => {}
        }
    }
}
