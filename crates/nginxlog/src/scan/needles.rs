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

/// Of every needle of any kind a part that is rare in other lines: the long needles begin as much
/// else does (`upst`, `conn`), and a vector search looks at beginnings. No more than ten: of more
/// the regex crate takes beginnings of its own and checks the rest with an automaton.
const RARE: [&[u8]; 10] = [
    b"timed out",
    b"timeout",
    b"lua tcp socket",
    b"connect() ",
    b"bind(",
    b"refused",
    b"no route to",
    b"unreachable",
    b"cannot assign",
    b"too many log",
];

/// Only literals, which the regex crate looks for all at once with vector instructions: one pass
/// costs what a single `memmem` costs.
fn any_of<'a>(needles: impl IntoIterator<Item = &'a &'a [u8]>) -> Option<Regex> {
    let words: Vec<String> =
        needles.into_iter().map(|needle| regex::escape(&String::from_utf8_lossy(needle))).collect();
    Regex::new(&words.join("|")).ok()
}

static ANY_RARE: LazyLock<Option<Regex>> = LazyLock::new(|| any_of(&RARE));
static OF_NGINX: LazyLock<Option<Regex>> = LazyLock::new(|| any_of(&NEEDLES));
static OF_USERS: LazyLock<Option<Regex>> = LazyLock::new(|| any_of(&USER_NEEDLES));

/// The offset of the first place not before `at` where a needle of any kind may stand: no line
/// before the one with this place holds any.
pub(super) fn find(bytes: &[u8], at: usize) -> Option<usize> {
    match ANY_RARE.as_ref() {
        Some(any) if at <= bytes.len() => any.find_at(bytes, at).map(|hit| hit.start()),
        Some(_) => None,
        // The pattern is a constant; were it refused, every line would be looked at.
        None => (at < bytes.len()).then_some(at),
    }
}

/// Only the part within the limit counts, so that a line is judged alike in whatever pieces it
/// came.
pub(super) fn has_needle(line: &[u8]) -> bool {
    holds(line, &OF_NGINX)
}

/// The same for the words of user code.
pub(super) fn has_user_needle(line: &[u8]) -> bool {
    holds(line, &OF_USERS)
}

/// Whether lines were left out of the log here.
pub(super) fn is_limiting(line: &[u8]) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    memmem::find(line, LIMITING).is_some()
}

fn holds(line: &[u8], needles: &LazyLock<Option<Regex>>) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    needles.as_ref().is_none_or(|needles| needles.is_match(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_every_needle() {
        assert!(ANY_RARE.is_some() && OF_NGINX.is_some() && OF_USERS.is_some());
        for needle in NEEDLES.iter().chain(&USER_NEEDLES).chain([&LIMITING]) {
            let line = [b"xx", *needle, b"yy".as_slice()].concat();
            let found = find(&line, 0).filter(|at| (2..2 + needle.len()).contains(at));
            assert!(found.is_some(), "{}", String::from_utf8_lossy(needle));
            assert_eq!(find(&line, 2), found);
            assert_eq!(has_needle(&line), NEEDLES.contains(needle));
            assert_eq!(has_user_needle(&line), USER_NEEDLES.contains(needle));
        }
        assert_eq!(find(b"nothing", 0), None);
        assert_eq!(find(b"", 0), None);
    }
}
