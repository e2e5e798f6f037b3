//! Failed connects that the user's own code reports: lines of `ngx.log`, and patterns for
//! messages that only the user knows.
//!
//! With `lua_socket_log_errors off` (as Kong and APISIX ship it) they are all there is. Code says
//! what it likes, so only texts are taken that report a connect and end with what `connect()`
//! returned: `timeout`, or the C library's text of an errno in lower case (lua-nginx-module
//! src/ngx_http_lua_socket_tcp.c:2346-2391). A TLS handshake or a reply that timed out while
//! "connecting" in a wider sense is not.

use regex::bytes::Regex;
use why504_model::{Endpoint, TimeoutKind};

use super::{Classified, Phase};
use crate::address::{unbracketed_endpoint, upstream_endpoint};
use crate::error::ErrorRecord;

/// What a cosocket's `connect()` returns, and what it means. glibc's and musl's texts differ.
const RETURNED: [(&[u8], TimeoutKind); 10] = [
    (b"connection timed out", TimeoutKind::ConnectFailed),
    (b"operation timed out", TimeoutKind::ConnectFailed),
    (b"timeout", TimeoutKind::UserTimeout),
    (b"connection refused", TimeoutKind::ConnectRefused),
    (b"no route to host", TimeoutKind::ConnectUnreachable),
    (b"host is unreachable", TimeoutKind::ConnectUnreachable),
    (b"network is unreachable", TimeoutKind::ConnectUnreachable),
    (b"network unreachable", TimeoutKind::ConnectUnreachable),
    (b"cannot assign requested address", TimeoutKind::ConnectFailed),
    (b"address not available", TimeoutKind::ConnectFailed),
];

/// The texts that a failed connect returns, for the search for lines that may hold one.
pub(crate) fn returned_by_connect() -> [&'static [u8]; 10] {
    RETURNED.map(|(text, _)| text)
}

/// Parts of words that show that something else than the connect failed.
const OTHER_STEPS: [&[u8]; 17] = [
    b"read",
    b"receiv",
    b"recv",
    b"send",
    b"sent",
    b"writ",
    b"handshake",
    b"ssl",
    b"response",
    b"header",
    b"resolv",
    b"dns",
    b"auth",
    b"reply",
    b"pool",
    b"lock",
    b"keepalive",
];

/// The most bytes between `connect` and what it returned: a host name, a port, some words.
const MAX_BETWEEN: usize = 320;

/// A line of `ngx.log` that clearly reports a failed connect.
pub(super) fn user_line(record: &ErrorRecord<'_>) -> Option<Classified> {
    let said = own_words(record)?;
    let lower = said.to_ascii_lowercase();
    let (returned, kind) =
        RETURNED.iter().find(|(returned, _)| lower.ends_with(returned)).copied()?;
    let before = lower.get(..lower.len() - returned.len())?;
    // `read timeout`, `lua_timeout`: not an error by itself but a part of a sentence.
    let separate =
        before.strip_suffix(b" ").is_some_and(|b| b.ends_with(b":") || b.ends_with(b","))
            || before.ends_with(b":")
            || before.ends_with(b"(")
            || before.ends_with(b"=")
            || before.ends_with(b"\"")
            || before.ends_with(b"'");
    if !separate {
        return None;
    }
    let end = connect_word(before)?;
    let between = before.get(end..)?;
    let other = OTHER_STEPS.iter().any(|step| memchr::memmem::find(between, step).is_some());
    if other || between.len() > MAX_BETWEEN {
        return None;
    }
    let peer = said.get(end..before.len()).and_then(named_peer);
    let unsent = matches!(returned, b"cannot assign requested address" | b"address not available");
    Some(Classified {
        kind,
        phase: Phase::Connect,
        never_sent: unsent,
        peer,
        cosocket: true,
        user_text: true,
    })
}

/// The text that the code logged, of its first line, without the place in the code
/// (`[lua] FILE:LINE: FUNC(): `, lua-nginx-module src/ngx_http_lua_log.c:91-275) and without what
/// follows the error.
fn own_words<'a>(record: &ErrorRecord<'a>) -> Option<&'a [u8]> {
    let head = record.head.strip_prefix(b"stream ").unwrap_or(record.head);
    let text = head.strip_prefix(b"[lua] ").or_else(|| head.strip_prefix(b"[kong] "))?;
    let text = text.strip_suffix(b" while connecting to upstream").unwrap_or(text);
    let first = text.split(|b| *b == b'\n').next().unwrap_or(text);
    let said = first.get(place_length(first)..)?;
    let said = said.trim_ascii_end();
    let end = said.iter().rposition(|b| !b".,;!)\"']".contains(b)).map_or(0, |last| last + 1);
    said.get(..end)
}

/// The length of `FILE:LINE: FUNC(): `, `FILE:LINE: ` or, in Kong, `FILE:LINE `.
fn place_length(text: &[u8]) -> usize {
    for colon in memchr::memchr_iter(b':', text) {
        let rest = text.get(colon + 1..).unwrap_or_default();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let after = rest.get(digits..).unwrap_or_default();
        if digits == 0 || !after.starts_with(b": ") && !after.starts_with(b" ") {
            continue;
        }
        let said =
            colon + 1 + digits + after.iter().take(2).take_while(|b| b": ".contains(b)).count();
        let function = text.get(said..).unwrap_or_default();
        let name = function
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || b"_.:<>/-".contains(b))
            .count();
        let called = function.get(name..).is_some_and(|rest| rest.starts_with(b"(): "));
        return if called { said + name + 4 } else { said };
    }
    0
}

/// Where the last `connect`, `connecting`, `connect()` or `connection` in lower-case text ends.
fn connect_word(lower: &[u8]) -> Option<usize> {
    let word = b"connect";
    let mut found = None;
    for at in memchr::memmem::find_iter(lower, word) {
        let begins = at == 0 || lower.get(at - 1).is_some_and(|b| !b.is_ascii_alphanumeric());
        let rest = lower.get(at + word.len()..).unwrap_or_default();
        let tail = rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let known = matches!(rest.get(..tail), Some(b"" | b"ing" | b"ion"));
        if begins && known {
            found = Some(at + word.len() + tail);
        }
    }
    found
}

/// An address right after `connect to` or `connect`: `10.0.0.9:6379`.
fn named_peer(after: &[u8]) -> Option<Endpoint> {
    let after = after.trim_ascii_start();
    let after = after.strip_prefix(b"to ").unwrap_or(after);
    let end = after.iter().position(|b| b" ,;".contains(b)).unwrap_or(after.len());
    let word = after.get(..end)?;
    upstream_endpoint(word.strip_suffix(b":").unwrap_or(word), true)
}

/// A regular expression for messages of one's own that report a connect timeout.
#[derive(Clone, Debug)]
pub struct UserPattern {
    regex: Regex,
}

/// Why a text is no pattern for messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserPatternError {
    /// Not a regular expression of the `regex` crate.
    #[error("{0}")]
    Syntax(String),
    /// It matches the empty text, so every line would be a case.
    #[error("it matches an empty message, so every line of the log would count as a timeout")]
    MatchesEmpty,
}

impl UserPattern {
    /// Compiles a pattern. It is searched in the message of a record: after `pid#tid: *N ` and
    /// before `, client: `. A group `(?P<peer>...)` around `IP:PORT` names the upstream.
    pub fn new(pattern: &str) -> Result<Self, UserPatternError> {
        let regex =
            Regex::new(pattern).map_err(|error| UserPatternError::Syntax(error.to_string()))?;
        if regex.is_match(b"") {
            return Err(UserPatternError::MatchesEmpty);
        }
        Ok(Self { regex })
    }

    /// Reads a record as this pattern's timeout.
    pub fn classify(&self, record: &ErrorRecord<'_>) -> Option<Classified> {
        let groups = self.regex.captures(record.head)?;
        let peer = groups.name("peer").and_then(|group| {
            let address = group.as_bytes();
            upstream_endpoint(address, true).or_else(|| unbracketed_endpoint(address))
        });
        Some(Classified {
            kind: TimeoutKind::UserTimeout,
            phase: Phase::Connect,
            never_sent: false,
            peer,
            cosocket: true,
            user_text: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimeoutKind as K;

    fn of(head: &str) -> Option<Classified> {
        let line = format!(
            "2026/11/22 07:18:23 [error] 31#31: *569 {head}, client: 203.0.113.7, server: a"
        );
        user_line(&ErrorRecord::parse(line.as_bytes()).expect("a record"))
    }

    #[test]
    fn texts_that_clearly_report_a_failed_connect() {
        let rows: [(&str, K, Option<&str>); 14] = [
            ("[lua] redis.lua:27: connect(): failed to connect: timeout", K::UserTimeout, None),
            (
                "[lua] a.lua:7: failed to connect to 10.0.0.9:6379: timeout",
                K::UserTimeout,
                Some("10.0.0.9:6379"),
            ),
            (
                "[lua] a.lua:7: f(): failed to connect to redis.internal:6379, err: timeout.",
                K::UserTimeout,
                None,
            ),
            (
                "[lua] a.lua:7: connect to [2001:db8::9]:80 failed: timeout",
                K::UserTimeout,
                Some("[2001:db8::9]:80"),
            ),
            (
                "[lua] content_by_lua(nginx.conf:51):5: Could not connect: timeout",
                K::UserTimeout,
                None,
            ),
            (
                "[lua] [string \"return function() ngx.log(...\"]:1: f(): cannot connect (timeout)",
                K::UserTimeout,
                None,
            ),
            ("stream [lua] a.lua:7: failed to connect: timeout", K::UserTimeout, None),
            (
                "[kong] handler.lua:54 [my-plugin] failed to connect to 10.0.0.9:80: timeout",
                K::UserTimeout,
                Some("10.0.0.9:80"),
            ),
            (
                "[lua] a.lua:7: redis connection error: timeout while connecting to upstream",
                K::UserTimeout,
                None,
            ),
            ("[lua] a.lua:7: failed to connect: connection refused", K::ConnectRefused, None),
            ("[lua] a.lua:7: failed to connect: no route to host", K::ConnectUnreachable, None),
            ("[lua] a.lua:7: failed to connect: host is unreachable", K::ConnectUnreachable, None),
            ("[lua] a.lua:7: failed to connect: connection timed out", K::ConnectFailed, None),
            (
                "[lua] a.lua:7: failed to connect: timeout\nstack traceback:\n\t[C]: in x",
                K::UserTimeout,
                None,
            ),
        ];
        for (head, kind, peer) in rows {
            let found = of(head).unwrap_or_else(|| panic!("{head}"));
            assert_eq!((found.kind, found.phase, found.never_sent), (kind, Phase::Connect, false));
            assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), peer, "{head}");
            assert!(found.user_text && found.cosocket);
        }
        let found = of("[lua] a.lua:7: failed to connect: cannot assign requested address");
        assert!(found.expect("a failure").never_sent);
    }

    #[test]
    fn texts_about_something_else() {
        for head in [
            "failed to connect: timeout",
            "[lua] a.lua:7: connect(): timeout",
            "[lua] a.lua:7: failed to connect: failed to receive response header: timeout",
            "[lua] a.lua:7: connect(): failed to read reply: timeout",
            "[lua] a.lua:7: failed to connect: handshake failed: timeout",
            "[lua] a.lua:7: failed to connect: redis.internal could not be resolved (110: Operation timed out)",
            "[lua] a.lua:7: connected, then: timeout",
            "[lua] a.lua:7: connect timeout",
            "[lua] a.lua:7: failed to connect: timeout, trying again",
            "[lua] a.lua:7: connect redis fail",
            "[lua] a.lua:7: failed to set timeout",
            "[lua] a.lua:7: timeout",
            "[lua] ",
            "[lua] a.lua:7",
        ] {
            assert_eq!(of(head), None, "{head}");
        }
    }

    #[test]
    fn a_pattern_names_its_peer() {
        let pattern = UserPattern::new(r"cache (?P<peer>\S+) did not answer").expect("a pattern");
        for (address, expected) in [
            ("10.0.0.9:6379", Some("10.0.0.9:6379")),
            ("[2001:db8::9]:6379", Some("[2001:db8::9]:6379")),
            ("2001:db8::9:6379", Some("[2001:db8::9]:6379")),
            ("redis:6379", None),
        ] {
            let line = format!("2026/11/22 07:18:23 [warn] 1#1: *5 cache {address} did not answer");
            let record = ErrorRecord::parse(line.as_bytes()).expect("a record");
            let found = pattern.classify(&record).expect("matches");
            assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), expected);
            assert_eq!(found.kind, K::UserTimeout);
        }
        // Text of the client is not the message.
        let line = b"2026/11/22 07:18:23 [warn] 1#1: *5 x, client: 1.2.3.4, server: a, request: \"GET /cache 1.2.3.4:5 did not answer HTTP/1.1\"";
        assert_eq!(pattern.classify(&ErrorRecord::parse(line).expect("a record")), None);
    }

    #[test]
    fn a_pattern_that_cannot_be_used_says_why() {
        assert_eq!(UserPattern::new("x*").err(), Some(UserPatternError::MatchesEmpty));
        assert!(matches!(UserPattern::new("(").err(), Some(UserPatternError::Syntax(_))));
    }
}
