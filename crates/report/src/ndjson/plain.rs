//! The lines of `why504 handshakes` about plain attempts that one capture point saw: nearly all lines of
//! a capture. They are those of [`attempt`](super::attempt()), byte for byte (a property says so); what is
//! the same in all of them is put into text once.

use std::io;

use why504_correlate::{Judgement, Plain};
use why504_handshake::PointId;
use why504_model::{Span, Timestamp};

use super::attempt;
use crate::moment::digits;
use crate::run::Captures;

/// See the module.
pub struct PlainLines {
    /// From `syn_count` to the first letter of the history.
    before_history: Vec<u8>,
    /// From the last letter of the history to the connect time.
    behind_history: Vec<u8>,
    /// What was written last of what hardly ever changes: the judgement, and the second of a time.
    judged: Option<(Judgement, Vec<u8>)>,
    second: Option<(i64, [u8; 30])>,
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl PlainLines {
    /// For attempts that were seen at `point`.
    pub fn new(captures: &Captures<'_>, point: PointId) -> io::Result<Self> {
        let mut name = Vec::new();
        serde_json::to_writer(&mut name, captures.point(point))?;
        Ok(Self {
            before_history: [b",\"syn_count\":1,\"history\":{", name.as_slice(), b":\""].concat(),
            behind_history: [
                b"\"},\"points\":[",
                name.as_slice(),
                b"],\"synack_count\":1,\"connect_time\":",
            ]
            .concat(),
            judged: None,
            second: None,
        })
    }

    /// Writes the line of an attempt, with its line feed.
    pub fn write(
        &mut self,
        plain: &Plain,
        judgement: &Judgement,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let attempt = plain.sighting();
        let (client, server) = (attempt.flow.client, attempt.flow.server);
        out.extend_from_slice(b"{\"type\":\"attempt\",\"client\":");
        serde_json::to_writer(&mut *out, &client.ip)?;
        out.extend_from_slice(b",\"client_port\":");
        serde_json::to_writer(&mut *out, &client.port)?;
        out.extend_from_slice(b",\"server\":");
        serde_json::to_writer(&mut *out, &server.ip)?;
        out.extend_from_slice(b",\"server_port\":");
        serde_json::to_writer(&mut *out, &server.port)?;
        out.extend_from_slice(b",\"isn\":");
        serde_json::to_writer(&mut *out, &attempt.isn.0)?;
        out.extend_from_slice(b",\"first_syn\":\"");
        self.time(attempt.first_syn(), out);
        out.push(b'"');
        out.extend_from_slice(&self.before_history);
        // Letters of the alphabet.
        out.extend(attempt.events.iter().map(|event| event.letter() as u8));
        out.extend_from_slice(&self.behind_history);
        let connect_time = attempt::connect_time_at(attempt);
        serde_json::to_writer(&mut *out, &connect_time.map(Span::as_secs_f64))?;
        self.judged(judgement, out)
    }

    fn time(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        let second = time.nanos().div_euclid(NANOS_PER_SECOND);
        let mut text = match self.second {
            Some((before, text)) if before == second => text,
            _ => digits(time),
        };
        let nanos = time.nanos().rem_euclid(NANOS_PER_SECOND);
        // Less than a billion.
        let mut left = u32::try_from(nanos).unwrap_or_default();
        for place in text.iter_mut().skip(20).take(9).rev() {
            *place = b'0' + (left % 10) as u8;
            left /= 10;
        }
        self.second = Some((second, text));
        out.extend_from_slice(&text);
    }

    fn judged(&mut self, judgement: &Judgement, out: &mut Vec<u8>) -> io::Result<()> {
        match &self.judged {
            Some((before, text)) if before == judgement => out.extend_from_slice(text),
            _ => {
                let mut text = Vec::new();
                attempt::judged(judgement, false, &[], &mut text)?;
                text.push(b'\n');
                out.extend_from_slice(&text);
                self.judged = Some((*judgement, text));
            }
        }
        Ok(())
    }
}
