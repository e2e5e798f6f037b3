//! What there is to do of a file, and in which order it is put together again.
//!
//! Three things can be done at any time by anybody: read a window of a plain file, go on reading what
//! has no windows (it is compressed, or its last bytes are being read), and decode a block.

use std::collections::VecDeque;
use std::sync::Arc;

use why504_capture::{Block, Digest};

use super::memory::Memory;
use super::windows::{Ahead, Piece, Windows};
use crate::captures::stream::Reader;

/// See the module.
pub(super) struct Work {
    /// Absent while somebody reads on with it.
    pub(super) reader: Option<Box<Reader>>,
    /// Windows of a plain file, as long as whole ones come.
    windows: Option<Windows>,
    /// It is a stream without windows, all of which the reader reads.
    streamed: bool,
    /// Nothing is left to be read.
    read: bool,
    /// Those who help.
    pub(super) helpers: usize,
    /// Somebody waits for news.
    pub(super) awaited: bool,
    /// Blocks that may be ahead.
    pub(super) ahead_most: usize,
    /// Blocks that were cut out of the file and not handed over, in order; filled when decoded.
    cut: VecDeque<Option<Box<Digest>>>,
    /// How many were handed over.
    handed: u64,
    /// Those of `cut` that nobody has begun to decode.
    raw: VecDeque<Cut>,
    memory: Arc<Memory>,
}

/// A block to be decoded, and its place in the file.
pub(super) struct Cut {
    pub(super) place: u64,
    pub(super) block: Block,
    pub(super) digest: Box<Digest>,
}

/// Something to do without holding up the others.
pub(super) enum Task {
    /// Read the window that begins at this octet of the file.
    Window(Ahead, u64, Option<Block>),
    /// Read on.
    Read(Box<Reader>),
    /// Decode.
    Decode(Cut),
}

/// A task that was done, but for decoding, which follows.
pub(super) enum Done {
    Window(u64, Piece),
    Read(Box<Reader>, Option<Block>),
    Decode(Cut),
}

impl Task {
    /// Does it.
    pub(super) fn done(self) -> Done {
        match self {
            Self::Window(ahead, from, used) => Done::Window(from, ahead.window(from, used)),
            Self::Read(mut reader) => {
                let block = reader.next_block();
                Done::Read(reader, block)
            }
            Self::Decode(cut) => Done::Decode(cut),
        }
    }
}

impl Work {
    pub(super) fn new(reader: Reader, ahead: Option<Ahead>, memory: Arc<Memory>) -> Self {
        Self {
            reader: Some(Box::new(reader)),
            streamed: ahead.is_none(),
            windows: ahead.map(Windows::new),
            read: false,
            helpers: 0,
            awaited: false,
            ahead_most: 0,
            cut: VecDeque::new(),
            handed: 0,
            raw: VecDeque::new(),
            memory,
        }
    }

    /// Blocks that were cut and not handed over, and those that are being read.
    pub(super) fn ahead(&self) -> usize {
        let read = self.windows.as_ref().map_or(0, Windows::in_flight);
        let supplied = self.reader.as_ref().map_or(1, |reader| reader.supplied());
        self.cut.len().saturating_add(read).saturating_add(supplied)
    }

    /// Whether nothing is left to be read.
    pub(super) const fn is_read(&self) -> bool {
        self.read
    }

    /// Whether the next block was decoded.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.cut.front(), Some(Some(_)))
    }

    /// Whether all blocks were handed over.
    pub(super) fn is_over(&self) -> bool {
        self.read && self.cut.is_empty()
    }

    /// The next block, if it was decoded.
    pub(super) fn hand_over(&mut self) -> Option<Box<Digest>> {
        let digest = self.cut.front_mut()?.take()?;
        self.cut.pop_front();
        self.handed += 1;
        Some(digest)
    }

    /// Keeps a decoded block until it is its turn.
    pub(super) fn put(&mut self, place: u64, digest: Box<Digest>) {
        let index = usize::try_from(place.saturating_sub(self.handed)).unwrap_or(usize::MAX);
        if let Some(room) = self.cut.get_mut(index) {
            *room = Some(digest);
        }
    }

    /// Something that nobody has begun. Who waits decodes before he reads more; of the others one reads
    /// on, so that what is compressed comes without a pause.
    pub(super) fn begin(&mut self, waiting: bool) -> Option<Task> {
        self.cut_windows(false);
        let task = if waiting {
            self.decode().or_else(|| self.read())
        } else {
            self.read().or_else(|| self.decode())
        };
        task.or_else(|| {
            self.cut_windows(true);
            self.decode()
        })
    }

    fn decode(&mut self) -> Option<Task> {
        self.raw.pop_front().map(Task::Decode)
    }

    fn read(&mut self) -> Option<Task> {
        if self.read || self.ahead() >= self.ahead_most {
            return None;
        }
        if let Some(windows) = &mut self.windows {
            let (ahead, from) = windows.begin();
            return Some(Task::Window(ahead, from, self.memory.block()));
        }
        let mut reader = self.reader.take()?;
        // Behind the windows hardly anything is left, and what the reader holds at the end is lost.
        if self.streamed
            && let Some(used) = self.memory.block()
        {
            reader.recycle(used);
        }
        Some(Task::Read(reader))
    }

    /// Puts what was done in order; returns what the one who did it is to decode: the blocks that he
    /// has just walked over, since they are in his cache.
    pub(super) fn end(&mut self, done: Done) -> Vec<Cut> {
        match done {
            Done::Window(from, piece) => {
                if let Some(windows) = &mut self.windows {
                    windows.put(from, piece);
                }
                let left = self.raw.len();
                self.cut_windows(false);
                self.raw.drain(left..).collect()
            }
            Done::Read(reader, block) => {
                self.read = block.is_none();
                self.reader = Some(reader);
                if let Some(block) = block {
                    self.cut(block);
                }
                Vec::new()
            }
            Done::Decode(cut) => vec![cut],
        }
    }

    /// Cuts blocks out of the windows that are there in order: out of those that this thread has read, or
    /// `any`.
    fn cut_windows(&mut self, any: bool) {
        while let Some(windows) = &mut self.windows
            && let Some(reader) = &mut self.reader
            && self.cut.len() < self.ahead_most
        {
            if let Some(block) = reader.next_supplied() {
                self.cut(block);
            } else if reader.is_finished() {
                self.read = true;
                self.windows = None;
            } else if !windows.supply(reader, any) {
                if windows.is_over() {
                    self.windows = None;
                }
                return;
            }
        }
    }

    fn cut(&mut self, block: Block) {
        let place = self.handed.saturating_add(self.cut.len() as u64);
        let digest = self.memory.digest();
        self.cut.push_back(None);
        self.raw.push_back(Cut { place, block, digest });
    }
}
