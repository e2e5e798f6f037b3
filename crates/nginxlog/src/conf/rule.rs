//! What stands behind `location`: which URIs it is for
//! (`ngx_http_core_location`, src/http/ngx_http_core_module.c).

use regex::bytes::{Regex, RegexBuilder};

/// The most memory that one compiled expression may take.
const REGEX_BYTES: usize = 1 << 18;

/// What stands after `location`.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// `= /path`
    Exact(Vec<u8>),
    /// `/path`, or with `^~`, which keeps the expressions from being asked.
    Prefix { path: Vec<u8>, no_regex: bool },
    /// `~` or `~*`; `None` where the expression is one of PCRE's that the regex crate lacks
    /// (look-around, back references): it may match or not.
    Regex(Option<Regex>),
    /// `@name`, with the `@`: reached from other locations only.
    Named(Vec<u8>),
}

impl Rule {
    pub(super) fn of(arguments: &[Vec<u8>]) -> Self {
        // The modifier may stand apart or run into the path (`location =/path`).
        let (modifier, path): (&[u8], &[u8]) = match arguments {
            [modifier, path] => (modifier, path),
            [only] => split(only),
            _ => (b"", b""),
        };
        match modifier {
            b"=" => Self::Exact(path.to_vec()),
            b"^~" => Self::Prefix { path: path.to_vec(), no_regex: true },
            b"~" => Self::Regex(pattern(path, false)),
            b"~*" => Self::Regex(pattern(path, true)),
            _ if path.starts_with(b"@") => Self::Named(path.to_vec()),
            _ => Self::Prefix { path: path.to_vec(), no_regex: false },
        }
    }
}

fn split(only: &[u8]) -> (&[u8], &[u8]) {
    let modifiers: [&[u8]; 4] = [b"=", b"^~", b"~*", b"~"];
    modifiers
        .into_iter()
        .find_map(|modifier| Some((modifier, only.strip_prefix(modifier)?)))
        .unwrap_or((b"", only))
}

/// An expression of PCRE, as far as the regex crate has it. PCRE reads bytes unless told otherwise.
pub(super) fn pattern(text: &[u8], any_case: bool) -> Option<Regex> {
    let text = core::str::from_utf8(text).ok()?;
    let mut builder = RegexBuilder::new(text);
    builder.unicode(false).case_insensitive(any_case).size_limit(REGEX_BYTES).build().ok()
}
