//! `why504 handshakes`: one line an attempt, as it closes, and what they add up to.

use std::io::{self, Write};

use why504_correlate::{Grade, Judgement, Verdict};
use why504_handshake::Attempt;

use super::ending::not_used;
use super::losses::percent;
use super::rates;
use crate::moment::{LocalClock, duration, grouped};
use crate::ndjson::{connect_time, is_near_miss};
use crate::page::{Page, inked, plain};
use crate::run::{Captures, Run, ZoneInfo};
use crate::style::{Ink, Style};
use crate::words;

/// Heading of the list of attempts.
pub fn handshakes_header(style: &Style, out: &mut dyn Write) -> io::Result<()> {
    Page::new(*style, out).line(&[inked(
        format!(
            "{:<12}  {:<OUTCOME$}  {}",
            "first SYN", "outcome", "who asked whom, what each point saw"
        ),
        Ink::Strong,
    )])
}

/// What became of an attempt comes before who it was: a narrow terminal cuts lines at their ends.
const OUTCOME: usize = 26;

/// One attempt of `why504 handshakes`, when it closes.
pub fn handshake(
    captures: &Captures<'_>,
    zone: &ZoneInfo,
    attempt: &Attempt,
    judgement: &Judgement,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let page = &mut Page::new(*style, out);
    let clock = LocalClock { offset_seconds: zone.offset_seconds };
    let flow = attempt.flow();
    let near_miss = is_near_miss(attempt, judgement);
    let verdict = judgement.verdict();
    let ink = match verdict {
        Verdict::Connected if near_miss => Ink::Unsure,
        Verdict::Connected => Ink::Sure,
        v if v.is_loss() => Ink::Loss,
        _ => Ink::Unsure,
    };
    let grade = if near_miss { "near miss" } else { short(judgement.grade) };
    let mut rest = format!("{} > {}", flow.client, flow.server);
    for sighting in attempt.sightings() {
        rest.push_str("  ");
        if captures.points.len() > 1 {
            rest.push_str(&format!("{} ", captures.point(sighting.point)));
        }
        rest.push_str(&sighting.history());
    }
    if let Some(span) = connect_time(attempt) {
        rest.push_str(&format!("  connected in {}", duration(span)));
    }
    if let Some(mechanism) = judgement.mechanism {
        rest.push_str(&format!("  {}", mechanism.name()));
    }
    page.row(&[
        plain(format!("{:<12}  ", clock.millis(attempt.first_syn()))),
        inked(format!("{:<OUTCOME$}  ", format!("{} {grade}", verdict.name())), ink),
        plain(rest),
    ])
}

/// The grades as the report's table heads them.
const fn short(grade: Grade) -> &'static str {
    match grade {
        Grade::Proven => "proven",
        Grade::Signature => "sign.",
        Grade::Consistent => "fits",
        Grade::Ambiguous => "-",
    }
}

/// What follows the list of attempts.
pub fn handshakes_summary(run: &Run<'_>, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(*style, out);
    let totals = run.totals;
    page.blank()?;
    for (verdict, count) in &totals.attempts_by_verdict {
        let label = match verdict {
            // No timeout was logged that something slow would have to explain.
            Verdict::Connected => "connected",
            verdict => words::label(*verdict),
        };
        page.line(&[plain(format!("{:>9}  {label}", grouped(*count)))])?;
    }
    let share = percent(
        usize::try_from(totals.near_misses).unwrap_or(usize::MAX),
        usize::try_from(totals.attempts).unwrap_or(usize::MAX),
    );
    page.line(&[plain(format!("{:>9}  connect attempts in all", grouped(totals.attempts)))])?;
    page.line(&[plain(format!(
        "{:>9}  near misses ({share}%): saved by a repeated SYN or SYN+ACK",
        grouped(totals.near_misses)
    ))])?;
    page.line(&[plain(format!("{:>9}  packets", grouped(totals.packets)))])?;
    for line in rates::lines(run) {
        page.wrapped(11, 2, &line, Ink::Plain)?;
    }
    not_used(run, page)
}
