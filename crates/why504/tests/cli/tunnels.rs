//! A capture on the outer side of a tunnel: the same verdicts, and the evidence says what carried its
//! packets.

use std::fs;
use std::path::Path;

use why504_capture::{CaptureReader, Content};
use why504_model::SourceId;

use crate::incident::{WHOLE, demo, report};

/// Octets that VXLAN puts in front of a frame: Ethernet, IPv4, UDP, VXLAN.
const OUTER: usize = 14 + 20 + 8 + 8;

/// The capture as the host at the other end of a VXLAN would have seen it: every frame inside a packet
/// from 192.0.2.1 to 192.0.2.9, network 42.
fn wrapped(path: &Path) -> Vec<u8> {
    let file = fs::read(path).expect("the capture");
    let mut out = file[..24].to_vec();
    // Room for the outer headers below the snapshot length.
    out[16..20].copy_from_slice(&65_535_u32.to_le_bytes());
    let mut reader = CaptureReader::new(file.as_slice(), SourceId(0)).expect("a capture");
    let mut at = 24;
    while let Some(block) = reader.next_block() {
        for record in block.records() {
            let Content::Frame(frame) = record.content else { panic!("only frames are expected") };
            let outer = u32::try_from(OUTER).expect("small");
            let captured = u32::try_from(frame.data.len()).expect("small");
            out.extend(&file[at..at + 8]);
            out.extend((captured + outer).to_le_bytes());
            out.extend((frame.wire_len + outer).to_le_bytes());
            out.extend([2; 12]);
            let length = u16::try_from(frame.wire_len + outer - 14).expect("no jumbo frames");
            out.extend([0x08, 0, 0x45, 0]);
            out.extend(length.to_be_bytes());
            out.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9]);
            out.extend([0x30, 0x39, 0x12, 0xb5]);
            out.extend((length - 20).to_be_bytes());
            out.extend([0, 0, 8, 0, 0, 0, 0, 0, 42, 0]);
            out.extend(frame.data);
            at += 16 + frame.data.len();
        }
    }
    out
}

#[test]
fn the_evidence_says_what_carried_a_packet() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("upstream.pcap");
    fs::write(&path, wrapped(&demo("upstream.pcap"))).expect("the folder is writable");
    let upstream = format!("upstream={}", path.display());
    let [at, gateway, _, _, error, access] = WHOLE;
    let run = report(&[at, gateway, at, &upstream, error, access]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(run.verdicts(), report(&WHOLE).verdicts());
    let mut carried = 0;
    for packet in run.of_type("case").iter().filter_map(|c| c["evidence"].as_array()).flatten() {
        let note = packet["note"].as_str().expect("a note");
        let told = note.ends_with("; inside VXLAN vni 42, 192.0.2.1 > 192.0.2.9");
        assert_eq!(told, packet["point"] == "upstream", "{packet}");
        assert_eq!(packet["tunnel"].is_object(), told, "{packet}");
        if told {
            assert_eq!(
                (&packet["tunnel"]["kind"], &packet["tunnel"]["id"]),
                (&"VXLAN".into(), &42.into())
            );
            assert_eq!(packet["tunnel"]["source"], "192.0.2.1");
            carried += 1;
        }
    }
    assert!(carried > 100, "{carried} packets of the evidence came through the tunnel");
}

/// Lines of a kind that `handshakes` or `resets` prints of some captures.
fn listed(command: &str, captures: &[&Path], kind: &str) -> Vec<serde_json::Value> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_why504"))
        .args([command, "--format", "ndjson"])
        .args(captures)
        .output()
        .expect("it starts");
    let lines = String::from_utf8(output.stdout).expect("text");
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.filter(|line: &serde_json::Value| line["type"] == kind).collect()
}

/// Attempts and RSTs of one point are printed while the capture is read, of several at its end.
#[test]
fn attempts_and_resets_say_what_carried_their_packets() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("upstream.pcap");
    fs::write(&path, wrapped(&demo("upstream.pcap"))).expect("the folder is writable");
    let (bare, gateway) = (demo("upstream.pcap"), demo("gateway.pcap"));
    for (command, kind) in [("handshakes", "attempt"), ("resets", "reset")] {
        for beside in [None, Some(gateway.as_path())] {
            let captures = |one| -> Vec<&Path> { beside.into_iter().chain([one]).collect() };
            let through = listed(command, &captures(path.as_path()), kind);
            let without = listed(command, &captures(bare.as_path()), kind);
            assert_eq!(through.len(), without.len(), "{command}");
            let mut carried = 0;
            let packets =
                |line: &serde_json::Value| line["evidence"].as_array().expect("evidence").clone();
            for packet in through.iter().flat_map(packets) {
                let note = packet["note"].as_str().expect("a note");
                let told = note.ends_with("; inside VXLAN vni 42, 192.0.2.1 > 192.0.2.9");
                let outer = packet["file"].as_str() == path.to_str();
                assert_eq!((told, packet["tunnel"]["id"] == 42), (outer, outer), "{packet}");
                carried += usize::from(told);
            }
            assert!(carried > 10, "{command}: {carried} packets");
            assert!(without.iter().flat_map(packets).all(|packet| packet["tunnel"].is_null()));
        }
    }
}
