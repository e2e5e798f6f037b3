//! Streams written by hand.

use super::*;
use crate::lines::whole_lines;
use proptest::prelude::*;
use why504_model::TimeoutKind;

/// What an event is, without its borrows.
type Seen = (u64, u64, Vec<u8>, Result<TimeoutKind, Unparsed>, bool);

fn scan(pieces: &[&[u8]]) -> (Vec<Seen>, ScanEnd) {
    let mut seen = Vec::new();
    let mut sink = |event: ErrorEvent<'_>| {
        let kind = event.outcome.map(|timeout| timeout.class.kind);
        seen.push((event.line, event.offset, event.text.to_vec(), kind, event.unterminated));
    };
    let mut scanner = ErrorScanner::new();
    for piece in pieces {
        scanner.feed(piece, &mut sink);
    }
    let end = scanner.finish(&mut sink);
    (seen, end)
}

const OTHER: &str = "2026/11/22 07:18:22 [warn] 1#1: *1 a client request body is buffered";
const REFUSED: &str = "2026/11/22 07:18:23 [error] 1#1: *2 connect() failed (111: x) while connecting \
    to upstream, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", upstream: \"http://10.0.0.9:80/\"";
const LUA: &str = "2026/11/22 07:18:24 [error] 1#1: *3 lua tcp socket connect timed out, when \
    connecting to 10.0.0.9:80, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", host: \"h\"";

#[test]
fn every_line_is_counted_once() {
    let text = format!("{OTHER}\n{REFUSED}\n\ngarbage upstream timed out\n{OTHER}\n{LUA}\r\n");
    let (seen, end) = scan(&[text.as_bytes()]);
    let kinds: Vec<_> = seen.iter().map(|s| (s.0, s.3)).collect();
    assert_eq!(
        kinds,
        [
            (2, Ok(TimeoutKind::ConnectRefused)),
            (4, Err(Unparsed::Record(RecordError::NoHeader))),
            (6, Ok(TimeoutKind::LuaConnectTimeout)),
        ]
    );
    let tally = LineTally { total: 6, timeouts: 2, other: 3, unparsed: 1 };
    assert_eq!(end, ScanEnd { tally, unfinished: None, ..ScanEnd::default() });
    for (_, offset, line, ..) in &seen {
        let at = usize::try_from(*offset).expect("small");
        assert!(text.as_bytes()[at..].starts_with(line));
    }
}

#[test]
fn a_record_whose_context_is_on_its_last_line_is_one_timeout() {
    let text = "2026/11/22 07:18:23 [error] 1#1: *2 upstream timed out (110: x) while connecting to \
        upstream, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", subrequest: \"/a\nb\", \
        upstream: \"http://10.0.0.9:80/\"\n";
    let (seen, end) = scan(&[text.as_bytes()]);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].2, text.trim_end().as_bytes());
    let LineOutcome::Timeout(timeout) = read_line(&seen[0].2) else { panic!("a timeout") };
    assert_eq!(timeout.class.peer.expect("a peer").port, 80);
    assert_eq!(end.tally, LineTally { total: 2, timeouts: 1, other: 1, unparsed: 0 });
}

/// A message without a needle would be counted as other and never be seen.
#[test]
fn every_message_that_makes_a_case_holds_a_needle() {
    let heads = [
        "lua tcp socket connect timed out",
        "stream lua tcp socket connect timed out, when connecting to 10.0.0.9:80",
        "lua tcp socket queued connect timed out, when trying to connect to 10.0.0.9:80",
        "lua tcp socket read timed out",
        "lua tcp socket write timed out",
        "upstream timed out (110: x) while SSL handshaking to upstream",
        "connect() failed (111: x)",
        "connect() to 10.0.0.9:80 failed (99: x)",
        "bind(10.0.0.1) failed (98: x) while connecting to upstream",
        "proxy_connect: upstream connect timed out (peer:10.0.0.9:80) while connecting to upstream",
    ];
    for head in heads {
        for connection in ["", "*9 "] {
            let line = format!(
                "2026/11/22 07:18:23 [error] 1#1: {connection}{head}, client: a, server: b"
            );
            assert!(matches!(read_line(line.as_bytes()), LineOutcome::Timeout(_)), "{line}");
        }
    }
}

#[test]
fn a_traceback_is_not_a_timeout() {
    let text = format!(
        "2026/11/22 07:18:23 [error] 1#1: *2 lua entry thread aborted: runtime error: upstream timed out\n\
         stack traceback:\nconnect() failed\n in x, client: 1.2.3.4, server: a\n{LUA}\n"
    );
    let (seen, end) = scan(&[text.as_bytes()]);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, 5);
    assert_eq!(end.tally, LineTally { total: 5, timeouts: 1, other: 4, unparsed: 0 });
}

#[test]
fn the_unterminated_last_line() {
    let (seen, end) = scan(&[OTHER.as_bytes(), b"\n", LUA.as_bytes()]);
    assert!(matches!(seen.as_slice(), [(2, _, _, Ok(TimeoutKind::LuaConnectTimeout), true)]));
    let offset = OTHER.len() as u64 + 1;
    let expected = UnfinishedLine { line: 2, offset, len: LUA.len() as u64, consumed: true };
    assert_eq!(end.unfinished, Some(expected));
    assert_eq!(end.tally, LineTally { total: 2, timeouts: 1, other: 1, unparsed: 0 });

    let cut = &LUA.as_bytes()[..LUA.len() - 4];
    let (seen, end) = scan(&[cut]);
    assert!(matches!(seen.as_slice(), [(1, 0, _, Err(Unparsed::Unfinished), true)]));
    assert_eq!(end.unfinished.map(|u| u.consumed), Some(false));
    assert_eq!(end.tally, LineTally { total: 1, timeouts: 0, other: 0, unparsed: 1 });
}

#[test]
fn an_unfinished_record_is_read_again_from_its_first_line() {
    let first = "2026/11/22 07:18:23 [error] 1#1: *2 upstream timed out (110: x) while connecting to \
        upstream, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", subrequest: \"/a\n";
    let (seen, end) = scan(&[OTHER.as_bytes(), b"\n", first.as_bytes(), b"upstream timed out"]);
    assert!(matches!(seen.as_slice(), [(2, _, _, Err(Unparsed::Unfinished), true)]));
    let offset = OTHER.len() as u64 + 1;
    let expected =
        UnfinishedLine { line: 2, offset, len: first.len() as u64 + 18, consumed: false };
    assert_eq!(end.unfinished, Some(expected));
    assert_eq!(end.tally, LineTally { total: 3, timeouts: 0, other: 2, unparsed: 1 });
}

#[test]
fn a_line_of_unbounded_length_costs_bounded_memory() {
    let mut scanner = ErrorScanner::new();
    let mut count = 0;
    let mut sink = |event: ErrorEvent<'_>| {
        count += 1;
        assert_eq!(event.outcome, Err(Unparsed::TooLong));
        assert!(event.text.len() <= MAX_LINE + 1);
    };
    scanner.feed(LUA.as_bytes(), &mut sink);
    for _ in 0..1000 {
        scanner.feed(&[b'a'; 4096], &mut sink);
        assert!(scanner.blocks.tail().is_some_and(|(kept, _)| kept.len() <= MAX_LINE + 1));
    }
    scanner.feed(b"\nx\n", &mut sink);
    let end = scanner.finish(&mut sink);
    assert_eq!(count, 1);
    assert_eq!(end.tally, LineTally { total: 2, timeouts: 0, other: 1, unparsed: 1 });
}

/// As [`scan`], with the blocks of a round scanned side by side before they are put together, and
/// rounds as a reader makes them: one block, then three at a time.
fn scan_in_pieces(blocks: &[&[u8]]) -> (Vec<Seen>, ScanEnd) {
    let mut seen: Vec<Seen> = Vec::new();
    let note = |seen: &mut Vec<Seen>, event: ErrorEvent<'_>| {
        let kind = event.outcome.map(|timeout| timeout.class.kind);
        seen.push((event.line, event.offset, event.text.to_vec(), kind, event.unterminated));
    };
    let mut scanner = ErrorScanner::new();
    let (first, rest) = blocks.split_at(blocks.len().min(1));
    for round in core::iter::once(first).chain(rest.chunks(3)) {
        let pieces: Vec<_> = round
            .iter()
            .map(|block| {
                let mut events = Vec::new();
                let (_, body, _) = whole_lines(block);
                (scanner.pieces().scan(body, &mut |event| note(&mut events, event)), events)
            })
            .collect();
        for (block, (piece, events)) in round.iter().zip(pieces) {
            let (head, body, tail) = whole_lines(block);
            scanner.feed(head, &mut |event| note(&mut seen, event));
            match scanner.adopt(piece) {
                Some(moved) => {
                    seen.extend(events.into_iter().map(
                        |(line, offset, text, kind, unterminated)| {
                            (line + moved.lines, offset + moved.bytes, text, kind, unterminated)
                        },
                    ));
                }
                None => scanner.feed(body, &mut |event| note(&mut seen, event)),
            }
            scanner.feed(tail, &mut |event| note(&mut seen, event));
        }
    }
    let end = scanner.finish(&mut |event| note(&mut seen, event));
    (seen, end)
}

const USER: &str = "2026/11/22 07:18:24 [error] 1#1: *5 [lua] a.lua:7: failed to connect: timeout, \
    client: 1.2.3.4, server: a";

#[test]
fn pieces_are_put_together_whatever_their_cut_goes_through() {
    let several = "2026/11/22 07:18:23 [error] 1#1: *2 upstream timed out (110: x) while connecting to \
        upstream, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", subrequest: \"/a\nb\nc\", \
        upstream: \"http://10.0.0.9:80/\"\n";
    let text = format!("{OTHER}\n{LUA}\n{several}{OTHER}\n{USER}\n{REFUSED}\n{USER}\n{LUA}");
    let whole = scan(&[text.as_bytes()]);
    assert_eq!(whole.1.tally.timeouts, 6);
    for size in 1..text.len() {
        let blocks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(scan_in_pieces(&blocks), whole, "{size}");
    }
}

/// Found by the property below: such a line was an event whose text depended on the chunks.
#[test]
fn a_line_of_user_code_that_is_too_long_is_other() {
    let text = format!("{OTHER}\n{USER}{}\n", "z".repeat(MAX_LINE));
    let tally = LineTally { total: 2, other: 2, ..LineTally::default() };
    for size in [100, 1 << 20] {
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        for (seen, end) in [scan(&chunks), scan_in_pieces(&chunks)] {
            assert_eq!((seen.len(), end.tally), (0, tally));
        }
    }
    let LineOutcome::Other = read_line(&text.as_bytes()[OTHER.len() + 1..]) else {
        panic!("too long")
    };
}

/// Lines and fragments from which the property below builds files.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just(OTHER.as_bytes().to_vec()),
        Just(REFUSED.as_bytes().to_vec()),
        Just(LUA.as_bytes().to_vec()),
        Just(LUA.as_bytes()[..90].to_vec()),
        Just(b"upstream timed out".to_vec()),
        Just(b"2026-11-22T07:18:23.3Z stderr P ".to_vec()),
        Just(b"2026-11-22T07:18:23.3Z stderr F ".to_vec()),
        Just(b"web-1  | ".to_vec()),
        Just(docker(REFUSED).into_bytes()),
        Just(b", client: 1.2.3.4, server: a".to_vec()),
        Just(USER.as_bytes().to_vec()),
        Just(b"too many log messages, limiting".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(vec![b'z'; MAX_LINE - 3]),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(fragment, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_cut_into_chunks_gives_the_same_events(
        text in pieces(), mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = scan(&[&text]);
        let tally = whole.1.tally;
        prop_assert_eq!(tally.total, tally.timeouts + tally.other + tally.unparsed);
        let mut at: Vec<usize> = cuts.drain(..).map(|i| i.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        let (mut expected, mut found) = (whole, scan(&chunks));
        let mut in_pieces = scan_in_pieces(&chunks);
        // A line over the limit is shown cut or whole, depending on where the chunks ended.
        let events = expected.0.iter_mut().chain(&mut found.0).chain(&mut in_pieces.0);
        for (_, _, line, outcome, _) in events {
            if *outcome == Err(Unparsed::TooLong) { line.truncate(MAX_LINE); }
        }
        prop_assert_eq!(&expected, &found);
        prop_assert_eq!(expected, in_pieces);
    }

    #[test]
    fn single_bytes_give_the_same_as_the_whole(
        parts in proptest::collection::vec(prop_oneof![Just(REFUSED), Just(LUA), Just("\n"), Just("b\n")], 0..6),
    ) {
        let text = parts.concat();
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(scan(&[text.as_bytes()]), scan(&bytes));
    }
}

fn docker(line: &str) -> String {
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

/// Which lines are about one event with the first one.
#[test]
fn the_users_line_is_of_the_same_event_as_the_cosockets() {
    let line = |second: u32, worker: u32, connection: &str, said: &str| {
        format!(
            "2026/11/22 07:18:{second:02} [error] {worker}#1: {connection}{said}, client: 1.2.3.4, server: a"
        )
    };
    let event = |line: &str| {
        let LineOutcome::Timeout(timeout) = read_line(line.as_bytes()) else { panic!("{line}") };
        (timeout.event(), timeout.class.user_text)
    };
    let cosocket = "lua tcp socket connect timed out, when connecting to 10.0.0.9:80";
    let user = "[lua] a.lua:7: failed to connect: timeout";
    let refused = "[lua] a.lua:7: failed to connect: connection refused";
    let (told, own) = event(&line(20, 1, "*5 ", cosocket));
    assert!(told.is_some() && !own);
    for (second, worker, connection, said, same) in [
        (20, 1, "*5 ", user, true),
        (20, 1, "*5 ", "[lua] b.lua:9: cannot connect to cache: timeout", true),
        (20, 1, "*6 ", user, false),
        (20, 1, "*5 ", refused, false),
        (20, 2, "*5 ", user, false),
        (21, 1, "*5 ", user, false),
        (20, 1, "", user, false),
    ] {
        let (found, user_text) = event(&line(second, worker, connection, said));
        assert!(user_text);
        assert_eq!(found == told, same, "{connection}{said}");
    }
    let failed = event(&line(21, 1, "*5 ", "connect() to 10.0.0.9:80 failed (111: x)"));
    assert_eq!(failed.0, event(&line(21, 1, "*5 ", refused)).0);
    // A read, and a connect of nginx's own upstream, are other events.
    assert_eq!(event(&line(20, 1, "*5 ", "lua tcp socket read timed out")).0, None);
    let upstream = "upstream timed out (110: x) while connecting to upstream";
    assert_eq!(event(&line(20, 1, "*5 ", upstream)).0, None);
}

#[test]
fn the_words_of_user_code_elsewhere_are_other() {
    let text = "PHP Fatal error: cannot connect: connection refused\n\
        2026/11/22 07:18:23 [error] 1#1: *2 FastCGI sent in stderr: \"cannot connect: timeout\n\
        failed to connect: timeout\" while reading upstream, client: 1.2.3.4, server: a\n";
    let (seen, end) = scan(&[text.as_bytes()]);
    assert!(seen.is_empty());
    assert_eq!(end.tally, LineTally { total: 3, timeouts: 0, other: 3, unparsed: 0 });
}

#[test]
fn messages_of_ones_own() {
    let pattern = UserPattern::new(r"^cache (?P<peer>\S+) is gone$").expect("a pattern");
    let mut seen = Vec::new();
    let mut scanner = ErrorScanner::with_patterns(vec![pattern]);
    let text = "2026/11/22 07:18:23 [warn] 1#1: *2 cache 10.0.0.9:80 is gone, client: 1.2.3.4, server: a\n\
        2026/11/22 07:18:23 [warn] 1#1: *2 cache 10.0.0.9:80 is gone again, client: 1.2.3.4, server: a\n\
        cache 10.0.0.9:80 is gone\n";
    let mut sink = |event: ErrorEvent<'_>| {
        let class = event.outcome.expect("a timeout").class;
        seen.push((event.line, class.kind, class.peer.map(|peer| peer.to_string())));
    };
    scanner.feed(text.as_bytes(), &mut sink);
    let end = scanner.finish(&mut sink);
    assert_eq!(seen, [(1, TimeoutKind::UserTimeout, Some("10.0.0.9:80".to_owned()))]);
    assert_eq!(end.tally, LineTally { total: 3, timeouts: 1, other: 2, unparsed: 0 });
}

/// nginx cuts a line at 2048 bytes, OpenResty at 4096, without a mark. Wherever the cut falls, the
/// line is of its kind and has its peer, or it says less; never something else.
#[test]
fn a_line_that_is_cut_at_any_byte_says_less_and_nothing_else() {
    let long = "/x".repeat(2_100);
    let lines = [
        format!(
            "2026/11/22 07:18:23 [error] 1#1: *2 upstream timed out (110: x) while connecting to \
             upstream, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", upstream: \
             \"http://10.0.0.9:8080{long}\", host: \"h\""
        ),
        format!(
            "2026/11/22 07:18:23 [error] 1#1: *2 lua tcp socket connect timed out, when connecting to \
             10.0.0.9:8080, client: 1.2.3.4, server: a, request: \"GET {long} HTTP/1.1\", host: \"h\""
        ),
        format!(
            "2026/11/22 07:18:23 [error] 1#1: *2 connect() failed (111: x) while connecting to \
             upstream, client: 1.2.3.4, server: a, request: \"GET {long} HTTP/1.1\", upstream: \
             \"http://10.0.0.9:8080/\", host: \"h\""
        ),
    ];
    for line in &lines {
        let LineOutcome::Timeout(whole) = read_line(line.as_bytes()) else { panic!("{line}") };
        let heads = 0..line.len().min(400);
        for cut in heads.chain(2_040..2_056).chain(4_088..4_104) {
            let Some(text) = line.get(..cut) else { continue };
            if let LineOutcome::Timeout(part) = read_line(text.as_bytes()) {
                assert_eq!(part.class.kind, whole.class.kind, "{text}");
                let peer = part.class.peer;
                assert!(peer.is_none() || peer == whole.class.peer, "{text}");
            }
        }
    }
}

#[test]
fn names_that_could_not_be_resolved_in_time_are_counted() {
    let line = |said: &str, uri: &str| {
        format!(
            "2026/11/22 07:18:23 [error] 1#1: *5 {said}, client: 1.2.3.4, server: a, request: \"GET \
             {uri} HTTP/1.1\", host: \"h\"\n"
        )
    };
    let text = [
        line("api.internal could not be resolved (110: Operation timed out)", "/"),
        line("api.internal could not be resolved (110: Operation timed out)", "/?timeout=5"),
        line("api.internal could not be resolved (60: Operation timed out)", "/"),
        line("[lua] a.lua:7: redis could not be resolved (110: Operation timed out)", "/"),
        line("api.internal could not be resolved (3: Host not found)", "/?timeout=5"),
    ]
    .concat();
    let (seen, end) = scan(&[text.as_bytes()]);
    assert_eq!((seen.len(), end.unresolved, end.tally.other), (0, 4, 5));
}

/// What the classifier takes for a failed connect of user code has to be found first.
#[test]
fn every_way_in_which_user_code_reports_a_failed_connect_is_found() {
    for said in [
        "failed to connect: timeout",
        "failed to connect, err=timeout",
        "failed to connect: err=\"timeout\"",
        "failed to connect: 'timeout'",
        "failed to connect (timeout)",
        "failed to connect: address not available",
        "failed to connect: cannot assign requested address",
        "failed to connect: host is unreachable",
        "failed to connect: network unreachable",
    ] {
        let record = format!("2026/11/22 07:18:23 [error] 1#1: *5 [lua] a.lua:7: f(): {said}");
        let context = ", client: 1.2.3.4, server: a";
        let (seen, _) = scan(&[format!("{OTHER}\n{record}{context}\n").as_bytes()]);
        assert_eq!(seen.len(), 1, "{said}");
        // A traceback follows, which a syslog daemon has spelled out.
        let traced =
            format!("<187>Nov 22 07:18:23 gw nginx: {record}#012stack traceback:{context}\n");
        let (seen, _) = scan(&[traced.as_bytes()]);
        assert_eq!(seen.len(), 1, "{said}");
    }
}

#[test]
fn a_log_that_left_lines_out_says_so() {
    let limiting = "2026/11/22 07:18:23 [error] 1#1: too many log messages, limiting";
    let (seen, end) = scan(&[format!("{OTHER}\n{limiting}\n{LUA}\n{limiting}\n").as_bytes()]);
    assert_eq!((seen.len(), end.limited), (1, 2));
    assert_eq!(end.tally, LineTally { total: 4, timeouts: 1, other: 3, unparsed: 0 });
}
