//! Reads the captures: one stream of packets for each point, files in order of time, blocks decoded
//! in parallel, attempts tracked in order.

mod stream;

use std::collections::BTreeMap;

use rayon::prelude::*;
use why504_capture::{CaptureSummary, DecodeTally, Envelope, Gathered, Picker};
use why504_handshake::{
    Coverage, Merged, Nat, Outcome, Path, PointId, Reset, ResetTally, ResetWatch, Sample, Sighting,
    Tally, Tracker, Trials, merge_translated,
};
use why504_ingest::Source;
use why504_model::{FlowMark, Packet, SourceId, Timestamp};

use crate::inputs::Kind;
use crate::points::Point;
use crate::progress::Complaints;
use crate::tunnels::{Found, Noted};
use stream::{Observer, PointStream};

/// Clean handshakes kept of each point, to compare clocks and to measure reliability.
const SAMPLE: usize = 4096;

/// Packets after which closed attempts are handed over: few enough attempts to be in a core's cache
/// still.
const HAND_OVER: u64 = 1 << 13;

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
    /// Attempts that were plainly healthy.
    pub(crate) healthy: Trials,
    /// The RSTs, where they were asked for.
    pub(crate) resets: Vec<Reset>,
    pub(crate) reset_tally: ResetTally,
    /// The tunnels of packets, where all attempts or RSTs were asked for.
    pub(crate) tunnels: Noted,
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
    /// Whether it wants every packet. The tracker needs few, and the others are not decoded in full.
    fn wants_all(&self) -> bool {
        false
    }
    /// The next packet, in order of time.
    fn packet(&mut self, _packet: &Packet) {}
    /// The packet that comes next came through a tunnel.
    fn tunnelled(&mut self, _packet: &Packet, _envelope: &Envelope) {}
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
    tunnels: Noted,
}

impl Follower for Keeper {
    fn tunnelled(&mut self, packet: &Packet, envelope: &Envelope) {
        // A report asks for those of its few cases when it has them.
        if self.keep != Keep::Remarkable {
            self.tunnels.note(packet, envelope);
        }
    }

    fn wants_all(&self) -> bool {
        self.keep == Keep::Resets
    }

    fn packet(&mut self, packet: &Packet) {
        if self.keep == Keep::Resets {
            self.resets.push(packet);
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
        tunnels: Noted::default(),
    };
    let mut point = follow(id, sources, &mut complaints, &mut keeper);
    keeper.kept.extend(keeper.sample.into_sightings());
    point.sightings = keeper.kept;
    point.tunnels = keeper.tunnels;
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
    let tracker = Tracker::new(id);
    let mut stream = PointStream::open(sources, complaints);
    let mut tracking = Tracking { tracker, follower, since: 0, point: &mut point };
    stream.show(&mut tracking);
    tracking.tracker.end();
    tracking.hand_over();
    let tracker = tracking.tracker;
    (point.frames, point.files) = stream.finish(complaints);
    (point.coverage, point.tally) = tracker.finish();
    let dropped = point.files.iter().filter_map(CaptureSummary::dropped);
    point.coverage.dropped = dropped.fold(0, u64::saturating_add);
    point.coverage.cut_short = point.frames.cut_short;
    point
}

/// Shows the packets of a point to its tracker and to the follower.
struct Tracking<'a, F> {
    tracker: Tracker,
    follower: &'a mut F,
    /// Packets since attempts were handed over.
    since: u64,
    point: &'a mut PointCapture,
}

impl<F: Follower> Picker for Tracking<'_, F> {
    #[inline]
    fn wants(&self, mark: FlowMark) -> bool {
        self.tracker.wants(mark) || self.follower.wants_all()
    }

    fn packet(&mut self, packet: &Packet) {
        self.since += 1;
        self.follower.packet(packet);
        self.tracker.push(packet);
    }

    fn tunnelled(&mut self, packet: &Packet, envelope: &Envelope) {
        self.follower.tunnelled(packet, envelope);
    }

    fn pass_over(&mut self, segments: u64) {
        self.since += segments;
        self.tracker.pass_over(segments);
    }
}

impl<F: Follower> Observer for Tracking<'_, F> {
    fn gathered(&mut self, file: SourceId, gathered: &Gathered) {
        if let Some(span) = gathered.span {
            self.tracker.gathered(file, span, gathered.unmarked, &gathered.talks);
        }
    }

    fn pause(&mut self, latest: Timestamp) {
        self.tracker.advance(latest);
        if self.since >= HAND_OVER {
            self.since = 0;
            self.hand_over();
        }
    }
}

impl<F: Follower> Tracking<'_, F> {
    /// Hands over the attempts that have closed.
    fn hand_over(&mut self) {
        let closed = self.tracker.take();
        self.point.attempts += closed.len() as u64;
        let saved = closed.iter().filter(|sighting| sighting.saved_by_repetition());
        self.point.near_misses += saved.count() as u64;
        for sighting in closed.iter().filter(|sighting| sighting.is_clean()) {
            let (flow, vlan) = (sighting.flow, sighting.vlan());
            self.point.healthy.count(sighting.first_syn(), flow, vlan, Outcome::Arrived);
        }
        self.follower.closed(closed, &self.tracker);
    }
}

impl Captures {
    /// The captures of a single point.
    pub(crate) fn of_one(id: PointId, mut point: PointCapture, path: Path) -> Self {
        let coverage = BTreeMap::from([(id, std::mem::take(&mut point.coverage))]);
        Self { points: vec![point], path, coverage }
    }

    /// The attempts that were plainly healthy at each point, taken out.
    pub(crate) fn take_healthy(&mut self) -> BTreeMap<PointId, Trials> {
        let points = self.points.iter_mut().enumerate();
        points.map(|(i, point)| (point_id(i), std::mem::take(&mut point.healthy))).collect()
    }

    /// The tunnels that all points noted, taken out.
    pub(crate) fn take_tunnels(&mut self) -> Found {
        Noted::all(self.points.iter_mut().map(|point| std::mem::take(&mut point.tunnels)))
    }

    /// What all points saw, taken out and put together.
    pub(crate) fn merge(&mut self, given: &Nat) -> Merged {
        let sightings =
            self.points.iter_mut().flat_map(|p| std::mem::take(&mut p.sightings)).collect();
        let coverage = self.coverage.iter().filter(|(_, coverage)| !coverage.is_empty());
        let stretches = coverage.map(|(&point, coverage)| (point, coverage.stretches())).collect();
        merge_translated(sightings, &self.path, given, &stretches)
    }
}
