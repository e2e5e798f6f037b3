//! Is a stated probability one? Among the cases with probability p the verdict must be true in p of
//! them, as long as the losses fall as the model assumes; how far off it is when they do not is
//! printed beside it.

use std::fmt::Write;

use why504_correlate::Verdict;

use super::seeded;
use super::world::{Losses, Setting, World};

const BINS: usize = 10;
/// Bins with as many cases must be within two points, smaller ones within their own scatter.
const LARGE: usize = 2500;
const WITHIN: f64 = 0.02;
/// Standard deviations of a binomial count that chance may explain.
const DEVIATIONS: f64 = 3.0;

/// Cases by stated probability.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    cases: usize,
    stated: f64,
    right: usize,
}

/// Stated probability against truth, over `lines` lines of every kind of world.
pub(super) fn table(seed: u64, lines: usize) -> (String, bool) {
    let mut text = String::new();
    let mut sound = true;
    for (losses, words) in [
        (Losses::Even, "losses fall evenly, as the model assumes"),
        (Losses::Spells, "losses and attempts come in spells: the model's assumption is broken"),
    ] {
        let bins = bins(seed, lines, losses);
        let _ = writeln!(
            text,
            "reliability, {words}\n| stated | cases | mean stated | true | off by | allowed |\n|---|---|---|---|---|---|"
        );
        for (i, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.cases > 0) {
            let (stated, right, allowed) = bin.shares();
            sound &= losses == Losses::Spells || (stated - right).abs() <= allowed;
            let _ = writeln!(
                text,
                "| {:.1}-{:.1} | {} | {stated:.3} | {right:.3} | {:+.3} | {allowed:.3} |",
                share(i, BINS),
                share(i + 1, BINS),
                bin.cases,
                right - stated,
            );
        }
        text.push('\n');
    }
    (text, sound)
}

#[expect(clippy::cast_precision_loss, reason = "counts of simulated cases")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Bin {
    /// Mean stated probability, share that was true, and how far they may be apart.
    fn shares(&self) -> (f64, f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "counts of simulated cases")]
        let cases = self.cases.max(1) as f64;
        let stated = self.stated / cases;
        let scatter = DEVIATIONS * (stated * (1.0 - stated) / cases).sqrt() + 1e-9;
        (stated, share(self.right, self.cases), if self.cases >= LARGE { WITHIN } else { scatter })
    }
}

/// The bin of a probability.
fn place(probability: f64) -> usize {
    (1..BINS).rfind(|&i| probability >= share(i, BINS)).unwrap_or(0)
}

fn bins(seed: u64, lines: usize, losses: Losses) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for (number, (rate, workers, background)) in
        (0..).zip([(5.0, 1, 0.0), (20.0, 2, 0.0), (5.0, 2, 0.5), (20.0, 1, 1.0)])
    {
        // Many short incidents, so that no single one decides.
        let plain = Setting::plain(rate, 40);
        let setting = Setting { workers, upstreams: 2, background, losses, ..plain };
        for incident in 0..lines / setting.lines / 4 {
            let seed = seed ^ (number << 32) ^ incident as u64;
            let world = World::new(&setting, &mut seeded(seed));
            for case in world.correlate().cases {
                let leading = if case.verdict == Verdict::Ambiguous {
                    case.alternatives.first().map(|a| a.0)
                } else {
                    Some(case.verdict)
                };
                let Some(bin) = bins.get_mut(place(case.probability)) else { continue };
                bin.cases += 1;
                bin.stated += case.probability;
                bin.right += usize::from(leading == world.fate(case.timeout));
            }
        }
    }
    bins
}
