//! What a record reports: which timeout or failure, in which phase, of which upstream.
//!
//! Decided by the beginning of the message, the **number** of the errno and the action, never by
//! the errno's text (it differs between C libraries) and never by text that a client or the
//! user's Lua code wrote. The messages are those of nginx src/http/ngx_http_upstream.c,
//! src/stream/ngx_stream_proxy_module.c, src/event/ngx_event_connect.c and of
//! lua-nginx-module src/ngx_http_lua_socket_tcp.c. Not decided here: what the timeout means.

mod user;

use why504_model::{Endpoint, TimeoutKind};

use crate::address::{cosocket_endpoint, unbracketed_endpoint, upstream_endpoint};
use crate::error::ErrorRecord;
pub(crate) use user::returned_by_connect;
pub use user::{UserPattern, UserPatternError};

/// What a connection was doing when its line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `bind()` of the local address, before connecting.
    Bind,
    /// Waiting for a place in a cosocket pool (`queued connect`): nothing was sent.
    Queue,
    /// The TCP handshake.
    Connect,
    /// The TLS handshake; one timer covers it and the TCP handshake.
    TlsHandshake,
    /// Sending the request.
    Send,
    /// Waiting for the response header, or a cosocket's read.
    Read,
    /// After the response header: body, upgraded connection, stream data.
    Transfer,
}

/// The meaning of a record that reports a failed or timed-out connect or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The kind of a case.
    pub kind: TimeoutKind,
    /// What was going on.
    pub phase: Phase,
    /// The line itself says that no SYN left the host.
    pub never_sent: bool,
    /// The upstream's address, where the line names one that can be believed.
    pub peer: Option<Endpoint>,
    /// A cosocket of Lua code, which leaves no trace in the `$upstream_*` variables.
    pub cosocket: bool,
    /// The words are those of the user's code. A line of nginx itself may report the same event.
    pub user_text: bool,
}

/// Why a record that looks like a timeout could not be classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassifyError {
    /// `upstream timed out` and nothing after it.
    #[error(
        "`upstream timed out` without ` while ...`, so whether connecting or reading timed out is \
         not known; the line is probably cut"
    )]
    NoAction,
    /// `connect() failed` without ` (number: text)`.
    #[error("a failed connect without its errno number; the line is probably cut")]
    NoErrno,
}

/// Classifies a record; `Ok(None)` when it reports something else.
pub fn classify(record: &ErrorRecord<'_>) -> Result<Option<Classified>, ClassifyError> {
    let message = record.message;
    // The stream module's cosockets say the same with a prefix.
    let lua = message.strip_prefix(b"stream ").unwrap_or(message);
    if let Some(rest) = lua.strip_prefix(b"lua tcp socket ") {
        return Ok(cosocket(rest, record));
    }
    if is(message, b"upstream timed out") {
        return upstream_timed_out(record).map(Some);
    }
    // On BSD the event itself brings the error (ngx_http_upstream.c:3024-3045).
    if is(message, b"connect() failed") || is(message, b"kevent() reported that connect() failed") {
        return failed_later(record);
    }
    if let Some(rest) = message.strip_prefix(b"connect() to ") {
        return failed_at_once(rest.strip_suffix(b" failed").unwrap_or_default(), record);
    }
    if between(message, b"bind(", b") failed").is_some() {
        return Ok(Some(Classified {
            kind: TimeoutKind::ConnectFailed,
            phase: Phase::Bind,
            never_sent: true,
            peer: context_peer(record),
            cosocket: record.action.is_none(),
            user_text: false,
        }));
    }
    Ok(proxy_connect(message).or_else(|| user::user_line(record)))
}

/// `lua tcp socket REST`: the three spellings of the connect timeout (before v0.10.12 without an
/// address, then `, when connecting to ADDR:PORT`, since v0.10.30 `, upstream: HOST:PORT(IP)`),
/// the queued connect, and the timeouts of read and write. The `upstream: "..."` of the context
/// belongs to the request, not to the cosocket, and is not used.
fn cosocket(rest: &[u8], record: &ErrorRecord<'_>) -> Option<Classified> {
    // Digits that run into a cut are not a port.
    let said = |marker: &[u8]| {
        let address = memchr::memchr_iter(b',', rest)
            .find_map(|comma| rest.get(comma..)?.strip_prefix(marker))?;
        unbracketed_endpoint(address).filter(|_| !is_cut(record))
    };
    let (kind, phase, peer) = if rest.starts_with(b"connect timed out") {
        (TimeoutKind::LuaConnectTimeout, Phase::Connect, said(b", when connecting to "))
    } else if rest.starts_with(b"queued connect timed out") {
        (TimeoutKind::LuaConnectTimeout, Phase::Queue, said(b", when trying to connect to "))
    } else if rest.starts_with(b"read timed out") {
        (TimeoutKind::LuaReadTimeout, Phase::Read, None)
    } else if rest.starts_with(b"write timed out") {
        (TimeoutKind::LuaReadTimeout, Phase::Send, None)
    } else {
        return None;
    };
    let peer = peer.or_else(|| record.cosocket.and_then(cosocket_endpoint));
    Some(Classified {
        kind,
        phase,
        never_sent: phase == Phase::Queue,
        peer,
        cosocket: true,
        user_text: false,
    })
}

/// `upstream timed out ... while ACTION` (ngx_http_upstream.c:4631, ngx_stream_proxy_module.c:1858).
fn upstream_timed_out(record: &ErrorRecord<'_>) -> Result<Classified, ClassifyError> {
    let action = record.action.ok_or(ClassifyError::NoAction)?;
    let (kind, phase) = if action.starts_with(b"connecting to upstream") {
        (TimeoutKind::UpstreamConnectTimeout, Phase::Connect)
    } else if action.starts_with(b"SSL handshaking")
        || action.starts_with(b"loading proxy ssl")
        || action.starts_with(b"proxy pass SSL handshaking")
    {
        (TimeoutKind::UpstreamSslTimeout, Phase::TlsHandshake)
    } else if action.starts_with(b"sending ") {
        (TimeoutKind::UpstreamReadTimeout, Phase::Send)
    } else if action.starts_with(b"reading response header") {
        (TimeoutKind::UpstreamReadTimeout, Phase::Read)
    } else if action == b"reading upstream" || action == b"proxying connection" || !is_cut(record) {
        (TimeoutKind::UpstreamReadTimeout, Phase::Transfer)
    } else {
        return Err(ClassifyError::NoAction);
    };
    let peer = context_peer(record);
    Ok(Classified { kind, phase, never_sent: false, peer, cosocket: false, user_text: false })
}

/// `connect() failed (NUMBER: ...)`: SO_ERROR after the SYN was sent. Without `while connecting
/// to upstream` it comes from a cosocket, and the context's upstream is not its peer.
fn failed_later(record: &ErrorRecord<'_>) -> Result<Option<Classified>, ClassifyError> {
    if is_side_connection(record) {
        return Ok(None);
    }
    let number = record.errno.ok_or(ClassifyError::NoErrno)?;
    let peer = record.cosocket.and_then(cosocket_endpoint).or_else(|| context_peer(record));
    Ok(Some(Classified {
        kind: kind_of_errno(number),
        phase: Phase::Connect,
        never_sent: false,
        peer,
        cosocket: record.action.is_none(),
        user_text: false,
    }))
}

/// `connect() to ADDRESS failed (NUMBER: ...)`: connect(2) itself failed (ngx_event_connect.c:254).
/// For a non-blocking socket Linux does that when there is no route, no permission or no local
/// port (tcp_v4_connect, inet_hash_connect in net/ipv4): no SYN left. A refusal needs a peer.
fn failed_at_once(
    address: &[u8],
    record: &ErrorRecord<'_>,
) -> Result<Option<Classified>, ClassifyError> {
    if is_side_connection(record) {
        return Ok(None);
    }
    let number = record.errno.ok_or(ClassifyError::NoErrno)?;
    let kind = kind_of_errno(number);
    Ok(Some(Classified {
        kind,
        phase: Phase::Connect,
        never_sent: kind != TimeoutKind::ConnectRefused,
        peer: upstream_endpoint(address, true),
        cosocket: record.action.is_none(),
        user_text: false,
    }))
}

/// The third-party module ngx_http_proxy_connect: `proxy_connect: upstream connect timed out
/// (peer:ADDR)` (ngx_http_proxy_connect_module.c:871).
fn proxy_connect(message: &[u8]) -> Option<Classified> {
    let rest = message.strip_prefix(b"proxy_connect: upstream ")?;
    let at = memchr::memmem::find(rest, b" timed out (peer:")?;
    let (kind, phase) = match rest.get(..at)? {
        b"connect" => (TimeoutKind::UpstreamConnectTimeout, Phase::Connect),
        b"send" => (TimeoutKind::UpstreamReadTimeout, Phase::Send),
        b"read" => (TimeoutKind::UpstreamReadTimeout, Phase::Transfer),
        _ => return None,
    };
    let peer = between(rest.get(at..)?, b" timed out (peer:", b")")
        .and_then(|address| upstream_endpoint(address, true));
    Some(Classified { kind, phase, never_sent: false, peer, cosocket: false, user_text: false })
}

/// Linux, then BSD and macOS, then Windows numbers. EACCES is what Linux makes of ICMP
/// "administratively prohibited" over IPv6; EHOSTDOWN is 112 on Linux and 64 on BSD, where 64 is
/// ENONET on Linux, which an ICMP "source isolated" becomes.
fn kind_of_errno(number: u32) -> TimeoutKind {
    match number {
        111 | 61 | 10061 => TimeoutKind::ConnectRefused,
        13 | 101 | 112 | 113 | 51 | 64 | 65 | 10051 | 10065 => TimeoutKind::ConnectUnreachable,
        _ => TimeoutKind::ConnectFailed,
    }
}

/// Connections of nginx to resolvers, syslog servers and OCSP responders: not to an upstream.
fn is_side_connection(record: &ErrorRecord<'_>) -> bool {
    record.action.is_some_and(|action| {
        [b"resolving".as_slice(), b"logging to syslog", b"requesting certificate status"]
            .into_iter()
            .any(|other| action.starts_with(other))
    })
}

/// Whether the line may have been cut in its head: nginx writes a context behind every message that
/// matters here.
fn is_cut(record: &ErrorRecord<'_>) -> bool {
    record.context.client.is_none() && record.context.lua_phase.is_none()
}

/// The `upstream: "..."` of the context, in the phases in which it is the peer of this line.
fn context_peer(record: &ErrorRecord<'_>) -> Option<Endpoint> {
    record.action?;
    let context = record.context;
    upstream_endpoint(context.upstream?, context.upstream_closed)
}

/// Whether the message is this one, whole or, in a line that was cut, as far as it goes: within its
/// last word, or within the errno after it.
fn is(message: &[u8], whole: &[u8]) -> bool {
    let cut_in_errno = || message.strip_prefix(whole).is_some_and(|rest| rest.starts_with(b" ("));
    let last_word = memchr::memrchr(b' ', whole).unwrap_or(0);
    whole.starts_with(message) && message.len() > last_word || cut_in_errno()
}

fn between<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(before)?.strip_suffix(after)
}

#[cfg(test)]
mod tests;
