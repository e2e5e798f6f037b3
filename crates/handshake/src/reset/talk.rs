//! What is remembered of a conversation until it is reset: how it was opened, and the last packets
//! of each side.

use alloc::vec::Vec;
use core::mem;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use why504_model::{Endpoint, Flow, Segment, SeqNumber, Timestamp};

use crate::{Event, EventKind, Side};

/// Conversations of a generation. Two are kept: one that had no packet while as many others had is
/// forgotten.
pub(super) const GENERATION: usize = 1 << 15;
/// Attempts remembered on one 4-tuple.
const OPENINGS: usize = 4;
/// Packets remembered of each side: a timer's SYN+ACK, one for a repeated SYN, and a bare ACK may
/// come within a microsecond of each other.
const RECENT: usize = 3;

/// One SYN's ISN on a 4-tuple, and how far its handshake came.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) client: Endpoint,
    pub(super) isn: SeqNumber,
    /// `None` where only its SYN+ACK was captured.
    pub(super) began: Option<Timestamp>,
    pub(super) last: Timestamp,
    /// `TSval`s of its first and its latest SYN.
    pub(super) stamps: [Option<u32>; 2],
    /// Payload that the SYN carried (TCP Fast Open).
    pub(super) syn_payload: u32,
    /// ISN of the server, by its SYN+ACK.
    pub(super) answered: Option<SeqNumber>,
    pub(super) syn_acks: u32,
    pub(super) completed: bool,
    /// The server sent something other than SYN+ACK and RST since.
    pub(super) server_active: bool,
    /// A RST ended it.
    pub(super) over: bool,
}

/// A packet that a RST may answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) event: Event,
    pub(super) source: Endpoint,
    /// A RST answered it.
    pub(super) answered: bool,
}

/// The packets between two endpoints.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Oldest first.
    pub(super) openings: Vec<Opening>,
    /// Of both sides, oldest first.
    recent: Vec<Sent>,
    /// The last RST of the conversation.
    pub(super) last_reset: Option<Event>,
    /// Who asks, where a SYN or SYN+ACK said so.
    client: Option<Endpoint>,
}

/// All conversations with a packet lately.
#[derive(Debug, Default)]
pub(super) struct Talks {
    young: HashMap<(Endpoint, Endpoint), Talk, FixedState>,
    old: HashMap<(Endpoint, Endpoint), Talk, FixedState>,
}

impl Talks {
    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The conversation of a segment.
    pub(super) fn of(&mut self, segment: &Segment) -> &mut Talk {
        let (a, b) = (segment.source, segment.destination);
        let key = if a <= b { (a, b) } else { (b, a) };
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_default())
    }
}

impl Talk {
    /// A packet that is no RST.
    pub(super) fn note(&mut self, segment: &Segment) {
        if segment.is_syn() {
            self.syn(segment);
        } else if segment.is_syn_ack() {
            self.syn_ack(segment);
        } else {
            self.later(segment);
        }
        let sent = Sent {
            event: Event::of(segment, self.side(segment)),
            source: segment.source,
            answered: false,
        };
        let of_side = |s: &Sent| s.source == segment.source;
        if self.recent.iter().filter(|s| of_side(s)).count() >= RECENT
            && let Some(oldest) = self.recent.iter().position(of_side)
        {
            self.recent.remove(oldest);
        }
        self.recent.push(sent);
    }

    fn syn(&mut self, segment: &Segment) {
        let stamp = segment.timestamps.map(|ts| ts.value);
        self.client = Some(segment.source);
        let same = |o: &&mut Opening| o.isn == segment.seq && o.client == segment.source;
        if let Some(opening) = self.openings.iter_mut().find(same) {
            opening.began = opening.began.or(Some(segment.time));
            opening.last = segment.time;
            opening.stamps = [opening.stamps[0].or(stamp), stamp];
            return;
        }
        self.open(Opening {
            began: Some(segment.time),
            stamps: [stamp; 2],
            syn_payload: segment.payload_len,
            ..Opening::of(segment.source, segment.seq, segment.time)
        });
    }

    fn syn_ack(&mut self, segment: &Segment) {
        self.client.get_or_insert(segment.destination);
        let acked = |o: &&mut Opening| o.client == segment.destination && o.is_acked(segment.ack);
        if let Some(opening) = self.openings.iter_mut().find(acked) {
            opening.answered = Some(segment.seq);
            opening.syn_acks = opening.syn_acks.saturating_add(1);
        } else if self.openings.is_empty() {
            let isn = segment.ack.previous();
            self.open(Opening {
                answered: Some(segment.seq),
                syn_acks: 1,
                ..Opening::of(segment.destination, isn, segment.time)
            });
        }
    }

    /// Neither SYN nor RST.
    fn later(&mut self, segment: &Segment) {
        let Some(latest) = self.openings.last_mut() else { return };
        if segment.source != latest.client {
            // A bare ACK for something else is no sign that this connection lives.
            let own = segment.ack.distance_from(latest.isn) < 1 << 31 && latest.answered.is_some();
            latest.server_active |= own;
        } else if latest.answered.is_none_or(|y| segment.ack.distance_from(y.next()) < 1 << 24) {
            latest.completed = true;
        }
    }

    fn open(&mut self, opening: Opening) {
        if self.openings.len() >= OPENINGS {
            self.openings.remove(0);
        }
        self.openings.push(opening);
    }

    /// A RST went by.
    pub(super) fn reset(&mut self, segment: &Segment) {
        self.last_reset = Some(Event::of(segment, self.side(segment)));
        // In SYN-SENT a RST of the client kills another attempt's half-open socket, not its own.
        let named = |o: &Opening| o.isn.next() == segment.seq || o.isn.next() == segment.ack;
        if let Some(opening) = self.openings.iter_mut().rev().find(|o| named(o)) {
            opening.over = true;
        }
    }

    pub(super) fn opening(&self, isn: SeqNumber) -> Option<&Opening> {
        self.openings.iter().rev().find(|o| o.isn == isn)
    }

    /// The packets to `receiver` that no RST answered yet, the latest first.
    pub(super) fn towards(&mut self, receiver: Endpoint) -> impl Iterator<Item = &mut Sent> {
        self.recent.iter_mut().rev().filter(move |s| s.source != receiver)
    }

    /// The last packet of one end.
    pub(super) fn last_of(&self, sender: Endpoint) -> Option<&Event> {
        self.recent.iter().rev().find(|s| s.source == sender).map(|s| &s.event)
    }

    pub(super) fn last_ttl(&self, sender: Endpoint) -> Option<u8> {
        self.last_of(sender).map(|e| e.ttl)
    }

    /// Client and server.
    pub(super) fn flow(&self, segment: &Segment) -> Flow {
        let (a, b) = (segment.source, segment.destination);
        let client = self.client.unwrap_or(if a.port >= b.port { a } else { b });
        Flow { client, server: if client == a { b } else { a } }
    }

    pub(super) fn side(&self, segment: &Segment) -> Side {
        if self.flow(segment).client == segment.source { Side::Client } else { Side::Server }
    }
}

impl Opening {
    fn of(client: Endpoint, isn: SeqNumber, time: Timestamp) -> Self {
        Self {
            client,
            isn,
            began: None,
            last: time,
            stamps: [None; 2],
            syn_payload: 0,
            answered: None,
            syn_acks: 0,
            completed: false,
            server_active: false,
            over: false,
        }
    }

    /// Whether `ack` acknowledges its SYN, with or without the payload of a Fast Open.
    pub(super) fn is_acked(&self, ack: SeqNumber) -> bool {
        let beyond = ack.distance_from(self.isn.next());
        beyond == 0 || beyond == self.syn_payload
    }

    /// A SYN+ACK came, or may have been lost, and nothing ended it: the server may hold it.
    pub(super) fn may_be_half_open(&self) -> bool {
        !self.completed && !self.over
    }
}

impl Sent {
    /// An ACK that carries nothing.
    pub(super) fn is_bare_ack(&self) -> bool {
        self.event.kind == EventKind::Ack
    }
}
