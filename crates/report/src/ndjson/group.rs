//! Ambiguous cases that share attempts, counted together.

use serde::Serialize;
use why504_correlate::{Count, Group};

use super::log::Peer;
use crate::counted::upstream;
use crate::moment::rfc3339;
use crate::run::Run;

#[derive(Serialize)]
pub(super) struct GroupLine {
    #[serde(rename = "type")]
    kind: &'static str,
    /// What the cases name it.
    group: usize,
    peer: Option<Peer>,
    start: Option<String>,
    end: Option<String>,
    cases: usize,
    decided: usize,
    attempts: usize,
    exact: bool,
    sure: bool,
    counts: Vec<Bounds>,
}

/// How many cases have a verdict.
#[derive(Serialize)]
pub(super) struct Bounds {
    verdict: &'static str,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) expected: Option<f64>,
}

impl From<&Count> for Bounds {
    fn from(count: &Count) -> Self {
        let Count { verdict, least, most, expected } = *count;
        Self { verdict: verdict.name(), least, most, expected }
    }
}

/// The group with this number.
pub(super) fn line(run: &Run<'_>, number: usize, group: &Group) -> GroupLine {
    let logged = group.lines.iter().filter_map(|&line| run.timeouts.get(line)).map(|t| t.logged);
    let logged = logged.reduce(why504_model::Interval::hull);
    GroupLine {
        kind: "group",
        group: number,
        peer: upstream(run, group).map(Peer::from),
        start: logged.map(|span| rfc3339(span.start())),
        end: logged.map(|span| rfc3339(span.end())),
        cases: group.lines.len(),
        decided: group.decided,
        attempts: group.attempts,
        exact: group.is_exact(),
        sure: group.sure,
        counts: group.counts.iter().map(Bounds::from).collect(),
    }
}
