//! Access lines that go on behind the usual format with labelled values:
//! `... "curl/8" rt=0.201 uct="-" uht="-" urt="0.200"`.
//!
//! nginx's own examples of such formats name the values so, and many people have copied them. A
//! label counts only where its value looks as nginx writes it, times with three decimals: the same
//! word with milliseconds behind it is somebody's own, and the line is of no known format.

use super::Escape;
use super::matcher::{Matcher, Values};
use super::variable::{Shape, Variable};

/// The formats before the labels, as matchers of whole lines.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub(super) prefixes: Vec<Matcher>,
}

impl Labels {
    /// The values of a line; `None` when it has no labels that are known.
    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Option<(Values<'a>, Escape)> {
        let starts = memchr::memchr_iter(b'=', line).filter_map(|equals| {
            let before = line.get(..equals)?;
            let blank = memchr::memrchr(b' ', before)?;
            let word = before.get(blank + 1..)?;
            let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            (!word.is_empty() && word.iter().all(plain)).then_some(blank)
        });
        // A user agent may hold what looks like a label; the format before it is not whole then.
        for blank in starts.take(MAX_STARTS) {
            let (prefix, labels) = line.split_at_checked(blank)?;
            let found = self.prefixes.iter().find_map(|matcher| matcher.matches(prefix));
            if let Some(mut values) = found {
                return fill(&mut values, labels).map(|()| (values, Escape::Default));
            }
        }
        None
    }
}

/// How many places are tried as the beginning of the labels.
const MAX_STARTS: usize = 8;

/// Reads ` label=value label="value" ...` to the end; at least one label must be known.
fn fill<'a>(values: &mut Values<'a>, labels: &'a [u8]) -> Option<()> {
    let mut rest = labels;
    let mut known = false;
    while let Some(inner) = rest.strip_prefix(b" ") {
        let (label, after) = inner.split_at_checked(memchr::memchr(b'=', inner)?)?;
        let after = after.get(1..)?;
        let (value, next) = match after.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = memchr::memchr(b'"', quoted)?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => after.split_at_checked(bare_end(after))?,
        };
        rest = next;
        let Some(variable) = variable(label) else { continue };
        if !is_nginxs(variable, value) {
            return None;
        }
        let slot = values.get_mut(variable as usize)?;
        *slot = slot.or(Some(value));
        known = true;
    }
    (known && rest.is_empty()).then_some(())
}

/// The end of a value without quotes: lists of tries hold blanks, so it ends before the next word
/// that is a label.
fn bare_end(text: &[u8]) -> usize {
    memchr::memchr_iter(b' ', text)
        .find(|blank| {
            let next = text.get(blank + 1..).unwrap_or_default();
            let word = next.split(|b| *b == b' ').next().unwrap_or_default();
            memchr::memchr(b'=', word).is_some_and(|equals| equals > 0)
        })
        .unwrap_or(text.len())
}

fn variable(label: &[u8]) -> Option<Variable> {
    Some(match label {
        b"rt" | b"request_time" => Variable::RequestTime,
        b"uct" | b"upstream_connect_time" => Variable::UpstreamConnectTime,
        b"uht" | b"upstream_header_time" => Variable::UpstreamHeaderTime,
        b"urt" | b"upstream_response_time" => Variable::UpstreamResponseTime,
        b"us" | b"upstream_status" => Variable::UpstreamStatus,
        b"ua" | b"upstream_addr" => Variable::UpstreamAddr,
        b"msec" => Variable::Msec,
        b"conn" | b"connection" => Variable::Connection,
        b"pid" => Variable::Pid,
        b"rid" | b"request_id" => Variable::RequestId,
        _ => return None,
    })
}

/// Whether a value looks as nginx writes this variable.
fn is_nginxs(variable: Variable, value: &[u8]) -> bool {
    let seconds = |text: &[u8]| {
        matches!(text, b"" | b"-")
            || matches!(text.split_last_chunk::<4>(), Some((whole, [b'.', millis @ ..]))
                if !whole.is_empty() && whole.iter().chain(millis).all(u8::is_ascii_digit))
    };
    let each = |fits: &dyn Fn(&[u8]) -> bool| {
        value.split(|b| matches!(b, b',' | b':')).all(|element| fits(element.trim_ascii()))
    };
    match variable {
        Variable::RequestTime | Variable::Msec => seconds(value),
        Variable::UpstreamConnectTime
        | Variable::UpstreamHeaderTime
        | Variable::UpstreamResponseTime => each(&seconds),
        Variable::UpstreamStatus => {
            each(&|text| matches!(text, b"" | b"-") || text.len() == 3 && Shape::Number.fits(text))
        }
        Variable::Connection | Variable::Pid => Shape::Number.fits(value),
        // A user agent may be called `ua` as well.
        Variable::UpstreamAddr => value == b"-" || value.contains(&b':') && !value.contains(&b'('),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::log_format::LogFormat;

    const COMBINED: &str =
        "192.0.2.1 - - [22/Nov/2026:07:18:23 +0000] \"GET /?rt=1 HTTP/1.1\" 504 5 \"-\" \"x rt=9\"";

    #[test]
    fn labels_behind_the_usual_formats() {
        let format = LogFormat::named("labelled").expect("known");
        for (prefix, tail) in [
            ("", " rt=2.001 uct=\"-, 0.001\" uht=\"-, -\" urt=\"1.000, 1.001\""),
            (" \"198.51.100.7\"", " rt=2.001 uct=-, 0.001 urt=1.000, 1.001 us=504, 504"),
            ("", " cache=HIT rt=2.001 uct=- : 0.001 urt=1.000 : 1.001 conn=7 host=a"),
        ] {
            let line = format!("{COMBINED}{prefix}{tail}");
            let record = format.read(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(record.status, Some(504));
            assert_eq!(record.request_time.map(why504_model::Span::nanos), Some(2_001_000_000));
            let times: Vec<_> = record
                .upstream_response_time
                .spans()
                .map(|t| t.map(why504_model::Span::nanos))
                .collect();
            assert_eq!(times, [Some(1_000_000_000), Some(1_001_000_000)]);
            assert!(record.has_connect_time);
        }
    }

    #[test]
    fn what_looks_different_from_nginxs_is_not_believed() {
        let format = LogFormat::named("labelled").expect("known");
        for tail in [
            "",
            " cache=HIT",
            " rt=2001",
            " rt=2.0011",
            " urt=2001, 5",
            " rt=2.001 tail",
            " rt=\"2.001",
            " us=5040",
            " conn=x",
            " ua=Mozilla/5.0 (X11)",
        ] {
            assert!(format.read(format!("{COMBINED}{tail}").as_bytes()).is_none(), "{tail}");
        }
    }
}
