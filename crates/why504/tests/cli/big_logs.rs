//! Logs that are longer than a block: they are read in pieces, and nobody can tell.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::incident::why504;

/// An error log of some MiB and the numbers of its lines that are timeouts. Records of several
/// lines, lines of user code about an event before them and other lines stand at places that have
/// nothing to do with the size of a block.
fn error_log(lines: u64, connection: u64) -> (String, Vec<u64>) {
    let (mut text, mut timeouts, mut number) = (String::new(), Vec::new(), 0);
    while number < lines {
        number += 1;
        let second = number / 1000 % 60;
        let head = format!("2026/11/22 07:18:{second:02} [error] 7#7: *{}", connection + number);
        let context = "client: 203.0.113.7, server: a, request: \"GET / HTTP/1.1\"";
        match number % 97 {
            3 => {
                timeouts.push(number);
                let said = "lua tcp socket connect timed out, when connecting to 10.0.0.9:80";
                writeln!(text, "{head} {said}, {context}").expect("a string");
                // What the user's code says of it is no event of its own.
                number += 1;
                let said = "[lua] a.lua:7: failed to connect: timeout";
                writeln!(text, "{head} {said}, {context}").expect("a string");
            }
            50 => {
                timeouts.push(number);
                let said = "upstream timed out (110: x) while connecting to upstream";
                let rest = "subrequest: \"/a\nb\nc\", upstream: \"http://10.0.0.8:80/\"";
                writeln!(text, "{head} {said}, {context}, {rest}").expect("a string");
                number += 2;
            }
            _ => writeln!(text, "{head} a client request body is buffered, {context}")
                .expect("a string"),
        }
    }
    (text, timeouts)
}

fn timeouts(arguments: &[&str]) -> String {
    let run = why504(&[&["timeouts", "--tz", "UTC", "--format", "ndjson"], arguments].concat());
    assert_eq!(run.status, 0, "{arguments:?}: {}", run.stderr);
    String::from_utf8(run.stdout).expect("UTF-8")
}

fn lines_of(ndjson: &str) -> Vec<u64> {
    let objects = ndjson.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let timeouts = objects.filter(|object| object["type"] == "timeout");
    timeouts.map(|object| object["log"]["line"].as_u64().expect("a number")).collect()
}

fn path(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn pieces_and_threads_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, expected) = error_log(60_000, 0);
    assert!(text.len() > 6 << 20, "several rounds of blocks");
    let log = path(folder.path(), "error.log", &text);
    let one = timeouts(&["-j1", &log]);
    assert_eq!(lines_of(&one), expected);
    for jobs in ["-j2", "-j3", "-j8"] {
        assert!(timeouts(&[jobs, &log]) == one, "{jobs}");
    }
    // Lines that are told as they are found are the lines of a run that keeps them.
    let kept = folder.path().join("kept.ndjson").display().to_string();
    let run = why504(&["timeouts", "--tz", "UTC", "-o", &kept, "-j2", &log]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(fs::read_to_string(&kept).expect("the file") == one);
    // A collector's prefix on each line.
    let wrapped: String = text.lines().fold(String::new(), |mut all, line| {
        writeln!(all, "2026-11-22T07:19:59.5Z stderr F {line}").expect("a string");
        all
    });
    let wrapped = path(folder.path(), "cri.log", &wrapped);
    assert_eq!(lines_of(&timeouts(&["-j2", &wrapped])), expected);
    assert!(timeouts(&["-j1", &wrapped]) == timeouts(&["-j8", &wrapped]));
}

#[test]
fn a_record_that_several_logs_hold_is_told_once_and_logs_come_in_order_of_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, expected) = error_log(20_000, 0);
    let (other, of_other) = error_log(20_000, 1_000_000);
    let later = other.replace("2026/11/22", "2026/11/23");
    let copy = path(folder.path(), "b.log", &text);
    path(folder.path(), "c.log", &text);
    path(folder.path(), "a.log", &later);
    let folder = folder.path().display().to_string();
    let both = timeouts(&["-j1", &folder]);
    assert_eq!(lines_of(&both), [expected, of_other].concat());
    for jobs in ["-j2", "-j8"] {
        assert!(timeouts(&[jobs, &folder]) == both, "{jobs}");
    }
    let first = serde_json::from_str::<Value>(both.lines().nth(1).expect("a line")).expect("JSON");
    assert_eq!(first["log"]["file"], copy.as_str());
}
