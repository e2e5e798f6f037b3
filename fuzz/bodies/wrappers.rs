//! Lines as log collectors write them, read as an error log, as an access log, and for the zone.

use why504_nginxlog::{
    AccessScanner, ErrorScanner, LogFormat, arrivals, sniff, teach, unknown_format,
};

pub(crate) fn run(data: &[u8]) {
    let mut errors = ErrorScanner::new();
    let mut longest = 0;
    errors.feed(data, &mut |event| longest = longest.max(event.text.len()));
    let tally = errors.finish(&mut |event| longest = longest.max(event.text.len())).tally;
    assert_eq!(tally.total, tally.timeouts + tally.other + tally.unparsed);
    // Angie's records become a little longer in nginx's spelling.
    assert!(longest <= data.len() + 64, "a record is made of its own bytes");

    let formats = LogFormat::well_known();
    let mut accesses = AccessScanner::new(formats.clone());
    accesses.feed(data, &mut |event| assert!(event.text.len() <= data.len()));
    let tally = accesses.finish();
    assert_eq!(tally.total, tally.matched + tally.unmatched + tally.parts + tally.unfinished);

    let _ = sniff(data, &formats);
    let _ = unknown_format(data);
    let _ = teach(arrivals(data));
}
