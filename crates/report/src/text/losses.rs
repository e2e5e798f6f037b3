//! The table of what was lost. Its rows add up to all timeouts.

use std::io;

use why504_correlate::{Grade, Mechanism, Verdict};

use super::classes::{Class, way};
use crate::moment::grouped;
use crate::page::{Page, Piece, inked, plain, wrap};
use crate::run::Run;
use crate::style::Ink;
use crate::words;

/// Columns of count, share and bar, and of the three grades.
const COUNTS: usize = 14;
const BAR: usize = 6;
const GRADES: usize = 19;

pub(super) fn print(run: &Run<'_>, classes: &[Class<'_>], page: &mut Page<'_>) -> io::Result<()> {
    let label = label_width(page);
    page.blank()?;
    page.line(&[
        inked(format!("{:<w$}", "WHAT WAS LOST", w = label + 2), Ink::Strong),
        inked(format!("{:>7}{:>7} {:BAR$} ", "count", "share", ""), Ink::Faint),
        inked(format!("{:>7}{:>6}{:>6}", "proven", "sign.", "fits"), Ink::Faint),
    ])?;
    let total = run.timeouts.len();
    for class in classes {
        row(run, class, total, label, page)?;
    }
    let unrelated = run.correlation.unrelated.len();
    if unrelated > 0 {
        let name = "not a handshake: read timeouts later on";
        numbers(name, Ink::Plain, unrelated, total, None, label, page)?;
    }
    page.line(&[plain(" ".repeat(label + 2)), inked(" ──────", Ink::Faint)])?;
    page.line(&[
        plain(" ".repeat(label + 2)),
        inked(format!("{:>7}", grouped(total as u64)), Ink::Strong),
        plain("  = all timeouts"),
    ])?;
    page.wrapped(
        2,
        0,
        "proven: seen leaving one point and missing at the next; sign.: a pattern that only this \
         makes; fits: fits, and something else fits as well",
        Ink::Faint,
    )
}

fn label_width(page: &Page<'_>) -> usize {
    page.width().saturating_sub(2 + COUNTS + 1 + BAR + 1 + GRADES).clamp(10, 60)
}

fn row(
    run: &Run<'_>,
    class: &Class<'_>,
    total: usize,
    label: usize,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let mut name = words::label(class.verdict).to_owned();
    if let Some((from, to)) = way(run, class.between) {
        name.push_str(&format!(", {from} → {to}"));
    }
    let ink = match class.verdict {
        v if v.is_loss() => Ink::Loss,
        v if v.is_undecided() => Ink::Unsure,
        _ => Ink::Plain,
    };
    numbers(&name, ink, class.count(), total, Some(class), label, page)?;
    for (mechanism, count) in class.mechanisms() {
        let mut name =
            format!("of these {}: {}", grouped(count as u64), words::mechanism(mechanism));
        if mechanism == Mechanism::Mixed
            && let Some(exchange) = class.copies(mechanism)
        {
            name.push_str(&format!(" ({})", words::copies(exchange)));
        }
        page.wrapped(4, 2, &name, Ink::Faint)?;
    }
    Ok(())
}

fn numbers(
    name: &str,
    ink: Ink,
    count: usize,
    total: usize,
    class: Option<&Class<'_>>,
    label: usize,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let name = crate::visible::visible(name);
    let lines = wrap(&name, label, 2);
    for (i, line) in lines.iter().enumerate() {
        let hang = if i == 0 { 2 } else { 4 };
        let mut pieces = vec![plain(" ".repeat(hang)), inked(line.as_str(), ink)];
        if i + 1 == lines.len() {
            let used = hang + crate::visible::columns(line);
            pieces.push(plain(" ".repeat((label + 2).saturating_sub(used))));
            pieces.push(plain(format!(
                "{:>7}{:>6}% {:<BAR$} ",
                grouped(count as u64),
                percent(count, total),
                bar(count, total, BAR)
            )));
            pieces.extend(class.map(grades).unwrap_or_default());
        }
        page.line(&pieces)?;
    }
    Ok(())
}

fn grades(class: &Class<'_>) -> Vec<Piece> {
    if class.verdict == Verdict::Ambiguous {
        return Vec::new();
    }
    [
        (Grade::Proven, 7, Ink::Sure),
        (Grade::Signature, 6, Ink::Sure),
        (Grade::Consistent, 6, Ink::Unsure),
    ]
    .into_iter()
    .map(|(grade, width, ink)| match class.graded(grade) {
        0 => inked(format!("{:>width$}", "-"), Ink::Faint),
        n => inked(format!("{:>width$}", grouped(n as u64)), ink),
    })
    .collect()
}

/// Share with one digit after the point.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn percent(part: usize, whole: usize) -> String {
    format!("{:.1}", 100.0 * part as f64 / whole.max(1) as f64)
}

/// A bar of at most `width` columns in steps of an eighth; never empty where something is.
fn bar(part: usize, whole: usize, width: usize) -> String {
    let eighths = (part * width * 8).div_ceil(whole.max(1)).min(width * 8);
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied().unwrap_or("");
    format!("{}{rest}", "█".repeat(eighths / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_shares() {
        assert_eq!(bar(200, 200, 6), "██████");
        assert_eq!(bar(1, 2000, 6), "▏");
        assert_eq!(bar(0, 10, 6), "");
        assert_eq!(bar(0, 0, 6), "");
        assert_eq!(percent(27, 200), "13.5");
        assert_eq!(percent(0, 0), "0.0");
    }
}
