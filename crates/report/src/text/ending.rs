//! The end of the report: 504s, near misses, what was skipped, and the next commands.

use std::io;

use why504_correlate::Verdict;

use super::classes::Class;
use super::example::example;
use super::losses::percent;
use super::rates;
use crate::moment::{grouped, plural};
use crate::page::{Page, inked};
use crate::run::{Logged504, Run};
use crate::style::Ink;
use crate::visible::visible;

const LISTED: usize = 8;
/// Inputs are repeated in the commands up to this length; beyond it a person knows them.
const ARGUMENTS_MAX: usize = 400;

pub(super) fn print(
    run: &Run<'_>,
    classes: &[Class<'_>],
    ids: &[String],
    page: &mut Page<'_>,
) -> io::Result<()> {
    seen_by_users(run, page)?;
    not_used(run, page)?;
    next(run, classes, ids, page)
}

fn seen_by_users(run: &Run<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let totals = run.totals;
    if totals.http_504.is_none() && totals.attempts == 0 {
        return Ok(());
    }
    page.heading("BESIDES")?;
    if let Some(seen) = totals.http_504 {
        let text = format!(
            "{} = {} explained by a lost handshake packet + {} by something else + {} undecided",
            grouped(seen.total),
            grouped(seen.explained),
            grouped(seen.other),
            grouped(seen.undecided)
        );
        page.field(2, "504s", &text)?;
    }
    if let Some(logged) = totals.logged_504.filter(|logged| logged.total > 0) {
        page.field(2, "", &by_log(logged))?;
    }
    if totals.attempts > 0 {
        let share = percent(
            usize::try_from(totals.near_misses).unwrap_or(usize::MAX),
            usize::try_from(totals.attempts).unwrap_or(usize::MAX),
        );
        let text = format!(
            "{} of {} connect attempts ({share}%) succeeded only after a SYN or SYN+ACK was \
             repeated",
            grouped(totals.near_misses),
            grouped(totals.attempts)
        );
        page.field(2, "near miss", &text)?;
    }
    for (i, line) in rates::lines(run).iter().enumerate() {
        page.field(2, if i == 0 { "lost" } else { "" }, line)?;
    }
    let parts: Vec<String> = totals
        .packet_tally
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{} {name}", grouped(*count)))
        .collect();
    if !parts.is_empty() {
        let text = format!("{} = {}", grouped(totals.packets), parts.join(" + "));
        page.field(2, "packets", &text)?;
    }
    Ok(())
}

/// `12 = 8 with a line in an error log + 4 in the access log alone`.
pub(super) fn by_log(logged: Logged504) -> String {
    let parts = [
        (logged.with_error_line, "with a line in an error log"),
        (logged.access_504, "that the access log alone tells of"),
        (logged.without_upstream, "answered without an upstream"),
        (logged.after_connect, "after the connect"),
        (logged.untold, "of which the access line does not tell"),
        (logged.copies, "logged twice"),
        (logged.beyond, "beyond what is kept"),
    ];
    let counted: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    format!("{} = {}", grouped(logged.total), counted.join(" + "))
}

pub(super) fn not_used(run: &Run<'_>, page: &mut Page<'_>) -> io::Result<()> {
    let totals = run.totals;
    if totals.skipped.is_empty() && totals.diagnostics.is_empty() {
        return Ok(());
    }
    page.heading("SKIPPED OR DAMAGED")?;
    for skipped in totals.skipped.iter().take(LISTED) {
        page.wrapped(2, 4, &format!("{}: {}", skipped.path, skipped.reason), Ink::Unsure)?;
    }
    more(totals.skipped.len(), "skipped input", page)?;
    for note in totals.diagnostics.iter().take(LISTED) {
        let mut text = note.path.clone();
        if note.record > 0 {
            text.push_str(&format!(":{}", note.record));
        }
        if let Some(offset) = note.offset {
            text.push_str(&format!(" at byte {offset}"));
        }
        let place = if text.is_empty() { text } else { format!("{text}: ") };
        page.wrapped(2, 4, &format!("{place}{}", note.message), Ink::Unsure)?;
    }
    more(totals.diagnostics.len(), "finding", page)
}

fn more(count: usize, noun: &str, page: &mut Page<'_>) -> io::Result<()> {
    match count.saturating_sub(LISTED) {
        0 => Ok(()),
        n => page.line(&[inked(
            format!("  and {} more (all are in --format ndjson)", plural(n as u64, noun)),
            Ink::Faint,
        )]),
    }
}

fn next(
    run: &Run<'_>,
    classes: &[Class<'_>],
    ids: &[String],
    page: &mut Page<'_>,
) -> io::Result<()> {
    let shown = example(run, classes).map(|(_, case, _)| case);
    let first = shown.or_else(|| run.correlation.cases.first());
    let Some(id) = first.and_then(|case| ids.get(case.timeout)) else { return Ok(()) };
    page.heading("NEXT")?;
    page.command(2, &format!("why504 explain {id} {}", arguments(run)))?;
    page.command(2, &format!("why504 -o cases.ndjson {}", arguments(run)))?;
    let for_want_of_one =
        |class: &Class<'_>| matches!(class.verdict, Verdict::NoReply | Verdict::NotCaptured);
    if classes.iter().any(for_want_of_one) {
        page.command(2, "why504 recipe # the captures that settle it next time")?;
    }
    Ok(())
}

/// The arguments as they are typed in a shell.
pub(crate) fn arguments(run: &Run<'_>) -> String {
    let quoted: Vec<String> = run.arguments.iter().map(|argument| quoted(argument)).collect();
    let text = quoted.join(" ");
    if text.len() > ARGUMENTS_MAX || text.is_empty() { "PATH...".to_owned() } else { text }
}

/// A path as one word of a shell, made visible; with hidden characters it is shown, not usable.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._/-+=:@%,".contains(c);
    let safe = visible(path);
    if !safe.is_empty() && safe.chars().all(plain) {
        safe.into_owned()
    } else {
        format!("'{}'", safe.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        for (path, word) in [
            ("/var/log/nginx", "/var/log/nginx"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("a\nb", "'a\\x0ab'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(path), word);
        }
    }
}
