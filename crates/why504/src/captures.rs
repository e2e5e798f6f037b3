//! Reads the captures: one stream of packets for each point, files in order of time, blocks decoded
//! in parallel, attempts tracked in order.

mod stream;

use std::collections::BTreeMap;

use rayon::prelude::*;
use why504_capture::{CaptureSummary, DecodeTally};
use why504_handshake::{Coverage, Path, PointId, Sample, Sighting, Tally, Tracker};
use why504_ingest::Source;
use why504_model::Packet;

use crate::inputs::Kind;
use crate::points::Point;
use crate::progress::Complaints;
use stream::PointStream;

/// Clean handshakes kept of each point, to compare clocks and to measure reliability.
const SAMPLE: usize = 4096;

/// What one point's captures hold.
#[derive(Debug, Default)]
pub(crate) struct PointCapture {
    /// Attempts that are not plainly healthy, and a sample of those that are.
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) coverage: Coverage,
    pub(crate) tally: Tally,
    pub(crate) frames: DecodeTally,
    pub(crate) files: Vec<CaptureSummary>,
    /// All attempts.
    pub(crate) attempts: u64,
    /// Attempts that succeeded after a SYN or SYN+ACK had been repeated.
    pub(crate) near_misses: u64,
    pub(crate) path: Path,
    pub(crate) complaints: Complaints,
}

/// All points.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    pub(crate) points: Vec<PointCapture>,
    pub(crate) path: Path,
    pub(crate) coverage: BTreeMap<PointId, Coverage>,
}

/// Reads all points, in parallel.
pub(crate) fn read(
    points: &[Point],
    files: &[&Source<Kind>],
    complaints: &mut Complaints,
) -> Captures {
    let read: Vec<PointCapture> = points
        .par_iter()
        .enumerate()
        .map(|(i, point)| {
            let sources = point.files.iter().filter_map(|&f| files.get(f).copied()).collect();
            read_point(point_id(i), sources)
        })
        .collect();
    let ids = (0..points.len()).map(point_id);
    let mut all = Captures { path: Path::new(ids), ..Captures::default() };
    for (i, mut point) in read.into_iter().enumerate() {
        all.path.absorb(std::mem::take(&mut point.path));
        all.coverage.insert(point_id(i), point.coverage.clone());
        complaints.extend(std::mem::take(&mut point.complaints));
        all.points.push(point);
    }
    all
}

/// A point's id is its place in the sorted list of names.
pub(crate) fn point_id(index: usize) -> PointId {
    PointId(u16::try_from(index).unwrap_or(u16::MAX))
}

fn read_point(id: PointId, sources: Vec<&Source<Kind>>) -> PointCapture {
    let mut point = PointCapture::default();
    let mut sample = Sample::new(SAMPLE);
    let mut tracker = Tracker::new(id);
    let mut stream = PointStream::open(sources, &mut point.complaints);
    stream.for_each(|packets: &[Packet]| {
        for packet in packets {
            tracker.push(packet);
        }
        for sighting in tracker.take() {
            point.keep(sighting, &mut sample);
        }
    });
    let (frames, files) = stream.finish(&mut point.complaints);
    let (open, mut coverage, tally) = tracker.finish();
    for sighting in open {
        point.keep(sighting, &mut sample);
    }
    coverage.dropped =
        files.iter().filter_map(CaptureSummary::dropped).fold(0, u64::saturating_add);
    point.sightings.extend(sample.into_sightings());
    (point.coverage, point.tally, point.frames, point.files) = (coverage, tally, frames, files);
    point
}

impl PointCapture {
    fn keep(&mut self, sighting: Sighting, sample: &mut Sample) {
        self.attempts += 1;
        self.near_misses += u64::from(is_near_miss(&sighting));
        self.path.learn(&sighting);
        if sighting.is_clean() {
            sample.offer(sighting);
        } else {
            self.sightings.push(sighting);
        }
    }
}

/// It succeeded, but only after a SYN or SYN+ACK was repeated.
pub(crate) fn is_near_miss(sighting: &Sighting) -> bool {
    let Some(third) = sighting.third_ack() else { return false };
    let before = |time| time <= third.time;
    sighting.syns().filter(|e| before(e.time)).count() > 1
        || sighting.syn_acks().filter(|e| before(e.time)).count() > 1
}
