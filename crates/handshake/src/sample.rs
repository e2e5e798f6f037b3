//! A bounded sample of clean handshakes that two points draw alike.
//!
//! Clean handshakes are counted and forgotten, but some are needed to hold clocks against each
//! other and to measure how reliably a packet is seen at both points. Each point keeps those whose
//! ISN hashes lowest, so both keep the same ones, without knowing of each other.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::Sighting;

/// A bottom-k sample over the hash of the ISN.
#[derive(Debug)]
pub struct Sample {
    kept: BTreeMap<(u64, u32, u16), Sighting>,
    size: usize,
}

impl Sample {
    /// A sample of at most `size` handshakes.
    pub fn new(size: usize) -> Self {
        Self { kept: BTreeMap::new(), size }
    }

    /// Offers a clean handshake.
    pub fn offer(&mut self, sighting: Sighting) {
        let hash = FixedState::with_seed(504).hash_one(sighting.isn.0);
        self.kept.insert((hash, sighting.isn.0, sighting.flow.client.port), sighting);
        if self.kept.len() > self.size {
            self.kept.pop_last();
        }
    }

    /// What was kept.
    pub fn into_sightings(self) -> Vec<Sighting> {
        self.kept.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::testing::{Wire, sightings};
    use std::collections::BTreeSet;

    fn clean(isn: u32) -> Sighting {
        let wire = Wire::default();
        sightings(&[
            wire.packet(0, ">S", isn, 0),
            wire.packet(1, "<S.", 7, isn + 1),
            wire.packet(2, ">.", isn + 1, 8),
            wire.packet(3, "<P.", 8, isn + 1),
        ])
        .remove(0)
    }

    #[test]
    fn two_points_keep_the_same_handshakes_in_whatever_order_they_see_them() {
        let mut forward = Sample::new(10);
        let mut backward = Sample::new(10);
        for i in 0..100 {
            forward.offer(clean(i * 1000));
            backward.offer(clean((99 - i) * 1000));
        }
        let isns =
            |s: Sample| -> BTreeSet<u32> { s.into_sightings().iter().map(|s| s.isn.0).collect() };
        let (forward, backward) = (isns(forward), isns(backward));
        assert_eq!(forward.len(), 10);
        assert_eq!(forward, backward);
    }
}
