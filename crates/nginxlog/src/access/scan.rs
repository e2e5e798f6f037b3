//! Reads a stream of access-log bytes line by line.

use memchr::memchr_iter;

use super::AccessRecord;
use crate::lines::{Block, LineBlocks, MAX_LINE, trimmed};
use crate::log_format::LogFormat;

/// One line of an access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessEvent<'a> {
    /// 1-based number of the line.
    pub line: u64,
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// The line.
    pub text: &'a [u8],
    /// The record; `None` when the line has none of the formats.
    pub record: Option<AccessRecord<'a>>,
}

/// Where every line went: `total = matched + unmatched + unfinished`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessTally {
    /// Lines.
    pub total: u64,
    /// Lines that have one of the formats.
    pub matched: u64,
    /// Lines that do not.
    pub unmatched: u64,
    /// 1 when the last line has no line feed; it is not read, since values may be missing.
    pub unfinished: u64,
}

/// Reads a stream of chunks.
#[derive(Clone, Debug)]
pub struct AccessScanner {
    blocks: LineBlocks,
    formats: Vec<LogFormat>,
    offset: u64,
    tally: AccessTally,
}

impl AccessScanner {
    /// A scanner at the beginning of a file whose lines have one of `formats`. The formats with
    /// most variables are tried first.
    pub fn new(mut formats: Vec<LogFormat>) -> Self {
        formats.sort_by_key(|format| core::cmp::Reverse(format.variables()));
        Self { blocks: LineBlocks::default(), formats, offset: 0, tally: AccessTally::default() }
    }

    /// Reads the next bytes; `sink` gets every line in order.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut impl FnMut(AccessEvent<'_>)) {
        let Self { blocks, formats, offset, tally } = self;
        blocks.feed(chunk, |Block { bytes, omitted }| {
            let mut start = 0;
            for feed in memchr_iter(b'\n', bytes) {
                let whole = bytes.get(start..=feed).unwrap_or_default();
                let text = trimmed(whole);
                let fits = text.len() <= MAX_LINE;
                let record =
                    fits.then(|| formats.iter().find_map(|format| format.read(text))).flatten();
                tally.total = tally.total.saturating_add(1);
                let kind = if record.is_some() { &mut tally.matched } else { &mut tally.unmatched };
                *kind = kind.saturating_add(1);
                sink(AccessEvent { line: tally.total, offset: *offset, text, record });
                *offset = offset.saturating_add(whole.len() as u64);
                start = feed + 1;
            }
            *offset = offset.saturating_add(omitted);
        });
    }

    /// The stream has ended: where the lines went.
    pub fn finish(mut self) -> AccessTally {
        if self.blocks.tail().is_some() {
            self.tally.unfinished = 1;
            self.tally.total = self.tally.total.saturating_add(1);
        }
        self.tally
    }
}
