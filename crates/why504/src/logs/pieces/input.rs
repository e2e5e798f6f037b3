//! The bytes of one log, block by block: any block of a plain file, the next one of a stream.

use std::io::{self, ErrorKind, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use why504_ingest::{Anywhere, Source, open, open_anywhere};

use super::queue::Queue;
use crate::inputs::Kind;

/// A block is copied from the page cache and scanned while it is in the processor's own cache.
pub(super) const BLOCK: usize = 256 * 1024;

/// The kernel copies page by page, a twentieth faster to where a page begins (measured).
const PAGE: usize = 4096;

/// Room for a block, and what was read into it.
#[derive(Default)]
pub(super) struct Buffer {
    room: Vec<u8>,
    /// Where a page begins in it.
    begin: usize,
    length: usize,
}

impl Buffer {
    /// What was read last.
    pub(super) fn bytes(&self) -> &[u8] {
        self.room.get(self.begin..self.begin + self.length).unwrap_or_default()
    }

    /// Whether a whole block was read; only the last one is shorter.
    pub(super) fn is_full(&self) -> bool {
        self.length == BLOCK
    }

    fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> (usize, Option<io::Error>),
    ) -> Option<io::Error> {
        if self.room.is_empty() {
            self.room = vec![0; BLOCK + PAGE];
            self.begin = self.room.as_ptr().align_offset(PAGE).min(PAGE);
        }
        let room = self.room.get_mut(self.begin..self.begin + BLOCK).unwrap_or_default();
        let (length, error) = read(room);
        self.length = length;
        error
    }
}

type Stream = Box<dyn Read + Send>;

/// One log.
pub(super) enum Input {
    Plain(Anywhere),
    Stream(Mutex<Stream>),
}

impl Input {
    pub(super) fn open(source: &Source<Kind>) -> io::Result<Self> {
        Ok(match open_anywhere(source)? {
            Some(file) => Self::Plain(file),
            None => Self::Stream(Mutex::new(open(source)?)),
        })
    }

    /// Whether a block can be read again.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Reads the next block of the queue; gives its number and the error that it ended with.
    pub(super) fn next<T>(
        &self,
        queue: &Queue<T>,
        buffer: &mut Buffer,
    ) -> Option<(u64, Option<io::Error>)> {
        // A stream is held from the number on until the block is read, so that the two agree, and
        // nobody reads on behind its end.
        let mut held = match self {
            Self::Plain(_) => None,
            Self::Stream(stream) => Some(lock(stream)),
        };
        let number = queue.claim()?;
        let error = match &mut held {
            None => self.fill(number, buffer),
            Some(stream) => buffer.fill(|room| read(&mut **stream, room)),
        };
        if !buffer.is_full() {
            queue.close();
        }
        Some((number, error))
    }

    /// Reads a block; of a stream the next one, whatever its number. Gives the error that it ended
    /// with.
    pub(super) fn fill(&self, number: u64, buffer: &mut Buffer) -> Option<io::Error> {
        buffer.fill(|room| match self {
            Self::Plain(file) => match file.fill(number.saturating_mul(BLOCK as u64), room) {
                Ok(length) => (length, None),
                Err(error) => (0, Some(error)),
            },
            Self::Stream(stream) => read(&mut *lock(stream), room),
        })
    }
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until the room is full or the stream ends; what was read before an error counts.
fn read(stream: &mut impl Read, room: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while let Some(left) = room.get_mut(filled..).filter(|left| !left.is_empty()) {
        match stream.read(left) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}
