//! Logs alone, written by the test: what is counted, joined and timed.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::incident::{Run, why504};

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
