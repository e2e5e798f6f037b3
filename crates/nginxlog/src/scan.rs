//! Finds the timeouts in a stream of error-log bytes.
//!
//! A substring search decides first: a line without a needle is "other" and is not parsed. The
//! scanner holds one unfinished line and one unfinished record, so its memory does not grow with
//! the file, and the events do not depend on how the bytes are cut into chunks.

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memrchr};

use crate::classify::{Classified, ClassifyError, classify};
use crate::error::{ErrorRecord, RecordError, begins_record};
use crate::lines::{Block, LineBlocks, MAX_LINE, trimmed};

/// The substrings of which every line that can be a timeout holds at least one.
pub const NEEDLES: [&[u8]; 5] =
    [b"upstream timed out", b"lua tcp socket ", b"connect() ", b" bind(", b" timed out (peer:"];

/// What one line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for a line and taken apart at once")]
pub enum LineOutcome<'a> {
    /// A failed or timed-out connect or read.
    Timeout(LoggedTimeout<'a>),
    /// Nothing that could be about a handshake.
    Other,
    /// It holds a needle and cannot be read.
    Unparsed(Unparsed),
}

/// A record together with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedTimeout<'a> {
    /// The record.
    pub record: ErrorRecord<'a>,
    /// What it reports.
    pub class: Classified,
}

/// Why a line that holds a needle was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unparsed {
    /// It is not a record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It is a record that says too little.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// It is longer than [`MAX_LINE`].
    #[error("the line is longer than {MAX_LINE} bytes, which no nginx writes into an error log")]
    TooLong,
    /// The last line of the file has no line feed and is not whole.
    #[error("the last line of the file is not finished; it will be read once it is")]
    Unfinished,
}

/// Judges one record, given whole and without its line feed.
pub fn read_line(line: &[u8]) -> LineOutcome<'_> {
    if !has_needle(line) {
        return LineOutcome::Other;
    }
    match read_record(line) {
        Ok(Some(timeout)) => LineOutcome::Timeout(timeout),
        Ok(None) => LineOutcome::Other,
        Err(reason) => LineOutcome::Unparsed(reason),
    }
}

fn read_record(line: &[u8]) -> Result<Option<LoggedTimeout<'_>>, Unparsed> {
    if line.len() > MAX_LINE {
        return Err(Unparsed::TooLong);
    }
    let record = ErrorRecord::parse(line)?;
    Ok(classify(&record)?.map(|class| LoggedTimeout { record, class }))
}

/// Only the part within the limit counts, so that a line is judged alike in whatever pieces it
/// came.
fn has_needle(line: &[u8]) -> bool {
    let line = line.get(..MAX_LINE).unwrap_or(line);
    NEEDLES.iter().any(|needle| memchr::memmem::find(line, needle).is_some())
}

/// A line that is worth saying something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEvent<'a> {
    /// 1-based number of its first physical line.
    pub line: u64,
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// The record; physical lines are joined by line feeds.
    pub text: &'a [u8],
    /// The timeout, or why it could not be read.
    pub outcome: Result<LoggedTimeout<'a>, Unparsed>,
    /// It is the last line and has no line feed: whole as far as can be told, but more may come.
    pub unterminated: bool,
}

/// Where every physical line went: `total = timeouts + other + unparsed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineTally {
    /// Physical lines.
    pub total: u64,
    /// Lines that are cases.
    pub timeouts: u64,
    /// Lines about something else, and continuations of records.
    pub other: u64,
    /// Lines with a needle that could not be read.
    pub unparsed: u64,
}

/// The unterminated last line of a stream, or the unfinished record of several lines that it
/// belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedLine {
    /// 1-based number of its first line.
    pub line: u64,
    /// Offset of its first byte: where to read on when the file has grown.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// An event was made of it, since it reads as a whole record.
    pub consumed: bool,
}

/// What [`ErrorScanner::finish`] hands back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanEnd {
    /// Where the lines went.
    pub tally: LineTally,
    /// The last line, if it has no line feed.
    pub unfinished: Option<UnfinishedLine>,
}

/// A record with a needle whose context is still to come.
#[derive(Clone, Debug)]
struct OpenRecord {
    line: u64,
    offset: u64,
    text: Vec<u8>,
}

/// Finds the timeouts in a stream of chunks.
#[derive(Clone, Debug)]
pub struct ErrorScanner {
    blocks: LineBlocks,
    finders: [Finder<'static>; NEEDLES.len()],
    state: State,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Offset of the next line.
    offset: u64,
    open: Option<OpenRecord>,
    tally: LineTally,
}

impl Default for ErrorScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl ErrorScanner {
    /// A scanner at the beginning of a file.
    pub fn new() -> Self {
        let finders = NEEDLES.map(Finder::new);
        Self { blocks: LineBlocks::default(), finders, state: State::default() }
    }

    /// Reads the next bytes; `sink` gets the timeouts and the unparsed lines in order.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut impl FnMut(ErrorEvent<'_>)) {
        let Self { blocks, finders, state } = self;
        blocks.feed(chunk, |block| state.block(&block, finders, sink));
    }

    /// The stream has ended. An unterminated last line becomes an event (marked as such) if it
    /// reads as a complete timeout; one with a needle that does not is unparsed, as
    /// [`Unparsed::Unfinished`].
    pub fn finish(mut self, sink: &mut impl FnMut(ErrorEvent<'_>)) -> ScanEnd {
        let Some((tail, len)) = self.blocks.tail() else {
            self.state.close(sink);
            return ScanEnd { tally: self.state.tally, unfinished: None };
        };
        if self.state.continues(trimmed(tail)) {
            let unfinished = Some(self.state.last_continuation(tail, len, sink));
            return ScanEnd { tally: self.state.tally, unfinished };
        }
        self.state.close(sink);
        let (line, offset) = (self.state.tally.total + 1, self.state.offset);
        let consumed = self.state.last_line(tail, sink);
        let unfinished = Some(UnfinishedLine { line, offset, len, consumed });
        ScanEnd { tally: self.state.tally, unfinished }
    }
}

impl State {
    /// Hops from needle to needle through whole lines.
    fn block(
        &mut self,
        block: &Block<'_>,
        finders: &[Finder<'_>],
        sink: &mut impl FnMut(ErrorEvent<'_>),
    ) {
        let mut hits = Hits { bytes: block.bytes, next: [Some(0); NEEDLES.len()] };
        let mut at = 0;
        loop {
            while self.open.is_some() && at < block.bytes.len() {
                at = self.settle(block.bytes, at, sink);
            }
            let Some(hit) = hits.first_from(at, finders) else { break };
            let gap = block.bytes.get(at..hit).unwrap_or_default();
            let start = memrchr(b'\n', gap).map_or(at, |feed| at + feed + 1);
            self.skip(block.bytes.get(at..start).unwrap_or_default());
            let end = line_end(block.bytes, hit);
            let line = block.bytes.get(start..end).unwrap_or_default();
            self.line(trimmed(line), sink);
            self.offset = self.offset.saturating_add(line.len() as u64);
            at = end;
        }
        self.skip(block.bytes.get(at..).unwrap_or_default());
        self.offset = self.offset.saturating_add(block.omitted);
    }

    /// Counts lines that hold no needle.
    fn skip(&mut self, lines: &[u8]) {
        let count = memchr_iter(b'\n', lines).count() as u64;
        self.tally.total = self.tally.total.saturating_add(count);
        self.tally.other = self.tally.other.saturating_add(count);
        self.offset = self.offset.saturating_add(lines.len() as u64);
    }

    /// With a record open: takes the line at `at` into it, or closes it before that line.
    fn settle(&mut self, bytes: &[u8], at: usize, sink: &mut impl FnMut(ErrorEvent<'_>)) -> usize {
        let end = line_end(bytes, at);
        let line = bytes.get(at..end).unwrap_or_default();
        if !self.continues(trimmed(line)) {
            self.close(sink);
            return at;
        }
        self.append(trimmed(line));
        self.skip(line);
        end
    }

    /// Whether a record is open and this physical line belongs to it.
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

    /// A line with a needle.
    fn line(&mut self, line: &[u8], sink: &mut impl FnMut(ErrorEvent<'_>)) {
        self.tally.total = self.tally.total.saturating_add(1);
        let number = self.tally.total;
        let incomplete = line.len() <= MAX_LINE
            && ErrorRecord::parse(line).is_ok_and(|record| !record.is_complete());
        if incomplete {
            self.open = Some(OpenRecord { line: number, offset: self.offset, text: line.to_vec() });
        } else {
            self.emit(number, self.offset, line, false, sink);
        }
    }

    fn close(&mut self, sink: &mut impl FnMut(ErrorEvent<'_>)) {
        if let Some(open) = self.open.take() {
            self.emit(open.line, open.offset, &open.text, false, sink);
        }
    }

    /// Tells the sink about a line that is already in the total; returns whether it did.
    fn emit(
        &mut self,
        line: u64,
        offset: u64,
        text: &[u8],
        unterminated: bool,
        sink: &mut impl FnMut(ErrorEvent<'_>),
    ) -> bool {
        let outcome = match read_line(text) {
            LineOutcome::Other => {
                self.tally.other = self.tally.other.saturating_add(1);
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
        if outcome.is_err() {
            self.tally.unparsed = self.tally.unparsed.saturating_add(1);
        }
        sink(ErrorEvent { line, offset, text, outcome, unterminated });
        outcome.is_ok()
    }

    /// The unterminated last line belongs to an open record, which ends here.
    fn last_continuation(
        &mut self,
        tail: &[u8],
        len: u64,
        sink: &mut impl FnMut(ErrorEvent<'_>),
    ) -> UnfinishedLine {
        self.append(trimmed(tail));
        self.tally.total = self.tally.total.saturating_add(1);
        self.tally.other = self.tally.other.saturating_add(1);
        let OpenRecord { line, offset, text } =
            self.open.take().unwrap_or(OpenRecord { line: 0, offset: 0, text: Vec::new() });
        let consumed = self.emit(line, offset, &text, true, sink);
        let len = self.offset.saturating_sub(offset).saturating_add(len);
        UnfinishedLine { line, offset, len, consumed }
    }

    fn last_line(&mut self, tail: &[u8], sink: &mut impl FnMut(ErrorEvent<'_>)) -> bool {
        self.tally.total = self.tally.total.saturating_add(1);
        self.emit(self.tally.total, self.offset, trimmed(tail), true, sink)
    }
}

/// The next occurrence of each needle, found again only when it has been passed.
struct Hits<'a> {
    bytes: &'a [u8],
    next: [Option<usize>; NEEDLES.len()],
}

impl Hits<'_> {
    fn first_from(&mut self, at: usize, finders: &[Finder<'_>]) -> Option<usize> {
        for (next, finder) in self.next.iter_mut().zip(finders) {
            // At the start of a block the position 0 means "not searched yet".
            if next.is_some_and(|hit| hit < at || (hit == 0 && at == 0)) {
                let rest = self.bytes.get(at..).unwrap_or_default();
                *next = finder.find(rest).map(|hit| at + hit);
            }
        }
        self.next.iter().copied().flatten().min()
    }
}

/// One past the line feed that ends the line at `from`.
fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr(b'\n', rest).map_or(bytes.len(), |feed| from + feed + 1)
}

#[cfg(test)]
mod tests;
