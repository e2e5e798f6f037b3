//! Two lists of what is open: by when to look at it again, and by when it began.
//!
//! Nearly every attempt closes long before it is looked at, so what has closed is not taken out of the
//! lists: it is passed over when its turn comes, and swept out when it is the larger part.

use alloc::collections::{BinaryHeap, VecDeque};
use core::cmp::Reverse;

use why504_model::Timestamp;

use super::Ticket;

/// Entries that are not worth sweeping.
const FEW: usize = 1024;

/// When to look next at what is open.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// By time, then by number.
    looks: BinaryHeap<Reverse<(Timestamp, Ticket)>>,
}

/// When what is open began, by number: that is the order of time but for small inversions.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// The first is open, if there is one.
    starts: VecDeque<(Timestamp, Ticket)>,
}

impl Agenda {
    pub(super) fn add(&mut self, look: Timestamp, ticket: Ticket) {
        self.looks.push(Reverse((look, ticket)));
    }

    /// The first that is due up to `limit`, taken out; it may have closed.
    pub(super) fn due(&mut self, limit: Timestamp) -> Option<(Timestamp, Ticket)> {
        let Reverse((look, _)) = self.looks.peek()?;
        if *look > limit {
            return None;
        }
        self.looks.pop().map(|Reverse(due)| due)
    }

    /// So many are open; `is_open` knows which.
    pub(super) fn sweep(&mut self, open: usize, is_open: impl Fn(Ticket) -> bool) {
        if self.looks.len() > FEW.max(open.saturating_mul(2)) {
            self.looks.retain(|Reverse((_, ticket))| is_open(*ticket));
        }
    }
}

impl Starts {
    pub(super) fn add(&mut self, start: Timestamp, ticket: Ticket) {
        self.starts.push_back((start, ticket));
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.starts.front().map(|(start, _)| *start)
    }

    /// One has closed; so many are open, and `is_open` knows which.
    pub(super) fn sweep(&mut self, open: usize, is_open: impl Fn(Ticket) -> bool) {
        while let Some((_, first)) = self.starts.front()
            && !is_open(*first)
        {
            self.starts.pop_front();
        }
        if self.starts.len() > FEW.max(open.saturating_mul(2)) {
            self.starts.retain(|(_, ticket)| is_open(*ticket));
        }
    }
}
