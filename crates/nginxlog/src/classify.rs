//! What a record reports: which timeout or failure, in which phase, of which upstream.
//!
//! Decided by the beginning of the message, the **number** of the errno and the action, never by
//! the errno's text (it differs between C libraries) and never by text that a client or the
//! user's Lua code wrote. The messages are those of nginx src/http/ngx_http_upstream.c,
//! src/stream/ngx_stream_proxy_module.c, src/event/ngx_event_connect.c and of
//! lua-nginx-module src/ngx_http_lua_socket_tcp.c. Not decided here: what the timeout means.

use why504_model::{Endpoint, TimeoutKind};

use crate::address::{cosocket_endpoint, unbracketed_endpoint, upstream_endpoint};
use crate::error::ErrorRecord;

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
    if message == b"upstream timed out" {
        return upstream_timed_out(record).map(Some);
    }
    if message == b"connect() failed" {
        return failed_later(record);
    }
    if let Some(address) = between(message, b"connect() to ", b" failed") {
        return failed_at_once(address, record);
    }
    if between(message, b"bind(", b") failed").is_some() {
        return Ok(Some(Classified {
            kind: TimeoutKind::ConnectFailed,
            phase: Phase::Bind,
            never_sent: true,
            peer: context_peer(record),
            cosocket: record.action.is_none(),
        }));
    }
    Ok(proxy_connect(message))
}

/// `lua tcp socket REST`: the three spellings of the connect timeout (before v0.10.12 without an
/// address, then `, when connecting to ADDR:PORT`, since v0.10.30 `, upstream: HOST:PORT(IP)`),
/// the queued connect, and the timeouts of read and write. The `upstream: "..."` of the context
/// belongs to the request, not to the cosocket, and is not used.
fn cosocket(rest: &[u8], record: &ErrorRecord<'_>) -> Option<Classified> {
    let said = |marker: &[u8]| {
        let address = rest.get(memchr::memmem::find(rest, marker)? + marker.len()..)?;
        unbracketed_endpoint(address)
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
    Some(Classified { kind, phase, never_sent: phase == Phase::Queue, peer, cosocket: true })
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
    } else {
        (TimeoutKind::UpstreamReadTimeout, Phase::Transfer)
    };
    let peer = context_peer(record);
    Ok(Classified { kind, phase, never_sent: false, peer, cosocket: false })
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
    Some(Classified { kind, phase, never_sent: false, peer, cosocket: false })
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

/// The `upstream: "..."` of the context, in the phases in which it is the peer of this line.
fn context_peer(record: &ErrorRecord<'_>) -> Option<Endpoint> {
    record.action?;
    let context = record.context;
    upstream_endpoint(context.upstream?, context.upstream_closed)
}

fn between<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(before)?.strip_suffix(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimeoutKind as K;

    const HEADER: &str = "2026/11/22 07:18:23 [error] 31#31: *569 ";
    const HTTP: &str = ", client: 203.0.113.7, server: a, request: \"GET / HTTP/1.1\"";
    const PROXIED: &str = ", client: 203.0.113.7, server: a, request: \"GET / HTTP/1.1\", \
                           upstream: \"http://10.0.0.9:8080/\", host: \"a\"";

    fn of(head: &str, context: &str) -> Result<Option<Classified>, ClassifyError> {
        let line = format!("{HEADER}{head}{context}");
        classify(&ErrorRecord::parse(line.as_bytes()).expect("the test line is a record"))
    }

    #[test]
    fn cosocket_messages_of_all_eras() {
        let v4 = "10.0.0.9:6379";
        let v6 = "[2001:db8::9]:6379";
        let rows: [(&str, K, Phase, Option<&str>); 11] = [
            ("lua tcp socket connect timed out", K::LuaConnectTimeout, Phase::Connect, None),
            (
                "lua tcp socket connect timed out, when connecting to 10.0.0.9:6379",
                K::LuaConnectTimeout,
                Phase::Connect,
                Some(v4),
            ),
            (
                "lua tcp socket connect timed out, when connecting to 2001:db8::9:6379",
                K::LuaConnectTimeout,
                Phase::Connect,
                Some(v6),
            ),
            (
                "lua tcp socket connect timed out, when connecting to unix:/run/r.sock:0",
                K::LuaConnectTimeout,
                Phase::Connect,
                None,
            ),
            (
                "lua tcp socket connect timed out, upstream: r.internal:6379(10.0.0.9)",
                K::LuaConnectTimeout,
                Phase::Connect,
                Some(v4),
            ),
            (
                "stream lua tcp socket connect timed out, when connecting to 10.0.0.9:6379",
                K::LuaConnectTimeout,
                Phase::Connect,
                Some(v4),
            ),
            (
                "stream lua tcp socket connect timed out, upstream: r:6379(2001:db8::9)",
                K::LuaConnectTimeout,
                Phase::Connect,
                Some(v6),
            ),
            (
                "lua tcp socket queued connect timed out, when trying to connect to 10.0.0.9:6379",
                K::LuaConnectTimeout,
                Phase::Queue,
                Some(v4),
            ),
            ("lua tcp socket read timed out", K::LuaReadTimeout, Phase::Read, None),
            (
                "lua tcp socket read timed out, upstream: r:6379(10.0.0.9)",
                K::LuaReadTimeout,
                Phase::Read,
                Some(v4),
            ),
            ("lua tcp socket write timed out", K::LuaReadTimeout, Phase::Send, None),
        ];
        for (head, kind, phase, peer) in rows {
            for context in [HTTP, PROXIED, ", context: ngx.timer"] {
                let found = of(head, context).expect("no error").expect("a timeout");
                assert_eq!((found.kind, found.phase), (kind, phase), "{head}");
                assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), peer, "{head}{context}");
                assert_eq!(found.never_sent, phase == Phase::Queue);
                assert!(found.cosocket);
            }
        }
    }

    #[test]
    fn upstream_timeouts_by_action() {
        let rows = [
            ("connecting to upstream", K::UpstreamConnectTimeout, Phase::Connect),
            ("connecting to upstream(proxy_connect)", K::UpstreamConnectTimeout, Phase::Connect),
            ("SSL handshaking to upstream", K::UpstreamSslTimeout, Phase::TlsHandshake),
            ("loading proxy ssl certificate by lua", K::UpstreamSslTimeout, Phase::TlsHandshake),
            ("sending request to upstream", K::UpstreamReadTimeout, Phase::Send),
            ("reading response header from upstream", K::UpstreamReadTimeout, Phase::Read),
            ("reading upstream", K::UpstreamReadTimeout, Phase::Transfer),
            ("proxying upgraded connection", K::UpstreamReadTimeout, Phase::Transfer),
        ];
        for (action, kind, phase) in rows {
            // The errno is 60 on BSD; its text is whatever the C library says.
            for errno in ["(110: Connection timed out)", "(110: Operation timed out)", "(60: x)"] {
                let head = format!("upstream timed out {errno} while {action}");
                let found = of(&head, PROXIED).expect("no error").expect("a timeout");
                assert_eq!((found.kind, found.phase, found.never_sent), (kind, phase, false));
                assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:8080"));
            }
        }
    }

    #[test]
    fn failed_connects_by_errno_number() {
        let rows = [
            (111, K::ConnectRefused),
            (61, K::ConnectRefused),
            (113, K::ConnectUnreachable),
            (101, K::ConnectUnreachable),
            (13, K::ConnectUnreachable),
            (65, K::ConnectUnreachable),
            (112, K::ConnectUnreachable),
            (64, K::ConnectUnreachable),
            (110, K::ConnectFailed),
            (60, K::ConnectFailed),
            (104, K::ConnectFailed),
            (99, K::ConnectFailed),
        ];
        for (number, kind) in rows {
            let head =
                format!("connect() failed ({number}: whatever) while connecting to upstream");
            let found = of(&head, PROXIED).expect("no error").expect("a failure");
            assert_eq!((found.kind, found.never_sent, found.cosocket), (kind, false, false));
            assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:8080"));
            // The cosocket's failure names no address, whatever the request's upstream was.
            let found = of(&format!("connect() failed ({number}: x)"), PROXIED).expect("no error");
            let found = found.expect("a failure");
            assert_eq!((found.kind, found.peer, found.cosocket), (kind, None, true));
            let head = format!("connect() to [2001:db8::9]:80 failed ({number}: x)");
            let found = of(&head, HTTP).expect("no error").expect("a failure");
            assert_eq!(found.never_sent, kind != K::ConnectRefused, "{number}");
            assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), Some("[2001:db8::9]:80"));
        }
    }

    #[test]
    fn a_local_bind_failure_is_not_the_peers_address() {
        let found = of("bind(10.0.0.1:5000) failed (98: x) while connecting to upstream", PROXIED)
            .expect("no error")
            .expect("a failure");
        assert_eq!(
            (found.kind, found.phase, found.never_sent),
            (K::ConnectFailed, Phase::Bind, true)
        );
        assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:8080"));
    }

    #[test]
    fn proxy_connect_names_its_peer_in_the_message() {
        let found = of("proxy_connect: upstream connect timed out (peer:10.0.0.9:443) while connecting to upstream", HTTP)
            .expect("no error")
            .expect("a timeout");
        assert_eq!(found.kind, K::UpstreamConnectTimeout);
        assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:443"));
    }

    #[test]
    fn other_messages_are_other_and_cut_ones_are_errors() {
        for head in [
            "[lua] a.lua:1: lua tcp socket connect timed out",
            "lua udp socket read timed out",
            "lua tcp socket connect failed",
            "connection timed out (110: x) while proxying connection",
            "bind() to 0.0.0.0:80 failed (98: Address already in use)",
            "connect() failed (111: x) while resolving, resolver: 127.0.0.1:53",
            "no live upstreams while connecting to upstream",
            "client timed out (110: x) while reading client request line",
            "api.internal could not be resolved (110: Operation timed out)",
        ] {
            assert_eq!(of(head, HTTP), Ok(None), "{head}");
        }
        assert_eq!(of("upstream timed out (110: x)", HTTP), Err(ClassifyError::NoAction));
        assert_eq!(of("connect() failed", ""), Err(ClassifyError::NoErrno));
        assert_eq!(of("connect() to 10.0.0.9:80 failed", ""), Err(ClassifyError::NoErrno));
    }
}
