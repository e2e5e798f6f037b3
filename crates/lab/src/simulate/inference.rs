//! Are an unknown timer and an unknown zone worked out rightly, or left unknown?

use std::fmt::Write;

use why504_correlate::{LineOrigin, USUAL_TIMERS, ZoneEvidence, settle_timers, zone_evidence};
use why504_model::Span;

use super::world::{Setting, World};
use super::{percent, seeded};
use crate::random::Random;

const LINES: [usize; 4] = [3, 10, 100, 1000];
/// Unanswered attempts a second that no line is about.
const BACKGROUND: [f64; 3] = [0.1, 1.0, 5.0];
/// The true timers, in milliseconds.
const TIMERS: [i64; 12] =
    [100, 200, 300, 500, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000, 60_000];
/// One in so many may be wrong.
const WRONG_ONE_IN: usize = 1000;

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    right: usize,
    /// The true one is among a short range.
    range: usize,
    wrong: usize,
    unknown: usize,
    /// Of all usual lengths the data allows the true one alone, even if it were known which attempt is whose.
    knowable: usize,
    /// The same of the true timers that are drawn from alone.
    knowable_of_few: usize,
}

impl Counts {
    fn add<T: PartialEq>(&mut self, found: Option<T>, truth: &T) {
        match found {
            None => self.unknown += 1,
            Some(found) if found == *truth => self.right += 1,
            Some(_) => self.wrong += 1,
        }
    }
}

/// Worked out timers and zones of `sets` incidents of every size and background.
pub(super) fn table(seed: u64, sets: usize) -> (String, bool) {
    let mut text = format!(
        "unknown timer and unknown zone, {sets} incidents each: one upstream, a timeout a second, \
         timers from 100 ms to 60 s\n\
         | lines | unrelated/s | timer right | knowable of 16 | of 12 | in a range of 0.3 s | wrong | unknown | zone right | wrong | unknown |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    let mut sound = true;
    for lines in LINES {
        for background in BACKGROUND {
            let mut timers = Counts::default();
            let mut zones = Counts::default();
            for number in 0..sets {
                let mut random = seeded(seed ^ (number as u64) ^ ((lines as u64) << 32));
                incident(lines, background, &mut random, &mut timers, &mut zones);
            }
            sound &= (timers.wrong.max(zones.wrong)) * WRONG_ONE_IN <= sets;
            let share = |part| percent(part, sets);
            let _ = writeln!(
                text,
                "| {lines} | {background} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                share(timers.right),
                share(timers.knowable),
                share(timers.knowable_of_few),
                share(timers.range),
                timers.wrong,
                share(timers.unknown),
                share(zones.right),
                zones.wrong,
                share(zones.unknown),
            );
        }
    }
    (text, sound)
}

fn incident(
    lines: usize,
    background: f64,
    random: &mut Random,
    timers: &mut Counts,
    zones: &mut Counts,
) {
    let ms = TIMERS.get(usize::from(random.below_u16(12))).copied().unwrap_or(300);
    let timer = Span::from_millis(ms);
    let setting = Setting {
        timers: vec![timer],
        workers: 2,
        upstreams: 1,
        background,
        timers_known: false,
        ..Setting::plain(1.0, lines)
    };
    let mut world = World::new(&setting, random);
    let allowed = |lengths: &[i64]| {
        lengths.iter().filter(|&&ms| world.allows(Span::from_millis(ms))).count() == 1
    };
    timers.knowable += usize::from(allowed(&USUAL_TIMERS));
    timers.knowable_of_few += usize::from(allowed(&TIMERS));
    let mut timeouts = world.timeouts.clone();
    let settled = world.with_points(|points| {
        settle_timers(&mut timeouts, |_| LineOrigin::<()>::default(), points)
    });
    match settled.first().map(|found| found.length) {
        Some((least, most)) if least < most && least <= timer && timer <= most => timers.range += 1,
        found => timers.add(found.map(|(_, most)| most), &timer),
    }
    // The zone is asked for with the timer unknown as well.
    let zone = Span::from_secs(900 * (i64::from(random.below(112)) - 56));
    for timeout in &mut world.timeouts {
        timeout.logged = timeout.logged.shifted(zone);
    }
    let evidence = world.with_points(|points| zone_evidence(&world.timeouts, points));
    let found = match evidence {
        ZoneEvidence::Shown(_) => Some(Span::ZERO),
        ZoneEvidence::Elsewhere(span, _) => Some(-span),
        ZoneEvidence::NotNeeded | ZoneEvidence::Unclear => None,
    };
    zones.add(found, &zone);
}
