//! Timers that nobody states, or of which several are stated.

mod world;

use why504_correlate::{SettledTimer, settle_timers};
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
    let location = |line: usize| lines.get(line).map(|(_, location)| *location);
    let found =
        world.with_points(&[CLIENT_POINT], |points| settle_timers(&mut timeouts, location, points));
    (found, timeouts)
}

/// Requests every 2.37 s, so that the fractions of their seconds are all over.
fn requests(n: i64, timer: impl Fn(i64) -> i64, location: &'static str) -> Vec<Request> {
    (0..n).map(|i| (2000 + i * 2370, timer(i), location)).collect()
}

#[test]
fn a_location_has_one_of_the_stated_timers() {
    let kind = TimeoutKind::UpstreamConnectTimeout;
    let (found, lines) = settled(kind, &[200, 700], &requests(40, |_| 700, "/api"));
    let length = Span::from_millis(700);
    let timer = found.first().expect("it is worked out");
    assert_eq!((timer.length, timer.explained), ((length, length), 40));
    assert!(timer.acted_upon && timer.stated);
    assert!(lines.iter().all(|line| line.limits == [limit(700)]), "it keeps its source");
    // Two locations, each with its own.
    let mut both = requests(40, |_| 700, "/api");
    both.extend(requests(40, |_| 200, "/img").into_iter().map(|(t, d, l)| (t + 1130, d, l)));
    let (found, lines) = settled(kind, &[200, 700], &both);
    assert_eq!(found.len(), 2);
    assert!(lines.iter().all(|line| line.limits.len() == 1), "{found:?}");
}

#[test]
fn lua_code_may_set_another_timer_for_each_socket() {
    let all = requests(40, |_| 700, "/api");
    let (found, lines) = settled(TimeoutKind::LuaConnectTimeout, &[200, 700], &all);
    assert!(found.is_empty() && lines.iter().all(|line| line.limits.len() == 2));
}

#[test]
fn two_timers_in_one_location_are_not_taken_for_one() {
    let kind = TimeoutKind::UpstreamConnectTimeout;
    let all = requests(40, |i| if i % 4 == 0 { 200 } else { 700 }, "/api");
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
