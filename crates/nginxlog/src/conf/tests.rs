//! Configurations written by hand.

use super::*;
use crate::lexer::words;
use why504_model::Span;

use proptest::prelude::*;

fn read(text: &str) -> Result<Conf, ConfError> {
    Conf::read("nginx.conf", text.as_bytes(), &mut |pattern| Err(format!("no {pattern} here")))
}

#[test]
fn formats_and_logs_with_their_scopes() {
    let conf = read(
        r#"
        error_log logs/error.log warn; # the main one
        http {
            log_format lab escape=json '{"s":"$status",'
                                       '"u":"${request_uri}x"}';
            log_format bad '$';
            access_log /var/log/nginx/a.log lab buffer=32k;
            access_log /var/log/nginx/b.log;
            proxy_connect_timeout 5;
            lua_socket_connect_timeout 300ms;
            server {
                location ~ "^/(?<n>\d{1,3})/$" {
                    content_by_lua_block {
                        -- a comment with }
                        local s = "}" .. [==[ } ]==] .. '\'}' --[[ } ]]
                        local t = { a = { 1 } }
                    }
                    grpc_connect_timeout "1m 30s";
                    proxy_read_timeout $later;
                }
            }
        }"#,
    )
    .expect("a sound configuration");
    let names: Vec<_> = conf.formats.iter().map(|f| (f.name.as_str(), f.format.is_ok())).collect();
    assert_eq!(names, [("lab", true), ("bad", false)]);
    assert_eq!(conf.format("lab").map(|f| f.variables()), Some(2));
    assert!(conf.format("bad").is_none() && conf.format("combined").is_some());
    assert_eq!(conf.error_logs[0].path, "logs/error.log");
    let logs: Vec<_> = conf.access_logs.iter().map(|l| l.format.as_deref()).collect();
    assert_eq!(logs, [Some("lab"), Some("combined")]);
    assert_eq!(conf.notes.len(), 1);
    assert_eq!(conf.notes[0].line, 19);
}

#[test]
fn includes_come_from_the_caller_and_inherit_the_scope() {
    let text = b"http { include conf.d/*.conf; include missing; }";
    let conf = Conf::read("nginx.conf", text, &mut |pattern| match pattern {
        "conf.d/*.conf" => Ok(vec![
            ("a.conf".into(), b"server { access_log a; }".to_vec()),
            ("b.conf".into(), b"access_log b;".to_vec()),
        ]),
        other => Err(format!("{other} does not exist")),
    })
    .expect("a sound configuration");
    assert_eq!(conf.access_logs[0].scope.0, ["http", "server"]);
    assert_eq!(conf.access_logs[1].scope.0, ["http"]);
    assert_eq!(conf.notes[0].to_string(), "nginx.conf:1: include missing: missing does not exist");
}

#[test]
fn blocks_do_not_nest_without_end() {
    let error = read(&"a {".repeat(1000)).expect_err("too deep");
    assert!(error.reason.contains("too deeply"), "{error}");
}

#[test]
fn a_cycle_of_includes_ends() {
    let looped = |_: &str| Ok(vec![("self".to_owned(), b"include self;".to_vec())]);
    let error = Conf::read("nginx.conf", b"include self;", &mut { looped }).expect_err("a cycle");
    assert!(error.reason.contains("cycle"), "{error}");
}

#[test]
fn the_output_of_nginx_t_includes_itself() {
    let text = "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n\
        # configuration file /etc/nginx/nginx.conf:\nhttp { include conf.d/*.conf; }\n\n\
        # configuration file /etc/nginx/conf.d/a.conf:\naccess_log a;\n\
        # configuration file /etc/nginx/other/b.conf:\naccess_log b;\n";
    let conf = read(text).expect("a sound dump");
    let paths: Vec<_> = conf.access_logs.iter().map(|log| log.path.as_str()).collect();
    assert_eq!(paths, ["a"]);
}

#[test]
fn faults_name_file_and_line() {
    let rows = [
        ("http {\n  server {\n}\n", "nginx.conf:4: unexpected end of file"),
        ("a;\n}\n", "nginx.conf:2: unexpected `}`"),
        ("a 'b;\n", "nginx.conf:1: a quoted string"),
        ("a;\nb 'c'd;", "nginx.conf:2: text right after"),
        ("a_by_lua_block {\n x { }\n", "nginx.conf:1: a Lua block"),
    ];
    for (text, expected) in rows {
        let error = read(text).expect_err("a fault").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn words_are_cut_as_nginx_cuts_them() {
    let rows: [(&str, &[&str]); 6] = [
        (r#"a "b c" 'd"e' f\ g;"#, &["a", "b c", "d\"e", r"f\ g"]),
        (r#""a\"b" '\n\x';"#, &["a\"b", "\n\\x"]),
        ("${a}b{", &[]),
        ("a#b #c\n d;", &["a#b", "d"]),
        ("x}y;", &["x}y"]),
        ("", &[]),
    ];
    for (text, expected) in rows {
        let expected: Vec<_> = expected.iter().map(|w| w.as_bytes().to_vec()).collect();
        match words(text.as_bytes()) {
            Ok(found) => assert_eq!(found, expected, "{text}"),
            Err(_) => assert!(text.ends_with('{'), "{text}"),
        }
    }
}

#[test]
fn lengths_of_time() {
    let rows = [
        ("60", Some(60_000)),
        ("5s", Some(5_000)),
        ("250ms", Some(250)),
        ("1m30s", Some(90_000)),
        ("1h 5m", Some(3_900_000)),
        ("", None),
        ("$x", None),
        ("5x", None),
        ("s", None),
        ("99999999999999999999", None),
    ];
    for (text, expected) in rows {
        assert_eq!(duration::parse(text.as_bytes()), expected.map(Span::from_millis), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Conf::read("x", &text, &mut |_| Ok(Vec::new()));
    }

    #[test]
    fn tokens_in_any_order_are_survived(
        tokens in proptest::collection::vec(prop_oneof![
            Just("http"), Just(" { "), Just("}"), Just(";"), Just("\""), Just("'"), Just("\\"),
            Just("content_by_lua_block {"), Just("--"), Just("[["), Just("]=]"), Just("[=["), Just("#"), Just("\n"),
            Just("# configuration file a:\n"), Just("include a"), Just("log_format a $b"),
        ], 0..40),
    ) {
        let text = tokens.concat();
        let _ = Conf::read("x", text.as_bytes(), &mut |_| Ok(Vec::new()));
    }
}
