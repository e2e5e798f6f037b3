//! Every truncation of real captures is analysed up to the cut. Skips where they are missing.

mod render;

use std::fs;
use std::path::Path;

use render::{Reading, read};
use why504_capture::CaptureReader;
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

#[test]
fn every_truncation_is_analysed_up_to_the_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures/lab");
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let file = fs::read(entry.path()).expect("the capture opens");
        let whole = read(file.as_slice());
        let ends = record_ends(&file);
        assert_eq!(ends.last(), Some(&file.len()), "{}", entry.path().display());
        for cut in 0..24 {
            let refused = CaptureReader::new(&file[..cut], SourceId(0)).err().expect("refused");
            // Four octets name the format; with fewer it is none that is known.
            let words = [(0..=0, "empty"), (1..=3, "not a pcap"), (4..=23, "header is cut")];
            let (_, words) = words.iter().find(|(cuts, _)| cuts.contains(&cut)).expect("all cuts");
            assert!(refused.to_string().contains(words), "{cut}: {refused}");
        }
        for cut in 24..=file.len() {
            check(&file, &whole, &ends, cut);
        }
    }
}
