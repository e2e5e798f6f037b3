//! `--slices`: the files hold the packets of the evidence, octet for octet, and other tools read
//! them. What tshark says is asked only where there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use why504_capture::{CaptureReader, Content, Resolution};
use why504_model::SourceId;

use crate::incident::{OPTIONS, Run, WHOLE, demo, why504};

/// Time, octets on the wire and the octets of every frame of a capture, by its number.
type Frames = BTreeMap<u64, (i64, u32, Vec<u8>)>;

fn frames(path: &Path) -> Frames {
    let file = fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = CaptureReader::new(file, SourceId(0)).expect("a capture");
    let mut frames = Frames::new();
    while let Some(block) = reader.next_block() {
        for record in block.records() {
            let Content::Frame(frame) = record.content else { panic!("only frames are expected") };
            let time = frame.time.expect("a time").nanos();
            frames.insert(record.number, (time, frame.wire_len, frame.data.to_vec()));
        }
    }
    let summary = reader.summary();
    assert_eq!((&summary.diagnostics, summary.truncated), (&Vec::new(), false));
    frames
}

fn sliced(folder: &Path, inputs: &[&str], more: &[&str]) -> Run {
    let folder = folder.to_str().expect("UTF-8");
    why504(&[&OPTIONS[..], inputs, &["--slices", folder], more].concat())
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is made");
    entries.map(|e| e.expect("an entry").file_name().into_string().expect("ASCII")).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn file_name(case: &Value) -> String {
    format!("{}-{}.pcapng", text(case, "id"), text(case, "verdict"))
}

/// The evidence of a case as frames of its own file, in order of time: every time stamp is that of
/// the file which the frame comes from.
fn expected(case: &Value, originals: &BTreeMap<&str, Frames>) -> Vec<(i64, u32, Vec<u8>)> {
    let evidence = case["evidence"].as_array().expect("an array");
    let frame = |e: &Value| {
        let number = e["frame"].as_u64().expect("a number");
        originals[text(e, "file")][&number].clone()
    };
    let mut frames: Vec<_> = evidence.iter().map(frame).collect();
    frames.sort();
    frames.dedup();
    frames
}

#[test]
fn slices_hold_the_packets_of_the_evidence_octet_for_octet() {
    let folder = tempfile::tempdir().expect("a folder");
    let slices = folder.path().join("not/there/yet");
    let run = sliced(&slices, &WHOLE, &["--slices-each", "1000"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let originals: BTreeMap<&str, Frames> = ["gateway.pcap", "upstream.pcap"]
        .map(|name| (&*format!("testdata/demo/{name}").leak(), frames(&demo(name))))
        .into();
    let cases = run.of_type("case");
    assert_eq!(names(&slices), cases.iter().map(file_name).collect(), "a file for each case");
    for case in &cases {
        let mut found: Vec<_> = frames(&slices.join(file_name(case))).into_values().collect();
        found.sort();
        assert_eq!(found, expected(case, &originals), "{}", file_name(case));
    }
}

#[test]
fn compressed_captures_give_the_same_slices() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["gateway.pcap", "upstream.pcap"] {
        let packed = Command::new("gzip").arg("-c").arg(demo(name)).output();
        let Ok(packed) = packed else { return }; // no gzip here
        fs::write(folder.path().join(name), packed.stdout).expect("the folder is writable");
    }
    let at = |name: &str| format!("{name}={}/{name}.pcap", folder.path().display());
    let (gateway, upstream) = (at("gateway"), at("upstream"));
    let packed = ["--at", &gateway, "--at", &upstream, WHOLE[4], WHOLE[5]];
    let [plain_dir, packed_dir] = ["plain", "packed"].map(|name| folder.path().join(name));
    assert_eq!(sliced(&plain_dir, &WHOLE, &[]).status, 0);
    assert_eq!(sliced(&packed_dir, &packed, &["-j", "1"]).status, 0);
    let plain = names(&plain_dir);
    assert!(!plain.is_empty());
    assert_eq!(plain, names(&packed_dir));
    for name in plain {
        assert_eq!(frames(&plain_dir.join(&name)), frames(&packed_dir.join(&name)), "{name}");
    }
}

#[test]
fn a_kind_gets_so_many_files_and_what_is_left_out_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = sliced(folder.path(), &WHOLE, &["--slices-each", "1"]);
    let cases = run.of_type("case");
    let kinds: BTreeSet<String> =
        cases.iter().map(|case| format!("{} {}", case["verdict"], case["mechanism"])).collect();
    assert_eq!(names(folder.path()).len(), kinds.len());
    let said = format!("{} cases of {} have a file", kinds.len(), cases.len());
    assert!(run.stderr.contains(&said), "{}", run.stderr);
}

#[test]
fn explain_writes_the_slice_of_its_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = sliced(folder.path(), &WHOLE, &["--slices-each", "0"]).of_type("case").remove(3);
    assert!(names(folder.path()).is_empty());
    let path = folder.path().to_str().expect("UTF-8");
    let options = &OPTIONS[2..];
    let explain =
        why504(&[&["explain", text(&case, "id"), "--slices", path], options, &WHOLE].concat());
    assert_eq!((explain.status, explain.stderr.as_str()), (0, ""));
    assert_eq!(names(folder.path()), BTreeSet::from([file_name(&case)]));
}

#[test]
fn a_folder_that_cannot_be_made_is_a_mistake() {
    let run = sliced(Path::new("Cargo.toml/slices"), &WHOLE, &[]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("--slices Cargo.toml/slices"), "{}", run.stderr);
    assert!(run.stdout.is_empty());
}

#[test]
fn interfaces_are_those_of_the_captures() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(sliced(folder.path(), &WHOLE, &["--slices-each", "1"]).status, 0);
    for name in names(folder.path()) {
        let file = fs::File::open(folder.path().join(&name)).expect("written");
        let summary = CaptureReader::new(file, SourceId(0)).expect("a capture").finish();
        assert!((1..=2).contains(&summary.interface_count), "{name}");
        for interface in &summary.interfaces {
            assert_eq!(interface.link.0, 1, "Ethernet, as in the demo");
            assert_eq!(interface.clock.resolution, Resolution::Decimal(9));
            assert!(["gateway", "upstream"].contains(&interface.name.as_deref().unwrap_or("")));
            assert!(interface.snaplen.is_some());
        }
    }
}

/// The files as tshark shows them; `None` without a tshark.
fn tshark(path: &Path, fields: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(["-T", "fields", "-E", "separator=|", "-r"]).arg(path);
    let output = command.args(fields.iter().flat_map(|f| ["-e", f])).output().ok()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A container runs it as root, which it remarks upon.
    let complaints: Vec<&str> = stderr.lines().filter(|l| !l.contains("Running as user")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{}: {stderr}", path.display());
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn tshark_reads_them_and_shows_the_comments() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = sliced(folder.path(), &WHOLE, &["--slices-each", "1"]);
    let written = names(folder.path());
    for case in run.of_type("case").iter().filter(|case| written.contains(&file_name(case))) {
        let path = folder.path().join(file_name(case));
        let Some(shown) = tshark(&path, &["frame.comment", "frame.interface_name"]) else { return };
        let evidence = case["evidence"].as_array().expect("an array");
        let part = |e: &Value| {
            let file = PathBuf::from(text(e, "file"));
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            format!("{} [{name} #{}]|{}", text(e, "note"), e["frame"], text(e, "point"))
        };
        if case["candidates"] == 1 {
            assert_eq!(shown, evidence.iter().map(part).collect::<Vec<_>>());
        }
        if let Ok(output) = Command::new("capinfos").arg(&path).output() {
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            let report = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(report.contains(&format!("Case {}.", text(case, "id"))), "{report}");
        }
    }
}

/// Frame numbers in reports are those that Wireshark shows for the original file.
#[test]
fn tshark_finds_the_evidence_at_its_frame_numbers() {
    let run = why504(&[&OPTIONS[..], &WHOLE].concat());
    let numbers: [(&str, Vec<String>); 2] = {
        let fields = ["frame.number", "tcp.seq_raw", "tcp.flags"];
        let all = ["gateway.pcap", "upstream.pcap"].map(|name| tshark(&demo(name), &fields));
        let [Some(gateway), Some(upstream)] = all else { return };
        [("testdata/demo/gateway.pcap", gateway), ("testdata/demo/upstream.pcap", upstream)]
    };
    let numbers = BTreeMap::from(numbers);
    let mut compared = 0;
    for evidence in run.of_type("case").iter().filter_map(|c| c["evidence"].as_array().cloned()) {
        for packet in evidence.iter().filter(|p| !text(p, "flags").starts_with("icmp")) {
            let number = packet["frame"].as_u64().expect("a number");
            let row = &numbers[text(packet, "file")][usize::try_from(number).expect("small") - 1];
            let wanted = format!("{number}|{}|", packet["seq"]);
            assert!(row.starts_with(&wanted), "{packet} is {row}");
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared} packets were compared");
}
