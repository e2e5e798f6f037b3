//! A plain file, read in windows by all cores at once.
//!
//! Where the first record of a window begins is known when the windows before it were walked over,
//! which takes little time and is done in order. A window that comes early waits for those before it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use why504_capture::{BLOCK_BYTES, Block, Window};
use why504_ingest::Anywhere;

use crate::captures::stream::Reader;

/// A plain file, and how far it was read. As [`Read`] it goes on from there.
#[derive(Clone, Debug)]
pub(in crate::captures::stream) struct Ahead {
    file: Arc<Anywhere>,
    at: Arc<AtomicU64>,
}

/// What was read of the file, and how many octets it is; nothing where reading failed, the reader comes
/// to that place by itself.
pub(super) type Piece = Option<(Window, usize)>;

/// Windows that may wait for whoever has read them: they should be in his cache still.
const WAITING: usize = 4;

/// The windows that were begun.
pub(super) struct Windows {
    ahead: Ahead,
    /// Where in the file the next one begins that nobody has begun to read.
    begun: u64,
    /// Where the next one begins that the reader is to be given; at most `begun`.
    next: u64,
    /// Those that were read, where they begin, and who has read them.
    read: Vec<(u64, Piece, ThreadId)>,
    /// One was not whole: the file ends there, or cannot be read, and none comes behind it.
    over: bool,
}

impl Ahead {
    /// From the beginning of the file.
    pub(in crate::captures::stream) fn new(file: Anywhere) -> Self {
        Self { file: Arc::new(file), at: Arc::default() }
    }

    /// Reads the window that begins at the octet `from`, into memory that was used if there is any.
    pub(super) fn window(&self, from: u64, used: Option<Block>) -> Piece {
        let mut window = Window::new(used);
        let length = window.fill(|room| self.file.fill(from, room)).ok()?;
        Some((window, length))
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.fill(self.at.load(Ordering::Relaxed), into)?;
        self.at.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

impl Windows {
    /// From where the file was read to.
    pub(super) fn new(ahead: Ahead) -> Self {
        let next = ahead.at.load(Ordering::Relaxed);
        Self { ahead, begun: next, next, read: Vec::new(), over: false }
    }

    /// How many were begun and not given to the reader.
    pub(super) fn in_flight(&self) -> usize {
        usize::try_from((self.begun - self.next) / BLOCK_BYTES as u64).unwrap_or(usize::MAX)
    }

    /// One that is to be read: where it begins.
    pub(super) fn begin(&mut self) -> (Ahead, u64) {
        let from = self.begun;
        self.begun = from.saturating_add(BLOCK_BYTES as u64);
        (self.ahead.clone(), from)
    }

    /// One that was read.
    pub(super) fn put(&mut self, from: u64, piece: Piece) {
        self.read.push((from, piece, thread::current().id()));
    }

    /// Gives the next one to the reader, if it is there. One that another thread has read is in that
    /// one's cache, and is left to it for a while unless it has to be `any`.
    pub(super) fn supply(&mut self, reader: &mut Reader, any: bool) -> bool {
        let next = |(from, ..): &(u64, Piece, ThreadId)| *from == self.next && !self.over;
        let Some(found) = self.read.iter().position(next) else { return false };
        let own = self.read.get(found).is_some_and(|(.., who)| *who == thread::current().id());
        if !own && !any && self.read.len() <= WAITING {
            return false;
        }
        let (from, piece, _) = self.read.swap_remove(found);
        let length = piece.as_ref().map_or(0, |(_, length)| *length);
        if let Some((window, _)) = piece {
            self.ahead.at.store(from.saturating_add(length as u64), Ordering::Relaxed);
            reader.supply(window);
        }
        self.next = from.saturating_add(BLOCK_BYTES as u64);
        self.over = length < BLOCK_BYTES;
        true
    }

    /// Whether none comes behind those that the reader was given.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }
}
