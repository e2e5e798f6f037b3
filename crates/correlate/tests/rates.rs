//! How often first packets were lost, counted from packets of two points and of one.

mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use why504_correlate::{Counted, Losses, Points, Rates};
use why504_handshake::{Attempt, Count, Outcome, PointId, Trials};
use why504_model::{Checksum, Segment};

use world::{CLIENT_POINT, SERVER_POINT, Seen, World, gateway, upstream};

const NEAR: PointId = PointId(CLIENT_POINT);
const FAR: PointId = PointId(SERVER_POINT);

/// A SYN is lost and its repetition answered.
fn saved(world: &mut World, ms: i64, port: u16, isn: u32) {
    world.up(ms, gateway(port), 0x02, isn, 0, Seen::ClientOnly);
    world.up(ms + 1000, gateway(port), 0x02, isn, 0, Seen::Both);
    world.down(ms + 1001, gateway(port), 0x12, 9000, isn + 1, Seen::Both);
    world.up(ms + 1002, gateway(port), 0x10, isn + 1, 9001, Seen::Both);
}

/// 24 healthy connects, three that lost their SYN (one of them for good), two their SYN+ACK, and one
/// that was refused.
fn incident() -> World {
    let mut world = World::watched();
    for i in 0..24_u16 {
        world.healthy(2_000 + i64::from(i) * 50, 41_000 + i, upstream());
    }
    world.unanswered(10_000, 42_000, 100);
    saved(&mut world, 11_000, 42_001, 2_000);
    saved(&mut world, 12_000, 42_002, 3_000);
    world.answer_lost(13_000, 42_003, 4_000);
    world.answer_lost(14_000, 42_004, 5_000);
    world.up(15_000, gateway(42_005), 0x02, 6_000, 0, Seen::Both);
    world.down(15_001, gateway(42_005), 0x14, 0, 6_001, Seen::Both);
    world
}

/// What the program counts as it reads: the clean handshakes of each point.
fn healthy(points: Points<'_>) -> BTreeMap<PointId, Trials> {
    let mut counts: BTreeMap<PointId, Trials> = BTreeMap::new();
    for sighting in points.merged.attempts.iter().flat_map(Attempt::sightings) {
        if sighting.is_clean() {
            let trials = counts.entry(sighting.point).or_default();
            trials.count(sighting.first_syn(), sighting.flow, sighting.vlan(), Outcome::Arrived);
        }
    }
    counts
}

fn losses(world: &World, given: &[u16]) -> BTreeMap<Counted, Losses> {
    world.with_points(given, |points| {
        let rates = Rates::of_run(points, &healthy(points));
        rates.losses(points).into_iter().map(|losses| (losses.counted, losses)).collect()
    })
}

/// Of the two healthy ones in each of four minutes that the world always has, those of the first and
/// the last minute lie in seconds that the captures do not cover as a whole.
const WATCHED: u64 = 2 * (4 - 2);

#[test]
fn two_points_tell_the_directions_apart() {
    let losses = losses(&incident(), &[CLIENT_POINT, SERVER_POINT]);
    let syn = &losses[&Counted::Syn(NEAR, FAR)];
    assert_eq!(syn.all, Count { trials: 24 + 6 + WATCHED, lost: 3 });
    assert_eq!(syn.saved, 2);
    let answer = &losses[&Counted::SynAck(FAR, NEAR)];
    // No SYN+ACK left for the one that lost its SYN for good, and for the refused one.
    assert_eq!(answer.all, Count { trials: 24 + 4 + WATCHED, lost: 2 });
    assert_eq!(answer.saved, 0);
    let first = &losses[&Counted::Unanswered(NEAR)];
    assert_eq!(first.all, Count { trials: 24 + 6 + WATCHED, lost: 5 });
    assert_eq!(first.servers[&upstream()].0.lost, 5);
    assert_eq!(losses.len(), 3, "the server's point has another before it");
}

/// A receiver drops what comes with a wrong checksum: it is lost to it, though a capture has it. Where
/// the sender's own point shows unfinished checksums, as cards that fill them in leave them, they say
/// nothing.
#[test]
fn what_comes_damaged_is_lost() {
    let (syn, answer) = (42_010, 42_011);
    let mut world = incident();
    // The first SYN of one comes damaged, and the second is answered; of another the SYN+ACKs do.
    world.up(20_000, gateway(syn), 0x02, 7_000, 0, Seen::Both);
    world.up(21_000, gateway(syn), 0x02, 7_000, 0, Seen::Both);
    world.down(21_001, gateway(syn), 0x12, 9_000, 7_001, Seen::Both);
    world.up(21_002, gateway(syn), 0x10, 7_001, 9_001, Seen::Both);
    world.up(22_000, gateway(answer), 0x02, 8_000, 0, Seen::Both);
    world.down(22_001, gateway(answer), 0x12, 9_500, 8_001, Seen::Both);
    for point in [CLIENT_POINT, SERVER_POINT] {
        world.change(point, |segment| {
            let from_client = segment.destination.ip == upstream().ip;
            let received = from_client == (point == SERVER_POINT);
            let first_syn = segment.source == gateway(syn) && segment.time < world::at(21_000);
            let damaged = first_syn || segment.destination == gateway(answer);
            let right = received && !damaged;
            let checksum = if right { Checksum::Right } else { Checksum::Wrong };
            Some(Segment { checksum, ..*segment })
        });
    }
    let losses = losses(&world, &[CLIENT_POINT, SERVER_POINT]);
    let syn = &losses[&Counted::Syn(NEAR, FAR)];
    assert_eq!((syn.all, syn.saved), (Count { trials: 24 + 8 + WATCHED, lost: 3 + 1 }, 2 + 1));
    let answer = &losses[&Counted::SynAck(FAR, NEAR)];
    assert_eq!(answer.all, Count { trials: 24 + 6 + WATCHED, lost: 2 + 1 });
}

/// What a SYN proxy answered and never passed on was not lost behind it.
#[test]
fn what_was_answered_on_the_way_is_no_loss() {
    let mut world = incident();
    let client = gateway(42_020);
    world.up(23_000, client, 0x02, 7_000, 0, Seen::ClientOnly);
    world.down(23_001, client, 0x12, 9_000, 7_001, Seen::ClientOnly);
    let counted = Counted::Syn(NEAR, FAR);
    let all = |world: &World| losses(world, &[CLIENT_POINT, SERVER_POINT])[&counted].all;
    assert_eq!(all(&world), all(&incident()));
}

#[test]
fn one_point_tells_what_it_can() {
    let gateway = losses(&incident(), &[CLIENT_POINT]);
    assert_eq!(gateway.keys().collect::<Vec<_>>(), [&Counted::Unanswered(NEAR)]);
    assert_eq!(gateway[&Counted::Unanswered(NEAR)].all.lost, 5);
    let server = losses(&incident(), &[SERVER_POINT]);
    assert_eq!(server.keys().collect::<Vec<_>>(), [&Counted::Unacknowledged(FAR)]);
    let all = server[&Counted::Unacknowledged(FAR)].all;
    assert_eq!(all, Count { trials: 24 + 4 + WATCHED, lost: 2 });
}

#[test]
fn nothing_is_counted_while_a_point_was_not_capturing() {
    let mut world = incident();
    for (point, until) in [(CLIENT_POINT, 20_000), (SERVER_POINT, 12_500)] {
        world.change(point, |s| (s.time < world::at(until)).then_some(*s));
    }
    let losses = losses(&world, &[CLIENT_POINT, SERVER_POINT]);
    assert_eq!(losses[&Counted::Syn(NEAR, FAR)].all.lost, 1, "the others were sent too late");
    assert_eq!(losses[&Counted::SynAck(FAR, NEAR)].all.lost, 0);
}

#[test]
fn a_point_that_misses_healthy_ones_proves_no_loss() {
    let mut world = incident();
    world.filter(SERVER_POINT, |segment| {
        let ports = [segment.source.port, segment.destination.port];
        !ports.iter().any(|port| (41_000..41_003).contains(port))
    });
    let losses = losses(&world, &[CLIENT_POINT, SERVER_POINT]);
    assert!(!losses.contains_key(&Counted::Syn(NEAR, FAR)));
    assert!(losses.contains_key(&Counted::Unanswered(NEAR)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whichever point is read first, and whatever share of the healthy ones was kept as attempts.
    #[test]
    fn counts_do_not_depend_on_order(fates in prop::collection::vec(0_u8..4, 1..25)) {
        let mut world = World::watched();
        for (i, fate) in fates.iter().enumerate() {
            let (ms, port) = (2_000 + i64::try_from(i).unwrap() * 1700, 42_000 + u16::try_from(i).unwrap());
            match fate {
                0 => world.unanswered(ms, port, 100),
                1 => saved(&mut world, ms, port, 2_000),
                2 => world.answer_lost(ms, port, 4_000),
                _ => world.healthy(ms, port, upstream()),
            }
        }
        let counts = |given: &[u16]| {
            world.with_points(given, |points| {
                let rates = Rates::of_run(points, &healthy(points));
                let all = rates.losses(points);
                all.iter().map(|l| (l.all, l.saved)).collect::<Vec<_>>()
            })
        };
        let forward = counts(&[CLIENT_POINT, SERVER_POINT]);
        prop_assert_eq!(&forward, &counts(&[SERVER_POINT, CLIENT_POINT]));
        let lost = fates.iter().filter(|fate| **fate < 2).count() as u64;
        prop_assert_eq!(forward[0].0.lost, lost);
    }
}
