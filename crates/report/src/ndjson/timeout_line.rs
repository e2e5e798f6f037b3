//! A line of `why504 timeouts` for a stream of millions of them, written field by field.
//!
//! `log` says what the fields are and has serde write them everywhere else; a test holds the two
//! against each other. Measured on a log of 60,000 timeouts, serde and the strings that it is given
//! took as long as all the rest that is done for a line.

use std::io::{self, Write};

use why504_model::{Endpoint, TimeLimit, Timeout};

use super::log::Limit;
use crate::run::LogWords;
use crate::{limit, moment, words};

/// A line of `why504 timeouts`, but for the number of its log line: that is known when all that
/// stands before it in the log has been read.
#[derive(Clone, Debug)]
pub struct TimeoutLine {
    json: Vec<u8>,
    /// Where the number belongs.
    number: usize,
}

impl TimeoutLine {
    /// Of a timeout without an access line, in the file with this path.
    pub fn new(file: &str, timeout: &Timeout, words: &LogWords<'_>) -> Self {
        let LogWords { message, client, server, request, host } = words;
        let texts = [message, client, server, request, host].map(|text| text.len());
        // The names of the fields, times and numbers need less than 400 bytes.
        let length = texts.iter().fold(400 + file.len(), |sum, text| sum.saturating_add(*text));
        let mut line = Json(Vec::with_capacity(length));
        line.raw(r#"{"type":"timeout","log":{"file":"#);
        line.text(file);
        line.raw(r#","line":"#);
        let number = line.0.len();
        line.raw(r#","time":""#);
        line.raw_bytes(&moment::digits(timeout.logged.start()));
        line.raw(r#"","time_end":""#);
        line.raw_bytes(&moment::digits(timeout.logged.end()));
        line.raw(r#"","kind":""#);
        line.raw(words::kind(timeout.kind));
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
        Self { json: line.0, number }
    }

    /// Writes the line, of the log line with this 1-based number.
    pub fn write(&self, number: u64, out: &mut dyn Write) -> io::Result<()> {
        let (before, after) = self.json.split_at_checked(self.number).unwrap_or_default();
        out.write_all(before)?;
        write!(out, "{number}")?;
        out.write_all(after)
    }
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

    /// A string with its quotes, escaped as serde_json does it.
    fn text(&mut self, text: &str) {
        self.0.push(b'"');
        let mut rest = text.as_bytes();
        while let Some(at) = first_special(rest) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            self.raw_bytes(plain);
            let Some((byte, after)) = special.split_first() else { break };
            self.escaped(*byte);
            rest = after;
        }
        self.raw_bytes(rest);
        self.0.push(b'"');
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
        // The digits of the largest number are twenty.
        let mut digits = [b'0'; 20];
        let mut left = number;
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit += (left % 10) as u8;
            (left, used) = (left / 10, used + 1);
            if left == 0 {
                break;
            }
        }
        self.raw_bytes(digits.get(digits.len() - used..).unwrap_or_default());
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

/// Where the first byte stands that a JSON string has to escape. Looked for in blocks without a
/// branch for each byte, which becomes vector instructions.
fn first_special(text: &[u8]) -> Option<usize> {
    let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    let (blocks, rest) = text.as_chunks::<32>();
    let clean =
        blocks.iter().take_while(|block| !block.iter().fold(false, |any, b| any | special(b)));
    let skipped = clean.count() * 32;
    let from = if skipped == blocks.len() * 32 { rest } else { text.get(skipped..)? };
    from.iter().position(special).map(|at| skipped + at)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use why504_model::{Interval, LimitSource, Location, Span, TimeoutId, TimeoutKind, Timestamp};

    use super::*;
    use crate::ndjson::log;

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

    /// Texts with all that needs an escape, in all places of a block.
    const WORDS: &str = "[ -~\u{0}-\u{1f}\u{7f}é\u{fffd}\u{10348}\"\\\\]{0,80}";

    proptest! {
        #[test]
        fn it_is_what_serde_writes(
            timeout in timeout(),
            file in WORDS,
            texts in proptest::collection::vec(WORDS, 5),
        ) {
            let [message, client, server, request, host] =
                std::array::from_fn(|place| Cow::Borrowed(texts[place].as_str()));
            let words = LogWords { message, client, server, request, host };
            let mut written = Vec::new();
            let line = TimeoutLine::new(&file, &timeout, &words);
            line.write(timeout.location.record, &mut written).expect("memory");
            let mut expected = serde_json::to_string(&log::object(&file, &timeout, words)).expect("JSON");
            expected.push('\n');
            prop_assert_eq!(String::from_utf8(written).expect("UTF-8"), expected);
        }
    }
}
