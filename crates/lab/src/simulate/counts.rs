//! Lines that cannot be told apart are counted together: exact numbers must be exact, bounds must hold the
//! truth, and what is expected must be what comes on average.

use std::fmt::Write;

use super::seeded;
use super::world::{Setting, World};

/// Timeouts per second of log time, attempts per second and upstream that no line is about, workers.
const KINDS: [(f64, f64, u32); 6] = [
    (5.0, 0.0, 2),
    (5.0, 0.5, 2),
    (50.0, 0.0, 4),
    (50.0, 2.0, 4),
    (500.0, 0.0, 4),
    (500.0, 20.0, 4),
];
/// Lines of one incident.
const INCIDENT: usize = 400;

/// What was counted over the groups of one kind of incident.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    groups: usize,
    lines: usize,
    exact: usize,
    exact_lines: usize,
    /// Numbers of groups that are not the true ones, or do not hold them.
    wrong: usize,
    /// Of numbers that are not exact: the sum of most less least.
    room: usize,
    /// Sums of stated expectations and of what they were about, over groups that are not exact.
    expected: f64,
    came: usize,
    uncounted: usize,
}

/// Numbers of ambiguous lines against truth, over `lines` lines of every kind.
pub(super) fn table(seed: u64, lines: usize) -> (String, bool) {
    let mut text = String::from(
        "ambiguous lines counted together: one timer of 300 ms, 2 upstreams, no access log, SYN and SYN+ACK losses mixed\n\
         | timeouts/s | others/s | ambiguous lines | in groups | exact groups | lines in them | wrong numbers | \
         mean width of bounds | SYN lost: expected | came | not counted |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut sound = true;
    for kind in KINDS {
        let all = count(kind, seed, lines);
        sound &= all.wrong == 0;
        #[expect(clippy::cast_precision_loss, reason = "counts of simulated lines")]
        let width = all.room as f64 / (all.groups - all.exact).max(1) as f64;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {width:.1} | {:.1} | {} | {} |",
            kind.0,
            kind.1,
            all.lines,
            all.groups,
            all.exact,
            all.exact_lines,
            all.wrong,
            all.expected,
            all.came,
            all.uncounted
        );
    }
    (text, sound)
}

/// Counts over incidents of one kind.
pub(super) fn count(
    (rate, background, workers): (f64, f64, u32),
    seed: u64,
    lines: usize,
) -> Counted {
    let plain = Setting::plain(rate, INCIDENT.min(lines));
    let setting = Setting { workers, upstreams: 2, background, ..plain };
    let mut all = Counted::default();
    for incident in 0..(lines / setting.lines.max(1)) as u64 {
        let world = World::new(&setting, &mut seeded(seed ^ (incident << 24) ^ rate.to_bits()));
        for group in world.correlate().groups {
            if group.counts.is_empty() {
                all.uncounted += group.lines.len();
                continue;
            }
            all.groups += 1;
            all.lines += group.lines.len();
            if group.is_exact() {
                all.exact += 1;
                all.exact_lines += group.lines.len();
            }
            let of = |verdict| {
                let true_ones = group.lines.iter().filter(|l| world.fate(**l) == Some(verdict));
                true_ones.count()
            };
            // A fate that is not named is no line's.
            let named: usize = group.counts.iter().map(|count| of(count.verdict)).sum();
            all.wrong += usize::from(named != group.lines.len());
            for count in &group.counts {
                let came = of(count.verdict);
                all.wrong += usize::from(came < count.least || came > count.most);
                if count.least == count.most || count.verdict != why504_correlate::Verdict::SynLost
                {
                    continue;
                }
                all.room += count.most - count.least;
                if let Some(expected) = count.expected {
                    all.expected += expected;
                    all.came += came;
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_numbers_are_exact_and_bounds_hold_the_truth() {
        for kind in [KINDS[0], KINDS[1], KINDS[3]] {
            let all = count(kind, 7, 400);
            assert_eq!(all.wrong, 0, "{all:?}");
            assert!(all.groups > 0 && (kind.1 > 0.0 || all.exact > 0), "{all:?}");
        }
    }
}
