//! Reads a stream of access-log bytes line by line.

use std::sync::Arc;

use memchr::memchr_iter;

use super::AccessRecord;
use crate::lines::{Block, LineBlocks, MAX_LINE, trimmed};
use crate::log_format::LogFormat;
use crate::wrapper::{Part, Parts, Unwrapped, unwrapped};

/// One line of an access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessEvent<'a> {
    /// 1-based number of the line.
    pub line: u64,
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// The line, without a collector's wrapper.
    pub text: &'a [u8],
    /// The record; `None` when the line has none of the formats.
    pub record: Option<AccessRecord<'a>>,
}

/// Where every line went: `total = matched + unmatched + parts + unfinished`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessTally {
    /// Lines.
    pub total: u64,
    /// Lines that have one of the formats.
    pub matched: u64,
    /// Lines that do not.
    pub unmatched: u64,
    /// Beginnings of lines that a container runtime cut; the last part counts as the line.
    pub parts: u64,
    /// 1 when the last line has no line feed; it is not read, since values may be missing.
    pub unfinished: u64,
}

/// Reads a stream of chunks.
#[derive(Clone, Debug)]
pub struct AccessScanner {
    blocks: LineBlocks,
    state: State,
}

#[derive(Clone, Debug)]
struct State {
    formats: Arc<[LogFormat]>,
    /// Offset of the next line.
    offset: u64,
    parts: Parts,
    tally: AccessTally,
}

impl AccessScanner {
    /// A scanner at the beginning of a file whose lines have one of `formats`. The formats with
    /// most variables are tried first.
    pub fn new(mut formats: Vec<LogFormat>) -> Self {
        formats.sort_by_key(|format| core::cmp::Reverse(format.variables()));
        Self { blocks: LineBlocks::default(), state: State::new(formats.into()) }
    }

    /// Reads the next bytes; `sink` gets every line in order.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut impl FnMut(AccessEvent<'_>)) {
        let Self { blocks, state } = self;
        blocks.feed(chunk, |block| state.block(&block, sink));
    }

    /// Reads whole lines from further on in the stream. The line numbers and offsets that `sink`
    /// gets count from the beginning of the piece.
    pub fn piece(&self, lines: &[u8], sink: &mut impl FnMut(AccessEvent<'_>)) -> AccessPiece {
        let mut state = State::new(self.state.formats.clone());
        state.block(&Block { bytes: lines, omitted: 0 }, sink);
        AccessPiece(state)
    }

    /// Goes on behind a piece that begins where this scanner stands; hands back how many lines and
    /// bytes stand before it. `None`, and nothing has changed, when it begins within a line that
    /// comes in parts: then its bytes have to be fed.
    pub fn adopt(&mut self, piece: AccessPiece) -> Option<(u64, u64)> {
        let (state, AccessPiece(piece)) = (&mut self.state, piece);
        if self.blocks.tail().is_some() || state.parts.any() {
            return None;
        }
        let (lines, bytes) = (state.tally.total, state.offset);
        state.parts = piece.parts.moved(lines, bytes);
        state.offset = state.offset.saturating_add(piece.offset);
        state.tally.add(piece.tally);
        Some((lines, bytes))
    }

    /// The stream has ended: where the lines went.
    pub fn finish(mut self) -> AccessTally {
        if self.blocks.tail().is_some() {
            self.state.tally.unfinished = 1;
            self.state.tally.total = self.state.tally.total.saturating_add(1);
        }
        self.state.tally
    }
}

/// A piece of an access log, read by itself: [`AccessScanner::piece`].
#[derive(Clone, Debug)]
pub struct AccessPiece(State);

impl AccessTally {
    /// Counts the lines of another log, or of another piece, as well.
    pub fn add(&mut self, more: Self) {
        self.total = self.total.saturating_add(more.total);
        self.matched = self.matched.saturating_add(more.matched);
        self.unmatched = self.unmatched.saturating_add(more.unmatched);
        self.parts = self.parts.saturating_add(more.parts);
        self.unfinished = self.unfinished.saturating_add(more.unfinished);
    }
}

impl State {
    fn new(formats: Arc<[LogFormat]>) -> Self {
        Self { formats, offset: 0, parts: Parts::default(), tally: AccessTally::default() }
    }

    fn block(&mut self, block: &Block<'_>, sink: &mut impl FnMut(AccessEvent<'_>)) {
        let mut start = 0;
        for feed in memchr_iter(b'\n', block.bytes) {
            let whole = block.bytes.get(start..=feed).unwrap_or_default();
            self.physical(trimmed(whole), sink);
            self.offset = self.offset.saturating_add(whole.len() as u64);
            start = feed + 1;
        }
        self.offset = self.offset.saturating_add(block.omitted);
    }

    fn physical(&mut self, line: &[u8], sink: &mut impl FnMut(AccessEvent<'_>)) {
        self.tally.total = self.tally.total.saturating_add(1);
        let (number, offset) = (self.tally.total, self.offset);
        let wrapped = if line.len() > MAX_LINE { None } else { unwrapped(line) };
        let stream = wrapped.as_ref().and_then(|found| found.stream);
        match (wrapped, stream) {
            (Some(found), Some(stream)) if found.part => {
                let at = Part::at(number, offset, found.time);
                self.parts.push(stream, &found.inner, at);
                self.tally.parts = self.tally.parts.saturating_add(1);
            }
            (Some(found), Some(stream)) => match self.parts.take(stream, &found.inner) {
                Some(whole) => self.whole(&whole.text, None, (whole.line, whole.offset), sink),
                None => self.whole(&found.inner, None, (number, offset), sink),
            },
            (wrapped, _) => self.whole(line, wrapped.as_ref(), (number, offset), sink),
        }
    }

    /// A line that has all its parts; `at`: its number and offset.
    fn whole(
        &mut self,
        line: &[u8],
        wrapped: Option<&Unwrapped<'_>>,
        at: (u64, u64),
        sink: &mut impl FnMut(AccessEvent<'_>),
    ) {
        let read = read_either(&self.formats, line, wrapped);
        let count = match read {
            Some(_) => &mut self.tally.matched,
            None => &mut self.tally.unmatched,
        };
        *count = count.saturating_add(1);
        let (text, record) = read.map_or((line, None), |(text, record)| (text, Some(record)));
        sink(AccessEvent { line: at.0, offset: at.1, text, record });
    }
}

/// Whether a line has one of the formats, with or without a collector's wrapper.
pub(crate) fn is_access_line(formats: &[LogFormat], line: &[u8]) -> bool {
    let wrapped = unwrapped(line);
    match &wrapped {
        Some(found) if found.stream.is_some() => read_either(formats, &found.inner, None).is_some(),
        _ => read_either(formats, line, wrapped.as_ref()).is_some(),
    }
}

/// Reads a line in the first of the formats that it has, and what a prefix leaves of it in the
/// same way. Where both readings are possible (a prefix may pass for a client's name, and a format
/// may begin with a time stamp), the one of the earlier format counts, and of one format the one
/// without the prefix.
fn read_either<'a>(
    formats: &[LogFormat],
    line: &'a [u8],
    wrapped: Option<&'a Unwrapped<'_>>,
) -> Option<(&'a [u8], AccessRecord<'a>)> {
    if line.len() > MAX_LINE {
        return None;
    }
    let read = |text: &'a [u8]| {
        formats.iter().enumerate().find_map(|(index, format)| {
            let record = format.read(text)?;
            Some((index, text, record))
        })
    };
    let (bare, within) = (read(line), wrapped.and_then(|found| read(found.inner.as_ref())));
    let (_, text, record) = match (bare, within) {
        (Some(bare), Some(within)) => {
            if within.0 <= bare.0 {
                within
            } else {
                bare
            }
        }
        (bare, within) => bare.or(within)?,
    };
    Some((text, record))
}
