//! nginx's `log_format` syntax, compiled into a matcher.
//!
//! The syntax is that of nginx src/http/modules/ngx_http_log_module.c:1728-1810: literal text,
//! `$name` and `${name}`, no escape for a dollar sign. A line is matched as literal, value,
//! literal and so on; values are found by searching for the literal that follows them.

mod json_keys;
mod labels;
mod matcher;
mod variable;
mod well_known;

use memchr::memchr;

use labels::Labels;
use matcher::Matcher;
pub(crate) use matcher::Values;
pub(crate) use variable::Variable;

/// How nginx escaped the values (`escape=` of `log_format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Escape {
    /// `"`, `\`, control and 8-bit bytes as `\xHH`; an unset variable is `-`.
    #[default]
    Default,
    /// As in JSON strings; an unset variable is empty.
    Json,
    /// Not at all; an unset variable is empty. Values may imitate the rest of the line.
    None,
}

/// A compiled `log_format`.
#[derive(Clone, Debug)]
pub struct LogFormat {
    reader: Reader,
}

#[derive(Clone, Debug)]
enum Reader {
    /// By the text of the format.
    Template { matcher: Matcher, escape: Escape },
    /// JSON, by its keys.
    Json,
    /// A usual format with labelled values behind it.
    Labelled(Labels),
}

/// A format text that cannot be compiled, with the byte at which that shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log format, at byte {position}: {reason}")]
pub struct FormatError {
    /// 0-based offset in the text that was given.
    pub position: usize,
    /// What is wrong there.
    pub reason: FormatFault,
}

/// What can be wrong with a format text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    /// A dollar sign without a name.
    #[error("`$` without a variable name; expected `$name` or `${{name}}`")]
    NoName,
    /// `${name` is not closed.
    #[error("`${{` without `}}`")]
    Unclosed,
    /// Nothing of the line would be read.
    #[error(
        "no `$variable` in it, and no format of that name; known names are combined, main, \
         ingress-nginx, kong, apisix, json, labelled"
    )]
    NoVariable,
    /// More than the matcher takes.
    #[error("more than {} variables", matcher::MAX_PARTS)]
    TooManyVariables,
    /// Neither default, json nor none.
    #[error("unknown escape; expected escape=default, escape=json or escape=none")]
    UnknownEscape,
    /// The quoted strings of a `log_format` directive are malformed.
    #[error("{0}")]
    Syntax(String),
}

/// A piece of a format text.
enum Piece {
    Literal(Vec<u8>),
    Variable(Vec<u8>),
}

impl LogFormat {
    /// Compiles a format text, without the quotes of the configuration.
    pub fn compile(text: &[u8], escape: Escape) -> Result<Self, FormatError> {
        let pieces = pieces(text)?;
        let matcher = Matcher::new(pieces, escape)
            .map_err(|reason| FormatError { position: text.len(), reason })?;
        Ok(Self { reader: Reader::Template { matcher, escape } })
    }

    /// What a user passes: the name of a well-known format, a format text, optionally after
    /// `escape=json `, or a whole `log_format name '...' '...';` directive or its strings, the
    /// first one in single quotes.
    pub fn from_argument(argument: &str) -> Result<Self, FormatError> {
        let text = argument.trim();
        if let Some(known) = Self::named(text) {
            return Ok(known);
        }
        // A double quote at the start is literal text: formats that begin with `"$request"` are
        // common, and nobody pastes strings in double quotes only.
        if text.starts_with("log_format") || text.starts_with('\'') {
            return Self::from_directive(text);
        }
        let (escape, text) = match text.strip_prefix("escape=") {
            Some(rest) => {
                let (word, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                (word.parse()?, text.trim_start())
            }
            None => (Escape::Default, text),
        };
        Self::compile(text.as_bytes(), escape)
    }

    fn from_directive(text: &str) -> Result<Self, FormatError> {
        let bare = text.strip_prefix("log_format").unwrap_or(text);
        let mut words = crate::lexer::words(bare.as_bytes()).map_err(|(position, reason)| {
            FormatError { position, reason: FormatFault::Syntax(reason) }
        })?;
        // A directive has a name first; a list of strings begins with its first string.
        if bare.len() < text.len() && !words.is_empty() {
            words.remove(0);
        }
        Self::from_words(&words)
    }

    /// From the arguments of a `log_format` directive after its name; they are joined without a
    /// separator.
    pub(crate) fn from_words(words: &[Vec<u8>]) -> Result<Self, FormatError> {
        let first = words.first().map(Vec::as_slice).unwrap_or_default();
        let (escape, strings) = match first.strip_prefix(b"escape=") {
            Some(word) => {
                let word = String::from_utf8_lossy(word);
                (word.parse()?, words.get(1..).unwrap_or_default())
            }
            None => (Escape::Default, words),
        };
        Self::compile(&strings.concat(), escape)
    }

    /// A well-known format: `combined`, `main`, `ingress-nginx` (or `upstreaminfo`), `kong`,
    /// `apisix`; `json` for JSON lines whose keys are named after the variables; or `labelled` for
    /// `combined` or `main` and values such as `rt=0.201` behind them.
    pub fn named(name: &str) -> Option<Self> {
        if name == "json" {
            return Some(Self { reader: Reader::Json });
        }
        if name == "labelled" {
            let matcher = |name| Self::named(name).and_then(Self::into_matcher);
            let prefixes = ["combined", "main"].into_iter().filter_map(matcher).collect();
            return Some(Self { reader: Reader::Labelled(Labels { prefixes }) });
        }
        let text = well_known::text(name)?;
        Self::compile(text.as_bytes(), Escape::Default).ok()
    }

    /// All well-known formats, the one with most variables first.
    pub fn well_known() -> Vec<Self> {
        let mut formats: Vec<Self> =
            well_known::NAMES.iter().filter_map(|name| Self::named(name)).collect();
        formats.sort_by_key(|format| core::cmp::Reverse(format.variables()));
        formats
    }

    /// The values of a line, without its line feed, and how they are escaped; `None` when it does
    /// not have this format.
    pub(crate) fn values<'a>(&self, line: &'a [u8]) -> Option<(Values<'a>, Escape)> {
        match &self.reader {
            Reader::Template { matcher, escape } => Some((matcher.matches(line)?, *escape)),
            Reader::Json => json_keys::read(line),
            Reader::Labelled(labels) => labels.read(line),
        }
    }

    fn into_matcher(self) -> Option<Matcher> {
        match self.reader {
            Reader::Template { matcher, .. } => Some(matcher),
            Reader::Json | Reader::Labelled(_) => None,
        }
    }

    /// How many variables the format has; 0 for `json` and `labelled`, whose lines tell by
    /// themselves.
    pub fn variables(&self) -> usize {
        match &self.reader {
            Reader::Template { matcher, .. } => matcher.len(),
            Reader::Json | Reader::Labelled(_) => 0,
        }
    }
}

impl core::str::FromStr for Escape {
    type Err = FormatError;

    fn from_str(word: &str) -> Result<Self, FormatError> {
        match word {
            "default" => Ok(Self::Default),
            "json" => Ok(Self::Json),
            "none" => Ok(Self::None),
            _ => Err(FormatError { position: 0, reason: FormatFault::UnknownEscape }),
        }
    }
}

/// Splits a format text into literals and variables.
fn pieces(text: &[u8]) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let dollar = memchr(b'$', rest).unwrap_or(rest.len());
        let (literal, from_dollar) = rest.split_at_checked(dollar).unwrap_or((rest, &[]));
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_vec()));
        }
        at += dollar;
        let Some(after) = from_dollar.get(1..) else { break };
        let fault = |reason| FormatError { position: at, reason };
        let (name, used) = if let Some(inner) = after.strip_prefix(b"{") {
            let close = memchr(b'}', inner).ok_or_else(|| fault(FormatFault::Unclosed))?;
            (inner.get(..close).unwrap_or_default(), close + 3)
        } else {
            let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            let length = after.iter().take_while(|b| is_name(b)).count();
            (after.get(..length).unwrap_or_default(), length + 1)
        };
        if name.is_empty() {
            return Err(fault(FormatFault::NoName));
        }
        pieces.push(Piece::Variable(name.to_vec()));
        at += used;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests;
