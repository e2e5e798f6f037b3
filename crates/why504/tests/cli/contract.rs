//! The NDJSON contract: which lines, which fields of which type, and that the tallies add up.

use serde_json::Value;

use crate::incident::{Run, WHOLE, report, why504};

/// `/` leads into an object; a type with `?` may be null.
const CASE: [(&str, &str); 37] = [
    ("id", "string"),
    ("log/file", "string"),
    ("log/line", "integer"),
    ("log/time", "time"),
    ("log/time_end", "time"),
    ("log/kind", "string"),
    ("log/message", "string"),
    ("log/peer", "object?"),
    ("log/client", "string?"),
    ("log/server", "string?"),
    ("log/request", "string?"),
    ("log/host", "string?"),
    ("log/pid", "integer?"),
    ("log/connection", "integer?"),
    ("access", "object?"),
    ("timeout/seconds", "number?"),
    ("timeout/source", "string"),
    ("verdict", "string"),
    ("mechanism", "string?"),
    ("grade", "string"),
    ("alternatives", "array"),
    ("join/window_start", "time"),
    ("join/window_end", "time"),
    ("join/widened_by", "number"),
    ("join/basis", "string"),
    ("probability", "number"),
    ("lost_between", "object?"),
    ("candidates", "integer"),
    ("attempt", "object?"),
    ("attempt/client", "string?"),
    ("attempt/isn", "integer?"),
    ("attempt/first_syn", "time?"),
    ("attempt/history", "object?"),
    ("candidate_attempts", "array"),
    ("evidence", "array"),
    ("reason", "string"),
    ("group", "integer?"),
];

const GROUP: [(&str, &str); 10] = [
    ("group", "integer"),
    ("peer", "object?"),
    ("start", "time?"),
    ("end", "time?"),
    ("cases", "integer"),
    ("decided", "integer"),
    ("attempts", "integer"),
    ("exact", "bool"),
    ("sure", "bool"),
    ("counts", "array"),
];

const COUNT: [(&str, &str); 4] =
    [("verdict", "string"), ("least", "integer"), ("most", "integer"), ("expected", "number?")];

const EVIDENCE: [(&str, &str); 9] = [
    ("point", "string"),
    ("file", "string"),
    ("frame", "integer"),
    ("time", "time"),
    ("direction", "string"),
    ("flags", "string"),
    ("seq", "integer"),
    ("ack", "integer"),
    ("note", "string"),
];

const ATTEMPT: [(&str, &str); 17] = [
    ("client", "string"),
    ("client_port", "integer"),
    ("server", "string"),
    ("server_port", "integer"),
    ("isn", "integer"),
    ("first_syn", "time"),
    ("syn_count", "integer"),
    ("history", "object"),
    ("points", "array"),
    ("synack_count", "integer"),
    ("connect_time", "number?"),
    ("verdict", "string"),
    ("mechanism", "string?"),
    ("grade", "string"),
    ("near_miss", "bool"),
    ("reason", "string"),
    ("evidence", "array"),
];

/// 2026-11-22T15:15:04.432476232Z
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000000000Z"
}

fn check(object: &Value, fields: &[(&str, &str)]) {
    for (path, kind) in fields {
        let found = object.pointer(&format!("/{path}"));
        let (kind, nullable) = kind.strip_suffix('?').map_or((*kind, false), |kind| (kind, true));
        let fits = match found {
            None => nullable && path.contains('/'),
            Some(Value::Null) => nullable,
            Some(value) => match kind {
                "time" => value.as_str().is_some_and(is_time),
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                "number" => value.is_number(),
                "object" => value.is_object(),
                "array" => value.is_array(),
                "bool" => value.is_boolean(),
                _ => panic!("{kind} is no type"),
            },
        };
        assert!(fits, "{path} should be {kind}: {object}");
    }
}

/// First `run`, last `summary`, and nothing but `between` between them.
fn frame(run: &Run, between: &str) -> Vec<Value> {
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let mut objects = run.objects();
    let summary = objects.pop().expect("a last line");
    assert_eq!(summary["type"], "summary");
    let first = objects.remove(0);
    assert_eq!((&first["type"], &first["schema_version"]), (&Value::from("run"), &Value::from(1)));
    assert!(first["inputs"].as_array().is_some_and(|inputs| {
        inputs.is_sorted_by_key(|input| input.as_str().map(str::to_owned))
    }));
    assert!(objects.iter().all(|object| object["type"] == between), "only {between} lines");
    objects
}

#[test]
fn cases_have_the_fields_of_the_contract() {
    for case in frame(&report(&WHOLE), "case") {
        check(&case, &CASE);
        for evidence in case["evidence"].as_array().into_iter().flatten() {
            check(evidence, &EVIDENCE);
        }
    }
}

/// Of one capture and the error log alone some lines are ambiguous, and counted by groups.
#[test]
fn groups_have_the_fields_of_the_contract_and_hold_every_ambiguous_case() {
    let run = report(&[WHOLE[0], WHOLE[1], WHOLE[4]]);
    let (groups, cases) = (run.of_type("group"), run.of_type("case"));
    assert!(!groups.is_empty());
    let number = |value: &Value| value.as_u64().expect("a number");
    for group in &groups {
        check(group, &GROUP);
        let counts = group["counts"].as_array().expect("checked");
        for count in counts {
            check(count, &COUNT);
        }
        let (least, most) = counts.iter().fold((0, 0), |(least, most), count| {
            assert!(number(&count["least"]) <= number(&count["most"]), "{count}");
            (least + number(&count["least"]), most + number(&count["most"]))
        });
        let cases = number(&group["cases"]);
        assert!(counts.is_empty() || (least..=most).contains(&cases), "{group}");
    }
    let ambiguous = cases.iter().filter(|case| case["verdict"] == "ambiguous");
    let of_groups: u64 = groups.iter().map(|group| number(&group["cases"])).sum();
    assert_eq!(ambiguous.count() as u64, of_groups);
    let said = &run.summary()["cases"]["ambiguous"];
    assert_eq!(number(&said["counted"]) + number(&said["uncounted"]), of_groups);
}

#[test]
fn attempts_have_the_fields_of_the_contract() {
    let run = why504(&["handshakes", "--format", "ndjson", WHOLE[0], WHOLE[1], WHOLE[2], WHOLE[3]]);
    let attempts = frame(&run, "attempt");
    assert!(!attempts.is_empty());
    for attempt in &attempts {
        check(attempt, &ATTEMPT);
    }
    let first_syns: Vec<&str> = attempts.iter().filter_map(|a| a["first_syn"].as_str()).collect();
    assert!(first_syns.is_sorted(), "attempts come in order of their first SYN");
}

#[test]
fn timeouts_have_the_fields_of_the_contract() {
    let run = why504(&["timeouts", "--format", "ndjson", "--tz", "UTC", "testdata/demo/error.log"]);
    let timeouts = frame(&run, "timeout");
    assert!(!timeouts.is_empty());
    for timeout in &timeouts {
        let own = CASE
            .iter()
            .filter(|(path, _)| path.starts_with("log/") || path.starts_with("timeout/"));
        check(timeout, &own.copied().collect::<Vec<_>>());
    }
}

fn sum(object: &Value) -> u64 {
    object.as_object().into_iter().flat_map(|o| o.values()).filter_map(Value::as_u64).sum()
}

#[test]
fn tallies_add_up() {
    let run = report(&WHOLE);
    let (summary, cases) = (run.summary(), run.of_type("case").len());
    let lines = &summary["log_lines"];
    assert_eq!(lines["total"].as_u64().map(|total| 2 * total), Some(sum(lines)), "{lines}");
    let text = std::fs::read_to_string(crate::incident::demo("error.log")).expect("the log");
    assert_eq!(lines["total"].as_u64(), Some(text.lines().count() as u64));
    assert_eq!(summary["cases"]["total"].as_u64(), Some(cases as u64));
    assert_eq!(sum(&summary["cases"]["by_verdict"]), cases as u64);
    assert_eq!(sum(&summary["cases"]["by_grade"]), cases as u64);
    let packets = &summary["packets"];
    assert_eq!(packets["total"].as_u64(), Some(sum(&packets["tally"])), "{packets}");
    let answers = &summary["http_504"];
    assert_eq!(answers["total"].as_u64().map(|total| 2 * total), Some(sum(answers)), "{answers}");
    let logged = &summary["logged_504"];
    assert_eq!(logged["total"], answers["total"]);
    assert_eq!(logged["total"].as_u64().map(|total| 2 * total), Some(sum(logged)), "{logged}");
}
