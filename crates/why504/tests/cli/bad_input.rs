//! Damaged, foreign, missing and useless inputs: the file and the place are named, the exit status
//! says it, and everything else is analysed all the same.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::incident::{OPTIONS, Run, WHOLE, command, demo, finish, report, why504};

/// A folder with a copy of the incident in it, to be spoilt.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        for name in ["error.log", "access.log", "gateway.pcap", "upstream.pcap"] {
            std::fs::copy(demo(name), folder.path().join(name)).expect("a copy");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("a file of the copy")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("the copy can be written");
    }

    /// The report over the four files, or what became of them.
    fn report(&self) -> Run {
        self.report_with(&[])
    }

    fn report_with(&self, more: &[&Path]) -> Run {
        let at = |name: &str| format!("{name}={}", self.path(&format!("{name}.pcap")).display());
        let (gateway, upstream) = (at("gateway"), at("upstream"));
        let mut command = command(&[&OPTIONS[..], &["--at", &gateway, "--at", &upstream]].concat());
        command.args([self.path("error.log"), self.path("access.log")]).args(more);
        finish(command.stdin(Stdio::null()))
    }
}

/// Standard error has a line with all of `words`.
fn says(run: &Run, words: &[&str]) {
    let found = run.stderr.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "no line has all of {words:?}:\n{}", run.stderr);
}

#[test]
fn a_file_that_is_neither_log_nor_capture_is_named() {
    let copy = Copy::new();
    copy.write("holiday.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0 and no more");
    let run = copy.report_with(&[&copy.path("holiday.jpg")]);
    assert_eq!(run.status, 3);
    says(&run, &["holiday.jpg", "neither"]);
    assert_eq!(run.verdicts(), report(&WHOLE).verdicts(), "everything else is analysed");
}

/// In a folder there may be anything; nobody asked for each file of it.
#[test]
fn a_folder_may_hold_foreign_files() {
    let copy = Copy::new();
    copy.write("notes.txt", b"remember the milk\n");
    copy.write("extra.conf", b"http { server { listen 80; } }\n");
    let folder = copy.folder.path().display().to_string();
    let run = why504(&[&OPTIONS[..], &[&folder]].concat());
    assert_eq!(run.status, 0, "{}", run.stderr);
    says(&run, &["notes.txt"]);
    says(&run, &["extra.conf", "--nginx-conf takes"]);
    assert_eq!(run.verdicts(), report(&WHOLE).verdicts());
}

#[test]
fn a_missing_file_is_named() {
    let copy = Copy::new();
    let run = copy.report_with(&[&copy.path("error.log.1")]);
    assert_eq!(run.status, 3);
    says(&run, &["error.log.1"]);
    assert_eq!(run.verdicts(), report(&WHOLE).verdicts());
}

#[test]
fn a_truncated_capture_is_used_up_to_the_cut() {
    let whole = report(&WHOLE);
    let copy = Copy::new();
    let mut bytes = copy.read("gateway.pcap");
    // Within a record: every packet of this capture is at most 128 octets and its header 16.
    bytes.truncate(bytes.len() / 2);
    let cut = first_record_after(&bytes);
    bytes.truncate(cut - 1);
    copy.write("gateway.pcap", &bytes);
    let run = copy.report();
    assert_eq!(run.status, 3);
    says(&run, &["gateway.pcap", "byte", "record"]);
    let (before, after) = (whole.verdicts(), run.verdicts());
    assert_eq!(before.len(), after.len(), "every timeout is still a case");
    // The first third of the incident lies well before the cut.
    let third = before.len() / 3;
    assert_eq!(before[..third], after[..third], "what is before the cut is known as before");
}

/// The end of the last record that begins before the end of `bytes`, or a byte more.
fn first_record_after(bytes: &[u8]) -> usize {
    let mut at = 24;
    loop {
        let header = bytes.get(at + 8..at + 12).and_then(|b| b.try_into().ok());
        let Some(length) = header.map(u32::from_le_bytes) else { return at };
        let next = at + 16 + length as usize;
        if next > bytes.len() {
            return at;
        }
        at = next;
    }
}

#[test]
fn a_line_of_garbage_is_counted_and_its_place_named() {
    let whole = report(&WHOLE);
    let copy = Copy::new();
    let mut log = copy.read("error.log");
    log.extend_from_slice(b"\xff\xfe\x00 what is this\n");
    log.extend_from_slice(
        b"2026/11/22 23:99:04 [error] 1#1: *4 upstream timed out (110: x) while co\n",
    );
    copy.write("error.log", &log);
    let run = copy.report();
    let before = whole.summary()["log_lines"].clone();
    let after = run.summary()["log_lines"].clone();
    let count = |tally: &Value, name: &str| tally[name].as_u64().expect("a count");
    for (name, more) in [("total", 2), ("other", 1), ("unparsed", 1), ("cases", 0)] {
        assert_eq!(count(&after, name), count(&before, name) + more, "{name}");
    }
    let line = (count(&before, "total") + 2).to_string();
    says(&run, &["error.log", &line]);
    assert_eq!(run.verdicts(), whole.verdicts());
}

#[test]
fn an_empty_folder_is_nothing_to_analyse() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().display().to_string();
    let run = why504(&[&path]);
    assert_eq!(run.status, 4, "{}", run.stderr);
    says(&run, &["nothing to analyse"]);
}

#[test]
fn captures_without_packets_are_nothing_to_analyse() {
    let copy = Copy::new();
    for name in ["gateway.pcap", "upstream.pcap"] {
        let header = copy.read(name)[..24].to_vec();
        copy.write(name, &header);
    }
    let run = copy.report();
    assert_eq!(run.status, 4, "{}", run.stderr);
    // A file that is named counts as present: no SYN to the peer that the line names was seen.
    // Empty, it proves nothing.
    for case in run.of_type("case") {
        let named = !case["log"]["peer"].is_null();
        let verdict = if named { "no_syn_sent" } else { "not_captured" };
        assert_eq!(case["verdict"], verdict);
        assert_eq!(case["grade"], "consistent");
    }
}

#[test]
fn logs_and_captures_of_different_days_are_told_apart() {
    let copy = Copy::new();
    let log = String::from_utf8(copy.read("error.log")).expect("the log is UTF-8");
    copy.write("error.log", log.replace("2026/11/22", "2026/11/29").as_bytes());
    copy.write("access.log", b"");
    let run = copy.report();
    assert_eq!(run.status, 4, "{}", run.stderr);
    says(&run, &["no capture overlaps"]);
    let cases = run.of_type("case");
    assert_eq!(cases.len(), log.lines().count(), "the timeouts are shown all the same");
    assert!(cases.iter().all(|case| case["verdict"] == "not_captured"));
}

#[test]
fn a_day_without_timeouts_is_complete() {
    let copy = Copy::new();
    copy.write("error.log", b"2026/11/22 23:15:04 [notice] 1#1: signal process started\n");
    let log = String::from_utf8(copy.read("access.log")).expect("the log is UTF-8");
    let fine: Vec<&str> = log.split_inclusive('\n').filter(|l| l.contains(" 200 ")).collect();
    copy.write("access.log", fine.concat().as_bytes());
    let run = copy.report();
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(run.summary()["cases"]["total"], 0);
}

/// Damage that is met while there is nothing to analyse is still damage.
#[test]
fn a_missing_file_comes_before_nothing_to_analyse() {
    let folder = TempDir::new().expect("a temporary folder");
    let run = why504(&[&folder.path().join("gone").display().to_string()]);
    assert_eq!(run.status, 3, "{}", run.stderr);
    says(&run, &["gone"]);
}

/// A report that was asked for and a case that is not there.
#[test]
fn an_unknown_case_is_named() {
    let arguments = [&["explain", "zzzzz"], &OPTIONS[2..], &WHOLE[..]].concat();
    let run = why504(&arguments);
    assert_eq!(run.status, 4);
    says(&run, &["zzzzz"]);
}

#[test]
fn standard_input_is_an_input_like_any_other() {
    let log = std::fs::File::open(demo("error.log")).expect("the log");
    let [_, gateway, _, upstream, _, access] = WHOLE;
    let inputs = ["--at", gateway, "--at", upstream, access, "-"];
    let run = finish(command(&[&OPTIONS[..], &inputs].concat()).stdin(Stdio::from(log)));
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(run.verdicts(), report(&WHOLE).verdicts());
}

/// A tunnel on a port of its own (UDP to port 4999) hides all TCP: the capture is not called empty, and
/// what its packets are is told.
#[test]
fn a_capture_without_tcp_says_what_it_holds() {
    let copy = Copy::new();
    let mut bytes = copy.read("gateway.pcap");
    let (mut at, mut frames) = (24, 0);
    while let Some(length) = bytes.get(at + 8..at + 12) {
        let length = u32::from_le_bytes(length.try_into().expect("four octets")) as usize;
        // Behind the Ethernet header: the protocol of IPv4, and the destination port behind that header.
        let ip = at + 16 + 14;
        bytes[ip + 9] = 17;
        bytes[ip + 22..ip + 24].copy_from_slice(&4999_u16.to_be_bytes());
        at += 16 + length;
        frames += 1;
    }
    copy.write("gateway.pcap", &bytes);
    let run = copy.report();
    assert_eq!(run.status, 0, "{}", run.stderr);
    says(
        &run,
        &["point gateway: none of its frames holds TCP that can be read", "IP of other kinds"],
    );
    let gateway = &run.summary()["points"][0];
    assert_eq!((&gateway["packets"], &gateway["start"]), (&frames.into(), &Value::Null));
}
