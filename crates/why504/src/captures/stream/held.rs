//! The blocks of a file that are in memory, and the order in which their packets are due.
//!
//! As a rule that is one block, and the next, which begins when it is over. Where the next one begins before
//! (cards and queues are written one after the other) the two are merged, and what comes behind them as long
//! as it overlaps. A block that begins much earlier is of a clock that was set: it waits for its turn.

use std::mem;

use why504_capture::{Digest, REORDERED};
use why504_model::{SourceId, Timestamp};

use super::Observer;

/// Blocks that are merged at most: some megabytes.
const MERGED: usize = 32;

/// See the module.
#[derive(Default)]
pub(super) struct Held {
    /// Those that are merged, in order of the file, and whether what their plain segments show was told.
    blocks: Vec<(Box<Digest>, bool)>,
    /// The one behind them.
    next: Option<Box<Digest>>,
    /// One that was handed over, for its memory.
    done: Option<Box<Digest>>,
    /// There is no further block.
    over: bool,
}

impl Held {
    /// Time of the next packet.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.blocks.iter().filter_map(|(block, _)| block.due()).min()
    }

    /// Hands over what is due up to `until`, and before other blocks; at least one packet.
    pub(super) fn fold(
        &mut self,
        file: SourceId,
        until: Option<Timestamp>,
        observer: &mut impl Observer,
    ) {
        let due = |(i, (block, _)): (usize, &(Box<Digest>, _))| Some((block.due()?, i));
        let Some((_, first)) = self.blocks.iter().enumerate().filter_map(due).min() else { return };
        let others = self.blocks.iter().enumerate().filter(|(i, _)| *i != first);
        let until = others.filter_map(|(_, (block, _))| block.due()).chain(until).min();
        let Some((block, told)) = self.blocks.get_mut(first) else { return };
        if !mem::replace(told, true) {
            observer.gathered(file, &block.gathered);
        }
        block.hand_over(until, 1, observer);
        if block.due().is_none() {
            let (block, _) = self.blocks.remove(first);
            if let Some(latest) = block.latest() {
                observer.pause(latest);
            }
            self.done = Some(block);
        }
    }

    /// Has the block behind the others in memory; returns when it begins.
    pub(super) fn look_ahead(
        &mut self,
        read: impl FnOnce(Option<Box<Digest>>) -> Option<Box<Digest>>,
    ) -> Option<Timestamp> {
        if self.next.is_none() && (!self.over || self.done.is_some()) {
            self.next = read(self.done.take());
            self.over = self.next.is_none();
        }
        self.next.as_ref()?.due()
    }

    /// The block that was looked at, of a file that is not read on.
    pub(super) fn given_up(self) -> Option<Box<Digest>> {
        self.next.or(self.done)
    }

    /// Takes in the next block, and those behind it that overlap.
    pub(super) fn fill(
        &mut self,
        mut read: impl FnMut(Option<Box<Digest>>) -> Option<Box<Digest>>,
    ) {
        while let Some(begins) = self.look_ahead(&mut read) {
            let latest = self.blocks.iter().filter_map(|(block, _)| block.latest()).max();
            let overlaps = |latest: Timestamp| begins < latest && latest.since(begins) < REORDERED;
            if latest.is_some_and(|latest| !overlaps(latest)) || self.blocks.len() >= MERGED {
                return;
            }
            self.blocks.extend(self.next.take().map(|block| (block, false)));
        }
    }
}
