//! The log line, and how it was joined with packets: every number of the arithmetic.

use std::io;

use why504_correlate::{Basis, Case, LogClock, Verdict};
use why504_model::Span;

use crate::counted::{Counted, group_of};
use crate::limit;
use crate::moment::{LocalClock, duration};
use crate::page::{Page, inked, plain};
use crate::run::Run;
use crate::style::Ink;

const CANDIDATES_SHOWN: usize = 12;
/// A request longer than this is cut: its beginning tells which one it was.
const TEXT_MAX: usize = 400;

fn clock(run: &Run<'_>) -> LocalClock {
    LocalClock { offset_seconds: run.zone.offset_seconds }
}

pub(super) fn log_line(run: &Run<'_>, case: &Case, page: &mut Page<'_>) -> io::Result<()> {
    let Some(timeout) = run.timeouts.get(case.timeout) else { return Ok(()) };
    page.heading("THE LOG LINE")?;
    let captures = run.captures();
    let place = format!("{}:{}", captures.file(timeout.location), timeout.location.record);
    page.field(2, "file", &place)?;
    let start = clock(run).date_time(timeout.logged.start());
    let worker = timeout.worker.map_or_else(String::new, |pid| format!(", worker {pid}"));
    let connection = timeout.connection.map_or_else(String::new, |n| format!(", *{n}"));
    page.field(2, "time", &format!("{start} {}{worker}{connection}", clock(run).name()))?;
    page.field(2, "kind", timeout.kind.name())?;
    if let Some(text) = run.texts.get(case.timeout) {
        for (label, value) in [
            ("message", &text.message),
            ("client", &text.client),
            ("server", &text.server),
            ("request", &text.request),
            ("host", &text.host),
        ] {
            if !value.is_empty() {
                page.field(2, label, &crate::visible::cut(value, TEXT_MAX))?;
            }
        }
    }
    let peer = timeout.peer.map_or_else(|| "not named in the line".to_owned(), |p| p.to_string());
    page.field(2, "upstream", &peer)?;
    if let Some(access) = run.access.get(case.timeout).and_then(Option::as_ref) {
        let status = access.status.map_or_else(|| "-".to_owned(), |s| s.to_string());
        let took = access.request_time.map_or_else(|| "-".to_owned(), duration);
        let place = format!("{}:{}", captures.file(access.location), access.location.record);
        page.field(2, "access", &format!("{place}, status {status}, request time {took}"))?;
    }
    Ok(())
}

/// Said of a line that its connection number has placed.
const NUMBERED: &str = "nginx counts connections: the line's *N, held against those of its neighbours, says \
                        which of the host's connects it was";

/// Said of a line for which there was no room in the assignment.
const NOT_ASSIGNED: &str = "no: so many attempts fit so many lines of this upstream that they were not held \
                            against each other; any that fits may be another line's";

pub(super) fn join(run: &Run<'_>, case: &Case, page: &mut Page<'_>) -> io::Result<()> {
    let Some(timeout) = run.timeouts.get(case.timeout) else { return Ok(()) };
    let clock = clock(run);
    let window = case.join.window;
    page.heading("HOW IT WAS JOINED WITH PACKETS")?;
    let logged = format!(
        "{} to {} (exclusive)",
        clock.precise(timeout.logged.start()),
        clock.precise(timeout.logged.end())
    );
    page.field(2, "logged", &logged)?;
    let waited = match limit::of_case(run, case, timeout) {
        Some(limit) => {
            format!("{}, from {}", duration(limit::nominal(&limit)), limit.source.name())
        }
        None => "unknown; any length up to 75 s was considered".to_owned(),
    };
    page.field(2, "timeout", &waited)?;
    let basis = match window.basis {
        Basis::AccessLog => "the access log's millisecond times",
        Basis::ErrorLogSecond => "the line's second minus the timeout",
        Basis::Inferred => "the line's second; no timeout is known",
    };
    let mut sought = format!(
        "{} to {}: {basis}",
        clock.precise(window.within.start()),
        clock.precise(window.within.end())
    );
    if window.widened_by > Span::ZERO {
        sought.push_str(&format!(", {} wider than these say", duration(window.widened_by)));
    }
    page.field(2, "first SYN", &sought)?;
    if case.join.numbered {
        page.field(2, "number", NUMBERED)?;
    }
    if !case.join.assigned {
        page.field(2, "assigned", NOT_ASSIGNED)?;
    }
    let clocks = match case.join.clock {
        LogClock::SameHost => "log and gateway's capture come from one host".to_owned(),
        aligned @ LogClock::Aligned { votes, .. } => {
            format!("capture minus log is {}, by {votes} pairs", duration(aligned.skew(timeout)))
        }
        LogClock::Unknown => "log and capture were not shown to agree; taken as equal".to_owned(),
    };
    page.field(2, "clocks", &clocks)?;
    let fit = match case.fitting {
        0 => "no attempt".to_owned(),
        1 => "exactly one attempt".to_owned(),
        n => format!("{n} attempts; probability of the verdict {:.2}", case.probability),
    };
    page.field(2, "fits", &fit)?;
    let group = group_of(run, case.timeout).filter(|group| !group.counts.is_empty());
    let Some(counted) = group.map(|group| Counted::of(std::iter::once(group))) else {
        return Ok(());
    };
    page.field(2, "together", &counted.words(None))?;
    for note in counted.notes() {
        page.field(2, "", note)?;
    }
    Ok(())
}

/// The candidates side by side, where there are several.
pub(super) fn candidates(run: &Run<'_>, case: &Case, page: &mut Page<'_>) -> io::Result<()> {
    if case.candidates.len() < 2 {
        return Ok(());
    }
    let heading = if case.verdict == Verdict::Ambiguous {
        "THE ATTEMPTS THAT FIT, AND WHAT BECAME OF EACH"
    } else {
        "THE ATTEMPTS THAT FIT: THEY SHARE ONE FATE"
    };
    page.heading(heading)?;
    page.line(&[inked(
        format!(
            "  {:>5}  {:<15}  {:>10}  {:>5}  {}",
            "port", "first SYN", "ISN", "share", "outcome"
        ),
        Ink::Faint,
    )])?;
    for candidate in case.candidates.iter().take(CANDIDATES_SHOWN) {
        let Some(attempt) = run.merged.attempts.get(candidate.attempt) else { continue };
        let judgement = &candidate.judgement;
        page.line(&[
            plain(format!(
                "  {:>5}  {:<15}  {:>10}  {:>4.0}%  ",
                attempt.flow().client.port,
                clock(run).precise(attempt.first_syn()),
                attempt.isn().0,
                candidate.share * 100.0
            )),
            inked(
                format!("{} {}", judgement.verdict().name(), judgement.grade.name()),
                Ink::Strong,
            ),
            inked(format!("  {}", attempt.nearest().history()), Ink::Faint),
        ])?;
    }
    let more = case.fitting.saturating_sub(CANDIDATES_SHOWN);
    if more > 0 {
        page.line(&[inked(format!("  and {more} more"), Ink::Faint)])?;
    }
    page.line(&[inked("  the first of them is shown below", Ink::Faint)])
}
