//! Angie's `error_log ... format=json` (since 1.12), rewritten as the text that the same record
//! has without it, so that one grammar reads both.
//!
//! The members are those of `ngx_log_create_json_message` (Angie src/core/ngx_log.c). The time is
//! UTC and has milliseconds, which the text form has not; it is handed back beside the text.

use chrono::DateTime;
use why504_model::{Interval, Span, Timestamp};

use crate::json::{Members, Value, unescaped};

/// What every such record begins with.
const BEGINNING: &[u8] = b"{\"time\":\"";

/// A record in nginx's spelling; its civil time is in UTC.
pub(crate) struct Rendered {
    pub(crate) text: Vec<u8>,
    /// One millisecond wide.
    pub(crate) time: Interval,
}

/// The members that matter, still escaped.
#[derive(Default)]
struct Found<'a> {
    time: &'a [u8],
    level: &'a [u8],
    pid: &'a [u8],
    tid: &'a [u8],
    connection: &'a [u8],
    message: &'a [u8],
    code: &'a [u8],
    error: &'a [u8],
    truncated: bool,
    /// In the order of [`FIELDS`].
    fields: [Option<&'a [u8]>; FIELDS.len()],
    action: Option<&'a [u8]>,
}

/// In nginx's order of the context.
const FIELDS: [&[u8]; 7] =
    [b"client", b"server", b"request_line", b"subrequest", b"upstream", b"host", b"referrer"];

/// The place of `upstream` in [`FIELDS`].
const UPSTREAM: usize = 4;

/// The text of a JSON record; `None` for anything else.
pub(crate) fn rendered(line: &[u8]) -> Option<Rendered> {
    if !line.starts_with(BEGINNING) {
        return None;
    }
    let found = Found::read(line)?;
    let text = core::str::from_utf8(found.time).ok().filter(|time| time.ends_with('Z'))?;
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    let start =
        Timestamp::from_parts(moment.timestamp(), moment.timestamp_subsec_millis() * 1_000_000);
    let time = Interval::new(start, start + Span::from_millis(1));
    let civil = moment.naive_utc().format("%Y/%m/%d %H:%M:%S").to_string();
    Some(Rendered { text: found.text(civil.as_bytes()), time })
}

impl<'a> Found<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut members = Members::of(line)?;
        let mut found = Self::default();
        for member in members.by_ref() {
            let (Value::Text(value) | Value::Other(value)) = member.value;
            match (member.parent, member.key) {
                (b"", b"time") => found.time = value,
                (b"", b"level") => found.level = value,
                (b"", b"pid") => found.pid = value,
                (b"", b"tid") => found.tid = value,
                (b"", b"connection") => found.connection = value,
                (b"", b"message") => found.message = value,
                (b"", b"truncated") => found.truncated = value == b"true",
                (b"error", b"code") => found.code = value,
                (b"error", b"message") => found.error = value,
                // `http`, its `request`, `stream`, `mail`: the keys differ, so the object's name
                // does not matter.
                (_, b"action") => found.action = Some(value),
                (_, key) => {
                    let place = FIELDS.iter().position(|field| *field == key);
                    if let Some(field) = place.and_then(|place| found.fields.get_mut(place)) {
                        *field = Some(value);
                    }
                }
            }
        }
        let needed = [found.time, found.level, found.pid, found.message];
        (members.is_whole() && needed.iter().all(|value| !value.is_empty())).then_some(found)
    }

    fn text(&self, civil: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(512);
        let tid = if self.tid.is_empty() { b"0" } else { self.tid };
        for piece in [civil, b" [", self.level, b"] ", self.pid, b"#", tid, b": "] {
            text.extend_from_slice(piece);
        }
        if !matches!(self.connection, b"" | b"0") {
            for piece in [b"*", self.connection, b" "] {
                text.extend_from_slice(piece);
            }
        }
        text.extend_from_slice(&unescaped(self.message));
        if !self.code.is_empty() {
            for piece in [b" (", self.code, b": ", &unescaped(self.error), b")"] {
                text.extend_from_slice(piece);
            }
        }
        if let Some(action) = self.action {
            text.extend_from_slice(b" while ");
            text.extend_from_slice(&unescaped(action));
        }
        for (place, (key, value)) in FIELDS.iter().zip(self.fields).enumerate() {
            let Some(value) = value.map(unescaped) else { continue };
            // Of a truncated record nobody knows which value was cut: digits at the end may be
            // half a port.
            let cut = self.truncated && value.last().is_some_and(u8::is_ascii_digit);
            if place == UPSTREAM && cut {
                continue;
            }
            for piece in [b", ", *key, b": \"", &value, b"\""] {
                text.extend_from_slice(piece);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorRecord, classify};

    const RECORD: &str = r#"{"time":"2026-11-22T07:18:23.512Z","level":"error","pid":31,"tid":31,"connection":569,"message":"upstream timed out","error":{"code":110,"message":"Connection timed out"},"http":{"action":"connecting to upstream","client":"203.0.113.7","request":{"server":"a","request_line":"GET /\"x\" HTTP/1.1","upstream":"http://10.0.0.9:8080/","host":"a"}},"tags":["http"]}"#;

    #[test]
    fn a_json_record_is_the_text_that_nginx_would_have_written() {
        let found = rendered(RECORD.as_bytes()).expect("a record");
        let expected = "2026/11/22 07:18:23 [error] 31#31: *569 upstream timed out (110: \
            Connection timed out) while connecting to upstream, client: \"203.0.113.7\", server: \
            \"a\", request_line: \"GET /\"x\" HTTP/1.1\", upstream: \"http://10.0.0.9:8080/\", \
            host: \"a\"";
        assert_eq!(String::from_utf8_lossy(&found.text), expected);
        assert_eq!(found.time.start(), Timestamp::from_parts(1_795_331_903, 512_000_000));
        assert_eq!(found.time.length(), Span::from_millis(1));
        let record = ErrorRecord::parse(&found.text).expect("a record");
        assert_eq!(record.context.request, Some(b"GET /\"x\" HTTP/1.1".as_slice()));
        let class = classify(&record).expect("whole").expect("a timeout");
        assert_eq!(class.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:8080"));
    }

    #[test]
    fn a_whole_second_has_no_milliseconds_and_no_connection_no_star() {
        let line = r#"{"time":"2026-11-22T07:18:23Z","level":"notice","pid":1,"tid":1,"connection":0,"message":"x"}"#;
        let found = rendered(line.as_bytes()).expect("a record");
        assert_eq!(found.text, b"2026/11/22 07:18:23 [notice] 1#1: x");
        assert_eq!(found.time.start(), Timestamp::from_parts(1_795_331_903, 0));
    }

    #[test]
    fn a_truncated_record_names_no_peer_that_may_be_cut() {
        for (upstream, kept) in [("http://10.0.0.9:80", false), ("http://10.0.0.9:8080/", true)] {
            let line = RECORD
                .replace("http://10.0.0.9:8080/", upstream)
                .replace(r#""tags":["http"]"#, r#""tags":["http"],"truncated":true"#);
            let found = rendered(line.as_bytes()).expect("a record");
            let record = ErrorRecord::parse(&found.text).expect("a record");
            assert_eq!(record.context.upstream.is_some(), kept, "{upstream}");
        }
    }

    #[test]
    fn other_objects_are_not_records() {
        for line in [
            r#"{"time":"22/Nov/2026:07:18:23 +0000","level":"error","pid":1,"message":"x"}"#,
            r#"{"time":"2026-11-22T07:18:23Z","status":504}"#,
            &RECORD[..RECORD.len() - 1],
            "",
        ] {
            assert!(rendered(line.as_bytes()).is_none(), "{line}");
        }
    }
}
