//! The substrings of which every line that can be a timeout holds at least one.
//!
//! All are searched in one pass; what a line with a needle means is decided by parsing it.

use std::sync::LazyLock;

use memchr::memmem;
use regex::bytes::Regex;

use crate::lines::MAX_LINE;

/// The words of nginx and its modules. A line with one of them that cannot be read is unparsed.
pub const NEEDLES: [&[u8]; 6] = [
    b"upstream timed out",
    b"lua tcp socket ",
    b"connect() ",
    b" bind(",
    // At the beginning of a JSON string.
    b"\"bind(",
    b" timed out (peer:",
];

/// The words of cosocket errors in lines of user code. They occur in much else, so a line with one
/// of them that cannot be read is other.
const USER_NEEDLES: [&[u8]; 10] = [
    b": timeout",
    b"(timeout",
    b", timeout",
    b"connection timed out",
    b"operation timed out",
    b"connection refused",
    b"no route to host",
    b"is unreachable",
    b"network unreachable",
    b"cannot assign requested address",
];

/// What freenginx and Angie write when they begin to leave lines out (`ngx_log_check_rate`).
const LIMITING: &[u8] = b"too many log messages, limiting";

/// Finds the next needle of any kind. Only literals, which the regex crate looks for all at
/// once with vector instructions: one pass costs what a single `memmem` costs.
static ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words: Vec<String> = NEEDLES
        .iter()
        .chain(&USER_NEEDLES)
        .chain([&LIMITING])
        .map(|needle| regex::escape(&String::from_utf8_lossy(needle)))
        .collect();
    Regex::new(&words.join("|")).ok()
});

/// The offset of the first needle not before `at`.
pub(super) fn find(bytes: &[u8], at: usize) -> Option<usize> {
    match ANY.as_ref() {
        Some(any) if at <= bytes.len() => any.find_at(bytes, at).map(|hit| hit.start()),
        Some(_) => None,
        // The pattern is a constant; were it refused, every line would be looked at.
        None => (at < bytes.len()).then_some(at),
    }
}

/// Only the part within the limit counts, so that a line is judged alike in whatever pieces it
/// came.
pub(super) fn has_needle(line: &[u8]) -> bool {
    holds_any(line, &NEEDLES)
}

/// The same for the words of user code.
pub(super) fn has_user_needle(line: &[u8]) -> bool {
    holds_any(line, &USER_NEEDLES)
}

/// Whether lines were left out of the log here.
pub(super) fn is_limiting(line: &[u8]) -> bool {
    holds_any(line, &[LIMITING])
}

fn holds_any(line: &[u8], needles: &[&[u8]]) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    needles.iter().any(|needle| memmem::find(line, needle).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_every_needle() {
        assert!(ANY.is_some());
        for needle in NEEDLES.iter().chain(&USER_NEEDLES) {
            let line = [b"xx", *needle, b"yy".as_slice()].concat();
            assert_eq!(find(&line, 0), Some(2));
            assert_eq!(find(&line, 2), Some(2));
            assert_eq!(find(&line, 3).filter(|at| *at < 2), None);
            assert!(has_needle(&line) || has_user_needle(&line));
        }
        assert_eq!(find(b"nothing", 0), None);
        assert_eq!(find(b"", 0), None);
    }
}
