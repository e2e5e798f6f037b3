//! Packets that a capture holds in another order than that of their times: queues and cards that are
//! emptied one after the other. A clock that was set is not such a thing, and its order is kept.

use why504_model::{Span, Timestamp};

use super::{Digest, Note};
use crate::block::Block;

/// What notes and packets are sorted by.
type Key = (Timestamp, u32);

/// What is in a file behind a packet that is later by less than this was captured on another queue; what
/// comes further back, by a clock that was set. Capturing processors empty their queues every few
/// milliseconds, and one by one where a buffer is full or a time of 100 ms or so is over (libpcap's
/// `to_ms`).
pub const REORDERED: Span = Span::from_millis(200);

/// Whether packets come in order of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    newest: Timestamp,
    /// By how much a packet was earlier than one before it, at most.
    back: Span,
}

impl Default for Order {
    fn default() -> Self {
        Self { newest: Timestamp::MIN, back: Span::ZERO }
    }
}

impl Order {
    /// The next packet is of this time.
    #[inline]
    pub(super) fn see(&mut self, time: Timestamp) {
        if time < self.newest {
            self.back = self.back.max(self.newest.since(time));
        } else {
            self.newest = time;
        }
    }

    /// Whether there is an order to be restored, and not one that a clock was set in.
    pub(super) fn is_to_be_restored(self) -> bool {
        self.back > Span::ZERO && self.back < REORDERED
    }
}

impl Digest {
    /// Puts notes and packets in order of time; those of one time stay in order of the file.
    pub(super) fn restore_order(&mut self) {
        let mut notes: Vec<(Key, Note)> =
            self.notes.iter().enumerate().map(|(i, note)| (self.key(i), *note)).collect();
        notes.sort_unstable_by_key(|(key, _)| *key);
        self.packets.sort_by_key(|(_, packet)| (packet.time(), packet.location().record));
        let first = self.block.as_ref().map_or(0, Block::first_frame);
        for (before, packet) in &mut self.packets {
            let index = packet.location().record.saturating_sub(first);
            let key = (packet.time(), u32::try_from(index).unwrap_or(u32::MAX));
            *before = notes.partition_point(|(note, _)| *note < key);
        }
        self.notes.clear();
        self.notes.extend(notes.iter().map(|(_, note)| *note));
        self.restored.extend(notes.iter().map(|((_, index), _)| *index));
    }

    /// Time of a note in order of the file, and how many numbered records stand before its own.
    fn key(&self, note: usize) -> Key {
        let number = self.record(note).map_or(u64::MAX, |record| record.number);
        let first = self.block.as_ref().map_or(0, Block::first_frame);
        let index = u32::try_from(number.saturating_sub(first)).unwrap_or(u32::MAX);
        // Of every note there is a time: it was seen when the note was made.
        (self.time(note).unwrap_or(Timestamp::MIN), index)
    }
}
