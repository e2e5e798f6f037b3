//! `why504 check`: what is known of each input, and what stands in the way of a sure verdict.
//!
//! Facts come from the run and from the binary; here they become findings, each with what would
//! remove it. No timeout is judged.

use why504_handshake::{Coverage, PointId};
use why504_model::{Interval, Span};

use crate::moment::grouped;
use crate::run::{PointInfo, Run};

/// Below this no frame holds the TCP timestamps: Ethernet, IPv4 without options, TCP with the
/// options that Linux sends in a SYN.
const SNAPLEN_LEAST: u32 = 14 + 20 + 40;

/// What only `check` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The logs, in the order of their paths.
    pub logs: Vec<LogFile>,
    /// More about each capture point, in the order of the run's points.
    pub points: Vec<PointFacts>,
}

/// One log file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFile {
    /// As given; may be hostile.
    pub path: String,
    /// `error log`, `access log`, `both`.
    pub kind: &'static str,
    /// The zone of an error log and how it is known.
    pub zone: Option<String>,
    /// Lines, of the decompressed file.
    pub lines: u64,
    /// First to last line that has a time; `None` where none could be read.
    pub span: Option<Interval>,
    /// Timeouts that its lines report.
    pub timeouts: usize,
}

/// What is known of a capture point beside [`PointInfo`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointFacts {
    /// Packets that the files say are missing; `None` when they do not say (pcap never does).
    pub dropped: Option<u64>,
    /// Handshakes that were completed.
    pub completed: u64,
    /// Those of them whose SYN+ACK was acknowledged and is not in the capture.
    pub answers_missed: u64,
    /// Attempts whose server acknowledged payload of the client.
    pub requests: u64,
    /// Those of them whose payload is not in the capture.
    pub requests_missed: u64,
    /// The filter that the files name.
    pub filter: Option<String>,
}

/// Something that its owner should know before a long run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Without a remedy nothing can be joined.
    pub hinders: bool,
    /// One sentence, without a full stop.
    pub text: String,
}

/// Everything that hinders, then everything that makes verdicts less sure.
pub fn findings(run: &Run<'_>, check: &Check) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        hindrances(run).into_iter().map(|text| Finding { hinders: true, text }).collect();
    let mut notes = of_logs(run, check);
    for (i, (info, facts)) in run.points.iter().zip(&check.points).enumerate() {
        let id = u16::try_from(i).map(PointId).unwrap_or_default();
        if let Some(coverage) = run.coverage.get(&id).filter(|c| !c.is_empty()) {
            notes.extend(of_point(info, facts, coverage));
        }
    }
    if let [only] = run.points {
        notes.push(format!(
            "{} is the only capture point: a lost packet has more than one explanation; capture at \
             the other end as well",
            only.name
        ));
    }
    for ((near, far), clock) in &run.merged.offsets {
        if clock.inconsistent {
            let (near, far) = (run.captures().point(*near), run.captures().point(*far));
            notes
                .push(format!("the clocks of {near} and {far} contradict each other: one was set"));
        }
    }
    found.extend(notes.into_iter().map(|text| Finding { hinders: false, text }));
    found
}

fn hindrances(run: &Run<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if run.timeouts.is_empty() {
        found.push("no log holds a timeout".to_owned());
    }
    let spans: Vec<Interval> = run.points.iter().filter_map(|p| p.span).collect();
    if run.points.is_empty() {
        found.push("there is no capture".to_owned());
    } else if spans.is_empty() {
        found.push("no capture holds a packet of TCP".to_owned());
    } else if let (false, Some(logged)) = (
        run.timeouts.iter().any(|t| spans.iter().any(|s| s.overlaps(t.logged))),
        run.timeouts.iter().map(|t| t.logged).reduce(Interval::hull),
    ) {
        let covered = spans.into_iter().reduce(Interval::hull).unwrap_or(logged);
        let apart = logged.start().since(covered.start()).as_secs_f64() / 3600.0;
        found.push(format!(
            "no capture overlaps the timeouts: the first timeout is {apart:+.2} h from the first \
             captured packet; if that is a time zone, --tz sets it"
        ));
    }
    found
}

fn of_logs(run: &Run<'_>, check: &Check) -> Vec<String> {
    let mut notes = Vec::new();
    if run.timeouts.is_empty() {
        return notes;
    }
    if check.logs.iter().any(|log| log.zone.as_ref().is_some_and(|z| z.contains("(assumed;"))) {
        notes.push("nobody says in which zone the error logs are: --tz".to_owned());
    }
    if !check.logs.iter().any(|log| log.kind != "error log") {
        notes.push(
            "there is no access log: a line says its second only, and more attempts fit it".into(),
        );
    }
    let dated = run.timeouts.iter().any(|timeout| timeout.start.is_some());
    let pinned = run.correlation.clocks.values().any(|(_, pin)| pin.is_some());
    if !dated && !pinned && !run.points.is_empty() {
        notes.push(
            "nothing pins the log's clock to the captures': no access log, and too few connects that \
             failed at once; a difference of less than a second would not show"
                .into(),
        );
    }
    let timers = || run.timeouts.iter().filter(|t| t.kind.is_connect_timeout());
    let unknown = timers().filter(|t| t.limits.is_empty()).count();
    if unknown > 0 {
        notes.push(format!(
            "of {} of {} connect timeouts nobody says how long the timer ran: --nginx-conf, \
             --connect-timeout, or $request_time in the access log",
            grouped(unknown as u64),
            grouped(timers().count() as u64)
        ));
    }
    notes
}

fn of_point(info: &PointInfo, facts: &PointFacts, coverage: &Coverage) -> Vec<String> {
    let name = &info.name;
    let mut notes = Vec::new();
    let one_way: Vec<String> = coverage
        .servers()
        .filter(|(host, _)| !coverage.shows_both_directions(*host))
        .map(|(host, _)| host.to_string())
        .collect();
    if let Some(first) = one_way.first() {
        let more = match one_way.len() {
            1 => String::new(),
            n => format!(" and of {} more servers", n - 1),
        };
        notes.push(format!(
            "{name} holds no answer of {first}{more}: it was down, or one direction is not captured"
        ));
    }
    if !coverage.holds_plain_segments() {
        notes.push(format!(
            "{name} holds no plain ACK at all: its filter may let through some flags only"
        ));
    }
    if facts.dropped.is_some_and(|dropped| dropped > 0) {
        notes.push(format!("{name} dropped packets: what is missing in it proves nothing"));
    }
    if facts.answers_missed > 0 {
        notes.push(format!(
            "{name} misses {} of {} SYN+ACKs that were acknowledged: it drops packets, or they take \
             another way",
            grouped(facts.answers_missed),
            grouped(facts.completed)
        ));
    }
    if facts.requests_missed > 0 && facts.requests_missed < facts.requests {
        notes.push(format!(
            "{name} misses {} of {} requests that were acknowledged: it drops packets, or its filter \
             passes some payload only",
            grouped(facts.requests_missed),
            grouped(facts.requests)
        ));
    }
    if info.snaplen.is_some_and(|snaplen| snaplen < SNAPLEN_LEAST) {
        notes.push(format!("{name} cuts TCP options off: capture with -s 128"));
    }
    if info.span.is_some_and(|span| span.length() < Span::from_secs(1)) {
        notes.push(format!("{name} spans less than a second"));
    }
    notes
}
