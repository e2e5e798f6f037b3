//! Which tunnels the packets of the cases came through. Decoding notes only that there are some; the
//! few frames that are shown are looked at again, and only in captures that hold any.

use std::collections::{BTreeMap, VecDeque};

use rayon::prelude::*;
use why504_capture::Envelope;
use why504_ingest::Source;
use why504_model::{Damage, Location, Packet, SourceId, Timestamp};
use why504_report::TunnelInfo;

use crate::inputs::Kind;
use crate::progress::Complaints;
use crate::raw_frames::{self, Wanted};

/// The tunnels of packets.
pub(crate) type Found = BTreeMap<Location, TunnelInfo>;

/// The tunnels of these frames of these files.
pub(crate) fn find(
    files: &[&Source<Kind>],
    wanted: &BTreeMap<SourceId, Wanted>,
    complaints: &mut Complaints,
) -> Found {
    let read: Vec<(Found, Complaints)> = files
        .par_iter()
        .filter_map(|source| Some((source, wanted.get(&source.id)?)))
        .map(|(source, wanted)| {
            let (mut found, mut complaints) = (Found::new(), Complaints::default());
            let result = raw_frames::visit(source, wanted, |location, frame, _| {
                found.extend(frame.envelope().map(|envelope| (location, info(envelope))));
                Ok(())
            });
            if let Err(error) = result {
                complaints.add(Damage::Partial, format!("{}: {error}", source.path.display()));
            }
            (found, complaints)
        })
        .collect();
    let mut all = Found::new();
    for (found, of_file) in read {
        all.extend(found);
        complaints.extend(of_file);
    }
    all
}

/// Packets of which it is known at most: what a run keeps of a tunnelled capture is bounded, too.
const NOTED: usize = 1 << 17;

/// The tunnels of packets that went by, for those who show them before the capture has ended. Of more
/// than [`NOTED`] packets the oldest are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    found: Found,
    /// In the order in which they went by.
    order: VecDeque<(Timestamp, Location)>,
}

impl Noted {
    /// A packet came through a tunnel.
    pub(crate) fn note(&mut self, packet: &Packet, envelope: &Envelope) {
        self.found.insert(packet.location(), info(*envelope));
        self.order.push_back((packet.time(), packet.location()));
        if self.order.len() > NOTED {
            self.forget_first();
        }
    }

    /// Nobody asks for packets from before this time any more.
    pub(crate) fn forget(&mut self, before: Timestamp) {
        while self.order.front().is_some_and(|(time, _)| *time < before) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, location)) = self.order.pop_front() {
            self.found.remove(&location);
        }
    }

    /// The tunnels by packet.
    pub(crate) const fn found(&self) -> &Found {
        &self.found
    }

    /// All that several points noted.
    pub(crate) fn all(points: impl Iterator<Item = Self>) -> Found {
        points.flat_map(|noted| noted.found).collect()
    }
}

fn info(envelope: Envelope) -> TunnelInfo {
    TunnelInfo {
        kind: envelope.tunnel.name(),
        id: envelope.id.map(|id| (envelope.tunnel.id_name(), id)),
        source: envelope.source,
        destination: envelope.destination,
    }
}
