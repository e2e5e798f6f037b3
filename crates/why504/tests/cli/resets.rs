//! `why504 resets`: the reasons that the README of the lab's captures states, seen from both ends
//! and from each end alone, and totals that add up. Captures that are not there are passed over.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::incident::{WHOLE, why504};

fn lab(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures/lab");
    let path: PathBuf = folder.join(name);
    path.exists().then(|| path.display().to_string())
}

fn resets(arguments: &[&str]) -> Vec<Value> {
    let run = why504(&[&["resets", "--quiet", "--format", "ndjson"], arguments].concat());
    assert!(run.status == 0 || run.status == 4, "{arguments:?}: {}", run.stderr);
    let resets = run.of_type("reset");
    let totals = &run.summary()["resets"];
    assert_eq!(totals["total"].as_u64(), Some(resets.len() as u64), "{arguments:?}");
    for (name, count) in totals["by_trigger"].as_object().expect("an object") {
        let of_this = resets.iter().filter(|r| r["trigger"] == name.as_str()).count() as u64;
        assert_eq!(count.as_u64(), Some(of_this), "{name}");
    }
    let lost = resets.iter().filter(|r| r["lost_second_handshake"] == true).count() as u64;
    assert_eq!(totals["lost_second_handshake"]["total"].as_u64(), Some(lost), "{arguments:?}");
    resets
}

/// (trigger, a lost second handshake is behind it) of each RST.
fn reasons(arguments: &[&str]) -> Vec<(String, bool)> {
    let reason = |reset: &Value| {
        let trigger = reset["trigger"].as_str().expect("a trigger").to_owned();
        (trigger, reset["lost_second_handshake"] == true)
    };
    resets(arguments).iter().map(reason).collect()
}

/// Capture; what the client's file, the server's file and both show.
type Row = (&'static str, &'static [Expected], &'static [Expected], &'static [Expected]);
type Expected = (&'static str, bool);

/// After `captures/README.md`. Of a RST that reached only one of the files, the other knows nothing.
const LAB: &[Row] = &[
    (
        "F_late_synack_closed",
        &[("late_synack", true)],
        &[("late_synack", true)],
        &[("late_synack", true)],
    ),
    ("C_reuse_fault_on", &[("bare_ack", true)], &[("bare_ack", true)], &[("bare_ack", true)]),
    ("D_reuse_fault_cleared", &[("bare_ack", true)], &[("bare_ack", true)], &[("bare_ack", true)]),
    // The stale connection: its RST was dropped on the way, so were the first that answers the ACK.
    (
        "G_stale_established",
        &[("aborted", false), ("bare_ack", false), ("bare_ack", false)],
        &[("bare_ack", false)],
        &[("aborted", false), ("bare_ack", false), ("bare_ack", false)],
    ),
    ("G2_stale_close_wait", &[("bare_ack", false)], &[("bare_ack", false)], &[("bare_ack", false)]),
    // The SYN+ACK of the first attempt is in the server's file only: the client's cannot know of it.
    (
        "L_reuse_inwindow",
        &[("in_window_syn", false)],
        &[("in_window_syn", true)],
        &[("in_window_syn", true)],
    ),
    (
        "I3_abort_on_overflow",
        &[("third_ack", false)],
        &[("third_ack", false)],
        &[("third_ack", false)],
    ),
    ("K_reject_tcp_reset", &[("refused", false)], &[], &[("refused", false)]),
    // The router changed the number on the way: the server's side never sent what was answered.
    (
        "X_checksum_bad",
        &[("wrong_ack", false); 5],
        &[("none_seen", false); 5],
        &[("wrong_ack", false); 5],
    ),
    (
        "V_late_synack_vs_new_syn",
        &[("bare_ack", true)],
        &[("bare_ack", true)],
        &[("bare_ack", true)],
    ),
    // SNAT: the attempt that the bare ACK speaks of had another port at the client.
    ("Y_snat_reuse", &[("bare_ack", true)], &[("bare_ack", true)], &[("bare_ack", true)]),
    ("J_third_ack_lost", &[], &[], &[]),
    ("W_stall", &[], &[], &[]),
    ("H_timewait_reuse_ok", &[], &[], &[]),
];

#[test]
fn the_reasons_are_those_of_the_lab() {
    for (name, client, server, both) in LAB {
        let ends = (lab(&format!("{name}.c.pcap")), lab(&format!("{name}.s.pcap")));
        let (Some(c), Some(s)) = ends else { continue };
        let (at_c, at_s) = (format!("c={c}"), format!("s={s}"));
        for (arguments, expected) in [
            (vec![c.as_str()], client),
            (vec![s.as_str()], server),
            (vec!["--at", &at_c, "--at", &at_s], both),
        ] {
            let expected: Vec<(String, bool)> =
                expected.iter().map(|(trigger, lost)| ((*trigger).to_owned(), *lost)).collect();
            assert_eq!(reasons(&arguments), expected, "{name} {arguments:?}");
        }
    }
}

/// Every RST of the incident is explained, and those with a lost second handshake behind them are
/// about attempts that lost theirs.
#[test]
fn the_incident_has_no_reset_without_a_reason() {
    let [at, gateway, _, upstream, ..] = WHOLE;
    let both = resets(&[at, gateway, at, upstream]);
    assert!(!both.is_empty());
    for reset in &both {
        assert_ne!(reset["trigger"], "none_seen", "{reset}");
        let lost = reset["lost_second_handshake"] == true;
        assert_eq!(lost, reset["verdict"] == "synack_lost", "{reset}");
        let evidence = reset["evidence"].as_array().expect("packets");
        assert!(evidence.iter().any(|e| e["frame"].as_u64() > Some(0)), "{reset}");
    }
}
