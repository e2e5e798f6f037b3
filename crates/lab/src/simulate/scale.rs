//! What the join costs against the number of lines, and how much memory it takes.

use std::fmt::Write;
use std::time::Instant;

use why504_model::Span;

use super::seeded;
use super::world::{Losses, Setting, World};

/// Attempts for each line.
const ATTEMPTS_A_LINE: f64 = 10.0;
const UPSTREAMS: u16 = 50;

/// Wall time of `correlate` alone, and the most memory the process held so far, for sizes up to
/// `lines`.
pub(super) fn table(seed: u64, lines: usize) -> String {
    let mut text = String::from(
        "cost against size: 50 upstreams, 50 timeouts/s, ten unanswered attempts for each line\n\
         | lines | attempts | seconds | µs a line | peak memory of the whole process |\n|---|---|---|---|---|\n",
    );
    let mut size = 10_000.min(lines);
    loop {
        let rate = 50.0;
        let setting = Setting {
            rate,
            lines: size,
            timers: vec![Span::from_millis(300)],
            workers: 4,
            upstreams: UPSTREAMS,
            background: rate * (ATTEMPTS_A_LINE - 1.0) / f64::from(UPSTREAMS),
            access_log: false,
            timers_known: true,
            losses: Losses::Even,
            late: Span::from_micros(500),
            zone: Span::ZERO,
        };
        let world = World::new(&setting, &mut seeded(seed));
        let begin = Instant::now();
        let found = world.correlate();
        let seconds = begin.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a number of lines")]
        let a_line = seconds * 1e6 / found.cases.len().max(1) as f64;
        let _ = writeln!(
            text,
            "| {size} | {} | {seconds:.2} | {a_line:.1} | {} |",
            world.merged.attempts.len(),
            peak_memory()
        );
        if size >= lines {
            return text;
        }
        size = (size * 10).min(lines);
    }
}

/// As the kernel tells it (`VmHWM` of /proc/self/status).
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |size| size.trim().to_owned())
}
