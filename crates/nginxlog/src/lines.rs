//! Cuts a stream of bytes into lines, whatever the sizes of its pieces, in bounded memory.
//!
//! What stands between two line feeds is not looked at here.

use memchr::{memchr, memrchr};

/// The longest line that is looked at, in bytes. nginx writes at most 4 KiB into an error log
/// and `large_client_header_buffers` times the fields of the format into an access log.
pub const MAX_LINE: usize = 64 * 1024;

/// Holds the piece of a line that the last chunk ended with.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineBlocks {
    /// The first [`MAX_LINE`] + 1 bytes of the unfinished line: one more than the limit shows
    /// that it is too long.
    carry: Vec<u8>,
    /// Bytes of the unfinished line, kept or not.
    carry_len: u64,
}

/// Whole lines, each with its line feed.
pub(crate) struct Block<'a> {
    pub(crate) bytes: &'a [u8],
    /// Bytes that were left out of the block's only line because it is too long.
    pub(crate) omitted: u64,
}

impl LineBlocks {
    /// Hands the lines that are complete with this chunk to `each`, in order.
    pub(crate) fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(Block<'_>)) {
        let mut rest = chunk;
        if self.carry_len > 0 {
            let Some(end) = memchr(b'\n', rest) else { return self.keep(rest) };
            let (head, tail) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            self.keep(head.strip_suffix(b"\n").unwrap_or(head));
            let omitted = self.carry_len.saturating_sub(self.carry.len() as u64);
            self.carry.push(b'\n');
            each(Block { bytes: &self.carry, omitted });
            self.carry.clear();
            self.carry_len = 0;
            rest = tail;
        }
        let whole = memrchr(b'\n', rest).map_or(0, |last| last + 1);
        let (lines, tail) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
        if !lines.is_empty() {
            each(Block { bytes: lines, omitted: 0 });
        }
        self.keep(tail);
    }

    /// The unterminated last line (cut at the limit) and its true length.
    pub(crate) fn tail(&self) -> Option<(&[u8], u64)> {
        (self.carry_len > 0).then_some((self.carry.as_slice(), self.carry_len))
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = (MAX_LINE + 1).saturating_sub(self.carry.len());
        self.carry.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.carry_len = self.carry_len.saturating_add(piece.len() as u64);
    }
}

/// Cuts a block at its first and its last line feed: the end of a line that began before it, the
/// whole lines, the beginning of a line that ends behind it. Without a line feed all of it is the
/// first of the three.
pub fn whole_lines(block: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let first = memchr(b'\n', block).map_or(block.len(), |feed| feed + 1);
    let (head, rest) = block.split_at_checked(first).unwrap_or((block, &[]));
    let last = memrchr(b'\n', rest).map_or(0, |feed| feed + 1);
    let (body, tail) = rest.split_at_checked(last).unwrap_or((rest, &[]));
    (head, body, tail)
}

/// A line without its line feed, and without the carriage return of a file that went through
/// Windows.
pub(crate) fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
