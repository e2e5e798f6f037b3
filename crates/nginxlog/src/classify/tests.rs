//! Messages of nginx and of its modules.

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
        let head = format!("connect() failed ({number}: whatever) while connecting to upstream");
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
fn an_error_that_the_event_brought_is_the_same_failure() {
    let head = "kevent() reported that connect() failed (60: x) while connecting to upstream";
    let found = of(head, PROXIED).expect("no error").expect("a failure");
    assert_eq!((found.kind, found.never_sent), (K::ConnectFailed, false));
    assert_eq!(found.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:8080"));
}

#[test]
fn a_line_that_was_cut_in_the_errnos_text_has_its_number() {
    let found = of("connect() failed (111: Connection ref", "").expect("no error");
    assert_eq!(found.map(|found| (found.kind, found.peer)), Some((K::ConnectRefused, None)));
    for head in [
        "connect() failed (11",
        "connect() fai",
        "connect() to 10.0.0.9:80 fai",
        "connect() to 10.",
    ] {
        assert_eq!(of(head, ""), Err(ClassifyError::NoErrno), "{head}");
    }
    assert_eq!(of("upstream timed out (11", ""), Err(ClassifyError::NoAction));
}

#[test]
fn a_local_bind_failure_is_not_the_peers_address() {
    let found = of("bind(10.0.0.1:5000) failed (98: x) while connecting to upstream", PROXIED)
        .expect("no error")
        .expect("a failure");
    assert_eq!((found.kind, found.phase, found.never_sent), (K::ConnectFailed, Phase::Bind, true));
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
