//! What `journalctl` prints around a message: `-o json`, `-o export`, and its short forms that no
//! syslog daemon writes (systemd.journal-fields(7), "Journal JSON Format" and "Journal Export Format"
//! of systemd.io).

use std::borrow::Cow;

use why504_model::{Interval, Span, Timestamp};

use super::Layer;
use super::stamp::{digits, rfc3339};
use super::syslog::tagged;
use crate::json::{Members, Value, unescaped};

/// `{"MESSAGE":"LINE","__REALTIME_TIMESTAMP":"1795331903512345",...}`: microseconds since the epoch.
/// A message that is not all printable text is an array of its bytes.
pub(super) fn json(line: &[u8]) -> Option<Layer<'_>> {
    let mut members = Members::of(line)?;
    let (mut message, mut time) = (None, None);
    for member in members.by_ref() {
        match (member.parent, member.key, member.value) {
            (b"", b"MESSAGE", Value::Text(text)) => message = Some(unescaped(text)),
            (b"", b"MESSAGE", Value::Other(array)) => message = bytes_of(array).map(Cow::Owned),
            (b"", b"__REALTIME_TIMESTAMP", Value::Text(text)) => time = microseconds(text),
            _ => {}
        }
    }
    // The journal writes the time into every entry.
    let (rest, time) = (message?, time?);
    members.is_whole().then_some(Layer {
        rest,
        time: Some(time),
        part: None,
        parted: false,
        by_syslog: false,
    })
}

/// `MESSAGE=LINE`; the time of the entry is another line of it.
pub(super) fn export(line: &[u8]) -> Option<Layer<'_>> {
    line.strip_prefix(b"MESSAGE=").map(Layer::new)
}

/// `-o short-full`: `Sun 2026-11-22 07:18:23 UTC host nginx[31]: LINE`. The name of another zone than
/// UTC does not tell its offset.
pub(super) fn short_full(line: &[u8]) -> Option<Layer<'_>> {
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    let (day, rest) = line.split_at_checked(3)?;
    let rest = rest.strip_prefix(b" ").filter(|_| DAYS.contains(&day))?;
    let after = rest.get(rfc3339(rest)?.length..)?.strip_prefix(b" ")?;
    let zone = after.iter().take(8).position(|byte| *byte == b' ')?;
    Some(Layer::new(tagged(after.get(zone + 1..)?)?))
}

/// `-o short-unix`: `1795331903.512345 host nginx[31]: LINE`.
pub(super) fn short_unix(line: &[u8]) -> Option<Layer<'_>> {
    let (seconds, rest) = line.split_at_checked(10)?;
    let (micros, rest) = rest.strip_prefix(b".")?.split_at_checked(6)?;
    let message = tagged(rest.strip_prefix(b" ")?)?;
    let time = microseconds(&[seconds, micros].concat())?;
    Some(Layer::new(message).at(Some(time)))
}

/// A microsecond.
fn microseconds(text: &[u8]) -> Option<Interval> {
    let (seconds, micros) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let seconds = i64::from(digits(seconds)?);
    let start = Timestamp::from_parts(seconds, digits(micros)?.checked_mul(1000)?);
    Some(Interval::new(start, start + Span::from_micros(1)))
}

/// `[50,48,50]`
fn bytes_of(array: &[u8]) -> Option<Vec<u8>> {
    let inner = array.strip_prefix(b"[")?.strip_suffix(b"]")?;
    inner
        .split(|byte| *byte == b',')
        .map(|number| u8::try_from(digits(number.trim_ascii())?).ok())
        .collect()
}
