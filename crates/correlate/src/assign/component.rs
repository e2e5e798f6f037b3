//! Which lines bear on each other.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::Timestamp;

use super::{Line, SAME_WORKER};

/// Lines that bear on each other: they share attempts, or an attempt of one would put it out of
/// order with the other. In the order of the log.
pub(super) fn components(lines: &[Line]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..lines.len()).collect();
    let mut owner: BTreeMap<usize, usize> = BTreeMap::new();
    // Log and latest end so far -> a line of the component that has it.
    let mut ends: BTreeMap<(u32, Timestamp), usize> = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        for edge in &line.edges {
            unite(&mut parent, *owner.entry(edge.attempt).or_insert(i), i);
        }
        let earliest = line.edges.iter().map(|e| e.end.1).min();
        let latest = line.edges.iter().map(|e| e.end.0).max();
        if let (Some(earliest), Some(latest)) = (earliest, latest) {
            let later = (line.log, earliest + SAME_WORKER)..=(line.log, Timestamp::MAX);
            let out_of_order: Vec<((u32, Timestamp), usize)> =
                ends.range(later).map(|(&key, &line)| (key, line)).collect();
            let mut end = latest;
            for (key, other) in out_of_order {
                ends.remove(&key);
                unite(&mut parent, other, i);
                end = end.max(key.1);
            }
            if let Some(other) = ends.insert((line.log, end), i) {
                unite(&mut parent, other, i);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        if !line.edges.is_empty() {
            groups.entry(root(&mut parent, i)).or_default().push(i);
        }
    }
    groups.into_values().collect()
}

/// The smaller index becomes the root, so that components come in order of their first line.
fn unite(parent: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parent, a), root(parent, b));
    if let Some(slot) = parent.get_mut(a.max(b)) {
        *slot = a.min(b);
    }
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while let Some(&up) = parent.get(i)
        && up != i
    {
        let above = parent.get(up).copied().unwrap_or(up);
        if let Some(slot) = parent.get_mut(i) {
            *slot = above;
        }
        i = above;
    }
    i
}
