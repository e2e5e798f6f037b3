//! What the join costs against the number of lines, and how much memory it takes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use why504_correlate::{Assignment, Case, Edge, Lines, ROOM, Writer, assign};
use why504_model::{Span, Timestamp};

use super::world::{Setting, World};
use super::{AllThreads, percent, seeded};

/// Attempts for each line.
const ATTEMPTS_A_LINE: f64 = 10.0;
const UPSTREAMS: u16 = 50;
const TIMER: Span = Span::from_millis(300);
/// Those in force where nobody states them, in milliseconds: set by Lua code, and nginx's default.
const TIMERS: [i64; 4] = [300, 500, 1500, 60_000];
/// Lines of a steady incident with all packets of its attempts; larger ones do not fit a small
/// machine's memory, and are made of times alone.
const WITH_PACKETS: usize = 50_000;
/// Lines of a burst, all within one second.
const BURST: usize = 20_000;

/// Wall and processor time, and the most memory that the process held meanwhile, for sizes up to
/// `lines`.
pub(super) fn table(seed: u64, lines: usize) -> String {
    let mut text = String::from(
        "cost against size: an error log in whole seconds, one timer of 300 ms, 4 workers, ten unanswered \
         attempts for each line\n\
         | what | lines | attempts | wall | processor | processor µs a line | peak memory of the process |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for size in sizes(lines.min(WITH_PACKETS)) {
        steady(&mut text, seed, size);
    }
    numbered(&mut text, seed, lines);
    unknown(&mut text, seed, lines.min(WITH_PACKETS));
    for size in sizes(lines.min(BURST)) {
        burst(&mut text, seed, size);
    }
    for size in sizes(lines) {
        alone(&mut text, seed, size);
    }
    text
}

/// Tens, hundreds, ... up to a size.
fn sizes(most: usize) -> impl Iterator<Item = usize> {
    let smaller = (0..3).rev().map(move |tens| most / 10_usize.pow(tens));
    smaller.filter(|size| *size >= 1000)
}

/// What a piece of work cost.
struct Cost {
    wall: Duration,
    processor: f64,
}

/// Does some work, from now on the peak of memory is its own.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    forget_peak_memory();
    let (begin, processor) = (Instant::now(), processor_seconds());
    let done = work();
    (done, Cost { wall: begin.elapsed(), processor: processor_seconds() - processor })
}

fn row(text: &mut String, what: &str, lines: usize, attempts: usize, cost: &Cost) {
    let (wall, processor) = (cost.wall.as_secs_f64(), cost.processor);
    #[expect(clippy::cast_precision_loss, reason = "a number of lines")]
    let a_line = processor * 1e6 / lines.max(1) as f64;
    let memory = peak_memory();
    let _ = writeln!(
        text,
        "| {what} | {lines} | {attempts} | {wall:.2} s | {processor:.2} s | {a_line:.1} | {memory} |"
    );
}

/// Which cases are counted.
type Which = fn(&Case) -> bool;

/// Joins and judges an incident; `what` names the row, with the share of lines that are as it asks.
fn joined(text: &mut String, (what, which): (&str, Option<Which>), world: &World, room: usize) {
    let (found, cost) = timed(|| world.correlate_within(room));
    let cases = &found.cases;
    let share = which.map(|which| percent(cases.iter().filter(|c| which(c)).count(), cases.len()));
    let what = share.map_or_else(|| what.to_owned(), |share| format!("{what}, {share}"));
    row(text, &what, cases.len(), world.merged.attempts.len(), &cost);
}

/// Fifty timeouts a second to fifty upstreams: join and judgement.
fn steady(text: &mut String, seed: u64, lines: usize) {
    let world = World::new(&busy(lines), &mut seeded(seed));
    joined(text, ("steady, judged", None), &world, ROOM);
}

fn busy(lines: usize) -> Setting {
    let rate = f64::from(UPSTREAMS);
    let background = rate * (ATTEMPTS_A_LINE - 1.0) / f64::from(UPSTREAMS);
    setting(lines, rate, UPSTREAMS, background)
}

/// As many attempts as lines, which with all their packets do fit a small machine's memory: the largest size,
/// with connection numbers and without, so that what placing lines by them costs is the difference.
fn numbered(text: &mut String, seed: u64, lines: usize) {
    let plain = setting(lines, f64::from(UPSTREAMS), UPSTREAMS, 0.0);
    let world = World::new(&plain, &mut seeded(seed));
    joined(text, ("a line for each attempt, judged", None), &world, ROOM);
    drop(world);
    let world = World::new(&Setting { numbered: true, ..plain }, &mut seeded(seed));
    let placed: Which = |case| case.join.numbered;
    joined(text, ("the same, placed by connection numbers", Some(placed)), &world, ROOM);
}

/// Steady, where nobody states which of several timers was in force; and the largest with less room than
/// that takes.
fn unknown(text: &mut String, seed: u64, lines: usize) {
    let timers = TIMERS.map(Span::from_millis).to_vec();
    for size in sizes(lines) {
        let setting = Setting { timers: timers.clone(), timers_known: false, ..busy(size) };
        let world = World::new(&setting, &mut seeded(seed));
        joined(text, ("timers unknown, judged", None), &world, ROOM);
        if size == lines {
            let left_out: Which = |case| !case.join.assigned;
            joined(
                text,
                ("the same in a quarter of the room, not assigned", Some(left_out)),
                &world,
                size * 8,
            );
        }
    }
}

/// All within one second, to one upstream: join and judgement.
fn burst(text: &mut String, seed: u64, lines: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a number of lines")]
    let rate = lines as f64;
    let world = World::new(&setting(lines, rate, 1, rate / 80.0), &mut seeded(seed));
    joined(text, ("burst in one second, judged", None), &world, ROOM);
}

fn setting(lines: usize, rate: f64, upstreams: u16, background: f64) -> Setting {
    Setting { timers: vec![TIMER], upstreams, background, ..Setting::plain(rate, lines) }
}

/// The assignment alone, of times without packets: fifty timeouts a second to fifty upstreams.
fn alone(text: &mut String, seed: u64, lines: usize) {
    let (entered, attempts) = times(seed, lines);
    let (found, cost) = timed(|| assign(&entered, &AllThreads));
    let counted =
        found.iter().filter(|answer| matches!(answer, Assignment::Counted { .. })).count();
    #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
    let share = (counted as u64 * 100 / lines.max(1) as u64) as u8;
    row(text, &format!("assignment alone, {share} % counted"), lines, attempts, &cost);
}

/// Attempts at random times, one in ten of which has a line.
fn times(seed: u64, lines: usize) -> (Lines, usize) {
    let mut random = seeded(seed);
    let mut now = Timestamp::from_parts(1_795_000_000, 0);
    let attempts = lines * 10;
    let mut began: Vec<Vec<(Timestamp, usize)>> = vec![Vec::new(); usize::from(UPSTREAMS)];
    let mut logged: Vec<(Timestamp, u32, u32)> = Vec::with_capacity(lines);
    for attempt in 0..attempts {
        now = now + Span::from_nanos(i64::from(random.below(4_000_000)));
        let upstream = random.below(u32::from(UPSTREAMS));
        if let Some(times) = began.get_mut(upstream as usize) {
            times.push((now, attempt));
        }
        if attempt % 10 == 0 {
            let late = Span::from_micros(i64::from(random.below(1000)));
            logged.push((now + TIMER + late, upstream, random.below(4)));
        }
    }
    logged.sort_unstable();
    let mut entered = Lines::default();
    let mut rows = BTreeMap::new();
    for (time, upstream, worker) in logged {
        let second = Timestamp::from_parts(time.nanos().div_euclid(1_000_000_000), 0);
        let times = began.get(upstream as usize).map(Vec::as_slice).unwrap_or_default();
        let runs = rows.entry((second, upstream)).or_insert_with(|| {
            let from = times.partition_point(|(t, _)| *t < second - TIMER - Span::from_millis(200));
            let to = times.partition_point(|(t, _)| *t < second - TIMER + Span::from_millis(1020));
            let edge = |&(time, attempt): &(Timestamp, usize)| {
                let end = time + TIMER;
                Edge { attempt, end: (end, end), penalty: 0, timer: 0 }
            };
            entered.hold(times.get(from..to).unwrap_or_default().iter().map(edge).collect())
        });
        entered.push(Writer { log: 0, worker: Some(worker), read: false }, runs.clone());
    }
    (entered, attempts)
}

/// Processor time of all threads, as the kernel's scheduler tells it (`schedstat` of each task): on a
/// busy machine the wall clock says little.
fn processor_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_task = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default()
    };
    tasks.map(of_task).sum::<f64>() / 1e9
}

/// proc(5), `clear_refs`: 5 sets the peak to what is held now.
fn forget_peak_memory() {
    // Where that is not allowed, the peak of all that went before is told.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// As the kernel tells it (`VmHWM` of /proc/self/status).
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |size| size.trim().to_owned())
}
