//! Sets of captures: rings whose numbers wrap, a flow across files, captures that overlap, sections and
//! clocks that go back, a file that is being written, and packets that a mirror delivers twice.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

/// A captured frame: microseconds into the test, and its octets.
pub(super) type Shot = (u64, Vec<u8>);

const BEGIN: u64 = 1_790_000_000_000_000;
const CLIENT: [u8; 4] = [10, 0, 0, 5];
const SERVER: [u8; 4] = [10, 0, 0, 9];

/// A TCP segment of the connection from `port`, with a time stamp that counts milliseconds.
pub(super) fn segment(
    at: u64,
    from_client: bool,
    port: u16,
    flags: u8,
    (seq, ack): (u32, u32),
) -> Shot {
    let (source, target) = if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let ports = if from_client { [port, 80] } else { [80, port] };
    let payload: &[u8] = if flags & 8 == 0 { b"" } else { b"GET /" };
    let length = u16::try_from(20 + 32 + payload.len()).expect("short");
    // A SYN+ACK of Linux has no identification, everything else counts.
    let id = if flags == 0x12 { 0 } else { u16::try_from(at / 1000 % 60_000 + 1).expect("small") };
    let stamp = u32::try_from(at / 1000 % 1_000_000_000).expect("small");
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0, 0x45, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend(id.to_be_bytes());
    frame.extend([0x40, 0, 64, 6, 0, 0]);
    frame.extend(source.iter().chain(&target));
    frame.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    frame.extend([seq, ack].iter().flat_map(|number| number.to_be_bytes()));
    frame.extend([0x80, flags, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 8, 10]);
    frame.extend(stamp.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    (at, frame)
}

/// A clean handshake and the first answer, so many milliseconds into the test.
fn handshake(ms: u64, port: u16) -> Vec<Shot> {
    let (x, y) = (u32::from(port) * 1000, u32::from(port) * 1000 + 500);
    let at = ms * 1000;
    vec![
        segment(at, true, port, 0x02, (x, 0)),
        segment(at + 400, false, port, 0x12, (y, x + 1)),
        segment(at + 500, true, port, 0x10, (x + 1, y + 1)),
        segment(at + 1500, true, port, 0x18, (x + 1, y + 1)),
        segment(at + 2500, false, port, 0x18, (y + 1, x + 6)),
    ]
}

/// One handshake every 100 ms.
fn handshakes(from_ms: u64, ports: std::ops::Range<u16>) -> Vec<Shot> {
    let first = ports.start;
    ports.flat_map(|port| handshake(from_ms + u64::from(port - first) * 100, port)).collect()
}

pub(super) fn pcap(shots: &[Shot]) -> Vec<u8> {
    let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0".to_vec();
    for (at, frame) in shots {
        let (at, length) = (BEGIN + at, frame.len() as u64);
        for number in [at / 1_000_000, at % 1_000_000, length, length] {
            file.extend(u32::try_from(number).expect("small").to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// A block of pcapng.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).expect("small").to_le_bytes();
    let padding = vec![0; padded - body.len()];
    [&kind.to_le_bytes()[..], &length, body, &padding, &length].concat()
}

/// A section of pcapng.
fn section(shots: &[Shot]) -> Vec<u8> {
    let magic = 0x1a2b_3c4d_u32.to_le_bytes();
    let mut file = block(0x0a0d_0d0a, &[&magic[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    file.extend(block(1, &[1, 0, 0, 0, 0xff, 0xff, 0, 0]));
    for (at, frame) in shots {
        let (at, length) = (BEGIN + at, frame.len() as u64);
        let numbers = [0, at >> 32, at & 0xffff_ffff, length, length];
        let head = numbers.map(|number| u32::try_from(number).expect("32 bits").to_le_bytes());
        file.extend(block(6, &[head.concat(), frame.clone()].concat()));
    }
    file
}

/// The same packets again, so many milliseconds later.
fn mirrored(shots: &[Shot], ms: u64) -> Vec<Shot> {
    let copies = shots.iter().map(|(at, frame)| (at + ms * 1000, frame.clone()));
    in_order(shots.iter().cloned().chain(copies).collect())
}

pub(super) fn in_order(mut shots: Vec<Shot>) -> Vec<Shot> {
    shots.sort_by_key(|(at, _)| *at);
    shots
}

/// What the program prints of some files.
struct Printed {
    status: i32,
    attempts: Vec<Value>,
    summary: Value,
}

impl Printed {
    /// How many attempts have each verdict, history and number of points.
    fn kinds(&self) -> Vec<(String, usize)> {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for attempt in &self.attempts {
            let histories = attempt["history"].as_object().expect("histories");
            let of_points: Vec<&str> = histories.values().filter_map(Value::as_str).collect();
            let verdict = attempt["verdict"].as_str().expect("a verdict");
            let kind = format!("{verdict} {}", of_points.join(" "));
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((kind, 1)),
            }
        }
        kinds
    }

    fn tally(&self, name: &str) -> u64 {
        self.summary["packets"]["tally"][name].as_u64().unwrap_or(0)
    }
}

fn run(arguments: &[PathBuf]) -> Printed {
    let output = Command::new(env!("CARGO_BIN_EXE_why504"))
        .args(["handshakes", "--format", "ndjson"])
        .args(arguments)
        .output()
        .expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).cloned().collect();
    let mut summaries: Vec<Value> = of("summary");
    let summary = summaries.pop().expect("a summary");
    // Whatever the set, no packet is lost between the tallies.
    let tally = summary["packets"]["tally"].as_object().expect("a tally");
    let sum: u64 = tally.values().filter_map(Value::as_u64).sum();
    assert_eq!(Some(sum), summary["packets"]["total"].as_u64());
    // Nor an attempt.
    let attempts = of("attempt");
    let near_misses = attempts.iter().filter(|attempt| attempt["near_miss"] == true).count();
    let told = &summary["attempts"];
    let by_verdict = told["by_verdict"].as_object().expect("verdicts");
    let judged: u64 = by_verdict.values().filter_map(Value::as_u64).sum();
    assert_eq!((told["total"].as_u64(), judged), (Some(judged), attempts.len() as u64));
    assert_eq!(told["near_misses"].as_u64(), Some(near_misses as u64));
    Printed { status: output.status.code().unwrap_or(-1), attempts, summary }
}

/// Writes files and runs the program over their folder.
fn over(files: &[(&str, Vec<u8>)]) -> (TempDir, Printed) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    let printed = run(&[folder.path().to_owned()]);
    (folder, printed)
}

/// Two gateways in front of one server: each point has attempts that the other cannot see.
#[test]
fn attempts_of_different_gateways_are_counted_together() {
    let mut saved = handshake(1000, 6000);
    saved.insert(0, segment(0, true, 6000, 0x02, (6_000_000, 0)));
    let others = handshakes(3000, 5000..5007);
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str, shots: &[Shot]| {
        let path = folder.path().join(name).with_extension("pcap");
        fs::write(&path, pcap(shots)).expect("written");
        PathBuf::from(format!("--at={name}={}", path.display()))
    };
    let printed = run(&[at("one", &saved), at("two", &others)]);
    assert_eq!(printed.summary["attempts"]["total"], 8);
    assert_eq!(printed.summary["attempts"]["near_misses"], 1);
}

/// One handshake of each port, each complete.
fn all_clean(printed: &Printed, count: usize) {
    assert_eq!(printed.kinds(), [("connected ShADd".to_owned(), count)]);
    assert_eq!(printed.status, 0);
}

#[test]
fn a_ring_is_read_in_order_of_time_and_a_flow_goes_across_its_files() {
    // `-W 3`: the fourth file was written over the first. Every file ends in the middle of a handshake.
    let all = handshakes(0, 1000..1040);
    let (second, third, fourth) = (&all[..52], &all[52..127], &all[127..]);
    let files = [("gw.pcap0", pcap(fourth)), ("gw.pcap1", pcap(second)), ("gw.pcap2", pcap(third))];
    let (_folder, printed) = over(&files);
    all_clean(&printed, 40);
    let points = printed.summary["points"].as_array().expect("points");
    assert_eq!((points.len(), &points[0]["files"]), (1, &Value::from(3)));
}

/// Small and compressed files are begun ahead of their time where there are cores for it, whatever they
/// hold: the bytes that come out are those of the plain ones read one after the other, since a file's name
/// does not tell that it is compressed.
#[test]
fn a_series_that_is_begun_ahead_says_what_one_read_in_turn_says() {
    let all = handshakes(0, 1000..1080);
    let mut files: Vec<Vec<u8>> = all.chunks(61).map(pcap).collect();
    files.insert(3, pcap(&[]));
    files.insert(5, b"\xd4\xc3\xb2\xa1\x02".to_vec());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gw");
    let mut printed = Vec::new();
    let kinds = [(false, "-j1"), (false, "-j2"), (false, "-j5")];
    let packed = [(true, "-j1"), (true, "-j2"), (true, "-j5")];
    for (packed, cores) in kinds.into_iter().chain(packed) {
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("made");
        for (number, file) in files.iter().enumerate() {
            let mut bytes = file.clone();
            if packed {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(file).expect("written");
                bytes = encoder.finish().expect("written");
            }
            fs::write(path.join(format!("gw.pcap{number}")), bytes).expect("written");
        }
        let found = run(&[path.clone(), cores.into()]);
        assert_eq!(found.kinds(), [("connected ShADd".to_owned(), 80)]);
        printed.push((found.status, found.attempts, found.summary));
    }
    assert_eq!(printed[0].0, 3, "one file is cut in its header");
    for other in &printed[1..] {
        assert_eq!(*other, printed[0]);
    }
}

/// What the usual commands pack is read as it is, pcap and pcapng alike; a command that is missing here is
/// passed over.
#[test]
fn captures_are_read_out_of_every_packing() {
    let shots = handshakes(0, 1000..1010);
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [("gw.pcap", pcap(&shots)), ("gw.pcapng", section(&shots))] {
        let plain = folder.path().join(name);
        fs::write(&plain, bytes).expect("written");
        for command in ["gzip", "zstd", "xz", "bzip2", "lz4"] {
            let Ok(packed) = Command::new(command).arg("-c").arg(&plain).output() else { continue };
            assert!(packed.status.success(), "{command}");
            let path = folder.path().join("packed");
            fs::write(&path, packed.stdout).expect("written");
            all_clean(&run(&[path]), 10);
        }
    }
}

#[test]
fn captures_of_one_point_that_overlap_are_put_together() {
    // Two captures on one interface: the second was started before the first ended.
    let all = handshakes(0, 1000..1030);
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str, shots: &[Shot]| {
        fs::write(folder.path().join(name), pcap(shots)).expect("written");
        format!("gw={}", folder.path().join(name).display()).into()
    };
    let arguments = ["--at".into(), at("a", &all[..100]), "--at".into(), at("b", &all[60..])];
    let printed = run(&arguments);
    let kinds = printed.kinds();
    // What both hold is there twice. A SYN+ACK has no identification and may be one of two.
    let expected = [("connected ShADd".to_owned(), 22), ("connected ShhADd".to_owned(), 8)];
    assert_eq!(kinds, expected);
    assert_eq!(printed.attempts.iter().filter(|a| a["near_miss"] == true).count(), 0);
    assert!(printed.tally("captured twice") >= 8 * 3, "{}", printed.summary["packets"]);
}

/// The SYNs and all else that the client sends stand in the file behind what the server sent until then:
/// two cards, or two queues, of which each is emptied after a while. The file is of several blocks.
#[test]
fn packets_that_a_file_holds_in_another_order_are_put_in_order() {
    for (late_ms, back_to_back) in [(1, false), (40, true), (150, true)] {
        let apart = if back_to_back { 1 } else { 100 };
        let of = |port: u16| handshake(u64::from(port - 1000) * apart, port);
        let mut shots: Vec<Shot> = (1000..3000).flat_map(of).collect();
        let written = |(at, frame): &Shot| {
            let from_client = frame[26..30] == CLIENT;
            at + if from_client { late_ms * 1000 } else { 0 }
        };
        shots.sort_by_key(written);
        let (_folder, printed) = over(&[("gw.pcap", pcap(&shots))]);
        all_clean(&printed, 2000);
        let point = &printed.summary["points"][0];
        assert_eq!((&point["answers_missed"], &point["handshakes_torn"]), (&0.into(), &0.into()));
    }
}

#[test]
fn sections_of_the_same_time_hold_attempts_of_the_same_time() {
    // Five minutes each: longer than an attempt lives without news.
    let slowly = |ports: std::ops::Range<u16>| -> Vec<Shot> {
        ports.flat_map(|port| handshake(u64::from(port % 100) * 5000, port)).collect()
    };
    let file = [section(&slowly(1000..1060)), section(&slowly(2000..2060))].concat();
    let (_folder, printed) = over(&[("gw.pcapng", file)]);
    all_clean(&printed, 120);
}

#[test]
fn a_clock_that_is_set_inside_a_capture_ends_no_attempt() {
    let hour = 3_600_000;
    let mut set_back = handshakes(hour, 1000..1050);
    // In the middle of a handshake.
    let torn = handshake(hour + 5000, 1050);
    set_back.push(torn[0].clone());
    set_back.extend(torn[1..].iter().map(|(at, frame)| (at - hour * 1000, frame.clone())));
    set_back.extend(handshakes(6000, 2000..2050));
    let (_folder, printed) = over(&[("gw.pcap", pcap(&set_back))]);
    let kinds = printed.kinds();
    assert!(kinds.contains(&("connected ShADd".to_owned(), 100)), "{kinds:?}");
    assert!(kinds.iter().all(|(kind, _)| kind.starts_with("connected ")), "{kinds:?}");

    let forward = [handshakes(0, 1000..1050), handshakes(hour, 2000..2050)].concat();
    let (_folder, printed) = over(&[("gw.pcap", pcap(&forward))]);
    all_clean(&printed, 100);
}

/// Two SYNs of one attempt that nobody answers; at the server nothing leaves. The first capture goes on
/// for an hour, then its clock is set back and it goes on for another: which of the two hours the
/// packets that are missing would have been in, nobody can tell.
#[test]
fn what_is_missing_in_a_time_that_is_there_twice_proves_nothing() {
    let lost = |ms: u64| {
        let at = ms * 1000;
        let syn = |at| segment(at, true, 900, 0x02, (7, 0));
        let mut shots = vec![syn(at), syn(at + 1_000_000), syn(at + 3_000_000)];
        // Two hops from the client: a point at the server.
        for (_, frame) in &mut shots {
            frame[22] = 62;
        }
        shots
    };
    let graded = |shots: Vec<Shot>| {
        let (_folder, printed) = over(&[("server.pcap", pcap(&shots))]);
        let of = |a: &&Value| a["client_port"] == 900;
        let attempt = printed.attempts.iter().find(of).expect("the attempt").clone();
        (attempt["verdict"].clone(), attempt["grade"].clone())
    };
    let around = |from: u64| in_order([handshakes(from, 1000..1200), lost(from + 5000)].concat());
    let whole = graded(around(0));
    assert_eq!(whole, ("server_silent".into(), "proven".into()), "where nothing speaks against it");
    let twice = [around(0), handshakes(0, 2000..2200)].concat();
    assert_eq!(graded(twice), ("server_silent".into(), "consistent".into()));
}

#[test]
fn a_file_whose_tail_is_half_written_is_read_up_to_there() {
    let mut file = pcap(&handshakes(0, 1000..1010));
    file.truncate(file.len() - 30);
    let (_folder, printed) = over(&[("gw.pcap", file)]);
    let expected = [("connected ShADd".to_owned(), 9), ("connected ShAD".to_owned(), 1)];
    assert_eq!(printed.kinds(), expected);
    // Whether it is damaged or being written cannot be told: it is said, and the status says so.
    assert_eq!(printed.status, 3);
}

#[test]
fn what_bridges_and_mirrors_deliver_twice_is_no_retransmission() {
    let all = handshakes(0, 1000..1020);
    for ms in [6, 50, 120] {
        let (_folder, printed) = over(&[("gw.pcap", pcap(&mirrored(&all, ms)))]);
        all_clean(&printed, 20);
        assert!(printed.tally("captured twice") >= 40, "{}", printed.summary["packets"]);
    }
    // Unanswered SYNs: each comes again after a second and after three, and all of them twice.
    let syn = |port: u16, s: u64| segment(s * 1_000_000, true, port, 0x02, (7, 0));
    let syns: Vec<Shot> =
        in_order((1..6).flat_map(|port| [0, 1, 3].map(|s| syn(port, s))).collect());
    let (_folder, printed) = over(&[("gw.pcap", pcap(&mirrored(&syns, 50)))]);
    assert_eq!(printed.kinds(), [("no_reply SSS".to_owned(), 5)]);
}

#[test]
fn genuine_twins_are_kept() {
    let (x, y) = (1_000_000, 1_000_500);
    let again = |us| segment(us, false, 1000, 0x12, (y, x + 1));
    // Two SYN+ACKs within a moment: no identification, and one tick of the clock.
    let mut at_once = handshake(0, 1000);
    at_once.insert(2, again(446));
    // One by the server's timer, and the client's ACK after it.
    let mut by_timer = handshake(0, 1000);
    for (at, _) in &mut by_timer[2..] {
        *at += 1_100_000;
    }
    by_timer.insert(2, again(1_000_400));
    for (shots, near_miss) in [(at_once, false), (by_timer, true)] {
        let (_folder, printed) = over(&[("gw.pcap", pcap(&shots))]);
        let attempt = &printed.attempts[0];
        assert_eq!(attempt["history"]["gw"], "ShhADd");
        assert_eq!(attempt["near_miss"], near_miss);
        assert_eq!(printed.tally("captured twice"), 0);
    }
}
