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
use crate::{Copies, LateAnswer};

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
