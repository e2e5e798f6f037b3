//! Requests written by hand. All times are offsets from 2026-11-22T07:18:20Z.

use super::*;
use crate::error::ErrorRecord;
use crate::log_format::LogFormat;
use crate::scan::{LineOutcome, read_line};
use crate::zone::Zone;
use proptest::prelude::*;
use why504_model::{SourceId, Timestamp};

/// 2026-11-22T07:18:20Z.
const BASE: i64 = 1_795_331_900;
const FORMAT: &str = "$remote_addr \"$request\" $status $request_time $connection c=$upstream_connect_time r=$upstream_response_time s=$upstream_status a=$upstream_addr $msec";
const KEYLESS: &str = "$remote_addr \"$request\" $status $request_time c=$upstream_connect_time r=$upstream_response_time s=$upstream_status a=$upstream_addr $msec";

const CONNECTING: &str = "upstream timed out (110: x) while connecting to upstream";
const READING: &str = "upstream timed out (110: x) while reading response header from upstream";
const REFUSED: &str = "connect() failed (111: x) while connecting to upstream";
const LUA: &str = "lua tcp socket connect timed out, when connecting to 10.0.0.5:6379";

/// A case: logged in this second after the base, on connection 7.
fn case(second: u32, head: &str, upstream: &str) -> String {
    let upstream = if upstream.is_empty() {
        String::new()
    } else {
        format!(", upstream: \"http://{upstream}/\"")
    };
    format!(
        "2026/11/22 07:18:{:02} [error] 1#1: *7 {head}, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\"{upstream}",
        20 + second
    )
}

/// An access line: ended this many milliseconds after the base.
fn access(end: i64, request_time: i64, status: u16, tries: &str) -> String {
    let msec = BASE * 1000 + end;
    format!(
        "1.2.3.4 \"GET / HTTP/1.1\" {status} {}.{:03} 7 {tries} {}.{:03}",
        request_time / 1000,
        request_time % 1000,
        msec / 1000,
        msec % 1000,
    )
}

fn indexed(cases: &[String]) -> AccessJoin {
    let case = |(id, line): (u32, &String)| {
        let LineOutcome::Timeout(timeout) = read_line(line.as_bytes()) else { panic!("{line}") };
        let logged = Zone::UTC.second(timeout.record.time).interval();
        JoinCase::new(TimeoutId(id), &timeout, logged)
    };
    AccessJoin::new((0..).zip(cases).map(case).collect())
}

fn offer(join: &mut AccessJoin, format: &str, number: u64, line: &str) {
    let format = LogFormat::from_argument(format).expect("a format");
    let record = format.read(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
    join.offer(Location { source: SourceId(0), record: number }, &record);
}

fn join(cases: &[String], lines: &[String]) -> (Vec<Joined>, JoinTally) {
    let mut join = indexed(cases);
    for (number, line) in (1..).zip(lines) {
        offer(&mut join, FORMAT, number, line);
    }
    join.finish()
}

/// The middle of a start, in milliseconds after the base, and its basis.
fn started(joined: &Joined) -> Option<(i64, StartBasis)> {
    let (interval, basis) = joined.start?;
    // 5 ms to each side, the millisecond of `$msec`, and what request and tries differ by.
    assert!(interval.length() <= Span::from_millis(13), "{interval:?}");
    let middle = interval.start() + interval.length().scaled(1, 2);
    Some(((middle.nanos() - BASE * 1_000_000_000) / 1_000_000, basis))
}

fn near(found: Option<(i64, StartBasis)>, expected: i64, basis: StartBasis) {
    let (at, found) = found.expect("a start");
    assert!((at - expected).abs() <= 5 && found == basis, "{at} {found:?}, expected {expected}");
}

#[test]
fn the_tries_of_one_request_are_walked_back() {
    // 2 s to the first address, refused by the second one at once, 3 s to the third one.
    let cases = [
        case(2, CONNECTING, "10.0.0.1:80"),
        case(2, REFUSED, "10.0.0.2:80"),
        case(5, CONNECTING, "10.0.0.3:80"),
    ];
    let tries = "c=-, 0.001, - r=2.000, 0.001, 3.001 s=504, 502, 504 a=10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80";
    let (joined, tally) = join(&cases, &[access(5_502, 5_010, 504, tries)]);
    assert_eq!(tally, JoinTally { joined: 3, ..JoinTally::default() });
    near(started(&joined[0]), 500, StartBasis::UpstreamTimes);
    near(started(&joined[1]), 2_500, StartBasis::UpstreamTimes);
    near(started(&joined[2]), 2_501, StartBasis::UpstreamTimes);
    let limits: Vec<_> =
        joined.iter().map(|j| j.limits.first().map(|l| (l.at_least, l.at_most))).collect();
    let ms = Span::from_millis;
    assert_eq!(limits, [Some((ms(1_900), ms(2_001))), None, Some((ms(2_901), ms(3_002)))]);
    assert!(joined.iter().all(|j| j.logged.length() <= ms(11) && j.peer.is_none()));
}

/// nginx rounds its clock to milliseconds: at the turn of a second the SYN left just before the
/// second of the line, and the window must not be cut at it.
#[test]
fn a_start_at_the_turn_of_a_second_is_not_cut_there() {
    let line = case(3, REFUSED, "10.0.0.1:80");
    let tries = "c=- r=0.000 s=502 a=10.0.0.1:80";
    let (joined, _) = join(&[line], &[access(3_000, 1, 502, tries)]);
    let (window, _) = joined[0].start.expect("a start");
    let just_before = Timestamp::from_parts(BASE + 2, 999_926_000);
    assert!(window.contains(just_before), "{window:?}");
}

#[test]
fn a_cut_line_gets_its_peer_from_the_access_line() {
    let line = case(2, CONNECTING, "");
    let (joined, _) =
        join(&[line], &[access(2_500, 2_000, 504, "c=- r=2.000 s=504 a=10.0.0.1:80")]);
    assert_eq!(joined[0].peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.1:80"));
    let mut timeout = Timeout {
        id: TimeoutId(0),
        location: Location::default(),
        kind: TimeoutKind::UpstreamConnectTimeout,
        never_sent: false,
        peer: None,
        logged: Interval::default(),
        start: None,
        limits: Vec::new(),
        worker: None,
        connection: None,
    };
    joined[0].apply(&mut timeout);
    assert_eq!((timeout.peer, timeout.start), (joined[0].peer, joined[0].start));
    assert_eq!((timeout.logged, timeout.limits.len()), (joined[0].logged, 1));
}

#[test]
fn a_retry_that_succeeds_leaves_the_first_start_known() {
    let cases = [case(2, CONNECTING, "10.0.0.1:80")];
    let tries = "c=-, 0.001 r=2.000, 0.400 s=504, 200 a=10.0.0.1:80, 10.0.0.2:80";
    let (joined, _) = join(&cases, &[access(2_900, 2_402, 200, tries)]);
    near(started(&joined[0]), 500, StartBasis::UpstreamTimes);
    // A slow client after it, or a slow request body before it: the second of the line is what
    // remains known, so the start is not a point. The request began at 498 ms, and
    // no try before it.
    let (joined, _) = join(&cases, &[access(9_900, 9_402, 200, tries)]);
    let (start, _) = joined[0].start.expect("a start");
    let base = Timestamp::from_parts(BASE, 0);
    assert_eq!(start.start(), base + Span::from_millis(498));
    // The second ends at 3 s, less 2 s of waiting, and rounding may reach over its end.
    assert_eq!(start.end(), base + Span::from_millis(1_000) + PRECISION);
}

#[test]
fn times_that_contradict_the_error_line_give_no_start() {
    let cases = [case(2, CONNECTING, "10.0.0.1:80")];
    let (joined, tally) =
        join(&cases, &[access(9_900, 9_400, 504, "c=- r=2.000 s=504 a=10.0.0.1:80")]);
    assert_eq!((joined[0].start, tally.joined, tally.contradictory), (None, 1, 1));
}

#[test]
fn a_cosocket_began_with_its_request() {
    let none = "c=- r=- s=- a=-";
    let (joined, _) = join(&[case(1, LUA, "")], &[access(1_300, 501, 504, none)]);
    near(started(&joined[0]), 799, StartBasis::RequestTime);
    let ms = Span::from_millis;
    assert_eq!((joined[0].limits[0].at_least, joined[0].limits[0].at_most), (ms(401), ms(502)));
    assert_eq!(joined[0].peer, None);
    // Of two failures of one request only the first one can have begun with it.
    let (joined, _) =
        join(&[case(1, LUA, ""), case(1, LUA, "")], &[access(1_900, 1_001, 200, none)]);
    near(started(&joined[0]), 899, StartBasis::RequestTime);
    assert_eq!(joined[1].start, None);
    assert!(joined.iter().all(|j| j.limits.is_empty()));
    // A request that went on after the failure: the timer ended in the second of the line.
    let (joined, _) = join(&[case(1, LUA, "")], &[access(5_000, 4_500, 200, none)]);
    let limit = joined[0].limits[0];
    assert_eq!((limit.at_least, limit.at_most), (ms(494), ms(4_501)));
}

#[test]
fn a_read_timeout_is_known_without_its_connect() {
    let (joined, _) = join(
        &[case(4, READING, "10.0.0.1:80")],
        &[access(4_600, 4_105, 504, "c=0.100 r=4.101 s=504 a=10.0.0.1:80")],
    );
    near(started(&joined[0]), 499, StartBasis::UpstreamTimes);
    let ms = Span::from_millis;
    assert_eq!((joined[0].limits[0].at_least, joined[0].limits[0].at_most), (ms(3_901), ms(4_002)));
}

#[test]
fn keep_alive_requests_are_told_apart() {
    let failed = |end| access(end, 300, 504, "c=- r=0.300 s=504 a=10.0.0.1:80");
    let fine = |end| access(end, 1, 200, "c=0.000 r=0.001 s=200 a=10.0.0.1:80");
    let one = case(2, CONNECTING, "10.0.0.1:80");
    // Requests before, in and after the second; only one of them failed.
    let lines = [fine(1_000), fine(2_100), failed(2_500), fine(2_600), fine(3_500)];
    let (joined, tally) = join(std::slice::from_ref(&one), &lines);
    assert_eq!((tally.joined, joined[0].access.location.record), (1, 3));
    // Three failed in one second: the lines are in the order of the requests.
    let lines = [failed(2_900), failed(2_350), failed(2_600)];
    let (joined, tally) = join(&[one.clone(), one.clone(), one.clone()], &lines);
    let order: Vec<_> = joined.iter().map(|j| j.access.location.record).collect();
    assert_eq!((tally.joined, order), (3, vec![2, 3, 1]));
    // Two lines and three failed requests: nobody knows.
    let (joined, tally) = join(&[one.clone(), one.clone()], &lines);
    assert_eq!((joined.len(), tally.ambiguous), (0, 2));
    // The connection number of another life of nginx, hours before.
    let (_, tally) = join(&[one], &[failed(-7_200_000)]);
    assert_eq!(tally, JoinTally { without_line: 1, ..JoinTally::default() });
}

#[test]
fn without_connection_numbers_client_and_request_must_be_unique() {
    let bare =
        |end: i64| access(end, 300, 504, "c=- r=0.300 s=504 a=10.0.0.1:80").replace(" 7 c=", " c=");
    let line = case(2, CONNECTING, "10.0.0.1:80");
    let mut unique = indexed(std::slice::from_ref(&line));
    offer(&mut unique, KEYLESS, 1, &bare(2_500));
    offer(&mut unique, KEYLESS, 2, &bare(9_500));
    assert_eq!(unique.finish().1, JoinTally { joined: 1, ..JoinTally::default() });
    let mut twice = indexed(&[line]);
    offer(&mut twice, KEYLESS, 1, &bare(2_500));
    offer(&mut twice, KEYLESS, 2, &bare(2_700));
    assert_eq!(twice.finish().1, JoinTally { ambiguous: 1, ..JoinTally::default() });
    // Two connections of one client, and the access line of only one of them.
    let other = case(2, CONNECTING, "10.0.0.1:80").replace("*7 ", "*8 ");
    let mut shared = indexed(&[case(2, CONNECTING, "10.0.0.1:80"), other]);
    offer(&mut shared, KEYLESS, 1, &bare(2_500));
    assert_eq!(shared.clone().finish().1, JoinTally { ambiguous: 2, ..JoinTally::default() });
    // A second access log with connection numbers settles it.
    offer(&mut shared, FORMAT, 2, &access(2_500, 300, 504, "c=- r=0.300 s=504 a=10.0.0.1:80"));
    let (joined, tally) = shared.finish();
    assert_eq!((joined[0].id, tally.joined, tally.ambiguous), (TimeoutId(0), 1, 1));
}

#[test]
fn a_request_in_two_access_logs_is_one_request() {
    let line = access(2_500, 300, 504, "c=- r=0.300 s=504 a=10.0.0.1:80");
    let mut join = indexed(&[case(2, CONNECTING, "10.0.0.1:80")]);
    let format = LogFormat::from_argument(FORMAT).expect("a format");
    let record = format.read(line.as_bytes()).expect("the line");
    for source in [3, 1, 2] {
        join.offer(Location { source: SourceId(source), record: 9 }, &record);
    }
    let (joined, tally) = join.finish();
    assert_eq!((tally.joined, joined[0].access.location.source), (1, SourceId(1)));
}

#[test]
fn without_request_times_the_nearest_request_of_the_connection_is_taken() {
    let format = "\"$request\" $connection r=$upstream_response_time s=$upstream_status $msec";
    let line = |end: i64| {
        let msec = BASE * 1000 + end;
        format!("\"GET / HTTP/1.1\" 7 r=0.300 s=504 {}.{:03}", msec / 1000, msec % 1000)
    };
    let mut join = indexed(&[case(2, CONNECTING, "10.0.0.1:80")]);
    for (number, end) in (1..).zip([1_500, 2_500, 2_900, 7_000]) {
        offer(&mut join, format, number, &line(end));
    }
    let (joined, tally) = join.finish();
    assert_eq!(tally, JoinTally { joined: 1, ..JoinTally::default() });
    assert_eq!(joined[0].access.location.record, 2);
    near(started(&joined[0]), 2_200, StartBasis::UpstreamTimes);
}

#[test]
fn a_timer_has_no_access_line() {
    let line =
        "2026/11/22 07:18:22 [error] 1#1: lua tcp socket connect timed out, context: ngx.timer";
    assert!(ErrorRecord::parse(line.as_bytes()).is_ok());
    let (_, tally) = join(&[line.to_owned()], &[access(2_500, 300, 504, "c=- r=- s=- a=-")]);
    assert_eq!(tally, JoinTally { no_key: 1, ..JoinTally::default() });
}

#[test]
fn access_lines_cost_memory_only_for_cases() {
    let mut join = indexed(&[case(2, CONNECTING, "10.0.0.1:80")]);
    for number in 0..10_000_u32 {
        let end = i64::from(2_000 + number % 1_000);
        offer(
            &mut join,
            FORMAT,
            u64::from(number),
            &access(end, 300, 504, "c=- r=0.300 s=504 a=10.0.0.1:80"),
        );
    }
    assert!(join.gathered.met.iter().all(|met| met.kept.len() <= met.capacity));
    assert_eq!(join.finish().1, JoinTally { ambiguous: 1, ..JoinTally::default() });
}

proptest! {
    /// Neither the order of the access lines nor their division among workers matters, and every
    /// case is counted once.
    #[test]
    fn order_and_division_do_not_matter(
        requests in proptest::collection::vec((0..4_000_i64, 0..3_000_i64, 0..3_usize), 0..12),
        seconds in proptest::collection::vec((0..5_u32, prop::bool::ANY), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let cases: Vec<String> = seconds.iter()
            .map(|(second, lua)| if *lua { case(*second, LUA, "") } else { case(*second, CONNECTING, "10.0.0.1:80") })
            .collect();
        let lines: Vec<String> = requests.iter().map(|(end, length, shape)| {
            let (seconds, ms) = (length / 1000, length % 1000);
            let tries = match shape {
                0 => "c=- r=- s=- a=-".to_owned(),
                1 => format!("c=- r={seconds}.{ms:03} s=504 a=10.0.0.1:80"),
                _ => format!("c=-, 0.001 r={seconds}.{ms:03}, 0.002 s=504, 200 a=10.0.0.1:80, 10.0.0.1:80"),
            };
            access(*end, *length, 504, &tries)
        }).collect();
        let (one, tally) = join(&cases, &lines);
        prop_assert_eq!(tally.joined, one.len() as u64);
        let all = tally.joined + tally.without_line + tally.ambiguous + tally.no_key;
        prop_assert_eq!(all, cases.len() as u64);
        // In two pieces, the lines of each backwards.
        let mut join = indexed(&cases);
        let (index, gathered) = join.parts();
        let format = LogFormat::from_argument(FORMAT).expect("a format");
        let cut = cut.index(lines.len() + 1);
        for (before, piece) in [(cut, &lines[cut..]), (0, &lines[..cut])] {
            let mut offers = Offers::default();
            for (number, line) in (1..).zip(piece).collect::<Vec<(u64, &String)>>().into_iter().rev() {
                let record = format.read(line.as_bytes()).expect("the line has this format");
                index.look(Location { source: SourceId(0), record: number }, &record, &mut offers);
            }
            gathered.take(offers, before as u64);
        }
        prop_assert_eq!(join.finish(), (one, tally));
    }
}

/// What the 504s of these lines are, in a log with these cases.
fn unlogged(cases: &[String], format: &str, lines: &[String]) -> (Vec<Access504>, Access504Tally) {
    let mut join = indexed(cases);
    for (number, line) in (1..).zip(lines) {
        offer(&mut join, format, number, line);
    }
    join.take_access_504()
}

#[test]
fn a_504_without_an_error_line_is_a_case_of_its_own() {
    let two = "c=-, - r=2.000, 3.000 s=504, 504 a=10.0.0.1:80, 10.0.0.2:80";
    for cases in [vec![], vec![case(30, CONNECTING, "10.0.0.1:80")]] {
        let (found, tally) = unlogged(&cases, FORMAT, &[access(6_000, 5_100, 504, two)]);
        assert_eq!(tally, Access504Tally { total: 1, cases: 1, ..Access504Tally::default() });
        let [found] = found.as_slice() else { panic!("{found:?}") };
        let timeout = found.timeout(TimeoutId(9));
        assert_eq!((timeout.kind, timeout.location.record), (TimeoutKind::Access504, 1));
        assert_eq!(timeout.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.2:80"));
        let (start, basis) = timeout.start.expect("a start");
        assert_eq!(basis, StartBasis::UpstreamTimes);
        assert!(start.contains(Timestamp::from_parts(BASE + 3, 0)), "{start:?}");
        assert!(timeout.logged.contains(Timestamp::from_parts(BASE + 6, 0)));
        let [limit] = timeout.limits.as_slice() else { panic!("{:?}", timeout.limits) };
        assert_eq!(
            (limit.at_least, limit.at_most),
            (Span::from_millis(2_900), Span::from_millis(3_001))
        );
        assert_eq!(found.request.as_deref(), Some(b"GET / HTTP/1.1".as_slice()));
    }
}

#[test]
fn other_504s_are_counted() {
    let none = Access504Tally { total: 1, ..Access504Tally::default() };
    let timed_out = "c=- r=2.000 s=504 a=10.0.0.1:80";
    let logged = [case(2, CONNECTING, "10.0.0.1:80")];
    let rows: [(&[String], &str, u16, &str, Access504Tally); 8] = [
        (&logged, FORMAT, 504, timed_out, Access504Tally { with_error_line: 1, ..none }),
        (&[], FORMAT, 200, timed_out, Access504Tally::default()),
        (
            &[],
            FORMAT,
            504,
            "c=0.001 r=2.000 s=504 a=10.0.0.1:80",
            Access504Tally { after_connect: 1, ..none },
        ),
        (&[], FORMAT, 504, "c=- r=2.000 s=502 a=10.0.0.1:80", Access504Tally { untold: 1, ..none }),
        (&[], FORMAT, 504, "c=- r=- s=- a=-", Access504Tally { without_upstream: 1, ..none }),
        (
            &[],
            FORMAT,
            504,
            "c=- r=2.000 s=504 a=unix:/run/a.sock",
            Access504Tally { without_upstream: 1, ..none },
        ),
        (&[], FORMAT, 504, timed_out, Access504Tally { cases: 1, ..none }),
        // Nothing says whether the case is about this line.
        (
            &logged,
            "$remote_user \"$http_x\" $status $request_time $foo c=$upstream_connect_time r=$upstream_response_time s=$upstream_status a=$upstream_addr $msec",
            504,
            timed_out,
            Access504Tally { with_error_line: 1, ..none },
        ),
    ];
    for (cases, format, status, tries, expected) in rows {
        let (found, tally) = unlogged(cases, format, &[access(2_500, 2_000, status, tries)]);
        assert_eq!(tally, expected, "{tries}");
        assert_eq!(found.len() as u64, tally.cases);
    }
    for lacking in [vec!["upstream_addr"], vec!["upstream_connect_time", "upstream_response_time"]]
    {
        let format = lacking.iter().fold(FORMAT.to_owned(), |f, name| f.replace(name, "unknown"));
        let (_, tally) = unlogged(&[], &format, &[access(2_500, 2_000, 504, timed_out)]);
        assert_eq!(tally, Access504Tally { untold: 1, ..none }, "{lacking:?}");
    }
}

/// What the formats that products ship with can and cannot say of a 504 without an error line.
#[test]
fn well_known_formats_tell_of_a_504_what_they_can() {
    let ingress = "192.0.2.1 - - [22/Nov/2026:07:18:26 +0000] \"GET / HTTP/2.0\" 504 562 \"-\" \"x\" \
        1100 8.000 [ns-svc-80] [] 10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80 0, 0 : 0 \
        1.000, 2.000 : 5.000 504, 504 : 504 a7c9";
    let apisix = "192.0.2.1 - - [22/Nov/2026:07:18:26 +0000] a.example \"GET / HTTP/1.1\" 504 562 5.000 \
        \"-\" \"x\" 10.0.0.3:80 504 5.000 \"http://up/\" \"a7c9\"";
    let kong = "192.0.2.1 - - [22/Nov/2026:07:18:26 +0000] \"GET / HTTP/1.1\" 504 562 \"-\" \"x\" \
        kong_request_id: \"a7c9\"";
    for (format, line) in [("ingress-nginx", ingress), ("apisix", apisix)] {
        let (found, tally) = unlogged(&[], format, &[line.to_owned()]);
        assert_eq!(tally, Access504Tally { total: 1, cases: 1, ..Access504Tally::default() });
        let timeout = found.first().expect("a case").timeout(TimeoutId(0));
        // Neither has a connect time: the answer may have been what timed out.
        assert_eq!(timeout.kind, TimeoutKind::Access504Unclear, "{format}");
        assert_eq!(timeout.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.3:80"));
        // The time is that of `$time_local`, a second wide; the last try took 5 s.
        let (start, _) = timeout.start.expect("a start");
        assert!(start.contains(Timestamp::from_parts(BASE + 1, 500_000_000)), "{start:?}");
        assert_eq!(start.length(), Span::from_millis(1_010));
        let [limit] = timeout.limits.as_slice() else { panic!("{:?}", timeout.limits) };
        assert_eq!(limit.at_most, Span::from_millis(5_001));
    }
    let (found, tally) = unlogged(&[], "kong", &[kong.to_owned()]);
    assert!(found.is_empty());
    assert_eq!(tally, Access504Tally { total: 1, untold: 1, ..Access504Tally::default() });
}

#[test]
fn a_504_in_two_access_logs_is_one_and_their_number_is_bounded() {
    let line = access(2_500, 2_000, 504, "c=- r=2.000 s=504 a=10.0.0.1:80");
    let format = LogFormat::from_argument(FORMAT).expect("a format");
    let record = format.read(line.as_bytes()).expect("the line has this format");
    let mut join = indexed(&[]);
    join.offer(Location { source: SourceId(0), record: 1 }, &record);
    join.offer(Location { source: SourceId(1), record: 1 }, &record);
    let (found, tally) = join.take_access_504();
    assert_eq!(found.len(), 1);
    assert_eq!(
        tally,
        Access504Tally { total: 2, cases: 1, copies: 1, ..Access504Tally::default() }
    );

    let kept = unlogged::MAX_KEPT as u64;
    for source in [0, 1_u32] {
        let (index, gathered) = join.parts();
        let mut offers = Offers::default();
        for number in 0..kept + u64::from(source) {
            let location = Location { source: SourceId(source), record: number };
            index.look(location, &record, &mut offers);
        }
        gathered.take(offers, 9);
    }
    let (found, tally) = join.take_access_504();
    assert_eq!(found.len() as u64, kept);
    let (total, beyond) = (2 * kept + 1, kept + 1);
    assert_eq!(tally, Access504Tally { total, cases: kept, beyond, ..Access504Tally::default() });
}

/// Kong and APISIX write an id into both logs: it joins what neither connection nor time tells apart.
#[test]
fn the_id_of_a_request_joins_it() {
    let format = FORMAT.replace("$connection", "$kong_request_id");
    let with_id = |second: u32, id: &str| {
        format!("{}, request_id: \"{id}\"", case(second, CONNECTING, "10.0.0.1:80"))
    };
    // Two requests of one client at the same time, with equal targets and upstreams.
    let cases = [with_id(2, "aa"), with_id(2, "bb"), case(2, CONNECTING, "10.0.0.1:80")];
    let mut join = indexed(&cases);
    let tries = "c=- r=2.000 s=504 a=10.0.0.1:80";
    for (number, (end, id)) in (1..).zip([(2_600, "bb"), (2_500, "aa")]) {
        let line = access(end, 2_000, 504, tries).replace(" 7 c=", &format!(" {id} c="));
        offer(&mut join, &format, number, &line);
    }
    let (joined, tally) = join.finish();
    let found: Vec<_> = joined.iter().map(|j| (j.id.0, j.access.location.record)).collect();
    assert_eq!(found, [(0, 2), (1, 1)]);
    near(started(&joined[0]), 500, StartBasis::UpstreamTimes);
    near(started(&joined[1]), 600, StartBasis::UpstreamTimes);
    assert_eq!((tally.joined, tally.without_line), (2, 1));
}
