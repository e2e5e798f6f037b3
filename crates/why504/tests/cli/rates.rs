//! Loss rates from captures to output: a link aggregation of four, one member of which loses SYNs.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sets::{Shot, in_order, pcap, segment};

/// From the gateway's point to the upstream's, in microseconds.
const ONE_WAY: u64 = 180;
/// Connects come one every 20 ms, from successive ports.
const CONNECTS: u16 = 1_000;

/// What gateway and upstream capture. Of the ports that the broken member carries three in ten lose their
/// first SYN, but for those of the first and the last seconds; how many that were comes along.
fn captures() -> (Vec<Shot>, Vec<Shot>, u64) {
    let (mut gateway, mut upstream, mut lost) = (Vec::new(), Vec::new(), 0);
    for i in 0..CONNECTS {
        let port = 40_000 + i;
        let begin = 1_000_000 + u64::from(i) * 20_000;
        let (x, y) = (u32::from(port) * 1000, u32::from(port) * 1000 + 500);
        // Without a pattern (Knuth's multiplicative hash).
        let unlucky = (u32::from(i).wrapping_mul(2_654_435_761) >> 16) % 10 < 3;
        let is_lost = port % 4 == 3 && unlucky && (150..800).contains(&i);
        let mut at = begin;
        if is_lost {
            gateway.push(segment(begin, true, port, 0x02, (x, 0)));
            at += 1_020_000;
            lost += 1;
        }
        for (after, from_client, flags, numbers) in [
            (0, true, 0x02, (x, 0)),
            (2 * ONE_WAY + 20, false, 0x12, (y, x + 1)),
            (2 * ONE_WAY + 50, true, 0x10, (x + 1, y + 1)),
            (1_500, true, 0x18, (x + 1, y + 1)),
            (2_500, false, 0x18, (y + 1, x + 6)),
        ] {
            let here = segment(at + after, from_client, port, flags, numbers);
            let there = if from_client { here.0 + ONE_WAY } else { here.0 - ONE_WAY };
            upstream.push((there, here.1.clone()));
            gateway.push(here);
        }
    }
    (in_order(gateway), in_order(upstream), lost)
}

#[test]
fn a_broken_member_of_four_shows_with_its_ports() {
    let folder = tempfile::tempdir().expect("a folder");
    let (gateway, upstream, lost) = captures();
    let files = [folder.path().join("gateway.pcap"), folder.path().join("upstream.pcap")];
    fs::write(&files[0], pcap(&gateway)).expect("it is written");
    fs::write(&files[1], pcap(&upstream)).expect("it is written");
    for (points, packet) in [(&files[..], "syn"), (&files[..1], "syn_unanswered")] {
        let printed = |jobs: &str| {
            let output = Command::new(env!("CARGO_BIN_EXE_why504"))
                .args(["handshakes", "--format", "ndjson", "-j", jobs])
                .args(points)
                .output()
                .expect("it starts");
            String::from_utf8(output.stdout).expect("text")
        };
        let text = printed("1");
        assert_eq!(text, printed("4"));
        let summary: Value =
            serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        let rates = summary["loss_rates"].as_array().expect("rates");
        let rate = rates
            .iter()
            .find(|rate| rate["packet"] == packet && rate["upstream"].is_null())
            .expect("a rate of all upstreams");
        assert_eq!((&rate["lost"], &rate["saved"]), (&lost.into(), &lost.into()), "{packet}");
        // All but those in the seconds in which a capture begins or ends: fifty a second.
        let sent = rate["sent"].as_u64().expect("a number");
        let all = u64::from(CONNECTS);
        assert!((all - 150..=all).contains(&sent), "{sent}");
        let found: Vec<&Value> = summary["loss_concentrations"]
            .as_array()
            .expect("concentrations")
            .iter()
            .filter(|found| found["packet"] == packet)
            .collect();
        let [class] = found[..] else { panic!("one class, not {found:?}") };
        assert_eq!(class["by"], "source_port");
        assert_eq!((&class["modulus"], &class["residue"]), (&4.into(), &3.into()));
        assert_eq!((&class["lost"], &class["others_lost"]), (&lost.into(), &0.into()));
    }
}
