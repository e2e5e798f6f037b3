//! One record in every wrapper.

use super::*;
use proptest::prelude::*;
use why504_model::{Span, Timestamp};

const LINE: &str = "2026/11/22 07:18:23 [error] 1#1: *3 x \"y\\z\"";

fn of(line: &str) -> Option<(String, Option<Interval>, bool)> {
    let found = unwrapped(line.as_bytes())?;
    Some((String::from_utf8_lossy(&found.inner).into_owned(), found.time, found.part))
}

/// 2026-11-22T07:18:23Z and so many nanoseconds.
#[expect(clippy::unnecessary_wraps, reason = "compared with what may be missing")]
fn at(nanos: u32, width: i64) -> Option<Interval> {
    let start = Timestamp::from_parts(1_795_331_903, nanos);
    Some(Interval::new(start, start + Span::from_nanos(width)))
}

fn json(line: &str) -> String {
    line.replace('\\', "\\\\").replace('"', "\\\"")
}

#[test]
fn every_wrapper_gives_the_line_and_the_time_that_it_states() {
    let docker = format!(
        r#"{{"log":"{}\n","stream":"stderr","time":"2026-11-22T07:18:23.512345678Z"}}"#,
        json(LINE)
    );
    let compose_over_docker = format!("web-1  | {docker}");
    let rows: [(String, Option<Interval>); 28] = [
        (docker, at(512_345_678, 1)),
        (compose_over_docker, at(512_345_678, 1)),
        (format!("2026-11-22T07:18:23.512345678Z stderr F {LINE}"), at(512_345_678, 1)),
        (format!("2026-11-22T08:18:23.5+01:00 stdout F:x {LINE}"), at(500_000_000, 100_000_000)),
        (format!("2026-11-22T07:18:23.512345678Z {LINE}"), at(512_345_678, 1)),
        (format!("2026-11-22 10:18:23.512345678  {LINE}"), None),
        (format!("2026-11-22 10:18:23 {LINE}"), None),
        (format!("nginx_1  | {LINE}"), None),
        (format!("nginx_lb.1.ry8eezibwm9y@node-1    | {LINE}"), None),
        (format!("nginx.1 | 2026-11-22T07:18:23.512Z {LINE}"), at(512_000_000, 1_000_000)),
        (format!("07:18:23              nginx | {LINE}"), None),
        (format!("Nov 22 07:18:23 gw nginx: {LINE}"), None),
        (format!("<187>Nov  2 07:18:23 gw nginx: {LINE}"), None),
        (format!("<187>Nov 22 07:18:23 nginx: {LINE}"), None),
        (
            format!("<171>1 2026-11-22T07:18:23.5127+00:00 gw nginx 31 - - {LINE}"),
            at(512_700_000, 100_000),
        ),
        (format!("<171>1 - gw nginx - - [a b=\"c]\\\"]\"][d] \u{feff}{LINE}"), None),
        (format!("2026-11-22T07:18:23.512345+00:00 gw nginx[31]: {LINE}"), at(512_345_000, 1_000)),
        (format!("gw nginx[31]: {LINE}"), None),
        (format!("gw nginx[31]: gw nginx: {LINE}"), None),
        (format!("daemon.debug: Nov 22 07:18:23 gw gw nginx: {LINE}"), None),
        (
            format!(
                r#"{{"_PID":"31","__REALTIME_TIMESTAMP":"1795331903512345","MESSAGE":"{}"}}"#,
                json(LINE)
            ),
            at(512_345_000, 1_000),
        ),
        (
            format!(
                r#"{{"MESSAGE":{:?},"PRIORITY":"3","__REALTIME_TIMESTAMP":"1795331903512345"}}"#,
                LINE.as_bytes()
            ),
            at(512_345_000, 1_000),
        ),
        (format!("MESSAGE={LINE}"), None),
        (format!("1795331903.512345 gw nginx[31]: {LINE}"), at(512_345_000, 1_000)),
        (format!("Nov 22 07:18:23.512345 gw nginx[31]: {LINE}"), None),
        (format!("2026-11-22T07:18:23+0000 gw nginx[31]: {LINE}"), at(0, 1_000_000_000)),
        (format!("Sun 2026-11-22 07:18:23 UTC gw nginx[31]: {LINE}"), None),
        (format!("Sun 2026-11-22 10:18:23 +03 gw nginx[31]: {LINE}"), None),
    ];
    for (line, time) in rows {
        assert_eq!(of(&line), Some((LINE.to_owned(), time, false)), "{line}");
    }
}

#[test]
fn control_bytes_that_a_syslog_daemon_spelled_out_are_taken_back() {
    let header = "2026/11/22 07:18:23 [error] 1#1: *3 ";
    for (escaped, plain) in [
        (
            "x: timeout#012stack traceback:#012#011[C]: in y",
            "x: timeout\nstack traceback:\n\t[C]: in y",
        ),
        ("#000#033[m#037", "\0\u{1b}[m\u{1f}"),
        ("a#0", "a#0"),
        ("#012", "\n"),
        // No escapes of control bytes: more digits, fewer, or another number.
        ("#040 #08 #0x1 #1 ##0 #", "#040 #08 #0x1 #1 ##0 #"),
    ] {
        let found = of(&format!("<187>Nov 22 07:18:23 gw nginx: {header}{escaped}"));
        assert_eq!(found.map(|(text, ..)| text), Some(format!("{header}{plain}")), "{escaped}");
    }
    // A line that is no record is left alone, and so is one without a wrapper.
    let access = "<190>Nov 22 07:18:23 gw nginx: 1.2.3.4 - - \"GET /#012\" 200";
    assert_eq!(of(access).map(|(text, ..)| text), Some("1.2.3.4 - - \"GET /#012\" 200".to_owned()));
    assert_eq!(of(&format!("{header}a#012b")), None);
    let docker = format!("2026-11-22T07:18:23.5Z stderr F {header}a#012b");
    assert_eq!(of(&docker).map(|(text, ..)| text), Some(format!("{header}a#012b")));
}

/// Entries of the journal that are not nginx's own, or not whole.
#[test]
fn other_entries_of_the_journal_are_not_taken() {
    for line in [
        r#"{"MESSAGE":"x"}"#,
        r#"{"__REALTIME_TIMESTAMP":"1795331903512345"}"#,
        r#"{"MESSAGE":null,"__REALTIME_TIMESTAMP":"1795331903512345"}"#,
        r#"{"MESSAGE":[50,256],"__REALTIME_TIMESTAMP":"1795331903512345"}"#,
        r#"{"MESSAGE":"x","__REALTIME_TIMESTAMP":"12345"}"#,
        r#"{"MESSAGE":"x","__REALTIME_TIMESTAMP":"1795331903512345""#,
        "1795331903.512345 x",
        "Sun 2026-11-22 07:18:23 UTC",
        "Sat 22 gw nginx",
    ] {
        assert_eq!(of(line), None, "{line}");
    }
}

#[test]
fn lines_of_their_own_have_no_wrapper() {
    for line in [
        LINE,
        "1.2.3.4 - - [22/Nov/2026:08:18:23 +0100] \"GET /a | b HTTP/1.1\" 200 5 \"-\" \"x\"",
        "{\"status\":\"504\",\"time\":\"2026-11-22T07:18:23Z\"}",
        "{\"log\":\"x\"}",
        "stack traceback:",
        "\t[C]: in function 'error'",
        "",
        "|",
        " | x",
        "<999>Nov 22 07:18:23 gw nginx: x",
        "<171",
        "some words: of a user",
    ] {
        assert_eq!(of(line), None, "{line}");
    }
}

#[test]
fn parts_say_that_more_follows() {
    for (line, inner, part) in [
        ("2026-11-22T07:18:23.5Z stdout P abc", "abc", true),
        ("2026-11-22T07:18:23.5Z stdout P:x abc", "abc", true),
        ("2026-11-22T07:18:23.5Z stdout F def", "def", false),
        ("2026-11-22T07:18:23.5Z stdout F ", "", false),
        ("2026-11-22T07:18:23.5Z stdout F", "", false),
    ] {
        let found = unwrapped(line.as_bytes()).expect("wrapped");
        assert_eq!((found.inner.as_ref(), found.part), (inner.as_bytes(), part), "{line}");
        assert!(found.parted && found.stream == Some(Stream::Output));
    }
    let entry = |text: &str| format!(r#"{{"log":"{text}","stream":"stderr","time":"x"}}"#);
    for (text, part) in [
        ("a".repeat(16 * 1024), true),
        ("a".repeat(16 * 1024) + r"\n", false),
        // fluent-bit drops the line feed.
        ("a".to_owned(), false),
    ] {
        let entry = entry(&text);
        let found = unwrapped(entry.as_bytes()).expect("wrapped");
        assert_eq!((found.part, found.stream), (part, Some(Stream::Error)));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(line in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = unwrapped(&line);
    }

    #[test]
    fn pieces_of_wrappers_are_survived(
        pieces in proptest::collection::vec(prop::sample::select(vec![
            "2026-11-22T07:18:23.5Z", "2026/11/22 07:18:23", " ", "stderr", "F", "P", "| ", "nginx_1",
            "<171>", "1 ", "- ", "[a=\"", "]", "{\"log\":\"", "\",\"stream\":\"\"}", "\\", "\"",
            "Nov 22 07:18:23", "gw", ": ", "[31]", "07:18:23",
        ]), 0..14),
    ) {
        let line = pieces.concat();
        if let Some(found) = unwrapped(line.as_bytes()) {
            prop_assert!(found.inner.len() <= line.len());
        }
    }

    /// Docker's JSON reads back, whatever nginx wrote.
    #[test]
    fn docker_entries_read_back(inner in "[ -~\u{e9}]{0,60}", nanos in 1..999_999_999_u32) {
        let line = format!(
            r#"{{"log":"{}\n","stream":"stderr","time":"2026-11-22T07:18:23.{nanos:09}Z"}}"#, json(&inner)
        );
        let found = docker(line.as_bytes()).expect("an entry");
        prop_assert_eq!(found.rest.as_ref(), inner.as_bytes());
        prop_assert_eq!(found.time, at(nanos, 1));
    }
}
