//! What the report rests on: period, zone, logs, captures, clocks, coverage.

use std::collections::BTreeSet;
use std::io;

use why504_correlate::LogClock;
use why504_handshake::{ClockOffset, Coverage, PointId};
use why504_model::{Interval, Span, Timeout};

use crate::moment::{LocalClock, duration, grouped, plural};
use crate::page::Page;
use crate::run::{PointInfo, Run};

pub(super) fn print(run: &Run<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let clock = LocalClock { offset_seconds: run.zone.offset_seconds };
    if let Some(period) = period(run) {
        page.field(2, "period", &span(clock, period))?;
    }
    let zone =
        format!("{} ({}); times are printed in {}", run.zone.name, run.zone.chosen, clock.name());
    page.field(2, "zone", &zone)?;
    page.field(2, "logs", &logs(run))?;
    let mut label = "captures";
    for (i, point) in run.points.iter().enumerate() {
        let coverage = u16::try_from(i).ok().and_then(|i| run.coverage.get(&PointId(i)));
        let missing = coverage.map_or_else(String::new, missing);
        page.field(2, label, &format!("{}{missing}", capture(run, point, clock)))?;
        label = "";
    }
    if run.points.is_empty() {
        page.field(2, label, "none")?;
    }
    let mut label = "clocks";
    for text in clocks(run) {
        page.field(2, label, &text)?;
        label = "";
    }
    let numbered = run.correlation.cases.iter().filter(|case| case.join.numbered).count();
    if numbered > 0 {
        let lines = plural(numbered as u64, "line");
        let text = format!("{lines} by nginx's connection numbers (*N), which tell connects apart");
        page.field(2, "joined", &text)?;
    }
    let left_out = run.correlation.not_assigned();
    if left_out > 0 {
        let lines = plural(left_out as u64, "line");
        let text = format!(
            "{lines} not one to one: more attempts fit them than memory allows; --connect-timeout \
             or an access log narrows it"
        );
        page.field(2, "joined", &text)?;
    }
    let mut label = "nat";
    for text in translations(run) {
        page.field(2, label, &text)?;
        label = "";
    }
    let mut label = "coverage";
    for text in coverage(run) {
        page.field(2, label, &text)?;
        label = "";
    }
    Ok(())
}

/// From the first to the last timeout; without any, what the captures span.
pub(super) fn period(run: &Run<'_>) -> Option<Interval> {
    let logged = run.timeouts.iter().map(|t| t.logged).reduce(Interval::hull);
    logged.or_else(|| run.points.iter().filter_map(|p| p.span).reduce(Interval::hull))
}

/// `2026-11-22 07:18:23 to 07:23:11 (4 min 48 s)`.
pub(super) fn span(clock: LocalClock, span: Interval) -> String {
    let (start, end) = (clock.date_time(span.start()), clock.date_time(span.end()));
    let same_day = start.split_once(' ').map(|p| p.0) == end.split_once(' ').map(|p| p.0);
    let end = if same_day { clock.time(span.end()) } else { end };
    format!("{start} to {end} ({})", duration(span.length()))
}

fn logs(run: &Run<'_>) -> String {
    let lines = run.log_lines;
    format!(
        "{}, {} lines = {} cases + {} other + {} unparsed",
        plural(run.totals.log_files as u64, "file"),
        grouped(lines.total),
        grouped(lines.cases),
        grouped(lines.other),
        grouped(lines.unparsed)
    )
}

/// What the capture is known not to hold: nothing is said of one that lacks nothing.
fn missing(coverage: &Coverage) -> String {
    let mut text = String::new();
    if coverage.dropped > 0 {
        text.push_str(&format!("; it dropped {}", plural(coverage.dropped, "packet")));
    }
    if coverage.missed > 0 {
        let (missed, of) = (grouped(coverage.missed), grouped(coverage.completed));
        text.push_str(&format!("; {missed} of {of} acknowledged SYN+ACKs are missing"));
    }
    if coverage.torn > 0 && coverage.holds_plain_segments() {
        let (torn, of) = (grouped(coverage.torn), grouped(coverage.completed));
        text.push_str(&format!("; of {torn} of {of} handshakes it lacks what was acknowledged"));
    }
    text
}

fn capture(run: &Run<'_>, point: &PointInfo, clock: LocalClock) -> String {
    let mut text = format!(
        "{}: {}, {}",
        point.name,
        plural(point.files as u64, "file"),
        plural(point.packets, "packet")
    );
    if !point.link.is_empty() {
        text.push_str(&format!(", {}", point.link));
    }
    if let Some(snaplen) = point.snaplen {
        text.push_str(&format!(", snaplen {snaplen}"));
    }
    match point.span {
        Some(covered) => {
            let day = |time| clock.date_time(time).chars().take(10).collect::<String>();
            let today = period(run).map(|p| day(p.start()));
            let whole = span(clock, covered);
            let dated = today != Some(day(covered.start()));
            let shown = if dated { whole.as_str() } else { whole.get(11..).unwrap_or(&whole) };
            text.push_str(&format!(", {shown}"));
        }
        None if point.packets > 0 => text.push_str(", none of TCP"),
        None => text.push_str(", empty"),
    }
    text
}

pub(super) fn clocks(run: &Run<'_>) -> Vec<String> {
    let captures = run.captures();
    let mut lines: Vec<String> = run
        .merged
        .offsets
        .iter()
        .map(|(&(near, far), clock)| {
            let (near, far) = (captures.point(near), captures.point(far));
            format!("{far} minus {near}: {}", offset(clock))
        })
        .collect();
    let of_log: BTreeSet<&str> =
        run.correlation.cases.iter().map(|c| log_clock(c.join.clock)).collect();
    lines.extend(of_log.into_iter().map(str::to_owned));
    let skews: BTreeSet<(Span, i64)> = run
        .correlation
        .cases
        .iter()
        .filter_map(|c| match c.join.clock {
            LogClock::Aligned { skew, drift, .. } => Some((skew, drift.rate)),
            LogClock::SameHost | LogClock::Unknown => None,
        })
        .collect();
    lines.extend(skews.into_iter().map(|(skew, rate)| match rate {
        0 => format!("capture minus log: {}", signed(skew)),
        _ => format!("capture minus log: {}, drifting by {} ppm", signed(skew), rate / 1000),
    }));
    lines.extend(run.correlation.clocks.iter().filter_map(|(&point, &(clock, pin))| {
        let pin = pin?;
        let text = format!(
            "{} minus log: {} to {}, by {} of {} connects that failed at once",
            captures.point(point),
            signed(pin.least),
            signed(pin.most),
            grouped(pin.lines as u64),
            grouped(pin.of as u64)
        );
        let applied = clock != LogClock::Unknown || pin.agrees();
        Some(if applied { text } else { format!("{text}; not applied, and no verdict is sure") })
    }));
    lines
}

/// Pairs of addresses that are shown.
const PAIRS_SHOWN: usize = 6;

fn translations(run: &Run<'_>) -> Vec<String> {
    let merged = run.merged;
    let learnt = merged.translations.iter().map(|((front, back), seen)| {
        format!("{front} is {back}, by {}", plural(seen.attempts, "attempt"))
    });
    let behind = merged.virtual_peers.iter().map(|((front, back), lines)| {
        format!("{front} is {back}, by {}", plural(*lines, "log line"))
    });
    let given = merged.given.pairs().map(|(front, back)| format!("{front} is {back}, as given"));
    let sources = merged.masqueraded.iter().map(|(ip, attempts)| {
        format!("{} came from {ip}, by source NAT", plural(*attempts, "attempt"))
    });
    let mut lines: Vec<String> = given.chain(learnt).chain(behind).chain(sources).collect();
    if let more @ 1.. = lines.len().saturating_sub(PAIRS_SHOWN) {
        lines.truncate(PAIRS_SHOWN);
        lines.push(format!("and {} more", plural(more as u64, "translation")));
    }
    if run.merged.rewritten > 0 {
        let count = plural(run.merged.rewritten, "attempt");
        lines.push(format!("the ISN of {count} is rewritten on the way"));
    }
    lines
}

fn offset(clock: &ClockOffset) -> String {
    let mut text = format!(
        "{} ± {}, by {} packets seen at both",
        signed(clock.offset),
        duration(clock.uncertainty),
        grouped(clock.packets as u64)
    );
    // Below a twentieth of a part in a million it is noise.
    if clock.drift.abs() >= 5e-8 {
        text.push_str(&format!(", drift {:+.1} ppm", clock.drift * 1e6));
    }
    for step in &clock.steps {
        let zone = LocalClock { offset_seconds: 0 };
        text.push_str(&format!(
            "; a clock was set by {} between {} and {} UTC",
            signed(step.by),
            zone.time(step.after),
            zone.time(step.before)
        ));
    }
    if clock.contradicting > 0 {
        text.push_str(&format!("; {} packets contradict", grouped(clock.contradicting as u64)));
    }
    if clock.inconsistent {
        text.push_str("; they contradict each other: was a clock set?");
    }
    text
}

const fn log_clock(clock: LogClock) -> &'static str {
    match clock {
        LogClock::SameHost => "log and gateway's capture: one host, one clock",
        LogClock::Aligned { .. } => "log and capture: aligned by their common starts",
        LogClock::Unknown => "log and capture: not shown to agree, taken as equal",
    }
}

fn signed(span: Span) -> String {
    let text = duration(span);
    if span >= Span::ZERO { format!("+{text}") } else { text }
}

pub(super) fn coverage(run: &Run<'_>) -> Vec<String> {
    let captures = run.captures();
    let mut lines = Vec::new();
    let total = run.timeouts.len();
    for (i, point) in run.points.iter().enumerate().filter(|_| total > 0) {
        let id = u16::try_from(i).map(PointId).unwrap_or_default();
        let span = point.span.map(|span| on_nearest_clock(run, id, span));
        let within = |t: &&Timeout| span.is_some_and(|s| s.overlaps(t.logged));
        let covered = run.timeouts.iter().filter(within).count();
        let dropped = run.coverage.get(&id).map_or(0, |c| c.dropped);
        lines.push(format!(
            "{} spans {covered} of {total} timeouts, {} on record",
            point.name,
            plural(dropped, "dropped packet")
        ));
    }
    for (&(near, far), &(all, both)) in &run.merged.reliability {
        lines.push(format!(
            "{} saw {} of {} healthy handshakes that {} saw",
            captures.point(far),
            grouped(both),
            grouped(all),
            captures.point(near)
        ));
    }
    for (&home, &(all, missed)) in &run.merged.overlooked {
        if missed > 0 {
            lines.push(format!(
                "{} missed {} of {} healthy handshakes of its own host that others saw",
                captures.point(home),
                grouped(missed),
                grouped(all),
            ));
        }
    }
    for (&point, &(all, missed)) in &run.merged.passed_unseen {
        if missed > 0 {
            lines.push(format!(
                "{} missed {} of {} packets of handshakes that others saw further on",
                captures.point(point),
                grouped(missed),
                grouped(all),
            ));
        }
    }
    lines
}

/// A point's span on the clock of the point that is nearest the client, which is the log's where
/// that is on the gateway.
fn on_nearest_clock(run: &Run<'_>, point: PointId, span: Interval) -> Interval {
    let captures = run.captures();
    let near = run.merged.offsets.keys().find(|(_, far)| *far == point).map(|pair| pair.0);
    near.map_or(span, |near| {
        Interval::new(
            captures.on_near_clock(near, point, span.start()),
            captures.on_near_clock(near, point, span.end()),
        )
    })
}
