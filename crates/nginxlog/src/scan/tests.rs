//! Streams written by hand.

mod cuts;
mod user;
mod wrapped;

use super::*;
use crate::lines::whole_lines;
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
const USER: &str = "2026/11/22 07:18:24 [error] 1#1: *5 [lua] a.lua:7: failed to connect: timeout, \
    client: 1.2.3.4, server: a";

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

#[test]
fn a_log_that_left_lines_out_says_so() {
    let limiting = "2026/11/22 07:18:23 [error] 1#1: too many log messages, limiting";
    let (seen, end) = scan(&[format!("{OTHER}\n{limiting}\n{LUA}\n{limiting}\n").as_bytes()]);
    assert_eq!((seen.len(), end.limited), (1, 2));
    assert_eq!(end.tally, LineTally { total: 4, timeouts: 1, other: 3, unparsed: 0 });
}
