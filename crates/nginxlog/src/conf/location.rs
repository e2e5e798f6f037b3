//! Which location a URI belongs to, by nginx's own rules
//! (`ngx_http_core_find_location`, src/http/ngx_http_core_module.c).

use regex::bytes::{Regex, RegexBuilder};

use super::tree::{Kind, Tree};

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

/// How the search inside one block ended.
struct End {
    /// The location that is in force; `None` is the block itself.
    location: Option<usize>,
    /// No expression further out is asked any more.
    settled: bool,
}

impl Tree {
    /// The locations of `server` that answer for a URI: one, or several where an expression cannot
    /// be asked; none where the server answers by itself.
    pub(super) fn locations(&self, server: usize, uri: &[u8]) -> Vec<usize> {
        let mut possible = Vec::new();
        let end = self.find(server, uri, &mut possible);
        possible.extend(end.location);
        possible.sort_unstable();
        possible.dedup();
        possible
    }

    /// The rules of the locations right inside a block.
    fn rules(&self, block: usize) -> impl Iterator<Item = (usize, &Rule)> {
        let children = self.blocks.get(block).map(|block| block.children.as_slice());
        children.unwrap_or_default().iter().filter_map(|&child| {
            match &self.blocks.get(child)?.kind {
                Kind::Location(rule) => Some((child, rule)),
                _ => None,
            }
        })
    }

    /// Searches inside `block`; ends that an expression which cannot be asked leaves possible are
    /// added to `possible`.
    fn find(&self, block: usize, uri: &[u8], possible: &mut Vec<usize>) -> End {
        let exact = |(_, rule): &(usize, &Rule)| matches!(rule, Rule::Exact(path) if path == uri);
        if let Some((child, _)) = self.rules(block).find(exact) {
            return End { location: Some(child), settled: true };
        }
        let mut longest: Option<(usize, &[u8], bool)> = None;
        for (child, rule) in self.rules(block) {
            if let Rule::Prefix { path, no_regex } = rule
                && uri.starts_with(path)
                && longest.is_none_or(|(_, other, _)| other.len() < path.len())
            {
                longest = Some((child, path, *no_regex));
            }
        }
        let mut location = None;
        if let Some((child, ..)) = longest {
            // What is inside the prefix is asked before the expressions beside it, but another
            // prefix in there does not keep these from being asked.
            let inner = self.find(child, uri, possible);
            location = inner.location.or(Some(child));
            if inner.settled {
                return End { location, settled: true };
            }
        }
        if longest.is_some_and(|(.., no_regex)| no_regex) {
            return End { location, settled: false };
        }
        match self.by_regex(block, uri, possible) {
            Some(by_regex) => End { location: Some(by_regex), settled: true },
            None => End { location, settled: false },
        }
    }

    /// The first expression that matches ends the search; one that cannot be asked may have.
    fn by_regex(&self, block: usize, uri: &[u8], possible: &mut Vec<usize>) -> Option<usize> {
        for (child, rule) in self.rules(block) {
            let Rule::Regex(expression) = rule else { continue };
            if expression.as_ref().is_some_and(|known| !known.is_match(uri)) {
                continue;
            }
            let inner = self.find(child, uri, possible).location.unwrap_or(child);
            if expression.is_some() {
                return Some(inner);
            }
            possible.push(inner);
        }
        None
    }
}

/// The URI of a request line as nginx matches it: decoded, without arguments, `.` and `..` resolved,
/// slashes merged (`ngx_http_parse_complex_uri`, src/http/ngx_http_parse.c). `None` when nginx
/// would refuse it, or when it is no path.
pub(super) fn uri(request: &[u8]) -> Option<Vec<u8>> {
    let (_, rest) = request.split_at_checked(memchr::memchr(b' ', request)? + 1)?;
    let end = memchr::memmem::rfind(rest, b" HTTP/").unwrap_or(rest.len());
    let target = rest.get(..end)?;
    let path = match memchr::memmem::find(target, b"://") {
        Some(at) if !target.starts_with(b"/") => {
            let authority = target.get(at + 3..)?;
            authority.get(memchr::memchr(b'/', authority)?..)?
        }
        _ => target,
    };
    if !path.starts_with(b"/") {
        return None;
    }
    let plain = path.split(|b| matches!(b, b'?' | b'#')).next()?;
    resolved(&decoded(plain)?)
}

fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = core::str::from_utf8(digits).ok().filter(|d| !d.starts_with('+'))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(out)
}

fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    let mut segments: Vec<&[u8]> = Vec::new();
    // A path that ends with `/`, `/.` or `/..` names a directory.
    let mut directory = false;
    for segment in path.split(|b| *b == b'/').skip(1) {
        directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop()?;
            }
            other => segments.push(other),
        }
    }
    let mut out = vec![b'/'];
    out.extend(segments.join(&b'/'));
    if directory && out.len() > 1 {
        out.push(b'/');
    }
    Some(out)
}
