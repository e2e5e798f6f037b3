//! What is not sure, why, and what would settle it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use why504_correlate::{Case, Doubt, Settles};

use crate::counted::{Counted, by_upstream};
use crate::moment::{grouped, plural};
use crate::page::Page;
use crate::run::Run;
use crate::style::Ink;

/// Upstreams that are listed with their own counts.
const UPSTREAMS: usize = 8;

pub(super) fn print(run: &Run<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let unsure: Vec<&Case> = run.correlation.cases.iter().filter(|c| !c.grade.is_sure()).collect();
    if unsure.is_empty() {
        return Ok(());
    }
    let undecided = unsure.iter().filter(|c| c.verdict.is_undecided()).count();
    page.heading("NOT SURE, AND WHAT WOULD SETTLE IT")?;
    page.wrapped(
        2,
        2,
        &format!(
            "{} of {} cases: {} undecided, {} that fit but are not proven.",
            grouped(unsure.len() as u64),
            grouped(run.correlation.cases.len() as u64),
            grouped(undecided as u64),
            grouped((unsure.len() - undecided) as u64)
        ),
        Ink::Unsure,
    )?;
    counted_together(run, page)?;
    for (settles, count) in ranked(unsure.iter().flat_map(|c| settled_by(c))) {
        page.wrapped(2, 10, &row(count, settles.words()), Ink::Plain)?;
    }
    let doubts = unsure.iter().filter_map(|c| c.doubt).map(Doubt::words);
    for (words, count) in ranked(doubts) {
        page.wrapped(2, 10, &row(count, &format!("less sure because {words}")), Ink::Faint)?;
    }
    Ok(())
}

/// Lines that cannot be told apart are counted all the same.
fn counted_together(run: &Run<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let upstreams = by_upstream(run);
    let all = Counted::of(run.correlation.groups.iter());
    if all.lines > 0 {
        page.wrapped(2, 2, "Lines that cannot be told apart, counted together:", Ink::Plain)?;
    }
    for (peer, counted) in upstreams.iter().filter(|(_, c)| c.lines > 0).take(UPSTREAMS) {
        page.wrapped(4, 4, &counted.words(*peer), Ink::Plain)?;
    }
    if upstreams.len() > UPSTREAMS {
        page.wrapped(4, 4, &format!("in all {}", all.words(None)), Ink::Plain)?;
    }
    if all.uncounted > 0 {
        let text =
            format!("{} more, which contradict each other", plural(all.uncounted as u64, "line"));
        page.wrapped(4, 4, &text, Ink::Plain)?;
    }
    for note in all.notes() {
        page.wrapped(4, 2, note, Ink::Faint)?;
    }
    Ok(())
}

fn row(count: usize, words: &str) -> String {
    // A no-break space keeps the count in its column when the line is wrapped.
    format!("{:\u{a0}>6}\u{a0}\u{a0}{words}", grouped(count as u64).replace(' ', "\u{a0}"))
}

fn settled_by(case: &Case) -> BTreeSet<Settles> {
    case.alternatives.iter().map(|a| a.2).collect()
}

/// The most frequent first; equal ones in their own order.
fn ranked<T: Ord>(items: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    let mut ranked: Vec<(T, usize)> = counts.into_iter().collect();
    ranked.sort_by_key(|(_, count)| Reverse(*count));
    ranked
}
