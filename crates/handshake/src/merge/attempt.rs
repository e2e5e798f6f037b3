//! One connect attempt, as all capture points together saw it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use why504_model::{Endpoint, Flow, SeqNumber, Span, Timestamp};

use crate::{PointId, Sighting};

/// One connect attempt, as all points together saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The view nearest the client.
    pub(super) nearest: Sighting,
    /// Further views in order towards the server, at most one for each point.
    pub(super) further: Vec<Sighting>,
    /// Other addresses of the server: as further points see it, as given, as learnt.
    pub(super) also: BTreeSet<Endpoint>,
}

impl From<Sighting> for Attempt {
    /// An attempt that one point saw.
    fn from(nearest: Sighting) -> Self {
        Self { nearest, further: Vec::new(), also: BTreeSet::new() }
    }
}

impl Attempt {
    /// The view nearest the client.
    pub const fn nearest(&self) -> &Sighting {
        &self.nearest
    }

    /// What one point saw of it.
    pub fn at(&self, point: PointId) -> Option<&Sighting> {
        self.sightings().find(|s| s.point == point)
    }

    /// All sightings from the client to the server.
    pub fn sightings(&self) -> impl DoubleEndedIterator<Item = &Sighting> {
        core::iter::once(&self.nearest).chain(&self.further)
    }

    /// 4-tuple as seen nearest the client.
    pub const fn flow(&self) -> Flow {
        self.nearest.flow
    }

    /// The addresses of the server: the one nearest the client, then others that it is known by.
    pub fn servers(&self) -> impl Iterator<Item = Endpoint> {
        core::iter::once(self.nearest.flow.server).chain(self.also.iter().copied())
    }

    /// Whether the points see different ISNs: a box on the way put its own in place of the client's.
    pub fn isn_rewritten(&self) -> bool {
        self.further.iter().any(|s| s.isn != self.nearest.isn)
    }

    /// ISN as seen nearest the client.
    pub const fn isn(&self) -> SeqNumber {
        self.nearest.isn
    }

    /// What `point`'s clock was ahead of that of the point nearest the client, plus the SYN's way
    /// between them, by the first SYN that both saw; `None` when they share none.
    pub fn syn_shift(&self, point: PointId) -> Option<Span> {
        let far = self.at(point)?;
        let near = self.nearest();
        far.syns().find_map(|there| {
            let mut copies = near.syns();
            let here = copies.find(|here| here.timestamps == there.timestamps)?;
            Some(there.time.since(here.time))
        })
    }

    /// First SYN, on the clock of the point nearest the client.
    pub fn first_syn(&self) -> Timestamp {
        self.nearest().first_syn()
    }
}
