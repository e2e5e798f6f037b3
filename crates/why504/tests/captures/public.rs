//! Captures of other projects (`captures/public`): every statement of the README that is about
//! handshakes.

use std::collections::BTreeMap;

use why504_correlate::{Mechanism, Verdict};
use why504_handshake::{Attempt, Event, Sighting};
use why504_model::Checksum;

use crate::observed::{Observed, folder};

/// The capture of this name, where it is.
fn capture(name: &str) -> Option<Observed> {
    let file = folder("public")?.join(name);
    file.is_file().then(|| Observed::of(&[file]))
}

use Verdict::{AckLost, Connected, NoReply, Refused, StaleConnection, SynAckLate, SynAckLost};

/// What the README states of one attempt, found by its client port and the letters of its packets.
struct Stated {
    file: &'static str,
    port: u16,
    history: &'static str,
    verdict: Verdict,
    mechanism: Option<&'static str>,
    near_miss: bool,
}

const fn stated(
    file: &'static str,
    port: u16,
    history: &'static str,
    verdict: Verdict,
    mechanism: Option<&'static str>,
    near_miss: bool,
) -> Stated {
    Stated { file, port, history, verdict, mechanism, near_miss }
}

/// The letters are those of the packets as tshark shows them.
const TABLE: &[Stated] = &[
    // The first SYN+ACK was lost behind the capture point; the repeated SYN saved it.
    stated("suricata_bug-5881-01.pcap", 64_731, "ShShADad", Connected, None, true),
    // Delayed, and nothing lost: two SYN+ACKs that echo copy 1 arrive together.
    stated("suricata_bug-6269-01.pcap", 39_990, "SShAhAD", Connected, None, true),
    stated("suricata_bug-5486.pcap", 49_910, "SShADad", Connected, None, true),
    // The SYN+ACK came again after the data: neither ACK nor data had arrived at first.
    stated("suricata_http-missing-protocol.pcap", 49_160, "ShADhAad", AckLost, None, true),
    stated("suricata_security-4710-02.pcap", 24_245, "ShhhhARDad", Connected, None, true),
    stated("suricata_smb2-07_psexec.pcap", 49_284, "SSS", NoReply, Some("open_at_end"), false),
    stated("suricata_smb2-delete.pcap", 49_281, "SSShAFar", Connected, None, true),
    // Refused, then the port used again with another ISN.
    stated("suricata_bug-3844.pcap", 12_345, "Sr", Refused, None, false),
    stated("suricata_bug-3844.pcap", 12_345, "ShADd", Connected, None, false),
    stated(
        "suricata_split-handshake-4whs.pcap",
        12_345,
        "SsHaDaR",
        Connected,
        Some("simultaneous_open"),
        false,
    ),
    stated(
        "suricata_split-handshake-5whs.pcap",
        12_345,
        "SasHaDaR",
        Connected,
        Some("simultaneous_open"),
        false,
    ),
    // Captured twice is not sent twice; the SYN+ACKs bear no identification and may be two.
    stated("suricata_from_base64-02.pcap", 33_734, "ShhADad", Connected, None, false),
    stated("suricata_bug-5867.pcap", 1_709, "ShhAd", Connected, None, false),
    stated("zeek_ctu-62604-80.pcap", 62_604, "ShhADDaad", Connected, None, false),
    stated("zeek_vlan-collisions.pcap", 59_856, "ShADad", Connected, None, false),
    // One SYN, two servers.
    stated(
        "suricata_tcp-fastopen-10.pcap",
        51_615,
        "ShShSSSSSSShShhShDDhAhDad",
        AckLost,
        Some("lb_split"),
        true,
    ),
    stated("suricata_enip_cip_example.pcap", 37_997, "Shh", SynAckLost, Some("open_at_end"), false),
    // Only the client's direction: no SYN+ACK is missing.
    stated("suricata_bug-8629-async-oneside.pcap", 49_285, "SADDD", Connected, None, false),
    stated("zeek_pop3.pcap", 26_242, "SrSrSr", Refused, None, false),
    stated("zeek_pop3.pcap", 26_245, "SrSrSr", Refused, None, false),
    stated("zeek_pop3.pcap", 26_284, "SShAd", Connected, None, true),
    stated("zeek_syn.pcap", 59_856, "S", NoReply, Some("open_at_end"), false),
    // Nothing more was captured: nothing says that the client did not take it.
    stated("zeek_syn-synack.pcap", 59_856, "Sh", Connected, None, false),
    // The client resets what answers it, twice from one port: its socket was gone.
    stated(
        "suricata_issue-3341-urgent11.pcap",
        31_337,
        "ShRF",
        SynAckLate,
        Some("open_at_end"),
        false,
    ),
    stated(
        "suricata_issue-3341-urgent11.pcap",
        31_337,
        "ShRD",
        SynAckLate,
        Some("open_at_end"),
        false,
    ),
    // Beside the delayed one, at the same instant.
    stated("suricata_smb2-delete.pcap", 49_283, "ShADd", Connected, None, false),
    stated("zeek_syn-then-rst.pcap", 13_131, "SR", NoReply, Some("open_at_end"), false),
    // All numbers are 0: the ACK is for no attempt that was seen.
    stated(
        "zeek_syn-then-ack-then-rst.pcap",
        13_131,
        "SaR",
        StaleConnection,
        Some("established"),
        false,
    ),
    // An unacceptable RST is passed over, and the real SYN+ACK follows.
    stated("zeek_rst-inject-rae.pcap", 2_527, "SrhAD", Connected, None, false),
    stated("zeek_option-sack.pcap", 20, "SSSS", NoReply, Some("open_at_end"), false),
    stated("zeek_fin_retransmission.pcap", 55_344, "SFhFr", Connected, None, false),
    stated("zeek_ip4-tcp-bad-chksum.pcap", 30_000, "S", NoReply, Some("open_at_end"), false),
];

#[test]
fn each_statement_of_the_readme_holds() {
    for stated in TABLE {
        let Stated { file, port, history, .. } = stated;
        let Some(observed) = capture(file) else { continue };
        let found = observed
            .attempts()
            .iter()
            .find(|a| a.flow().client.port == *port && a.nearest().history().starts_with(history));
        let attempt = found.unwrap_or_else(|| panic!("{file}: no {history} from port {port}"));
        let judged = observed.outcome(attempt);
        let near_miss = attempt.sightings().any(Sighting::saved_by_repetition);
        assert_eq!(
            (judged.verdict(), judged.mechanism.map(Mechanism::name), near_miss),
            (stated.verdict, stated.mechanism, stated.near_miss),
            "{file} {history} by {}",
            judged.row.name
        );
        assert!(!(judged.grade.is_sure() && judged.verdict().is_loss()), "{file}: one side");
    }
}

/// How often each verdict is given.
fn verdicts(file: &str) -> Option<BTreeMap<Verdict, usize>> {
    let observed = capture(file)?;
    let mut counts = BTreeMap::new();
    for attempt in observed.attempts() {
        *counts.entry(observed.outcome(attempt).verdict()).or_default() += 1;
    }
    Some(counts)
}

/// Healthy captures, and how many attempts each holds.
const HEALTHY: &[(&str, usize)] = &[
    ("zeek_echo-connections.pcap.gz", 500),
    ("zeek_handshake-reorder.pcap", 1),
    ("zeek_psql-login-no-role.pcap", 1),
    ("zeek_ctu-62604-80.pcap", 1),
    ("suricata_from_base64-02.pcap", 1),
    ("suricata_bug-5867.pcap", 1),
    // A capture without any SYN has no attempt.
    ("zeek_missing-syn.pcap", 0),
    ("zeek_one-sided-2745.pcap", 0),
];

/// A file that no statement is tested of would be passed over silently.
#[test]
fn of_every_capture_something_is_stated() {
    let Some(folder) = folder("public") else { return };
    let stated =
        TABLE.iter().map(|stated| stated.file).chain(HEALTHY.iter().map(|(file, _)| *file));
    let stated: Vec<&str> = stated.chain([DECOYS]).collect();
    for entry in folder.read_dir().expect("it is a folder").flatten() {
        let name = entry.file_name().into_string().expect("ASCII names");
        assert!(!name.contains(".pcap") || stated.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn healthy_captures_give_no_loss_verdict() {
    for &(file, attempts) in HEALTHY {
        let Some(counts) = verdicts(file) else { continue };
        let wanted = if attempts == 0 { vec![] } else { vec![(Connected, attempts)] };
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), wanted, "{file}");
    }
}

/// Of 500 connections to a listener whose queue overflows, 158 had their first SYNs dropped.
#[test]
fn the_overflowing_listener_of_zeek_has_158_near_misses() {
    let Some(observed) = capture("zeek_echo-connections.pcap.gz") else { return };
    let seen = observed.attempts().iter().map(Attempt::nearest);
    let saved: Vec<&Sighting> = seen.filter(|seen| seen.saved_by_repetition()).collect();
    assert_eq!(saved.len(), 158);
    for seen in saved {
        let stamps = |events: Vec<&Event>| events.last().and_then(|e| e.timestamps);
        let (asked, answered) = (stamps(seen.syns().collect()), stamps(seen.syn_acks().collect()));
        assert_eq!(asked.map(|ts| ts.value), answered.map(|ts| ts.echo), "the last copy counts");
    }
}

/// The only SYN of a capture whose statement is about its checksum.
#[test]
fn a_wrong_checksum_is_seen() {
    let Some(observed) = capture("zeek_ip4-tcp-bad-chksum.pcap") else { return };
    let syn = observed.attempts().first().and_then(|a| a.nearest().syns().next());
    assert_eq!(syn.map(|syn| syn.checksum), Some(Checksum::Wrong));
}

/// Many SYNs on one 4-tuple, each with another ISN.
const DECOYS: &str = "suricata_bug-7657-01.pcap";

/// Decoy SYNs with ever new ISNs on one 4-tuple: one of them is answered, no other.
#[test]
fn what_answers_one_isn_answers_no_other_on_its_port() {
    let Some(counts) = verdicts(DECOYS) else { return };
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(Connected, 1), (NoReply, 21)]);
}
