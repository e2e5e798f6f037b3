//! Memory that goes round, from the blocks that were used up to those that are read next, in whichever
//! file of a point. Fresh memory costs more than the work that is done in it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use why504_capture::{Block, Digest};

/// What nobody uses just now.
#[derive(Debug, Default)]
pub(in crate::captures::stream) struct Memory(Mutex<Unused>);

#[derive(Debug, Default)]
struct Unused {
    /// They remember who was seen talking in the blocks that they have read, all of which were handed over.
    #[expect(clippy::vec_box, reason = "they come and go in their boxes")]
    digests: Vec<Box<Digest>>,
    blocks: Vec<Block>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Unused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the digest of a block that was handed over.
    pub(super) fn take_back(&self, mut digest: Box<Digest>) {
        self.take_back_block(digest.clear());
        self.lock().digests.push(digest);
    }

    /// Takes the block of a digest that is not used again, since nothing of it was handed over.
    pub(in crate::captures::stream) fn take_back_block(&self, block: Option<Block>) {
        self.lock().blocks.extend(block);
    }

    /// A digest for a block that is to be read.
    pub(super) fn digest(&self) -> Box<Digest> {
        self.lock().digests.pop().unwrap_or_default()
    }

    /// A block to read into.
    pub(in crate::captures::stream) fn block(&self) -> Option<Block> {
        self.lock().blocks.pop()
    }
}
