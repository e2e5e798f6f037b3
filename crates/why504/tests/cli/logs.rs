//! Logs alone, written by the test: what is counted, joined and timed.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::incident::{Run, command, why504};

/// A folder of logs.
struct Logs {
    folder: TempDir,
}

impl Logs {
    fn new(files: &[(&str, &str)]) -> Self {
        let logs = Self { folder: TempDir::new().expect("a temporary folder") };
        for (name, text) in files {
            logs.write(name, text.as_bytes());
        }
        logs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("the folder can be written");
    }

    /// `why504 timeouts` over the folder, in NDJSON.
    fn timeouts(&self, options: &[&str]) -> Run {
        let folder = self.folder.path().to_str().expect("a plain path");
        why504(&[&["timeouts", "--format", "ndjson"], options, &[folder]].concat())
    }
}

/// An error line of this second of 2026-11-22T07:18 and connection.
fn error(second: u32, connection: u32, target: &str, upstream: &str) -> String {
    format!(
        "2026/11/22 07:18:{second:02} [error] 31#31: *{connection} upstream timed out (110: x) while \
         connecting to upstream, client: 192.0.2.1, server: a, request: \"GET {target} HTTP/1.1\", \
         upstream: \"http://{upstream}/\", host: \"a\"\n"
    )
}

const FORMAT: &str = "$remote_addr \"$request\" $status $connection c=$upstream_connect_time \
                      r=$upstream_response_time s=$upstream_status a=$upstream_addr $msec";

/// An access line that ended this many milliseconds after 2026-11-22T07:18:00Z.
fn access(end: u32, connection: u32, status: u16, tries: &str) -> String {
    let (seconds, millis) = (1_795_331_880 + end / 1000, end % 1000);
    format!("192.0.2.1 \"GET / HTTP/1.1\" {status} {connection} {tries} {seconds}.{millis:03}\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("written to memory");
    encoder.finish().expect("written to memory")
}

fn counts(object: &Value) -> Vec<(&str, u64)> {
    let members = object.as_object().expect("an object").iter();
    members
        .map(|(name, count)| (name.as_str(), count.as_u64().expect("a count")))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// The kinds and times of what was found, in order.
fn found(run: &Run) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    run.of_type("timeout")
        .iter()
        .map(|timeout| (text(&timeout["log"]["kind"]), text(&timeout["log"]["time"])))
        .collect()
}

#[test]
fn every_504_is_in_one_tally() {
    let timed_out = "c=- r=2.000 s=504 a=10.0.0.9:80";
    let logs = Logs::new(&[
        ("error.log", &error(10, 1, "/", "10.0.0.9:80")),
        (
            "access.log",
            &[
                access(10_100, 1, 504, timed_out),
                access(11_100, 2, 504, timed_out),
                access(12_100, 3, 504, "c=0.001 r=2.000 s=504 a=10.0.0.9:80"),
                access(13_100, 4, 504, "c=- r=- s=- a=-"),
                access(14_100, 5, 504, "c=- r=2.000 s=502 a=10.0.0.9:80"),
                access(15_100, 6, 200, "c=0.001 r=0.002 s=200 a=10.0.0.9:80"),
            ]
            .concat(),
        ),
        ("copy/access.log", &access(11_100, 2, 504, timed_out)),
    ]);
    let run = logs.timeouts(&["--tz", "UTC", "--log-format", FORMAT]);
    let summary = run.summary();
    let expected = [
        ("access_504", 1),
        ("after_connect", 1),
        ("copies", 1),
        ("total", 6),
        ("untold", 1),
        ("with_error_line", 1),
        ("without_upstream", 1),
    ];
    assert_eq!(counts(&summary["logged_504"]), expected);
    assert_eq!(summary["http_504"]["total"], 6);
    let kinds: Vec<_> = found(&run).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["upstream_connect_timeout", "access_504"]);
    // The same in words.
    let folder = logs.folder.path().to_str().expect("a plain path");
    let text = why504(&["timeouts", "--tz", "UTC", "--log-format", FORMAT, folder]);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(text.contains("6 = 1 with a line in an error log + 1 that the access log"), "{text}");
}

#[test]
fn the_timeout_comes_from_the_location_of_the_line() {
    let logs = Logs::new(&[(
        "error.log",
        &[error(10, 1, "/", "10.0.0.9:80"), error(11, 2, "/api/x", "10.0.0.9:80")].concat(),
    )]);
    let conf = Logs::new(&[(
        "nginx.conf",
        "http { proxy_connect_timeout 7s; server { server_name a;
            location / { proxy_pass http://10.0.0.9; }
            location /api/ { proxy_connect_timeout 300ms; proxy_pass http://10.0.0.9; } } }",
    )]);
    let conf = conf.path("nginx.conf");
    let conf = conf.to_str().expect("a plain path");
    let run = logs.timeouts(&["--tz", "UTC", "--nginx-conf", conf]);
    let timeouts: Vec<_> = run.of_type("timeout").iter().map(|t| t["timeout"].clone()).collect();
    let of = |seconds: f64| serde_json::json!({ "seconds": seconds, "source": "nginx_conf" });
    assert_eq!(timeouts, [of(7.0), of(0.3)]);
}

#[test]
fn an_access_log_in_an_unknown_format_is_shown_with_what_to_pass() {
    let line = "10|[22/Nov/2026:07:18:10 +0000]|2.000|504|10.0.0.9:80|2.000|GET / HTTP/1.1\n";
    let format = "$connection|[$time_local]|$request_time|$status|$upstream_addr|\
                  $upstream_response_time|$request";
    let logs = Logs::new(&[("a.log", line), ("error.log", &error(10, 10, "/", "10.0.0.9:80"))]);
    let run = logs.timeouts(&["--tz", "UTC"]);
    assert_eq!((run.status, found(&run).len()), (3, 1), "the error log is read all the same");
    for words in ["a.log", "--log-format", "--nginx-conf", line.trim_end()] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let run = logs.timeouts(&["--tz", "UTC", "--log-format", format]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(run.of_type("timeout")[0]["access"]["status"], 504);
}

/// An access log makes milliseconds of seconds, so whoever has its path is told that it is missing.
#[test]
fn logs_that_the_configuration_names_and_nobody_gave_are_named() {
    let conf = "http { access_log /srv/b.log; access_log off; access_log syslog:server=10.0.0.1;
        server { access_log /srv/a.log; access_log /srv/b.log; } }";
    let conf = Logs::new(&[("nginx.conf", conf)]);
    let conf = conf.path("nginx.conf");
    let conf = conf.to_str().expect("a plain path");
    let line = error(10, 1, "/", "10.0.0.9:80");
    let logs = Logs::new(&[("error.log", &line)]);
    let said = logs.timeouts(&["--tz", "UTC", "--nginx-conf", conf]).stderr;
    let expected = "no access log was given; by --nginx-conf nginx writes /srv/a.log and 1 more";
    assert!(said.contains(expected) && !said.contains("no error log"), "{said}");
    logs.write(
        "access.log",
        b"192.0.2.1 - - [22/Nov/2026:07:18:10 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"\n",
    );
    let said = logs.timeouts(&["--tz", "UTC", "--nginx-conf", conf]).stderr;
    assert!(!said.contains("was given"), "{said}");
}

#[test]
fn decompression_stops_at_the_limit_that_is_set() {
    let lines = error(10, 1, "/", "10.0.0.9:80").repeat(20_000);
    let logs = Logs::new(&[]);
    logs.write("error.log.gz", &gzip(lines.as_bytes()));
    let whole = logs.timeouts(&["--tz", "UTC"]);
    assert_eq!((whole.status, whole.summary()["log_lines"]["total"].as_u64()), (0, Some(20_000)));
    let cut = logs.timeouts(&["--tz", "UTC", "--max-decompressed", "1M"]);
    assert_eq!(cut.status, 3, "{}", cut.stderr);
    assert!(
        cut.stderr.contains("the limits are 1000 times the input and 1048576"),
        "{}",
        cut.stderr
    );
    let some = cut.summary()["log_lines"]["total"].as_u64().expect("a count");
    assert!((1..20_000).contains(&some), "{some}");
    for wrong in [["--max-decompressed", "1X"], ["--max-decompressed", "0"], ["--max-ratio", "0"]] {
        assert_eq!(logs.timeouts(&wrong).status, 2, "{wrong:?}");
    }
}

/// The order of names is not that of times, dates stand in names, and some files are compressed.
#[test]
fn a_rotated_series_is_read_in_the_order_of_its_times() {
    let lines: Vec<String> = (1..=6).map(|n| error(10 + n, n, "/", "10.0.0.9:80")).collect();
    let logs = Logs::new(&[
        ("error.log", &lines[5]),
        ("error.log.1", &lines[4]),
        ("error.log-20261122", &lines[1]),
    ]);
    logs.write("error.log.2.gz", &gzip(lines[3].as_bytes()));
    logs.write("error.log.10.gz", &gzip(lines[2].as_bytes()));
    logs.write("error.log-20261121.gz", &gzip(lines[0].as_bytes()));
    let run = logs.timeouts(&["--tz", "UTC"]);
    let times: Vec<String> = found(&run).into_iter().map(|(_, time)| time).collect();
    let expected: Vec<String> =
        (11..=16).map(|second| format!("2026-11-22T07:18:{second}.000000000Z")).collect();
    assert_eq!(times, expected);
    assert_eq!(run.summary()["log_lines"]["cases"], 6);
}

/// copytruncate copies a log before it empties it: for a moment the lines are in two files.
#[test]
fn lines_that_were_copied_are_counted_once() {
    let (one, two) = (error(10, 1, "/", "10.0.0.9:80"), error(11, 2, "/", "10.0.0.9:80"));
    // Two workers' equal lines in one file are two events.
    let timer = "2026/11/22 07:18:12 [error] 31#31: *3 lua tcp socket connect timed out, when \
                 connecting to 10.0.0.9:80, context: ngx.timer\n";
    let all = [one.as_str(), &two, timer, timer].concat();
    let logs = Logs::new(&[("error.log", &all), ("error.log.1", &all)]);
    logs.write("error.log.2.gz", &gzip(one.as_bytes()));
    let run = logs.timeouts(&["--tz", "UTC"]);
    assert_eq!(found(&run).len(), 4);
    let lines = &run.summary()["log_lines"];
    assert_eq!(counts(lines), [("cases", 4), ("other", 5), ("total", 9)]);
}

#[test]
fn an_unterminated_last_line_is_read_as_far_as_it_is_whole() {
    let whole = error(10, 1, "/", "10.0.0.9:80");
    for (length, cases, unparsed) in [(whole.len() - 1, 1, 0), (whole.len() - 6, 0, 1), (150, 0, 1)]
    {
        let logs = Logs::new(&[("error.log", &[whole.as_str(), &whole[..length]].concat())]);
        let lines = logs.timeouts(&["--tz", "UTC"]).summary()["log_lines"].clone();
        let found = (lines["cases"].as_u64(), lines["unparsed"].as_u64());
        assert_eq!(found, (Some(1 + cases), Some(unparsed)), "{length}");
    }
}

/// Logs of two hosts, whose collectors and access logs tell their zones.
#[test]
fn every_log_has_its_own_zone() {
    let at =
        |hour: u32| error(10, hour, "/", "10.0.0.9:80").replace(" 07:", &format!(" {hour:02}:"));
    let combined = |time: &str| {
        format!("192.0.2.1 - - [22/Nov/2026:{time}] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"\n")
    };
    let logs = Logs::new(&[
        ("a/error.log", &at(8)),
        ("a/access.log", &combined("08:18:10 +0100")),
        ("b/error.log", &at(15)),
        ("b/access.log", &combined("15:18:10 +0800")),
        ("c/json.log", &format!("2026-11-22T07:18:10.5Z {}", at(2))),
    ]);
    let run = logs.timeouts(&[]);
    let times: Vec<String> = found(&run).into_iter().map(|(_, time)| time).collect();
    assert_eq!(times, ["2026-11-22T07:18:10.000000000Z"; 3]);
    assert!(run.stderr.contains("b/error.log: its times are in +08:00"), "{}", run.stderr);
    // A name from the user counts for all.
    let run = logs.timeouts(&["--tz", "UTC"]);
    let times: Vec<String> = found(&run).into_iter().map(|(_, time)| time).collect();
    let expected = ["02", "08", "15"].map(|hour| format!("2026-11-22T{hour}:18:10.000000000Z"));
    assert_eq!(times, expected);
}

#[test]
fn a_change_of_the_clocks_between_access_logs_is_said() {
    let combined =
        |time: &str| format!("192.0.2.1 - - [{time}] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"\n");
    let logs = Logs::new(&[
        ("error.log", &error(10, 1, "/", "10.0.0.9:80")),
        ("access.log.1", &combined("24/Oct/2026:12:00:00 +0200")),
        ("access.log", &combined("26/Oct/2026:12:00:00 +0100")),
    ]);
    let run = logs.timeouts(&[]);
    assert!(run.stderr.contains("the access logs state +01:00 and +02:00"), "{}", run.stderr);
    assert_eq!(run.summary()["zone"]["name"], "UTC");
}

/// In the repeated hour the order of the lines tells which of the two is meant; a clock that was
/// set is said.
#[test]
fn the_order_of_the_lines_tells_what_their_times_do_not() {
    let at = |time: &str| error(0, 1, "/", "10.0.0.9:80").replace("2026/11/22 07:18:00", time);
    let fold = ["2026/10/25 02:50:00", "2026/10/25 02:10:00"].map(at).concat();
    let logs = Logs::new(&[("error.log", &fold)]);
    let run = logs.timeouts(&["--tz", "Europe/Berlin"]);
    let times: Vec<String> = found(&run).into_iter().map(|(_, time)| time).collect();
    assert_eq!(times, ["2026-10-25T00:50:00.000000000Z", "2026-10-25T01:10:00.000000000Z"]);
    assert!(!run.stderr.contains("go back"), "{}", run.stderr);

    let set = ["2026/11/22 07:18:00", "2026/11/22 07:08:00"].map(at).concat();
    let run = Logs::new(&[("error.log", &set)]).timeouts(&["--tz", "UTC"]);
    assert!(run.stderr.contains("record 2: the times go back by 599 s"), "{}", run.stderr);
}

/// One failed connect, told by the cosocket and by the code that got the error, in either order.
#[test]
fn two_lines_about_one_event_are_one_case() {
    let context = "client: 192.0.2.1, server: a, request: \"GET / HTTP/1.1\", host: \"a\"\n";
    let said = |what: &str| format!("2026/11/22 07:18:10 [error] 31#31: *5 {what}, {context}");
    let cosocket = said("lua tcp socket connect timed out, when connecting to 10.0.0.9:6379");
    let user = said("[lua] redis.lua:27: connect(): failed to connect: timeout");
    for (text, kinds) in [
        ([cosocket.as_str(), &user].concat(), vec!["lua_connect_timeout"]),
        ([user.as_str(), &cosocket].concat(), vec!["lua_connect_timeout"]),
        (user.clone(), vec!["user_timeout"]),
    ] {
        let lines = text.lines().count() as u64;
        let run = Logs::new(&[("error.log", &text)]).timeouts(&["--tz", "UTC"]);
        let found: Vec<String> = found(&run).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(found, kinds);
        let tally = &run.summary()["log_lines"];
        assert_eq!(tally["total"].as_u64(), Some(lines));
        assert_eq!(tally["other"].as_u64(), Some(lines - 1));
    }
}

#[test]
fn a_log_that_left_lines_out_is_named() {
    let text = format!(
        "{}2026/11/22 07:18:23 [error] 1#1: too many log messages, limiting\n",
        error(10, 1, "/", "10.0.0.9:80")
    );
    let run = Logs::new(&[("error.log", &text)]).timeouts(&["--tz", "UTC"]);
    assert!(run.stderr.contains("error.log: not complete"), "{}", run.stderr);
    assert_eq!(run.status, 0);
}

#[test]
fn standard_input_is_a_log_like_any_other() {
    let text = error(10, 1, "/", "10.0.0.9:80");
    for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        let mut child = command(&["timeouts", "--format", "ndjson", "--tz", "UTC", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        child.stdin.take().expect("piped").write_all(&bytes).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let run = Run { stdout: output.stdout, stderr: String::new(), status: 0 };
        assert_eq!(found(&run).len(), 1);
        assert_eq!(run.of_type("timeout")[0]["log"]["file"], "-");
    }
}
