//! Any bytes as a capture file: what comes out does not depend on the size of the reads, every frame
//! is tallied, memory given back changes nothing, and a digest of which every segment is picked holds
//! the packets of a full decoding.

use std::io::Read;

use why504_capture::{CaptureReader, CaptureSummary, DecodeTally, Digest, Picker};
use why504_model::{FlowMark, Packet, SourceId};

/// Picks all packets.
struct All(Vec<Packet>);

impl Picker for All {
    fn wants(&self, _: FlowMark) -> bool {
        true
    }

    fn packet(&mut self, packet: &Packet) {
        self.0.push(*packet);
    }

    fn pass_over(&mut self, segments: u64) {
        assert_eq!(segments, 0);
    }
}

fn digest(file: &[u8]) -> Option<(Vec<Packet>, DecodeTally)> {
    let source = SourceId(0);
    let mut reader = CaptureReader::new(file, source).ok()?;
    let (mut all, mut tally) = (All(Vec::new()), DecodeTally::default());
    let mut digest = Digest::default();
    while let Some(block) = reader.next_block() {
        digest.read(block, source);
        digest.hand_over(None, 1, &mut all);
        tally.merge(&digest.tally);
    }
    let All(mut packets) = all;
    // A digest puts packets in order of time.
    packets.sort_by_key(|packet| packet.location().record);
    Some((packets, tally))
}

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
    // Questions for addresses, and answers, are packets too, and counted among what is not TCP.
    let resolutions = packets.iter().filter(|packet| matches!(packet, Packet::Resolution(_)));
    assert_eq!(tally.tcp + tally.icmp_errors + resolutions.count() as u64, packets.len() as u64);
    Some((packets, tally, summary))
}

pub(crate) fn run(file: &[u8]) {
    let whole = read(file, true);
    let packets = whole.as_ref().map(|(packets, tally, _)| (packets.clone(), tally.clone()));
    assert_eq!(digest(file), packets);
    assert_eq!(whole, read(Drip(file), false));
}
