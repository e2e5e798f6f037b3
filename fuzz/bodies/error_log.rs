//! The error-log scanner, whole and cut in two. The first two bytes say where to cut.

use why504_nginxlog::{ErrorScanner, MAX_LINE, ScanEnd, Zone, describe};

/// Line, offset, text, and whether it is a timeout.
type Seen = (u64, u64, Vec<u8>, bool);

/// The events without what depends on the cut (a line over the limit is kept as far as it came).
fn scan(pieces: &[&[u8]]) -> (Vec<Seen>, ScanEnd) {
    let mut seen = Vec::new();
    let mut sink = |event: why504_nginxlog::ErrorEvent<'_>| {
        let text = event.text.get(..MAX_LINE).unwrap_or(event.text).to_vec();
        if let Ok(timeout) = &event.outcome {
            let logged = event.logged(timeout.record.time, Zone::UTC);
            assert!(logged.start() <= logged.end());
            assert!(describe(event.text).is_some());
        }
        seen.push((event.line, event.offset, text, event.outcome.is_ok()));
    };
    let mut scanner = ErrorScanner::new();
    for piece in pieces {
        scanner.feed(piece, &mut sink);
    }
    let end = scanner.finish(&mut sink);
    let tally = end.tally;
    assert_eq!(tally.total, tally.timeouts + tally.other + tally.unparsed);
    assert_eq!(tally.timeouts + tally.unparsed, seen.len() as u64);
    (seen, end)
}

pub(crate) fn run(data: &[u8]) {
    let Some(([high, low], text)) = data.split_first_chunk::<2>() else { return };
    let at = usize::from(u16::from_be_bytes([*high, *low])) % (text.len() + 1);
    let (one, two) = text.split_at(at);
    assert_eq!(scan(&[text]), scan(&[one, two]));
}
