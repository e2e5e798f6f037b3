//! `why504 check`: what it says of the incident, held against the files themselves.

use serde_json::Value;

use crate::incident::{OPTIONS, Run, WHOLE, demo, report, why504};

fn check(inputs: &[&str]) -> Run {
    why504(&[&["check"], &OPTIONS[..], inputs].concat())
}

fn verdict(run: &Run) -> Value {
    run.of_type("check").remove(0)
}

#[test]
fn a_whole_incident_can_be_joined() {
    let run = check(&WHOLE);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(verdict(&run)["joinable"], true);
    let logs = run.of_type("log");
    assert_eq!(logs.len(), 2);
    for log in &logs {
        let path = log["file"].as_str().expect("a path");
        let name = path.rsplit('/').next().expect("a name");
        let text = std::fs::read_to_string(demo(name)).expect("the log");
        assert_eq!(log["lines"].as_u64(), Some(text.lines().count() as u64), "{log}");
        assert!(log["start"].as_str() < log["end"].as_str(), "{log}");
    }
    let timeouts: u64 = logs.iter().filter_map(|log| log["timeouts"].as_u64()).sum();
    assert_eq!(timeouts, report(&WHOLE).of_type("case").len() as u64);
    let places = [("gateway", "gateway"), ("upstream", "upstream")];
    for (point, (name, place)) in run.of_type("point").iter().zip(places) {
        assert_eq!(point["name"], name);
        assert_eq!((&point["plain_acks"], &point["dropped"]), (&Value::from(true), &Value::Null));
        assert_eq!(point["answers_missed"], 0, "tcpdump said that it dropped nothing");
        assert_eq!(point["requests_missed"], 0, "the same");
        assert!(point["requests"].as_u64() > Some(0));
        assert!(point["completed"].as_u64() > Some(0));
        let servers = point["servers"].as_array().expect("an array");
        assert_eq!(servers.len(), 1);
        assert_eq!(
            (&servers[0]["place"], &servers[0]["server"]),
            (&place.into(), &"10.77.2.2".into())
        );
        assert_eq!(servers[0]["both_directions"], true);
    }
}

/// (inputs, exit status, words of a finding that hinders)
#[test]
fn what_cannot_be_joined_says_why() {
    let [_, gateway, _, _, error, _] = WHOLE;
    for (inputs, status, words) in [
        (vec![error], 4, "there is no capture"),
        (vec!["--at", gateway], 0, "no log holds a timeout"),
        (vec!["--tz", "UTC", "--at", gateway, error], 4, "+8.00 h"),
    ] {
        // A zone may be given once.
        let options = if inputs.contains(&"--tz") { &OPTIONS[..2] } else { &OPTIONS[..] };
        let run = why504(&[&["check"], options, &inputs].concat());
        assert_eq!(run.status, status, "{inputs:?}: {}", run.stderr);
        let verdict = verdict(&run);
        assert_eq!(verdict["joinable"], false, "{inputs:?}");
        let findings = verdict["findings"].as_array().expect("an array");
        let hit = |f: &Value| f["hinders"] == true && f["message"].to_string().contains(words);
        assert!(findings.iter().any(hit), "{inputs:?}: {verdict}");
    }
}

/// A filter on flags, one direction, one point: each is found where it is so, and only there.
#[test]
fn weak_captures_are_called_weak() {
    let shared = crate::incident::root().join("../shared/captures/public");
    let oneside = shared.join("suricata_bug-8629-async-oneside.pcap");
    let (gateway, error) = (WHOLE[1], WHOLE[4]);
    let messages = |run: &Run| verdict(run)["findings"].to_string();
    let alone = messages(&check(&["--at", gateway, error]));
    assert!(alone.contains("gateway is the only capture point"), "{alone}");
    assert!(alone.contains("there is no access log"), "{alone}");
    let whole = messages(&check(&WHOLE));
    for words in ["only capture point", "no access log", "no plain ACK", "no answer of"] {
        assert!(!whole.contains(words), "{whole}");
    }
    if oneside.exists() {
        let found = messages(&check(&[oneside.to_str().expect("UTF-8")]));
        assert!(found.contains("no answer of"), "{found}");
    }
}

/// The incident is half a minute long, so its lines find their attempts in its own zone and nowhere else.
#[test]
fn a_zone_that_is_worked_out_says_how_many_lines_spoke_for_it() {
    let run = why504(&[&WHOLE[..4], &["testdata/demo/error.log"]].concat());
    let text =
        String::from_utf8_lossy(&run.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "+08:00 (worked out: 85 of 85 lines find attempts in it, in any other at most 0)";
    assert!(text.contains(said), "{text}");
}
