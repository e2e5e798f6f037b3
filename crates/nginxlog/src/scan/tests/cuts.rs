//! Wherever a stream is cut into blocks, and whoever scans them, the events are the same.

use proptest::prelude::*;

use super::wrapped::docker;
use super::*;

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
