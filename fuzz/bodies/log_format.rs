//! A format as a user passes it, up to the first line feed, and access lines after it.

use why504_nginxlog::{AccessScanner, LogFormat, unescape};

pub(crate) fn run(data: &[u8]) {
    let feed = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (argument, lines) = data.split_at(feed);
    let Ok(argument) = core::str::from_utf8(argument) else { return };
    let Ok(format) = LogFormat::from_argument(argument) else { return };
    let mut scanner = AccessScanner::new(vec![format]);
    scanner.feed(lines, &mut |event| {
        let Some(record) = event.record else { return };
        let tries = [record.upstream_addr, record.upstream_status, record.upstream_response_time];
        for list in tries {
            assert!(list.iter().count() <= event.text.len() + 1);
        }
        let _ = (
            record.upstream_addr.endpoints().count(),
            record.upstream_response_time.spans().count(),
        );
        if let Some(request) = record.request {
            assert!(unescape(request, record.escape).len() <= request.len());
        }
    });
    let tally = scanner.finish();
    assert_eq!(tally.total, tally.matched + tally.unmatched + tally.parts + tally.unfinished);
}
