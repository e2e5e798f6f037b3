//! The variables whose values are used, and the shapes that their values have.

/// A variable that an access record has a field for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Msec,
    TimeIso8601,
    TimeLocal,
    Connection,
    Pid,
    Request,
    RequestMethod,
    RequestUri,
    Status,
    RequestTime,
    UpstreamAddr,
    UpstreamStatus,
    UpstreamConnectTime,
    UpstreamHeaderTime,
    UpstreamResponseTime,
    Host,
    RemoteAddr,
    RequestId,
}

/// What the text of a value can look like; a value of another shape shows that the line was cut
/// into values at the wrong places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything.
    Text,
    /// Digits.
    Number,
    /// Digits with at most one point, or `-`.
    Decimal,
    /// Exactly this many bytes.
    Fixed(usize),
    /// One element a try, separated by `, ` and ` : `; letters only in addresses.
    Tries { numeric: bool },
}

impl Variable {
    pub(crate) const COUNT: usize = 18;

    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"msec" => Self::Msec,
            b"time_iso8601" => Self::TimeIso8601,
            b"time_local" => Self::TimeLocal,
            b"connection" => Self::Connection,
            b"pid" => Self::Pid,
            b"request" => Self::Request,
            b"request_method" => Self::RequestMethod,
            b"request_uri" => Self::RequestUri,
            b"status" => Self::Status,
            b"request_time" | b"session_time" => Self::RequestTime,
            b"upstream_addr" => Self::UpstreamAddr,
            b"upstream_status" => Self::UpstreamStatus,
            b"upstream_connect_time" => Self::UpstreamConnectTime,
            b"upstream_header_time" => Self::UpstreamHeaderTime,
            b"upstream_response_time" | b"upstream_session_time" => Self::UpstreamResponseTime,
            b"host" | b"http_host" => Self::Host,
            b"remote_addr" => Self::RemoteAddr,
            b"request_id" | b"req_id" | b"kong_request_id" | b"apisix_request_id" => {
                Self::RequestId
            }
            _ => return None,
        })
    }

    pub(super) fn shape(self) -> Shape {
        match self {
            // `22/Nov/2026:07:18:23 +0000` and `2026-11-22T07:18:23+00:00`.
            Self::TimeLocal => Shape::Fixed(26),
            Self::TimeIso8601 => Shape::Fixed(25),
            Self::Connection | Self::Pid | Self::Status => Shape::Number,
            Self::Msec | Self::RequestTime => Shape::Decimal,
            Self::UpstreamAddr => Shape::Tries { numeric: false },
            Self::UpstreamStatus
            | Self::UpstreamConnectTime
            | Self::UpstreamHeaderTime
            | Self::UpstreamResponseTime => Shape::Tries { numeric: true },
            Self::Request
            | Self::RequestMethod
            | Self::RequestUri
            | Self::Host
            | Self::RemoteAddr
            | Self::RequestId => Shape::Text,
        }
    }
}

impl Shape {
    /// The shape of a variable's values, also of some that no record field has.
    pub(super) fn of(name: &[u8], variable: Option<Variable>) -> Self {
        match variable {
            Some(variable) => variable.shape(),
            None if name.starts_with(b"upstream_response_length")
                || name.starts_with(b"upstream_bytes_") =>
            {
                Self::Tries { numeric: true }
            }
            None => match name {
                b"body_bytes_sent"
                | b"bytes_sent"
                | b"bytes_received"
                | b"request_length"
                | b"connection_requests"
                | b"remote_port"
                | b"server_port" => Self::Number,
                _ => Self::Text,
            },
        }
    }

    pub(super) fn fits(self, value: &[u8]) -> bool {
        match self {
            Self::Text | Self::Tries { numeric: false } => true,
            Self::Fixed(length) => value.len() == length,
            Self::Number => !value.is_empty() && value.iter().all(u8::is_ascii_digit),
            Self::Decimal => {
                value == b"-" || value.iter().all(|b| b.is_ascii_digit() || *b == b'.')
            }
            Self::Tries { numeric: true } => {
                value.iter().all(|b| b.is_ascii_digit() || b". ,:-".contains(b))
            }
        }
    }

    /// Fewest bytes of a value.
    pub(super) fn least(self) -> usize {
        match self {
            Self::Fixed(length) => length,
            Self::Number => 1,
            Self::Text | Self::Decimal | Self::Tries { .. } => 0,
        }
    }

    /// Whether another end than the first one may be right.
    pub(super) fn is_elastic(self) -> bool {
        matches!(self, Self::Text | Self::Tries { .. })
    }
}
