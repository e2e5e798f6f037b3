//! Packets that were damaged on their way: a receiver drops a segment with a wrong TCP checksum without
//! a word (`tcp_v4_rcv`, `InCsumErrors`; taxonomy class 22).
//!
//! A capture on a host holds what its card has received, so a wrong checksum there is one that came so.
//! Where cards fill checksums in, or virtual links pass them on unfinished, they tell nothing; so a
//! point is believed only where it shows right ones from the same end, and none with a wrong one was
//! taken.

use alloc::collections::BTreeSet;

use why504_handshake::{Event, EventKind, PointId, Side, Sighting};
use why504_model::Checksum;

/// What points show of the checksums of SYNs (from the client) and SYN+ACKs (from the server).
#[derive(Clone, Debug, Default)]
pub(crate) struct Checksums {
    /// Some came with a right one.
    right: BTreeSet<(PointId, Side)>,
    /// Some with a wrong one was taken by its receiver.
    taken: BTreeSet<(PointId, Side)>,
}

impl Checksums {
    /// Takes in what a point saw of an attempt.
    pub(crate) fn learn(&mut self, sighting: &Sighting) {
        for side in [Side::Client, Side::Server] {
            if opening(sighting, side).any(|e| e.checksum == Checksum::Right) {
                self.right.insert((sighting.point, side));
            }
            if all_wrong(sighting, side) && was_taken(sighting, side) {
                self.taken.insert((sighting.point, side));
            }
        }
    }

    /// Takes in what other attempts show.
    pub(crate) fn take_in(&mut self, other: Self) {
        self.right.extend(other.right);
        self.taken.extend(other.taken);
    }

    /// Whether a point saw SYNs of this attempt (SYN+ACKs, for the server), and each of them damaged.
    pub(crate) fn all_damaged(&self, sighting: &Sighting, side: Side) -> bool {
        self.tell(sighting.point, side) && all_wrong(sighting, side)
    }

    /// Whether one of them, as this point saw it, was damaged.
    pub(crate) fn is_damaged(&self, point: PointId, event: &Event) -> bool {
        event.checksum == Checksum::Wrong && self.tell(point, event.side)
    }

    /// Whether the checksums of what an end sent say anything at a point.
    fn tell(&self, point: PointId, side: Side) -> bool {
        self.right.contains(&(point, side)) && !self.taken.contains(&(point, side))
    }
}

/// The packets with SYN that an end sent.
fn opening(sighting: &Sighting, side: Side) -> impl Iterator<Item = &Event> {
    sighting.events.iter().filter(move |e| {
        e.side == side && matches!(e.kind, EventKind::Syn | EventKind::SynAck) && e.about.is_none()
    })
}

fn all_wrong(sighting: &Sighting, side: Side) -> bool {
    let mut sent = opening(sighting, side).peekable();
    sent.peek().is_some() && sent.all(|e| e.checksum == Checksum::Wrong)
}

/// Whether the other end answered what this one sent, by whatever TCP answers with.
fn was_taken(sighting: &Sighting, side: Side) -> bool {
    let Some(first) = opening(sighting, side).next() else { return false };
    sighting.events.iter().any(|e| {
        e.side != side
            && e.time >= first.time
            && e.about.is_none()
            && !matches!(e.kind, EventKind::Syn | EventKind::Icmp)
    })
}
