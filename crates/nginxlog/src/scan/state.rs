//! From physical lines to records: skips lines without a needle, takes wrappers off, glues parts,
//! joins records of several lines, and counts every line once.

use std::sync::Arc;

use memchr::{memchr, memrchr};
use why504_model::Interval;

use super::{
    ErrorEvent, LineOutcome, LineTally, UnfinishedLine, Unparsed, judge, judge_line, needles,
};
use crate::classify::UserPattern;
use crate::error::{ErrorRecord, begins_record, rendered};
use crate::lines::{Block, MAX_LINE, trimmed};
use crate::wrapper::{Part, Parts, Unwrapped, unwrapped};

/// Where a line stands, and the times that are known besides the one in its text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// 1-based number of its first physical line.
    pub(super) line: u64,
    /// Offset of its first byte.
    pub(super) offset: u64,
    /// When a collector got it.
    arrival: Option<Interval>,
    /// When it says it was written, in UTC.
    stated: Option<Interval>,
}

impl Origin {
    fn of(whole: &Part) -> Self {
        let Part { line, offset, arrival, .. } = *whole;
        Self { line, offset, arrival, stated: None }
    }

    fn part(self) -> Part {
        Part::at(self.line, self.offset, self.arrival)
    }
}

/// A record with a needle whose context is still to come.
#[derive(Clone, Debug)]
pub(super) struct OpenRecord {
    pub(super) origin: Origin,
    text: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) patterns: Arc<[UserPattern]>,
    /// Offset of the next line.
    pub(super) offset: u64,
    pub(super) open: Option<OpenRecord>,
    pub(super) parts: Parts,
    /// Lines come in parts, which may cut a needle, so none can be skipped unseen.
    pub(super) parted: bool,
    pub(super) tally: LineTally,
    /// How often nginx says that it left lines out.
    pub(super) limited: u64,
    /// Names that could not be resolved in time.
    pub(super) unresolved: u64,
    /// This is a piece from further on in the stream, with no first line that tells more.
    pub(super) further_on: bool,
}

impl State {
    pub(super) fn new(patterns: Arc<[UserPattern]>) -> Self {
        Self {
            patterns,
            offset: 0,
            open: None,
            parts: Parts::default(),
            parted: false,
            tally: LineTally::default(),
            limited: 0,
            unresolved: 0,
            further_on: false,
        }
    }

    /// Hops from needle to needle through whole lines.
    pub(super) fn block(&mut self, block: &Block<'_>, sink: &mut impl FnMut(ErrorEvent<'_>)) {
        let bytes = block.bytes;
        let mut at = 0;
        while at < bytes.len() {
            if !self.needs_every_line() {
                let Some(hit) = needles::find(bytes, at) else { break };
                let gap = bytes.get(at..hit).unwrap_or_default();
                let start = memrchr(b'\n', gap).map_or(at, |feed| at + feed + 1);
                self.skip(bytes.get(at..start).unwrap_or_default());
                at = start;
            }
            let end = line_end(bytes, at);
            let line = bytes.get(at..end).unwrap_or_default();
            self.physical(trimmed(line), sink);
            self.offset = self.offset.saturating_add(line.len() as u64);
            at = end;
        }
        self.skip(bytes.get(at..).unwrap_or_default());
        self.offset = self.offset.saturating_add(block.omitted);
    }

    /// The first line tells whether lines come in parts.
    fn needs_every_line(&self) -> bool {
        self.open.is_some()
            || self.tally.total == 0 && !self.further_on
            || self.parted
            || self.parts.any()
            || !self.patterns.is_empty()
    }

    /// Counts lines that hold no needle.
    fn skip(&mut self, lines: &[u8]) {
        // Half the time of memchr's count, measured.
        let count = bytecount::count(lines, b'\n') as u64;
        self.tally.total = self.tally.total.saturating_add(count);
        self.tally.other = self.tally.other.saturating_add(count);
        self.offset = self.offset.saturating_add(lines.len() as u64);
    }

    fn other(&mut self) {
        self.tally.other = self.tally.other.saturating_add(1);
    }

    /// One line of the file: takes off what a collector put around it.
    fn physical(&mut self, line: &[u8], sink: &mut impl FnMut(ErrorEvent<'_>)) {
        self.tally.total = self.tally.total.saturating_add(1);
        let origin = Origin { line: self.tally.total, offset: self.offset, ..Origin::default() };
        let Some(found) = freed(line) else { return self.unwrapped(line, origin, sink) };
        let origin = Origin { arrival: found.time, ..origin };
        self.parted |= found.parted;
        match found.stream {
            Some(stream) if found.part => {
                self.parts.push(stream, &found.inner, origin.part());
                self.other();
            }
            Some(stream) => match self.parts.take(stream, &found.inner) {
                Some(whole) => self.unwrapped(&whole.text, Origin::of(&whole), sink),
                None => self.unwrapped(&found.inner, origin, sink),
            },
            None => self.unwrapped(&found.inner, origin, sink),
        }
    }

    fn unwrapped(&mut self, line: &[u8], origin: Origin, sink: &mut impl FnMut(ErrorEvent<'_>)) {
        match rendered(line) {
            Some(record) => {
                let origin = Origin { stated: Some(record.time), ..origin };
                self.logical(&record.text, origin, sink);
            }
            None => self.logical(line, origin, sink),
        }
    }

    /// One line as nginx wrote it.
    fn logical(&mut self, line: &[u8], origin: Origin, sink: &mut impl FnMut(ErrorEvent<'_>)) {
        if self.continues(line) {
            self.append(line);
            return self.other();
        }
        self.close(sink);
        let by_nginx = needles::has_needle(line);
        if !by_nginx && !self.is_wanted_by_user(line) {
            return self.said_aside(line);
        }
        if line.len() > MAX_LINE {
            self.emit(line, origin, false, sink);
            return;
        }
        let parsed = ErrorRecord::parse(line);
        if parsed.is_ok_and(|record| !record.is_complete()) {
            self.open = Some(OpenRecord { origin, text: line.to_vec() });
        } else {
            let outcome = judge(by_nginx, &parsed, &self.patterns);
            self.settle(line, &outcome, origin, false, sink);
        }
    }

    /// A line that is no case, and may still say something that a reader of the log should know.
    fn said_aside(&mut self, line: &[u8]) {
        self.limited = self.limited.saturating_add(u64::from(needles::is_limiting(line)));
        self.unresolved = self.unresolved.saturating_add(u64::from(needles::is_unresolved(line)));
        self.other();
    }

    fn is_wanted_by_user(&self, line: &[u8]) -> bool {
        needles::has_user_needle(line)
            || !self.patterns.is_empty()
                && ErrorRecord::parse(line).is_ok_and(|record| {
                    self.patterns.iter().any(|pattern| pattern.classify(&record).is_some())
                })
    }

    /// Whether a record is open and this line belongs to it.
    fn continues(&self, line: &[u8]) -> bool {
        self.open.is_some() && !begins_record(line)
    }

    fn append(&mut self, line: &[u8]) {
        let Some(open) = &mut self.open else { return };
        if open.text.len().saturating_add(line.len()) < MAX_LINE {
            open.text.push(b'\n');
            open.text.extend_from_slice(line);
        }
    }

    fn close(&mut self, sink: &mut impl FnMut(ErrorEvent<'_>)) {
        if let Some(open) = self.open.take() {
            self.emit(&open.text, open.origin, false, sink);
        }
    }

    /// Judges a line that is already in the total; returns whether it is settled.
    fn emit(
        &mut self,
        text: &[u8],
        origin: Origin,
        unterminated: bool,
        sink: &mut impl FnMut(ErrorEvent<'_>),
    ) -> bool {
        let outcome = judge_line(text, &self.patterns);
        self.settle(text, &outcome, origin, unterminated, sink)
    }

    /// Tells the sink about a line that is worth it.
    fn settle(
        &mut self,
        text: &[u8],
        outcome: &LineOutcome<'_>,
        origin: Origin,
        unterminated: bool,
        sink: &mut impl FnMut(ErrorEvent<'_>),
    ) -> bool {
        let outcome = match *outcome {
            LineOutcome::Other => {
                self.said_aside(text);
                return false;
            }
            LineOutcome::Timeout(timeout) if !unterminated || timeout.record.is_complete() => {
                self.tally.timeouts = self.tally.timeouts.saturating_add(1);
                Ok(timeout)
            }
            LineOutcome::Timeout(_) => Err(Unparsed::Unfinished),
            LineOutcome::Unparsed(_) if unterminated => Err(Unparsed::Unfinished),
            LineOutcome::Unparsed(reason) => Err(reason),
        };
        let settled = outcome.is_ok();
        if !settled {
            self.tally.unparsed = self.tally.unparsed.saturating_add(1);
        }
        let Origin { line, offset, arrival, stated } = origin;
        sink(ErrorEvent {
            line,
            offset,
            text,
            outcome,
            unterminated,
            wrapper_time: arrival,
            stated_time: stated,
        });
        settled
    }

    /// The stream ended with a line feed. A line whose last part is missing is unfinished.
    pub(super) fn end(&mut self, sink: &mut impl FnMut(ErrorEvent<'_>)) -> Option<UnfinishedLine> {
        self.close(sink);
        let mut unfinished = None;
        for part in self.parts.drain() {
            // Its last part is counted by what the whole is.
            self.tally.other = self.tally.other.saturating_sub(1);
            let consumed = self.emit(&part.text, Origin::of(&part), true, sink);
            if part.last == self.tally.total {
                let Part { line, offset, .. } = part;
                let len = self.offset.saturating_sub(offset);
                unfinished = Some(UnfinishedLine { line, offset, len, consumed });
            }
        }
        unfinished
    }

    /// The stream ended with a line of `len` bytes without a line feed, of which `tail` is kept.
    pub(super) fn last_line(
        &mut self,
        tail: &[u8],
        len: u64,
        sink: &mut impl FnMut(ErrorEvent<'_>),
    ) -> UnfinishedLine {
        self.tally.total = self.tally.total.saturating_add(1);
        let mut origin =
            Origin { line: self.tally.total, offset: self.offset, ..Origin::default() };
        let tail = trimmed(tail);
        let mut text = tail.to_vec();
        if let Some(found) = freed(tail) {
            origin.arrival = found.time;
            text = found.inner.into_owned();
            if let Some(whole) = found.stream.and_then(|stream| self.parts.take(stream, &text)) {
                origin = Origin::of(&whole);
                text = whole.text;
            }
        }
        if let Some(record) = rendered(&text) {
            (text, origin.stated) = (record.text, Some(record.time));
        }
        if self.continues(&text) {
            self.append(&text);
            self.other();
            if let Some(open) = self.open.take() {
                (text, origin) = (open.text, open.origin);
            }
        }
        self.close(sink);
        let consumed = self.emit(&text, origin, true, sink);
        let end = self.offset.saturating_add(len);
        self.end(sink);
        let Origin { line, offset, .. } = origin;
        UnfinishedLine { line, offset, len: end.saturating_sub(offset), consumed }
    }
}

/// Without the wrapper that it has; a line that is too long is not looked at.
fn freed(line: &[u8]) -> Option<Unwrapped<'_>> {
    if line.len() > MAX_LINE { None } else { unwrapped(line) }
}

/// One past the line feed that ends the line at `from`.
fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr(b'\n', rest).map_or(bytes.len(), |feed| from + feed + 1)
}
