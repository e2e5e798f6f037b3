//! Reads a stream of access-log bytes line by line.

use memchr::memchr_iter;

use super::AccessRecord;
use crate::lines::{Block, LineBlocks, MAX_LINE, trimmed};
use crate::log_format::LogFormat;
use crate::wrapper::unwrapped;

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
                tally.line(trimmed(whole), *offset, formats, sink);
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

impl AccessTally {
    fn line(
        &mut self,
        line: &[u8],
        offset: u64,
        formats: &[LogFormat],
        sink: &mut impl FnMut(AccessEvent<'_>),
    ) {
        self.total = self.total.saturating_add(1);
        let number = self.total;
        let read = read_any(formats, line, |read| {
            let (text, record) = (read.text, Some(read.record));
            sink(AccessEvent { line: number, offset, text, record });
        });
        if read.is_some() {
            self.matched = self.matched.saturating_add(1);
        } else {
            self.unmatched = self.unmatched.saturating_add(1);
            sink(AccessEvent { line: number, offset, text: line, record: None });
        }
    }
}

/// A line and what it holds.
pub(crate) struct ReadLine<'a> {
    /// Without a wrapper.
    pub(crate) text: &'a [u8],
    pub(crate) record: AccessRecord<'a>,
}

/// Reads a line in the first of the formats that it has, with or without a collector's wrapper,
/// and hands it to `found`. Where both readings are possible (a prefix may pass for a client's
/// name, and a format may begin with a time stamp), the one of the earlier format counts, and of
/// one format the one without the prefix.
pub(crate) fn read_any<T>(
    formats: &[LogFormat],
    line: &[u8],
    found: impl FnOnce(ReadLine<'_>) -> T,
) -> Option<T> {
    if line.len() > MAX_LINE {
        return None;
    }
    let bare = formats.iter().enumerate().find_map(|(i, f)| Some((i, f.read(line)?)));
    if let Some(wrapped) = unwrapped(line).filter(|wrapped| !wrapped.part) {
        let text = wrapped.inner.as_ref();
        let within = formats.iter().enumerate().find_map(|(i, f)| Some((i, f.read(text)?)));
        if let Some((index, record)) = within
            && bare.as_ref().is_none_or(|(other, _)| index <= *other)
        {
            return Some(found(ReadLine { text, record }));
        }
    }
    bare.map(|(_, record)| found(ReadLine { text: line, record }))
}
