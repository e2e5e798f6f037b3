//! Escapes and streams.

use super::*;
use crate::log_format::LogFormat;
use proptest::prelude::*;

type Seen = (u64, u64, Vec<u8>, Option<u16>);

fn scan(pieces: &[&[u8]]) -> (Vec<Seen>, AccessTally) {
    let mut seen = Vec::new();
    let mut sink = |event: AccessEvent<'_>| {
        let status = event.record.and_then(|record| record.status);
        seen.push((event.line, event.offset, event.text.to_vec(), status));
    };
    let formats = ["$status $request", "$status $request_time|$request"];
    let formats = formats.map(|f| LogFormat::from_argument(f).expect("a format"));
    let mut scanner = AccessScanner::new(formats.to_vec());
    for piece in pieces {
        scanner.feed(piece, &mut sink);
    }
    (seen, scanner.finish())
}

/// As [`scan`], every block but the first read by itself where that can be.
fn scan_in_pieces(blocks: &[&[u8]]) -> (Vec<Seen>, AccessTally) {
    let mut seen: Vec<Seen> = Vec::new();
    let note = |seen: &mut Vec<Seen>, event: AccessEvent<'_>| {
        let status = event.record.and_then(|record| record.status);
        seen.push((event.line, event.offset, event.text.to_vec(), status));
    };
    let formats = ["$status $request", "$status $request_time|$request"];
    let formats = formats.map(|f| LogFormat::from_argument(f).expect("a format"));
    let mut scanner = AccessScanner::new(formats.to_vec());
    for block in blocks {
        let (head, body, tail) = crate::whole_lines(block);
        let mut events = Vec::new();
        let piece = scanner.piece(body, &mut |event| note(&mut events, event));
        scanner.feed(head, &mut |event| note(&mut seen, event));
        match scanner.adopt(piece) {
            Some((lines, bytes)) => {
                seen.extend(events.into_iter().map(|(line, offset, text, status)| {
                    (line + lines, offset + bytes, text, status)
                }));
            }
            None => scanner.feed(body, &mut |event| note(&mut seen, event)),
        }
        scanner.feed(tail, &mut |event| note(&mut seen, event));
    }
    (seen, scanner.finish())
}

#[test]
fn every_line_is_counted_and_the_fuller_format_is_tried_first() {
    let (seen, tally) = scan(&[b"200 GET /\nx\r\n504 1.000|GET /\n20"]);
    let statuses: Vec<_> = seen.iter().map(|s| (s.0, s.1, s.3)).collect();
    assert_eq!(statuses, [(1, 0, Some(200)), (2, 10, None), (3, 13, Some(504))]);
    assert_eq!(tally, AccessTally { total: 4, matched: 2, unmatched: 1, parts: 0, unfinished: 1 });
}

#[test]
fn wrapped_lines_are_read_within_their_wrappers() {
    let formats = ["combined", r#"$time_iso8601 $remote_addr "$request" $status $request_time"#];
    let formats = formats.map(|f| LogFormat::from_argument(f).expect("a format"));
    let bare = "1.2.3.4 - - [22/Nov/2026:08:18:23 +0100] \"GET /a HTTP/1.1\" 504 5 \"-\" \"x\"";
    let docker = format!(
        r#"{{"log":"{}\n","stream":"stdout","time":"2026-11-22T07:18:23.5Z"}}"#,
        bare.replace('"', "\\\"")
    );
    let rows = [
        (bare.to_owned(), Some("1.2.3.4")),
        (docker, Some("1.2.3.4")),
        (format!("web-1  | {bare}"), Some("1.2.3.4")),
        (format!("2026-11-22T07:18:23.5Z stdout F {bare}"), Some("1.2.3.4")),
        (format!("<190>Nov 22 08:18:23 gw nginx: {bare}"), Some("1.2.3.4")),
        (format!("gw nginx[31]: {bare}"), Some("1.2.3.4")),
        // Its own time stamp is no wrapper.
        (
            "2026-11-22T07:18:23+00:00 5.6.7.8 \"GET /a HTTP/1.1\" 504 1.000".to_owned(),
            Some("5.6.7.8"),
        ),
        ("web-1  | started".to_owned(), None),
    ];
    for (line, client) in rows {
        let mut seen = Vec::new();
        let mut scanner = AccessScanner::new(formats.to_vec());
        scanner.feed(format!("{line}\n").as_bytes(), &mut |event| {
            let client = event.record.and_then(|record| record.remote_addr.map(<[u8]>::to_vec));
            seen.push((event.line, client.map(|c| String::from_utf8_lossy(&c).into_owned())));
        });
        assert_eq!(seen, [(1, client.map(str::to_owned))], "{line}");
    }
}

#[test]
fn parts_of_a_line_are_glued() {
    let line = "504 GET /";
    for cut in 0..=line.len() {
        let (one, two) = line.split_at(cut);
        let text = format!(
            "2026-11-22T07:18:23.5Z stdout P {one}\n2026-11-22T07:18:23.5Z stderr F x\n\
             2026-11-22T07:18:23.5Z stdout F {two}\n"
        );
        let (seen, tally) = scan(&[text.as_bytes()]);
        assert_eq!(seen, [(2, seen[0].1, b"x".to_vec(), None), (1, 0, line.into(), Some(504))]);
        assert_eq!(
            tally,
            AccessTally { total: 3, matched: 1, unmatched: 1, parts: 1, unfinished: 0 }
        );
    }
}

#[test]
fn escapes_are_undone_and_others_are_left() {
    let rows: [(Escape, &str, &[u8]); 7] = [
        (Escape::Default, r"a\x22\x5Cb", b"a\"\\b"),
        (Escape::Default, r"\xZZ\x2", br"\xZZ\x2"),
        (Escape::Default, r"\xFF", b"\xff"),
        (Escape::Json, r#"\"\\\n\u001f"#, b"\"\\\n\x1f"),
        (Escape::Json, r"\u00e9\u1234\q", b"\xe9\\u1234\\q"),
        (Escape::None, r"\x22", br"\x22"),
        (Escape::Json, "", b""),
    ];
    for (escape, text, expected) in rows {
        assert_eq!(unescape(text.as_bytes(), escape).as_ref(), expected, "{text}");
    }
}

/// What nginx does (ngx_http_log_module.c:1150-1223, ngx_string.c:1905-1990).
fn escaped(value: &[u8], escape: Escape) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in value {
        match (escape, byte) {
            (Escape::Default, b'"' | b'\\' | 0..=0x1f | 0x7f..) => {
                out.extend(format!("\\x{byte:02X}").into_bytes());
            }
            (Escape::Json, b'"' | b'\\') => out.extend([b'\\', byte]),
            (Escape::Json, b'\n') => out.extend(b"\\n"),
            (Escape::Json, 0..=0x1f) => out.extend(format!("\\u{byte:04X}").into_bytes()),
            _ => out.push(byte),
        }
    }
    out
}

proptest! {
    #[test]
    fn unescaping_undoes_nginx(value in proptest::collection::vec(any::<u8>(), 0..60)) {
        for escape in [Escape::Default, Escape::Json, Escape::None] {
            let written = escaped(&value, escape);
            let read = unescape(&written, escape);
            prop_assert_eq!(read.as_ref(), value.as_slice());
            let _ = unescape(&value, escape);
        }
    }

    #[test]
    fn any_cut_into_chunks_gives_the_same_lines(
        text in "([2 0GE.|\n\r]|2026-11-22T07:18:23.3Z stdout [PF] ){0,40}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = text.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|i| i.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        let (seen, tally) = scan(&[text]);
        prop_assert_eq!(tally.total, tally.matched + tally.unmatched + tally.parts + tally.unfinished);
        prop_assert_eq!((seen.clone(), tally), scan(&chunks));
        prop_assert_eq!((seen, tally), scan_in_pieces(&chunks));
    }

    #[test]
    fn any_list_and_any_time_are_survived(text in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = Tries::new(&text).endpoints().count();
        let _ = Tries::new(&text).spans().count();
        let _ = (time::msec(&text), time::seconds(&text), time::local(&text), time::iso8601(&text));
    }
}
