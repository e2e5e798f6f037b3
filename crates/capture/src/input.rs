//! A window on the bytes of a file: filled by large reads, consumed at record boundaries.
//!
//! The window is an owned buffer that is handed to the workers as it is; only the piece of a record
//! at its end is copied, to the beginning of the next one. Whatever is consumed, the cost is
//! proportional to it: a file of a million tiny sections must not copy the window for each.
//! Bytes are counted, never interpreted.

use std::io::{self, Read};

/// See the module.
pub(crate) struct Input<R> {
    inner: R,
    /// The window, from `start` on; what is before it was consumed.
    buffer: Vec<u8>,
    /// At most `buffer.len()`.
    start: usize,
    /// Byte offset of the window in the file.
    offset: u64,
    /// Nothing more will come.
    ended: bool,
    /// The error that ended it, if it was not the end of the file.
    error: Option<io::Error>,
}

/// Largest piece that [`Input::skip`] reads at once.
const SKIP_BYTES: u64 = 64 * 1024;

impl<R: Read> Input<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, offset: 0, ended: false, error: None }
    }

    /// The bytes of the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Byte offset of the window in the file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the window holds all that is left of the file.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// The read error that ended the file early, once.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Reads until the window holds `want` bytes or the file ends, however small the single reads.
    pub(crate) fn fill(&mut self, want: usize) {
        let missing = want.saturating_sub(self.bytes().len());
        if missing == 0 || self.ended {
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve_exact(missing);
        // `read_to_end` writes into spare capacity without clearing it first, goes on after
        // interrupted and short reads, and keeps what was read before an error.
        let mut limited = self.inner.by_ref().take(missing as u64);
        match limited.read_to_end(&mut self.buffer) {
            Ok(read) => self.ended = read < missing,
            Err(error) => {
                self.ended = true;
                self.error = Some(error);
            }
        }
    }

    /// Takes the first `length` bytes of the window out.
    pub(crate) fn cut(&mut self, length: usize) -> Vec<u8> {
        let length = length.min(self.bytes().len());
        let end = self.start + length;
        let rest = self.buffer.get(end..).unwrap_or_default();
        let taken = if rest.len() <= length {
            let rest = rest.to_vec();
            let mut taken = std::mem::replace(&mut self.buffer, rest);
            taken.truncate(end);
            taken.drain(..self.start);
            self.start = 0;
            taken
        } else {
            let taken = self.buffer.get(self.start..end).unwrap_or_default().to_vec();
            self.start = end;
            taken
        };
        self.offset = self.offset.saturating_add(length as u64);
        taken
    }

    /// Drops the next `length` bytes, reading over what is not yet in the window. Returns how many
    /// there were.
    pub(crate) fn skip(&mut self, length: u64) -> u64 {
        let mut skipped = 0;
        while skipped < length {
            let left = length - skipped;
            if self.bytes().is_empty() {
                self.fill(usize::try_from(left.min(SKIP_BYTES)).unwrap_or(usize::MAX));
            }
            let window = self.bytes().len();
            let here = usize::try_from(left).unwrap_or(window).min(window);
            if here == 0 {
                break;
            }
            self.start += here;
            skipped += here as u64;
        }
        self.offset = self.offset.saturating_add(skipped);
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte a read, and an error at the end.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let byte = self.0.get(self.1).ok_or_else(|| io::Error::other("torn"))?;
            into[0] = *byte;
            self.1 += 1;
            Ok(1)
        }
    }

    #[test]
    fn fills_cuts_and_skips_whatever_the_reads() {
        let mut input = Input::new(Drip((0..100).collect(), 0));
        input.fill(10);
        assert_eq!(input.bytes(), (0..10).collect::<Vec<u8>>());
        // The smaller part is the one that is copied: once what is taken, once what is left.
        assert_eq!(input.cut(4), [0, 1, 2, 3]);
        assert_eq!((input.offset(), input.bytes()), (4, &[4, 5, 6, 7, 8, 9][..]));
        assert_eq!(input.cut(4), [4, 5, 6, 7]);
        assert_eq!((input.offset(), input.bytes()), (8, &[8, 9][..]));
        assert_eq!(input.skip(16), 16);
        input.fill(2);
        assert_eq!((input.offset(), input.bytes()), (24, &[24, 25][..]));
        input.fill(1000);
        assert!(input.ended());
        assert_eq!(input.bytes().len(), 76);
        assert_eq!(input.take_error().map(|error| error.to_string()).as_deref(), Some("torn"));
        assert_eq!(input.cut(1000).len(), 76);
        assert_eq!((input.skip(1000), input.offset()), (0, 100));
    }
}
