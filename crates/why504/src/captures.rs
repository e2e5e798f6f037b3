//! Reads the captures: one stream of packets for each point, files in order of time, blocks decoded
//! in parallel, attempts tracked in order.

mod stream;

use std::collections::BTreeMap;

use rayon::prelude::*;
use why504_capture::{CaptureSummary, DecodeTally};
use why504_handshake::{
    Coverage, Path, PointId, Reset, ResetTally, ResetWatch, Sample, Sighting, Tally, Tracker,
};
use why504_ingest::Source;
use why504_model::Packet;

use crate::inputs::Kind;
use crate::points::Point;
use crate::progress::Complaints;
use stream::PointStream;

/// Clean handshakes kept of each point, to compare clocks and to measure reliability.
const SAMPLE: usize = 4096;

/// Packets after which closed attempts are handed over.
const HAND_OVER: usize = 1 << 15;

/// What one point's captures hold.
#[derive(Debug, Default)]
pub(crate) struct PointCapture {
    /// The attempts that are kept.
    pub(crate) sightings: Vec<Sighting>,
    coverage: Coverage,
    pub(crate) tally: Tally,
    pub(crate) frames: DecodeTally,
    pub(crate) files: Vec<CaptureSummary>,
    /// All attempts.
    pub(crate) attempts: u64,
    /// Attempts that succeeded after a SYN or SYN+ACK had been repeated.
    pub(crate) near_misses: u64,
    /// The RSTs, where they were asked for.
    pub(crate) resets: Vec<Reset>,
    pub(crate) reset_tally: ResetTally,
    /// Attempts that were completed, and those of them whose SYN+ACK is not in the capture.
    pub(crate) completed: u64,
    pub(crate) answers_missed: u64,
}

/// All points.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    pub(crate) points: Vec<PointCapture>,
    pub(crate) path: Path,
    pub(crate) coverage: BTreeMap<PointId, Coverage>,
}

/// Which attempts are kept whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All that are not plainly healthy, and a sample of those that are.
    Remarkable,
    /// All.
    Everything,
    /// As `Remarkable`, and every RST.
    Resets,
}

/// Who looks at the packets of a point as they go by.
pub(crate) trait Follower {
    /// The next packets, in order of time.
    fn packets(&mut self, _packets: &[Packet]) {}
    /// Attempts that have closed, and the tracker as it then is.
    fn closed(&mut self, closed: Vec<Sighting>, tracker: &Tracker);
}

impl<F: FnMut(Vec<Sighting>, &Tracker)> Follower for F {
    fn closed(&mut self, closed: Vec<Sighting>, tracker: &Tracker) {
        self(closed, tracker);
    }
}

/// Reads all points, in parallel.
pub(crate) fn read(
    points: &[Point],
    files: &[&Source<Kind>],
    keep: Keep,
    complaints: &mut Complaints,
) -> Captures {
    let read: Vec<(PointCapture, Path, Complaints)> = points
        .par_iter()
        .enumerate()
        .map(|(i, point)| {
            let sources = point.files.iter().filter_map(|&f| files.get(f).copied()).collect();
            read_point(point_id(i), sources, keep)
        })
        .collect();
    let ids = (0..points.len()).map(point_id);
    let mut all = Captures { path: Path::new(ids), ..Captures::default() };
    for (i, (mut point, path, of_point)) in read.into_iter().enumerate() {
        all.path.absorb(path);
        all.coverage.insert(point_id(i), std::mem::take(&mut point.coverage));
        complaints.extend(of_point);
        all.points.push(point);
    }
    all
}

/// A point's id is its place in the sorted list of names.
pub(crate) fn point_id(index: usize) -> PointId {
    PointId(u16::try_from(index).unwrap_or(u16::MAX))
}

/// Keeps what is asked for of a point.
struct Keeper {
    keep: Keep,
    path: Path,
    sample: Sample,
    kept: Vec<Sighting>,
    resets: ResetWatch,
}

impl Follower for Keeper {
    fn packets(&mut self, packets: &[Packet]) {
        if self.keep == Keep::Resets {
            for packet in packets {
                self.resets.push(packet);
            }
        }
    }

    fn closed(&mut self, closed: Vec<Sighting>, _: &Tracker) {
        for sighting in closed {
            self.path.learn(&sighting);
            if self.keep != Keep::Everything && sighting.is_clean() {
                self.sample.offer(sighting);
            } else {
                self.kept.push(sighting);
            }
        }
    }
}

fn read_point(
    id: PointId,
    sources: Vec<&Source<Kind>>,
    keep: Keep,
) -> (PointCapture, Path, Complaints) {
    let mut complaints = Complaints::default();
    let mut keeper = Keeper {
        keep,
        path: Path::new([id]),
        sample: Sample::new(SAMPLE),
        kept: Vec::new(),
        resets: ResetWatch::new(id),
    };
    let mut point = follow(id, sources, &mut complaints, &mut keeper);
    keeper.kept.extend(keeper.sample.into_sightings());
    point.sightings = keeper.kept;
    point.resets = keeper.resets.take();
    point.reset_tally = keeper.resets.tally();
    (point, keeper.path, complaints)
}

/// Reads one point and hands over its attempts as they close, with the tracker as it then is.
pub(crate) fn follow(
    id: PointId,
    sources: Vec<&Source<Kind>>,
    complaints: &mut Complaints,
    follower: &mut impl Follower,
) -> PointCapture {
    let mut point = PointCapture::default();
    let mut tracker = Tracker::new(id);
    let mut stream = PointStream::open(sources, complaints);
    let mut since = 0;
    stream.for_each(|packets: &[Packet]| {
        follower.packets(packets);
        for packet in packets {
            tracker.push(packet);
        }
        since += packets.len();
        if since >= HAND_OVER {
            since = 0;
            hand_over(&mut point, &mut tracker, follower);
        }
    });
    tracker.end();
    hand_over(&mut point, &mut tracker, follower);
    (point.frames, point.files) = stream.finish(complaints);
    (point.coverage, point.tally) = tracker.finish();
    let dropped = point.files.iter().filter_map(CaptureSummary::dropped);
    point.coverage.dropped = dropped.fold(0, u64::saturating_add);
    point
}

fn hand_over(point: &mut PointCapture, tracker: &mut Tracker, follower: &mut impl Follower) {
    let closed = tracker.take();
    point.attempts += closed.len() as u64;
    point.completed += closed.iter().filter(|s| s.completed()).count() as u64;
    point.answers_missed += closed.iter().filter(|s| s.answer_missed()).count() as u64;
    point.near_misses += closed.iter().filter(|s| s.saved_by_repetition()).count() as u64;
    follower.closed(closed, tracker);
}

impl Captures {
    /// The captures of a single point.
    pub(crate) fn of_one(id: PointId, mut point: PointCapture, path: Path) -> Self {
        let coverage = BTreeMap::from([(id, std::mem::take(&mut point.coverage))]);
        Self { points: vec![point], path, coverage }
    }

    /// What all points saw, taken out.
    pub(crate) fn take_sightings(&mut self) -> Vec<Sighting> {
        self.points.iter_mut().flat_map(|p| std::mem::take(&mut p.sightings)).collect()
    }
}
