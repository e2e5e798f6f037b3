//! The lines of `why504 check` that no other command has.

use std::net::IpAddr;

use serde::Serialize;
use why504_handshake::PointId;

use crate::check::{Check, Finding, LogFile, PointFacts, findings};
use crate::moment::rfc3339;
use crate::run::{PointInfo, Run};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    Log(Log<'a>),
    Point(Box<Point<'a>>),
    Check { joinable: bool, findings: Vec<Found> },
}

#[derive(Serialize)]
pub(super) struct Log<'a> {
    file: &'a str,
    kind: &'static str,
    zone: Option<&'a str>,
    lines: u64,
    timeouts: usize,
    start: Option<String>,
    end: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Point<'a> {
    name: &'a str,
    files: usize,
    packets: u64,
    start: Option<String>,
    end: Option<String>,
    link: &'a str,
    snaplen: Option<u32>,
    filter: Option<&'a str>,
    dropped: Option<u64>,
    completed: u64,
    answers_missed: u64,
    requests: u64,
    requests_missed: u64,
    plain_acks: bool,
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    #[serde(rename = "server")]
    address: String,
    ports: Vec<u16>,
    both_directions: bool,
    client_hops: Option<u8>,
    #[serde(rename = "server_hops")]
    upstream_hops: Option<u8>,
    place: &'static str,
}

#[derive(Serialize)]
pub(super) struct Found {
    hinders: bool,
    message: String,
}

pub(super) fn lines<'a>(run: &Run<'a>, check: &'a Check) -> Vec<Line<'a>> {
    let found = findings(run, check);
    let joinable = !found.iter().any(|f| f.hinders);
    let points = run.points.iter().zip(&check.points).enumerate();
    check
        .logs
        .iter()
        .map(|log| Line::Log(self::log(log)))
        .chain(points.map(|(i, (info, facts))| Line::Point(Box::new(point(run, i, info, facts)))))
        .chain([Line::Check { joinable, findings: found.into_iter().map(Found::from).collect() }])
        .collect()
}

fn log(log: &LogFile) -> Log<'_> {
    Log {
        file: &log.path,
        kind: log.kind,
        zone: log.zone.as_deref(),
        lines: log.lines,
        timeouts: log.timeouts,
        start: log.span.map(|s| rfc3339(s.start())),
        end: log.span.map(|s| rfc3339(s.end())),
    }
}

fn point<'a>(run: &Run<'a>, index: usize, info: &'a PointInfo, facts: &'a PointFacts) -> Point<'a> {
    let id = u16::try_from(index).map(PointId).unwrap_or_default();
    let seen = run.coverage.get(&id);
    let server = |host: IpAddr, ports: Vec<u16>| {
        let place = run.path.place(id, host);
        Server {
            address: host.to_string(),
            ports,
            both_directions: seen.is_some_and(|c| c.shows_both_directions(host)),
            client_hops: place.client_hops,
            upstream_hops: place.server_hops,
            place: if place.at_client() {
                "gateway"
            } else if place.at_server() {
                "upstream"
            } else {
                "between"
            },
        }
    };
    Point {
        name: &info.name,
        files: info.files,
        packets: info.packets,
        start: info.span.map(|s| rfc3339(s.start())),
        end: info.span.map(|s| rfc3339(s.end())),
        link: &info.link,
        snaplen: info.snaplen,
        filter: facts.filter.as_deref(),
        dropped: facts.dropped,
        completed: facts.completed,
        answers_missed: facts.answers_missed,
        requests: facts.requests,
        requests_missed: facts.requests_missed,
        plain_acks: seen.is_some_and(why504_handshake::Coverage::holds_plain_segments),
        servers: seen
            .into_iter()
            .flat_map(why504_handshake::Coverage::servers)
            .map(|(host, ports)| server(host, ports.iter().copied().collect()))
            .collect(),
    }
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self { hinders: finding.hinders, message: finding.text }
    }
}
