//! One case of the largest class, with its packets: the part that makes a reader believe the rest.

use std::io;

use why504_correlate::{Candidate, Case};

use super::classes::Class;
use super::packets::packet_list;
use crate::limit;
use crate::moment::{LocalClock, duration};
use crate::page::{Page, inked, plain};
use crate::run::Run;
use crate::style::Ink;
use crate::visible::cut;
use crate::words;

const PACKETS_SHOWN: usize = 12;
const MESSAGE_MAX: usize = 160;

pub(super) fn print(
    run: &Run<'_>,
    classes: &[Class<'_>],
    ids: &[String],
    page: &mut Page<'_>,
) -> io::Result<()> {
    let Some((class, case, candidate)) = example(run, classes) else { return Ok(()) };
    let Some(attempt) = run.merged.attempts.get(candidate.attempt) else { return Ok(()) };
    let Some(timeout) = run.timeouts.get(case.timeout) else { return Ok(()) };
    page.blank()?;
    page.line(&[
        inked("ONE OF THEM, PACKET BY PACKET", Ink::Strong),
        plain(format!(
            "  case {}: {}, {}",
            ids.get(case.timeout).map_or("?", String::as_str),
            words::label(class.verdict),
            case.grade.name()
        )),
    ])?;
    let clock = LocalClock { offset_seconds: run.zone.offset_seconds };
    let message = run.texts.get(case.timeout).unwrap_or_default().message;
    let place = run.log_place(timeout.location);
    let time = clock.time(timeout.logged.start());
    let message = cut(&message, MESSAGE_MAX);
    page.wrapped(2, 2, &format!("{place}  {time}  {message}"), Ink::Plain)?;
    let flow = attempt.flow();
    let waited = limit::of_case(run, case, timeout).map_or_else(String::new, |limit| {
        format!(", timeout {}", duration(limit::nominal(&limit)))
    });
    page.wrapped(
        2,
        2,
        &format!("{} > {}, ISN {}{waited}", flow.client, flow.server, attempt.isn().0),
        Ink::Plain,
    )?;
    packet_list(run, attempt, Some(candidate.deadline.within), PACKETS_SHOWN, page)?;
    page.wrapped(2, 2, &format!("So {}.", crate::reason::of_case(case)), Ink::Plain)
}

/// Of the largest class of losses (else of all classes) the surest case with the fewest candidates
/// that most points saw.
pub(super) fn example<'c, 'a>(
    run: &Run<'_>,
    classes: &'c [Class<'a>],
) -> Option<(&'c Class<'a>, &'a Case, &'a Candidate)> {
    let with_packets = |class: &&Class<'_>| class.cases.iter().any(|c| !c.candidates.is_empty());
    let class = classes
        .iter()
        .filter(with_packets)
        .find(|c| c.verdict.is_loss())
        .or_else(|| classes.iter().find(with_packets))?;
    let quality = |case: &&&Case| {
        let points = case
            .candidates
            .first()
            .and_then(|c| run.merged.attempts.get(c.attempt))
            .map_or(0, |a| a.sightings().count());
        (case.grade, std::cmp::Reverse(case.fitting), points, std::cmp::Reverse(case.timeout))
    };
    let case =
        class.cases.iter().filter(|c| !c.candidates.is_empty()).max_by_key(quality).copied()?;
    Some((class, case, case.candidates.first()?))
}
