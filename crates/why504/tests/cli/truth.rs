//! The incident's verdicts against what really happened, as the lab recorded it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::incident::{Run, WHOLE, demo, report};

/// The truth by line of the error log.
fn truth() -> BTreeMap<u64, Value> {
    let text = std::fs::read_to_string(demo("truth.jsonl")).expect("the incident has a truth");
    let rows = text.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("a row of the truth");
        (row["line"].as_u64().expect("a line number"), row)
    });
    rows.filter(|(_, row)| row["exact"] == true).collect()
}

/// The cases of the error log; the truth knows no others.
fn cases(run: &Run) -> Vec<Value> {
    let of_error_log = |case: &Value| case["log"]["file"] == "testdata/demo/error.log";
    run.of_type("case").into_iter().filter(of_error_log).collect()
}

fn sure(case: &Value) -> bool {
    case["grade"] == "proven" || case["grade"] == "signature"
}

/// Sure verdicts that are wrong, and how many are right.
fn judge(run: &Run) -> (Vec<String>, usize) {
    let truth = truth();
    let (mut wrong, mut right) = (Vec::new(), 0);
    for case in cases(run).iter().filter(|case| sure(case)) {
        let line = case["log"]["line"].as_u64().expect("a line number");
        let Some(row) = truth.get(&line) else { continue };
        let other_attempt = !case["attempt"].is_null() && case["attempt"]["isn"] != row["isn"];
        if case["verdict"] == row["cause"] && !other_attempt {
            right += 1;
        } else {
            wrong.push(format!("line {line}: {} is {case}", row["cause"]));
        }
    }
    (wrong, right)
}

#[test]
fn with_both_captures_and_the_access_log_every_verdict_is_right_and_sure() {
    let run = report(&WHOLE);
    let (wrong, right) = judge(&run);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(right, truth().len(), "timeouts with the true verdict at a sure grade");
    // Where several attempts fit and agree, the verdict stands and the attempt is left open.
    let one = cases(&run).iter().filter(|case| !case["attempt"].is_null()).count();
    assert!(one * 100 >= right * 95, "only {one} of {right} timeouts have exactly one attempt");
}

/// With less to go on, less is known, and nothing that is sure is wrong.
#[test]
fn with_less_input_no_sure_verdict_is_wrong() {
    let [_, gateway, _, upstream, error, access] = WHOLE;
    for inputs in [
        vec!["--at", gateway, "--at", upstream, error],
        vec![
            "--at",
            gateway,
            "--at",
            upstream,
            "--connect-timeout",
            "300ms,500ms,1500ms,2s,3s",
            error,
        ],
        vec!["--at", gateway, error, access],
        vec!["--at", upstream, error, access],
        vec!["--at", gateway, error],
        vec!["--at", upstream, error],
    ] {
        let (wrong, _) = judge(&report(&inputs));
        assert!(wrong.is_empty(), "{inputs:?}\n{}", wrong.join("\n"));
    }
}
