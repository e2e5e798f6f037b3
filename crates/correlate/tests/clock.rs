//! A capture on the gateway's own host is by its clock. Where its times say otherwise (time stamps of
//! a network card, a clock that was set, files whose times were moved) no verdict may be wrong and
//! sure, however small the difference and wherever in the log it begins.

mod world;

use why504_correlate::{Case, Grade, Verdict};
use why504_model::{Segment, Span, StartBasis};
use world::{CLIENT_POINT, SERVER_POINT, World, at, start_at};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];

/// The log says so much about where an attempt began, and the true fate of each line.
struct Day {
    world: World,
    truth: Vec<Verdict>,
}

/// What the capture's clock is ahead of the log's, in milliseconds, at a millisecond of the log.
type Ahead = fn(i64) -> i64;

/// Numbers that follow no pattern (a linear congruence, Knuth's constants).
fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Lines at `rate` a second over `seconds`, with fates that alternate by chance; every 20th attempt
/// never leaves the host if `blocked`.
fn day(seconds: i64, rate: i64, basis: StartBasis, blocked: bool) -> Day {
    let mut world = World::default();
    for minute in -1..=seconds / 60 + 1 {
        world.healthy(minute * 60_000 + 500, 60_000, world::upstream());
    }
    let mut seed = 504;
    let mut moments: Vec<i64> = (0..seconds * rate)
        .map(|_| 10_000 + i64::try_from(draw(&mut seed)).expect("31 bits") % (seconds * 1000))
        .collect();
    moments.sort_unstable();
    let mut truth = Vec::new();
    for (i, &ms) in moments.iter().enumerate() {
        let port = 1024 + u16::try_from(i % 60_000).expect("a port");
        let isn = u32::try_from(i).expect("few") * 7919 + 1;
        let fate = draw(&mut seed);
        if blocked && fate.is_multiple_of(20) {
            truth.push(Verdict::NoSynSent);
        } else if fate.is_multiple_of(2) {
            world.answer_lost(ms, port, isn);
            truth.push(Verdict::SynAckLost);
        } else {
            world.unanswered(ms, port, isn);
            truth.push(Verdict::SynLost);
        }
        let line = world.timed_out(ms + 300, Some(300));
        line.start = Some((start_at(ms).0, basis));
    }
    Day { world, truth }
}

impl Day {
    /// Moves both captures against the log: by milliseconds that depend on the time.
    fn by_another_clock(&mut self, ahead: Ahead) {
        for point in BOTH {
            self.world.change(point, |segment| {
                let since = segment.time.since(at(0)).nanos() / 1_000_000;
                Some(Segment { time: segment.time + Span::from_millis(ahead(since)), ..*segment })
            });
        }
    }

    fn sure(&self) -> (usize, Vec<(usize, Verdict, Verdict)>) {
        let cases = self.world.judge(&BOTH);
        let sure =
            |case: &&Case| case.grade >= Grade::Signature && case.verdict != Verdict::Ambiguous;
        let all = cases.iter().filter(sure).count();
        let wrong = cases
            .iter()
            .filter(sure)
            .map(|case| (case.timeout, case.verdict, self.truth[case.timeout]))
            .filter(|(_, said, truth)| said != truth);
        (all, wrong.collect())
    }
}

#[test]
fn a_clock_that_agrees_leaves_most_verdicts_sure() {
    for basis in [StartBasis::UpstreamTimes, StartBasis::RequestTime] {
        let day = day(120, 4, basis, false);
        let (sure, wrong) = day.sure();
        assert_eq!(wrong, [], "{basis:?}");
        assert!(sure * 100 >= day.truth.len() * 90, "{basis:?}: {sure} of {}", day.truth.len());
    }
}

#[test]
fn a_clock_that_differs_or_drifts_makes_no_verdict_wrong_and_sure() {
    let clocks: [(&str, Ahead); 8] = [
        ("80 ms and 300 ppm", |t| 80 + t * 300 / 1_000_000),
        ("500 ppm from nothing", |t| t * 500 / 1_000_000),
        ("-500 ppm from nothing", |t| -t * 500 / 1_000_000),
        ("300 ms", |_| 300),
        ("-40 ms and -100 ppm", |t| -40 - t * 100 / 1_000_000),
        ("set by 200 ms in the middle", |t| if t < 70_000 { 0 } else { 200 }),
        ("set back by 30 ms near the end", |t| if t < 120_000 { 0 } else { -30 }),
        ("700 ms", |_| 700),
    ];
    for (what, ahead) in clocks {
        for (basis, rate, blocked) in
            [(StartBasis::UpstreamTimes, 2, false), (StartBasis::RequestTime, 5, true)]
        {
            let mut day = day(120, rate, basis, blocked);
            day.by_another_clock(ahead);
            let (_, wrong) = day.sure();
            assert_eq!(wrong, [], "{what}, {basis:?}, {rate} lines a second");
        }
    }
}

#[test]
fn a_line_without_a_syn_takes_nothing_from_others_and_is_told() {
    for basis in [StartBasis::UpstreamTimes, StartBasis::RequestTime] {
        let day = day(120, 2, basis, true);
        let (sure, wrong) = day.sure();
        assert_eq!(wrong, [], "{basis:?}");
        assert!(sure * 100 >= day.truth.len() * 95, "{basis:?}: {sure} of {}", day.truth.len());
    }
}

/// Where hundreds of connects fail in a second, every line finds some attempt at its moment.
#[test]
fn in_a_crowd_a_clock_that_differs_makes_no_verdict_wrong_and_sure() {
    let clocks: [(&str, Ahead); 4] =
        [("none", |_| 0), ("7 ms", |_| 7), ("12 ms", |_| 12), ("300 ms", |_| 300)];
    for (what, ahead) in clocks {
        for (seconds, rate) in [(6, 150), (3, 400)] {
            let mut day = day(seconds, rate, StartBasis::RequestTime, false);
            day.by_another_clock(ahead);
            let (sure, wrong) = day.sure();
            assert_eq!(wrong, [], "{what}, {rate} lines a second");
            assert!(what != "none" || sure > 0, "{rate} lines a second");
        }
    }
}

/// A rate is learnt like a skew: evenly wrong clocks cost no verdict.
#[test]
fn a_clock_that_drifts_evenly_from_the_log_is_followed() {
    let clocks: [(&str, Ahead); 3] = [
        ("-1.3 s and -300 ppm", |t| -1300 - t * 300 / 1_000_000),
        ("5 s and 500 ppm", |t| 5000 + t * 500 / 1_000_000),
        ("2 s and -500 ppm", |t| 2000 - t * 500 / 1_000_000),
    ];
    for (what, ahead) in clocks {
        let mut day = day(600, 1, StartBasis::UpstreamTimes, false);
        day.by_another_clock(ahead);
        let (sure, wrong) = day.sure();
        assert_eq!(wrong, [], "{what}");
        assert!(sure * 100 >= day.truth.len() * 95, "{what}: {sure} of {}", day.truth.len());
    }
}

/// Sixty moments of two minutes, in order.
fn moments() -> Vec<i64> {
    let mut seed = 504;
    let moment = |_| 10_000 + i64::try_from(draw(&mut seed) % 120_000).expect("small");
    let mut moments: Vec<i64> = (0..60).map(moment).collect();
    moments.sort_unstable();
    moments
}

/// Connects that are refused, at moments that follow no pattern, and as many that time out; the capture is
/// ahead of the log by so much, and no access log says when anything began.
fn refusals(ahead: i64, every: usize) -> Day {
    let mut day = Day { world: World::default(), truth: Vec::new() };
    for minute in -1..=3 {
        day.world.healthy(minute * 60_000 + 500, 60_000, world::upstream());
    }
    for (i, ms) in (0_u16..).zip(moments()) {
        let (port, isn) = (20_000 + i, 5000 + u32::from(i) * 7919);
        if usize::from(i).is_multiple_of(every) {
            day.world.up(ms, world::gateway(port), 0x02, isn, 0, world::Seen::Both);
            day.world.down(ms + 1, world::gateway(port), 0x14, 0, isn + 1, world::Seen::Both);
            let line = day.world.timed_out(ms + 2, None);
            line.kind = why504_model::TimeoutKind::ConnectRefused;
            day.truth.push(Verdict::Refused);
        } else {
            day.world.answer_lost(ms, port, isn);
            day.world.timed_out(ms + 300, Some(300));
            day.truth.push(Verdict::SynAckLost);
        }
    }
    for point in BOTH {
        day.world.change(point, |segment| {
            Some(Segment { time: segment.time + Span::from_millis(ahead), ..*segment })
        });
    }
    day
}

#[test]
fn refusals_pin_the_clock_that_timers_cannot() {
    for (ahead, agrees) in [(0, true), (90, true), (450, false), (-450, false), (2500, false)] {
        let day = refusals(ahead, 2);
        let found = day.world.correlate(&BOTH);
        let (_, pin) = found.clocks[&why504_handshake::PointId(CLIENT_POINT)];
        let pin = pin.expect("thirty refusals");
        assert_eq!((pin.lines, pin.of), (30, 30), "{ahead}: {pin:?}");
        let by = Span::from_millis(ahead);
        assert!(pin.least <= by && by <= pin.most, "{ahead}: {pin:?}");
        assert!(pin.most - pin.least < Span::from_millis(600), "{ahead}: {pin:?}");
        assert_eq!(pin.agrees(), agrees, "{ahead}: {pin:?}");
        let (sure, wrong) = day.sure();
        assert_eq!(wrong, [], "{ahead}");
        assert_eq!(sure > 0, agrees, "{ahead}: nothing is sure by a clock that is not the log's");
    }
}

/// One of two captures has its clock set half way through. Which of the two it was, the lines of the log tell:
/// they find their SYNs by the gateway's clock throughout, or in one half only.
#[test]
fn a_clock_that_was_set_is_held_against_the_log() {
    for (set, by) in [(CLIENT_POINT, 800), (CLIENT_POINT, -300), (SERVER_POINT, 800)] {
        let mut day = refusals(0, 2);
        for (i, line) in day.world.lines.iter_mut().enumerate() {
            let waited = if i.is_multiple_of(2) { 2 } else { 300 };
            line.start = Some(start_at(moments()[i]));
            line.logged = line.start.expect("a start").0.shifted(Span::from_millis(waited));
        }
        day.world.change(set, |segment| {
            let late = segment.time >= at(70_000);
            let by = Span::from_millis(if late { by } else { 0 });
            Some(Segment { time: segment.time + by, ..*segment })
        });
        let (sure, wrong) = day.sure();
        assert_eq!(wrong, [], "{set} {by}");
        assert_eq!(sure > 50, set == SERVER_POINT, "{set} {by}: {sure}");
    }
}

#[test]
fn few_refusals_or_many_everywhere_pin_nothing() {
    let pin =
        |day: &Day| day.world.correlate(&BOTH).clocks[&why504_handshake::PointId(CLIENT_POINT)].1;
    assert_eq!(pin(&refusals(0, 20)), None, "three refusals");
    // A RST every 300 ms: every difference fits.
    let mut day = refusals(0, 2);
    for i in 0..600_u16 {
        let (ms, isn) = (i64::from(i) * 300, 90_000_000 + u32::from(i) * 7919);
        day.world.up(ms, world::gateway(30_000 + i), 0x02, isn, 0, world::Seen::Both);
        day.world.down(ms + 1, world::gateway(30_000 + i), 0x14, 0, isn + 1, world::Seen::Both);
    }
    assert_eq!(pin(&day), None);
    let (sure, wrong) = day.sure();
    assert!(sure > 0 && wrong.is_empty(), "{wrong:?}");
}
