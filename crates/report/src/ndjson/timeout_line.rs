//! A line of `why504 timeouts` for a stream of millions of them, written field by field.
//!
//! `log` says what the fields are and has serde write them everywhere else; a test holds the two
//! against each other. Measured on a log of 60,000 timeouts, serde and the strings that it is given
//! took as long as all the rest that is done for a line.

use std::io::{self, Write};

use why504_model::{Endpoint, TimeLimit, Timeout};

use super::log::Limit;
use crate::{limit, moment};

/// The words of a log line as its bytes; fields that it has not are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawWords<'a> {
    /// Message with errno and `while ...`.
    pub message: &'a [u8],
    /// Client address.
    pub client: &'a [u8],
    /// Matched `server_name`.
    pub server: &'a [u8],
    /// Request line.
    pub request: &'a [u8],
    /// Host header.
    pub host: &'a [u8],
}

/// What the lines of `why504 timeouts` about one log begin with.
#[derive(Clone, Debug, Default)]
pub struct TimeoutLines {
    beginning: Vec<u8>,
}

impl TimeoutLines {
    /// Of the log with this path.
    pub fn new(file: &str) -> Self {
        let mut line = Json(Vec::new());
        line.raw(r#"{"type":"timeout","log":{"file":"#);
        line.text(file.as_bytes());
        line.raw(r#","line":"#);
        Self { beginning: line.0 }
    }

    /// Writes a line about the log line with this 1-based number.
    pub fn write(&self, number: u64, rest: &TimeoutLine, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.beginning)?;
        let mut digits = [b'0'; DIGITS];
        out.write_all(decimal(number, &mut digits))?;
        out.write_all(&rest.json)
    }
}

/// A line of `why504 timeouts` behind the number of its log line: that is known when all that
/// stands before it in the log has been read.
#[derive(Clone, Debug)]
pub struct TimeoutLine {
    json: Vec<u8>,
}

impl TimeoutLine {
    /// Of a timeout without an access line.
    pub fn new(timeout: &Timeout, words: &RawWords<'_>) -> Self {
        let RawWords { message, client, server, request, host } = *words;
        let texts = [message, client, server, request, host].map(<[u8]>::len);
        // The names of the fields, times and numbers need less than 400 bytes.
        let length = texts.iter().fold(400_usize, |sum, text| sum.saturating_add(*text));
        let mut line = Json(Vec::with_capacity(length));
        line.raw(r#","time":""#);
        line.raw_bytes(&moment::digits(timeout.logged.start()));
        line.raw(r#"","time_end":""#);
        line.raw_bytes(&moment::digits(timeout.logged.end()));
        line.raw(r#"","kind":""#);
        line.raw(timeout.kind.name());
        line.raw(r#"","message":"#);
        line.text(message);
        line.raw(r#","peer":"#);
        line.peer(timeout.peer);
        for (name, text) in [
            (r#","client":"#, client),
            (r#","server":"#, server),
            (r#","request":"#, request),
            (r#","host":"#, host),
        ] {
            line.raw(name);
            if text.is_empty() { line.raw("null") } else { line.text(text) }
        }
        line.raw(r#","pid":"#);
        line.optional(timeout.worker.map(u64::from));
        line.raw(r#","connection":"#);
        line.optional(timeout.connection);
        line.raw(r#"},"timeout":"#);
        line.limit(limit::longest(timeout));
        line.raw(",\"access\":null}\n");
        Self { json: line.0 }
    }
}

/// The digits of the largest number.
const DIGITS: usize = 20;

/// A number in decimal, in the end of the room.
fn decimal(number: u64, room: &mut [u8; DIGITS]) -> &[u8] {
    let mut left = number;
    let mut used = 0;
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        (left, used) = (left / 10, used + 1);
        if left == 0 {
            break;
        }
    }
    room.get(DIGITS - used..).unwrap_or_default()
}

/// JSON that is being written.
struct Json(Vec<u8>);

impl Json {
    fn raw(&mut self, text: &str) {
        self.raw_bytes(text.as_bytes());
    }

    fn raw_bytes(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
    }

    /// A string with its quotes, escaped as serde_json does it. Bytes that are not UTF-8 are replaced.
    fn text(&mut self, text: &[u8]) {
        self.0.push(b'"');
        if is_plain(text) {
            self.raw_bytes(text);
        } else {
            self.repaired(&String::from_utf8_lossy(text));
        }
        self.0.push(b'"');
    }

    fn repaired(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.raw_bytes(plain);
            let Some((byte, after)) = special.split_first() else { break };
            self.escaped(*byte);
            rest = after;
        }
        self.raw_bytes(rest);
    }

    fn escaped(&mut self, byte: u8) {
        let letter = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\t' => b't',
            b'\r' => b'r',
            0x08 => b'b',
            0x0c => b'f',
            _ => {
                // Writing to a vector does not fail.
                let _ = write!(self.0, "\\u{byte:04x}");
                return;
            }
        };
        self.raw_bytes(&[b'\\', letter]);
    }

    fn number(&mut self, number: u64) {
        self.raw_bytes(decimal(number, &mut [b'0'; DIGITS]));
    }

    fn optional(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.number(number),
            None => self.raw("null"),
        }
    }

    fn peer(&mut self, peer: Option<Endpoint>) {
        let Some(peer) = peer else { return self.raw("null") };
        self.raw(r#"{"ip":""#);
        match peer.ip {
            std::net::IpAddr::V4(ip) => {
                for (place, octet) in ip.octets().into_iter().enumerate() {
                    self.raw(if place == 0 { "" } else { "." });
                    self.number(u64::from(octet));
                }
            }
            std::net::IpAddr::V6(ip) => {
                let _ = write!(self.0, "{ip}");
            }
        }
        self.raw(r#"","port":"#);
        self.number(u64::from(peer.port));
        self.raw("}");
    }

    fn limit(&mut self, limit: Option<TimeLimit>) {
        if limit.is_none() {
            return self.raw(r#"{"seconds":null,"source":"unknown"}"#);
        }
        // Writing to a vector does not fail, and no map here has keys that are not strings.
        let written = serde_json::to_writer(&mut self.0, &Limit::from(limit));
        debug_assert!(written.is_ok(), "{written:?}");
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Whether a text is ASCII and needs no escape, as nearly all are. Looked at in blocks without a branch for
/// each byte, which becomes vector instructions; the last block overlaps the one before it.
fn is_plain(text: &[u8]) -> bool {
    let special =
        |block: &[u8]| block.iter().fold(false, |any, b| any | needs_escape(*b) | !b.is_ascii());
    let (blocks, rest) = text.as_chunks::<16>();
    let last = text.last_chunk::<16>().map_or(rest, <[u8; 16]>::as_slice);
    !blocks.iter().any(|block| special(block)) && !special(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use why504_model::{Interval, LimitSource, Location, Span, TimeoutId, TimeoutKind, Timestamp};

    use super::*;
    use crate::ndjson::log;
    use crate::run::LogWords;

    fn timeout() -> impl Strategy<Value = Timeout> {
        let peer = proptest::option::of((any::<std::net::IpAddr>(), any::<u16>()));
        let numbers = (any::<u64>(), any::<Option<u32>>(), any::<Option<u64>>());
        let limit = proptest::option::of(1..100_000_i64);
        (peer, numbers, limit, 0..i64::MAX / 2).prop_map(
            |(peer, (line, worker, connection), limit, nanos)| Timeout {
                id: TimeoutId::default(),
                location: Location { record: line, ..Location::default() },
                kind: TimeoutKind::UpstreamConnectTimeout,
                never_sent: false,
                peer: peer.map(|(ip, port)| Endpoint::new(ip, port)),
                logged: Interval::second_from(Timestamp::from_nanos(nanos)),
                start: None,
                limits: limit
                    .map(|millis| {
                        let length = Span::from_millis(millis);
                        TimeLimit { at_least: length, at_most: length, source: LimitSource::Flag }
                    })
                    .into_iter()
                    .collect(),
                worker,
                connection,
            },
        )
    }

    /// Texts with all that needs an escape, in all places of a block, and bytes that are not UTF-8.
    fn words() -> impl Strategy<Value = Vec<u8>> {
        let text = "[ -~]{0,80}|[ -~\u{0}-\u{1f}\u{7f}é\u{fffd}\u{10348}\"\\\\]{0,80}";
        prop_oneof![
            text.prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..40),
        ]
    }

    proptest! {
        #[test]
        fn it_is_what_serde_writes(
            timeout in timeout(),
            file in "[ -~\u{0}-\u{1f}é\"\\\\]{0,80}",
            texts in proptest::collection::vec(words(), 5),
        ) {
            let [message, client, server, request, host] =
                std::array::from_fn(|place| texts[place].as_slice());
            let line = TimeoutLine::new(&timeout, &RawWords { message, client, server, request, host });
            let mut written = Vec::new();
            let number = timeout.location.record;
            TimeoutLines::new(&file).write(number, &line, &mut written).expect("memory");
            let [message, client, server, request, host] =
                std::array::from_fn(|place| String::from_utf8_lossy(&texts[place]));
            let words = LogWords { message, client, server, request, host };
            let mut expected = serde_json::to_string(&log::object(&file, &timeout, words)).expect("JSON");
            expected.push('\n');
            prop_assert_eq!(String::from_utf8(written).expect("UTF-8"), expected);
        }
    }
}
