//! Timers that nobody states, or of which several are stated.

mod world;

use proptest::prelude::*;
use why504_correlate::{LineOrigin, SettledTimer, settle_timers};
use why504_model::{LimitSource, Span, TimeLimit, Timeout, TimeoutKind};
use world::{CLIENT_POINT, World};

/// A line and its attempt: when it began, its timer, and the location that it comes from.
type Request = (i64, i64, &'static str);

fn limit(ms: i64) -> TimeLimit {
    let length = Span::from_millis(ms);
    TimeLimit { at_least: length, at_most: length, source: LimitSource::Flag }
}

/// Works out the timers of requests for which all these are stated (none: nobody stated any).
fn settled(
    kind: TimeoutKind,
    stated: &[i64],
    requests: &[Request],
) -> (Vec<SettledTimer>, Vec<Timeout>) {
    let mut world = World::watched();
    let mut lines: Vec<(i64, &str)> = Vec::new();
    for (&(began, timer, location), port) in requests.iter().zip(20_000..) {
        world.unanswered(began, port, u32::from(port) * 1000);
        lines.push((began + timer, location));
    }
    lines.sort_unstable();
    for &(end, _) in &lines {
        let line = world.timed_out(end, None);
        line.kind = kind;
        line.limits = stated.iter().map(|&ms| limit(ms)).collect();
    }
    let mut timeouts = world.lines.clone();
    let origin = |line: usize| {
        let path = lines.get(line).map(|(_, path)| *path).unwrap_or_default();
        LineOrigin { near: path.rsplit_once('/').map_or(path, |(near, _)| near), exact: path }
    };
    let found =
        world.with_points(&[CLIENT_POINT], |points| settle_timers(&mut timeouts, origin, points));
    (found, timeouts)
}

/// Requests every 2.37 s, so that the fractions of their seconds are all over.
fn requests(n: i64, timer: impl Fn(i64) -> i64, location: &'static str) -> Vec<Request> {
    (0..n).map(|i| (2000 + i * 2370, timer(i), location)).collect()
}

#[test]
fn a_location_has_one_of_the_stated_timers() {
    let kind = TimeoutKind::UpstreamConnectTimeout;
    let (found, lines) = settled(kind, &[200, 700], &requests(40, |_| 700, "/api/"));
    let length = Span::from_millis(700);
    let timer = found.first().expect("it is worked out");
    assert_eq!((timer.length, timer.explained), ((length, length), 40));
    assert!(timer.acted_upon && timer.stated);
    assert!(lines.iter().all(|line| line.limits == [limit(700)]), "it keeps its source");
    // Two locations, each with its own.
    let mut both = requests(40, |_| 700, "/api/");
    both.extend(requests(40, |_| 200, "/img/").into_iter().map(|(t, d, l)| (t + 1130, d, l)));
    let (found, lines) = settled(kind, &[200, 700], &both);
    assert_eq!(found.len(), 2);
    assert!(lines.iter().all(|line| line.limits.len() == 1), "{found:?}");
}

#[test]
fn lua_code_may_set_another_timer_for_each_socket() {
    let all = requests(40, |_| 700, "/api/");
    let (found, lines) = settled(TimeoutKind::LuaConnectTimeout, &[200, 700], &all);
    assert!(found.is_empty() && lines.iter().all(|line| line.limits.len() == 2));
}

#[test]
fn two_timers_in_one_location_are_not_taken_for_one() {
    let kind = TimeoutKind::UpstreamConnectTimeout;
    let all = requests(40, |i| if i % 4 == 0 { 200 } else { 700 }, "/api/");
    let (found, lines) = settled(kind, &[200, 700], &all);
    assert!(found.is_empty(), "{found:?}");
    assert!(lines.iter().all(|line| line.limits.len() == 2));
}

#[test]
fn what_nobody_states_is_one_usual_length_or_a_short_range() {
    let kind = TimeoutKind::LuaConnectTimeout;
    let ms = |length: (Span, Span)| (length.0.nanos() / 1_000_000, length.1.nanos() / 1_000_000);
    // Sixty fractions of a second leave no other usual length than the true one.
    let (found, lines) = settled(kind, &[], &requests(60, |_| 500, ""));
    assert_eq!(ms(found[0].length), (500, 500));
    assert!(found[0].acted_upon && lines.iter().all(|line| line.limits.len() == 1));
    // Of ten the fractions leave what lies within 20 ms of 200 to 420 ms.
    let began = |i: i64| 2000 + i * 7000 + i * i * 1000 + if i % 2 == 0 { 800 } else { 600 };
    let few: Vec<Request> = (0..10).map(|i| (began(i), 250, "")).collect();
    let (found, lines) = settled(kind, &[], &few);
    let (least, most) = ms(found[0].length);
    assert_eq!((least, most), (200, 300));
    assert!(!found[0].acted_upon && lines.iter().all(|line| line.limits.is_empty()));
    // Two tell nothing.
    assert!(settled(kind, &[], &requests(2, |_| 500, "")).0.is_empty());
}

/// Requests of one path with such a timer, at irregular times with a mean gap.
fn irregular(n: u32, gap: u32, timer: i64, path: &'static str) -> Vec<Request> {
    let mut began = 2000;
    let mut random = gap.wrapping_mul(2_654_435_761);
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        began += i64::from((random >> 8) % (2 * gap));
        (began, timer, path)
    };
    (0..n).map(|_| next()).collect()
}

/// Requests of two locations in one directory, each with a timer of its own.
fn two_paths(timer_of_b: i64) -> Vec<Request> {
    [irregular(120, 2300, 1000, "/api/a"), irregular(120, 2200, timer_of_b, "/api/b")].concat()
}

#[test]
fn a_location_has_a_timer_of_its_own_that_nobody_states() {
    let (found, lines) = settled(TimeoutKind::UpstreamConnectTimeout, &[], &two_paths(500));
    let mut lengths: Vec<i64> =
        found.iter().map(|timer| timer.length.1.nanos() / 1_000_000).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [500, 1000], "{found:?}");
    for timer in &found {
        assert!(timer.acted_upon && !timer.stated && timer.locations == 1, "{timer:?}");
        assert_eq!((timer.lines, timer.explained), (120, 120));
    }
    let inferred =
        |line: &Timeout| matches!(line.limits[..], [l] if l.source == LimitSource::Inferred);
    assert!(lines.iter().all(inferred));
    // Two locations with one length are told together.
    let (found, _) = settled(TimeoutKind::UpstreamConnectTimeout, &[], &two_paths(1000));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].acted_upon);
}

#[test]
fn lua_code_of_one_path_may_set_another_timer_for_each_socket() {
    let (_, lines) = settled(TimeoutKind::LuaConnectTimeout, &[], &two_paths(500));
    assert!(lines.iter().all(|line| line.limits.is_empty()));
}

#[test]
fn few_lines_of_a_location_and_two_timers_in_one_are_not_enough() {
    let kind = TimeoutKind::UpstreamConnectTimeout;
    let mut few = two_paths(500);
    few.retain(|(began, _, path)| *path == "/api/a" || *began < 60_000);
    let (_, lines) = settled(kind, &[], &few);
    let given = lines.iter().filter(|line| !line.limits.is_empty()).count();
    assert_eq!(given, 120, "those of the other path have theirs");
    // A configuration that was reloaded in between.
    let all = requests(80, |i| if i < 60 { 1000 } else { 500 }, "/api/a");
    let (found, lines) = settled(kind, &[], &all);
    assert!(lines.iter().all(|line| line.limits.is_empty()), "{found:?}");
}

/// In a busy log a length next to the true one explains nearly all lines, and the true one more: where that is
/// none of the usual lengths, none is taken for it. In one that is busier still any length explains all.
#[test]
fn a_length_that_is_not_usual_is_not_taken_for_one_that_is() {
    let kind = TimeoutKind::UpstreamConnectTimeout;
    let cases = [
        // Mean gap between lines, timer, lines that are given it.
        (1000, 500, 400),
        (1000, 1000, 400),
        (163, 430, 0),
        (163, 900, 0),
        (80, 800, 0),
        (80, 900, 0),
        (80, 1000, 0),
    ];
    for (gap, timer, expected) in cases {
        let mut all = irregular(400, gap, timer, "/api/a");
        // Attempts whose lines come much later.
        all.extend(irregular(60, gap * 6, 40_000, "/other"));
        let (found, lines) = settled(kind, &[], &all);
        let given = lines.iter().filter(|line| !line.limits.is_empty()).count();
        assert_eq!(given, expected, "every {gap} ms a timer of {timer} ms: {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the true length, and however busy the log and others are: what is acted upon is no further than
    /// 100 ms from it, and in the windows that lines are given their own attempts lie (a timer may fire 20 ms
    /// early, and 200 ms late).
    #[test]
    fn what_a_location_is_given_holds_its_attempts(
        (lines, gap) in (30_u32..300, 40_u32..2000),
        timer in prop_oneof![5_i64..1100, prop::sample::select(vec![50_i64, 200, 300, 500, 1000])],
        (others, other_gap) in (0_u32..200, 40_u32..3000),
    ) {
        let mut all = irregular(lines, gap, timer, "/api/a");
        all.extend(irregular(others, other_gap, 40_000, "/other"));
        let (found, _) = settled(TimeoutKind::UpstreamConnectTimeout, &[], &all);
        let given = found.iter().filter(|timer| timer.acted_upon && timer.locations > 0);
        for given in given {
            let length = given.length.1.nanos() / 1_000_000;
            prop_assert!((length - 101..=length + 101).contains(&timer), "{length} ms for {timer} ms");
            let in_vain = all.iter().filter(|(began, timer, path)| {
                let second = (began + timer).div_euclid(1000) * 1000;
                let window = second - length - 200..second + 1000 - (length - 100) + 20;
                *path == "/api/a" && !window.contains(began)
            });
            prop_assert_eq!(in_vain.count(), 0, "{} ms for {} ms", length, timer);
        }
    }
}
