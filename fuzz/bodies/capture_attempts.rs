//! Any bytes as a capture, through to the attempts: the tracker's tally adds up.

use why504_capture::CaptureReader;
use why504_handshake::{PointId, Tracker};
use why504_model::SourceId;

pub(crate) fn run(file: &[u8]) {
    let Ok(mut reader) = CaptureReader::new(file, SourceId(0)) else { return };
    let mut tracker = Tracker::new(PointId(0));
    while let Some(block) = reader.next_block() {
        block.for_each_packet(SourceId(0), |packet| tracker.push(&packet));
    }
    tracker.end();
    let closed = tracker.take().len() as u64;
    let (_, tally) = tracker.finish();
    let sum = tally.credited + tally.established + tally.unmatched + tally.captured_twice;
    assert_eq!(tally.packets, sum);
    assert!(closed <= tally.packets);
}
