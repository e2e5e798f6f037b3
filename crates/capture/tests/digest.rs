//! A digest says what a full decoding says: of frames in plain clothes, which it only glances at, of
//! frames that are out of the ordinary in some octet, and of every real capture beside the checkout.

mod render;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use proptest::prelude::*;
use render::{PcapNg, Shot, any_tcp, ethernet, pcap};
use why504_capture::{Block, ByteOrder, CaptureReader, Digest, Picker, REORDERED};
use why504_model::{FlowMark, Packet, SourceId, Span, Timestamp};

const SOURCE: SourceId = SourceId(3);

/// Wants all plain segments, or none.
#[derive(Default)]
struct Asked {
    all: bool,
    /// The mark that was asked for last, until its packet comes.
    mark: Cell<Option<FlowMark>>,
    packets: Vec<Packet>,
    passed_over: u64,
}

impl Picker for Asked {
    fn wants(&self, mark: FlowMark) -> bool {
        if self.all {
            self.mark.set(Some(mark));
        }
        self.all
    }

    fn packet(&mut self, packet: &Packet) {
        if let Some(mark) = self.mark.take() {
            let plain = matches!(packet, Packet::Tcp(s) if s.flags.is_plain()
                && mark == FlowMark::of(s.source, s.destination));
            assert!(plain, "a note of another packet: {packet:?}");
        }
        self.packets.push(*packet);
    }

    fn pass_over(&mut self, segments: u64) {
        self.passed_over += segments;
    }
}

fn blocks(file: &[u8]) -> Vec<Block> {
    let Ok(mut reader) = CaptureReader::new(file, SOURCE) else { return Vec::new() };
    std::iter::from_fn(|| reader.next_block()).collect()
}

fn is_plain(packet: &Packet) -> bool {
    matches!(packet, Packet::Tcp(segment) if segment.flags.is_plain())
}

/// Who sent plain segments to whom, in which minutes.
fn talks(packets: &[Packet]) -> BTreeSet<(IpAddr, IpAddr, i64)> {
    let plain = packets.iter().filter(|packet| is_plain(packet));
    plain
        .filter_map(|packet| match packet {
            Packet::Tcp(s) => Some((s.source.ip, s.destination.ip, s.time.minute())),
            Packet::Icmp(_) | Packet::Resolution(_) => None,
        })
        .collect()
}

/// The packets of a block in the order in which they are due: in that of their times, unless one of them
/// comes so far behind a later one that the clock was set.
fn in_order(mut packets: Vec<Packet>) -> Vec<Packet> {
    let back = |(i, packet): (usize, &Packet)| {
        packets[..i].iter().map(Packet::time).max().map(|newest| newest.since(packet.time()))
    };
    if packets.iter().enumerate().filter_map(back).all(|back| back < REORDERED) {
        packets.sort_by_key(|packet| (packet.time(), packet.location().record));
    }
    packets
}

fn check(file: &[u8]) {
    let (mut all, mut some, mut none) = (Digest::default(), Digest::default(), Digest::default());
    let (mut seen, mut gathered) = (Vec::new(), BTreeSet::new());
    for block in blocks(file) {
        let mut packets = Vec::new();
        let tally = block.decode(SOURCE, &mut packets);
        let packets = in_order(packets);
        for digest in [&mut all, &mut some, &mut none] {
            digest.read(block.clone(), SOURCE);
            assert_eq!(digest.tally, tally);
            assert_eq!(digest.due(), packets.first().map(Packet::time));
        }
        let mut wanted = Asked { all: true, ..Asked::default() };
        assert_eq!(all.hand_over(None, 1, &mut wanted), packets.len());
        assert_eq!(wanted.packets, packets);
        assert_eq!((all.due(), wanted.passed_over), (None, 0));

        let plain = packets.iter().filter(|p| is_plain(p));
        let times: Vec<Timestamp> = plain.clone().map(Packet::time).collect();
        let span = times.iter().min().copied().zip(times.iter().max().copied());
        assert_eq!(all.gathered.span, span);
        let unmarked = |p: &&Packet| matches!(p, Packet::Tcp(s) if s.flags.0 & 0b1001 == 0);
        assert_eq!(all.gathered.unmarked, plain.clone().any(|p| unmarked(&p)));

        let mut unwanted = Asked::default();
        none.hand_over(None, 1, &mut unwanted);
        let others: Vec<Packet> = packets.iter().filter(|p| !is_plain(p)).copied().collect();
        assert_eq!(unwanted.packets, others);
        assert_eq!(unwanted.passed_over, times.len() as u64);

        piecemeal(&mut some, &packets);
        seen.extend(packets);
        let talks = all.gathered.talks.iter();
        gathered.extend(talks.map(|&(from, to, time)| (from, to, time.minute())));
    }
    assert_eq!(gathered, talks(&seen));
}

/// Up to each time in turn, as when another file has packets in between: never beyond, but for one
/// packet, which is always handed over.
fn piecemeal(digest: &mut Digest, packets: &[Packet]) {
    let mut picker = Asked { all: true, ..Asked::default() };
    while let Some(due) = digest.due() {
        let before = picker.packets.len();
        let until = due - Span::from_nanos(i64::from(before.is_multiple_of(2)));
        let handed = digest.hand_over(Some(until), 1, &mut picker);
        let new = &picker.packets[before..];
        assert_eq!(handed, new.len());
        assert!(!new.is_empty() && new[1..].iter().all(|p| p.time() <= until));
    }
    assert_eq!(picker.packets, packets);
}

/// Frames of plain and other segments, of which some octets are changed and some are cut off.
fn frames() -> impl Strategy<Value = Vec<Shot>> {
    let changes = prop::collection::vec((0..74_usize, any::<u8>()), 0..3);
    let frame = (any_tcp(), changes, prop::option::of(0..90_usize), 0..3_u64, 0..4_u64);
    prop::collection::vec(frame, 1..20).prop_map(|frames| {
        let mut time = 1_700_000_000_000_000_000;
        let shot =
            |(tcp, changes, cut, minutes, back): (_, Vec<(usize, u8)>, Option<usize>, _, _)| {
                let mut data = ethernet(&tcp);
                let wire_len = u32::try_from(data.len()).expect("a small frame");
                for (at, octet) in changes {
                    if let Some(old) = data.get_mut(at) {
                        *old = octet;
                    }
                }
                data.truncate(cut.unwrap_or(usize::MAX));
                // Time goes on by minutes or not, and back by 60 ms: once or twice is an order to be
                // restored, several times is a clock.
                time = time + minutes * 60_000_000_000 - back / 3 * 60_000_000;
                Shot { nanos: time, data, wire_len }
            };
        frames.into_iter().map(shot).collect()
    })
}

/// The frame with another link header, and its link type.
fn with_link(link: u16, shot: &Shot) -> Shot {
    let (ether_type, ip) = match shot.data.split_at_checked(14) {
        Some((head, ip)) => (&head[12..], ip),
        None => (&[8, 0][..], &[][..]),
    };
    let data = match link {
        101 => ip.to_vec(),
        113 => [&[0; 14][..], ether_type, ip].concat(),
        276 => [ether_type, &[0; 18][..], ip].concat(),
        _ => shot.data.clone(),
    };
    Shot { data, ..shot.clone() }
}

proptest! {
    #[test]
    fn a_digest_says_what_a_full_decoding_says(shots in frames()) {
        for link in [1, 101, 113, 276] {
            let shots: Vec<Shot> = shots.iter().map(|shot| with_link(link, shot)).collect();
            check(&pcap(ByteOrder::Little, 0xa1b2_3c4d, link, &shots));
        }
        let mut file = PcapNg::new(ByteOrder::Big);
        file.interface(1, 9, 0, "eth0");
        for (i, shot) in shots.iter().enumerate() {
            file.enhanced(u32::try_from(i % 7 / 6).expect("0 or 1"), shot.nanos, shot);
            if i % 3 == 2 {
                file.block(0x99, b"unknown").simple(shot).interface(1, 9, 0, "eth1");
            }
        }
        check(&file.file);
    }
}

#[test]
fn a_digest_says_what_a_full_decoding_says_of_real_captures() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    for folder in ["lab", "public"] {
        let Ok(entries) = fs::read_dir(shared.join(folder)) else { continue };
        for entry in entries.filter_map(Result::ok).filter(|e| e.path().is_file()) {
            check(&fs::read(entry.path()).expect("the capture opens"));
        }
    }
}
