//! pcap-parser is the reference for containers: the walk of this crate finds the same frames. And
//! the seven traps of pcap-parser 0.17, each with what this crate does in its place.

mod render;

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{LegacyPcapReader, PcapBlockOwned, PcapNGReader};
use proptest::prelude::*;
use render::{PcapNg, Shot, any_shots, pcap};
use why504_capture::{ByteOrder, CaptureReader, Clock, Content, Resolution};
use why504_model::SourceId;

/// The octets of each frame, as pcap-parser finds them, up to the first error.
fn frames_by_pcap_parser(file: &[u8]) -> Vec<Vec<u8>> {
    let capacity = file.len().max(64);
    let reader: Result<Box<dyn PcapReaderIterator>, _> = if file.first() == Some(&0x0a) {
        PcapNGReader::new(capacity, file).map(|reader| Box::new(reader) as _)
    } else {
        LegacyPcapReader::new(capacity, file).map(|reader| Box::new(reader) as _)
    };
    let Ok(mut reader) = reader else { return Vec::new() };
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok((length, block)) => {
                match block {
                    PcapBlockOwned::Legacy(record) => frames.push(record.data.to_vec()),
                    PcapBlockOwned::NG(pcap_parser::Block::EnhancedPacket(packet)) => {
                        let captured = usize::try_from(packet.caplen).expect("32 bits");
                        frames.push(packet.data[..captured].to_vec());
                    }
                    PcapBlockOwned::NG(pcap_parser::Block::SimplePacket(packet)) => {
                        let captured = usize::try_from(packet.origlen).expect("32 bits");
                        frames.push(packet.data[..captured.min(packet.data.len())].to_vec());
                    }
                    _ => {}
                }
                reader.consume(length);
            }
            // The whole file is in the buffer: what is incomplete now stays so.
            Err(_) => return frames,
        }
    }
}

/// The octets of each frame up to a malformed block, as this crate finds them, and what it says of
/// the file.
fn frames_and_damage(file: &[u8]) -> (Vec<Vec<u8>>, String) {
    let Ok(mut reader) = CaptureReader::new(file, SourceId(0)) else { return Default::default() };
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        for record in block.records() {
            match record.content {
                Content::Frame(frame) => frames.push(frame.data.to_vec()),
                Content::Malformed => return (frames, "malformed".to_owned()),
                Content::NotAPacket => {}
            }
        }
    }
    let damage: Vec<String> =
        reader.summary().diagnostics.iter().map(ToString::to_string).collect();
    (frames, damage.join("; "))
}

fn frames(file: &[u8]) -> Vec<Vec<u8>> {
    frames_and_damage(file).0
}

fn files(shots: &[Shot]) -> Vec<Vec<u8>> {
    let mut files = vec![
        pcap(ByteOrder::Little, 0xa1b2_c3d4, 1, shots),
        pcap(ByteOrder::Big, 0xa1b2_3c4d, 1, shots),
        pcap(ByteOrder::Little, 0xa1b2_cd34, 1, shots),
    ];
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let mut file = PcapNg::new(order);
        file.interface(1, 9, 0, "eth0");
        for shot in shots {
            file.enhanced(0, shot.nanos, shot).block(0x99, b"unknown").simple(shot);
        }
        files.push(file.file);
    }
    files
}

proptest! {
    #[test]
    fn whole_and_cut_files_have_the_frames_of_pcap_parser(
        shots in any_shots(6), cut in any::<prop::sample::Index>(),
    ) {
        for file in files(&shots) {
            prop_assert_eq!(frames(&file), frames_by_pcap_parser(&file));
            let cut = &file[..cut.index(file.len())];
            prop_assert_eq!(frames(cut), frames_by_pcap_parser(cut));
        }
    }

    /// One octet is changed. This crate stops where the two lengths of any block differ (as
    /// Wireshark does) and counts a packet of an unknown interface as malformed; pcap-parser looks
    /// at neither. In everything else there is no difference.
    #[test]
    fn damaged_files_have_the_frames_of_pcap_parser_up_to_the_damage(
        shots in any_shots(6), at in any::<prop::sample::Index>(), octet in any::<u8>(),
    ) {
        for mut file in files(&shots) {
            // Behind the file header, whose checks differ.
            let start = if file[0] == 0x0a { 28 } else { 24 };
            if file.len() == start {
                continue;
            }
            let at = start + at.index(file.len() - start);
            file[at] = octet;
            let (ours, damage) = frames_and_damage(&file);
            let reference = frames_by_pcap_parser(&file);
            prop_assert_eq!(&ours[..], &reference[..ours.len().min(reference.len())]);
            if ours.len() < reference.len() {
                let told = ["lengths of a block disagree", "malformed"];
                prop_assert!(told.iter().any(|words| damage.contains(words)), "{}", damage);
            }
        }
    }
}

/// If one of these fails, pcap-parser was mended, and what stands in its place may go.
#[test]
fn the_traps_are_still_there() {
    // 1. No power-of-two resolution.
    assert_eq!(pcap_parser::build_ts_resolution(0x8a), None);
    // 2. Fractions are cut to 32 bits.
    let (_, fraction) = pcap_parser::build_ts(0, u32::MAX, 0, 1 << 40);
    assert_eq!(fraction, u32::MAX);
    let units = 1_999_999_999_999_u64;
    let (high, low) = (u32::try_from(units >> 32).expect("high"), (units & 0xffff_ffff) as u32);
    let (_, fraction) = pcap_parser::build_ts(high, low, 0, 1_000_000_000_000);
    assert_ne!(u64::from(fraction), 999_999_999_999);
    // 6. A short first read is taken for a short file.
    let file = pcap(ByteOrder::Little, 0xa1b2_c3d4, 1, &[]);
    let (first, second) = file.split_at(2);
    let drip = std::io::Read::chain(first, second);
    assert!(pcap_parser::create_reader(65_536, drip).is_err());
    let drip = std::io::Read::chain(first, second);
    assert!(CaptureReader::new(drip, SourceId(0)).is_ok());
    // 7. Nanoseconds in a field named microseconds.
    let shot = Shot { nanos: 1_999_999_999, data: vec![], wire_len: 0 };
    let file = pcap(ByteOrder::Little, 0xa1b2_3c4d, 1, &[shot]);
    let (_, record) = pcap_parser::parse_pcap_frame(&file[24..]).expect("a record");
    assert_eq!(record.ts_usec, 999_999_999);
    assert_eq!(
        render::read(file.as_slice()).tally.span.map(|span| span.0.nanos()),
        Some(1_999_999_999)
    );
    // 1 and 2 in their place here; 3 to 5 are in `clock`, `containers` and `damage`.
    let clock = |octet| Clock { resolution: Resolution::from_octet(octet), offset_seconds: 0 };
    assert_eq!(clock(0x8a).timestamp(1536).nanos(), 1_500_000_000);
    assert_eq!(clock(12).timestamp(units).nanos(), 1_999_999_999);
}
