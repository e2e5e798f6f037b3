//! Formats and lines written by hand.

use super::*;
use proptest::prelude::*;
use why504_model::{Interval, Span, Timestamp};

fn format(text: &str) -> LogFormat {
    LogFormat::from_argument(text).expect("a sound format")
}

fn text(value: Option<&[u8]>) -> Option<&str> {
    value.map(|v| core::str::from_utf8(v).expect("UTF-8"))
}

const LAB: &str = r#"$remote_addr [$time_local] "$request" $status rt=$request_time uct=$upstream_connect_time urt=$upstream_response_time us=$upstream_status ua=$upstream_addr msec=$msec conn=$connection"#;

#[test]
fn every_field_is_found() {
    let format = format(LAB);
    let line = br#"203.0.113.7 [22/Nov/2026:08:18:23 +0100] "GET /a?b=\x22c HTTP/1.1" 504 rt=7.004 uct=-, 0.001 urt=5.001, 2.003 us=504, 200 ua=10.0.0.9:80, [::1]:81 msec=1795331903.512 conn=77"#;
    let record = format.read(line).expect("the line has this format");
    assert_eq!(
        record.time.map(Interval::start),
        Some(Timestamp::from_parts(1_795_331_903, 512_000_000))
    );
    assert_eq!(record.time.map(Interval::length), Some(Span::from_millis(1)));
    assert_eq!(record.utc_offset, Some(3600));
    assert_eq!((record.connection, record.status), (Some(77), Some(504)));
    assert_eq!(record.request_time, Some(Span::from_millis(7004)));
    assert_eq!(text(record.remote_addr), Some("203.0.113.7"));
    let request = crate::access::unescape(record.request.expect("a request"), record.escape);
    assert_eq!(request.as_ref(), b"GET /a?b=\"c HTTP/1.1");
    let tries: Vec<_> = record.upstream_connect_time.spans().collect();
    assert_eq!(tries, [None, Some(Span::from_millis(1))]);
    let ports: Vec<_> = record.upstream_addr.endpoints().map(|e| e.map(|e| e.port)).collect();
    assert_eq!(ports, [Some(80), Some(81)]);
    assert_eq!(record.upstream_status.statuses().collect::<Vec<_>>(), [Some(504), Some(200)]);
}

#[test]
fn times_without_milliseconds_are_a_second_wide() {
    // 2026-11-22T07:18:23Z.
    let expected = Timestamp::from_parts(1_795_331_903, 0);
    for (text, line) in [
        ("$time_local $status", "22/Nov/2026:08:18:23 +0100 200"),
        ("$time_iso8601 $status", "2026-11-22T12:48:23+05:30 200"),
        ("[$time_local] $status", "[22/Nov/2026:03:48:23 -0330] 200"),
    ] {
        let format = format(text);
        let record = format.read(line.as_bytes()).expect("the line has this format");
        assert_eq!(
            record.time.map(|t| (t.start(), t.length())),
            Some((expected, Span::from_secs(1)))
        );
    }
    assert_eq!(
        format("$time_local")
            .read(b"22/Nov/2026:08:18:61 +0100")
            .expect("shape")
            .time
            .map(Interval::length),
        Some(Span::from_secs(1))
    );
    for bad in [
        "32/Nov/2026:08:18:23 +0100",
        "22/Nox/2026:08:18:23 +0100",
        "22/Nov/2026:28:18:23 +0100",
        "22/Nov/2026:08:18:23 *0100",
    ] {
        assert_eq!(format("$time_local").read(bad.as_bytes()).expect("shape").time, None, "{bad}");
    }
}

#[test]
fn lists_of_tries_hold_the_blank_that_separates_fields() {
    let format = LogFormat::named("ingress-nginx").expect("known");
    let rows = [
        ("10.0.0.9:80 0 5.000 504", vec![Some(80)], vec![Some(504)]),
        (
            "10.0.0.9:80, 10.0.0.8:81 0, 0 5.000, 5.001 504, 504",
            vec![Some(80), Some(81)],
            vec![Some(504); 2],
        ),
        (
            "10.0.0.9:80 : 10.0.0.8:81 0 : 0 5.000 : 5.001 502 : 504",
            vec![Some(80), Some(81)],
            vec![Some(502), Some(504)],
        ),
        ("- - - -", vec![], vec![]),
        ("unix:/run/a.sock 5 0.002 200", vec![None], vec![Some(200)]),
        (
            "10.0.0.9:80, 10.0.0.8:81 - 0.100, - 200, -",
            vec![Some(80), Some(81)],
            vec![Some(200), None],
        ),
        (", 10.0.0.8:81 -, 0 -, 5.001 -, 504", vec![None, Some(81)], vec![None, Some(504)]),
    ];
    for (lists, ports, statuses) in rows {
        let line = format!(
            "203.0.113.7 - - [22/Nov/2026:08:18:23 +0100] \"GET / HTTP/1.1\" 504 5 \"-\" \"x y\" 89 5.001 [a-80] [] {lists} 0123abcd"
        );
        let record = format.read(line.as_bytes()).unwrap_or_else(|| panic!("{lists}"));
        assert_eq!(
            record.upstream_addr.endpoints().map(|e| e.map(|e| e.port)).collect::<Vec<_>>(),
            ports,
            "{lists}"
        );
        assert_eq!(record.upstream_status.statuses().collect::<Vec<_>>(), statuses, "{lists}");
        assert_eq!(text(record.request_id), Some("0123abcd"));
    }
}

#[test]
fn free_text_is_extended_until_the_rest_fits() {
    // A user name may hold what follows it, and a user agent without quotes may hold blanks.
    let known = LogFormat::named("combined").expect("known");
    let line = br#"1.2.3.4 - a [b [22/Nov/2026:08:18:23 +0100] "GET / HTTP/1.1" 200 5 "-" "-""#;
    assert_eq!(known.read(line).expect("combined").status, Some(200));
    let record = format("$http_user_agent $status $connection");
    let record = record.read(b"Mozilla/5.0 (X11; 64 bit) 504 9").expect("fits");
    assert_eq!((record.status, record.connection), (Some(504), Some(9)));
}

#[test]
fn quotes_tell_formats_apart() {
    let (combined, main) =
        (LogFormat::named("combined").expect("known"), LogFormat::named("main").expect("known"));
    let short = br#"1.2.3.4 - - [22/Nov/2026:08:18:23 +0100] "GET / HTTP/1.1" 200 5 "-" "x""#;
    let long = br#"1.2.3.4 - - [22/Nov/2026:08:18:23 +0100] "GET / HTTP/1.1" 200 5 "-" "x" "-""#;
    assert!(combined.read(short).is_some() && combined.read(long).is_none());
    assert!(main.read(long).is_some() && main.read(short).is_none());
}

#[test]
fn arguments_in_all_their_forms() {
    let json = r#"{"status":"$status","request":"$request","rt":$upstream_response_time}"#;
    let rows = [
        format!("escape=json {json}"),
        format!("log_format name escape=json '{json}';"),
        format!("log_format name escape=json\n '{}' \n '{}';", &json[..19], &json[19..]),
    ];
    for argument in rows {
        let format = format(&argument);
        let record = format.read(br#"{"status":"504","request":"GET /\"\u001f HTTP/1.1","rt":}"#);
        let record = record.expect("the line has this format");
        let request = crate::access::unescape(record.request.expect("a request"), record.escape);
        assert_eq!(request.as_ref(), b"GET /\"\x1f HTTP/1.1");
        assert!(record.upstream_response_time.is_empty());
    }
    let two = format(r#"'$status ' "$request_method ${request_uri}""#);
    let record = two.read(b"200 GET /x").expect("the line has this format");
    assert_eq!((text(record.method), text(record.uri)), (Some("GET"), Some("/x")));
    let quoted = format(r#""$request" $status"#);
    let record = quoted.read(br#""GET /x HTTP/1.1" 504"#).expect("the line has this format");
    assert_eq!((text(record.request), record.status), (Some("GET /x HTTP/1.1"), Some(504)));
    assert_eq!(LogFormat::well_known().len(), 7);
}

#[test]
fn json_lines_are_read_by_their_keys() {
    let format = LogFormat::named("json").expect("known");
    let rows = [
        r#"{"time_iso8601":"2026-11-22T07:18:23+00:00","status":"504","request":"GET /\"x HTTP/1.1","upstream_addr":"10.0.0.9:80, 10.0.0.8:80","upstream_response_time":"5.000, 5.001"}"#,
        // Numbers and lists without quotes, no value, escape=default.
        r#"{"msec":1795331903.000,"status":504,"request":"GET /\x22x HTTP/1.1","rt":,"upstream_addr":"10.0.0.9:80, 10.0.0.8:80","upstream_response_time":5.000, 5.001}"#,
        r#"{ "@timestamp": "2026-11-22T07:18:23+00:00", "http": {"status": 504, "request": "GET /\"x HTTP/1.1"}, "tags": ["a","b"], "upstream": "10.0.0.9:80, 10.0.0.8:80", "upstream_response_time": "5.000, 5.001" }"#,
    ];
    for line in rows {
        let record = format.read(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(record.status, Some(504), "{line}");
        let request = crate::access::unescape(record.request.expect("a request"), record.escape);
        assert_eq!(request.as_ref(), b"GET /\"x HTTP/1.1");
        let start = record.time.expect("a time").start();
        assert_eq!(start, Timestamp::from_parts(1_795_331_903, 0));
        assert_eq!(record.upstream_addr.endpoints().flatten().count(), 2);
        let spans: Vec<_> = record.upstream_response_time.spans().flatten().collect();
        assert_eq!(spans, [Span::from_millis(5_000), Span::from_millis(5_001)], "{line}");
    }
    for line in [
        r#"{"level":"error","time":"2026-11-22T07:18:23Z","message":"x"}"#,
        r#"{"status":504,"request":"GET / HTTP/1.1"}"#,
        r#"{"msec":"1.000","status":504,"request":"GET / HTTP/1.1""#,
        "[]",
    ] {
        assert!(format.read(line.as_bytes()).is_none(), "{line}");
    }
}

/// Unset variables are empty with escape=json and escape=none, also between the separators of a
/// list, and numbers without quotes may be missing.
#[test]
fn empty_values_of_the_other_escapes() {
    for escape in ["json", "none"] {
        let format = format(&format!(
            r#"escape={escape} {{"s":$status,"c":$upstream_connect_time,"r":"$upstream_response_time","a":"$upstream_addr"}}"#
        ));
        let record = format.read(br#"{"s":504,"c":,"r":", 5.000","a":", 10.0.0.9:80"}"#);
        let record = record.expect("the line has this format");
        assert!(record.upstream_connect_time.is_empty() && record.has_connect_time);
        let spans: Vec<_> = record.upstream_response_time.spans().collect();
        assert_eq!(spans, [None, Some(Span::from_millis(5_000))]);
    }
    // Nothing is escaped: quotes and blanks of the client are read leniently.
    let format = format(r#"escape=none "$request" $status "$http_user_agent" $connection"#);
    let record = format.read(br#""GET /"x" y" HTTP/1.1" 504 "a "b" 3" 9"#).expect("fits");
    assert_eq!((record.status, record.connection), (Some(504), Some(9)));
}

#[test]
fn faults_name_the_byte() {
    let rows = [
        ("a $ b", 2, FormatFault::NoName),
        ("$status ${x", 8, FormatFault::Unclosed),
        ("${}", 0, FormatFault::NoName),
        ("combine", 7, FormatFault::NoVariable),
        ("escape=xml $a", 0, FormatFault::UnknownEscape),
    ];
    for (text, position, reason) in rows {
        let error = LogFormat::from_argument(text).expect_err("a fault");
        assert_eq!(error, FormatError { position, reason }, "{text}");
    }
    let many = "$a ".repeat(200);
    let error = LogFormat::from_argument(&many).expect_err("a fault");
    assert_eq!(error.reason, FormatFault::TooManyVariables);
    assert!(LogFormat::from_argument("log_format a 'b").is_err());
}

#[test]
fn neighbours_without_a_literal_are_passed_over_together() {
    let format = format("$scheme://$host$request_uri $status");
    let record = format.read(b"http://a/b 404").expect("the line has this format");
    assert_eq!((record.host, record.uri, record.status), (None, None, Some(404)));
}

proptest! {
    #[test]
    fn any_format_and_any_line_are_survived(
        text in "[$a-c{}_ \"-]{0,30}", line in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        if let Ok(format) = LogFormat::from_argument(&text) {
            let _ = format.read(&line);
        }
    }

    /// Read what nginx renders.
    #[test]
    fn a_rendered_line_reads_back(
        request in "[ !#-\\[\\]-~]{1,40}", status in 100..600_u16, rt in 0..99_999_u32, conn in any::<u32>(),
        tries in proptest::collection::vec((1..=65535_u16, 0..9_999_u32, prop::bool::ANY), 1..5),
    ) {
        let list = |each: &dyn Fn(&(u16, u32, bool)) -> String| {
            let mut text = String::new();
            for (place, entry) in tries.iter().enumerate() {
                if place > 0 { text += if entry.2 { " : " } else { ", " }; }
                text += &each(entry);
            }
            text
        };
        let times = list(&|t| format!("{}.{:03}", t.1 / 1000, t.1 % 1000));
        let (addresses, connects) = (list(&|t| format!("10.0.0.9:{}", t.0)), list(&|_| "-".into()));
        let line = format!(
            "1.2.3.4 [22/Nov/2026:08:18:23 +0100] \"{request}\" {status} rt={}.{:03} uct={connects} urt={times} us={connects} ua={addresses} msec=1795331903.512 conn={conn}",
            rt / 1000, rt % 1000,
        );
        let compiled = format(LAB);
        let record = compiled.read(line.as_bytes()).expect("the line has this format");
        prop_assert_eq!(text(record.request).unwrap_or("-"), request);
        prop_assert_eq!(record.status, Some(status));
        prop_assert_eq!(record.request_time, Some(Span::from_millis(i64::from(rt))));
        prop_assert_eq!(record.connection, Some(u64::from(conn)));
        let ports: Vec<_> = record.upstream_addr.endpoints().map(|e| e.map_or(0, |e| e.port)).collect();
        prop_assert_eq!(ports, tries.iter().map(|t| t.0).collect::<Vec<_>>());
        let spans: Vec<_> = record.upstream_response_time.spans().collect();
        prop_assert_eq!(spans, tries.iter().map(|t| Some(Span::from_millis(i64::from(t.1)))).collect::<Vec<_>>());
    }
}
