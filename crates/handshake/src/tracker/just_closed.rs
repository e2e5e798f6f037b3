//! Attempts that have closed a moment ago: copies of their packets may still come from a mirror.

use alloc::collections::VecDeque;

use why504_model::Timestamp;

use super::table::{Followed, Pair};
use crate::event::MIRRORED;
use crate::{Event, Sighting};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct JustClosed {
    /// In order of closing.
    gone: VecDeque<Gone>,
    /// Nearly every SYN is of a pair that is not among them, and is told so by one look.
    pairs: Followed,
}

#[derive(Debug)]
struct Gone {
    closed: Timestamp,
    pair: Pair,
    syn: Option<Event>,
    answer: Option<Event>,
}

impl JustClosed {
    pub(super) fn add(&mut self, closed: Timestamp, pair: Pair, sighting: &Sighting) {
        let syn = sighting.syns().last().copied();
        let answer = sighting.syn_acks().last().copied();
        self.pairs.add(pair);
        self.gone.push_back(Gone { closed, pair, syn, answer });
        while let Some(first) = self.gone.front()
            && closed.since(first.closed) > MIRRORED
        {
            self.pairs.remove(first.pair);
            self.gone.pop_front();
        }
    }

    /// Whether a SYN or SYN+ACK is one of theirs, captured a second time.
    pub(super) fn has(&self, pair: Pair, event: &Event) -> bool {
        self.pairs.holds(pair.mark())
            && self.gone.iter().rev().filter(|gone| gone.pair == pair).any(|gone| {
                [gone.syn, gone.answer].iter().flatten().any(|e| event.is_captured_again(e))
            })
    }
}
