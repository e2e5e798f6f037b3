//! One case in full: the log line, the arithmetic of the join, the packet ladder, the checklist of
//! the founding write-up, what it means, and what to run next. Nothing is judged here; the verdict
//! is the run's.

mod advice;
mod age;
mod beside;
mod checklist;
mod joined;
mod ladder;
mod meaning;

pub(crate) use meaning::of_verdict;

use std::io::{self, Write};

use why504_correlate::{Case, Verdict};
use why504_handshake::Attempt;
use why504_model::Interval;

use crate::case_id::case_ids;
use crate::moment::duration;
use crate::page::{Page, inked, plain};
use crate::run::Run;
use crate::style::{Ink, Style};
use crate::text::{packet_list, surety_of, way};
use crate::{reason, words};

/// Packets listed below the ladder.
const PACKETS_SHOWN: usize = 40;
/// Ids offered when none matches.
const NEAR_SHOWN: usize = 8;

/// Prints the case whose id is `id`, or the only one that begins with it; `false`, with the ids that
/// come nearest, when there is none or there are several.
pub fn case(run: &Run<'_>, id: &str, style: &Style, out: &mut dyn Write) -> io::Result<bool> {
    let page = &mut Page::new(*style, out);
    let ids = case_ids(run);
    let id_of = |case: &Case| ids.get(case.timeout).map_or("", String::as_str);
    let exact = run.correlation.cases.iter().find(|c| id_of(c) == id);
    let mut beginning = run.correlation.cases.iter().filter(|c| id_of(c).starts_with(id));
    let only = match (beginning.next(), beginning.next()) {
        (Some(only), None) if !id.is_empty() => Some(only),
        _ => None,
    };
    match exact.or(only) {
        Some(case) => explain(run, case, id_of(case), page).map(|()| true),
        None => near(run, id, &ids, page).map(|()| false),
    }
}

fn explain(run: &Run<'_>, case: &Case, id: &str, page: &mut Page<'_>) -> io::Result<()> {
    let ink = if case.verdict.is_loss() { Ink::Loss } else { Ink::Strong };
    let title = words::sentence(case.verdict, way(run, case.lost_between));
    page.wrapped(0, 0, &format!("Case {id}. {title}."), ink)?;
    page.blank()?;
    let mechanism = case.mechanism.map_or_else(String::new, |m| format!(" / {}", m.name()));
    page.field(2, "verdict", &format!("{}{mechanism}", case.verdict.name()))?;
    page.field(2, "grade", surety_of(case.grade))?;
    page.field(2, "reason", &format!("{}.", reason::of_case(case)))?;
    if let Some(exchange) = case.copies() {
        page.field(2, "copies", &format!("{}.", words::copies(exchange)))?;
    }
    for (verdict, attempts, settles) in &case.alternatives {
        let share = match case.verdict {
            Verdict::Ambiguous => format!(" ({attempts} of {} attempts)", case.fitting),
            _ => String::new(),
        };
        let text =
            format!("{} fits as well{share}; settled by {}", verdict.name(), settles.words());
        page.field(2, "or", &text)?;
    }
    joined::log_line(run, case, page)?;
    joined::join(run, case, page)?;
    joined::candidates(run, case, page)?;
    let mut hint = None;
    if let Some(leading) = case.candidates.first()
        && let Some(attempt) = run.merged.attempts.get(leading.attempt)
    {
        hint = beside::hint(run, case, attempt);
        let given_up = leading.deadline.within;
        ladder::print(run, attempt, given_up, page)?;
        page.heading("EACH PACKET AT EACH POINT")?;
        packet_list(run, attempt, Some(given_up), PACKETS_SHOWN, page)?;
        signs(run, attempt, given_up, page)?;
    }
    meaning::print(case, hint.as_deref(), page)?;
    advice::print(run, case, page)
}

/// The signs are about the attempt that was never answered: with a bare ACK for an earlier one that
/// is the earlier one, where the captures hold it.
fn signs(
    run: &Run<'_>,
    attempt: &Attempt,
    given_up: Interval,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let about = attempt.sightings().flat_map(|s| s.events.iter()).find_map(|e| e.about);
    let earlier = run.merged.attempts.iter().find(|other| {
        about == Some(other.isn())
            && other.flow().server == attempt.flow().server
            && other.first_syn() < attempt.first_syn()
    });
    page.heading("THE SIGNS, ONE BY ONE")?;
    let Some(earlier) = earlier else {
        if let Some(text) = age::of_unseen(run, attempt) {
            page.wrapped(2, 0, &text, Ink::Plain)?;
        }
        return checklist::print(run, attempt, given_up, page);
    };
    let mut text = format!(
        "They are about the earlier attempt, ISN x = {}, that still held the port when this one \
         (ISN z = {}) began {} later.",
        earlier.isn().0,
        attempt.isn().0,
        duration(attempt.first_syn().since(earlier.first_syn()))
    );
    text.push_str(age::of_both(earlier.nearest(), attempt.nearest()));
    page.wrapped(2, 0, &text, Ink::Plain)?;
    // Its socket was closed when the port was used again, at the latest.
    let closed = Interval::new(earlier.first_syn(), attempt.first_syn());
    checklist::print(run, earlier, closed, page)
}

fn near(run: &Run<'_>, id: &str, ids: &[String], page: &mut Page<'_>) -> io::Result<()> {
    page.wrapped(0, 0, &format!("No single case has the id `{id}`."), Ink::Unsure)?;
    let shared = |other: &str| id.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let mut cases: Vec<(&str, &Case)> = run
        .correlation
        .cases
        .iter()
        .filter_map(|case| Some((ids.get(case.timeout)?.as_str(), case)))
        .collect();
    cases.sort_by_key(|(other, _)| std::cmp::Reverse(shared(other)));
    if cases.is_empty() {
        return page.line(&[plain("There are no cases in these inputs.")]);
    }
    page.line(&[plain("The nearest are:")])?;
    for (other, case) in cases.iter().take(NEAR_SHOWN) {
        page.line(&[
            inked(format!("  {other}  "), Ink::Strong),
            plain(format!("{:<28}  {}", words::label(case.verdict), case.grade.name())),
        ])?;
    }
    if cases.len() > NEAR_SHOWN {
        let more = cases.len() - NEAR_SHOWN;
        page.line(&[inked(format!("  and {more} more"), Ink::Faint)])?;
    }
    Ok(())
}

/// The verdicts that the founding write-up is about: its signs are looked for in each of them.
pub(crate) const fn about_reuse(case: &Case) -> bool {
    use why504_correlate::Mechanism::{Established, InWindowReuse, PortReuseSynRecv};
    matches!(case.verdict, Verdict::StaleConnection)
        || matches!(case.mechanism, Some(PortReuseSynRecv | Established | InWindowReuse))
}
