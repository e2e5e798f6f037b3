//! Which timeout is in force for a line: configurations and lines written by hand from nginx's
//! rules.

use super::*;
use crate::scan::{LineOutcome, read_line};
use why504_model::LimitSource;

const CONNECTING: &str = "upstream timed out (110: x) while connecting to upstream";
const READING: &str = "upstream timed out (110: x) while reading response header from upstream";
const SENDING: &str = "upstream timed out (110: x) while sending request to upstream";

fn read(text: &str) -> Conf {
    Conf::read("nginx.conf", text.as_bytes(), &mut |_| Ok(Vec::new())).expect("sound")
}

/// The limits of a line with this message and context, in milliseconds.
fn limits(conf: &Conf, head: &str, context: &str) -> Vec<i64> {
    let line = format!("2026/11/22 07:18:23 [error] 1#1: *9 {head}, {context}");
    let LineOutcome::Timeout(timeout) = read_line(line.as_bytes()) else { panic!("{line}") };
    let limits = conf.limits(&LineScope::of(&timeout));
    assert!(limits.iter().all(|l| l.at_least == l.at_most && l.source == LimitSource::NginxConf));
    limits.iter().map(|limit| limit.at_most.nanos() / 1_000_000).collect()
}

/// A request to a server, that ended at an upstream.
fn asked(server: &str, target: &str, upstream: &str) -> String {
    format!(
        "client: 192.0.2.1, server: {server}, request: \"GET {target} HTTP/1.1\", \
         upstream: \"{upstream}\", host: \"x\""
    )
}

const PEER: &str = "http://10.0.0.9:80/";

#[test]
fn a_location_inherits_from_its_server_and_the_server_from_http() {
    let conf = read(
        "http {
            proxy_connect_timeout 1s;
            server {
                server_name a other;
                location / { proxy_pass http://10.0.0.9; }
                location /own { proxy_connect_timeout 2s; proxy_pass http://10.0.0.9; }
                location /out {
                    proxy_connect_timeout 3s;
                    location /out/in { proxy_pass http://10.0.0.9; }
                    location /out/deep { proxy_connect_timeout 4s; proxy_pass http://10.0.0.9; }
                }
            }
            server {
                server_name B;
                proxy_connect_timeout 5s;
                proxy_read_timeout 500ms;
                location / { proxy_pass http://10.0.0.9; if ($x) { proxy_pass http://10.0.0.8; } }
            }
        }",
    );
    for (server, target, expected) in [
        ("a", "/", 1_000),
        ("a", "/own/x?y", 2_000),
        ("a", "/out/in", 3_000),
        ("a", "/out/deep", 4_000),
        ("b", "/", 5_000),
    ] {
        assert_eq!(limits(&conf, CONNECTING, &asked(server, target, PEER)), [expected], "{target}");
    }
    assert_eq!(limits(&conf, READING, &asked("b", "/", PEER)), [500]);
    assert_eq!(limits(&conf, READING, &asked("a", "/", PEER)), [60_000]);
    assert_eq!(limits(&conf, SENDING, &asked("a", "/", PEER)), [60_000]);
    // One timer covers TCP and TLS.
    let tls = "upstream timed out (110: x) while SSL handshaking to upstream";
    assert_eq!(limits(&conf, tls, &asked("a", "/own", "https://10.0.0.9:80/")), [2_000]);
    // No timer made these.
    assert!(
        limits(
            &conf,
            "connect() failed (111: x) while connecting to upstream",
            &asked("a", "/", PEER)
        )
        .is_empty()
    );
    // A server that the file does not have: any of them.
    let any = limits(&conf, CONNECTING, &asked("nobody", "/own", PEER));
    assert_eq!(any, [2_000, 5_000]);
}

/// The order of `ngx_http_core_find_location`; each location has its own timeout to be known by.
#[test]
fn locations_are_chosen_as_nginx_chooses_them() {
    let conf = read(
        r"http { server { server_name a;
            location = /exact { proxy_connect_timeout 1s; proxy_pass http://10.0.0.9; }
            location / { proxy_connect_timeout 2s; proxy_pass http://10.0.0.9; }
            location /long { proxy_connect_timeout 3s; proxy_pass http://10.0.0.9; }
            location /longer { proxy_connect_timeout 4s; proxy_pass http://10.0.0.9;
                location ~ \.in$ { proxy_connect_timeout 5s; proxy_pass http://10.0.0.9; }
                location /longer/nested { proxy_connect_timeout 6s; proxy_pass http://10.0.0.9; }
            }
            location ^~ /static { proxy_connect_timeout 7s; proxy_pass http://10.0.0.9; }
            location ~ \.php$ { proxy_connect_timeout 8s; proxy_pass http://10.0.0.9; }
            location ~* \.PHP[0-9] { proxy_connect_timeout 9s; proxy_pass http://10.0.0.9; }
            location ~ p { proxy_connect_timeout 10s; proxy_pass http://10.0.0.9; }
            location =/joined { proxy_connect_timeout 11s; proxy_pass http://10.0.0.9; }
        } }",
    );
    for (target, seconds) in [
        ("/exact", 1),
        ("/exact/", 2),
        ("/other", 2),
        ("/long", 3),
        ("/longe", 3),
        ("/longer", 4),
        // A nested expression is asked before those outside.
        ("/longer/x.in", 5),
        ("/longer/nested", 6),
        // A nested prefix is not the end: the expressions outside are still asked.
        ("/longer/nested/x.php", 8),
        ("/static/x.php", 7),
        ("/x.php", 8),
        ("/x.php7", 9),
        ("/soup", 10),
        ("/joined", 11),
        // As the request line is normalised before.
        ("/a/../exact", 1),
        ("//exact", 1),
        ("/%65xact?p=1", 1),
        ("http://host/exact", 1),
        ("/./long#p", 3),
    ] {
        let found = limits(&conf, CONNECTING, &asked("a", target, PEER));
        assert_eq!(found, [seconds * 1_000], "{target}");
    }
    // nginx answers these itself; if an upstream was asked nevertheless, any location may have been.
    for target in ["/../x", "/%zz", "*"] {
        assert_eq!(limits(&conf, CONNECTING, &asked("a", target, PEER)).len(), 11, "{target}");
    }
}

#[test]
fn the_upstream_of_the_line_decides_between_locations() {
    let conf = read(
        "http {
            upstream group { server 10.0.1.1:8080; server 10.0.1.2; }
            upstream named { server backend.example.com; }
            server { server_name a; rewrite ^/old /new;
                location /one { proxy_connect_timeout 1s; proxy_pass http://group; }
                location /two { proxy_connect_timeout 2s; proxy_pass http://named/x; }
                location /three { proxy_connect_timeout 3s; proxy_pass http://10.0.2.1:81; }
                location /four { fastcgi_connect_timeout 4s; fastcgi_pass 10.0.1.1:8080; }
                location /five { grpc_connect_timeout 5s; grpc_pass grpcs://10.0.2.2; }
                location /six { proxy_connect_timeout 6s; proxy_pass http://unix:/run/x; }
            } }",
    );
    for (target, upstream, expected) in [
        ("/one", "http://10.0.1.1:8080/", [1_000].as_slice()),
        ("/one", "http://10.0.1.2:80/", &[1_000]),
        ("/two", "http://10.0.9.9:80/", &[2_000]),
        ("/three", "http://10.0.2.1:81/", &[3_000]),
        ("/four", "fastcgi://10.0.1.1:8080", &[4_000]),
        ("/five", "grpcs://10.0.2.2:443", &[5_000]),
        // Rewritten: whatever leads to that address. A name may.
        ("/old", "http://10.0.1.1:8080/", &[1_000, 2_000]),
        ("/old", "http://10.0.2.1:81/", &[2_000, 3_000]),
        ("/old", "fastcgi://10.0.1.1:8080", &[4_000]),
        // The location of the URI does not lead there, so it was another one.
        ("/one", "http://10.0.2.1:81/", &[2_000, 3_000]),
    ] {
        let found = limits(&conf, CONNECTING, &asked("a", target, upstream));
        assert_eq!(found, expected, "{target} {upstream}");
    }
}

#[test]
fn internal_redirects_leave_several_possible() {
    let conf = read(
        "http { server { server_name a;
            location / { try_files $uri @app; }
            location @app { proxy_connect_timeout 1s; proxy_pass http://10.0.0.9; }
            location /err { proxy_connect_timeout 2s; proxy_pass http://10.0.0.9;
                error_page 502 504 = /again; }
            location /again { proxy_connect_timeout 3s; proxy_pass http://10.0.0.9; }
            location /lua { proxy_connect_timeout 4s; proxy_pass http://10.0.0.9;
                access_by_lua_block { if ngx.var.arg_x then ngx.exec('/again') end } }
            location /quiet { proxy_connect_timeout 5s; proxy_pass http://10.0.0.9;
                access_by_lua_block { ngx.var.x = '}' } }
            location /look { proxy_connect_timeout 6s; proxy_pass http://10.0.0.9;
                rewrite ^/look/old /again; }
            location ~ (?=behind)x { proxy_connect_timeout 7s; proxy_pass http://10.0.0.9; }
            location /protected { internal; proxy_connect_timeout 8s; proxy_pass http://10.0.8.8; }
        } }",
    );
    for (target, expected) in [
        // Look-ahead is not supported: that location may match everything.
        ("/x", [1_000, 7_000].as_slice()),
        ("/err", &[2_000, 3_000, 7_000]),
        ("/quiet", &[5_000, 7_000]),
        ("/look/new", &[6_000, 7_000]),
        ("/look/old", &[1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]),
        ("/lua", &[1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]),
    ] {
        assert_eq!(limits(&conf, CONNECTING, &asked("a", target, PEER)), expected, "{target}");
    }
    // X-Accel-Redirect of an upstream.
    assert_eq!(limits(&conf, CONNECTING, &asked("a", "/quiet", "http://10.0.8.8:80/")), [8_000]);
    // A subrequest names its own URI.
    let context = "client: 192.0.2.1, server: a, request: \"GET /err HTTP/1.1\", \
        subrequest: \"/quiet\", upstream: \"http://10.0.0.9:80/\"";
    assert_eq!(limits(&conf, CONNECTING, context), [5_000, 7_000]);
    // A line that was cut before its request.
    let cut = "client: 192.0.2.1, server: a";
    assert_eq!(limits(&conf, CONNECTING, cut).len(), 8);
}

#[test]
fn what_is_set_by_variables_or_code_is_not_guessed() {
    let conf = read(
        "http {
            upstream lua { server 0.0.0.1; balancer_by_lua_block { pick() } }
            upstream timed { server 0.0.0.1; balancer_by_lua_block { b.set_timeouts(1, 2, 3) } }
            server { server_name a;
                location /default { proxy_pass http://lua; }
                location /written { proxy_connect_timeout 5s; proxy_pass http://lua; }
                location /timed { proxy_connect_timeout 6s; proxy_pass http://timed; }
                location /variable { proxy_connect_timeout $t; proxy_pass http://10.0.0.9; }
            } }",
    );
    for (target, expected) in
        [("/default", [].as_slice()), ("/written", &[5_000]), ("/timed", &[]), ("/variable", &[])]
    {
        assert_eq!(limits(&conf, CONNECTING, &asked("a", target, PEER)), expected, "{target}");
    }
    assert_eq!(conf.notes.len(), 1);
}

#[test]
fn cosockets_have_what_somebody_has_written_unless_code_says_otherwise() {
    let text = "http {
        lua_socket_connect_timeout 1s;
        server { server_name a;
            location / { content_by_lua_block { connect() } }
            location /own { lua_socket_connect_timeout 300ms; lua_socket_read_timeout 2s;
                content_by_lua_block { connect() } }
        } }
        stream { server { listen 1985; lua_socket_connect_timeout 3s; } server { listen 1986; } }";
    let lua = "lua tcp socket connect timed out, when connecting to 10.0.0.9:6379";
    let conf = read(text);
    let lua_limits = |head: &str, target: &str| {
        limits(
            &conf,
            head,
            &format!("client: 192.0.2.1, server: a, request: \"GET {target} HTTP/1.1\""),
        )
    };
    assert_eq!(lua_limits(lua, "/"), [1_000]);
    assert_eq!(lua_limits(lua, "/own"), [300]);
    assert_eq!(lua_limits("lua tcp socket read timed out", "/own"), [2_000]);
    // Nobody wrote one: code will have set it, nginx's default is no evidence.
    assert!(lua_limits("lua tcp socket read timed out", "/").is_empty());
    assert!(lua_limits("lua tcp socket write timed out", "/own").is_empty());
    // A timer may have been started anywhere.
    assert_eq!(limits(&conf, lua, "context: ngx.timer"), [300, 1_000, 3_000, 60_000]);
    let stream = format!("stream {lua}");
    assert_eq!(limits(&conf, &stream, "client: 192.0.2.1, server: 0.0.0.0:1985"), [3_000]);
    assert!(limits(&conf, &stream, "client: 192.0.2.1, server: 0.0.0.0:1986").is_empty());
    let timed = read(&text.replacen("connect()", "sock:settimeout(100)", 1));
    assert!(limits(&timed, lua, "context: ngx.timer").is_empty());
}

#[test]
fn stream_servers_are_known_by_their_address() {
    let conf = read(
        "stream {
            proxy_connect_timeout 1s;
            server { listen 3306; proxy_pass 10.0.0.9:3306; }
            server { listen 192.0.2.7:3307; proxy_connect_timeout 2s; proxy_pass db; }
            server { listen [::]:3307; proxy_connect_timeout 3s; proxy_pass db; }
            upstream db { server db.internal:3306; }
        }
        http { proxy_connect_timeout 4s; server { proxy_pass http://10.0.0.9; } }",
    );
    for (server, expected) in [
        ("0.0.0.0:3306", [1_000].as_slice()),
        ("192.0.2.7:3307", &[2_000, 3_000]),
        ("[::]:3307", &[2_000, 3_000]),
        ("192.0.2.8:3307", &[3_000]),
    ] {
        let context = format!(
            "client: 192.0.2.1, server: {server}, upstream: \"10.0.0.9:3306\", bytes from/to \
             client:0/0, bytes from/to upstream:0/0"
        );
        assert_eq!(limits(&conf, CONNECTING, &context), expected, "{server}");
    }
}

#[test]
fn a_server_without_a_name_is_the_one_with_an_empty_server_field() {
    let conf = read(
        "server { proxy_connect_timeout 1s; location / { proxy_pass http://10.0.0.9; } }
         server { server_name a; proxy_connect_timeout 2s; location / { proxy_pass http://10.0.0.9; } }
         server { server_name ~^b; proxy_connect_timeout 3s; location / { proxy_pass http://10.0.0.9; } }",
    );
    for (server, expected) in [("", 1_000), ("a", 2_000), ("~^b", 3_000)] {
        assert_eq!(limits(&conf, CONNECTING, &asked(server, "/", PEER)), [expected], "{server}");
    }
}
