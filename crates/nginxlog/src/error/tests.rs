//! Records written by hand from the grammar; no line here was taken from a real log.

use super::*;
use proptest::prelude::*;

fn parse(line: &str) -> ErrorRecord<'_> {
    ErrorRecord::parse(line.as_bytes()).expect("the test line is a record")
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    bytes.map(|b| core::str::from_utf8(b).expect("the test line is UTF-8"))
}

#[test]
fn an_http_record_has_all_its_fields() {
    let record = parse(
        "2026/11/22 07:18:23 [error] 31#32: *570 upstream timed out (110: Operation timed out) \
         while connecting to upstream, client: 203.0.113.7, server: _, request: \"GET / HTTP/2.0\", \
         subrequest: \"/_auth\", upstream: \"https://[2001:db8::9]:443/o\", host: \"api.example.com\", \
         referrer: \"https://example.com/\"",
    );
    assert_eq!(record.time.to_string(), "2026-11-22 07:18:23");
    assert_eq!((record.level, record.pid, record.tid), (Level::Error, 31, 32));
    assert_eq!(record.connection, Some(570));
    assert_eq!(record.message, b"upstream timed out");
    assert_eq!(record.errno, Some(110));
    assert_eq!(text(record.action), Some("connecting to upstream"));
    let context = record.context;
    assert_eq!(text(context.client), Some("203.0.113.7"));
    assert_eq!(text(context.server), Some("_"));
    assert_eq!(text(context.request), Some("GET / HTTP/2.0"));
    assert_eq!(text(context.subrequest), Some("/_auth"));
    assert_eq!(text(context.upstream), Some("https://[2001:db8::9]:443/o"));
    assert_eq!(text(context.host), Some("api.example.com"));
    assert_eq!(text(context.referrer), Some("https://example.com/"));
    assert!(record.is_complete() && !context.contested);
}

#[test]
fn stream_timer_and_bare_contexts() {
    let stream = parse(
        "2026/11/22 07:18:23 [error] 28#28: *15 upstream timed out (110: x) while connecting to \
         upstream, client: 10.0.1.7, server: 0.0.0.0:3307, upstream: \"10.0.1.8:3306\", bytes \
         from/to client:0/0, bytes from/to upstream:0/0",
    );
    assert_eq!(text(stream.context.server), Some("0.0.0.0:3307"));
    assert_eq!(text(stream.context.upstream), Some("10.0.1.8:3306"));
    assert!(stream.is_complete());
    let timer = parse(
        "2026/11/22 07:18:23 [error] 2#2: *9 lua tcp socket read timed out, context: ngx.timer",
    );
    assert_eq!(text(timer.context.lua_phase), Some("ngx.timer"));
    assert_eq!(timer.message, b"lua tcp socket read timed out");
    let timer = parse(
        "2026/11/22 07:18:23 [error] 2#2: *9 x, context: ngx.timer, client: 10.0.0.1, server: 0.0.0.0:80",
    );
    assert_eq!(text(timer.context.client), Some("10.0.0.1"));
    let bare = parse("2026/11/22 07:18:23 [warn] 2#0: something");
    assert_eq!((bare.connection, bare.action, bare.context.client), (None, None, None));
    assert!(!bare.is_complete());
    let empty_server = parse(
        "2026/11/22 07:18:23 [error] 2#0: *1 x, client: ::1, server: , request: \"GET / HTTP/1.0\"",
    );
    assert_eq!(text(empty_server.context.server), Some(""));
}

#[test]
fn errno_is_a_number_and_its_text_may_hold_anything() {
    let rows: [(&str, &str, Option<u32>, Option<&str>); 6] = [
        ("connect() failed (111: Unknown error)", "connect() failed", Some(111), None),
        (
            "connect() failed (10060: A party (or host) did not) while x",
            "connect() failed",
            Some(10060),
            Some("x"),
        ),
        (
            "SSL_do_handshake() failed (SSL: error:0A) (104: reset) while x",
            "SSL_do_handshake() failed (SSL: error:0A)",
            Some(104),
            Some("x"),
        ),
        (
            "no live upstreams while connecting to upstream",
            "no live upstreams",
            None,
            Some("connecting to upstream"),
        ),
        ("[lua] a.lua:1: f(): a while ago", "[lua] a.lua:1: f(): a while ago", None, None),
        (
            "send() failed (111: x) while resolving, resolver: 127.0.0.1:53",
            "send() failed",
            Some(111),
            Some("resolving"),
        ),
    ];
    for (head, message, errno, action) in rows {
        let line =
            format!("2026/11/22 07:18:23 [error] 2#2: *9 {head}, client: 1.2.3.4, server: a");
        let record = parse(&line);
        assert_eq!(text(Some(record.message)), Some(message));
        assert_eq!((record.errno, text(record.action)), (errno, action), "{head}");
        assert_eq!(text(Some(record.head)), Some(head));
    }
}

#[test]
fn the_cosocket_address_stands_before_the_action() {
    let record = parse(
        "2026/11/22 07:18:23 [error] 2#2: *9 lua tcp socket connect timed out, upstream: \
         redis.internal:6379(10.0.0.9) while x, client: 1.2.3.4, server: a",
    );
    assert_eq!(record.message, b"lua tcp socket connect timed out");
    assert_eq!(text(record.cosocket), Some("redis.internal:6379(10.0.0.9)"));
    assert_eq!(text(record.action), Some("x"));
    let record = parse(
        "2026/11/22 07:18:23 [error] 2#2: *9 connect() to 10.0.0.9:1 failed (99: x), upstream: \
         h:1(10.0.0.9), client: 1.2.3.4, server: a",
    );
    assert_eq!((record.errno, text(record.cosocket)), (Some(99), Some("h:1(10.0.0.9)")));
}

/// Every field that a client writes may imitate an upstream.
#[test]
fn an_imitated_upstream_never_wins() {
    let spoof = "\", upstream: \"http://9.9.9.9:80/";
    let rows = [
        // In the request line: it ends at its version.
        (
            format!(
                "request: \"GET /{spoof} HTTP/1.1\", upstream: \"http://10.0.0.9:80/\", host: \"h\""
            ),
            true,
        ),
        (
            format!(
                "request: \"GET / HTTP/1.1\", upstream: \"http://10.0.0.9:80/{spoof}\", host: \"h\""
            ),
            true,
        ),
        // In host and referrer: out of order.
        (
            format!(
                "request: \"GET / HTTP/1.1\", upstream: \"http://10.0.0.9:80/\", host: \"h{spoof}\""
            ),
            true,
        ),
        (
            format!(
                "request: \"GET / HTTP/1.1\", upstream: \"http://10.0.0.9:80/\", host: \"h\", referrer: \"r{spoof}\""
            ),
            true,
        ),
        (format!("request: \"GET / HTTP/1.1\", host: \"h{spoof}\""), false),
        (format!("request: \"GET / HTTP/1.1\", host: \"h\", referrer: \"r{spoof}\""), false),
        (format!("request: \"GET / HTTP/1.1\", referrer: \"r{spoof}\", host: \"h\""), false),
        // Undecidable: an HTTP/2 path, the decoded URI of a subrequest.
        (
            format!(
                "request: \"GET /a HTTP/1.1{spoof} HTTP/2.0\", upstream: \"http://10.0.0.9:80/\", host: \"h\""
            ),
            false,
        ),
        (
            format!(
                "request: \"GET /a HTTP/1.1\", subrequest: \"/a{spoof}\", upstream: \"http://10.0.0.9:80/\""
            ),
            false,
        ),
    ];
    for (fields, known) in rows {
        let line =
            format!("2026/11/22 07:18:23 [error] 2#2: *9 x, client: 1.2.3.4, server: a, {fields}");
        let context = parse(&line).context;
        let endpoint = context.upstream.and_then(|u| crate::address::upstream_endpoint(u, true));
        let expected = known.then(|| "10.0.0.9:80".to_owned());
        assert_eq!(endpoint.map(|e| e.to_string()), expected, "{fields}");
    }
}

#[test]
fn a_mail_session_has_its_own_context() {
    let record = parse(
        "2026/11/22 07:18:23 [info] 2#2: *9 upstream timed out (110: x) while connecting to upstream, \
         client: 192.0.2.1 using starttls, server: 0.0.0.0:25, login: \"a@b\", upstream: 10.0.0.9:25\n",
    );
    assert_eq!(text(record.context.client), Some("192.0.2.1"));
    assert_eq!(text(record.context.server), Some("0.0.0.0:25"));
    assert_eq!(text(record.context.upstream), Some("10.0.0.9:25\n"));
    // A server's name is not a place for it, nor is any other field.
    for fields in
        ["server: a, request: \"GET / HTTP/1.1\", upstream: 10.0.0.9:25", "upstream: 10.0.0.9:25"]
    {
        let line = format!("2026/11/22 07:18:23 [info] 2#2: *9 x, client: 192.0.2.1, {fields}");
        assert_eq!(parse(&line).context.upstream, None, "{fields}");
    }
}

/// Several crafted fields at once: whatever is believed is nginx's own, or nothing is.
#[test]
fn many_imitations_do_not_win_either() {
    let spoofs = [
        "\", upstream: \"http://9.9.9.9:80/",
        " HTTP/1.1\", upstream: \"http://9.9.9.9:80/\", host: \"",
        "\", host: \"h\", upstream: \"http://9.9.9.9:80/",
        ", client: 9.9.9.9, server: x, request: \"GET / HTTP/1.1\", upstream: \"http://9.9.9.9:80/",
        ", upstream: 9.9.9.9:80(9.9.9.9)",
        " while connecting to upstream, upstream: \"http://9.9.9.9:80/\"",
        "\", request_id: \"x\", upstream: \"http://9.9.9.9:80/",
    ];
    for (one, two, three, version) in
        (0..7 * 7 * 7 * 2).map(|n| (n % 7, n / 7 % 7, n / 49 % 7, n / 343))
    {
        let version = ["1.1", "2.0"][version];
        let (path, host, referrer) = (spoofs[one], spoofs[two], spoofs[three]);
        let line = format!(
            "2026/11/22 07:18:23 [error] 2#2: *9 upstream timed out (110: x) while connecting to \
             upstream, client: 192.0.2.1, server: a, request: \"GET /{path} HTTP/{version}\", upstream: \
             \"http://10.0.0.9:80/{path}\", host: \"{host}\", referrer: \"{referrer}\"",
        );
        let record = parse(&line);
        let peer = record.context.upstream.and_then(|u| crate::address::upstream_endpoint(u, true));
        let peer = peer.map(|peer| peer.to_string());
        assert!(peer.as_deref().is_none_or(|peer| peer == "10.0.0.9:80"), "{peer:?}: {line}");
        assert_eq!(text(record.context.client), Some("192.0.2.1"));
        assert_eq!(text(Some(record.message)), Some("upstream timed out"));
    }
}

#[test]
fn angie_quotes_more_fields() {
    let record = parse(
        "2026/11/22 07:18:23 [error] 2#2: *9 upstream timed out (110: x) while connecting to upstream, \
         client: \"1.2.3.4\", server: \"example.com\", request_line: \"GET / HTTP/1.1\", \
         upstream: \"http://10.0.0.9:80/\", host: \"h\"",
    );
    assert_eq!(text(record.context.client), Some("1.2.3.4"));
    assert_eq!(text(record.context.server), Some("example.com"));
    assert_eq!(text(record.context.request), Some("GET / HTTP/1.1"));
    assert_eq!(text(record.context.upstream), Some("http://10.0.0.9:80/"));
}

#[test]
fn a_cut_line_keeps_what_is_whole() {
    let record = parse(
        "2026/11/22 07:18:23 [error] 2#2: *9 x, client: 1.2.3.4, server: a, request: \"GET /aaaa",
    );
    assert_eq!(record.context.request, None);
    assert!(!record.is_complete());
    let record = parse(
        "2026/11/22 07:18:23 [error] 2#2: *9 x, client: 1.2.3.4, server: a, request: \"GET / HTTP/1.1\", upstream: \"http://10.0.0.9:80",
    );
    assert!(!record.context.upstream_closed && !record.is_complete());
}

#[test]
fn a_header_must_be_whole_and_its_date_must_exist() {
    let rows = [
        ("022/08/06 02:45:41 [error] 2#2: *5 x", RecordError::NoHeader),
        ("[error] 2#2: *5 x", RecordError::NoHeader),
        ("nginx.1 | 2022/08/06 02:45:41 [error] 2#2: *5 x", RecordError::NoHeader),
        ("2022/08/06 02:45:41 [fatal] 2#2: *5 x", RecordError::NoHeader),
        ("2022/08/06 02:45:41 [error] 99999999999#2: *5 x", RecordError::NoHeader),
        ("2022/02/30 02:45:41 [error] 2#2: *5 x", RecordError::BadTime),
        ("2022/02/03 24:45:41 [error] 2#2: *5 x", RecordError::BadTime),
        ("2022/02/03 23:45:61 [error] 2#2: *5 x", RecordError::BadTime),
    ];
    for (line, expected) in rows {
        assert_eq!(ErrorRecord::parse(line.as_bytes()), Err(expected), "{line}");
    }
}

proptest! {
    #[test]
    fn any_bytes_and_any_cut_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        cut in 0..400_usize,
    ) {
        let mut line = b"2026/11/22 07:18:23 [error] 2#2: *9 connect() failed (111: x), client: 1, \
            server: a, request: \"GET / HTTP/1.1\", upstream: \"http://10.0.0.9:80/\", host: \"".to_vec();
        line.extend_from_slice(&bytes);
        line.truncate(cut);
        let _ = ErrorRecord::parse(&line);
        let _ = ErrorRecord::parse(&bytes);
    }

    /// Parse what nginx renders: any request line, host and referrer without the bytes that HTTP
    /// forbids in them come back as they went in.
    #[test]
    fn a_rendered_record_reads_back(
        path in "[!#-~]{0,40}", host in "[a-z.\"]{0,20}", referrer in "[ -~]{0,40}", port in 1..=65535_u16,
    ) {
        let request = format!("GET /{path} HTTP/1.1");
        let line = format!(
            "2026/11/22 07:18:23 [error] 2#2: *9 upstream timed out (110: x) while connecting to \
             upstream, client: 1.2.3.4, server: a, request: \"{request}\", \
             upstream: \"http://10.0.0.9:{port}/{path}\", host: \"{host}\", referrer: \"{referrer}\"",
        );
        let record = parse(&line);
        prop_assert_eq!(text(record.context.request), Some(request.as_str()));
        prop_assert_eq!(text(record.context.host), Some(host.as_str()));
        prop_assert_eq!(text(record.context.referrer), Some(referrer.as_str()));
        let peer = record.context.upstream.and_then(|u| crate::address::upstream_endpoint(u, true));
        prop_assert_eq!(peer.map(|e| e.to_string()), Some(format!("10.0.0.9:{port}")));
    }
}
