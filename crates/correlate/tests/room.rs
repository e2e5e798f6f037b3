//! More attempts that fit than there is room for: which lines are not assigned, and what is said of them.

mod world;

use std::collections::BTreeSet;

use why504_correlate::{Correlation, Doubt, Grade, OneThread, ROOM, Verdict, correlate_within};
use why504_model::Endpoint;
use world::{CLIENT_POINT, SERVER_POINT, World, upstream};

/// Another port of the upstream's host.
fn other() -> Endpoint {
    Endpoint::new(upstream().ip, 8081)
}

/// Lines without a timer: eight to one upstream, whose connects share one fate but for the last, and two to
/// another.
fn incident() -> World {
    let mut world = World::watched();
    for i in 0..8_u16 {
        let (ms, isn) = (5000 + i64::from(i) * 2100, 5000 + u32::from(i) * 10_000);
        if i < 7 {
            world.answer_lost(ms, 20_000 + i, isn);
        } else {
            world.unanswered(ms, 20_000 + i, isn);
        }
        world.timed_out(ms + 300, None);
    }
    for i in 0..2_u16 {
        let ms = 6000 + i64::from(i) * 9000;
        let mut elsewhere = World::default();
        elsewhere.answer_lost(ms, 30_000 + i, 900_000 + u32::from(i) * 10_000);
        for point in [CLIENT_POINT, SERVER_POINT] {
            elsewhere.change(point, |segment| {
                let mut there = *segment;
                let of_server = there.source == upstream();
                *if of_server { &mut there.source } else { &mut there.destination } = other();
                Some(there)
            });
        }
        world.absorb(elsewhere);
        world.timed_out(ms + 300, None).peer = Some(other());
    }
    world.lines.sort_by_key(|line| line.logged.start());
    world
}

fn within(room: usize, world: &World) -> Correlation {
    world.with_points(&[CLIENT_POINT, SERVER_POINT], |points| {
        correlate_within(room, &world.lines, points, &BTreeSet::new(), &OneThread)
    })
}

/// The ports of lines that were not assigned.
fn left_out(world: &World, found: &Correlation) -> BTreeSet<Option<u16>> {
    let cases = found.cases.iter().filter(|case| !case.join.assigned);
    cases.map(|case| world.lines[case.timeout].peer.map(|peer| peer.port)).collect()
}

#[test]
fn the_upstream_that_needs_least_is_assigned() {
    let world = incident();
    let all = within(ROOM, &world);
    assert_eq!((all.not_assigned(), all.cases.len()), (0, 10));
    // Two attempts, each of which fits the line of its own second alone.
    let some = within(2, &world);
    assert_eq!(left_out(&world, &some), BTreeSet::from([Some(8080)]));
    assert_eq!(some.not_assigned(), 8);
    for (case, whole) in some.cases.iter().zip(&all.cases) {
        if case.join.assigned {
            assert_eq!(case, whole, "nothing changes for it");
            assert!(case.grade.is_sure());
        }
    }
    assert_eq!(within(1, &world).not_assigned(), 10, "room for half of one is room for none");
}

#[test]
fn what_is_not_assigned_is_told_and_never_sure() {
    let world = incident();
    let all = within(ROOM, &world);
    let none = within(0, &world);
    assert_eq!((none.not_assigned(), none.cases.len()), (10, 10));
    assert!(none.groups.is_empty(), "{:?}", none.groups);
    let lost = none.cases.iter().filter(|case| case.verdict == Verdict::SynAckLost);
    let lost: Vec<_> = lost.collect();
    assert!(lost.len() >= 8, "all that fits has one fate, and is said to have: {lost:?}");
    for case in lost {
        assert_eq!((case.grade, case.doubt), (Grade::Consistent, Some(Doubt::Unassigned)));
    }
    for (case, whole) in none.cases.iter().zip(&all.cases) {
        assert!(case.fitting >= whole.fitting, "what the assignment struck out is back");
        assert!(!case.grade.is_sure());
    }
}

#[test]
fn with_a_line_that_names_no_upstream_all_stand_or_fall_together() {
    let mut world = incident();
    world.lines[3].peer = None;
    for room in 0..40 {
        let left_out = within(room, &world).not_assigned();
        assert!(left_out == 0 || left_out == 10, "room for {room}: {left_out}");
    }
}

#[test]
fn whatever_the_room_is_a_sure_verdict_is_that_of_all_the_room() {
    let world = incident();
    let all = within(ROOM, &world);
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    for room in 0..40 {
        let found = within(room, &world);
        kept.insert(found.cases.len() - found.not_assigned());
        for (case, whole) in found.cases.iter().zip(&all.cases) {
            assert!(!case.grade.is_sure() || case == whole, "room for {room}");
        }
    }
    assert_eq!(kept, BTreeSet::from([0, 2, 10]));
}
