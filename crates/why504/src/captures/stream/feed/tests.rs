//! Whatever the number of threads and wherever records end, a file comes as one reader reads it.

use std::fs;
use std::io::Write;
use std::iter;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::ThreadPoolBuilder;
use why504_capture::{BLOCK_BYTES, CaptureReader, CaptureSummary, DecodeTally, Digest};
use why504_ingest::{Limits, discover, open, open_anywhere};
use why504_model::SourceId;

use super::{Ahead, Feed, Memory};
use crate::inputs::Kind;

/// A pcap file of frames of these lengths (no IP), one a second.
fn pcap(lengths: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0".to_vec();
    for (i, length) in lengths.into_iter().enumerate() {
        let length = u32::try_from(length).expect("a short frame");
        let second = u32::try_from(i + 1).expect("few frames");
        for number in [second, 0, length, length] {
            file.extend(number.to_le_bytes());
        }
        file.resize(file.len() + length as usize, 0);
    }
    file
}

/// A block of pcapng.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).expect("a short block").to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

/// A pcapng section with one frame, at this many microseconds.
fn section(micros: u32) -> Vec<u8> {
    let magic = 0x1a2b_3c4d_u32.to_le_bytes();
    let header = [&magic[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let frame: Vec<u8> =
        [0, 0, micros, 4, 4, 0].iter().flat_map(|number: &u32| number.to_le_bytes()).collect();
    [block(0x0a0d_0d0a, &header), block(1, &[1, 0, 0, 0, 0, 0, 4, 0]), block(6, &frame)].concat()
}

/// Everything that is known of a file when it was read: frames and times, and what the reader says.
fn as_one_reader_says(file: &[u8]) -> (DecodeTally, CaptureSummary) {
    let mut reader = CaptureReader::new(file, SourceId(0)).expect("a capture");
    let mut all = DecodeTally::default();
    while let Some(block) = reader.next_block() {
        let mut digest = Digest::default();
        digest.read(block, SourceId(0));
        all.merge(&digest.tally);
    }
    (all, reader.finish())
}

/// The same by way of a feed; asserts that the blocks come in order.
fn as_it_is_fed(path: &Path, threads: usize, begun: bool) -> (DecodeTally, CaptureSummary) {
    let mut sources = discover(&[path.to_owned()], |_| Some(Kind::Capture)).sources;
    let mut source = sources.pop().expect("the file");
    source.limits = Limits::default();
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| {
        let ahead = open_anywhere(&source).expect("it opens").map(Ahead::new);
        let input = match ahead.clone() {
            Some(file) => Box::new(file),
            None => open(&source).expect("it opens"),
        };
        let reader = CaptureReader::new(input, SourceId(0)).expect("a capture");
        let mut feed = Feed::new(reader, ahead, SourceId(0), &Arc::new(Memory::default()));
        if begun {
            feed.begin();
        } else {
            feed.have_help();
        }
        let mut all = DecodeTally::default();
        let mut done = None;
        while let Some(digest) = feed.next(done.take()) {
            let before = all.span.map(|(_, last)| last);
            assert!(before <= digest.tally.span.map(|(first, _)| first), "in order");
            all.merge(&digest.tally);
            done = Some(digest);
        }
        (all, feed.finish())
    })
}

#[test]
fn a_file_comes_as_one_reader_reads_it() {
    let ordinary = || (0..20_000).map(|i| 60 + i * 7919 % 1450);
    let giant = |length| ordinary().take(500).chain(iter::once(length)).chain(ordinary().take(500));
    let sections = |times: Range<u32>| times.flat_map(section).collect::<Vec<u8>>();
    let unknown = block(0x0bad_cafe, &vec![0; 3 * BLOCK_BYTES]);
    let mut cut = pcap(ordinary());
    cut.truncate(cut.len() - 5);
    let mut broken = pcap(ordinary().take(3000));
    broken.extend([0xff; 16]);
    broken.extend(pcap(ordinary()));
    let exact = pcap(iter::repeat_n(BLOCK_BYTES / 64 - 16, 64 * 40));
    for (name, file) in [
        ("more than what is ahead", pcap(ordinary())),
        ("records that end where windows do", exact[..exact.len() - 24].to_vec()),
        ("a record as long as some windows", pcap(giant(3 * BLOCK_BYTES + 17))),
        ("a record as long as all that is ahead", pcap(giant(40 * BLOCK_BYTES))),
        ("many short sections", sections(0..60_000)),
        ("a block to be skipped", [sections(0..9), unknown.clone(), sections(9..18)].concat()),
        (
            "a block to be skipped that is cut",
            [sections(0..9), unknown[..BLOCK_BYTES * 2].to_vec()].concat(),
        ),
        ("a record that is cut", cut),
        ("records and then nonsense", broken),
        ("nothing but its header", pcap([])),
    ] {
        let expected = as_one_reader_says(&file);
        let folder = tempfile::tempdir().expect("a folder");
        let plain = folder.path().join("plain");
        fs::write(&plain, &file).expect("written");
        let packed = folder.path().join("packed");
        let out = fs::File::create(&packed).expect("created");
        let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
        encoder.write_all(&file).and_then(|()| encoder.finish()).expect("written");
        for path in [plain, packed] {
            for (threads, begun) in [(1, false), (2, false), (2, true), (5, false), (5, true)] {
                let fed = as_it_is_fed(&path, threads, begun);
                assert_eq!(fed, expected, "{name}, {}, {threads} threads", path.display());
            }
        }
    }
}
