//! Reads and decodes a file some blocks at a time, on as many cores as there are.
//!
//! A plain file is read in windows by all cores; walking over their record headers, which is what tells
//! where one block ends and the next begins, takes little time and is done by one. What is compressed
//! comes in a chain: whoever has read a block leaves the next one to another core and decodes his own
//! while it is still in his cache. Buffers go round, since fresh memory costs more than the work that is
//! done in it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::Scope;
use rayon::prelude::*;
use why504_capture::{BLOCK_BYTES, Block, CaptureSummary, DecodeTally, Digest, Window};
use why504_ingest::Anywhere;
use why504_model::{SourceId, Timestamp};

use super::{Observer, Reader};

/// Blocks of a batch: enough work for a few cores, and a few megabytes of packets.
pub(super) const BLOCKS: usize = 16;

/// Some successive blocks, in file order.
#[derive(Default)]
pub(super) struct Batch {
    slots: Vec<Slot>,
    /// The slot of the next packet.
    next: usize,
    /// Whether what its plain segments show was told.
    told: bool,
}

/// One block.
#[derive(Default)]
struct Slot {
    /// There was a block.
    filled: bool,
    /// It was not decoded yet.
    raw: Option<Block>,
    digest: Digest,
}

/// A plain file, and how far it was read. As [`Read`] it goes on from there.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    file: Arc<Anywhere>,
    at: Arc<AtomicU64>,
}

/// Where batches come from.
pub(super) struct Feed {
    reader: Reader,
    /// Where windows are read; `None` where there is no other order than that of the bytes.
    ahead: Option<Ahead>,
    source: SourceId,
    /// Blocks whose memory is free.
    free: Mutex<Vec<Block>>,
    spare: Option<Batch>,
}

impl Batch {
    /// Room for as many blocks.
    pub(super) fn of(blocks: usize) -> Self {
        let slots = std::iter::repeat_with(Slot::default).take(blocks).collect();
        Self { slots, ..Self::default() }
    }

    /// Time of the next packet.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.slots.get(self.next..)?.iter().find_map(|slot| slot.digest.due())
    }

    /// Hands over the packets up to `until`, at least one.
    pub(super) fn fold(
        &mut self,
        file: SourceId,
        until: Option<Timestamp>,
        observer: &mut impl Observer,
    ) {
        let mut least = 1;
        while let Some(slot) = self.slots.get_mut(self.next) {
            if !self.told {
                observer.gathered(file, &slot.digest.gathered);
                self.told = true;
            }
            let handed = slot.digest.hand_over(until, least, observer);
            least = least.saturating_sub(handed);
            if slot.digest.due().is_some() {
                return;
            }
            if let Some(latest) = slot.digest.latest() {
                observer.pause(latest);
            }
            (self.next, self.told) = (self.next + 1, false);
        }
    }

    /// The file ends in this batch.
    pub(super) fn ended(&self) -> bool {
        self.slots.iter().any(|slot| !slot.filled)
    }

    /// Adds the counters of its blocks to `all`.
    pub(super) fn merge_tallies(&self, all: &mut DecodeTally) {
        for slot in &self.slots {
            all.merge(&slot.digest.tally);
        }
    }

    /// Empties it; the blocks are given back for their memory.
    fn clear(&mut self) -> impl Iterator<Item = Block> {
        (self.next, self.told) = (0, false);
        self.slots.iter_mut().filter_map(|slot| {
            slot.filled = false;
            slot.digest.clear()
        })
    }
}

impl Feed {
    pub(super) fn new(reader: Reader, ahead: Option<Ahead>, source: SourceId) -> Self {
        Self { reader, ahead, source, free: Mutex::default(), spare: None }
    }

    /// An empty batch.
    pub(super) fn spare_batch(&mut self) -> Batch {
        self.spare.take().unwrap_or_else(|| Batch::of(BLOCKS))
    }

    /// Keeps a batch that was used up, for its memory.
    pub(super) fn keep(&mut self, mut batch: Batch) {
        let free = self.free.get_mut().unwrap_or_else(PoisonError::into_inner);
        free.extend(batch.clear());
        if batch.slots.len() == BLOCKS {
            self.spare = Some(batch);
        }
    }

    /// Fills `batch`, with the help of whoever has nothing else to do.
    pub(super) fn fill(&mut self, batch: &mut Batch) {
        rayon::in_place_scope(|scope| self.spawn(scope, batch));
    }

    /// Has `batch` filled until the scope ends.
    pub(super) fn spawn<'s>(&'s mut self, scope: &Scope<'s>, batch: &'s mut Batch) {
        let (reader, free, source) = (&mut self.reader, &self.free, self.source);
        let slots = &mut batch.slots;
        match &self.ahead {
            Some(ahead) => scope.spawn(move |_| windows(reader, ahead, free, source, slots)),
            None => scope.spawn(move |scope| link(scope, reader, free, source, slots)),
        }
    }

    /// Reads over what is left and returns what is known of the file.
    pub(super) fn finish(self) -> CaptureSummary {
        self.reader.finish()
    }
}

impl Ahead {
    /// From the beginning of the file.
    pub(super) fn new(file: Anywhere) -> Self {
        Self { file: Arc::new(file), at: Arc::default() }
    }

    /// Reads the next windows, at most as many as there is memory for. A short one is the last, and
    /// none follows one that cannot be read: the reader comes to that place by itself.
    fn windows(&self, memory: Vec<Option<Block>>) -> Vec<Window> {
        let from = self.at.load(Ordering::Relaxed);
        let read = |(place, used): (usize, Option<Block>)| {
            let mut window = Window::new(used);
            let offset = from.saturating_add((place * BLOCK_BYTES) as u64);
            let length = window.fill(|room| self.file.fill(offset, room)).ok()?;
            Some((window, length))
        };
        let read: Vec<_> = memory.into_par_iter().enumerate().map(read).collect();
        let mut windows = Vec::new();
        for (window, length) in read.into_iter().map_while(|window| window) {
            self.at.fetch_add(length as u64, Ordering::Relaxed);
            windows.push(window);
            if length < BLOCK_BYTES {
                break;
            }
        }
        windows
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.fill(self.at.load(Ordering::Relaxed), into)?;
        self.at.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Fills the slots from windows: all are read, walked over, and decoded.
fn windows(
    reader: &mut Reader,
    ahead: &Ahead,
    free: &Mutex<Vec<Block>>,
    source: SourceId,
    slots: &mut [Slot],
) {
    let wanted = slots.len().saturating_sub(reader.supplied());
    let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
    let memory = (0..wanted).map(|_| free.pop()).collect();
    drop(free);
    for window in ahead.windows(memory) {
        reader.supply(window);
    }
    for slot in &mut *slots {
        slot.raw = reader.next_block();
        slot.filled = slot.raw.is_some();
        if !slot.filled {
            break;
        }
    }
    slots.par_iter_mut().for_each(|slot| {
        if let Some(block) = slot.raw.take() {
            slot.digest.read(block, source);
        }
    });
}

/// One link of the chain: reads a block, leaves the rest to whoever is free, and decodes it.
fn link<'s>(
    scope: &Scope<'s>,
    reader: &'s mut Reader,
    free: &'s Mutex<Vec<Block>>,
    source: SourceId,
    slots: &'s mut [Slot],
) {
    let Some((slot, rest)) = slots.split_first_mut() else { return };
    let used = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(used) = used {
        reader.recycle(used);
    }
    let Some(block) = reader.next_block() else { return };
    scope.spawn(move |scope| link(scope, reader, free, source, rest));
    slot.filled = true;
    slot.digest.read(block, source);
}
