//! Lines of Lua code: what it says of a failed connect in its own words.

use super::*;

/// Which lines are about one event with the first one.
#[test]
fn the_users_line_is_of_the_same_event_as_the_cosockets() {
    let line = |second: u32, worker: u32, connection: &str, said: &str| {
        format!(
            "2026/11/22 07:18:{second:02} [error] {worker}#1: {connection}{said}, client: 1.2.3.4, server: a"
        )
    };
    let event = |line: &str| {
        let LineOutcome::Timeout(timeout) = read_line(line.as_bytes()) else { panic!("{line}") };
        (timeout.event(), timeout.class.user_text)
    };
    let cosocket = "lua tcp socket connect timed out, when connecting to 10.0.0.9:80";
    let user = "[lua] a.lua:7: failed to connect: timeout";
    let refused = "[lua] a.lua:7: failed to connect: connection refused";
    let (told, own) = event(&line(20, 1, "*5 ", cosocket));
    assert!(told.is_some() && !own);
    for (second, worker, connection, said, same) in [
        (20, 1, "*5 ", user, true),
        (20, 1, "*5 ", "[lua] b.lua:9: cannot connect to cache: timeout", true),
        (20, 1, "*6 ", user, false),
        (20, 1, "*5 ", refused, false),
        (20, 2, "*5 ", user, false),
        (21, 1, "*5 ", user, false),
        (20, 1, "", user, false),
    ] {
        let (found, user_text) = event(&line(second, worker, connection, said));
        assert!(user_text);
        assert_eq!(found == told, same, "{connection}{said}");
    }
    let failed = event(&line(21, 1, "*5 ", "connect() to 10.0.0.9:80 failed (111: x)"));
    assert_eq!(failed.0, event(&line(21, 1, "*5 ", refused)).0);
    // A read, and a connect of nginx's own upstream, are other events.
    assert_eq!(event(&line(20, 1, "*5 ", "lua tcp socket read timed out")).0, None);
    let upstream = "upstream timed out (110: x) while connecting to upstream";
    assert_eq!(event(&line(20, 1, "*5 ", upstream)).0, None);
}

#[test]
fn the_words_of_user_code_elsewhere_are_other() {
    let text = "PHP Fatal error: cannot connect: connection refused\n\
        2026/11/22 07:18:23 [error] 1#1: *2 FastCGI sent in stderr: \"cannot connect: timeout\n\
        failed to connect: timeout\" while reading upstream, client: 1.2.3.4, server: a\n";
    let (seen, end) = scan(&[text.as_bytes()]);
    assert!(seen.is_empty());
    assert_eq!(end.tally, LineTally { total: 3, timeouts: 0, other: 3, unparsed: 0 });
}

#[test]
fn messages_of_ones_own() {
    let pattern = UserPattern::new(r"^cache (?P<peer>\S+) is gone$").expect("a pattern");
    let mut seen = Vec::new();
    let mut scanner = ErrorScanner::with_patterns(vec![pattern]);
    let text = "2026/11/22 07:18:23 [warn] 1#1: *2 cache 10.0.0.9:80 is gone, client: 1.2.3.4, server: a\n\
        2026/11/22 07:18:23 [warn] 1#1: *2 cache 10.0.0.9:80 is gone again, client: 1.2.3.4, server: a\n\
        cache 10.0.0.9:80 is gone\n";
    let mut sink = |event: ErrorEvent<'_>| {
        let class = event.outcome.expect("a timeout").class;
        seen.push((event.line, class.kind, class.peer.map(|peer| peer.to_string())));
    };
    scanner.feed(text.as_bytes(), &mut sink);
    let end = scanner.finish(&mut sink);
    assert_eq!(seen, [(1, TimeoutKind::UserTimeout, Some("10.0.0.9:80".to_owned()))]);
    assert_eq!(end.tally, LineTally { total: 3, timeouts: 1, other: 2, unparsed: 0 });
}

/// What the classifier takes for a failed connect of user code has to be found first.
#[test]
fn every_way_in_which_user_code_reports_a_failed_connect_is_found() {
    for said in [
        "failed to connect: timeout",
        "failed to connect, err=timeout",
        "failed to connect: err=\"timeout\"",
        "failed to connect: 'timeout'",
        "failed to connect (timeout)",
        "failed to connect: address not available",
        "failed to connect: cannot assign requested address",
        "failed to connect: host is unreachable",
        "failed to connect: network unreachable",
    ] {
        let record = format!("2026/11/22 07:18:23 [error] 1#1: *5 [lua] a.lua:7: f(): {said}");
        let context = ", client: 1.2.3.4, server: a";
        let (seen, _) = scan(&[format!("{OTHER}\n{record}{context}\n").as_bytes()]);
        assert_eq!(seen.len(), 1, "{said}");
        // A traceback follows, which a syslog daemon has spelled out.
        let traced =
            format!("<187>Nov 22 07:18:23 gw nginx: {record}#012stack traceback:{context}\n");
        let (seen, _) = scan(&[traced.as_bytes()]);
        assert_eq!(seen.len(), 1, "{said}");
    }
}
