//! A stream of attempts that are judged as soon as no other can come before them, and forgotten.
//!
//! What is held is what is open, and what ended badly in the last minutes, since a bare ACK may
//! still speak of it.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use rayon::prelude::*;
use why504_correlate::{History, Judgement, Points, judge_attempt};
use why504_handshake::{Attempt, Merged, Path, Sighting, Tracker};
use why504_model::{Flow, Span, Timestamp};

use crate::captures;

/// Attempts that did not end well stay known for this long after they closed: longer than a server
/// keeps a request in SYN-RECEIVED.
pub(super) const REMEMBERED: Span = Span::from_secs(140);

/// Attempts that a core takes at once.
const AT_ONCE: usize = 64;

/// What is held of a stream of attempts.
#[derive(Default)]
pub(super) struct Live {
    pub(super) path: Path,
    /// Closed and not yet judged, by first SYN; the number tells apart what nothing else does.
    closed: BTreeMap<(Timestamp, Flow, u32, u64), Attempt>,
    taken: u64,
    /// Judged, did not end well, and still able to explain a bare ACK.
    remembered: VecDeque<Attempt>,
}

impl Live {
    /// For one capture point.
    pub(super) fn new() -> Self {
        Self { path: Path::new([captures::point_id(0)]), ..Self::default() }
    }

    /// Attempts that have closed.
    pub(super) fn take(&mut self, closed: Vec<Sighting>) {
        for sighting in closed {
            self.path.learn(&sighting);
            self.taken += 1;
            let key = (sighting.first_syn(), sighting.flow, sighting.isn.0, self.taken);
            self.closed.insert(key, sighting.into());
        }
    }

    /// Judges the attempts before which no other can come any more, and hands them to `each` in order
    /// of their first SYN, with what `render` makes of them. Rendering is done on all cores: it takes
    /// longer than following the attempts.
    pub(super) fn judge<T: Send>(
        &mut self,
        tracker: &Tracker,
        render: impl Fn(Points<'_>, &Attempt, &Judgement) -> T + Sync,
        mut each: impl FnMut(&Attempt, T) -> io::Result<()>,
    ) -> io::Result<()> {
        let until = tracker.earliest_open().unwrap_or(Timestamp::MAX);
        let mut due = Vec::new();
        while let Some(first) = self.closed.first_entry()
            && first.key().0 < until
        {
            due.push(first.remove());
        }
        if due.is_empty() {
            return Ok(());
        }
        let now = due.last().map_or(Timestamp::MIN, Attempt::first_syn);
        while self.remembered.front().is_some_and(|a| a.first_syn() < now - REMEMBERED) {
            self.remembered.pop_front();
        }
        let doubtful = due.iter().filter(|a| !a.nearest().is_clean());
        let merged = Merged {
            attempts: self.remembered.iter().chain(doubtful).cloned().collect(),
            ..Merged::default()
        };
        let coverage = BTreeMap::from([(captures::point_id(0), tracker.coverage())]);
        let points = Points { path: &self.path, coverage: &coverage, merged: &merged };
        let history = History::new(points);
        let rendered: Vec<T> = due
            .par_iter()
            .with_min_len(AT_ONCE)
            .map(|attempt| render(points, attempt, &judge_attempt(points, &history, attempt)))
            .collect();
        for (attempt, rendered) in due.into_iter().zip(rendered) {
            each(&attempt, rendered)?;
            if !attempt.nearest().is_clean() {
                self.remembered.push_back(attempt);
            }
        }
        Ok(())
    }
}
