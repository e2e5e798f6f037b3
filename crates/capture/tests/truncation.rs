//! Every truncation of real captures, and of pcapng files with a block of each kind, is analysed up to the
//! cut. Real captures are passed over where they are missing.

mod render;

use std::fs;
use std::path::Path;

use render::{PcapNg, Reading, Shot, Tcp, ethernet, read};
use why504_capture::{ByteOrder, CaptureReader};
use why504_model::SourceId;

/// Where each record of the file ends, by the lengths in its own headers: little-endian pcap, read
/// here as plainly as possible.
fn record_ends(file: &[u8]) -> Vec<usize> {
    let mut ends = vec![24];
    while let Some(header) = ends.last().and_then(|&at| file.get(at..at + 16)) {
        let captured = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        ends.push(ends[ends.len() - 1] + 16 + captured as usize);
    }
    ends
}

/// What must come out of the first `cut` octets.
fn check(file: &[u8], whole: &Reading, ends: &[usize], cut: usize) {
    let part = read(&file[..cut]);
    let records = ends.iter().filter(|&&end| end <= cut).count() - 1;
    assert_eq!(part.summary.frames, records as u64, "cut at {cut}");
    assert_eq!(part.packets[..], whole.packets[..part.packets.len()], "cut at {cut}");
    let wanted = whole.packets.iter().filter(|p| p.location().record <= records as u64).count();
    assert_eq!(part.packets.len(), wanted, "cut at {cut}");
    let between = ends.contains(&cut);
    assert_eq!(part.summary.truncated, !between, "cut at {cut}");
    assert_eq!(part.summary.diagnostics.len(), usize::from(!between), "cut at {cut}");
}

/// Larger files are cut at both ends and around each record only: all cuts take time by the square of
/// the size.
const WHOLLY: usize = 8 << 10;
const AT_ENDS: usize = 128;
const RECORDS: usize = 32;

/// Where a file is cut, behind its header.
fn cuts(file: &[u8], ends: &[usize]) -> Vec<usize> {
    if file.len() <= WHOLLY {
        return (24..=file.len()).collect();
    }
    let around = ends.iter().step_by(ends.len().div_ceil(RECORDS));
    let around = around.flat_map(|&end| [end - 1, end, end + 1, end + 16, end + 17]);
    let first_and_last = (24..AT_ENDS).chain(file.len() - AT_ENDS..=file.len());
    around.filter(|at| (24..=file.len()).contains(at)).chain(first_and_last).collect()
}

/// The captures of the laboratory, of others, and of this repository: pcap files that a little-endian
/// machine wrote, of at most 256 KiB.
fn captures() -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["testdata/demo", "../shared/captures/lab", "../shared/captures/public"];
    let paths = folders
        .iter()
        .filter_map(|folder| fs::read_dir(here.join(folder)).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())));
    let little = |file: &Vec<u8>| {
        let magic = file.get(..4).unwrap_or_default();
        [[0xd4, 0xc3, 0xb2, 0xa1], [0x4d, 0x3c, 0xb2, 0xa1]].iter().any(|m| magic == m)
    };
    paths
        .filter(|path| fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= 1 << 18))
        .filter_map(|path| fs::read(path).ok())
        .filter(little)
        .collect()
}

#[test]
fn every_truncation_is_analysed_up_to_the_cut() {
    let captures = captures();
    assert!(captures.len() >= 2, "those of the demo at least");
    for file in captures {
        let whole = read(file.as_slice());
        let ends = record_ends(&file);
        if ends.last() != Some(&file.len()) {
            continue; // It is cut off already.
        }
        for cut in 0..24 {
            let refused = CaptureReader::new(&file[..cut], SourceId(0)).err().expect("refused");
            // Four octets name the format; with fewer it is none that is known.
            let words = [(0..=0, "empty"), (1..=3, "not a pcap"), (4..=23, "header is cut")];
            let (_, words) = words.iter().find(|(cuts, _)| cuts.contains(&cut)).expect("all cuts");
            assert!(refused.to_string().contains(words), "{cut}: {refused}");
        }
        for cut in cuts(&file, &ends) {
            check(&file, &whole, &ends, cut);
        }
    }
}

/// A file of two sections, one of each byte order, with blocks of every kind, and where each block ends
/// together with the frames up to there.
fn blocks_of_every_kind(orders: [ByteOrder; 2]) -> (Vec<u8>, Vec<(usize, u64)>) {
    let tcp = |port| Tcp {
        v6: port % 2 == 0,
        ports: (port, 80),
        seq: 1,
        ack: 0,
        flags: 2,
        timestamps: Some((1, 0)),
        payload: 0,
    };
    let shots: Vec<Shot> = (1..=3)
        .map(|port| {
            let data = ethernet(&tcp(port));
            // One is cut by the snapshot length, to an odd number of octets.
            let wire_len = u32::try_from(data.len()).expect("small");
            let kept = data.len() - usize::from(port == 3);
            Shot { nanos: 1000, wire_len, data: data[..kept].to_vec() }
        })
        .collect();
    let mut file = PcapNg::new(orders[0]);
    let mut ends = vec![(file.file.len(), 0)];
    for order in orders {
        let before = ends.last().map_or(0, |(_, frames)| *frames);
        if before > 0 {
            file.section(order);
            ends.push((file.file.len(), before));
        }
        let mut then = |file: &PcapNg, frames: u64| ends.push((file.file.len(), before + frames));
        then(file.interface(1, 6, 0, "eth0"), 0);
        then(file.enhanced(0, 1, &shots[0]), 1);
        then(file.block(0x0bad, b"somebody's own"), 2);
        then(file.obsolete(0, 2, &shots[1]), 3);
        then(file.block(4, &[0, 0, 0, 0]), 3);
        then(file.interface(1, 0x8a, -1, "eth1"), 3);
        then(file.simple(&shots[0]), 4);
        then(file.enhanced(1, 3, &shots[2]), 5);
        then(file.statistics(0, 9, (1, 1)), 5);
        then(file.block(0x4000_0bad, b"another"), 6);
    }
    (file.file.clone(), ends)
}

#[test]
fn every_truncation_of_pcapng_is_analysed_up_to_the_cut() {
    for orders in [[ByteOrder::Little, ByteOrder::Big], [ByteOrder::Big, ByteOrder::Little]] {
        let (file, ends) = blocks_of_every_kind(orders);
        let whole = read(file.as_slice());
        assert_eq!((whole.summary.frames, whole.packets.len()), (12, 6));
        let (head, _) = ends[0];
        for cut in 0..head {
            assert!(CaptureReader::new(&file[..cut], SourceId(0)).is_err(), "{cut}");
        }
        for cut in head..=file.len() {
            let part = read(&file[..cut]);
            let last = ends.iter().rfind(|(end, _)| *end <= cut).expect("the section header");
            assert_eq!(part.summary.frames, last.1, "cut at {cut}");
            let wanted = whole.packets.iter().filter(|packet| packet.location().record <= last.1);
            assert!(part.packets.iter().eq(wanted), "cut at {cut}");
            assert_eq!(part.summary.truncated, last.0 != cut, "cut at {cut}");
            assert_eq!(part.summary.diagnostics.len(), usize::from(last.0 != cut), "cut at {cut}");
        }
    }
}
