//! Measures the join by made-up incidents: millions of lines with truth, through the public API of
//! `correlate`, in this process.
//!
//! The judge stands on nothing of ours; this does, since no lab plays a million timeouts. What is
//! simulated is what the join looks at and nothing more: when attempts began and ended, what each
//! capture point saw, and what the workers wrote, in whole seconds.

mod calibration;
mod counts;
mod identity;
mod inference;
mod nearest;
mod scale;
mod world;

use anyhow::{Result, bail};
use rayon::prelude::*;
use why504_correlate::Threads;

use crate::random::Random;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Share of lines with one attempt against the rate of timeouts, beside the nearest SYN
    Identity,
    /// Stated probability against truth
    Calibration,
    /// Numbers of ambiguous lines that are counted together, against truth
    Counts,
    /// Unknown timers and zones
    Inference,
    /// Time and memory against the number of lines
    Scale,
}

/// How the join is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Simulate {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// The same seed makes the same incidents
    #[arg(long, default_value_t = 504)]
    seed: u64,
    /// Lines of each rate (identity), of each kind (calibration, counts), of the largest incident (scale)
    #[arg(long, default_value_t = 20_000)]
    lines: usize,
    /// Incidents of each kind (inference)
    #[arg(long, default_value_t = 1000)]
    sets: usize,
}

/// Prints what was measured; an error when a bound is broken.
pub fn simulate(asked: &Simulate, mut print: impl FnMut(&str)) -> Result<()> {
    let all = [Part::Identity, Part::Calibration, Part::Counts, Part::Inference, Part::Scale];
    let parts = if asked.parts.is_empty() { &all[..] } else { &asked.parts };
    let mut broken = Vec::new();
    for part in parts {
        let (text, sound) = match part {
            Part::Identity => identity::table(asked.seed, asked.lines),
            Part::Calibration => calibration::table(asked.seed, asked.lines),
            Part::Counts => counts::table(asked.seed, asked.lines),
            Part::Inference => inference::table(asked.seed, asked.sets),
            Part::Scale => (scale::table(asked.seed, asked.lines), true),
        };
        print(&text);
        if !sound {
            broken.push(format!("{part:?}"));
        }
    }
    if broken.is_empty() { Ok(()) } else { bail!("bounds are broken: {}", broken.join(", ")) }
}

/// All threads of the pool, as the binary has them.
#[derive(Debug, Clone, Copy)]
struct AllThreads;

impl Threads for AllThreads {
    fn map<P: Send, R: Send>(&self, parts: Vec<P>, work: impl Fn(P) -> R + Send + Sync) -> Vec<R> {
        parts.into_par_iter().map(work).collect()
    }
}

fn seeded(seed: u64) -> Random {
    Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
}

#[expect(clippy::cast_precision_loss, reason = "counts of simulated lines")]
fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}
