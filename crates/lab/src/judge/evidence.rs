//! Looks up every frame that the tool cites in its file, with the lab's own reader.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::output::{Case, Evidence};
use crate::clock_text;
use crate::packet::{Packet, Tcp, decode, flag};
use crate::pcap::{self, Frame};

/// Citations that were looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EvidenceCheck {
    /// Citations in all.
    pub checked: usize,
    /// What is wrong with some of them, a line each.
    pub problems: Vec<String>,
    /// Cases at a sure grade that cite nothing.
    pub without: usize,
}

impl EvidenceCheck {
    /// Adds the counts and problems of another set.
    pub(super) fn add(&mut self, other: &Self) {
        self.checked += other.checked;
        self.problems.extend(other.problems.iter().cloned());
        self.without += other.without;
    }
}

/// Checks the evidence of `cases`; files are looked for as given, then in `folder`.
pub(super) fn check(folder: &Path, cases: &[Case]) -> EvidenceCheck {
    let mut result = EvidenceCheck::default();
    let mut files: HashMap<PathBuf, Vec<Frame>> = HashMap::new();
    for case in cases {
        let sure = matches!(case.grade.as_str(), "proven" | "signature");
        if case.evidence.is_empty() && sure && case.verdict != "no_syn_sent" {
            result.without += 1;
        }
        for evidence in &case.evidence {
            result.checked += 1;
            let path = resolve(folder, &evidence.file);
            let frames =
                files.entry(path.clone()).or_insert_with(|| pcap::read(&path).unwrap_or_default());
            let index = usize::try_from(evidence.frame.wrapping_sub(1)).unwrap_or(usize::MAX);
            if let Some(problem) = compare(frames.get(index), evidence) {
                result.problems.push(format!(
                    "line {}: {} frame {}: {problem}",
                    case.log.line, evidence.file, evidence.frame
                ));
            }
        }
    }
    result
}

fn resolve(folder: &Path, file: &str) -> PathBuf {
    let given = PathBuf::from(file);
    if given.exists() {
        return given;
    }
    folder.join(given.file_name().unwrap_or_default())
}

/// What is wrong with a citation of `frame`, if anything.
fn compare(frame: Option<&Frame>, evidence: &Evidence) -> Option<String> {
    let Some(frame) = frame else { return Some("there is no such frame".to_owned()) };
    if clock_text::rfc3339_ns(&evidence.time) != Some(frame.time_ns) {
        return Some(format!("time is {} ns, not {}", frame.time_ns, evidence.time));
    }
    match decode(frame.link, &frame.bytes) {
        None => Some("holds no TCP and no ICMP error about TCP".to_owned()),
        Some(Packet::Tcp(tcp)) => compare_segment(&tcp, evidence),
        // An ICMP error quotes the SYN: its sequence number is the one that can be cited.
        Some(Packet::Unreachable(tcp)) => match evidence.seq {
            Some(seq) if seq != 0 && seq != tcp.seq => {
                Some(format!("quotes seq {}, not {seq}", tcp.seq))
            }
            _ => None,
        },
    }
}

fn compare_segment(tcp: &Tcp, evidence: &Evidence) -> Option<String> {
    if evidence.seq != Some(tcp.seq) {
        return Some(format!("seq is {}, not {:?}", tcp.seq, evidence.seq));
    }
    let has_ack = tcp.flags & flag::ACK != 0;
    if has_ack && evidence.ack != Some(tcp.ack) {
        return Some(format!("ack is {}, not {:?}", tcp.ack, evidence.ack));
    }
    let cited = evidence.flags.as_deref().unwrap_or_default();
    for (letter, bit) in
        [('S', flag::SYN), ('R', flag::RST), ('F', flag::FIN), ('.', flag::ACK), ('P', flag::PSH)]
    {
        if cited.contains(letter) != (tcp.flags & bit != 0) {
            return Some(format!("flags are {:#04x}, not `{cited}`", tcp.flags));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synack() -> Frame {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
        bytes.extend([0x1f, 0x41, 0x9c, 0x40, 0, 0, 0, 9, 0, 0, 0, 8, 0x50, 0x12, 0, 0]);
        let wire_length = 40;
        Frame { number: 1, time_ns: 1_000_000_005, link: 101, bytes, wire_length }
    }

    fn evidence(seq: u32, ack: u32, flags: &str, time: &str) -> Evidence {
        Evidence {
            file: "gateway.pcap".into(),
            frame: 1,
            time: time.into(),
            flags: Some(flags.into()),
            seq: Some(seq),
            ack: Some(ack),
        }
    }

    #[test]
    fn only_the_true_fields_pass() {
        let time = "1970-01-01T00:00:01.000000005Z";
        let frame = synack();
        assert_eq!(compare(Some(&frame), &evidence(9, 8, "S.", time)), None);
        for (bad, what) in [
            (evidence(1, 8, "S.", time), "seq"),
            (evidence(9, 1, "S.", time), "ack"),
            (evidence(9, 8, "S", time), "flags"),
            (evidence(9, 8, "S.", "1970-01-01T00:00:01.000000006Z"), "time"),
        ] {
            assert!(compare(Some(&frame), &bad).unwrap().contains(what), "{what}");
        }
        assert!(compare(None, &evidence(9, 8, "S.", time)).is_some());
    }
}
