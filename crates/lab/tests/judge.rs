//! The judge, tried on stand-ins for the tool: shell scripts that print a prepared answer about
//! the committed demo incident.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use why504_lab::judge::{Judgement, Limits, Mode, judge, sets};
use why504_lab::truth::{self, Row};

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/demo")
}

/// The answer of a tool that knows the truth, except for what `change` does to a case.
fn answer(change: impl Fn(&Row, &mut serde_json::Value)) -> String {
    let rows = truth::read(&demo()).unwrap();
    let mut lines = vec![json!({"type": "run", "schema_version": 1}).to_string()];
    let mut verdicts = serde_json::Map::new();
    for row in &rows {
        let attempt = row.attempt.as_ref().unwrap();
        let frames = &attempt.gw_frames;
        let mut case = json!({
            "type": "case", "log": {"file": "error.log", "line": row.line},
            "verdict": attempt.cause, "mechanism": null, "grade": "proven",
            "attempt": {
                "client": attempt.src, "client_port": attempt.sport, "server": attempt.dst,
                "server_port": attempt.dport, "isn": attempt.isn,
            },
            "evidence": [{
                "file": frames[0].0, "frame": frames[0].1, "time": first_syn_time(row),
                "flags": "S", "seq": attempt.isn, "ack": 0,
            }],
        });
        change(row, &mut case);
        let verdict = case["verdict"].as_str().unwrap().to_owned();
        let count = verdicts.get(&verdict).and_then(serde_json::Value::as_u64).unwrap_or(0);
        verdicts.insert(verdict, json!(count + 1));
        lines.push(case.to_string());
    }
    let total = rows.len();
    lines.push(
        json!({
            "type": "summary",
            "log_lines": {"total": total, "cases": total, "other": 0, "unparsed": 0},
            "cases": {"total": total, "by_verdict": verdicts, "by_grade": {"proven": total}},
        })
        .to_string(),
    );
    lines.join("\n") + "\n"
}

/// The time of the frame as the capture has it, to the nanosecond.
fn first_syn_time(row: &Row) -> String {
    let (file, frame) = &row.attempt.as_ref().unwrap().gw_frames[0];
    let frames = why504_lab::pcap::read(&demo().join(file)).unwrap();
    let ns = frames[usize::try_from(*frame).unwrap() - 1].time_ns;
    let in_day = ns.rem_euclid(86_400_000_000_000);
    let (seconds, fraction) = (in_day / 1_000_000_000, in_day % 1_000_000_000);
    // The log's date is that of the zone, and the incident did not cross midnight of either.
    let date = row.log.split(' ').next().unwrap().replace('/', "-");
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{date}T{clock}.{fraction:09}Z")
}

/// Judges a script that prints `answer`, and for `-j 8` that and `extra`.
fn judged(answer: &str, extra: &str) -> Judgement {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("answer");
    std::fs::write(&text, answer).unwrap();
    let script = folder.path().join("why504");
    let body = format!(
        "#!/bin/sh\ncat '{}'\ncase \"$*\" in *'-j 8'*) printf '{extra}';; esac\n",
        text.display()
    );
    std::fs::write(&script, body).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    judge(&demo(), Mode::Both, &script).unwrap()
}

fn limits() -> Limits {
    Limits {
        max_wrong_sure: 0,
        min_right_sure: 0.98,
        min_one_attempt: 0.95,
        min_decided: 0.0,
        max_offset_ms: 1.0,
        max_drift_ppm: 5.0,
        max_wrong_attempt: 0,
        apart: Vec::new(),
    }
}

#[test]
fn a_tool_that_knows_the_truth_keeps_every_limit() {
    let judgement = judged(&answer(|_, _| {}), "");
    assert_eq!(limits().violations(std::slice::from_ref(&judgement)), Vec::<String>::new());
    assert_eq!(judgement.score.right_sure(), truth::read(&demo()).unwrap().len());
}

#[test]
fn each_fault_is_found_and_named() {
    type Change = fn(&Row, &mut serde_json::Value);
    let faults: [(&str, Change); 5] = [
        ("sure grade", |row, case| {
            if row.line == 3 {
                case["verdict"] = json!("ack_lost");
            }
        }),
        ("not theirs", |row, case| {
            if row.line == 3 {
                case["attempt"]["client_port"] = json!(1);
            }
        }),
        ("cited frames", |row, case| {
            if row.line == 3 {
                case["evidence"][0]["seq"] = json!(1);
            }
        }),
        ("cite none", |row, case| {
            if row.line == 3 {
                case["evidence"] = json!([]);
            }
        }),
        ("exactly one attempt", |row, case| {
            if row.line % 10 == 0 {
                case["attempt"] = json!(null);
            }
        }),
    ];
    for (named, change) in faults {
        let judgement = judged(&answer(change), "");
        let violations = limits().violations(&[judgement]);
        assert!(violations.iter().any(|text| text.contains(named)), "{named}: {violations:?}");
    }
}

#[test]
fn bytes_that_depend_on_the_thread_count_are_found() {
    let judgement = judged(&answer(|_, _| {}), " ");
    assert_eq!(judgement.score.unstable, ["-j8"]);
}

#[test]
fn sets_are_found_below_a_folder() {
    let found = sets(&[demo().join("..")]).unwrap();
    assert!(found.iter().any(|folder| folder.ends_with("demo")), "{found:?}");
}
