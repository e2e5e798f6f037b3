//! What is behind an address that only the log has.

mod world;

use why504_correlate::{unseen_peers, virtual_peers};
use why504_model::Endpoint;
use world::{CLIENT_POINT, SERVER_POINT, World, start_at, upstream};

fn front(last: u8) -> Endpoint {
    Endpoint::new([10, 96, 0, last].into(), 80)
}

/// Timeouts of a virtual address, each with its attempt to the upstream; `dated` by an access log.
fn through(world: &mut World, front: Endpoint, first_port: u16, count: u16, dated: bool) {
    for i in 0..count {
        let ms = 1_000 + i64::from(i) * 2_300;
        world.answer_lost(ms, first_port + i, 5_000 + u32::from(first_port + i) * 100);
        let line = world.timed_out(ms + 300, Some(300));
        line.peer = Some(front);
        line.start = dated.then(|| start_at(ms));
    }
}

/// The pairs that are learnt, with their lines, and the peers of which no packet is known.
fn learnt(world: &World, given: &[u16]) -> (Vec<(Endpoint, Endpoint, u64)>, usize) {
    world.with_points(given, |points| {
        let pairs = virtual_peers(&world.lines, points);
        let pairs = pairs.into_iter().map(|((front, back), lines)| (front, back, lines)).collect();
        (pairs, unseen_peers(&world.lines, points).len())
    })
}

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];

#[test]
fn many_dated_lines_that_find_one_server_show_what_is_behind_an_address() {
    let mut world = World::watched();
    through(&mut world, front(1), 40_000, 25, true);
    assert_eq!(learnt(&world, &BOTH), (vec![(front(1), upstream(), 25)], 1));
    assert_eq!(
        learnt(&world, &[SERVER_POINT]).0,
        [],
        "the address is rewritten on the client's host"
    );
}

#[test]
fn few_lines_lines_without_a_date_and_other_moments_teach_nothing() {
    for (count, dated, late) in [(19, true, 0), (25, false, 0), (25, true, 100)] {
        let mut world = World::watched();
        through(&mut world, front(1), 40_000, count, dated);
        for line in &mut world.lines {
            line.start = line.start.map(|_| start_at(1_000 + late + i64::from(line.id.0) * 2_300));
        }
        assert_eq!(learnt(&world, &BOTH), (vec![], 1), "{count} {dated} {late}");
    }
}

#[test]
fn a_server_that_the_log_names_itself_or_that_two_addresses_lead_to_is_not_taken() {
    let mut world = World::watched();
    through(&mut world, front(1), 40_000, 25, true);
    world.timed_out(99_300, Some(300));
    assert_eq!(learnt(&world, &BOTH).0, []);

    let mut world = World::watched();
    through(&mut world, front(1), 40_000, 25, true);
    through(&mut world, front(2), 41_000, 25, true);
    assert_eq!(learnt(&world, &BOTH), (vec![], 2));
}

#[test]
fn an_address_with_several_servers_behind_it_is_not_learnt() {
    let mut world = World::watched();
    through(&mut world, front(1), 40_000, 25, true);
    // A third of its connects went elsewhere: no attempt to the upstream at their moments.
    for i in 0..12 {
        let ms = 2_000 + i * 2_300;
        let line = world.timed_out(ms + 300, Some(300));
        (line.peer, line.start) = (Some(front(1)), Some(start_at(ms)));
    }
    assert_eq!(learnt(&world, &BOTH), (vec![], 1));
}
