//! The substrings of which every line that can be a timeout holds at least one.
//!
//! All are searched in one pass; what a line with a needle means is decided by parsing it.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use memchr::memmem::{self, Finder};

use crate::classify::returned_by_connect;
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

/// What freenginx and Angie write when they begin to leave lines out (`ngx_log_check_rate`).
const LIMITING: &[u8] = b"too many log messages, limiting";

/// What http and stream say of a name in `proxy_pass` (nginx src/http/ngx_http_upstream.c:1258), and
/// Lua code of one that it wanted to connect to.
const UNRESOLVED: &[u8] = b" could not be resolved (";

/// Of every needle of any kind a part that is rare in other lines. The vector search looks at the
/// first three bytes of each at once (as many as the shortest has), so all begin where three bytes
/// are rare: `d o` is, `tim` and `con` are not. Measured on a gigabyte of log, whole words cost half
/// as much again.
const RARE: [&[u8]; 11] = [
    b"d out",    // timed out
    b"meout",    // timeout
    b"p socket", // lua tcp socket
    b"t() ",     // connect()
    b"nd(",      // bind(
    b"efused",   // refused
    b"o route to",
    b"nreachable",
    b"t assign", // cannot assign
    b"t avail",  // address not available
    b"y log",    // too many log
];

/// One pass for all of them, with vector instructions where the processor has them.
fn any_of(needles: &[&[u8]]) -> Option<AhoCorasick> {
    // Only this kind of match is looked for with vectors; which of them matches does not matter.
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(needles).ok()
}

static ANY_RARE: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| any_of(&RARE));
/// One after the other: the first ones are the common ones, and short lines are searched fastest so.
static OF_NGINX: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| NEEDLES.map(Finder::new));
/// The words of cosocket errors in lines of user code. They occur in much else, so a line with one
/// of them that cannot be read is other.
static OF_USERS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| any_of(&returned_by_connect()));

/// The offset of the first place not before `at` where a needle of any kind may stand: no line
/// before the one with this place holds any.
pub(super) fn find(bytes: &[u8], at: usize) -> Option<usize> {
    match ANY_RARE.as_ref() {
        Some(any) if at <= bytes.len() => {
            any.find(Input::new(bytes).range(at..)).map(|hit| hit.start())
        }
        Some(_) => None,
        // The needles are constants; were they refused, every line would be looked at.
        None => (at < bytes.len()).then_some(at),
    }
}

/// Only the part within the limit counts, so that a line is judged alike in whatever pieces it
/// came.
pub(super) fn has_needle(line: &[u8]) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    OF_NGINX.iter().any(|needle| needle.find(line).is_some())
}

/// The same for the words of user code.
pub(super) fn has_user_needle(line: &[u8]) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    OF_USERS.as_ref().is_none_or(|needles| needles.is_match(line))
}

/// Whether a name could not be resolved in time. The number is that of the resolver's timer, ETIMEDOUT
/// of Linux or of BSD (nginx src/core/ngx_resolver.h).
pub(super) fn is_unresolved(line: &[u8]) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    memmem::find(line, UNRESOLVED).is_some_and(|at| {
        let reason = line.get(at + UNRESOLVED.len()..).unwrap_or_default();
        reason.starts_with(b"110: ") || reason.starts_with(b"60: ")
    })
}

/// Whether lines were left out of the log here.
pub(super) fn is_limiting(line: &[u8]) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    memmem::find(line, LIMITING).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_every_needle() {
        assert!(ANY_RARE.is_some() && OF_USERS.is_some());
        let of_users = returned_by_connect();
        for needle in NEEDLES.iter().chain(&of_users).chain([&LIMITING]) {
            let line = [b"xx", *needle, b"yy".as_slice()].concat();
            let found = find(&line, 0).filter(|at| (2..2 + needle.len()).contains(at));
            assert!(found.is_some(), "{}", String::from_utf8_lossy(needle));
            assert_eq!(find(&line, 2), found);
            assert_eq!(has_needle(&line), NEEDLES.contains(needle));
            assert_eq!(has_user_needle(&line), of_users.contains(needle));
        }
        assert_eq!(find(b"nothing", 0), None);
        assert_eq!(find(b"", 0), None);
    }
}
