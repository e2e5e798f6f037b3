//! The main job: inputs to analysis.

use std::collections::{BTreeMap, BTreeSet};

use why504_correlate::{
    Correlation, LineOrigin, Losses, Points, Rates, SettledTimer, Verdict, correlate,
    settle_timers, unseen_peers, virtual_peers, zone_evidence,
};
use why504_handshake::{Merged, Nat};
use why504_model::{Damage, Interval, Location, SourceId, Timeout};
use why504_report::{LogText, ResetTotals, Texts, TunnelInfo};

use crate::captures::{self, Captures, Keep};
use crate::exit::Outcome;
use crate::inputs::{Inputs, Kind};
use crate::logs::{self, Logs};
use crate::plan::LogPlan;
use crate::points::{self, Named, Point};
use crate::progress::Complaints;
use crate::raw_frames::{self, Wanted};
use crate::threads::AllThreads;
use crate::tunnels;

/// Everything that a report is made of.
#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) inputs: Inputs,
    pub(crate) points: Vec<Point>,
    pub(crate) logs: Logs,
    pub(crate) captures: Captures,
    pub(crate) merged: Merged,
    /// The address pairs of `--nat`.
    pub(crate) nat: Nat,
    pub(crate) correlation: Correlation,
    /// Where all attempts were judged.
    pub(crate) judged: Option<Judged>,
    /// How often first packets were lost.
    pub(crate) losses: Vec<Losses>,
    /// What the RSTs add up to, where they were asked for.
    pub(crate) resets: Option<ResetTotals>,
    /// The tunnels that packets of the cases came through.
    pub(crate) tunnels: BTreeMap<Location, TunnelInfo>,
    pub(crate) complaints: Complaints,
    pub(crate) outcome: Outcome,
}

/// What became of all attempts, those that several points saw counted once.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) by_verdict: BTreeMap<Verdict, u64>,
    /// Those that were saved by a repetition.
    pub(crate) near_misses: u64,
}

impl Analysis {
    fn new(inputs: Inputs, points: Vec<Point>, logs: Logs) -> Self {
        Self {
            inputs,
            points,
            logs,
            captures: Captures::default(),
            merged: Merged::default(),
            nat: Nat::default(),
            correlation: Correlation::default(),
            judged: None,
            losses: Vec::new(),
            resets: None,
            tunnels: BTreeMap::new(),
            complaints: Complaints::default(),
            outcome: Outcome::Complete,
        }
    }

    /// An analysis of captures alone.
    pub(crate) fn of_captures(
        inputs: Inputs,
        named: &[Named],
        complaints: &mut Complaints,
    ) -> Self {
        let points = points_of(&inputs, named, complaints);
        Self::new(inputs, points, Logs::default())
    }

    /// The frames of all candidates of all cases, in files that hold tunnels.
    fn tunnelled(&self) -> BTreeMap<SourceId, Wanted> {
        let files: Vec<_> = self.inputs.of(Kind::Capture).collect();
        let with_tunnels: BTreeSet<SourceId> = self
            .points
            .iter()
            .zip(&self.captures.points)
            .filter(|(_, capture)| !capture.frames.tunnelled.is_empty())
            .flat_map(|(point, _)| point.files.iter().filter_map(|&file| Some(files.get(file)?.id)))
            .collect();
        if with_tunnels.is_empty() {
            return BTreeMap::new();
        }
        let candidates = self.correlation.cases.iter().flat_map(|case| &case.candidates);
        let attempts = candidates.filter_map(|c| self.merged.attempts.get(c.attempt));
        let events = attempts.flat_map(|attempt| attempt.sightings().flat_map(|s| &s.events));
        let frames = events.map(|event| (event.location, event.time));
        raw_frames::by_source(frames.filter(|(at, _)| with_tunnels.contains(&at.source)))
    }

    /// Settles how the run ended.
    pub(crate) fn conclude(&mut self, mut complaints: Complaints) {
        for (point, capture) in self.points.iter().zip(&self.captures.points) {
            if let Some(words) = capture.frames.nothing_of_tcp() {
                let advice = "capture on an interface that shows it: why504 opens one tunnel, of the \
                              kinds in docs/formats.md";
                complaints.add(Damage::Note, format!("point {}: {words}; {advice}", point.name));
            }
        }
        self.outcome = outcome(&self.inputs, &self.logs, &self.captures, &mut complaints);
        self.complaints = complaints;
    }
}

/// The points of the captures. That a name has none is said.
fn points_of(inputs: &Inputs, named: &[Named], complaints: &mut Complaints) -> Vec<Point> {
    let files: Vec<_> = inputs.of(Kind::Capture).collect();
    let points = points::points(&files, named);
    for Named { name, path } in points::without_capture(&points, named) {
        let sentence = format!("--at {name}={}: no capture is left for this point", path.display());
        complaints.add(Damage::Note, sentence);
    }
    points
}

/// Logs first: they are small, and what they cannot use is said early. Then the captures, once.
pub(crate) fn analyse(
    inputs: Inputs,
    plan: &LogPlan,
    named: &[Named],
    nat: Nat,
    mut complaints: Complaints,
) -> Analysis {
    note_plan(plan, &inputs, &mut complaints);
    let logs = logs::read(&inputs, plan, &mut complaints);
    let points = points_of(&inputs, named, &mut complaints);
    let files: Vec<_> = inputs.of(Kind::Capture).collect();
    let mut captures = captures::read(&points, &files, Keep::Remarkable, &mut complaints);
    drop(files);
    let healthy = captures.take_healthy();
    let mut analysis = Analysis::new(inputs, points, logs);
    analysis.nat = nat;
    analysis.merged = captures.merge(&analysis.nat);
    let coverage = captures.coverage.iter().map(|(point, coverage)| (*point, coverage)).collect();
    let points = Points { path: &captures.path, coverage: &coverage, merged: &analysis.merged };
    let learnt = virtual_peers(&analysis.logs.timeouts, points);
    analysis.merged.name_virtual_peers(learnt);
    let points = Points { path: &captures.path, coverage: &coverage, merged: &analysis.merged };
    let evidence = |timeouts: &[Timeout]| zone_evidence(timeouts, points);
    let unzoned = analysis.logs.settle_zones(evidence, &mut complaints);
    let texts = &analysis.logs.texts;
    let origin = |line: usize| texts.get(line).map(origin).unwrap_or_default();
    for timer in settle_timers(&mut analysis.logs.timeouts, origin, points) {
        complaints.add(Damage::Note, worked_out(&timer));
    }
    analysis.correlation = correlate(&analysis.logs.timeouts, points, &unzoned, &AllThreads);
    analysis.losses = Rates::of_run(points, &healthy).losses(points);
    note_virtual_peers(&analysis.logs.timeouts, points, &mut complaints);
    analysis.captures = captures;
    let tunnelled = analysis.tunnelled();
    let files: Vec<_> = analysis.inputs.of(Kind::Capture).collect();
    analysis.tunnels = tunnels::find(&files, &tunnelled, &mut complaints);
    analysis.conclude(complaints);
    analysis
}

/// What a line's words tell of the location that it comes from: the server, and the directory of the
/// request's path, within which locations may be finer; or all of the path.
fn origin(text: LogText) -> LineOrigin<(String, String)> {
    let uri = text.request.split(' ').nth(1).unwrap_or_default();
    let path = uri.split('?').next().unwrap_or_default();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    LineOrigin {
        near: (text.server.clone(), directory.to_owned()),
        exact: (text.server, path.to_owned()),
    }
}

/// In words: a timeout that nobody stated, or one of several, and how well it is known.
fn worked_out(timer: &SettledTimer) -> String {
    let SettledTimer { lines, explained, tried, .. } = timer;
    let rival = timer.runner_up.map_or_else(String::new, |(length, lines)| {
        format!(", one of {} s {lines}", length.as_secs_f64())
    });
    let consequence = match (timer.acted_upon, timer.stated) {
        (true, _) => "it is taken for theirs",
        (false, true) => "that is not clear enough to rest on",
        (false, false) => "that is not clear enough to rest on; --connect-timeout says it",
    };
    let unknown = if timer.stated {
        "of one location: several connect timeouts are stated for"
    } else {
        "nobody states the connect timeout of"
    };
    let (least, most) = timer.length;
    let length = if least == most {
        format!("{} s", most.as_secs_f64())
    } else {
        format!("{} to {} s", least.as_secs_f64(), most.as_secs_f64())
    };
    let kind = timer.kind.name();
    let of = match timer.locations {
        0 => String::new(),
        1 => " of one location (server and path)".to_owned(),
        several => format!(" of {several} locations (server and path)"),
    };
    format!(
        "{unknown} {lines} lines of {kind}{of}: {length} explains {explained} of {tried} that were \
         tried{rival}; {consequence}"
    )
}

/// Peers of the log that no capture knows are said at most this often.
const PEERS_NAMED: usize = 5;

/// A peer of which no capture holds a packet may be an address that the gateway's own host rewrites
/// (kube-proxy, IPVS): it never is on the wire. Where the lines do not show what is behind it, only
/// the user can say.
fn note_virtual_peers(timeouts: &[Timeout], points: Points<'_>, complaints: &mut Complaints) {
    for (peer, count) in unseen_peers(timeouts, points).iter().take(PEERS_NAMED) {
        let note = format!(
            "no capture holds a packet to {peer}, which {count} timeouts name; if it is a virtual \
             address, --nat {peer}=IP:PORT says what is behind it"
        );
        complaints.add(Damage::Note, note);
    }
}

/// The logs alone, read by `read`.
pub(crate) fn timeouts(
    inputs: Inputs,
    plan: &LogPlan,
    mut complaints: Complaints,
    read: impl FnOnce(&Inputs, &LogPlan, &mut Complaints) -> Logs,
) -> Analysis {
    note_plan(plan, &inputs, &mut complaints);
    let logs = read(&inputs, plan, &mut complaints);
    logs.zones.complain(&mut complaints);
    let mut analysis = Analysis::new(inputs, Vec::new(), logs);
    analysis.outcome = complaints.outcome();
    if !analysis.inputs.sources.iter().any(|s| s.class != Kind::PassedOver) {
        complaints.add(Damage::Note, NOTHING);
        analysis.outcome = analysis.outcome.max(Outcome::Nothing);
    }
    analysis.complaints = complaints;
    analysis
}

fn note_plan(plan: &LogPlan, inputs: &Inputs, complaints: &mut Complaints) {
    for (kind, name) in [(Kind::ErrorLog, "error log"), (Kind::AccessLog, "access log")] {
        let written = plan.files_of(kind);
        if let Some(first) = written.first().filter(|_| inputs.of(kind).next().is_none()) {
            let more = match written.len() {
                1 => String::new(),
                all => format!(" and {} more", all - 1),
            };
            let sentence =
                format!("no {name} was given; by --nginx-conf nginx writes {first}{more}");
            complaints.add(Damage::Note, sentence);
        }
    }
    for note in &plan.notes {
        complaints.add(Damage::Note, note.clone());
    }
}

const NOTHING: &str = "nothing to analyse: none of the inputs is of use here";

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
    if !inputs.sources.iter().any(|s| s.class != Kind::PassedOver) {
        complaints.add(Damage::Note, NOTHING);
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
    let covered = captures.coverage.values().filter_map(|c| c.span).reduce(Interval::hull);
    match (logged, covered) {
        (Some(logged), Some(covered)) => {
            let apart = logged.start().since(covered.start()).as_secs_f64() / 3600.0;
            format!(
                "no capture overlaps the timeouts: the first timeout is {apart:+.2} h from the \
                 first captured packet; if that is a time zone, --tz sets it"
            )
        }
        _ => "no capture holds a packet of TCP: the timeouts cannot be judged".to_owned(),
    }
}
