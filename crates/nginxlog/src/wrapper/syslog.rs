//! The headers that syslog puts before a line: RFC 5424, RFC 3164 (which nginx itself writes,
//! src/event/ngx_syslog.c:237-285), and what daemons make of them in files.

use std::borrow::Cow;

use memchr::memmem;

use super::Layer;
use super::stamp::{digits, rfc3164, rfc3339};

/// Host names and tags before the message; a daemon that relays may write its host twice.
const MAX_WORDS: usize = 3;

/// The longest host name or tag.
const MAX_WORD: usize = 255;

/// `<171>1 2026-11-22T07:18:23.5+00:00 host nginx 31 - - LINE`,
/// `<187>Nov 22 07:18:23 host nginx: LINE` or `<187>2026-11-22T07:18:23+00:00 host nginx: LINE`.
pub(super) fn with_priority(line: &[u8]) -> Option<Layer<'_>> {
    let inner = line.strip_prefix(b"<")?;
    let close = inner.iter().take(4).position(|b| *b == b'>')?;
    // Facility times eight plus severity: at most 23 * 8 + 7.
    digits(inner.get(..close)?).filter(|priority| *priority <= 191)?;
    let rest = inner.get(close + 1..)?;
    if let Some(rest) = rest.strip_prefix(b"1 ") {
        return rfc5424(rest);
    }
    if let Some(layer) = dated(rest) {
        return Some(layer);
    }
    let stamp = rfc3339(rest)?;
    let after = rest.get(stamp.length..)?.strip_prefix(b" ")?;
    let message = tagged(after)?;
    Some(Layer::by_syslog(message).at(stamp.time))
}

/// `Nov 22 07:18:23 [host] tag[pid]: LINE`; no year and no zone, so no time.
pub(super) fn dated(line: &[u8]) -> Option<Layer<'_>> {
    let rest = line.get(rfc3164(line)?..)?.strip_prefix(b" ")?;
    Some(Layer::by_syslog(tagged(rest)?))
}

/// `host nginx[2833]: LINE`, `daemon.debug: LINE`: the line after one to three words of which the
/// last ends with a colon. Much else looks like that: the caller asks what the line is.
pub(super) fn tagged(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    for _ in 0..MAX_WORDS {
        let length = rest.iter().take(MAX_WORD).position(|b| *b == b' ')?;
        let word = rest.get(..length)?;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-/@:[]()".contains(b);
        if word.is_empty() || !word.iter().all(plain) {
            return None;
        }
        rest = rest.get(length + 1..)?;
        if word.ends_with(b":") {
            return Some(rest);
        }
    }
    None
}

/// Whether the word before the line is `name[number]:`, which no access line begins with.
pub(super) fn has_process_id(text: &[u8]) -> bool {
    let head = text.iter().take(MAX_WORDS * MAX_WORD).position(|b| *b == b']');
    let Some(before) = head.and_then(|close| {
        text.get(close + 1..)?.starts_with(b": ").then(|| text.get(..close)).flatten()
    }) else {
        return false;
    };
    let open = before.iter().rposition(|b| *b == b'[');
    open.and_then(|open| digits(before.get(open + 1..)?)).is_some()
}

/// Takes back what syslog daemons make of control bytes within a message: `#012` for a line feed
/// (rsyslog, `$EscapeControlCharactersOnReceive`), in octal. A record of several lines is one line
/// then. nginx itself prints no number with a leading zero behind a `#`.
pub(super) fn unescaped(record: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memmem::find(&record, b"#0").is_none() {
        return record;
    }
    let mut plain = Vec::with_capacity(record.len());
    let mut rest = record.as_ref();
    while let Some(at) = memmem::find(rest, b"#0") {
        let (before, escape) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        plain.extend_from_slice(before);
        let (byte, used) = match escape {
            [_, _, eights @ b'0'..=b'3', ones @ b'0'..=b'7', ..] => {
                ((eights - b'0') * 8 + (ones - b'0'), 4)
            }
            _ => (b'#', 1),
        };
        plain.push(byte);
        rest = escape.get(used..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// After the version: time stamp, host, name, process, message id, structured data, message.
fn rfc5424(text: &[u8]) -> Option<Layer<'_>> {
    let (time, mut rest) = if let Some(rest) = text.strip_prefix(b"- ") {
        (None, rest)
    } else {
        let stamp = rfc3339(text)?;
        (stamp.time, text.get(stamp.length..)?.strip_prefix(b" ")?)
    };
    for _ in 0..4 {
        let end = rest.iter().take(MAX_WORD + 1).position(|b| *b == b' ')?;
        rest = rest.get(end + 1..)?;
    }
    let rest = structured_data(rest)?;
    let message = rest.strip_prefix(b" ").unwrap_or(rest);
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    Some(Layer::by_syslog(message).at(time))
}

/// What follows `-` or `[id name="value"][id ...]`; a bracket in a value is escaped or quoted.
fn structured_data(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some(rest);
    }
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix(b"[") {
        let (mut quoted, mut escaped) = (false, false);
        let end = inner.iter().position(|b| {
            let ends = !quoted && *b == b']';
            quoted ^= *b == b'"' && !escaped;
            escaped = *b == b'\\' && !escaped;
            ends
        })?;
        rest = inner.get(end + 1..)?;
    }
    (rest.len() < text.len()).then_some(rest)
}
