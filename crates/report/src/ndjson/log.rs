//! The objects about log lines: `log`, `access`, `timeout`.

use serde::Serialize;
use why504_correlate::Case;
use why504_model::{Endpoint, Span, TimeLimit};

use crate::run::Run;
use crate::{limit, moment, words};

#[derive(Serialize)]
pub(super) struct Log<'a> {
    file: &'a str,
    line: u64,
    time: String,
    time_end: String,
    kind: &'static str,
    message: &'a str,
    peer: Option<Peer>,
    client: Option<&'a str>,
    server: Option<&'a str>,
    request: Option<&'a str>,
    host: Option<&'a str>,
    pid: Option<u32>,
    connection: Option<u64>,
}

#[derive(Serialize)]
struct Peer {
    ip: String,
    port: u16,
}

#[derive(Serialize)]
pub(super) struct Access<'a> {
    file: &'a str,
    line: u64,
    status: Option<u16>,
    request_time: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct Limit {
    seconds: Option<f64>,
    source: &'static str,
}

#[derive(Serialize)]
pub(super) struct TimeoutLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    log: Log<'a>,
    timeout: Limit,
    access: Option<Access<'a>>,
}

pub(super) fn log<'a>(run: &Run<'a>, index: usize) -> Option<Log<'a>> {
    let timeout = run.timeouts.get(index)?;
    let text = run.texts.get(index);
    let field = |value: Option<&'a String>| value.map(String::as_str).filter(|v| !v.is_empty());
    Some(Log {
        file: run.captures().file(timeout.location),
        line: timeout.location.record,
        time: moment::rfc3339(timeout.logged.start()),
        time_end: moment::rfc3339(timeout.logged.end()),
        kind: words::kind(timeout.kind),
        message: text.map_or("", |t| t.message.as_str()),
        peer: timeout.peer.map(Peer::from),
        client: field(text.map(|t| &t.client)),
        server: field(text.map(|t| &t.server)),
        request: field(text.map(|t| &t.request)),
        host: field(text.map(|t| &t.host)),
        pid: timeout.worker,
        connection: timeout.connection,
    })
}

pub(super) fn access<'a>(run: &Run<'a>, index: usize) -> Option<Access<'a>> {
    let access = run.access.get(index)?.as_ref()?;
    Some(Access {
        file: run.captures().file(access.location),
        line: access.location.record,
        status: access.status,
        request_time: access.request_time.map(Span::as_secs_f64),
    })
}

/// The timeout of a case.
pub(super) fn case_limit(run: &Run<'_>, case: &Case) -> Limit {
    run.timeouts.get(case.timeout).and_then(|t| limit::of_case(run, case, t)).into()
}

/// A line of `why504 timeouts`.
pub(super) fn timeout_line<'a>(run: &Run<'a>, index: usize) -> Option<TimeoutLine<'a>> {
    Some(TimeoutLine {
        kind: "timeout",
        log: log(run, index)?,
        timeout: run.timeouts.get(index).and_then(limit::longest).into(),
        access: access(run, index),
    })
}

impl From<Endpoint> for Peer {
    fn from(peer: Endpoint) -> Self {
        Self { ip: peer.ip.to_string(), port: peer.port }
    }
}

impl From<Option<TimeLimit>> for Limit {
    fn from(limit: Option<TimeLimit>) -> Self {
        match limit {
            Some(limit) => Self {
                seconds: Some(limit::nominal(&limit).as_secs_f64()),
                source: words::source(limit.source),
            },
            None => Self { seconds: None, source: "unknown" },
        }
    }
}
