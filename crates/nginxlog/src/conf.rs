//! What an nginx.conf says about logs and timeouts.
//!
//! A generic reader of nginx's configuration syntax that knows a dozen directives and passes over
//! the rest; it checks nothing else. It opens no file: included ones come from the caller.

mod dump;
mod duration;
mod inherit;
mod location;
mod ports;
mod reader;
mod rule;
mod tree;
mod uri;

use std::collections::BTreeSet;

use crate::log_format::{FormatError, LogFormat};
pub use inherit::LineScope;
use tree::Tree;

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

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Conf {
    /// All `log_format`s, in order.
    pub formats: Vec<NamedFormat>,
    /// All `access_log`s.
    pub access_logs: Vec<LogTarget>,
    /// All `error_log`s.
    pub error_logs: Vec<LogTarget>,
    /// What was passed over although it is of interest, with its place.
    pub notes: Vec<ConfError>,
    /// The blocks, for [`Conf::limits`].
    tree: Tree,
    ports: ports::Ports,
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

    /// The ports that nginx connects to; `None` where variables or Lua code decide, or none is named.
    pub fn upstream_ports(&self) -> Option<BTreeSet<u16>> {
        self.ports.known()
    }

    /// A format by the name that an `access_log` gives; the last one, and nginx's own `combined`.
    pub fn format(&self, name: &str) -> Option<LogFormat> {
        let named = self.formats.iter().rev().find(|named| named.name == name);
        match named {
            Some(named) => named.format.clone().ok(),
            None => (name == "combined").then(|| LogFormat::named(name)).flatten(),
        }
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;
