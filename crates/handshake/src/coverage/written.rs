//! When the files of a point were written: a moment between two of them was not captured.
//!
//! A series may have thousands of files, and each attempt that is judged asks. So files that join are
//! put together when they end, and not when somebody asks.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::{Interval, SourceId, Span};

/// Files of one point that lie further apart than this leave a hole: a file is missing, or the
/// capture was started again. Rotation itself loses nothing, but a quiet wire looks the same.
const HOLE: Span = Span::from_millis(500);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// First to last packet of each file; that of the packet before is kept apart, since packets
    /// of one file come in runs.
    files: BTreeMap<SourceId, Interval>,
    current: Option<(SourceId, Interval)>,
    runs: Runs,
}

/// Times without a hole, in order, a hole between any two.
#[derive(Clone, Debug, Default)]
struct Runs(Vec<Interval>);

impl Runs {
    fn add(&mut self, span: Interval) {
        let Self(runs) = self;
        let first = runs.partition_point(|run| run.end() + HOLE < span.start());
        let end = runs.partition_point(|run| run.start() <= span.end() + HOLE).max(first);
        let joined = runs.get(first..end).unwrap_or_default();
        let joined = joined.iter().fold(span, |all, run| all.hull(*run));
        runs.splice(first..end, [joined]);
    }
}

impl Written {
    /// Something was captured then, in this file.
    pub(super) fn moment(&mut self, here: Interval, file: SourceId) {
        match &mut self.current {
            Some((current, span)) if *current == file => *span = span.hull(here),
            current => {
                let span = self.files.remove(&file).map_or(here, |before| before.hull(here));
                if let Some((other, written)) = current.replace((file, span)) {
                    self.files.insert(other, written);
                    self.runs.add(written);
                }
            }
        }
    }

    /// Whether the files were written without a hole through the interval. Files may overlap: several
    /// interfaces, one file each.
    pub(super) fn covers(&self, during: Interval) -> bool {
        // As a rule there is one.
        let runs = self.stretches();
        let begun = runs.partition_point(|run| run.start() <= during.start());
        begun.checked_sub(1).and_then(|last| runs.get(last)).is_some_and(|run| run.covers(during))
    }

    /// The times without a hole, in order.
    pub(super) fn stretches(&self) -> Vec<Interval> {
        let mut runs = self.runs.clone();
        // What is read just now may join two.
        if let Some((_, span)) = self.current {
            runs.add(span);
        }
        let Runs(runs) = runs;
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use why504_model::Timestamp;

    /// From and to so many tenths of a second: a hole is five of them, and more.
    fn span(from: i64, length: i64) -> Interval {
        let at = |tenths| Timestamp::from_nanos(tenths * 100_000_000);
        Interval::new(at(from), at(from + length))
    }

    /// All files put in order whenever somebody asks.
    fn in_order(files: &BTreeMap<SourceId, Interval>, during: Interval) -> bool {
        let mut spans: Vec<Interval> = files.values().copied().collect();
        spans.sort_unstable();
        let mut runs: Vec<Interval> = Vec::new();
        for span in spans {
            match runs.last_mut() {
                Some(run) if span.start() <= run.end() + HOLE => *run = run.hull(span),
                _ => runs.push(span),
            }
        }
        runs.iter().any(|run| run.covers(during))
    }

    proptest! {
        #[test]
        fn files_in_any_order_leave_the_same_holes(
            moments in prop::collection::vec((0_u32..6, 0_i64..80, 0_i64..4), 0..40),
            asked in prop::collection::vec((-5_i64..90, 0_i64..30), 1..20),
        ) {
            let (mut written, mut files) = (Written::default(), BTreeMap::new());
            for (file, from, length) in moments {
                let (file, here) = (SourceId(file), span(from, length));
                written.moment(here, file);
                files.entry(file).and_modify(|all: &mut Interval| *all = all.hull(here)).or_insert(here);
                for &(from, length) in &asked {
                    let during = span(from, length);
                    prop_assert_eq!(written.covers(during), in_order(&files, during));
                }
            }
        }
    }
}
