//! Where and when: the upstreams, and a sparkline over the period.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use why504_correlate::{Case, Verdict};
use why504_model::{Endpoint, Interval, Span};

use super::header::period;
use crate::moment::{LocalClock, grouped, plural};
use crate::page::{Page, inked, plain, wrap};
use crate::run::Run;
use crate::style::Ink;
use crate::visible::columns;
use crate::words;

const UPSTREAMS_SHOWN: usize = 6;
/// Lengths of a column of the sparkline, in seconds.
const STEPS: [i64; 17] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 86_400];

pub(super) fn print(run: &Run<'_>, page: &mut Page<'_>) -> io::Result<()> {
    where_(run, page)?;
    match period(run) {
        Some(period) => when(run, period, page),
        None => Ok(()),
    }
}

fn where_(run: &Run<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let mut upstreams: BTreeMap<Option<Endpoint>, BTreeMap<Verdict, usize>> = BTreeMap::new();
    for case in &run.correlation.cases {
        let verdicts = upstreams.entry(upstream(run, case)).or_default();
        *verdicts.entry(case.verdict).or_default() += 1;
    }
    if upstreams.is_empty() {
        return Ok(());
    }
    let mut ranked: Vec<(String, usize, BTreeMap<Verdict, usize>)> = upstreams
        .into_iter()
        .map(|(peer, verdicts)| {
            let name = peer.map_or_else(|| "no address in the line".into(), |p| p.to_string());
            (name, verdicts.values().sum(), verdicts)
        })
        .collect();
    ranked.sort_by_key(|(_, count, _)| Reverse(*count));
    page.heading("WHERE")?;
    let wide = ranked.iter().take(UPSTREAMS_SHOWN).map(|r| columns(&r.0)).max().unwrap_or(0);
    for (name, count, verdicts) in ranked.iter().take(UPSTREAMS_SHOWN) {
        let left = wide + 12;
        let room = page.width().saturating_sub(left).max(20);
        for (i, line) in wrap(&summary(verdicts), room, 0).iter().enumerate() {
            let head = match i {
                0 => format!("  {name:<wide$}{:>8}  ", grouped(*count as u64)),
                _ => " ".repeat(left),
            };
            page.line(&[plain(head), inked(line.as_str(), Ink::Faint)])?;
        }
    }
    let others = ranked.get(UPSTREAMS_SHOWN..).unwrap_or_default();
    if !others.is_empty() {
        let count: usize = others.iter().map(|r| r.1).sum();
        let name = plural(others.len() as u64, "other");
        page.line(&[plain(format!("  {name:<wide$}{:>8}", grouped(count as u64)))])?;
    }
    Ok(())
}

/// The upstream that the line names, or that its only attempt went to.
fn upstream(run: &Run<'_>, case: &Case) -> Option<Endpoint> {
    let named = run.timeouts.get(case.timeout).and_then(|t| t.peer);
    named.or_else(|| match case.candidates.as_slice() {
        [only] => run.merged.attempts.get(only.attempt).map(|a| a.flow().server),
        _ => None,
    })
}

fn summary(verdicts: &BTreeMap<Verdict, usize>) -> String {
    if let (1, Some(only)) = (verdicts.len(), verdicts.keys().next()) {
        return words::label(*only).to_owned();
    }
    let mut ranked: Vec<_> = verdicts.iter().collect();
    ranked.sort_by_key(|(_, count)| Reverse(**count));
    let parts: Vec<String> =
        ranked.iter().map(|(v, n)| format!("{} {}", n, words::label(**v))).collect();
    parts.join(", ")
}

fn when(run: &Run<'_>, period: Interval, page: &mut Page<'_>) -> io::Result<()> {
    let clock = LocalClock { offset_seconds: run.zone.offset_seconds };
    let room = page.width().saturating_sub(24).clamp(8, 60);
    let seconds = period.length().nanos() / 1_000_000_000;
    let fits = |step: &&i64| seconds / **step < i64::try_from(room).unwrap_or(60);
    let step = STEPS.iter().find(fits).copied().unwrap_or_else(|| {
        // Years of logs: whole days, as many as it takes.
        (seconds / i64::try_from(room).unwrap_or(60) / 86_400 + 1) * 86_400
    });
    let count = usize::try_from(seconds / step + 1).unwrap_or(1).min(room + 1);
    let mut buckets = vec![0_usize; count];
    for timeout in run.timeouts {
        let after = timeout.logged.start().since(period.start()).nanos() / 1_000_000_000 / step;
        if let Some(bucket) = usize::try_from(after).ok().and_then(|i| buckets.get_mut(i)) {
            *bucket += 1;
        }
    }
    let Some((at, &peak)) = buckets.iter().enumerate().max_by_key(|(i, n)| (**n, Reverse(*i)))
    else {
        return Ok(());
    };
    let peak_from =
        period.start() + Span::from_secs(step.saturating_mul(i64::try_from(at).unwrap_or(0)));
    page.heading("WHEN")?;
    page.line(&[plain(format!(
        "  {} {} {}",
        clock.time(period.start()),
        sparkline(&buckets, peak),
        clock.time(period.end())
    ))])?;
    let each = whole(step);
    let text = format!(
        "one column is {each}; peak {} from {}",
        grouped(peak as u64),
        clock.date_time(peak_from)
    );
    page.line(&[plain("  "), inked(text, Ink::Faint)])
}

/// Seconds as a round number of the largest unit.
fn whole(seconds: i64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// `.` where nothing happened.
fn sparkline(buckets: &[usize], peak: usize) -> String {
    let levels = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    buckets
        .iter()
        .map(|&n| match n {
            0 => '.',
            n => levels.get((n * 8).div_ceil(peak.max(1)) - 1).copied().unwrap_or('█'),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn a_sparkline_shows_silence_and_peak() {
        assert_eq!(sparkline(&[0, 1, 8, 4], 8), ".▁█▄");
        assert_eq!(sparkline(&[1], 1), "█");
        assert_eq!(sparkline(&[0], 0), ".");
    }
}
