//! An nginx.conf that includes the second half of itself, or the output of `nginx -T`; after a NUL,
//! lines of an error log whose timeouts are looked up in it.

use why504_nginxlog::{Conf, ErrorScanner, LineScope};

pub(crate) fn run(data: &[u8]) {
    let nul = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let (text, lines) = data.split_at(nul);
    let half = text.len() / 2;
    let mut included = 0_u32;
    let conf = Conf::read("nginx.conf", text, &mut |pattern| {
        included += 1;
        if pattern.starts_with('/') {
            return Err("not there".to_owned());
        }
        Ok(vec![(pattern.to_owned(), text.get(half..).unwrap_or_default().to_vec())])
    });
    assert!(included < 100_000, "includes end");
    let Ok(conf) = conf else { return };
    let mut scanner = ErrorScanner::new();
    let mut sink = |event: why504_nginxlog::ErrorEvent<'_>| {
        let Ok(timeout) = event.outcome else { return };
        let limits = conf.limits(&LineScope::of(&timeout));
        assert!(limits.is_sorted_by(|one, other| one.at_most < other.at_most));
    };
    scanner.feed(lines.get(1..).unwrap_or_default(), &mut sink);
    scanner.finish(&mut sink);
}
