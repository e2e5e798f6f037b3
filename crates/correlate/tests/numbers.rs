//! nginx's connection numbers: where they place lines, where they say nothing, and that they never say
//! what is wrong. A small gateway counts accepts and connects as nginx does; what it logs and sends is
//! given to the join, and its truth is kept.

mod world;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use why504_correlate::{Case, Verdict};
use world::{CLIENT_POINT, SERVER_POINT, World};

const TIMER: i64 = 300;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Healthy,
    SynLost,
    SynAckLost,
    /// Its SYN never left the gateway, and its connect timed out.
    Unsent,
}

/// A request, as nginx handles it.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// When it came, in milliseconds.
    at: i64,
    /// What the handler does before it connects.
    works: i64,
    fate: Fate,
    /// The request came on a connection that was accepted so many requests ago; a new one if 0.
    kept: usize,
    /// Answered without a connect.
    cached: bool,
    /// After a timeout another connect follows, and succeeds.
    retried: bool,
    worker: u32,
    /// Its timeout is logged.
    logged: bool,
}

/// Even numbers from a seed: the tests need no more.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Nine requests a second for 90 s, one in three of which times out.
fn requests(dice: &mut Dice) -> Vec<Request> {
    let mut at = 2000;
    let mut all = Vec::new();
    while at < 92_000 {
        at += 1 + dice.below(220);
        let fate = match dice.below(6) {
            0 => Fate::SynLost,
            1 => Fate::SynAckLost,
            _ => Fate::Healthy,
        };
        let worker = u32::try_from(1 + dice.below(2)).expect("small");
        all.push(Request {
            at,
            works: 0,
            fate,
            kept: 0,
            cached: false,
            retried: false,
            worker,
            logged: true,
        });
    }
    all
}

/// What happens at the gateway: (when, what, request).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Accept,
    Connect,
    Retry,
}

/// An incident: what was captured and logged, and of each line the request.
struct Incident {
    world: World,
    truth: Vec<(u16, Fate)>,
}

fn port(request: usize) -> u16 {
    20_000 + u16::try_from(request).expect("few requests")
}

fn played(requests: &[Request], restarts_at: Option<i64>) -> Incident {
    let mut steps = Vec::new();
    for (i, request) in requests.iter().enumerate() {
        steps.push((request.at, i, Step::Accept));
        if !request.cached {
            steps.push((request.at + request.works, i, Step::Connect));
        }
        if request.retried && request.fate != Fate::Healthy {
            steps.push((request.at + request.works + TIMER, i, Step::Retry));
        }
    }
    steps.sort_unstable_by_key(|&(at, i, step)| (at, step, i));
    let (mut counter, mut restarted) = (0, false);
    let mut numbers = vec![0_u64; requests.len()];
    let mut world = World::watched();
    let mut lines = Vec::new();
    for (at, i, step) in steps {
        if restarts_at.is_some_and(|moment| at >= moment) && !restarted {
            (counter, restarted) = (0, true);
        }
        let request = requests[i];
        if step == Step::Accept && request.kept > 0 {
            numbers[i] = numbers[i.saturating_sub(request.kept)];
            continue;
        }
        counter += 1;
        let isn = u32::try_from(i).expect("few") * 70_000 + 1000;
        match (step, request.fate) {
            (Step::Accept, _) => numbers[i] = counter,
            (Step::Retry, _) => world.healthy(at, port(i) + 10_000, world::upstream()),
            (Step::Connect, Fate::Healthy) => world.healthy(at, port(i), world::upstream()),
            (Step::Connect, Fate::SynLost) => world.unanswered(at, port(i), isn),
            (Step::Connect, Fate::SynAckLost) => world.answer_lost(at, port(i), isn),
            (Step::Connect, Fate::Unsent) => {}
        }
        if step == Step::Connect && request.fate != Fate::Healthy && request.logged {
            lines.push((at + TIMER + 1, i));
        }
    }
    lines.sort_unstable();
    for &(at, i) in &lines {
        let generation =
            if restarts_at.is_some_and(|moment| at >= moment + TIMER) { 10 } else { 0 };
        let line = world.timed_out(at, Some(TIMER));
        line.worker = Some(requests[i].worker + generation);
        line.connection = Some(numbers[i]);
    }
    let truth = lines.iter().map(|&(_, i)| (port(i), requests[i].fate)).collect();
    Incident { world, truth }
}

/// How many lines their numbers placed; panics where a line that was placed has not its own attempt, or
/// a sure verdict is wrong that is not so without the numbers.
fn placed(incident: &mut Incident, what: &str) -> usize {
    let cases = incident.world.judge(&[CLIENT_POINT, SERVER_POINT]);
    assert_eq!(cases.len(), incident.truth.len(), "{what}");
    let ports = incident.world.with_points(&[CLIENT_POINT, SERVER_POINT], |points| {
        points.merged.attempts.iter().map(|a| a.flow().client.port).collect::<Vec<u16>>()
    });
    for (case, (port, _)) in cases.iter().zip(&incident.truth) {
        let own = case.candidates.iter().any(|candidate| ports[candidate.attempt] == *port);
        assert!(own || !case.join.numbered, "{what}: line {} of port {port}", case.timeout);
    }
    let found = wrong_and_sure(&cases, &incident.truth);
    if !found.is_empty() {
        incident.world.lines.iter_mut().for_each(|line| line.connection = None);
        let without = incident.world.judge(&[CLIENT_POINT, SERVER_POINT]);
        let without = wrong_and_sure(&without, &incident.truth);
        assert!(found.iter().all(|line| without.contains(line)), "{what}: {found:?}, {without:?}");
    }
    cases.iter().filter(|case| case.join.numbered).count()
}

fn wrong_and_sure(cases: &[Case], truth: &[(u16, Fate)]) -> Vec<usize> {
    let right = |case: &Case, fate: Fate| match fate {
        Fate::SynLost => case.verdict == Verdict::SynLost,
        Fate::SynAckLost => case.verdict == Verdict::SynAckLost,
        Fate::Unsent => case.verdict == Verdict::NoSynSent,
        Fate::Healthy => false,
    };
    let wrong = cases.iter().zip(truth).filter(|(case, (_, fate))| !right(case, *fate));
    wrong.filter(|(case, _)| case.grade.is_sure()).map(|(case, _)| case.timeout).collect()
}

/// A change of every request, some of them by number, all by chance.
type Change = fn(usize, &mut Request, &mut Dice);

#[test]
fn numbers_place_lines_where_each_accept_makes_a_connect_and_nowhere_else() {
    // (what, change, restart, least share placed in percent, most)
    let cases: &[(&str, Change, Option<i64>, usize, usize)] = &[
        ("one connect for each connection", |_, _, _| {}, None, 80, 100),
        // One worker connects before another that accepted earlier.
        ("workers that swap", |_, r, dice| r.works = dice.below(4), None, 60, 100),
        ("a restart", |_, _, _| {}, Some(47_000), 60, 100),
        // A number that was not taken by a connect moves the offset; between such, it stands.
        ("few cached answers", |i, r, _| r.cached = i % 400 == 0, None, 50, 100),
        (
            "one line without a SYN",
            |i, r, _| {
                if i == 400 {
                    r.fate = Fate::Unsent;
                }
            },
            None,
            60,
            100,
        ),
        ("kept connections", |i, r, _| r.kept = i % 5, None, 0, 0),
        ("cached answers", |_, r, dice| r.cached = dice.below(3) == 0, None, 0, 0),
        ("retries", |_, r, _| r.retried = true, None, 0, 0),
        ("handlers that sleep", |_, r, dice| r.works = dice.below(700), None, 0, 0),
        (
            "some handlers that sleep",
            |_, r, dice| {
                if dice.below(12) == 0 {
                    r.works = 50 + dice.below(700);
                }
            },
            None,
            0,
            5,
        ),
    ];
    for (what, change, restarts_at, least, most) in cases {
        let mut dice = Dice(504);
        let mut requests = requests(&mut dice);
        for (i, request) in requests.iter_mut().enumerate() {
            change(i, request, &mut dice);
        }
        let mut incident = played(&requests, *restarts_at);
        let placed = 100 * placed(&mut incident, what) / incident.truth.len();
        assert!((*least..=*most).contains(&placed), "{what}: {placed} %");
    }
}

/// A file of a rotated capture is missing: its attempts are not there, and nothing is put in their place.
#[test]
fn a_missing_file_moves_the_offset() {
    let mut dice = Dice(7);
    let mut incident = played(&requests(&mut dice), None);
    for point in [CLIENT_POINT, SERVER_POINT] {
        let lost = world::at(40_000)..world::at(52_000);
        incident.world.filter(point, |segment| !lost.contains(&segment.time));
    }
    let placed = placed(&mut incident, "a missing file");
    assert!(placed * 2 > incident.truth.len(), "{placed} of {}", incident.truth.len());
}

/// Who else connects from the gateway's host takes no number.
#[test]
fn connects_of_others_move_the_offset_and_place_nobody_wrongly() {
    let mut dice = Dice(11);
    let mut incident = played(&requests(&mut dice), None);
    for i in 0..12 {
        incident.world.unanswered(5000 + i * 7000, 60_100 + u16::try_from(i).expect("few"), 1);
    }
    let placed = placed(&mut incident, "connects of others");
    assert!(placed > 0);
}

/// An incident in which one request in so many does what; 0 is none.
fn drawn(seed: u64, shares: [i64; 6], works: i64) -> Incident {
    let mut dice = Dice(seed);
    let mut requests = requests(&mut dice);
    let mut one_in = |share: i64| share > 0 && dice.below(share) == 0;
    for request in &mut requests {
        request.kept = usize::from(one_in(shares[0]));
        request.cached = one_in(shares[1]);
        request.retried = one_in(shares[2]);
        if one_in(shares[3]) {
            request.works = works;
        }
        request.logged = !one_in(shares[5]);
        if one_in(shares[4]) && request.fate != Fate::Healthy {
            request.fate = Fate::Unsent;
        }
    }
    played(&requests, None)
}

/// Requests that waited before they connected, found with other seeds of the worlds below. The numbers of
/// each point to an attempt that no line has, or that is its neighbour's.
#[test]
fn a_request_that_waited_is_not_put_on_the_attempt_at_its_place() {
    for (seed, shares, works) in [
        (6_524_979_590_190_756_802, [0, 0, 0, 143, 51, 6], 168),
        (6_524_979_590_190_757_028, [0, 0, 0, 293, 105, 9], 115),
        // Its own attempt is hidden by a line whose SYN never left.
        (672, [0, 375, 147, 8, 15, 0], 80),
        // The neighbour's number is one off, and may be that of either attempt.
        (5, [0, 0, 302, 201, 0, 158], 313),
        (1442, [0, 0, 0, 88, 0, 6], 164),
    ] {
        placed(&mut drawn(seed, shares, works), "one that waited");
    }
}

/// The same worlds each time, the first 64 of them unless `WORLDS` says how many (docs/accuracy.md).
fn worlds() -> ProptestConfig {
    let stated = std::env::var("WORLDS").ok().map(|text| text.parse().expect("WORLDS is a number"));
    ProptestConfig {
        rng_seed: RngSeed::Fixed(504),
        ..ProptestConfig::with_cases(stated.unwrap_or(64))
    }
}

proptest! {
    #![proptest_config(worlds())]

    /// Whatever share of the requests does what, no line gets another's attempt by its number, and no
    /// sure verdict is wrong.
    #[test]
    fn numbers_place_nobody_wrongly(
        seed in any::<u64>(),
        shares in prop::array::uniform6(prop_oneof![Just(0_i64), Just(0), 1_i64..20, 1_i64..400]),
        works in prop_oneof![0_i64..5, 0_i64..1000],
    ) {
        placed(&mut drawn(seed, shares, works), "drawn");
    }
}
