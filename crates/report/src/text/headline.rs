//! The first sentence: what a tired person has to know.

use std::io;

use why504_correlate::Grade;

use super::classes::{Class, way};
use crate::moment::grouped;
use crate::page::{Page, inked};
use crate::run::Run;
use crate::style::Ink;
use crate::words;

pub(super) fn print(run: &Run<'_>, classes: &[Class<'_>], page: &mut Page<'_>) -> io::Result<()> {
    page.line(&[inked(run.tool, Ink::Faint)])?;
    page.blank()?;
    let (sentence, ink) = sentence(run, classes);
    page.wrapped(0, 0, &sentence, ink)?;
    page.blank()
}

fn sentence(run: &Run<'_>, classes: &[Class<'_>]) -> (String, Ink) {
    let total = run.timeouts.len();
    if total == 0 {
        return (healthy(run), Ink::Sure);
    }
    let undecided: usize =
        classes.iter().filter(|c| c.verdict.is_undecided()).map(Class::count).sum();
    let leading = classes.first();
    let Some(class) = leading else {
        return (
            format!(
                "{}: each a read timeout on a connection whose handshake is not to blame.",
                capital(&share(total, total))
            ),
            Ink::Plain,
        );
    };
    let between = way(run, class.between);
    let mut text = format!(
        "{}: {}, {}.",
        words::sentence(class.verdict, between),
        share(class.count(), total),
        surety(class)
    );
    let decided = classes.iter().find(|c| !c.verdict.is_undecided());
    match decided {
        Some(best) if class.verdict.is_undecided() => text.push_str(&format!(
            " {} decided, most of them \"{}\" ({}).",
            are(run.correlation.cases.len() - undecided),
            words::label(best.verdict),
            grouped(best.count() as u64)
        )),
        _ if undecided > 0 && !class.verdict.is_undecided() => {
            text.push_str(&format!(" {} undecided.", are(undecided)));
        }
        _ => {}
    }
    (text, if class.verdict.is_loss() { Ink::Loss } else { Ink::Strong })
}

fn healthy(run: &Run<'_>) -> String {
    let lines = grouped(run.log_lines.total);
    let attempts = run.totals.attempts;
    let mut text = match run.log_lines.total {
        0 => "No log line was read, so there is no timeout to explain".to_owned(),
        1 => "No timeouts: 1 log line reports none".to_owned(),
        _ => format!("No timeouts: {lines} log lines report none"),
    };
    if attempts > 0 {
        text.push_str(&format!(
            "; {} connect attempts, {} saved by a repeated SYN or SYN+ACK",
            grouped(attempts),
            grouped(run.totals.near_misses)
        ));
    }
    text.push('.');
    text
}

/// `27 of 200 timeouts`, `all 200 timeouts`, `the only timeout`.
fn share(count: usize, total: usize) -> String {
    match (count, total) {
        (_, 1) => "the only timeout".to_owned(),
        (count, total) if count == total => format!("all {} timeouts", grouped(total as u64)),
        _ => format!("{} of {} timeouts", grouped(count as u64), grouped(total as u64)),
    }
}

fn are(count: usize) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{} are", grouped(count as u64)) }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// How sure the cases of a class are, in words.
fn surety(class: &Class<'_>) -> String {
    let (all, proven, signature) =
        (class.count(), class.graded(Grade::Proven), class.graded(Grade::Signature));
    if proven == all {
        "proven by packets".to_owned()
    } else if signature == all {
        "shown by a pattern that only this makes".to_owned()
    } else if proven + signature == all {
        format!("{proven} proven by packets, {signature} by a pattern that only this makes")
    } else if proven + signature > 0 {
        format!("{} of them sure", proven + signature)
    } else if class.verdict.is_undecided() {
        "cause open".to_owned()
    } else {
        "which fits the packets and is not proven".to_owned()
    }
}

/// How sure one case is, in words.
pub(crate) const fn surety_of(grade: Grade) -> &'static str {
    match grade {
        Grade::Proven => "proven: seen leaving one point and missing at the next, both covered",
        Grade::Signature => "signature: one side shows a pattern that only this cause makes",
        Grade::Consistent => "consistent: it fits, and something else fits as well",
        Grade::Ambiguous => "ambiguous: several attempts fit, and they disagree",
    }
}
