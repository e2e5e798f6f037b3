//! Any bytes as a capture file: what comes out does not depend on the size of the reads, every frame
//! is tallied, and memory given back changes nothing.

use std::io::Read;

use why504_capture::{CaptureReader, CaptureSummary, DecodeTally};
use why504_model::{Packet, SourceId};

/// Hands out a few bytes a read.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let few = into.len().min(7);
        self.0.read(&mut into[..few])
    }
}

fn read(file: impl Read, recycle: bool) -> Option<(Vec<Packet>, DecodeTally, CaptureSummary)> {
    let source = SourceId(0);
    let mut reader = CaptureReader::new(file, source).ok()?;
    let (mut packets, mut tally) = (Vec::new(), DecodeTally::default());
    while let Some(block) = reader.next_block() {
        tally.merge(&block.decode(source, &mut packets));
        if recycle {
            reader.recycle(block);
        }
    }
    let summary = reader.finish();
    assert_eq!(tally.frames(), summary.frames);
    assert_eq!(tally.tcp + tally.icmp_errors, packets.len() as u64);
    Some((packets, tally, summary))
}

pub(crate) fn run(file: &[u8]) {
    let whole = read(file, true);
    assert_eq!(whole, read(Drip(file), false));
}
