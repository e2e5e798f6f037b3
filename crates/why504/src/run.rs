//! The main job: inputs to analysis.

use why504_correlate::{Correlation, Points, correlate};
use why504_handshake::{Merged, merge};
use why504_model::{Damage, Interval, Timeout};

use crate::captures::{self, Captures};
use crate::exit::Outcome;
use crate::inputs::{Inputs, Kind};
use crate::logs::{self, Logs};
use crate::plan::LogPlan;
use crate::points::{self, Named, Point};
use crate::progress::Complaints;

/// Everything that a report is made of.
#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) inputs: Inputs,
    pub(crate) points: Vec<Point>,
    pub(crate) logs: Logs,
    pub(crate) captures: Captures,
    pub(crate) merged: Merged,
    pub(crate) correlation: Correlation,
    pub(crate) complaints: Complaints,
    pub(crate) outcome: Outcome,
}

/// Logs first: they are small, and what they cannot use is said early. Then the captures, once.
pub(crate) fn analyse(
    inputs: Inputs,
    plan: &LogPlan,
    named: &[Named],
    mut complaints: Complaints,
) -> Analysis {
    for note in &plan.notes {
        complaints.add(Damage::Note, note.clone());
    }
    let logs = logs::read(&inputs, plan, &mut complaints);
    let (points, mut captures, merged) = handshakes(&inputs, named, &mut complaints);
    for point in &mut captures.points {
        // They were merged; only the counts are still needed.
        point.sightings = Vec::new();
    }
    let correlation = correlate(
        &logs.timeouts,
        Points { path: &captures.path, coverage: &captures.coverage, merged: &merged },
    );
    let outcome = outcome(&inputs, &logs, &captures, &mut complaints);
    Analysis { inputs, points, logs, captures, merged, correlation, complaints, outcome }
}

/// Reads and merges the captures.
pub(crate) fn handshakes(
    inputs: &Inputs,
    named: &[Named],
    complaints: &mut Complaints,
) -> (Vec<Point>, Captures, Merged) {
    let files: Vec<_> = inputs.of(Kind::Capture).collect();
    let points = points::points(&files, named);
    let mut captures = captures::read(&points, &files, complaints);
    let sightings =
        captures.points.iter_mut().flat_map(|p| std::mem::take(&mut p.sightings)).collect();
    let merged = merge(sightings, &captures.path);
    (points, captures, merged)
}

/// Whether there was anything to analyse, and whether all of it could be read.
fn outcome(
    inputs: &Inputs,
    logs: &Logs,
    captures: &Captures,
    complaints: &mut Complaints,
) -> Outcome {
    let damaged = complaints.outcome();
    if damaged == Outcome::Damaged {
        return damaged;
    }
    if inputs.sources.is_empty() {
        complaints.add(Damage::Note, "nothing to analyse: no log and no capture among the inputs");
        return Outcome::Nothing;
    }
    if !logs.timeouts.is_empty() && !overlap(&logs.timeouts, captures) {
        complaints.add(Damage::Note, no_overlap(&logs.timeouts, captures));
        return Outcome::Nothing;
    }
    Outcome::Complete
}

fn overlap(timeouts: &[Timeout], captures: &Captures) -> bool {
    captures.coverage.values().filter_map(|c| c.span).any(|span| {
        timeouts.iter().any(|timeout| {
            let longest = timeout.limits.iter().map(|l| l.at_most).max().unwrap_or_default();
            span.overlaps(Interval::new(timeout.logged.start() - longest, timeout.logged.end()))
        })
    })
}

/// Says by how much logs and captures miss each other: a wrong zone is off by hours.
fn no_overlap(timeouts: &[Timeout], captures: &Captures) -> String {
    let logged = timeouts.iter().map(|t| t.logged).reduce(Interval::hull);
    let captured = captures.coverage.values().filter_map(|c| c.span).reduce(Interval::hull);
    match (logged, captured) {
        (Some(logged), Some(captured)) => {
            let apart = logged.start().since(captured.start()).as_secs_f64() / 3600.0;
            format!(
                "no capture overlaps the timeouts: the first timeout is {apart:+.2} h from the \
                 first captured packet; if that is a time zone, --tz sets it"
            )
        }
        _ => "no capture holds a packet: the timeouts cannot be judged".to_owned(),
    }
}
