//! A deterministic generator of big captures for benchmarks.
//!
//! Ordinary HTTP-like connections, a few hundred at a time, as a gateway's interface would see
//! them; a few in a thousand have their SYN+ACK lost, once or for good, or are refused. The traffic
//! is plausible, not real: TCP checksums are zero, as with checksum offload. What was written is
//! counted, so that a benchmark can also check what it measured.

mod flow;
mod frame;
mod sink;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::random::Random;
use flow::{Flow, Step};

/// Connections that are under way at any time.
const CONCURRENT: u32 = 200;

/// How much of each packet is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Frames {
    /// All of it
    Full,
    /// The first 96 bytes, as tcpdump -s 96
    #[value(name = "96")]
    Cut96,
}

impl Frames {
    fn snaplen(self) -> u32 {
        match self {
            Self::Full => 262_144,
            Self::Cut96 => 96,
        }
    }
}

/// What to generate.
#[derive(Debug, Clone, clap::Args)]
pub struct Traffic {
    /// The capture file to write
    #[arg(long)]
    pub out: PathBuf,
    /// Packets in it
    #[arg(long, default_value_t = 1_000_000)]
    pub packets: u64,
    /// How much of each packet is kept
    #[arg(long, value_enum, default_value = "full")]
    pub frames: Frames,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write pcapng instead of pcap
    #[arg(long)]
    pub pcapng: bool,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SYNs, repeated ones included.
    pub syns: u64,
    /// SYN+ACKs.
    pub synacks: u64,
    /// RSTs.
    pub resets: u64,
    /// Connect attempts.
    pub attempts: u64,
    /// Attempts whose SYN+ACK the client acknowledged: all but those that the end of the file cuts.
    pub completed: u64,
    /// Attempts without a SYN+ACK or RST until the end of the file.
    pub unanswered: u64,
    /// Attempts that were answered by a SYN+ACK only after their SYN was repeated.
    pub near_misses: u64,
}

/// Generates the capture and writes `FILE.truth.json` beside it.
pub fn generate(traffic: &Traffic) -> Result<Counts> {
    let at = || format!("cannot write {}", traffic.out.display());
    let mut sink = sink::Sink::create(&traffic.out, traffic.pcapng, traffic.frames.snaplen())
        .with_context(at)?;
    let mut counts = write_packets(traffic, &mut sink).with_context(at)?;
    counts.bytes = sink.finish().with_context(at)?;
    let text = serde_json::to_string_pretty(&counts)? + "\n";
    let beside = format!("{}.truth.json", traffic.out.display());
    std::fs::write(Path::new(&beside), text)?;
    Ok(counts)
}

fn write_packets(traffic: &Traffic, sink: &mut sink::Sink) -> Result<Counts> {
    let mut random = Random::new(traffic.seed);
    let mut counts = Counts::default();
    let mut flows: Vec<Flow> = Vec::new();
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut next_number = 0;
    for slot in 0..CONCURRENT {
        flows.push(Flow::new(next_number, &mut random));
        next_number += 1;
        due.push(Reverse((u64::from(random.below(flow::PAUSE_NS)), slot as usize)));
    }
    let mut frame = Vec::with_capacity(2048);
    while counts.packets < traffic.packets
        && let Some(Reverse((time, slot))) = due.pop()
        && let Some(flow) = flows.get_mut(slot)
    {
        let Step { segment, wait } = flow.step(&mut random);
        let Some(segment) = segment else {
            if flow.is_unanswered() {
                counts.unanswered += 1;
            }
            *flow = Flow::new(next_number, &mut random);
            next_number += 1;
            due.push(Reverse((time + wait, slot)));
            continue;
        };
        frame::build(&mut frame, &segment);
        sink.packet(time, &frame)?;
        counts.packets += 1;
        flow.count(&segment, &mut counts);
        due.push(Reverse((time + wait, slot)));
    }
    counts.unanswered += flows.iter().filter(|flow| flow.is_unanswered()).count() as u64;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::packet::{Packet, decode};
    use crate::pcap;

    fn written(
        name: &str,
        packets: u64,
        frames: Frames,
        pcapng: bool,
    ) -> (Vec<pcap::Frame>, Counts, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join(name);
        let traffic = Traffic { out: out.clone(), packets, frames, seed: 3, pcapng };
        let counts = generate(&traffic).unwrap();
        let bytes = std::fs::read(&out).unwrap();
        assert_eq!(bytes.len() as u64, counts.bytes);
        (pcap::parse(&bytes).unwrap(), counts, bytes)
    }

    #[test]
    fn the_counts_are_those_of_the_file() {
        let (frames, counts, _) = written("a.pcap", 200_000, Frames::Cut96, false);
        let mut found = Counts { packets: frames.len() as u64, ..Counts::default() };
        let (mut asked, mut answered) = (HashSet::new(), HashSet::new());
        let mut completed = HashSet::new();
        for frame in &frames {
            let Some(Packet::Tcp(tcp)) = decode(frame.link, &frame.bytes) else {
                panic!("frame {} is not TCP", frame.number);
            };
            if tcp.is_syn() {
                found.syns += 1;
                asked.insert((tcp.src, tcp.sport, tcp.dst, tcp.dport, tcp.seq));
            } else if tcp.is_synack() || tcp.is_rst() {
                found.synacks += u64::from(tcp.is_synack());
                found.resets += u64::from(tcp.is_rst());
                let isn = tcp.ack.wrapping_sub(1);
                answered.insert((tcp.dst, tcp.dport, tcp.src, tcp.sport, isn));
            } else {
                // The third ACK is the first segment behind the ISN, the request the second.
                let isn = tcp.seq.wrapping_sub(1);
                completed.insert((tcp.src, tcp.sport, tcp.dst, tcp.dport, isn));
            }
        }
        found.attempts = asked.len() as u64;
        found.unanswered = asked.difference(&answered).count() as u64;
        found.completed = asked.intersection(&completed).count() as u64;
        found.bytes = counts.bytes;
        found.near_misses = counts.near_misses;
        assert_eq!(found, counts);
        assert!(counts.unanswered > 0 && counts.near_misses > 0 && counts.resets > 0, "{counts:?}");
        assert!(frames.is_sorted_by_key(|frame| frame.time_ns));
    }

    #[test]
    fn both_formats_hold_the_same_packets_and_the_same_seed_the_same_bytes() {
        let (classic, counts, bytes) = written("a.pcap", 5000, Frames::Cut96, false);
        let (blocks, again, _) = written("a.pcapng", 5000, Frames::Cut96, true);
        assert_eq!(classic, blocks);
        assert_eq!(counts.syns, again.syns);
        assert_eq!(bytes, written("b.pcap", 5000, Frames::Cut96, false).2);
        assert!(classic.iter().all(|frame| frame.bytes.len() <= 96));
    }

    #[test]
    fn full_frames_are_as_long_as_their_ip_header_says() {
        let (full, ..) = written("a.pcap", 5000, Frames::Full, false);
        let (cut, ..) = written("b.pcap", 5000, Frames::Cut96, false);
        for (whole, part) in full.iter().zip(&cut) {
            let stated = usize::from(u16::from_be_bytes([whole.bytes[16], whole.bytes[17]]));
            assert_eq!(whole.bytes.len(), 14 + stated);
            assert!(whole.bytes.starts_with(&part.bytes));
        }
    }
}
