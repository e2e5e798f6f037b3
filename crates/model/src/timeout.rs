//! A logged timeout or refusal: the event that wants a handshake to explain it.

use alloc::vec::Vec;

use crate::{Endpoint, Interval, Location, Span};

/// A case's number: its place among the timeouts of a run, in order of file and line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeoutId(pub u32);

/// What the log line reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeoutKind {
    /// `lua tcp socket connect timed out`.
    LuaConnectTimeout,
    /// `upstream timed out` while connecting to upstream.
    UpstreamConnectTimeout,
    /// `upstream timed out` while SSL handshaking to upstream: one timer covers TCP and TLS.
    UpstreamSslTimeout,
    /// `lua tcp socket read timed out`.
    LuaReadTimeout,
    /// `upstream timed out` while sending, reading the header, or reading the body.
    UpstreamReadTimeout,
    /// `connect() failed` with ECONNREFUSED.
    ConnectRefused,
    /// `connect() failed` with EHOSTUNREACH, ENETUNREACH or EACCES: what an ICMP error becomes.
    ConnectUnreachable,
    /// `connect() failed` with another errno, and local failures such as `bind() failed`.
    ConnectFailed,
    /// A message that the user named.
    UserTimeout,
    /// A 504 of the access log without an error line.
    Access504,
    /// The same where the format has no connect time: the connect timed out, or the answer did.
    Access504Unclear,
}

/// How long nginx waited: a bound from below and above, since a stalled worker is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeLimit {
    /// The timer was not shorter than this.
    pub at_least: Span,
    /// The timer was not longer than this.
    pub at_most: Span,
    /// Who says so.
    pub source: LimitSource,
}

/// Where a timeout's length is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitSource {
    /// A response or request time of the access log.
    AccessLog,
    /// `--connect-timeout`.
    Flag,
    /// A directive in nginx.conf.
    NginxConf,
    /// Worked out from lines and attempts.
    Inferred,
}

impl LimitSource {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessLog => "access_log",
            Self::Flag => "flag",
            Self::NginxConf => "nginx_conf",
            Self::Inferred => "inferred",
        }
    }
}

/// How the beginning of the connect is known, when it is known better than `logged - timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StartBasis {
    /// `$msec` minus the `$upstream_response_time`s: the connect itself, to the millisecond.
    UpstreamTimes,
    /// `$msec - $request_time`: the request began then, and a connect that is the first thing its
    /// handler does began then too. The connect is not earlier.
    RequestTime,
}

/// One log line that reports a failed or timed-out connect, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// Its number.
    pub id: TimeoutId,
    /// The log line.
    pub location: Location,
    /// What it reports.
    pub kind: TimeoutKind,
    /// The line itself says that no SYN left: `queued connect timed out`, `bind() failed`.
    pub never_sent: bool,
    /// The upstream as nginx saw it, when the line or its access line names one address.
    pub peer: Option<Endpoint>,
    /// When nginx wrote it (UTC): one second wide, or narrower when an access line tells.
    pub logged: Interval,
    /// When the connect began (UTC), when an access line tells, and how.
    pub start: Option<(Interval, StartBasis)>,
    /// The timeouts that may have been in force; empty when unknown. For a read timeout this is
    /// the read timeout.
    pub limits: Vec<TimeLimit>,
    /// Process id of the nginx worker: lines of one worker are in order of their deadlines.
    pub worker: Option<u32>,
    /// nginx's connection number (`*N`, `$connection`).
    pub connection: Option<u64>,
}

impl TimeoutKind {
    /// Its name in reports. A 504 of the access log has one, whatever its format tells.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LuaConnectTimeout => "lua_connect_timeout",
            Self::UpstreamConnectTimeout => "upstream_connect_timeout",
            Self::UpstreamSslTimeout => "upstream_ssl_timeout",
            Self::LuaReadTimeout => "lua_read_timeout",
            Self::UpstreamReadTimeout => "upstream_read_timeout",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectUnreachable => "connect_unreachable",
            Self::ConnectFailed => "connect_failed",
            Self::UserTimeout => "user_timeout",
            Self::Access504 | Self::Access504Unclear => "access_504",
        }
    }

    /// Whether the connect itself ended in a timer: connect and TLS-handshake timeouts.
    pub const fn is_connect_timeout(self) -> bool {
        matches!(
            self,
            Self::LuaConnectTimeout
                | Self::UpstreamConnectTimeout
                | Self::UpstreamSslTimeout
                | Self::UserTimeout
                | Self::Access504
                | Self::Access504Unclear
        )
    }

    /// Whether it is about something after the connect.
    pub const fn is_read_timeout(self) -> bool {
        matches!(self, Self::LuaReadTimeout | Self::UpstreamReadTimeout)
    }

    /// Whether the connect failed at once with an errno.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::ConnectRefused | Self::ConnectUnreachable | Self::ConnectFailed)
    }
}
