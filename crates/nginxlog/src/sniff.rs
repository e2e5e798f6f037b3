//! Tells by its content which log a file is. Not by its name, and not whether it is a capture.

use memchr::memchr_iter;

use crate::access::is_access_line;
use crate::error::{begins_record, rendered};
use crate::lines::trimmed;
use crate::log_format::LogFormat;
use crate::wrapper::unwrapped;

/// The most lines that are looked at.
const MAX_LINES: usize = 200;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// An error log.
    Error,
    /// An access log whose lines have the format with this index.
    Access(usize),
}

/// Judges the beginning of a decompressed file (64 KiB are plenty). The format that most lines
/// have wins, and of several the one with most variables; more than half of the lines must be
/// readable as an access log. One record header is enough for an error log: its records may have
/// many lines.
pub fn sniff(beginning: &[u8], formats: &[LogFormat]) -> Option<LogKind> {
    let lines: Vec<&[u8]> = lines(beginning).collect();
    if lines.iter().any(|line| is_error_line(line)) {
        return Some(LogKind::Error);
    }
    let matching = |format: &LogFormat| {
        let format = core::slice::from_ref(format);
        lines.iter().filter(|line| is_access_line(format, line)).count()
    };
    let (index, _, count) = formats
        .iter()
        .enumerate()
        .map(|(index, format)| (index, format.variables(), matching(format)))
        // Of equals the first one.
        .rev()
        .max_by_key(|(_, variables, count)| (*count, *variables))?;
    (count > 0 && count * 2 > lines.len()).then_some(LogKind::Access(index))
}

/// Whether a record begins here, in text or in JSON, within a collector's wrapper or not.
fn is_error_line(line: &[u8]) -> bool {
    begins_record(line)
        || rendered(line).is_some()
        || unwrapped(line)
            .is_some_and(|found| begins_record(&found.inner) || rendered(&found.inner).is_some())
}

/// The whole lines that hold something; of a file that is one unfinished line, that line.
fn lines(beginning: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let whole = memchr_iter(b'\n', beginning).map(|feed| feed + 1);
    let only = (memchr::memchr(b'\n', beginning).is_none()).then_some(beginning.len());
    whole
        .chain(only)
        .filter_map(move |end| {
            let line = beginning.get(start..end).map(trimmed);
            start = end;
            line
        })
        .filter(|line| !line.is_empty())
        .take(MAX_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_lines() {
        let formats = LogFormat::well_known();
        let index = |name: &str| {
            let variables = LogFormat::named(name).expect("known").variables();
            formats.iter().position(|format| format.variables() == variables).map(LogKind::Access)
        };
        let combined =
            "1.2.3.4 - - [22/Nov/2026:08:18:23 +0100] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"";
        let rows = [
            ("2026/11/22 07:18:23 [error] 2#2: *9 x\n".to_owned(), Some(LogKind::Error)),
            ("2026/11/22 07:18:23 [error] 2#2: *9 x".to_owned(), Some(LogKind::Error)),
            (
                "stack traceback:\n x\n2026/11/22 07:18:23 [notice] 2#2: y\n".to_owned(),
                Some(LogKind::Error),
            ),
            (format!("{combined}\n{combined}\n1.2.3"), index("combined")),
            (format!("{combined} \"-\"\n"), index("main")),
            ("web-1  | 2026/11/22 07:18:23 [error] 2#2: *9 x\n".to_owned(), Some(LogKind::Error)),
            (
                "2026-11-22T07:18:23.5Z stderr F 2026/11/22 07:18:23 [error] 2#2: *9 x\n"
                    .to_owned(),
                Some(LogKind::Error),
            ),
            (
                r#"{"time":"2026-11-22T07:18:23Z","level":"error","pid":1,"tid":1,"message":"x"}"#
                    .to_owned(),
                Some(LogKind::Error),
            ),
            (format!("2026-11-22T07:18:23.5Z stdout F {combined}\n"), index("combined")),
            (
                format!(
                    "{{\"log\":\"{}\\n\",\"stream\":\"stdout\",\"time\":\"x\"}}\n",
                    combined.replace('"', "\\\"")
                ),
                index("combined"),
            ),
            (format!("{combined}\nx\ny\n"), None),
            ("\n\n".to_owned(), None),
            (String::new(), None),
            ("\u{1}\u{2}binary".to_owned(), None),
        ];
        for (text, expected) in rows {
            assert_eq!(sniff(text.as_bytes(), &formats), expected, "{text}");
        }
        assert_eq!(sniff(combined.as_bytes(), &[]), None);
    }
}
