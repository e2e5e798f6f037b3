//! One record of an nginx error log: the grammar of `ngx_log_error_core` (nginx src/core/ngx_log.c
//! 95-210) and of the context that the http, stream and Lua modules append.
//!
//! A record borrows its bytes. Nothing is decoded: nginx escapes nothing, so any byte may occur.
//! What the record means is the business of [`mod@crate::classify`].

mod context;
mod head;
mod header;
mod json;

use chrono::NaiveDateTime;
use memchr::memchr_iter;

pub use context::Context;
pub use header::Level;
pub(crate) use header::begins_record;
pub(crate) use json::rendered;

/// A parsed error-log record. The text fields are slices of the line as nginx wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRecord<'a> {
    /// Wall-clock second in the zone of the nginx master; the line names no zone.
    pub time: NaiveDateTime,
    /// Severity.
    pub level: Level,
    /// Process id of the worker.
    pub pid: u32,
    /// Thread id, or 0 in builds without threads.
    pub tid: u64,
    /// `*N`: the number of the client connection; `$connection` of the access log.
    pub connection: Option<u64>,
    /// Everything before the context: message, errno, `while ...`.
    pub head: &'a [u8],
    /// The message proper: `head` without errno and what follows it.
    pub message: &'a [u8],
    /// The number in ` (110: Connection timed out)`; the text depends on the C library.
    pub errno: Option<u32>,
    /// `HOST:PORT(IP)`, which cosockets append since lua-nginx-module v0.10.30.
    pub cosocket: Option<&'a [u8]>,
    /// What follows ` while `, for example `connecting to upstream`.
    pub action: Option<&'a [u8]>,
    /// The fields of the request or session.
    pub context: Context<'a>,
}

/// Why bytes are not a record of an error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The line begins with something else; it may be wrapped by a log collector, or cut.
    #[error(
        "no `YYYY/MM/DD hh:mm:ss [level] pid#tid:` at the start of the line; it may be a pasted \
         fragment, or carry the prefix of a log collector"
    )]
    NoHeader,
    /// The header has the right shape and an impossible date or time.
    #[error("the time stamp at the start of the line is no date that exists")]
    BadTime,
}

impl<'a> ErrorRecord<'a> {
    /// Reads a record, without its line feed. A record of several physical lines is given whole.
    pub fn parse(record: &'a [u8]) -> Result<Self, RecordError> {
        let (body, header) = header::header(record)?;
        let split = context_start(body);
        let (head_text, context_text) = body.split_at_checked(split).unwrap_or((body, &[]));
        let head = head::parse(head_text);
        Ok(Self {
            time: header.time,
            level: header.level,
            pid: header.pid,
            tid: header.tid,
            connection: header.connection,
            head: head_text,
            message: head.message,
            errno: head.errno,
            cosocket: head.cosocket,
            action: head.action,
            context: Context::parse(context_text),
        })
    }

    /// Whether nothing of the record seems to be missing at its end: a context is there and its
    /// last quoted field is closed. A record whose message holds line feeds is incomplete until
    /// its last physical line.
    pub fn is_complete(&self) -> bool {
        self.context.closed && (self.context.client.is_some() || self.context.lua_phase.is_some())
    }
}

/// Where the context begins: at the first `, client: `, or in a Lua timer at `, context: `.
/// Messages that matter here hold no text of a client, so the first one is nginx's own.
fn context_start(body: &[u8]) -> usize {
    const FIRST: [&[u8]; 3] = [b", client: ", b", udp client: ", b", context: "];
    let begins = |at: &usize| {
        let rest = body.get(*at..).unwrap_or_default();
        FIRST.iter().any(|key| rest.starts_with(key))
    };
    memchr_iter(b',', body).find(begins).unwrap_or(body.len())
}

/// The parts of a record that a report shows, as bytes of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogText<'a> {
    /// Message with errno and `while ...`.
    pub message: &'a [u8],
    /// Client address as logged.
    pub client: Option<&'a [u8]>,
    /// Matched `server_name`, or listen address.
    pub server: Option<&'a [u8]>,
    /// Request line.
    pub request: Option<&'a [u8]>,
    /// Host header.
    pub host: Option<&'a [u8]>,
}

impl<'a> LogText<'a> {
    /// The texts of a record.
    pub fn of(record: &ErrorRecord<'a>) -> Self {
        let context = record.context;
        Self {
            message: record.head,
            client: context.client,
            server: context.server,
            request: context.request,
            host: context.host,
        }
    }
}

/// The texts of an error-log line; `None` for other bytes.
pub fn describe(line: &[u8]) -> Option<LogText<'_>> {
    ErrorRecord::parse(line).ok().map(|record| LogText::of(&record))
}

#[cfg(test)]
mod tests;
