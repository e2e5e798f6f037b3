//! One line of an access log, by the variables of its format.

mod escape;
mod scan;
mod time;
mod tries;

use why504_model::{Interval, Span};

use crate::log_format::{Escape, LogFormat, Values, Variable};
pub use escape::unescape;
pub(crate) use scan::is_access_line;
pub use scan::{AccessEvent, AccessPiece, AccessScanner, AccessTally};
pub use tries::Tries;

/// A parsed access line. What the format does not have, or had no value, is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRecord<'a> {
    /// When the request ended: 1 ms wide from `$msec`, else 1 s wide.
    pub time: Option<Interval>,
    /// Seconds east of Greenwich, from `$time_local` or `$time_iso8601`: the zone of the error
    /// log of the same nginx at that time.
    pub utc_offset: Option<i32>,
    /// `$connection`.
    pub connection: Option<u64>,
    /// `$pid`.
    pub pid: Option<u32>,
    /// `$request`, still escaped.
    pub request: Option<&'a [u8]>,
    /// `$request_method`.
    pub method: Option<&'a [u8]>,
    /// `$request_uri`, still escaped.
    pub uri: Option<&'a [u8]>,
    /// `$status`; 0 when nginx set none.
    pub status: Option<u16>,
    /// `$request_time`, or `$session_time` of a stream: since the first byte of the client.
    pub request_time: Option<Span>,
    /// `$upstream_addr`.
    pub upstream_addr: Tries<'a>,
    /// The format has it, so that no value means that no upstream was tried.
    pub has_upstream_addr: bool,
    /// `$upstream_status`.
    pub upstream_status: Tries<'a>,
    /// `$upstream_connect_time`.
    pub upstream_connect_time: Tries<'a>,
    /// The format has it, so that no value means that no connect succeeded.
    pub has_connect_time: bool,
    /// `$upstream_header_time`.
    pub upstream_header_time: Tries<'a>,
    /// `$upstream_response_time`.
    pub upstream_response_time: Tries<'a>,
    /// `$host` or `$http_host`, still escaped.
    pub host: Option<&'a [u8]>,
    /// `$remote_addr`.
    pub remote_addr: Option<&'a [u8]>,
    /// `$request_id` under its several names.
    pub request_id: Option<&'a [u8]>,
    /// How the texts are escaped.
    pub escape: Escape,
}

impl LogFormat {
    /// Reads a line, without its line feed; `None` when it does not have this format.
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<AccessRecord<'a>> {
        let (values, escape) = self.values(line)?;
        Some(AccessRecord::new(&values, escape))
    }
}

impl<'a> AccessRecord<'a> {
    fn new(values: &Values<'a>, escape: Escape) -> Self {
        let set = |variable: Variable| {
            let value = values.get(variable as usize).copied().flatten()?;
            (!matches!(value, b"" | b"-")).then_some(value)
        };
        let tries = |variable| Tries::new(set(variable).unwrap_or_default());
        let (local, iso) = (set(Variable::TimeLocal), set(Variable::TimeIso8601));
        let civil = local.and_then(time::local).or_else(|| iso.and_then(time::iso8601));
        let has = |variable: Variable| values.get(variable as usize).is_some_and(Option::is_some);
        Self {
            time: set(Variable::Msec).and_then(time::msec).or(civil.map(|(second, _)| second)),
            utc_offset: civil.map(|(_, offset)| offset),
            connection: set(Variable::Connection).and_then(number),
            pid: set(Variable::Pid).and_then(number),
            request: set(Variable::Request),
            method: set(Variable::RequestMethod),
            uri: set(Variable::RequestUri),
            status: set(Variable::Status).and_then(number),
            request_time: set(Variable::RequestTime).and_then(time::seconds),
            upstream_addr: tries(Variable::UpstreamAddr),
            has_upstream_addr: has(Variable::UpstreamAddr),
            upstream_status: tries(Variable::UpstreamStatus),
            upstream_connect_time: tries(Variable::UpstreamConnectTime),
            has_connect_time: has(Variable::UpstreamConnectTime),
            upstream_header_time: tries(Variable::UpstreamHeaderTime),
            upstream_response_time: tries(Variable::UpstreamResponseTime),
            host: set(Variable::Host),
            remote_addr: set(Variable::RemoteAddr),
            request_id: set(Variable::RequestId),
            escape,
        }
    }

    /// Whether the request was passed to an upstream at all. A request that Lua code answered by
    /// means of a cosocket was not.
    pub fn has_upstream(&self) -> bool {
        !self.upstream_addr.is_empty() || !self.upstream_response_time.is_empty()
    }
}

/// Whether this is what `$time_local` writes.
pub(crate) fn is_time_local(text: &[u8]) -> bool {
    time::local(text).is_some()
}

pub(crate) fn number<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
