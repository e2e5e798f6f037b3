//! Records in the wrappers of containers, of syslog and of JSON.

use super::*;

/// As Docker writes a line of a container.
pub(super) fn docker(line: &str) -> String {
    let log = line.replace('\\', "\\\\").replace('"', "\\\"");
    format!(r#"{{"log":"{log}\n","stream":"stderr","time":"2026-11-22T07:18:23.300000001Z"}}"#)
}

#[test]
fn wrapped_records_are_read_and_shown_without_their_wrappers() {
    let mut arrivals = Vec::new();
    let mut texts = Vec::new();
    let text = [
        docker(OTHER),
        docker(REFUSED),
        format!("web-1  | {REFUSED}"),
        format!("2026-11-22T07:18:23.300000001Z {LUA}"),
        format!("Nov 22 07:18:24 gw nginx: {LUA}"),
        "{\"log\":\"upstream timed out\\n\",\"stream\":\"stdout\",\"time\":\"x\"}".to_owned(),
    ]
    .join("\n");
    let mut scanner = ErrorScanner::new();
    let mut sink = |event: ErrorEvent<'_>| {
        arrivals.push((event.line, event.wrapper_time.is_some()));
        texts.push(String::from_utf8_lossy(event.text).into_owned());
    };
    scanner.feed(text.as_bytes(), &mut sink);
    scanner.feed(b"\n", &mut sink);
    let end = scanner.finish(&mut sink);
    assert_eq!(arrivals, [(2, true), (3, false), (4, true), (5, false), (6, false)]);
    assert_eq!(texts, [REFUSED, REFUSED, LUA, LUA, "upstream timed out"]);
    assert_eq!(end.tally, LineTally { total: 6, timeouts: 4, other: 1, unparsed: 1 });
}

#[test]
fn a_record_of_several_wrapped_lines_is_one_record() {
    let first = "2026/11/22 07:18:23 [error] 1#1: *2 upstream timed out (110: x) while connecting to \
        upstream, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", subrequest: \"/a";
    let second = "b\", upstream: \"http://10.0.0.9:80/\"";
    let wrap: [fn(&str) -> String; 3] = [
        docker,
        |line| format!("web-1  | {line}"),
        |line| format!("2026-11-22T07:18:23.3Z stderr F {line}"),
    ];
    for wrap in wrap {
        let text = format!("{}\n{}\n{}\n", wrap(first), wrap(second), wrap(OTHER));
        let (seen, end) = scan(&[text.as_bytes()]);
        assert_eq!(seen.len(), 1, "{text}");
        assert_eq!(seen[0].2, format!("{first}\n{second}").into_bytes());
        assert_eq!(seen[0].3, Ok(TimeoutKind::UpstreamConnectTimeout));
        assert_eq!(end.tally, LineTally { total: 3, timeouts: 1, other: 2, unparsed: 0 });
    }
}

/// A record cut into parts at any byte, with another stream's parts between.
#[test]
fn parts_are_glued_wherever_they_are_cut() {
    let cri = |tag: &str, part: &str| format!("2026-11-22T07:18:23.3Z stderr {tag} {part}\n");
    let between =
        "2026-11-22T07:18:23.3Z stdout P 1.2.3.4 - -\n2026-11-22T07:18:23.3Z stdout F x\n";
    for cut in 1..LUA.len() {
        let (one, two) = LUA.split_at(cut);
        let text = [cri("P", one), between.to_owned(), cri("P", ""), cri("F", two)].concat();
        let (seen, end) = scan(&[text.as_bytes()]);
        assert_eq!(seen.len(), 1, "{cut}");
        assert_eq!((seen[0].0, seen[0].1, seen[0].2.as_slice()), (1, 0, LUA.as_bytes()));
        assert_eq!(end.tally, LineTally { total: 5, timeouts: 1, other: 4, unparsed: 0 });
    }
}

#[test]
fn a_line_whose_last_part_is_missing_is_unfinished() {
    let (one, two) = LUA.split_at(80);
    let text = format!("{}\n2026-11-22T07:18:23.3Z stderr P {one}\n", docker(OTHER));
    let offset = docker(OTHER).len() as u64 + 1;
    let (seen, end) = scan(&[text.as_bytes()]);
    assert!(matches!(seen.as_slice(), [(2, _, _, Err(Unparsed::Unfinished), true)]));
    let len = text.len() as u64 - offset;
    let expected = UnfinishedLine { line: 2, offset, len, consumed: false };
    assert_eq!(end.unfinished, Some(expected));
    assert_eq!(end.tally, LineTally { total: 2, timeouts: 0, other: 1, unparsed: 1 });

    let text = format!("{text}2026-11-22T07:18:23.3Z stderr F {two}");
    let (seen, end) = scan(&[text.as_bytes()]);
    assert!(matches!(seen.as_slice(), [(2, _, _, Ok(TimeoutKind::LuaConnectTimeout), true)]));
    assert_eq!(end.unfinished.map(|u| (u.offset, u.consumed)), Some((offset, true)));
    assert_eq!(end.tally, LineTally { total: 3, timeouts: 1, other: 2, unparsed: 0 });
}

#[test]
fn records_in_json_state_their_time() {
    let line = r#"{"time":"2026-11-22T07:18:23.512Z","level":"error","pid":1,"tid":1,"connection":3,"message":"bind(10.0.0.1) failed","error":{"code":98,"message":"x"},"http":{"action":"connecting to upstream","client":"1.2.3.4","request":{"server":"a","upstream":"http://10.0.0.9:80/"}}}"#;
    for line in [line.to_owned(), docker(line)] {
        let mut count = 0;
        let mut scanner = ErrorScanner::new();
        scanner.feed(format!("{OTHER}\n{line}\n").as_bytes(), &mut |event: ErrorEvent<'_>| {
            let timeout = event.outcome.expect("a timeout");
            assert_eq!(timeout.class.kind, TimeoutKind::ConnectFailed);
            let zone = "Asia/Shanghai".parse().expect("a zone");
            let logged = event.logged(timeout.record.time, zone);
            assert_eq!(logged.start().nanos(), 1_795_331_903_512_000_000);
            assert_eq!(logged.length().nanos(), 1_000_000);
            count += 1;
        });
        assert_eq!(count, 1);
    }
}

#[test]
fn the_wrappers_time_ends_the_second() {
    let mut widths = Vec::new();
    let mut scanner = ErrorScanner::new();
    let text = format!("{}\n{REFUSED}\n", docker(REFUSED));
    scanner.feed(text.as_bytes(), &mut |event: ErrorEvent<'_>| {
        let record = event.outcome.expect("a timeout").record;
        widths.push(event.logged(record.time, Zone::UTC).length().nanos());
    });
    // 300.000001 ms after the second began, a nanosecond wide, 5 ms tolerated.
    assert_eq!(widths, [305_000_002, 1_000_000_000]);
}
