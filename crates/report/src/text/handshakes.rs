//! `why504 handshakes`: one line an attempt, as it closes, and what they add up to.

use std::io::{self, Write};

use why504_correlate::Judgement;
use why504_handshake::Attempt;

use super::ending::not_used;
use super::losses::percent;
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
            "{:<16} {:<21}   {:<21} {:>9}  {}",
            "first SYN", "client", "server", "connect", "outcome"
        ),
        Ink::Strong,
    )])
}

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
    let connect = connect_time(attempt).map_or_else(|| "-".to_owned(), duration);
    let near_miss = is_near_miss(attempt, judgement);
    let verdict = judgement.verdict();
    let ink = match verdict {
        why504_correlate::Verdict::Connected if near_miss => Ink::Unsure,
        why504_correlate::Verdict::Connected => Ink::Sure,
        v if v.is_loss() => Ink::Loss,
        _ => Ink::Unsure,
    };
    let mut outcome = verdict.name().to_owned();
    if let Some(mechanism) = judgement.mechanism {
        outcome.push_str(&format!("/{}", mechanism.name()));
    }
    outcome.push_str(&format!(" {}", judgement.grade.name()));
    let miss = if near_miss { " near miss" } else { "" };
    let history: Vec<String> = attempt
        .sightings()
        .map(|s| format!("{} {}", captures.point(s.point), s.history()))
        .collect();
    page.line(&[
        plain(format!("{:<16} ", clock.precise(attempt.first_syn()))),
        plain(format!("{:<21} > {:<21} ", flow.client.to_string(), flow.server.to_string())),
        plain(format!("{connect:>9}  ")),
        inked(format!("{outcome}{miss}"), ink),
        inked(format!("  {}", history.join(", ")), Ink::Faint),
    ])
}

/// What follows the list of attempts.
pub fn handshakes_summary(run: &Run<'_>, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(*style, out);
    let totals = run.totals;
    page.blank()?;
    for (verdict, count) in &totals.attempts_by_verdict {
        page.line(&[plain(format!("{:>9}  {}", grouped(*count), words::label(*verdict)))])?;
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
    not_used(run, page)
}
