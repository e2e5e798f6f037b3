//! Reads and decodes a file some blocks at a time, on as many cores as there are.
//!
//! Reading is a chain: whoever has read a block leaves the next one to another core and decodes his
//! own while it is still in his cache. Buffers go round, since fresh memory costs more than the work
//! that is done in it.

use std::sync::{Mutex, PoisonError};

use rayon::Scope;
use why504_capture::{Block, CaptureSummary, DecodeTally};
use why504_model::{Packet, SourceId, Timestamp};

use super::Reader;

/// Blocks of a batch: enough work for a few cores, and a few megabytes of packets.
pub(super) const BLOCKS: usize = 16;

/// The packets of some successive blocks, in file order.
#[derive(Default)]
pub(super) struct Batch {
    slots: Vec<Slot>,
    /// The slot of the next packet, and its place there.
    next: (usize, usize),
}

/// The packets of one block.
#[derive(Default)]
struct Slot {
    /// There was a block.
    filled: bool,
    packets: Vec<Packet>,
    tally: DecodeTally,
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
        Self { slots: std::iter::repeat_with(Slot::default).take(blocks).collect(), next: (0, 0) }
    }

    /// Time of the next packet.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let (slot, place) = self.next;
        let mut slots = self.slots.get(slot..)?.iter();
        let first = slots.next()?.packets.get(place);
        first.or_else(|| slots.find_map(|slot| slot.packets.first())).map(Packet::time)
    }

    /// Hands over the packets up to `until`, at least one.
    pub(super) fn fold(&mut self, until: Option<Timestamp>, each: &mut impl FnMut(&[Packet])) {
        let mut least = 1;
        while let Some(slot) = self.slots.get(self.next.0) {
            let rest = slot.packets.get(self.next.1..).unwrap_or_default();
            let length = match until {
                Some(until) => rest.iter().take_while(|p| p.time() <= until).count().max(least),
                None => rest.len(),
            };
            let run = rest.get(..length).unwrap_or(rest);
            if !run.is_empty() {
                each(run);
                least = 0;
            }
            if run.len() < rest.len() {
                self.next.1 += run.len();
                return;
            }
            self.next = (self.next.0 + 1, 0);
        }
    }

    /// The file ends in this batch.
    pub(super) fn ended(&self) -> bool {
        self.slots.iter().any(|slot| !slot.filled)
    }

    /// Adds the counters of its blocks to `all`.
    pub(super) fn merge_tallies(&self, all: &mut DecodeTally) {
        for slot in &self.slots {
            all.merge(&slot.tally);
        }
    }

    fn clear(&mut self) {
        self.next = (0, 0);
        for slot in &mut self.slots {
            slot.filled = false;
            slot.packets.clear();
            slot.tally = DecodeTally::default();
        }
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
        if batch.slots.len() == BLOCKS {
            batch.clear();
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
    slot.tally = block.decode(source, &mut slot.packets);
    free.lock().unwrap_or_else(PoisonError::into_inner).push(block);
}
