//! `why504 timeouts`: what the logs report, without captures.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::ending::by_log;
use crate::limit;
use crate::moment::{LocalClock, duration, grouped};
use crate::page::{Page, inked, plain};
use crate::run::Run;
use crate::style::{Ink, Style};

/// Every logged timeout, no captures needed.
pub fn timeouts(run: &Run<'_>, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(*style, out);
    let clock = LocalClock { offset_seconds: run.zone.offset_seconds };
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for (i, timeout) in run.timeouts.iter().enumerate() {
        *kinds.entry(timeout.kind.name()).or_default() += 1;
        let peer = timeout.peer.map_or_else(|| "-".to_owned(), |p| p.to_string());
        let limit = limit::longest(timeout)
            .map_or_else(|| "-".to_owned(), |l| duration(limit::nominal(&l)));
        page.row(&[
            plain(clock.date_time(timeout.logged.start())),
            plain(format!("  {peer:<21}  {limit:>8}  ")),
            inked(format!("{:<24}", timeout.kind.name()), Ink::Strong),
            inked(format!("  {}  ", run.log_place(timeout.location)), Ink::Faint),
            plain(run.texts.get(i).unwrap_or_default().message),
        ])?;
    }
    if run.timeouts.is_empty() {
        page.line(&[plain("No timeouts.")])?;
    }
    page.blank()?;
    for (kind, count) in kinds {
        page.line(&[plain(format!("{:>9}  {kind}", grouped(count)))])?;
    }
    page.line(&[plain(format!("{:>9}  in all", grouped(run.timeouts.len() as u64)))])?;
    let lines = run.log_lines;
    page.wrapped(
        0,
        2,
        &format!(
            "{} log lines = {} cases + {} other + {} unparsed; times in {} ({}, {})",
            grouped(lines.total),
            grouped(lines.cases),
            grouped(lines.other),
            grouped(lines.unparsed),
            clock.name(),
            run.zone.name,
            run.zone.chosen
        ),
        Ink::Faint,
    )?;
    match run.totals.logged_504.filter(|logged| logged.total > 0) {
        Some(logged) => page.wrapped(0, 2, &format!("504s: {}", by_log(logged)), Ink::Faint),
        None => Ok(()),
    }
}
