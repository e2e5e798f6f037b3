//! What provoked each RST that a host sent.
//!
//! A RST either answers a packet or is a host's own decision, and its numbers say which (RFC 9293
//! sections 3.5.2 and 3.10.7): an answer to a segment with ACK has `SEQ = SEG.ACK` and no ACK flag
//! of its own, an answer to a SYN has `SEQ = 0` and `ACK = SEG.SEQ + SEG.LEN`, a decision carries
//! the sender's own next sequence number and an ACK. Linux does just that (`tcp_v4_send_reset`,
//! `tcp_send_active_reset`). So the packet before it, from the other side of the same 4-tuple and
//! with that relation, is what provoked it; where there is none, that is said.
//!
//! Nothing is judged here: whether a lost second handshake lies behind it is for the attempt that
//! the RST is about.

mod answer;
mod talk;

use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use why504_model::{Endpoint, Flow, Packet, Segment, SeqNumber, Span, Timestamp};

use crate::{Event, PointId};
use answer::provoked;
use talk::Talks;

/// Hosts whose time to live is remembered; a flood of forged addresses cannot make it grow further.
const HOSTS_KEPT: usize = 1 << 16;

/// What provoked a RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// A SYN+ACK for a SYN of the sender whose socket was closed by then.
    LateSynAck,
    /// A bare ACK for another attempt or connection, while the sender waited for a SYN+ACK on that
    /// port (RFC 9293 section 3.10.7.3, first step).
    BareAck,
    /// A SYN+ACK that acknowledges a number the sender never sent (the same rule).
    WrongAck,
    /// A SYN for which nobody listens (section 3.10.7.1).
    Refused,
    /// A SYN whose ISN falls into the window of an attempt that is half open on this port
    /// (`tcp_check_req`).
    InWindowSyn,
    /// The ACK that should have completed a handshake (`tcp_check_req`: accept queue full with
    /// `tcp_abort_on_overflow`, or the request was gone).
    ThirdAck,
    /// Payload, FIN or ACK for a connection that the sender no longer had.
    Gone,
    /// Nothing: the application or a timer of the sender gave the connection up
    /// (`tcp_send_active_reset`: unread data at `close()`, `SO_LINGER` 0, keepalive).
    Aborted,
    /// No packet of the capture: it was not captured, or the RST is not the host's own.
    Unseen,
}

/// One RST as one capture point saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Where it was captured.
    pub point: PointId,
    /// Who sent it, or in whose name it was sent.
    pub sender: Endpoint,
    /// To whom.
    pub peer: Endpoint,
    /// Client and server of the connection; where no SYN or SYN+ACK of it was captured, the end
    /// with the lower port is taken for the server.
    pub flow: Flow,
    /// The RST.
    pub packet: Event,
    /// What provoked it.
    pub trigger: Trigger,
    /// The packet that provoked it.
    pub provoked_by: Option<Event>,
    /// ISN of the attempt whose fate is behind it.
    pub about: Option<SeqNumber>,
    /// From the first SYN of that attempt to the packet that provoked the RST (to the RST where
    /// none did), where the SYN was captured.
    pub since_syn: Option<Span>,
    /// SYN+ACKs of that attempt captured here before the RST.
    pub syn_acks: u32,
    /// The connection of `about` had been acknowledged by the client.
    pub completed: bool,
    /// Times to live of the RST and of other packets of the sender, where they differ: a box on the
    /// way may have sent it in the sender's name.
    pub foreign_ttl: Option<(u8, u8)>,
}

/// What became of the packets given to a [`ResetWatch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetTally {
    /// RSTs that were handed out.
    pub resets: u64,
    /// RSTs that are the same frame captured twice.
    pub captured_twice: u64,
}

/// Follows the conversations of one capture point as far as is needed to say what provoked a RST.
/// Memory is bounded: a conversation that is forgotten under pressure is one whose opening was not
/// captured.
#[derive(Debug)]
pub struct ResetWatch {
    point: PointId,
    talks: Talks,
    /// Looked up, never iterated.
    hosts: HashMap<IpAddr, u8, FixedState>,
    found: Vec<Reset>,
    tally: ResetTally,
}

impl ResetWatch {
    /// For the packets of one point.
    pub fn new(point: PointId) -> Self {
        Self {
            point,
            talks: Talks::default(),
            hosts: HashMap::default(),
            found: Vec::new(),
            tally: ResetTally::default(),
        }
    }

    /// The next packet, in order of time (small inversions do no harm).
    pub fn push(&mut self, packet: &Packet) {
        let Packet::Tcp(segment) = packet else { return };
        if segment.is_rst() {
            self.reset(segment);
            return;
        }
        if (segment.is_syn() || segment.is_syn_ack())
            && (self.hosts.len() < HOSTS_KEPT || self.hosts.contains_key(&segment.source.ip))
        {
            self.hosts.insert(segment.source.ip, segment.ttl);
        }
        self.talks.of(segment).note(segment);
    }

    /// The RSTs since the last call, in the order in which they were captured.
    pub fn take(&mut self) -> Vec<Reset> {
        mem::take(&mut self.found)
    }

    /// Counters.
    pub const fn tally(&self) -> ResetTally {
        self.tally
    }

    fn reset(&mut self, segment: &Segment) {
        let known_ttl = self.hosts.get(&segment.source.ip).copied();
        let talk = self.talks.of(segment);
        let Some(answer) = provoked(segment, talk) else {
            self.tally.captured_twice += 1;
            return;
        };
        let (flow, side) = (talk.flow(segment), talk.side(segment));
        let usual = talk.last_ttl(segment.source).or(known_ttl);
        let opening = answer.about.and_then(|isn| talk.opening(isn));
        let moment = answer.packet.map_or(segment.time, |e| e.time);
        let reset = Reset {
            point: self.point,
            sender: segment.source,
            peer: segment.destination,
            flow,
            packet: Event::of(segment, side),
            trigger: answer.trigger,
            // Which side a packet came from may have been seen otherwise while both ends sent SYNs.
            provoked_by: answer.packet.map(|e| Event { side: side.other(), ..e }),
            about: answer.about,
            since_syn: opening.and_then(|o| o.began).map(|began| moment.since(began)),
            syn_acks: opening.map_or(0, |o| o.syn_acks),
            completed: opening.is_some_and(|o| o.completed),
            foreign_ttl: usual.filter(|ttl| *ttl != segment.ttl).map(|ttl| (segment.ttl, ttl)),
        };
        talk.reset(segment);
        self.tally.resets += 1;
        self.found.push(reset);
    }
}

impl Trigger {
    /// All of them, in the order in which reports list them.
    pub const ALL: [Self; 9] = [
        Self::LateSynAck,
        Self::BareAck,
        Self::WrongAck,
        Self::Refused,
        Self::InWindowSyn,
        Self::ThirdAck,
        Self::Gone,
        Self::Aborted,
        Self::Unseen,
    ];

    /// The name in the NDJSON contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LateSynAck => "late_synack",
            Self::BareAck => "bare_ack",
            Self::WrongAck => "wrong_ack",
            Self::Refused => "refused",
            Self::InWindowSyn => "in_window_syn",
            Self::ThirdAck => "third_ack",
            Self::Gone => "connection_gone",
            Self::Aborted => "aborted",
            Self::Unseen => "none_seen",
        }
    }
}

impl Reset {
    /// When it was sent, on the clock of its capture point.
    pub const fn time(&self) -> Timestamp {
        self.packet.time
    }
}

#[cfg(test)]
mod tests;
