//! The same packets come out of every container.

mod render;

use std::io::{self, Read};

use proptest::prelude::*;
use render::{Chosen, PcapNg, Shot, any_shots, any_tcp, chosen, ethernet, pcap, read};
use why504_capture::{
    BLOCK_BYTES, ByteOrder, CaptureReader, Clock, DecodeTally, DropCounters, Interface, LinkType,
    Resolution,
};
use why504_model::{Damage, SourceId};

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];
const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// One byte a read: a pipe or a decoder may do that.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = 1.min(into.len());
        self.0.read(&mut into[..n])
    }
}

fn shot(nanos: u64) -> Shot {
    let tcp = render::Tcp {
        v6: false,
        ports: (1, 2),
        seq: 3,
        ack: 0,
        flags: 2,
        timestamps: None,
        payload: 0,
    };
    let data = ethernet(&tcp);
    Shot { nanos, wire_len: u32::try_from(data.len()).expect("small"), data }
}

/// All renderings of the same shots, whose times are whole microseconds.
fn renderings(shots: &[Shot]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for order in ORDERS {
        for magic in [MICRO, NANO, MODIFIED] {
            files.push(pcap(order, magic, 1, shots));
        }
        // Microseconds, nanoseconds, and nanoseconds with an offset of either sign.
        for (resolution, unit, offset) in [(6, 1000, 0), (9, 1, 0), (9, 1, -3600), (9, 1, 7)] {
            let mut file = PcapNg::new(order);
            file.interface(1, resolution, offset, "eth0");
            for (index, shot) in shots.iter().enumerate() {
                let nanos = shot.nanos.cast_signed() - offset * 1_000_000_000;
                // Time before the interface's own epoch cannot be written.
                let Ok(nanos) = u64::try_from(nanos) else { continue };
                if index % 2 == 0 {
                    file.enhanced(0, nanos / unit, shot);
                } else {
                    file.block(0x1234, b"unknown").obsolete(0, nanos / unit, shot);
                }
            }
            files.push(file.file);
        }
    }
    files
}

proptest! {
    #[test]
    fn every_container_gives_the_packets_that_were_written(
        tcps in proptest::collection::vec((10_000_000_000..4_000_000_000_000_000_u64, any_tcp()), 0..12),
    ) {
        let shots: Vec<Shot> = tcps.iter().map(|(micros, tcp)| {
            let data = ethernet(tcp);
            Shot { nanos: micros * 1000, wire_len: u32::try_from(data.len()).expect("small"), data }
        }).collect();
        let expected: Vec<(u64, u64, Chosen)> = tcps.iter().zip(1..).map(|((micros, tcp), frame)| {
            (frame, micros * 1000, Chosen::from(tcp))
        }).collect();
        for file in renderings(&shots) {
            let reading = read(file.as_slice());
            prop_assert_eq!(&chosen(&reading.packets), &expected);
            prop_assert_eq!(&reading.summary.diagnostics, &vec![]);
            prop_assert_eq!(reading.summary.octets, file.len() as u64);
            let times = shots.iter().map(|shot| shot.nanos);
            let span = reading.tally.span.map(|(a, b)| (a.nanos(), b.nanos()));
            let expected = times.clone().min().zip(times.max());
            prop_assert_eq!(span, expected.map(|(a, b)| (a.cast_signed(), b.cast_signed())));
        }
    }

    #[test]
    fn the_size_of_the_reads_does_not_matter(shots in any_shots(6)) {
        for file in renderings(&shots) {
            let in_one = read(file.as_slice());
            prop_assert_eq!(read(Drip(&file)), in_one);
        }
    }
}

/// More than one block, and records that lie across their borders.
#[test]
fn a_large_file_is_cut_into_blocks_at_record_boundaries() {
    let mut big = shot(1_700_000_000_000_000_000);
    big.data.resize(65_000, 0);
    let shots = vec![big; 100];
    for file in renderings(&shots) {
        let mut reader =
            CaptureReader::new(file.as_slice(), SourceId::default()).expect("a capture");
        let mut offset = None;
        let mut blocks = 0;
        while let Some(block) = reader.next_block() {
            assert!(block.len() <= BLOCK_BYTES);
            assert!(offset.is_none_or(|offset| offset == block.offset()));
            offset = Some(block.offset() + block.len() as u64);
            blocks += 1;
        }
        assert_eq!((blocks, offset), (25, Some(file.len() as u64)));
        assert_eq!(read(file.as_slice()).tally.tcp, 100);
    }
}

/// pcap-parser reports a block larger than its buffer as an error.
#[test]
fn a_record_larger_than_a_block_is_read_and_one_beyond_the_limit_is_damage() {
    let mut big = shot(1_700_000_000_000_000_000);
    big.data.resize(3 << 20, 0);
    for file in renderings(&[shot(1_000_000_000_000), big.clone(), big.clone()]) {
        assert_eq!(read(file.as_slice()).tally.tcp, 3);
    }
    big.data.resize((16 << 20) + 1, 0);
    for file in renderings(&[shot(1_000_000_000_000), big, shot(1_000_000_000_000)]) {
        let reading = read(file.as_slice());
        assert_eq!(reading.tally.tcp, 1);
        let [diagnostic] = reading.summary.diagnostics.as_slice() else {
            unreachable!("{:?}", reading.summary.diagnostics)
        };
        assert_eq!(diagnostic.damage, Damage::Partial);
        assert_eq!(diagnostic.location.record, 2);
    }
}

#[test]
fn interfaces_have_their_own_clocks_and_links() {
    for order in ORDERS {
        let frame = shot(0);
        let raw = Shot { data: frame.data[14..].to_vec(), ..frame.clone() };
        let mut file = PcapNg::new(order);
        file.interface(1, 6, 0, "eth0").interface(101, 0x83, 0, "tun0");
        file.enhanced(1, 12, &raw).enhanced(0, 12, &frame).enhanced(2, 12, &frame);
        file.interface(101, 12, -1, "pico").enhanced(2, 2_500_000_000_000, &raw);
        file.statistics(1, 100, (4, 3));
        let reading = read(file.file.as_slice());
        let times: Vec<(u64, u64)> =
            chosen(&reading.packets).iter().map(|(frame, nanos, _)| (*frame, *nanos)).collect();
        // The third frame names an interface that is only described behind it.
        assert_eq!(times, [(1, 1_500_000_000), (2, 12_000), (4, 1_500_000_000)]);
        assert_eq!(reading.tally.malformed, 1);
        let clock = Clock { resolution: Resolution::Binary(3), offset_seconds: 0 };
        let expected = Interface {
            link: LinkType::RAW,
            snaplen: Some(262_144),
            clock,
            name: Some("tun0".to_owned()),
            filter: None,
            drops: DropCounters { received: Some(100), by_interface: Some(4), by_system: Some(3) },
        };
        assert_eq!(reading.summary.interfaces[1], expected);
        assert_eq!(reading.summary.dropped(), Some(7));
    }
}

/// `if_tsresol` may hold any octet and `if_tsoffset` seconds of either sign (pcapng, section 4.2), in both
/// byte orders. The units are those of a second, or the most that 64 bits hold of finer ones.
#[test]
fn every_resolution_and_offset_is_read() {
    for (order, octet, offset) in ORDERS.into_iter().flat_map(|order| {
        (0..=u8::MAX).flat_map(move |octet| [0, 7200, -3600].map(|offset| (order, octet, offset)))
    }) {
        let exponent = u32::from(octet & 0x7f);
        let (base, most) = if octet & 0x80 == 0 { (10_u64, 19) } else { (2, 63) };
        let units = base.pow(exponent.min(most));
        // What is left of a second where a unit is finer than 64 bits reach: base^(most - exponent).
        let finer = exponent.saturating_sub(most);
        let nanos = (0..finer).fold(1_000_000_000_i64, |nanos, _| nanos / base.cast_signed());
        let expected = nanos + offset * 1_000_000_000;
        let mut file = PcapNg::new(order);
        file.interface(1, octet, offset, "eth0").enhanced(0, units, &shot(0));
        let span = read(file.file.as_slice()).tally.span.map(|(first, _)| first.nanos());
        assert_eq!(span, Some(expected), "{order:?}, {octet:#x}, {offset} s");
    }
}

#[test]
fn sections_begin_anew_and_frames_are_counted_on() {
    let frame = shot(0);
    let mut file = PcapNg::new(ByteOrder::Little);
    file.interface(1, 6, 0, "a").interface(1, 6, 0, "b").enhanced(1, 1, &frame);
    file.section(ByteOrder::Big).enhanced(0, 1, &frame);
    file.interface(1, 9, 0, "c").enhanced(0, 5, &frame).statistics(0, 9, (1, 0));
    let reading = read(file.file.as_slice());
    let times: Vec<(u64, u64)> =
        chosen(&reading.packets).iter().map(|(frame, nanos, _)| (*frame, *nanos)).collect();
    assert_eq!(times, [(1, 1000), (3, 5)]);
    assert_eq!((reading.tally.malformed, reading.summary.sections), (1, 2));
    let drops: Vec<Option<u64>> =
        reading.summary.interfaces.iter().map(|interface| interface.drops.dropped()).collect();
    assert_eq!(drops, [None, None, Some(1)]);
}

/// As tshark 4.0.17 numbers them: journal entries, custom blocks and system calls take a number,
/// name resolution, secrets and unknown blocks do not.
#[test]
fn frame_numbers_are_those_of_wireshark() {
    let frame = shot(0);
    for (kind, takes_a_number) in [
        (9, true),
        (0xbad, true),
        (0x4000_0bad, true),
        (0x204, true),
        (4, false),
        (10, false),
        (0x101, false),
        (0x8000_0001, false),
    ] {
        let mut file = PcapNg::new(ByteOrder::Little);
        file.interface(1, 6, 0, "a").enhanced(0, 1, &frame).simple(&frame);
        file.block(kind, b"body").enhanced(0, 1, &frame);
        let reading = read(file.file.as_slice());
        let last = 3 + u64::from(takes_a_number);
        assert_eq!(chosen(&reading.packets).last().expect("packets").0, last, "{kind:x}");
        assert_eq!((reading.tally.untimed, reading.summary.frames), (1, last));
        assert_eq!(reading.tally.not_packets, u64::from(takes_a_number));
    }
}

#[test]
fn a_large_block_without_packets_is_stepped_over() {
    let frame = shot(0);
    let mut file = PcapNg::new(ByteOrder::Big);
    file.interface(1, 6, 0, "a").enhanced(0, 1, &frame);
    file.block(10, &vec![7; 20 << 20]).enhanced(0, 1, &frame);
    let reading = read(file.file.as_slice());
    assert_eq!((reading.tally.tcp, reading.summary.diagnostics), (2, vec![]));
    assert_eq!(reading.summary.octets, file.file.len() as u64);
}

#[test]
fn an_empty_capture_is_valid() {
    for file in renderings(&[]) {
        let reading = read(file.as_slice());
        assert_eq!((reading.summary.frames, reading.summary.truncated), (0, false));
        assert_eq!(reading.summary.diagnostics, []);
        assert_eq!(reading.summary.interfaces[0].link, LinkType::ETHERNET);
    }
}

/// Blocks go to worker threads and come back in any order; put in order again by their first frame
/// they are what one thread finds.
#[test]
fn blocks_are_decoded_on_other_threads() {
    let shots: Vec<Shot> = (1..30_000).map(|micros| shot(micros * 1000)).collect();
    let file = pcap(ByteOrder::Little, MICRO, 1, &shots);
    let mut reader = CaptureReader::new(file.as_slice(), SourceId(3)).expect("a capture");
    let workers: Vec<_> = std::iter::from_fn(|| reader.next_block())
        .map(|block| {
            std::thread::spawn(move || {
                let mut packets = Vec::new();
                let tally = block.decode(SourceId(3), &mut packets);
                (packets, tally)
            })
        })
        .collect();
    assert!(workers.len() > 1);
    let mut tally = DecodeTally::default();
    let mut parts: Vec<_> = workers
        .into_iter()
        .rev()
        .map(|worker| worker.join().expect("no worker panics"))
        .inspect(|(_, part)| tally.merge(part))
        .map(|(packets, _)| packets)
        .collect();
    parts.sort_by_key(|packets| packets.first().map(|packet| packet.location().record));
    let whole = read(file.as_slice());
    assert_eq!((parts.concat(), tally), (whole.packets, whole.tally));
}
