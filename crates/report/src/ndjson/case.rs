//! One case.

use serde::Serialize;
use why504_correlate::{Case, Copies, Exchange, Mechanism};
use why504_handshake::PointId;

use super::attempt::{AttemptObject, Evidence, evidence, object};
use super::log::{self, Access, Limit, Log};
use crate::flight::{EVIDENCE_KEPT, proofs};
use crate::moment::rfc3339;
use crate::run::Run;
use crate::{reason, words};

/// Other attempts listed with a case.
const CANDIDATES_SHOWN: usize = 8;
/// Packets shown of each attempt where several fit.
const EVIDENCE_LEAST: usize = 5;

#[derive(Serialize)]
pub(super) struct CaseLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    log: Log<'a>,
    access: Option<Access<'a>>,
    timeout: Limit,
    verdict: &'static str,
    mechanism: Option<&'static str>,
    grade: &'static str,
    alternatives: Vec<Alternative>,
    join: Join,
    probability: f64,
    lost_between: Option<LostBetween<'a>>,
    copies: Option<CopiesObject>,
    candidates: usize,
    attempt: Option<AttemptObject<'a>>,
    candidate_attempts: Vec<AttemptObject<'a>>,
    evidence: Vec<Evidence<'a>>,
    reason: String,
    group: Option<usize>,
}

#[derive(Serialize)]
struct Alternative {
    verdict: &'static str,
    attempts: usize,
    settled_by: &'static str,
}

#[derive(Serialize)]
struct Join {
    window_start: String,
    window_end: String,
    widened_by: f64,
    basis: &'static str,
    /// Where it is not so it is not said: most lines need no number.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    by_connection_number: bool,
    /// The same: hardly any run has so many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_assigned: bool,
}

#[derive(Serialize)]
struct LostBetween<'a> {
    from: &'a str,
    to: &'a str,
}

/// How many copies were sent and came, where two points count them.
#[derive(Serialize)]
struct CopiesObject {
    syn: Way,
    syn_ack: Way,
}

#[derive(Serialize)]
struct Way {
    sent: u32,
    arrived: u32,
}

impl From<Exchange> for CopiesObject {
    fn from(exchange: Exchange) -> Self {
        let way = |Copies { sent, arrived }| Way { sent, arrived };
        Self { syn: way(exchange.syns), syn_ack: way(exchange.syn_acks) }
    }
}

/// A case; `group` is the number of the group in which it is counted.
pub(super) fn line<'a>(
    run: &Run<'a>,
    case: &Case,
    ids: &'a [String],
    group: Option<usize>,
) -> Option<CaseLine<'a>> {
    let captures = run.captures();
    let mut attempts = attempts(run, case);
    // Where another line competes for the only attempt that fits, it may be the other's.
    let certain = case.fitting == 1 && case.probability > 1.0 - 1e-9;
    let attempt = if certain { attempts.pop() } else { None };
    let point = |p: PointId| captures.point(p);
    Some(CaseLine {
        kind: "case",
        id: ids.get(case.timeout)?,
        log: log::log(run, case.timeout)?,
        access: log::access(run, case.timeout),
        timeout: log::case_limit(run, case),
        verdict: case.verdict.name(),
        mechanism: case.mechanism.map(Mechanism::name),
        grade: case.grade.name(),
        alternatives: alternatives(case),
        join: join(case),
        probability: case.probability,
        lost_between: case
            .lost_between
            .map(|(from, to)| LostBetween { from: point(from), to: point(to) }),
        copies: case.copies().map(CopiesObject::from),
        candidates: case.fitting,
        attempt,
        candidate_attempts: attempts,
        evidence: evidence_of(run, case),
        reason: reason::of_case(case),
        group,
    })
}

fn attempts<'a>(run: &Run<'a>, case: &Case) -> Vec<AttemptObject<'a>> {
    case.candidates
        .iter()
        .take(CANDIDATES_SHOWN)
        .filter_map(|c| run.merged.attempts.get(c.attempt))
        .map(|attempt| object(&run.captures(), attempt))
        .collect()
}

fn alternatives(case: &Case) -> Vec<Alternative> {
    case.alternatives
        .iter()
        .map(|&(verdict, attempts, settles)| Alternative {
            verdict: verdict.name(),
            attempts,
            settled_by: settles.words(),
        })
        .collect()
}

fn join(case: &Case) -> Join {
    let window = case.join.window;
    Join {
        window_start: rfc3339(window.within.start()),
        window_end: rfc3339(window.within.end()),
        widened_by: window.widened_by.as_secs_f64(),
        basis: words::basis(window.basis),
        by_connection_number: case.join.numbered,
        not_assigned: !case.join.assigned,
    }
}

/// The packets of all candidates that are listed; each gets its share of the room.
fn evidence_of<'a>(run: &Run<'a>, case: &Case) -> Vec<Evidence<'a>> {
    let captures = run.captures();
    let shown = case.candidates.len().clamp(1, CANDIDATES_SHOWN);
    let kept = (EVIDENCE_KEPT / shown).max(EVIDENCE_LEAST);
    case.candidates
        .iter()
        .take(CANDIDATES_SHOWN)
        .filter_map(|c| Some((run.merged.attempts.get(c.attempt)?, c.deadline.within)))
        .flat_map(|(attempt, given_up)| proofs(&captures, attempt, Some(given_up), kept))
        .map(|proof| evidence(&captures, &proof))
        .collect()
}
