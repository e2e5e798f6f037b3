//! Bounds against all assignments, tried one by one.

use std::vec::Vec;

use proptest::prelude::*;
use why504_model::Timestamp;

use super::*;
use crate::assign::tests::{entered, every_assignment};
use crate::assign::{Edge, Writer};

prop_compose! {
    /// A line, and for each of its attempts when it would have ended.
    fn any_line()(
        worker in 0u32..2,
        read in prop::bool::weighted(0.2),
        edges in prop::collection::btree_map(0usize..6, 0i64..400, 1..5),
    ) -> Listed {
        let edge = |(attempt, ms): (usize, i64)| {
            let end = Timestamp::from_nanos(ms * 1_000_000);
            Edge { attempt, end: (end, end), penalty: 0, timer: 0 }
        };
        Listed {
            writer: Writer { log: 0, worker: Some(worker), read },
            edges: edges.into_iter().map(edge).collect(),
        }
    }
}

/// Complete assignments, as the attempts of the lines.
fn complete(lines: &[Listed]) -> Vec<Vec<usize>> {
    let all = every_assignment(lines).into_iter();
    all.filter_map(|chosen| chosen.into_iter().collect()).collect()
}

type Bounds = BTreeMap<u8, (usize, usize)>;

/// How many lines have each kind, at least and at most, over some assignments.
fn by_trying(assignments: &[Vec<usize>], kinds: &[u8]) -> Bounds {
    let count = |chosen: &[usize], kind| chosen.iter().filter(|a| kinds[**a] == kind).count();
    let mut bounds = Bounds::new();
    for kind in kinds.iter().copied().collect::<BTreeSet<u8>>() {
        let counts: Vec<usize> = assignments.iter().map(|chosen| count(chosen, kind)).collect();
        let most = counts.iter().copied().max().unwrap_or(0);
        if most > 0 {
            bounds.insert(kind, (counts.iter().copied().min().unwrap_or(0), most));
        }
    }
    bounds
}

fn parts(lines: &[Listed], kinds: &[u8]) -> (Part, Kinds<u8>) {
    let held = entered(lines);
    let places: Vec<usize> = held.places.iter().map(|place| place.attempt).collect();
    let part = Part::whole(held.places, held.lines);
    let of = Kinds::of(&part, |place| places.get(place).map(|attempt| kinds[*attempt]));
    (part, of)
}

fn without_none(bounds: Bounds) -> Bounds {
    bounds.into_iter().filter(|(_, (_, most))| *most > 0).collect()
}

#[test]
fn lines_that_cannot_have_an_attempt_each_have_no_bounds() {
    let line = |attempts: &[usize]| Listed {
        writer: Writer::default(),
        edges: attempts
            .iter()
            .map(|&attempt| Edge {
                attempt,
                end: (Timestamp::default(), Timestamp::default()),
                penalty: 0,
                timer: 0,
            })
            .collect(),
    };
    let bounds = |lines: &[Listed]| {
        let (part, of) = parts(lines, &[0, 1, 0]);
        of.bounds(&part, lines.len())
    };
    assert_eq!(bounds(&[line(&[0, 1]), line(&[0, 1]), line(&[0, 1])]), Bounds::new());
    assert_eq!(bounds(&[line(&[0, 1]), line(&[0, 1])]), Bounds::from([(0, (1, 1)), (1, (1, 1))]));
}

proptest! {
    #[test]
    fn bounds_that_keep_the_order_are_those_of_all_assignments_that_do(
        lines in prop::collection::vec(any_line(), 1..6),
        kinds in prop::collection::vec(0u8..3, 6),
    ) {
        let all = complete(&lines);
        prop_assume!(!all.is_empty());
        let (part, of) = parts(&lines, &kinds);
        let found = of.in_order(&part, 1000).expect("few lines");
        let found = without_none(found);
        prop_assert_eq!(&found, &by_trying(&all, &kinds));
        // As many attempts as lines leave nothing open.
        if part.attempts.len() == lines.len() {
            prop_assert!(found.values().all(|(least, most)| least == most));
            prop_assert_eq!(Some(found), of.of_all(&part));
        }
    }

    #[test]
    fn bounds_without_order_are_those_of_all_matchings(
        lines in prop::collection::vec(any_line(), 1..6),
        kinds in prop::collection::vec(0u8..3, 6),
    ) {
        // Of logs of their own, so that no order binds them.
        let mut free = lines;
        for (log, line) in (0..).zip(&mut free) {
            line.writer.log = log;
        }
        let all = complete(&free);
        prop_assume!(!all.is_empty());
        let (part, of) = parts(&free, &kinds);
        prop_assert_eq!(without_none(of.in_any_order(&part)), by_trying(&all, &kinds));
    }
}
