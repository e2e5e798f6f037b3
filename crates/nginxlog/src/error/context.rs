//! The context of a record: `, client: ..., server: ..., request: "..."` and so on.
//!
//! The client chooses the bytes of `request`, `host` and `referrer`, and nginx does not escape
//! them, so a field may imitate others. The fields are read from left to right in nginx's fixed
//! order (src/http/ngx_http_request.c:4132-4235), a field that stands out of order is part of the
//! value before it, and a request line ends where its ` HTTP/1.1` ends: nginx answers 400 to a
//! request line that goes on after its version, so no such line reaches an upstream.

use std::sync::LazyLock;

use memchr::memchr_iter;
use memchr::memmem::Finder;

use crate::address::upstream_endpoint;

/// The fields of a request (http), session (stream, mail) or Lua timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// Client address without a port; `unix:` for a unix socket.
    pub client: Option<&'a [u8]>,
    /// Matched `server_name` (often empty or `_`), or a listen address.
    pub server: Option<&'a [u8]>,
    /// The request line as received.
    pub request: Option<&'a [u8]>,
    /// Decoded URI of a subrequest.
    pub subrequest: Option<&'a [u8]>,
    /// The upstream's URL, address or group name as logged.
    pub upstream: Option<&'a [u8]>,
    /// Host header.
    pub host: Option<&'a [u8]>,
    /// Referer header.
    pub referrer: Option<&'a [u8]>,
    /// The id that Kong and APISIX give a request and append to the context.
    pub request_id: Option<&'a [u8]>,
    /// `ngx.timer`, `init_worker_by_lua*`: a Lua phase without a request.
    pub lua_phase: Option<&'a [u8]>,
    /// Every quoted field that was begun is closed.
    pub closed: bool,
    /// The upstream field was closed: its last digits are not cut.
    pub upstream_closed: bool,
    /// Two `upstream` fields could each be nginx's own and name different addresses. Neither is
    /// believed: `upstream` is `None`.
    pub contested: bool,
}

/// In nginx's order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    LuaPhase,
    Client,
    Server,
    Login,
    Protocol,
    Request,
    Subrequest,
    Upstream,
    MailUpstream,
    Host,
    Referrer,
    RequestId,
    Bytes,
}

/// The keys that begin with a letter. Each comma of a record is asked for one, and most are followed by
/// none of these letters. `request_line` and quoted clients are Angie's spelling since 1.12.
fn keys(letter: u8) -> &'static [(&'static [u8], Key)] {
    match letter {
        b'c' => &[(b"client: ", Key::Client), (b"context: ", Key::LuaPhase)],
        b'u' => &[
            (b"upstream: \"", Key::Upstream),
            // A mail session (ngx_mail_handler.c:979-1022): no quotes, and nothing follows it.
            (b"upstream: ", Key::MailUpstream),
            (b"udp client: ", Key::Client),
        ],
        b's' => &[(b"server: ", Key::Server), (b"subrequest: \"", Key::Subrequest)],
        b'l' => &[(b"login: \"", Key::Login)],
        b'p' => &[(b"protocol: \"", Key::Protocol)],
        b'r' => &[
            (b"request: \"", Key::Request),
            (b"referrer: \"", Key::Referrer),
            (b"request_id: \"", Key::RequestId),
            (b"request_line: \"", Key::Request),
        ],
        b'h' => &[(b"host: \"", Key::Host)],
        b'b' => &[(b"bytes from/to ", Key::Bytes), (b"bytes_from_client: ", Key::Bytes)],
        _ => &[],
    }
}

/// What closes one field and begins another `upstream`.
const NEXT_UPSTREAM: &[u8] = b"\", upstream: \"";

static NEXT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NEXT_UPSTREAM));

impl<'a> Context<'a> {
    /// Reads the context, which begins with `, `; empty bytes give an empty context.
    pub(super) fn parse(text: &'a [u8]) -> Self {
        let mut context = Self { closed: true, ..Self::default() };
        let mut rest = text;
        let mut after: Option<Key> = None;
        let mut from_upstream: &[u8] = &[];
        while let Some((key, quoted, value)) = next_key(rest, after) {
            if key == Key::Bytes {
                break;
            }
            let (end, next, closed) = if quoted {
                quoted_end(value, key)
            } else {
                let end = bare_end(value, key);
                (end, end, true)
            };
            context.set(key, value.get(..end).unwrap_or(value), closed);
            if key == Key::Upstream {
                from_upstream = value;
            }
            rest = value.get(next..).unwrap_or_default();
            after = Some(key);
        }
        context.contest(from_upstream);
        context
    }

    fn set(&mut self, key: Key, value: &'a [u8], closed: bool) {
        self.closed &= closed;
        match key {
            Key::LuaPhase => self.lua_phase = Some(value),
            // A mail session that has begun TLS says so here.
            Key::Client => {
                self.client = Some(value.strip_suffix(b" using starttls").unwrap_or(value));
            }
            Key::Server => self.server = Some(value),
            // A request line that was cut is not the request line.
            Key::Request if closed => self.request = Some(value),
            Key::Subrequest => self.subrequest = Some(value),
            Key::Upstream => {
                self.upstream = Some(value);
                self.upstream_closed = closed;
            }
            Key::MailUpstream => {
                self.upstream = Some(value);
                // Its end is that of the line, which may have been cut.
                self.upstream_closed = false;
            }
            Key::Host => self.host = Some(value),
            Key::Referrer => self.referrer = Some(value),
            Key::RequestId if closed => self.request_id = Some(value),
            Key::Request | Key::Login | Key::Protocol | Key::RequestId | Key::Bytes => {}
        }
    }

    /// Takes `upstream` back when another field could be the real one. Over HTTP/2 old versions
    /// of nginx let a path hold `" HTTP/1.1", upstream: "..."`, and the decoded URI of a
    /// subrequest may hold anything. `rest` is the record from the value of `upstream` on.
    fn contest(&mut self, rest: &[u8]) {
        let Some(upstream) = self.upstream else { return };
        let mut others = NEXT.find_iter(rest).peekable();
        if others.peek().is_none() {
            return;
        }
        let believed = upstream_endpoint(upstream, self.upstream_closed);
        self.contested = others.any(|at| {
            let could_end_there =
                self.subrequest.is_some() || ends_with_version(rest.get(..at).unwrap_or_default());
            let other = rest.get(at + NEXT_UPSTREAM.len()..).unwrap_or_default();
            could_end_there && upstream_endpoint(other, true) != believed
        });
        if self.contested {
            self.upstream = None;
        }
    }
}

/// The key that `rest` begins with, after `, `, if it may follow `after`; whether its value is
/// quoted, and the text from the value on.
fn next_key(rest: &[u8], after: Option<Key>) -> Option<(Key, bool, &[u8])> {
    let rest = rest.strip_prefix(b", ")?;
    let (key, value) = keys(*rest.first()?).iter().find_map(|(text, key)| {
        Some((*key, rest.strip_prefix(*text)?)).filter(|_| after.is_none_or(|last| last < *key))
    })?;
    if key == Key::MailUpstream {
        // Only right behind the fields of a session, and only an address.
        let session = matches!(after, Some(Key::Server | Key::Login));
        return (session && upstream_endpoint(value, true).is_some())
            .then_some((key, false, value));
    }
    if key > Key::Server {
        return Some((key, true, value));
    }
    // Only Angie quotes these; elsewhere a value that begins with a quote does not occur.
    Some(value.strip_prefix(b"\"").map_or((key, false, value), |quoted| (key, true, quoted)))
}

/// The end of an unquoted value: where a key that may follow begins, or the end of the record.
fn bare_end(value: &[u8], key: Key) -> usize {
    memchr_iter(b',', value)
        .find(|at| next_key(value.get(*at..).unwrap_or_default(), Some(key)).is_some())
        // A mail session prints ` using starttls` and an unquoted upstream; neither is of use.
        .unwrap_or(value.len())
}

/// The end of a quoted value, where the text goes on, and whether a quote closed it.
fn quoted_end(value: &[u8], key: Key) -> (usize, usize, bool) {
    let ends = || {
        memchr_iter(b'"', value).filter(|at| {
            let after = value.get(at + 1..).unwrap_or_default();
            after.is_empty() || next_key(after, Some(key)).is_some()
        })
    };
    let versioned = (key == Key::Request)
        .then(|| ends().find(|at| ends_with_version(value.get(..*at).unwrap_or_default())))
        .flatten();
    match versioned.or_else(|| ends().next()) {
        Some(at) => (at, at + 1, true),
        None => (value.len(), value.len(), false),
    }
}

/// Whether the text ends like a request line: ` HTTP/1.1`, ` HTTP/2.0`.
fn ends_with_version(text: &[u8]) -> bool {
    let Some((_, [head @ .., major, b'.', minor])) = text.split_last_chunk::<9>() else {
        return false;
    };
    head == b" HTTP/" && major.is_ascii_digit() && minor.is_ascii_digit()
}
