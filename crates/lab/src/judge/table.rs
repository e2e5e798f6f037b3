//! The judgement as text for the terminal.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::limits::share;
use super::{Judgement, Limits, Mode, Score};

/// Lines of one list of faults that are printed; the JSON holds them all.
const SHOWN: usize = 20;

/// Everything about `judgements`, mode by mode: a line per set, totals, wrong verdicts in full,
/// what truth got which verdict.
pub fn render(judgements: &[Judgement], limits: &Limits) -> String {
    let mut text = String::new();
    for mode in Mode::ALL {
        let of_mode: Vec<&Judgement> = judgements.iter().filter(|j| j.mode == mode).collect();
        if of_mode.is_empty() {
            continue;
        }
        let _ = writeln!(text, "mode {}", mode.name());
        let _ = writeln!(
            text,
            "  {:<18} {:>6} {:>13} {:>7} {:>7} {:>13} {:>6} {:>12} {:>6}",
            "set",
            "exact",
            "right, sure",
            "right",
            "WRONG",
            "one attempt",
            "WRONG",
            "evidence",
            "s"
        );
        for judgement in &of_mode {
            row(&mut text, &judgement.set, &judgement.score);
        }
        let total = limits.total(judgements, mode, false);
        let apart = limits.total(judgements, mode, true);
        if total.exact > 0 {
            row(&mut text, "= all", &total);
        }
        if apart.exact > 0 {
            row(&mut text, "= apart", &apart);
        }
        let mut all = total;
        all.add(&apart);
        undecidable(&mut text, &of_mode, &all);
        grades(&mut text, &all);
        decided(&mut text, &all);
        counted(&mut text, &all);
        clocks(&mut text, &of_mode);
        if mode == Mode::Both {
            placed(&mut text, &all);
        }
        mechanisms(&mut text, &all);
        confusion(&mut text, &all);
        for judgement in &of_mode {
            faults(&mut text, judgement);
        }
        text.push('\n');
    }
    text
}

fn row(text: &mut String, name: &str, score: &Score) {
    let percent = |part: usize| format!("{part} {:5.1}%", share(part, score.exact) * 100.0);
    let evidence = format!("{}/{}", score.evidence.problems.len(), score.evidence.checked);
    let _ = writeln!(
        text,
        "  {:<18} {:>6} {:>13} {:>7} {:>7} {:>13} {:>6} {:>12} {:>6.2}",
        name,
        score.exact,
        percent(score.right_sure()),
        score.right(),
        score.wrong_sure.len(),
        percent(score.one_attempt),
        score.wrong_attempt.len(),
        evidence,
        score.seconds
    );
}

fn grades(text: &mut String, score: &Score) {
    text.push_str("  by grade:");
    for (grade, counts) in &score.by_grade {
        let _ = write!(text, "  {grade} {} right, {} other;", counts.right, counts.wrong);
    }
    let _ = writeln!(
        text,
        "  {} without a case, {} lines of unknown truth, {} cases beyond the truth",
        score.missing.len(),
        score.inexact,
        score.extra
    );
}

/// What is in no share, and in which sets it is.
fn undecidable(text: &mut String, judgements: &[&Judgement], all: &Score) {
    let of = all.undecidable;
    if of.exact > 0 {
        let sets = judgements.iter().filter(|j| j.score.undecidable.exact > 0);
        let sets: Vec<&str> = sets.map(|j| j.set.as_str()).collect();
        let _ = writeln!(
            text,
            "  undecidable by construction, in no share: {} in {}; {} right and sure, {} right",
            of.exact,
            sets.join(", "),
            of.right_sure,
            of.right
        );
    }
}

fn decided(text: &mut String, score: &Score) {
    if score.decidable > 0 {
        let _ = writeln!(
            text,
            "  the packets decide {} of these; decided are {} ({:.1} %)",
            score.decidable,
            score.decided,
            share(score.decided, score.decidable) * 100.0
        );
    }
}

fn counted(text: &mut String, score: &Score) {
    let found = &score.counted;
    if found.groups > 0 {
        let _ = writeln!(
            text,
            "  {} ambiguous cases in {} groups: {} in {} exact ones, {} in {} with bounds, the rest not sure; \
             {} numbers are WRONG, {} where not sure; {} groups of unknown truth",
            found.cases,
            found.groups,
            found.exact_cases,
            found.exact,
            found.bounded_cases,
            found.bounded,
            found.wrong.len(),
            found.wrong_unsure.len(),
            found.unknown
        );
    }
}

fn placed(text: &mut String, score: &Score) {
    if score.placeable > 0 {
        let _ = writeln!(
            text,
            "  between which of several points: {} of {} right verdicts about a loss",
            score.placed, score.placeable
        );
    }
}

/// The errors of the stated clocks: the worst of all, and each where the captures are long.
fn clocks(text: &mut String, judgements: &[&Judgement]) {
    let mut worst = super::ClockScore::default();
    for Judgement { set, score, .. } in judgements {
        worst.add(score.clocks);
        if let Some(drift) = score.clocks.drift_ppm {
            let offset = score.clocks.offset_ms;
            let _ = writeln!(text, "  clocks of {set}: {offset:.4} ms, {drift:.4} ppm off");
        }
        if let Some(found) = score.concentration {
            let found = if found { "named" } else { "NOT NAMED" };
            let _ = writeln!(text, "  {set}: the class of ports that loses is {found}");
        }
    }
    if worst.pairs > 0 {
        let _ = writeln!(
            text,
            "  clocks of {} pairs of points: at most {:.4} ms off",
            worst.pairs, worst.offset_ms
        );
    }
}

fn mechanisms(text: &mut String, score: &Score) {
    let width = score.by_mechanism.keys().map(String::len).max().unwrap_or(0).max(20);
    let _ = writeln!(
        text,
        "  {:<width$} {:>6} {:>12} {:>7} {:>15} {:>18}",
        "cause and mechanism",
        "exact",
        "right, sure",
        "right",
        "with mechanism",
        "decided/decidable"
    );
    for (name, kind) in &score.by_mechanism {
        let decided = match kind.decidable {
            0 => "-".to_owned(),
            all => format!("{}/{all}", kind.decided),
        };
        let _ = writeln!(
            text,
            "  {:<width$} {:>6} {:>12} {:>7} {:>15} {:>18}",
            name, kind.exact, kind.right_sure, kind.right, kind.mechanism, decided
        );
    }
}

fn confusion(text: &mut String, score: &Score) {
    let verdicts: BTreeSet<&String> = score.confusion.values().flat_map(|row| row.keys()).collect();
    let width = score.confusion.keys().map(String::len).max().unwrap_or(0).max(8);
    let _ = write!(text, "  {:<width$}", "truth");
    for verdict in &verdicts {
        let _ = write!(text, "  {verdict}");
    }
    text.push('\n');
    for (truth, row) in &score.confusion {
        let _ = write!(text, "  {truth:<width$}");
        for verdict in &verdicts {
            let count = row.get(*verdict).map_or_else(|| ".".to_owned(), usize::to_string);
            let _ = write!(text, "  {count:>width$}", width = verdict.len());
        }
        text.push('\n');
    }
}

fn faults(text: &mut String, judgement: &Judgement) {
    let Judgement { set, score, .. } = judgement;
    for wrong in score.wrong_sure.iter().take(SHOWN) {
        let mechanism = wrong.mechanism.as_deref().unwrap_or("-");
        let _ = writeln!(
            text,
            "  WRONG {set}/error.log:{} is {}, said {} ({mechanism}) at {}: {}",
            wrong.line, wrong.truth, wrong.verdict, wrong.grade, wrong.reason
        );
    }
    for wrong in score.wrong_attempt.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "  WRONG ATTEMPT {set}/error.log:{} ({}): {}",
            wrong.line, wrong.truth, wrong.reason
        );
    }
    let lists = [
        ("EVIDENCE", &score.evidence.problems),
        ("COUNTS", &score.counted.wrong),
        ("COUNTS, NOT SURE", &score.counted.wrong_unsure),
        ("TALLIES", &score.tally_problems),
        ("UNSTABLE", &score.unstable),
    ];
    for (what, list) in lists {
        for problem in list.iter().take(SHOWN) {
            let _ = writeln!(text, "  {what} {set}: {problem}");
        }
        if list.len() > SHOWN {
            let _ = writeln!(text, "  {what} {set}: ... {} more", list.len() - SHOWN);
        }
    }
    if !score.missing.is_empty() {
        let shown: Vec<String> = score.missing.iter().take(SHOWN).map(u64::to_string).collect();
        let _ = writeln!(text, "  NO CASE {set}/error.log lines {} ...", shown.join(", "));
    }
}
