//! Times between restarts of nginx, each with a counter of its own.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::{SourceId, Timeout};

/// The lines of each log, cut where all workers are others than before. A reload starts other workers as
/// well and keeps the counter; to cut there costs a few lines and is never wrong.
pub(super) fn of(timeouts: &[Timeout]) -> Vec<Vec<usize>> {
    let mut logs: BTreeMap<SourceId, Vec<usize>> = BTreeMap::new();
    for (i, timeout) in timeouts.iter().enumerate() {
        logs.entry(timeout.location.source).or_default().push(i);
    }
    let worker = |line: usize| timeouts.get(line).and_then(|timeout| timeout.worker);
    let mut epochs = Vec::new();
    for lines in logs.into_values() {
        let mut last: BTreeMap<Option<u32>, usize> = BTreeMap::new();
        for (place, &line) in lines.iter().enumerate() {
            last.insert(worker(line), place);
        }
        let mut epoch = Vec::new();
        let mut until = 0;
        for (place, line) in lines.into_iter().enumerate() {
            if place > until {
                epochs.push(core::mem::take(&mut epoch));
            }
            until = until.max(last.get(&worker(line)).copied().unwrap_or(place));
            epoch.push(line);
        }
        epochs.push(epoch);
    }
    epochs
}
