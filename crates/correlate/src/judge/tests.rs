//! The decision table, row by row: facts in, row and grade out. What each row should say is taken
//! from the taxonomy (section 3.2 and the notes under it) and from product.md section 3.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

mod any_facts;
mod both_ends;
mod mechanisms;
mod one_end;
mod third_step;
mod unseen;

use std::collections::BTreeSet;
use std::vec::Vec;

use super::*;
use crate::facts::{Asked, End, Foreign, Seen};
use crate::which::Which;
use crate::{Copies, LateAnswer};

/// Both ends captured and covered: SYNs at both.
fn both() -> Facts {
    let seen = Seen { syns: 1, ..Seen::default() };
    let end = End { seen, coverage: Ok(()), slow: Ok(()), acks: Ok(()), exact: true };
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

fn all() -> Vec<Expectation> {
    [
        unseen::without_attempt(),
        unseen::client_shows(),
        third_step::third_step(),
        both_ends::both_ends(),
        one_end::one_end(),
    ]
    .concat()
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

/// A capture that lacks some of the client's attempts may lack a line's own. What the log says itself
/// needs no such proof, nor does an attempt without a line.
#[test]
fn an_attempt_among_missing_ones_is_nobodys_for_sure() {
    let missed = |asked, gap| {
        let mut facts = with(both(), |f| {
            f.asked = asked;
            (at_client(f).refused, at_client(f).syn_acks) = (true, 0);
        });
        facts.client.as_mut().expect("a client end").coverage = Err(gap);
        judge(&facts).grade
    };
    for gap in [CoverageGap::Missed, CoverageGap::Overlooked, CoverageGap::PassedUnseen] {
        assert_eq!(missed(Asked::Failed, gap), Grade::Consistent);
        assert_eq!(missed(Asked::Refused, gap), Grade::Proven);
        assert_eq!(missed(Asked::Outcome, gap), Grade::Proven);
    }
    assert_eq!(missed(Asked::Failed, CoverageGap::OutsideSpan), Grade::Proven, "it was seen");
}

/// "Connected" says that no SYN+ACK came again, which only a capture that shows those of the server
/// can say.
#[test]
fn a_connection_whose_answers_were_not_captured_may_not_have_been_taken() {
    let grade = |asked, gap: Result<(), CoverageGap>| {
        let mut facts = with(both(), |f| {
            f.asked = asked;
            for end in [f.client.as_mut(), f.server.as_mut()].into_iter().flatten() {
                (end.seen.completed, end.seen.acked_in_time) = (true, true);
            }
        });
        facts.server.as_mut().expect("a server end").coverage = gap;
        let judgement = judge(&facts);
        assert_eq!(judgement.verdict(), Verdict::Connected);
        judgement.grade
    };
    assert!(grade(Asked::Read, Ok(())).is_sure());
    assert_eq!(grade(Asked::Read, Err(CoverageGap::OneDirection)), Grade::Consistent);
    assert!(grade(Asked::Outcome, Err(CoverageGap::OneDirection)).is_sure());
}

/// A read timer starts when there is a connection.
#[test]
fn a_read_timeout_is_not_about_an_attempt_that_became_no_connection() {
    for (asked, grade) in [(Asked::Read, Grade::Consistent), (Asked::Tls, Grade::Proven)] {
        let refused = with(both(), |f| (f.asked, at_client(f).refused) = (asked, true));
        assert_eq!(judge(&refused).grade, grade);
    }
}

/// An error ends a connect at once: what a timer ended was another attempt, or its host did not take the
/// answer.
#[test]
fn a_timer_does_not_end_an_attempt_that_had_failed() {
    for (asked, grade) in [(Asked::Connect, Grade::Consistent), (Asked::Refused, Grade::Proven)] {
        let refused = with(both(), |f| (f.asked, at_client(f).refused) = (asked, true));
        assert_eq!(judge(&refused).grade, grade);
    }
}

/// The server's point saw the client reset what the client's capture does not hold: that capture had ended,
/// or lost it, so what else it lacks may have come.
#[test]
fn an_attempt_of_which_a_capture_lacks_packets_is_not_covered_by_it() {
    let lost =
        |torn| judge(&with(both(), |f| (at_server(f).syn_acks, at_client(f).torn) = (1, torn)));
    for (torn, grade) in [(false, Grade::Proven), (true, Grade::Consistent)] {
        assert_eq!((lost(torn).verdict(), lost(torn).grade), (Verdict::SynAckLost, grade));
    }
}

/// A firewall between the two did not see the SYN+ACK that was lost before it came there.
#[test]
fn the_first_syn_ack_is_the_first_at_the_server_itself() {
    for (exact, grade) in [(true, Grade::Proven), (false, Grade::Consistent)] {
        let slow = with(both(), |f| {
            f.server_slow = true;
            at_server(f).late_syn_acks = 1;
            f.server.as_mut().expect("a server end").exact = exact;
        });
        let judgement = judge(&slow);
        assert_eq!((judgement.verdict(), judgement.grade), (Verdict::SynAckLate, grade));
    }
}
