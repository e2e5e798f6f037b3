//! Reads and decodes a file some blocks at a time, on as many cores as there are.
//!
//! Reading is a chain: whoever has read a block leaves the next one to another core and decodes his
//! own while it is still in his cache. Buffers go round, since fresh memory costs more than the work
//! that is done in it.

use std::sync::{Mutex, PoisonError};

use rayon::Scope;
use why504_capture::{Block, CaptureSummary, DecodeTally, Digest};
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
    digest: Digest,
}

/// Where batches come from.
pub(super) struct Feed {
    reader: Reader,
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
    pub(super) fn new(reader: Reader, source: SourceId) -> Self {
        Self { reader, source, free: Mutex::default(), spare: None }
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
        scope.spawn(move |scope| link(scope, reader, free, source, slots));
    }

    /// Reads over what is left and returns what is known of the file.
    pub(super) fn finish(self) -> CaptureSummary {
        self.reader.finish()
    }
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
