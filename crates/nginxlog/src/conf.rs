//! What an nginx.conf says about logs and timeouts.
//!
//! A generic reader of nginx's configuration syntax that knows a dozen directives and passes over
//! the rest; it checks nothing else. It opens no file: included ones come from the caller.

mod dump;
mod duration;
mod lexer;
mod reader;

use why504_model::{LimitSource, Span, TimeLimit, TimeoutKind};

use crate::log_format::{FormatError, LogFormat};
pub(crate) use lexer::words;

/// The blocks around a directive, outermost first: `http`, `server`, `location /api`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(pub Vec<String>);

/// A `log_format` directive.
#[derive(Clone, Debug)]
pub struct NamedFormat {
    /// Its name.
    pub name: String,
    /// The compiled format, or why it cannot be used.
    pub format: Result<LogFormat, FormatError>,
}

/// An `access_log` or `error_log` directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTarget {
    /// As written: relative paths are relative to nginx's prefix; `syslog:`, `stderr`, `off` and
    /// variables occur.
    pub path: String,
    /// Name of the format of an access log; `combined` when none is given. `None` for error logs.
    pub format: Option<String>,
    /// Where it stands.
    pub scope: Scope,
}

/// A connect, read or send timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutSetting {
    /// For example `proxy_connect_timeout`.
    pub directive: String,
    /// Its value.
    pub length: Span,
    /// Where it stands; inner scopes inherit it unless they set their own.
    pub scope: Scope,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Conf {
    /// All `log_format`s, in order.
    pub formats: Vec<NamedFormat>,
    /// All `access_log`s.
    pub access_logs: Vec<LogTarget>,
    /// All `error_log`s.
    pub error_logs: Vec<LogTarget>,
    /// All timeouts.
    pub timeouts: Vec<TimeoutSetting>,
    /// What was passed over although it is of interest, with its place.
    pub notes: Vec<ConfError>,
}

/// A place in a configuration and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct ConfError {
    /// The file, as the caller or the include named it.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// What was found and what was expected.
    pub reason: String,
}

/// An included file: its name for messages, and its bytes.
pub type Included = (String, Vec<u8>);

impl Conf {
    /// Reads a configuration, or the output of `nginx -T`, in which includes are found by
    /// themselves.
    ///
    /// `load` gets the argument of an `include`: a path or pattern, relative to the directory of
    /// nginx.conf (not of the including file; nginx src/core/ngx_conf_file.c:821-833). It gives
    /// the files in sorted order, none for a pattern that matches nothing, or the reason why not,
    /// which becomes a note.
    pub fn read(
        name: &str,
        text: &[u8],
        load: &mut dyn FnMut(&str) -> Result<Vec<Included>, String>,
    ) -> Result<Self, ConfError> {
        match dump::split(text) {
            Some(files) => {
                let (name, text) = files.main();
                reader::read(name, text, &mut |pattern| Ok(files.matching(pattern)))
            }
            None => reader::read(name, text, load),
        }
    }

    /// A format by the name that an `access_log` gives; the last one, and nginx's own `combined`.
    pub fn format(&self, name: &str) -> Option<LogFormat> {
        let named = self.formats.iter().rev().find(|named| named.name == name);
        match named {
            Some(named) => named.format.clone().ok(),
            None => (name == "combined").then(|| LogFormat::named(name)).flatten(),
        }
    }

    /// The timeouts that may have been in force for a kind of line, shortest first: every value
    /// that is set anywhere, and the default of 60 s unless the `http` (or `stream`) level sets
    /// another. Not authoritative: variables, Lua code (`settimeout`, `balancer.set_timeouts`) and
    /// the control planes of Kong and APISIX override the file.
    pub fn limits(&self, kind: TimeoutKind) -> Vec<TimeLimit> {
        let (prefix_is_lua, suffix) = match kind {
            TimeoutKind::LuaConnectTimeout => (true, "_connect_timeout"),
            TimeoutKind::LuaReadTimeout => (true, "_read_timeout"),
            TimeoutKind::UpstreamConnectTimeout
            | TimeoutKind::UpstreamSslTimeout
            | TimeoutKind::Access504 => (false, "_connect_timeout"),
            TimeoutKind::UpstreamReadTimeout => (false, "_read_timeout"),
            _ => return Vec::new(),
        };
        let fits = |setting: &&TimeoutSetting| {
            setting.directive.ends_with(suffix)
                && setting.directive.starts_with("lua_") == prefix_is_lua
        };
        let mut lengths: Vec<Span> =
            self.timeouts.iter().filter(fits).map(|setting| setting.length).collect();
        if !self.timeouts.iter().filter(fits).any(|setting| setting.scope.0.len() <= 1) {
            lengths.push(Span::from_secs(60));
        }
        lengths.sort_unstable();
        lengths.dedup();
        let limit = |length| TimeLimit {
            at_least: length,
            at_most: length,
            source: LimitSource::NginxConf,
        };
        lengths.into_iter().map(limit).collect()
    }
}

#[cfg(test)]
mod tests;
