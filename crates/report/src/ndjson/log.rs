//! The objects about log lines: `log`, `access`, `timeout`.

use std::borrow::Cow;

use serde::Serialize;
use why504_correlate::Case;
use why504_model::{Endpoint, Span, TimeLimit, Timeout};

use crate::run::{LogWords, Run};
use crate::{limit, moment};

#[derive(Serialize)]
pub(super) struct Log<'a> {
    file: &'a str,
    line: u64,
    time: String,
    time_end: String,
    kind: &'static str,
    message: Cow<'a, str>,
    peer: Option<Peer>,
    client: Option<Cow<'a, str>>,
    server: Option<Cow<'a, str>>,
    request: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    pid: Option<u32>,
    connection: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Peer {
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
pub(super) struct TimeoutObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    log: Log<'a>,
    timeout: Limit,
    access: Option<Access<'a>>,
}

pub(super) fn log<'a>(run: &Run<'a>, index: usize) -> Option<Log<'a>> {
    let timeout = run.timeouts.get(index)?;
    let words = run.texts.get(index).unwrap_or_default().into();
    Some(log_of(run.captures().file(timeout.location), timeout, words))
}

fn log_of<'a>(file: &'a str, timeout: &Timeout, words: LogWords<'a>) -> Log<'a> {
    let field = |value: Cow<'a, str>| Some(value).filter(|v| !v.is_empty());
    Log {
        file,
        line: timeout.location.record,
        time: moment::rfc3339(timeout.logged.start()),
        time_end: moment::rfc3339(timeout.logged.end()),
        kind: timeout.kind.name(),
        message: words.message,
        peer: timeout.peer.map(Peer::from),
        client: field(words.client),
        server: field(words.server),
        request: field(words.request),
        host: field(words.host),
        pid: timeout.worker,
        connection: timeout.connection,
    }
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

/// A timeout of a run that has been read whole.
pub(super) fn timeout_line<'a>(run: &Run<'a>, index: usize) -> Option<impl Serialize + use<'a>> {
    Some(TimeoutObject {
        kind: "timeout",
        log: log(run, index)?,
        timeout: run.timeouts.get(index).and_then(limit::longest).into(),
        access: access(run, index),
    })
}

/// A timeout that no access line belongs to.
#[cfg(test)]
pub(super) fn object<'a>(
    file: &'a str,
    timeout: &Timeout,
    words: LogWords<'a>,
) -> TimeoutObject<'a> {
    TimeoutObject {
        kind: "timeout",
        log: log_of(file, timeout, words),
        timeout: limit::longest(timeout).into(),
        access: None,
    }
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
                source: limit.source.name(),
            },
            None => Self { seconds: None, source: "unknown" },
        }
    }
}
