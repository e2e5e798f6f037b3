//! The packets that support a verdict, from all points, in order of time.

use std::collections::BTreeSet;

use why504_handshake::{Attempt, EventKind, PointId, Side};
use why504_model::{Interval, Timestamp};

use super::{Flights, Roles, Seen};
use crate::run::{Captures, TunnelInfo};

/// Packets shown as evidence of a case at most.
pub(crate) const EVIDENCE_KEPT: usize = 40;

/// One packet of the evidence.
#[derive(Clone, Debug)]
pub(crate) struct Proof<'a> {
    pub(crate) seen: Seen<'a>,
    pub(crate) client_port: u16,
    pub(crate) note: String,
    /// What carried it here.
    pub(crate) tunnel: Option<TunnelInfo>,
    /// Where it is sorted: a packet is never listed before it left, whatever the clocks say.
    pub(crate) order: Timestamp,
}

impl Proof<'_> {
    pub(crate) const fn point(&self) -> PointId {
        self.seen.point
    }
}

/// The evidence of one attempt: at most `kept` packets. The first ones and the decisive ones stay.
pub(crate) fn proofs<'a>(
    captures: &Captures<'_>,
    attempt: &'a Attempt,
    given_up: Option<Interval>,
    kept: usize,
) -> Vec<Proof<'a>> {
    let flights = Flights::new(captures, attempt);
    let roles = Roles::new(captures, &flights);
    let mut all = Vec::new();
    for flight in &flights.packets {
        let mut order = Timestamp::MIN;
        for seen in &flight.seen {
            order = order.max(seen.near_time);
            let tunnel = captures.tunnels.get(&seen.event.location).copied();
            let mut note = roles.note(&flights, flight, seen, given_up);
            if let Some(tunnel) = tunnel {
                note.push_str(&format!("; inside {tunnel}"));
            }
            all.push(Proof {
                seen: *seen,
                client_port: attempt.flow().client.port,
                note,
                tunnel,
                order,
            });
        }
    }
    all.sort_by_key(|proof| proof.order);
    shortened(all, kept)
}

fn shortened(all: Vec<Proof<'_>>, kept: usize) -> Vec<Proof<'_>> {
    if all.len() <= kept {
        return all;
    }
    let mut chosen: BTreeSet<usize> = (0..kept / 2).collect();
    let decisive = all.iter().enumerate().filter(|(_, p)| is_decisive(p)).map(|(i, _)| i);
    for i in decisive.chain((0..all.len()).rev()) {
        if chosen.len() >= kept {
            break;
        }
        chosen.insert(i);
    }
    all.into_iter().enumerate().filter(|(i, _)| chosen.contains(i)).map(|(_, p)| p).collect()
}

/// Resets, ICMP errors and bare ACKs of the server decide more than another repetition does.
fn is_decisive(proof: &Proof<'_>) -> bool {
    let event = proof.seen.event;
    event.about.is_some()
        || matches!(event.kind, EventKind::Rst | EventKind::Icmp)
        || event.kind == EventKind::Ack && event.side == Side::Server
}
