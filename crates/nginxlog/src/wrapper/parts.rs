//! Glues the parts into which a container runtime cuts a long line.

use why504_model::Interval;

use super::Stream;
use crate::lines::MAX_LINE;

/// The unfinished line of each stream of a container; their parts may alternate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    output: Option<Part>,
    error: Option<Part>,
}

/// The beginning of a line, or the whole of it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// 1-based number of its first physical line.
    pub(crate) line: u64,
    /// 1-based number of the last one.
    pub(crate) last: u64,
    /// Offset of its first byte.
    pub(crate) offset: u64,
    /// When its first part arrived.
    pub(crate) arrival: Option<Interval>,
    /// At most [`MAX_LINE`] + 1 bytes, which show that the line is too long.
    pub(crate) text: Vec<u8>,
}

impl Part {
    /// Nothing yet of the line that begins there.
    pub(crate) fn at(line: u64, offset: u64, arrival: Option<Interval>) -> Self {
        Self { line, last: line, offset, arrival, text: Vec::new() }
    }

    fn append(&mut self, inner: &[u8]) {
        let room = (MAX_LINE + 1).saturating_sub(self.text.len());
        self.text.extend_from_slice(inner.get(..room).unwrap_or(inner));
    }
}

impl Parts {
    /// Whether a line is unfinished.
    pub(crate) fn any(&self) -> bool {
        self.output.is_some() || self.error.is_some()
    }

    /// Adds a part that is not the last one; `at` says where it stands.
    pub(crate) fn push(&mut self, stream: Stream, inner: &[u8], at: Part) {
        let last = at.line;
        let part = self.of(stream).get_or_insert(at);
        part.last = last;
        part.append(inner);
    }

    /// The whole line, now that its last part is there; `None` when it has no other part.
    pub(crate) fn take(&mut self, stream: Stream, last: &[u8]) -> Option<Part> {
        let mut part = self.of(stream).take()?;
        part.append(last);
        Some(part)
    }

    /// The same further on in a stream, by so many lines and bytes.
    pub(crate) fn moved(mut self, lines: u64, bytes: u64) -> Self {
        for part in [&mut self.output, &mut self.error].into_iter().flatten() {
            part.line = part.line.saturating_add(lines);
            part.last = part.last.saturating_add(lines);
            part.offset = part.offset.saturating_add(bytes);
        }
        self
    }

    /// What is left when the file has ended, in order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Part> + use<> {
        let mut left = [self.output.take(), self.error.take()];
        left.sort_by_key(|part| part.as_ref().map(|part| part.line));
        left.into_iter().flatten()
    }

    fn of(&mut self, stream: Stream) -> &mut Option<Part> {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Error => &mut self.error,
        }
    }
}
