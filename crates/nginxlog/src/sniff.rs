//! Tells by its content which log a file is. Not by its name, and not whether it is a capture.

use memchr::{memchr_iter, memmem};

use crate::access::{is_access_line, is_time_local};
use crate::error::{begins_record, rendered};
use crate::lexer::{Lexer, Token};
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
    /// Both in one file, as a container's log holds its standard output and standard error; the
    /// access lines have the format with this index.
    Mixed(usize),
}

/// Judges the beginning of a decompressed file (64 KiB are plenty). One record header is enough for
/// an error log: its records may have many lines. Of the other lines more than half must be
/// readable as an access log; the format that most of them have wins, and of several the one with
/// most variables.
pub fn sniff(beginning: &[u8], formats: &[LogFormat]) -> Option<LogKind> {
    let (errors, others): (Vec<&[u8]>, Vec<&[u8]>) =
        lines(beginning).partition(|line| is_error_line(line));
    let matching = |format: &LogFormat| {
        let format = core::slice::from_ref(format);
        others.iter().filter(|line| is_access_line(format, line)).count()
    };
    let access = formats
        .iter()
        .enumerate()
        .map(|(index, format)| (index, format.variables(), matching(format)))
        // Of equals the first one.
        .rev()
        .max_by_key(|(_, variables, count)| (*count, *variables))
        .filter(|(.., count)| *count > 0 && count * 2 > others.len())
        .map(|(index, ..)| index);
    match (errors.is_empty(), access) {
        (true, access) => access.map(LogKind::Access),
        (false, None) => Some(LogKind::Error),
        (false, Some(index)) => Some(LogKind::Mixed(index)),
    }
}

/// A file that looks like an access log whose format is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an access log in a format that is not known; pass the text of its log_format with \
     --log-format, or its configuration with --nginx-conf; the first line is: {line}"
)]
pub struct UnknownFormat {
    /// The first line, its first 300 bytes, with control bytes escaped.
    pub line: String,
}

/// The most bytes of a line that are shown.
const SHOWN: usize = 300;

/// Whether the beginning of a file that is no known log looks like an access log: most lines hold
/// a request line or the time that `$time_local` writes.
pub fn unknown_format(beginning: &[u8]) -> Option<UnknownFormat> {
    let lines: Vec<&[u8]> = lines(beginning).collect();
    let alike = lines.iter().filter(|line| looks_like_access(line)).count();
    let first = lines.iter().find(|line| looks_like_access(line))?;
    let cut = first.get(..SHOWN).unwrap_or(first);
    let line = String::from_utf8_lossy(cut).chars().flat_map(shown).collect();
    (alike * 2 > lines.len()).then_some(UnknownFormat { line })
}

/// Whether the beginning of a file that is no known log reads as a configuration of nginx: one of its
/// blocks opens.
pub fn looks_like_conf(beginning: &[u8]) -> bool {
    const BLOCKS: [&[u8]; 6] = [b"events", b"http", b"location", b"server", b"stream", b"upstream"];
    let mut lexer = Lexer::new(beginning);
    let mut first = None;
    while let Ok(Some(token)) = lexer.next_token() {
        match token {
            Token::Word(word) => {
                first.get_or_insert(word);
            }
            Token::Open if first.is_some_and(|word| BLOCKS.contains(&word.as_slice())) => {
                return true;
            }
            Token::Open | Token::Close | Token::Semicolon => first = None,
        }
    }
    false
}

fn shown(letter: char) -> impl Iterator<Item = char> {
    let (plain, escaped) = if letter.is_control() {
        (None, Some(letter.escape_default()))
    } else {
        (Some(letter), None)
    };
    plain.into_iter().chain(escaped.into_iter().flatten())
}

/// ` HTTP/1.1`, or `22/Nov/2026:07:18:23 +0100`.
fn looks_like_access(line: &[u8]) -> bool {
    let version = |at: usize| {
        matches!(line.get(at + 6..at + 9), Some([major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit())
    };
    memmem::find_iter(line, b" HTTP/").any(version)
        || memchr_iter(b'/', line).any(|slash| {
            let stamp = slash.checked_sub(2).and_then(|start| line.get(start..start + 26));
            stamp.is_some_and(is_time_local)
        })
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

    #[test]
    fn a_containers_log_holds_both() {
        let formats = LogFormat::well_known();
        let access = "STAMP stdout F 1.2.3.4 - - [22/Nov/2026:08:18:23 +0100] \"GET / HTTP/1.1\" \
            504 5 \"-\" \"x\"\n";
        let error = "STAMP stderr F 2026/11/22 07:18:23 [error] 2#2: *9 x\n";
        let start = "STAMP stdout F starting\n";
        let rows = [
            (vec![access, error, access, start], "mixed"),
            (vec![error, start, start, access], "error"),
            (vec![error, error], "error"),
            (vec![access, access, start], "access"),
        ];
        for (lines, expected) in rows {
            let text = lines.concat().replace("STAMP", "2026-11-22T07:18:23.5Z");
            let found = match sniff(text.as_bytes(), &formats) {
                Some(LogKind::Mixed(_)) => "mixed",
                Some(LogKind::Error) => "error",
                Some(LogKind::Access(_)) => "access",
                None => "none",
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_format_is_shown() {
        let odd = "1.2.3.4|22/Nov/2026:08:18:23 +0100|504";
        let rows = [
            (format!("{odd}\n{odd}\n"), Some(odd.to_owned())),
            (
                "x \u{1b}[1m GET / HTTP/1.1\n".to_owned(),
                Some("x \\u{1b}[1m GET / HTTP/1.1".to_owned()),
            ),
            (
                format!("{odd}{}", "y".repeat(900)),
                Some(format!("{odd}{}", "y".repeat(300 - odd.len()))),
            ),
            ("a\nb\n1 HTTP/1.1\n".to_owned(), None),
            ("22/Nox/2026:08:18:23 +0100\n".to_owned(), None),
            (String::new(), None),
        ];
        for (text, line) in rows {
            let found = unknown_format(text.as_bytes());
            assert_eq!(found.as_ref().map(|found| &found.line), line.as_ref(), "{text}");
            assert!(found.is_none_or(|found| found.to_string().contains("--log-format")));
        }
    }

    #[test]
    fn a_configuration_is_known_by_its_blocks() {
        for (text, expected) in [
            ("# nginx\nuser nginx;\nevents { }\nhttp {\n", true),
            ("# configuration file /etc/nginx/nginx.conf:\nworker_processes 2;\nhttp{", true),
            ("upstream 'a b' {\n server 10.0.0.9:80;", true),
            ("server 10.0.0.9:80;\n", false),
            ("{\"http\": {}}", false),
            ("the server { of notes", false),
            ("", false),
        ] {
            assert_eq!(looks_like_conf(text.as_bytes()), expected, "{text}");
        }
    }
}
