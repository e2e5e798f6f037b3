//! A deterministic generator of big logs for benchmarks.
//!
//! An error log as a busy gateway writes it, of which one line in fifty is a connect timeout, or an
//! access log in a format of the operator's own. Some lines hold the words of a timeout where a
//! client put them, so that a benchmark can also check what it measured: what was written is
//! counted. The lines are plausible, not real, and no network stands behind them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::random::Random;

/// What nginx's `log_format` says of the access log.
pub const ACCESS_FORMAT: &str = "$remote_addr [$time_local] $msec $connection $pid \"$request\" \
     $status $body_bytes_sent $request_time \"$upstream_addr\" \"$upstream_status\" \
     \"$upstream_connect_time\" \"$upstream_response_time\" \"$host\" \"$http_user_agent\"";

/// One line in this many of the error log is a connect timeout; of the access log, a 504 of one.
const TIMEOUT_EVERY: u64 = 50;

/// One line in about this many holds the words of a timeout and is none.
const HOSTILE_EVERY: u32 = 1000;

/// Lines in a second.
const RATE: u64 = 500;

/// 2026-11-01T00:00:00Z.
const BEGINNING: u64 = 1_793_491_200;

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// An error log
    Error,
    /// An access log
    Access,
}

/// What to generate.
#[derive(Debug, Clone, clap::Args)]
pub struct Log {
    /// Which log
    #[arg(value_enum)]
    pub kind: Kind,
    /// The file to write
    #[arg(long)]
    pub out: PathBuf,
    /// Lines in it
    #[arg(long, default_value_t = 1_000_000)]
    pub lines: u64,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Connect timeouts; in an access log the 504s that each of them caused.
    pub timeouts: u64,
    /// Lines that hold the words `timed out`, for whatever reason.
    pub timed_out: u64,
}

/// Generates the log and writes `FILE.truth.json` beside it.
pub fn generate(log: &Log) -> Result<Counts> {
    let at = || format!("cannot write {}", log.out.display());
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&log.out).with_context(at)?);
    let mut random = Random::new(log.seed);
    let mut counts = Counts::default();
    for number in 0..log.lines {
        let (line, is_timeout) = match log.kind {
            Kind::Error => error_line(number, &mut random),
            Kind::Access => access_line(number, &mut random),
        };
        counts.lines += 1;
        counts.bytes += line.len() as u64;
        counts.timeouts += u64::from(is_timeout);
        counts.timed_out += u64::from(line.contains("timed out"));
        out.write_all(line.as_bytes()).with_context(at)?;
    }
    out.flush().with_context(at)?;
    let text = serde_json::to_string_pretty(&counts)? + "\n";
    std::fs::write(format!("{}.truth.json", log.out.display()), text)?;
    Ok(counts)
}

/// A line of the error log, and whether it is a timeout.
fn error_line(number: u64, random: &mut Random) -> (String, bool) {
    let is_timeout = number % TIMEOUT_EVERY == TIMEOUT_EVERY - 1;
    let (upstream, item) = (random.below(200), random.below(10_000_000));
    let mut target = format!("/api/v2/cart/items/{item}?currency=eur");
    let mut passed = true;
    let (level, message) = if is_timeout {
        passed = random.below(4) > 0;
        ("error", timeout_message(passed, upstream))
    } else if random.below(HOSTILE_EVERY) == 0 {
        passed = random.below(2) == 0;
        target = String::from("/search?q=upstream timed out, when connecting to 10.9.9.9:80");
        ("info", "client timed out (110: Connection timed out) while reading client".to_owned())
    } else {
        other_message(upstream, item, random)
    };
    let upstream = if passed {
        format!(", upstream: \"http://10.0.1.{upstream}:8080{target}\"")
    } else {
        String::new()
    };
    let pid = 100 + random.below(4);
    let line = format!(
        "{} [{level}] {pid}#{pid}: *{} {message}, client: {}, server: shop.example.com, \
         request: \"GET {target} HTTP/1.1\"{upstream}, host: \"shop.example.com\"\n",
        time(number),
        number / 3,
        client(random),
    );
    (line, is_timeout)
}

/// What nginx writes when a connect has timed out: its own (`passed` to an upstream), or that of a
/// cosocket.
fn timeout_message(passed: bool, upstream: u32) -> String {
    if passed {
        "upstream timed out (110: Connection timed out) while connecting to upstream".to_owned()
    } else {
        format!("lua tcp socket connect timed out, when connecting to 10.0.1.{upstream}:8080")
    }
}

/// A message about something else: level and text.
fn other_message(upstream: u32, item: u32, random: &mut Random) -> (&'static str, String) {
    match random.weighted(&[6, 3, 1]) {
        0 => (
            "warn",
            format!(
                "an upstream response is buffered to a temporary file \
                 /var/cache/nginx/proxy_temp/{}/{:02}/{item:010} while reading upstream",
                item % 10,
                item / 10 % 100
            ),
        ),
        1 => ("info", format!("[lua] router.lua:{}: choose(): picked pool {upstream}", item % 400)),
        _ => (
            "error",
            format!("open() \"/srv/www/{item}.png\" failed (2: No such file or directory)"),
        ),
    }
}

/// A line of the access log in [`ACCESS_FORMAT`], and whether it tells of a connect timeout.
fn access_line(number: u64, random: &mut Random) -> (String, bool) {
    let is_timeout = number % TIMEOUT_EVERY == TIMEOUT_EVERY - 1;
    let (upstream, item) = (random.below(200), random.below(10_000_000));
    let hostile = random.below(HOSTILE_EVERY) == 0;
    let target = if hostile {
        "/search?q=upstream timed out 504 - -".to_owned()
    } else {
        format!("/api/v2/cart/items/{item}?currency=eur")
    };
    let took = 5 + random.below(300);
    let (status, connect, response) = if is_timeout {
        (504, "-".to_owned(), "2.003".to_owned())
    } else {
        (if random.below(30) == 0 { 404 } else { 200 }, "0.001".to_owned(), seconds(took))
    };
    let line = format!(
        "{} [{} +0000] {}.{:03} {} {} \"GET {target} HTTP/1.1\" {status} {} {response} \
         \"10.0.1.{upstream}:8080\" \"{status}\" \"{connect}\" \"{response}\" \
         \"shop.example.com\" \"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\"\n",
        client(random),
        local_time(number),
        BEGINNING + number / RATE,
        number % RATE * 1000 / RATE,
        number / 3,
        100 + random.below(4),
        random.below(50_000),
    );
    (line, is_timeout)
}

fn client(random: &mut Random) -> String {
    let client = random.below(65_536);
    format!("198.18.{}.{}", client / 256, client % 256)
}

fn seconds(millis: u32) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Day of November 2026, hour, minute, second of a line.
fn clock(number: u64) -> (u64, u64, u64, u64) {
    let second = number / RATE;
    (1 + second / 86_400 % 30, second / 3600 % 24, second / 60 % 60, second % 60)
}

/// `2026/11/01 00:00:00`, as error logs have it.
fn time(number: u64) -> String {
    let (day, hour, minute, second) = clock(number);
    format!("2026/11/{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// `01/Nov/2026:00:00:00`.
fn local_time(number: u64) -> String {
    let (day, hour, minute, second) = clock(number);
    format!("{day:02}/Nov/2026:{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_those_of_the_file_and_the_same_seed_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, needle) in [(Kind::Error, "connect"), (Kind::Access, " 504 ")] {
            let log = Log { kind, out: folder.path().join("a.log"), lines: 20_000, seed: 7 };
            let counts = generate(&log).unwrap();
            let text = std::fs::read_to_string(&log.out).unwrap();
            assert_eq!(counts.bytes, text.len() as u64);
            assert_eq!(counts.lines, text.lines().count() as u64);
            assert_eq!(counts.timeouts, counts.lines / TIMEOUT_EVERY);
            let words = text.lines().filter(|line| line.contains("timed out")).count() as u64;
            assert_eq!(counts.timed_out, words);
            let meant = text.lines().filter(|line| line.contains(needle)).count() as u64;
            assert!(meant >= counts.timeouts, "{kind:?}");
            generate(&log).unwrap();
            assert_eq!(text, std::fs::read_to_string(&log.out).unwrap());
        }
    }
}
