//! A few capture files, read, tracked, merged and judged through the libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};

use why504_capture::{CaptureReader, DecodeTally};
use why504_correlate::{Case, History, Judgement, OneThread, Points, correlate, judge_attempt};
use why504_handshake::{Attempt, Coverage, Merged, Path, PointId, Sighting, Tracker, merge};
use why504_model::{
    Endpoint, Interval, LimitSource, Location, Packet, SourceId, Span, StartBasis, TimeLimit,
    Timeout, TimeoutId, TimeoutKind, Timestamp,
};

/// The captures beside the checkout, where they are.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let folder =
        FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures").join(name);
    folder.is_dir().then_some(folder)
}

/// What the files of one or two points show.
pub(crate) struct Observed {
    path: Path,
    coverage: BTreeMap<PointId, Coverage>,
    merged: Merged,
}

/// A line of a log that was written when a timer fired.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fired {
    pub(crate) kind: TimeoutKind,
    pub(crate) server: Endpoint,
    pub(crate) started: Timestamp,
    pub(crate) timer: Span,
}

impl Observed {
    /// One point for each file, in this order.
    pub(crate) fn of(files: &[PathBuf]) -> Self {
        let mut path = Path::new((0..files.len()).map(point));
        let (mut coverage, mut sightings) = (BTreeMap::new(), Vec::<Sighting>::new());
        for (i, file) in files.iter().enumerate() {
            let mut tracker = Tracker::new(point(i));
            for packet in packets(file, SourceId(u32::try_from(i).expect("few"))) {
                tracker.push(&packet);
            }
            tracker.end();
            sightings.extend(tracker.take());
            coverage.insert(point(i), tracker.finish().0);
        }
        for sighting in &sightings {
            path.learn(sighting);
        }
        let merged = merge(sightings, &path);
        Self { path, coverage, merged }
    }

    pub(crate) fn attempts(&self) -> &[Attempt] {
        &self.merged.attempts
    }

    pub(crate) fn attempt(&self, isn: u32) -> Option<&Attempt> {
        self.attempts().iter().find(|a| a.sightings().any(|s| s.isn.0 == isn))
    }

    /// The outcome of an attempt without any log.
    pub(crate) fn outcome(&self, attempt: &Attempt) -> Judgement {
        self.with_points(|points| judge_attempt(points, &History::new(points), attempt))
    }

    /// What a log line makes of it, with nginx's start and timer known.
    pub(crate) fn case(&self, fired: Fired) -> Case {
        let end = fired.started + fired.timer;
        let timeout = Timeout {
            id: TimeoutId(0),
            location: Location { source: SourceId(9), record: 1 },
            kind: fired.kind,
            never_sent: false,
            peer: Some(fired.server),
            logged: Interval::second_from(second(end)),
            start: Some((
                Interval::around(fired.started, Span::from_millis(2)),
                StartBasis::UpstreamTimes,
            )),
            limits: vec![TimeLimit {
                at_least: fired.timer,
                at_most: fired.timer,
                source: LimitSource::Flag,
            }],
            worker: Some(1),
            connection: None,
        };
        // Start and end are in UTC.
        let unzoned = BTreeSet::new();
        let found = self.with_points(|points| correlate(&[timeout], points, &unzoned, &OneThread));
        found.cases.into_iter().next().expect("one line, one case")
    }

    fn with_points<T>(&self, work: impl FnOnce(Points<'_>) -> T) -> T {
        let coverage = self.coverage.iter().map(|(point, coverage)| (*point, coverage)).collect();
        work(Points { path: &self.path, coverage: &coverage, merged: &self.merged })
    }
}

fn point(index: usize) -> PointId {
    PointId(u16::try_from(index).expect("few points"))
}

/// The log's second in which a moment lies.
fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_nanos(time.nanos().div_euclid(1_000_000_000) * 1_000_000_000)
}

/// All packets of a file in order of time.
fn packets(file: &FilePath, source: SourceId) -> Vec<Packet> {
    let found = why504_ingest::discover(&[file.to_path_buf()], |_| Some(()));
    let opened = why504_ingest::open(found.sources.first().expect("it is there"));
    let plain = opened.expect("the capture opens");
    let mut reader = CaptureReader::new(plain, source).expect("it is a capture");
    let (mut packets, mut tally) = (Vec::new(), DecodeTally::default());
    while let Some(block) = reader.next_block() {
        tally.merge(&block.decode(source, &mut packets));
    }
    packets.sort_by_key(Packet::time);
    packets
}
