//! Which attempt is it? Against the rate of timeouts, with and without an access log, beside the
//! obvious method.

use std::fmt::Write;

use why504_correlate::Verdict;

use super::nearest::nearest;
use super::world::{Setting, World};
use super::{percent, seeded};

/// Timeouts per second of log time.
const RATES: [u32; 4] = [10, 50, 150, 500];

/// What was counted over the lines of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) lines: usize,
    /// Exactly one attempt in all best assignments.
    pub(super) one: usize,
    /// One of these that is not the true one.
    pub(super) one_wrong: usize,
    /// A sure verdict.
    pub(super) sure: usize,
    /// A sure verdict that is wrong.
    pub(super) sure_wrong: usize,
    /// The obvious method names another attempt.
    pub(super) nearest_wrong: usize,
    /// The obvious method's attempt had another fate.
    pub(super) nearest_wrong_fate: usize,
}

/// Timeouts per second of log time against the share of lines whose attempt is known.
pub(super) fn table(seed: u64, lines: usize) -> (String, bool) {
    let mut text = String::from(
        "identity against rate: one timer of 300 ms, 4 workers, 4 upstreams, SYN and SYN+ACK losses mixed\n\
         | timeouts/s | access log | lines | one attempt | not the true one | sure verdict | wrong | \
         nearest SYN: wrong attempt | wrong verdict |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut sound = true;
    for access_log in [false, true] {
        for rate in RATES {
            let counts = count(&setting(rate, access_log, lines), seed ^ u64::from(rate));
            sound &= counts.one_wrong == 0 && counts.sure_wrong == 0;
            let share = |part: usize| percent(part, counts.lines);
            let _ = writeln!(
                text,
                "| {rate} | {} | {} | {} | {} | {} | {} | {} | {} |",
                if access_log { "yes" } else { "no" },
                counts.lines,
                share(counts.one),
                counts.one_wrong,
                share(counts.sure),
                counts.sure_wrong,
                share(counts.nearest_wrong),
                share(counts.nearest_wrong_fate),
            );
        }
    }
    (text, sound)
}

fn setting(rate: u32, access_log: bool, lines: usize) -> Setting {
    Setting { access_log, ..Setting::plain(f64::from(rate), lines) }
}

/// Counts over one world.
pub(super) fn count(setting: &Setting, seed: u64) -> Counts {
    let world = World::new(setting, &mut seeded(seed));
    let mut counts = Counts { lines: world.timeouts.len(), ..Counts::default() };
    for case in world.correlate().cases {
        if let [only] = case.candidates.as_slice()
            && case.verdict != Verdict::Ambiguous
        {
            counts.one += 1;
            counts.one_wrong += usize::from(!world.is_true(case.timeout, only.attempt));
        }
        if case.grade.is_sure() {
            counts.sure += 1;
            counts.sure_wrong += usize::from(!world.is_right(&case));
        }
    }
    for (line, timeout) in world.timeouts.iter().enumerate() {
        let guess = nearest(&world, timeout);
        let right = guess.is_some_and(|attempt| world.is_true(line, attempt));
        let fate = guess.and_then(|attempt| world.fate_of(attempt));
        counts.nearest_wrong += usize::from(!right);
        counts.nearest_wrong_fate += usize::from(fate != world.fate(line));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_named_is_the_one_and_a_sure_verdict_is_the_truth() {
        for access_log in [false, true] {
            for rate in [10, 150] {
                let counts = count(&setting(rate, access_log, 300), 7);
                assert_eq!((counts.one_wrong, counts.sure_wrong), (0, 0), "{counts:?}");
                assert!(counts.nearest_wrong > 0 || access_log, "the easy way errs: {counts:?}");
                assert!(!access_log || counts.one * 3 > counts.lines * 2, "{counts:?}");
            }
        }
    }
}
