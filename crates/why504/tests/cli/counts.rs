//! How many SYNs, SYN+ACKs and attempts a capture holds, held against tshark on every capture beside
//! the checkout. Skips where tshark or the captures are missing.
//!
//! tshark's rows are counted here in the plainest way: an attempt is a 4-tuple and a sequence number
//! of a SYN, a repetition is a further SYN of the same. Where `why504 handshakes` says something else,
//! the reason is in [`DIFFERENCES`], and a difference that is not there fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::incident::{root, why504};

/// What is counted in one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// SYNs without ACK, every copy.
    syns: usize,
    /// 4-tuples and ISNs.
    attempts: usize,
    /// SYNs beyond the first of an attempt.
    repeated: usize,
    /// SYN+ACKs, every copy.
    syn_acks: usize,
}

/// A SYN+ACK whose SYN is not in the capture (it began later, or holds one direction), or whose
/// attempt was over when it came, is not in an attempt: it is in the tally of the summary.
fn matched(found: &mut Counts, unmatched: usize, wanted: Counts) {
    if (found.syn_acks..=found.syn_acks + unmatched).contains(&wanted.syn_acks) {
        found.syn_acks = wanted.syn_acks;
    }
}

/// (capture; SYNs, attempts, repeated SYNs and SYN+ACKs fewer than tshark's).
const DIFFERENCES: [(&str, [isize; 4]); 8] = [
    // Both ends connect at once: two SYNs with an ISN each make one connection (RFC 9293 section
    // 3.5), so the reverse SYN is an event of the attempt and no attempt of its own.
    ("M_simopen.s.pcap", [0, 1, 0, 0]),
    // The same, made up: the server answers a SYN with a SYN.
    ("suricata_split-handshake-4whs.pcap", [0, 1, 0, 0]),
    ("suricata_split-handshake-5whs.pcap", [0, 1, 0, 0]),
    // Every packet is in the file twice, microseconds apart with one IP identification: captured
    // twice and sent once.
    ("suricata_from_base64-02.pcap", [1, 0, 1, 0]),
    ("zeek_ctu-62604-80.pcap", [1, 0, 1, 0]),
    ("zeek_psql-login-no-role.pcap", [1, 0, 1, 0]),
    // One handshake on three VLANs, 50 ms apart, with one IP identification and time stamp each.
    ("zeek_vlan-collisions.pcap", [2, 0, 2, 2]),
    // A SYN+ACK for an earlier ISN of the 4-tuple is shown in the attempt that was waiting as well.
    ("suricata_bug-7657-01.pcap", [0, 0, 0, -1]),
];

/// All captures: those of the lab, public ones, and, where `ALL_CAPTURES` is set (`make ci`), those of
/// the incidents, which take tshark a minute.
fn captures() -> Vec<PathBuf> {
    let shared = root().join("../shared");
    let sets = std::env::var_os("ALL_CAPTURES").map(|_| shared.join("sets"));
    let sets = sets.and_then(|sets| fs::read_dir(sets).ok());
    let sets = sets.into_iter().flatten().filter_map(Result::ok);
    let folders = ["captures/lab", "captures/public"].map(|folder| shared.join(folder));
    let mut found: Vec<PathBuf> = folders
        .into_iter()
        .chain(sets.map(|entry| entry.path()))
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            matches!(extension, Some("pcap" | "gz")) && name(path).contains(".pcap")
        })
        .collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `None` without a tshark.
fn by_tshark(path: &Path) -> Option<Counts> {
    let fields = ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport"];
    let output = Command::new("tshark")
        .args(["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"])
        .args(["-Y", "tcp.flags.syn==1 && !icmp && !icmpv6", "-T", "fields"])
        .args(fields.iter().chain(&["tcp.seq_raw", "tcp.flags"]).flat_map(|field| ["-e", field]))
        .arg("-r")
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).expect("tshark prints numbers");
    let mut of_attempt: BTreeMap<&str, usize> = BTreeMap::new();
    let mut syn_acks = 0;
    for row in text.lines() {
        let (attempt, flags) = row.rsplit_once('\t').expect("eight columns");
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).expect("flags");
        // What has FIN or RST beside SYN is neither.
        match flags & 0x17 {
            0x02 => *of_attempt.entry(attempt).or_default() += 1,
            0x12 => syn_acks += 1,
            _ => {}
        }
    }
    let syns = of_attempt.values().sum();
    let attempts = of_attempt.len();
    Some(Counts { syns, attempts, repeated: syns - attempts, syn_acks })
}

/// The counts, and the packets without a SYN.
fn by_why504(path: &Path) -> (Counts, usize) {
    let at = format!("x={}", path.display());
    let run = why504(&["handshakes", "-j", "1", "--format", "ndjson", "--at", &at]);
    assert_eq!(run.status, 0, "{}: {}", path.display(), run.stderr);
    let mut counts = Counts::default();
    for attempt in run.of_type("attempt") {
        let copies = attempt["syn_count"].as_u64().expect("a number");
        let copies = usize::try_from(copies).expect("few");
        counts.attempts += 1;
        counts.repeated += copies.saturating_sub(1);
        let history = attempt["history"]["x"].as_str().expect("a history");
        counts.syns += copies + history.matches('s').count();
        counts.syn_acks += history.matches(['h', 'H']).count();
    }
    let tally = run.summary()["packets"]["tally"].clone();
    let tallied = |what: &str| usize::try_from(tally[what].as_u64().unwrap_or(0)).expect("few");
    (counts, tallied("no SYN in the capture"))
}

#[test]
fn handshakes_are_as_many_as_tshark_counts() {
    let all = captures();
    let compare = |some: &[PathBuf]| {
        for path in some {
            let Some(expected) = by_tshark(path) else { return };
            let known = DIFFERENCES.iter().find(|(file, _)| *file == name(path));
            let [syns, attempts, repeated, syn_acks] =
                known.map(|(_, fewer)| *fewer).unwrap_or_default();
            let less = |count: usize, by: isize| count.checked_add_signed(-by).expect("so many");
            let (mut found, unmatched) = by_why504(path);
            let wanted = Counts {
                syns: less(expected.syns, syns),
                attempts: less(expected.attempts, attempts),
                repeated: less(expected.repeated, repeated),
                syn_acks: less(expected.syn_acks, syn_acks),
            };
            matched(&mut found, unmatched, wanted);
            assert_eq!(found, wanted, "{}: tshark has {expected:?}", path.display());
        }
    };
    // Most of the time tshark is loading itself.
    std::thread::scope(|scope| {
        for some in all.chunks(all.len().div_ceil(4).max(1)) {
            scope.spawn(move || compare(some));
        }
    });
}
