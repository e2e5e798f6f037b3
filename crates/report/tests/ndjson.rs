//! The NDJSON contract (field names and types), and tallies that add up.

#![allow(clippy::panic, reason = "assertions of a test")]

mod support;

use serde_json::Value;
use support::{Scene, incident};
use why504_correlate::{History, Points, judge_attempt};
use why504_report::{Run, case_ids, ndjson};

fn lines(print: impl Fn(&mut Vec<u8>)) -> Vec<Value> {
    let mut out = Vec::new();
    print(&mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn report(run: &Run<'_>) -> Vec<Value> {
    lines(|out| ndjson::report(run, out).expect("memory"))
}

fn scenes() -> Vec<Scene> {
    [[true, true], [true, false], [false, true]].map(|seen| incident().analyse(seen)).into()
}

/// `s` string, `n` number, `b` boolean, `o` object, `a` array; `?` in front: or null.
fn assert_types(object: &Value, fields: &[(&str, &str)]) {
    for (name, types) in fields {
        let value = object.get(name).unwrap_or_else(|| panic!("`{name}` is missing: {object}"));
        let kind = types.trim_start_matches('?');
        let right = match kind {
            "s" => value.is_string(),
            "n" => value.is_number(),
            "b" => value.is_boolean(),
            "o" => value.is_object(),
            "a" => value.is_array(),
            other => panic!("no such type: {other}"),
        };
        assert!(right || types.starts_with('?') && value.is_null(), "`{name}` is {value}");
    }
}

fn assert_time(value: &Value) {
    let text = value.as_str().expect("a time is a string");
    let nanos = text.strip_suffix('Z').and_then(|t| t.split_once('.')).map(|(_, n)| n.len());
    assert_eq!(nanos, Some(9), "{text}");
    let parsed = chrono::DateTime::parse_from_rfc3339(text);
    assert!(parsed.is_ok(), "{text}");
}

const ATTEMPT: [(&str, &str); 8] = [
    ("client", "s"),
    ("client_port", "n"),
    ("server", "s"),
    ("server_port", "n"),
    ("isn", "n"),
    ("first_syn", "s"),
    ("syn_count", "n"),
    ("history", "o"),
];

fn assert_evidence(list: &Value) {
    for item in list.as_array().expect("evidence is an array") {
        assert_types(
            item,
            &[
                ("point", "s"),
                ("file", "s"),
                ("frame", "n"),
                ("time", "s"),
                ("direction", "s"),
                ("flags", "s"),
                ("seq", "n"),
                ("ack", "n"),
                ("note", "s"),
            ],
        );
        assert_time(&item["time"]);
        assert!(["client", "server"].contains(&item["direction"].as_str().expect("checked")));
        assert!(item["frame"].as_u64() > Some(0));
        assert!(!item["note"].as_str().expect("checked").is_empty());
    }
}

const COUNT: [(&str, &str); 4] =
    [("verdict", "s"), ("least", "n"), ("most", "n"), ("expected", "?n")];

fn assert_group(group: &Value) {
    assert_eq!(group["type"], "group");
    assert_types(
        group,
        &[
            ("group", "n"),
            ("peer", "?o"),
            ("start", "?s"),
            ("end", "?s"),
            ("cases", "n"),
            ("decided", "n"),
            ("attempts", "n"),
            ("exact", "b"),
            ("sure", "b"),
            ("counts", "a"),
        ],
    );
    for count in group["counts"].as_array().expect("checked") {
        assert_types(count, &COUNT);
    }
}

fn assert_case(case: &Value) {
    assert_types(
        case,
        &[
            ("id", "s"),
            ("log", "o"),
            ("access", "?o"),
            ("timeout", "o"),
            ("verdict", "s"),
            ("mechanism", "?s"),
            ("grade", "s"),
            ("alternatives", "a"),
            ("join", "o"),
            ("probability", "n"),
            ("lost_between", "?o"),
            ("candidates", "n"),
            ("attempt", "?o"),
            ("candidate_attempts", "a"),
            ("evidence", "a"),
            ("reason", "s"),
            ("group", "?n"),
        ],
    );
    assert_eq!(case["group"].is_null(), case["verdict"] != "ambiguous", "{case}");
    assert_log(&case["log"]);
    assert_types(&case["timeout"], &[("seconds", "?n"), ("source", "s")]);
    assert_types(
        &case["join"],
        &[("window_start", "s"), ("window_end", "s"), ("widened_by", "n"), ("basis", "s")],
    );
    assert_time(&case["join"]["window_start"]);
    if !case["access"].is_null() {
        let access = [("file", "s"), ("line", "n"), ("status", "?n"), ("request_time", "?n")];
        assert_types(&case["access"], &access);
    }
    if !case["lost_between"].is_null() {
        assert_types(&case["lost_between"], &[("from", "s"), ("to", "s")]);
    }
    let others = case["candidate_attempts"].as_array().expect("checked");
    assert!(others.len() <= 8);
    assert_eq!(case["candidates"] == 1, case["attempt"].is_object());
    for attempt in others.iter().chain(case["attempt"].is_object().then_some(&case["attempt"])) {
        assert_types(attempt, &ATTEMPT);
        assert_time(&attempt["first_syn"]);
    }
    for alternative in case["alternatives"].as_array().expect("checked") {
        assert_types(alternative, &[("verdict", "s"), ("attempts", "n"), ("settled_by", "s")]);
    }
    assert_evidence(&case["evidence"]);
    let sure = ["proven", "signature"].contains(&case["grade"].as_str().expect("checked"));
    assert!(!sure || !case["evidence"].as_array().expect("checked").is_empty(), "{case}");
    assert!(case["reason"].as_str().is_some_and(|r| !r.is_empty() && !r.contains('\n')));
}

fn assert_log(log: &Value) {
    assert_types(
        log,
        &[
            ("file", "s"),
            ("line", "n"),
            ("time", "s"),
            ("time_end", "s"),
            ("kind", "s"),
            ("message", "s"),
            ("peer", "?o"),
            ("client", "?s"),
            ("server", "?s"),
            ("request", "?s"),
            ("host", "?s"),
            ("pid", "?n"),
            ("connection", "?n"),
        ],
    );
    assert_time(&log["time"]);
    assert_time(&log["time_end"]);
    if !log["peer"].is_null() {
        assert_types(&log["peer"], &[("ip", "s"), ("port", "n")]);
    }
}

#[test]
fn the_report_keeps_the_contract() {
    for scene in scenes() {
        let run = scene.run();
        let found = report(&run);
        let (first, rest) = found.split_first().expect("a run line");
        assert_types(
            first,
            &[("type", "s"), ("schema_version", "n"), ("tool", "s"), ("inputs", "a")],
        );
        assert_eq!(first["type"], "run");
        let (summary, rest) = rest.split_last().expect("a summary line");
        assert_eq!(summary["type"], "summary");
        let (cases, groups) = rest.split_at(run.correlation.cases.len());
        for case in cases {
            assert_eq!(case["type"], "case");
            assert_case(case);
        }
        assert_eq!(groups.len(), run.correlation.groups.len());
        for group in groups {
            assert_group(group);
        }
    }
}

#[test]
fn tallies_add_up() {
    for scene in scenes() {
        let found = report(&scene.run());
        let (summary, rest) = found.split_last().expect("a summary line");
        let of = |kind| rest.iter().filter(move |line| line["type"] == kind);
        let cases: Vec<&Value> = of("case").collect();
        let n = |value: &Value| value.as_u64().expect("a count");
        let lines = &summary["log_lines"];
        assert_eq!(
            n(&lines["total"]),
            n(&lines["cases"]) + n(&lines["other"]) + n(&lines["unparsed"])
        );
        assert_eq!(n(&lines["cases"]), n(&summary["cases"]["total"]));
        for (tally, field) in [("by_verdict", "verdict"), ("by_grade", "grade")] {
            let said = summary["cases"][tally].as_object().expect("an object");
            assert_eq!(said.values().map(n).sum::<u64>(), cases.len() as u64);
            for (word, count) in said {
                let printed = cases.iter().filter(|c| c[field] == word.as_str()).count();
                assert_eq!(n(count), printed as u64, "{tally} {word}");
            }
        }
        let ambiguous = &summary["cases"]["ambiguous"];
        let of_groups = of("group").map(|group| n(&group["cases"])).sum::<u64>();
        assert_eq!(n(&ambiguous["counted"]) + n(&ambiguous["uncounted"]), of_groups);
        let by_verdict = &summary["cases"]["by_verdict"];
        assert_eq!(of_groups, by_verdict.get("ambiguous").map_or(0, n), "each is in a group");
        for group in of("group") {
            let named = cases.iter().filter(|case| case["group"] == group["group"]).count();
            assert_eq!(n(&group["cases"]), named as u64);
        }
        let seen = &summary["http_504"];
        assert_eq!(
            n(&seen["total"]),
            n(&seen["explained"]) + n(&seen["other"]) + n(&seen["undecided"])
        );
        let packets = &summary["packets"];
        let parts = packets["tally"].as_object().expect("an object");
        assert_eq!(n(&packets["total"]), parts.values().map(n).sum::<u64>());
    }
}

#[test]
fn evidence_is_in_order_of_the_packets_way() {
    let scene = incident().analyse([true, true]);
    let found = report(&scene.run());
    let case = &found[1];
    assert_eq!(
        (case["verdict"].as_str(), case["grade"].as_str()),
        (Some("synack_lost"), Some("proven"))
    );
    let told: Vec<(&str, &str)> = case["evidence"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|e| (e["point"].as_str().expect("text"), e["note"].as_str().expect("text")))
        .collect();
    assert_eq!(
        told,
        [
            ("gateway", "SYN leaves the gateway"),
            ("upstream", "the same SYN arrives at the upstream"),
            ("upstream", "SYN+ACK leaves the upstream; not seen at the gateway"),
            ("gateway", "SYN again, +1.020 s"),
            ("upstream", "the same SYN arrives at the upstream"),
            ("upstream", "SYN+ACK again, +1.020 s; not seen at the gateway"),
        ]
    );
    assert_eq!(case["lost_between"], serde_json::json!({"from": "upstream", "to": "gateway"}));
    assert_eq!(case["timeout"], serde_json::json!({"seconds": 2.0, "source": "access_log"}));
    assert_eq!(case["log"]["time"], "2026-11-22T07:18:24.000000000Z");
    assert_eq!(
        case["attempt"]["history"],
        serde_json::json!({"gateway": "SS", "upstream": "ShSh"})
    );
}

#[test]
fn attempts_keep_the_contract() {
    let scene = incident().analyse([true, true]);
    let run = scene.run();
    let coverage = run.coverage.iter().map(|(point, seen)| (*point, seen)).collect();
    let points = Points { path: run.path, coverage: &coverage, merged: run.merged };
    let history = History::new(points);
    let mut clean = 0;
    for attempt in &run.merged.attempts {
        let judgement = judge_attempt(points, &history, attempt);
        let found = lines(|out| {
            ndjson::attempt(&run.captures(), attempt, &judgement, out).expect("memory");
        });
        let line = &found[0];
        assert_types(line, &ATTEMPT);
        assert_types(
            line,
            &[
                ("type", "s"),
                ("points", "a"),
                ("synack_count", "n"),
                ("connect_time", "?n"),
                ("verdict", "s"),
                ("mechanism", "?s"),
                ("grade", "s"),
                ("near_miss", "b"),
                ("evidence", "a"),
            ],
        );
        assert_evidence(&line["evidence"]);
        if line["verdict"] == "connected" {
            clean += 1;
            assert_eq!(line["near_miss"], false);
            assert_eq!(line["connect_time"], 0.002);
            assert_eq!(line["points"], serde_json::json!(["gateway", "upstream"]));
        }
    }
    assert_eq!(clean, 40);
}

#[test]
fn a_connect_that_a_repetition_saved_is_a_near_miss() {
    let mut scene = Scene::default();
    scene.healthy(0, 40_000);
    scene.syn_ack_lost(100, 41_000);
    scene.send(1_500, 41_000, "<S.", 41_000_500, 41_000_001, support::Way::There);
    scene.send(1_501, 41_000, ">.", 41_000_001, 41_000_501, support::Way::There);
    scene.send(1_502, 41_000, ">P.", 41_000_001, 41_000_501, support::Way::There);
    scene.send(1_503, 41_000, "<P.", 41_000_501, 41_000_101, support::Way::There);
    let scene = scene.analyse([true, true]);
    let run = scene.run();
    let coverage = run.coverage.iter().map(|(point, seen)| (*point, seen)).collect();
    let points = Points { path: run.path, coverage: &coverage, merged: run.merged };
    let history = History::new(points);
    let missed: Vec<Value> = run
        .merged
        .attempts
        .iter()
        .flat_map(|attempt| {
            let judgement = judge_attempt(points, &history, attempt);
            lines(|out| {
                ndjson::attempt(&run.captures(), attempt, &judgement, out).expect("memory");
            })
        })
        .filter(|line| line["near_miss"] == true)
        .collect();
    assert_eq!(missed.len(), 1);
    assert_eq!(missed[0]["client_port"], 41_000);
    assert_eq!(missed[0]["synack_count"], 3);
    assert!(!missed[0]["evidence"].as_array().expect("an array").is_empty());
}

#[test]
fn timeouts_keep_the_contract() {
    let scene = incident().analyse([true, true]);
    let found = lines(|out| ndjson::timeouts(&scene.run(), out).expect("memory"));
    let timeouts: Vec<&Value> = found.iter().filter(|l| l["type"] == "timeout").collect();
    assert_eq!(timeouts.len(), scene.timeouts.len());
    for line in timeouts {
        assert_log(&line["log"]);
        assert_types(&line["timeout"], &[("seconds", "?n"), ("source", "s")]);
    }
}

#[test]
fn ids_are_short_and_unlike() {
    let scene = incident().analyse([true, true]);
    let ids = case_ids(&scene.run());
    let unlike: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unlike.len(), ids.len());
    assert!(ids.iter().all(|id| id.len() >= 5));
}
