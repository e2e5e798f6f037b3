//! One attempt as one capture point saw it, and the facts that its packets state.

use alloc::string::String;
use alloc::vec::Vec;

use why504_model::{Flow, SeqNumber, Span, TcpFlags, Timestamp, Vlan};

use crate::{Event, EventKind, PointId, Side};

/// Events kept of one attempt at one point. More are counted and not kept: a handshake of Linux has
/// at most ten SYNs, each may draw a SYN+ACK, and six more SYN+ACKs come by timer.
pub(crate) const EVENTS_KEPT: usize = 64;

/// The quickest repetition is two jiffies (linux commit 9603d47bad46).
const SENT_AGAIN: Span = Span::from_millis(5);

/// Before a round trip is measured a timer waits a second (RFC 6298 section 2.1).
const NOT_AGAIN_BEFORE: Span = Span::from_millis(950);

/// No end sends more than this before the other end's handshake is over: initial windows are a few
/// dozen KiB, and no more than [`EVENTS_KEPT`] packets are looked at.
const HANDSHAKE_WINDOW: u32 = 1 << 24;

/// Why the tracker let go of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The server sent payload: nothing that happens now is about the handshake.
    Answered,
    /// FIN or RST, or nothing more for longer than any retransmission waits.
    Over,
    /// The capture ended first.
    OpenAtEnd,
}

/// One connect attempt (4-tuple and ISN) at one capture point: its packets in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where it was seen.
    pub point: PointId,
    /// Client and server as this point sees their addresses.
    pub flow: Flow,
    /// The client's initial sequence number.
    pub isn: SeqNumber,
    /// Its packets, oldest first; the first is a SYN unless a SYN+ACK was captured before its SYN.
    pub events: Vec<Event>,
    /// Packets beyond the number that is kept.
    pub events_dropped: u32,
    /// Further 4-tuples under which it was seen here: source NAT that forgot the attempt before it
    /// was over gave later copies of its SYN another port.
    pub moved: Vec<Flow>,
    /// Why it closed.
    pub closing: Closing,
    /// Its number among the attempts of hosts on this very link, in the order in which they began here:
    /// all are counted, also those of which nothing is kept. `None` where a router had passed the SYN.
    pub number: Option<u64>,
}

impl Sighting {
    /// All 4-tuples under which it was seen.
    pub fn flows(&self) -> impl Iterator<Item = Flow> {
        core::iter::once(self.flow).chain(self.moved.iter().copied())
    }

    /// Takes in what the same point saw of the same attempt under another 4-tuple, later.
    pub(crate) fn take_in(&mut self, later: Self) {
        self.moved.extend(later.flows());
        self.events.extend(later.events);
        self.events.sort_by_key(|event| event.time);
        let beyond = self.events.len().saturating_sub(EVENTS_KEPT);
        self.events.truncate(EVENTS_KEPT);
        let beyond = u32::try_from(beyond).unwrap_or(u32::MAX).saturating_add(later.events_dropped);
        self.events_dropped = self.events_dropped.saturating_add(beyond);
        self.closing = later.closing;
    }

    /// The SYNs of the client, first to last.
    pub fn syns(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|e| e.is(Side::Client, EventKind::Syn))
    }

    /// The SYN+ACKs of the server that acknowledge this ISN.
    pub fn syn_acks(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|e| e.is(Side::Server, EventKind::SynAck) && self.acceptable(e))
    }

    /// SYN+ACKs of the server whose acknowledgement is not for this ISN: rewritten on the way.
    pub fn wrong_syn_acks(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|e| e.is(Side::Server, EventKind::SynAck) && !self.acceptable(e))
    }

    /// When the first SYN was seen.
    pub fn first_syn(&self) -> Timestamp {
        self.syns().next().or(self.events.first()).map_or(Timestamp::MIN, |e| e.time)
    }

    /// The VLAN that its first SYN was tagged with here.
    pub fn vlan(&self) -> Option<Vlan> {
        self.syns().next()?.vlan
    }

    /// The packet with which the client took the SYN+ACK: the third handshake, or payload or FIN in
    /// its place. A RST is not one: it says that the socket was gone.
    pub fn third_ack(&self) -> Option<&Event> {
        let first_answer = self.syn_acks().next().map(|e| e.time);
        self.events.iter().find(|e| {
            e.side == Side::Client
                && e.about.is_none()
                && matches!(e.kind, EventKind::Ack | EventKind::Data | EventKind::Fin)
                && first_answer.is_none_or(|answer| e.time >= answer)
                && self.takes_the_answer(e)
        })
    }

    /// Whether a packet of the client acknowledges what the server sent on this connection. Where
    /// the capture missed the SYN+ACK, a sequence number shortly after the ISN must do: what is left
    /// of an older connection on this 4-tuple has another.
    fn takes_the_answer(&self, event: &Event) -> bool {
        let mut answers = self.syn_acks().peekable();
        event.flags.contains(TcpFlags::ACK)
            && match answers.peek() {
                Some(_) => answers.any(|answer| is_shortly_after(event.ack, answer.seq)),
                None => is_shortly_after(event.seq, self.isn),
            }
    }

    /// Whether the handshake was completed as far as this point saw. An acknowledgement by the
    /// client says so even where the capture missed the SYN+ACK.
    pub fn completed(&self) -> bool {
        self.third_ack().is_some()
    }

    /// Whether the client acknowledged a SYN+ACK that this point did not capture: it went another way,
    /// or the capture dropped it ("acknowledgement of data never seen", Paxson, Automated Packet
    /// Trace Analysis of TCP Implementations, SIGCOMM 1997).
    pub fn answer_missed(&self) -> bool {
        self.syn_acks().next().is_none()
            && self.wrong_syn_acks().next().is_none()
            && self.reverse_syn().is_none()
            && self.completed()
    }

    /// Whether the server acknowledged payload of the client that this point did not capture (Paxson, as
    /// above); `None` where it acknowledged none. It is told up to the first answer, and where the latest
    /// payload is there nothing before it is looked for.
    pub fn payload_missed(&self) -> Option<bool> {
        let first = self.isn.next();
        let within = |octets: &u32| *octets < HANDSHAKE_WINDOW;
        let own = self.events.iter().filter(|e| e.about.is_none() && e.drawn_by.is_none());
        let (mut acknowledged, mut seen) = (0, 0);
        for event in own {
            let (number, beyond) = match (event.side, event.kind) {
                (Side::Server, EventKind::Ack | EventKind::Data | EventKind::Fin) => (event.ack, 0),
                (Side::Client, EventKind::Syn) => (first, event.payload_len),
                (Side::Client, EventKind::Data) => (event.seq, event.payload_len),
                // A FIN takes a number (RFC 9293 section 3.4).
                (Side::Client, EventKind::Fin) => (event.seq, event.payload_len.saturating_add(1)),
                _ => continue,
            };
            let Some(begin) = Some(number.distance_from(first)).filter(within) else { continue };
            let end = begin.saturating_add(beyond);
            let most = if event.side == Side::Server { &mut acknowledged } else { &mut seen };
            *most = end.max(*most);
        }
        (acknowledged > 0).then_some(seen < acknowledged)
    }

    /// Whether an end acknowledged more than the other was seen to send: the capture missed that, or it
    /// went another way. Only packets without SYN and RST ask: what those acknowledge may be of another
    /// connection.
    pub fn acknowledges_unseen(&self, event: &Event) -> bool {
        let plain = matches!(event.kind, EventKind::Ack | EventKind::Data | EventKind::Fin);
        if !plain || event.about.is_some() || !event.flags.contains(TcpFlags::ACK) {
            return false;
        }
        // Several servers behind one address have several numbers: one that fits is enough.
        let mut seen = false;
        for sent in self.events.iter().filter(|e| e.side != event.side && e.about.is_none()) {
            // An ACK that has moved on says that something was sent, and does not show it.
            if matches!(sent.kind, EventKind::Ack | EventKind::Rst | EventKind::Icmp) {
                continue;
            }
            let beyond = event.ack.distance_from(sent.next_seq());
            if beyond == 0 || beyond >= HANDSHAKE_WINDOW {
                return false;
            }
            seen = true;
        }
        seen && self.events_dropped == 0
    }

    /// Whether packets of it are missing in the capture that an end acknowledged.
    pub fn is_torn(&self) -> bool {
        self.events.iter().any(|event| self.acknowledges_unseen(event))
    }

    /// Whether a SYN or SYN+ACK had to be repeated before the handshake was completed: a near miss.
    /// It is completed when the server acknowledges what follows; until then a SYN+ACK that comes
    /// again says that the client's ACK had not arrived.
    /// What comes twice within a moment, or bears the time stamp of the first, was captured twice
    /// (`-i any`, mirrors, several VLANs).
    pub fn saved_by_repetition(&self) -> bool {
        // The cheaper question first: it is asked of every attempt.
        if self.syns().nth(1).is_none() && self.syn_acks().nth(1).is_none() {
            return false;
        }
        let Some(third) = self.third_ack().map(|e| e.time) else { return false };
        let accepted = self.events.iter().find(|e| self.shows_acceptance(e));
        if accepted.is_none() && self.server_rst().is_some() {
            return false;
        }
        let completed = accepted.map_or(third, |e| e.time.max(third));
        let sent_again = |first: Option<&Event>, event: &Event| {
            let stamped = first.and_then(|e| e.timestamps).map(|ts| ts.value);
            let anew = stamped.is_none() || stamped != event.timestamps.map(|ts| ts.value);
            let first = first.map_or(event.time, |e| e.time);
            anew && event.time <= completed && event.time.since(first) >= SENT_AGAIN
        };
        self.syns().any(|e| sent_again(self.syns().next(), e))
            || self.syn_acks().any(|e| sent_again(self.syn_acks().next(), e))
    }

    /// Whether a packet shows that the server had the client's ACK: it acknowledges more than the
    /// SYN, or sends payload or FIN.
    pub fn shows_acceptance(&self, event: &Event) -> bool {
        event.side == Side::Server
            && event.about.is_none()
            && match event.kind {
                EventKind::Data | EventKind::Fin => true,
                EventKind::Ack => event.ack.is_after(self.isn.next()),
                _ => false,
            }
    }

    /// Bare ACKs of the server that speak of another attempt or connection on this 4-tuple: the
    /// server still holds the port for that one.
    pub fn foreign_acks(&self) -> impl Iterator<Item = &Event> {
        self.events
            .iter()
            .filter(|e| e.side == Side::Server && e.kind == EventKind::Ack && e.about.is_some())
    }

    /// Bare ACKs of the server that acknowledge this ISN while it had not been answered by a
    /// SYN+ACK's acknowledgement: provoked by a later SYN on the same port.
    pub fn bare_acks(&self) -> impl Iterator<Item = &Event> {
        let established = self.completed();
        self.events.iter().filter(move |e| {
            !established && e.is(Side::Server, EventKind::Ack) && self.acceptable(e)
        })
    }

    /// The server's RST that refuses this SYN (`ack = ISN + 1`, RFC 9293 section 3.10.7.3). A RST
    /// with another acknowledgement is not acceptable in SYN-SENT and changes nothing.
    pub fn refusal(&self) -> Option<&Event> {
        self.events.iter().find(|e| {
            e.is(Side::Server, EventKind::Rst)
                && e.flags.contains(TcpFlags::ACK)
                && self.acceptable(e)
        })
    }

    /// Any RST of the server about this attempt.
    pub fn server_rst(&self) -> Option<&Event> {
        self.events.iter().find(|e| e.is(Side::Server, EventKind::Rst))
    }

    /// The client's RST about this attempt, `seq = ISN + 1`: its socket was gone when a SYN+ACK or
    /// a bare ACK came.
    pub fn client_rst(&self) -> Option<&Event> {
        self.events.iter().find(|e| e.is(Side::Client, EventKind::Rst) && e.seq == self.isn.next())
    }

    /// The first ICMP error that quotes a SYN of this attempt.
    pub fn icmp(&self) -> Option<&Event> {
        self.events.iter().find(|e| e.kind == EventKind::Icmp)
    }

    /// The last of them: with the socket busy in `connect()` the kernel notes an error and goes on
    /// (`tcp_v4_err`, `sk_err_soft`); no SYN follows the one that ends the attempt.
    pub fn last_icmp(&self) -> Option<&Event> {
        self.events.iter().rfind(|e| e.kind == EventKind::Icmp)
    }

    /// A SYN from the server's side: both ends connect at once (RFC 9293 section 3.5, figure 8).
    pub fn reverse_syn(&self) -> Option<&Event> {
        self.events.iter().find(|e| e.is(Side::Server, EventKind::Syn))
    }

    /// The same packets with the other end taken for the client, whose SYN had this ISN.
    pub(crate) fn swap_ends(&mut self, isn: SeqNumber) {
        self.flow = self.flow.reversed();
        self.isn = isn;
        for event in &mut self.events {
            event.side = match event.side {
                Side::Client => Side::Server,
                Side::Server => Side::Client,
            };
        }
    }

    /// When the client closed a connection that it had: its FIN, or a RST after the third ACK.
    pub fn client_close(&self) -> Option<&Event> {
        let third = self.third_ack()?.time;
        self.events.iter().find(|e| {
            e.side == Side::Client
                && e.about.is_none()
                && e.time >= third
                && matches!(e.kind, EventKind::Fin | EventKind::Rst)
        })
    }

    /// Octets of payload that the client sent, in the events that are kept.
    pub fn client_bytes(&self) -> u64 {
        self.bytes(Side::Client)
    }

    /// Octets of payload that the server sent, in the events that are kept.
    pub fn server_bytes(&self) -> u64 {
        self.bytes(Side::Server)
    }

    fn bytes(&self, side: Side) -> u64 {
        self.events
            .iter()
            .filter(|e| e.side == side && e.about.is_none() && e.kind != EventKind::Syn)
            .map(|e| u64::from(e.payload_len))
            .sum()
    }

    /// Whether nothing about it is remarkable: one SYN, one SYN+ACK that came before any timer could
    /// have sent it again, one acknowledgement, and no sign of trouble since.
    pub fn is_clean(&self) -> bool {
        // Asked of every attempt, so it looks at each packet once; a property holds it against the
        // questions above.
        let (mut syn, mut answer, mut server_sent) = (None, None, false);
        for event in &self.events {
            let again = match (event.side, event.kind) {
                (Side::Client, EventKind::Syn) => syn.replace(event).is_some(),
                (Side::Server, EventKind::SynAck) => answer.replace(event).is_some(),
                _ => false,
            };
            if again || event.about.is_some() || event.kind == EventKind::Icmp {
                return false;
            }
            server_sent |=
                event.side == Side::Server && event.kind != EventKind::Syn && event.payload_len > 0;
        }
        let (Some(syn), Some(answer)) = (syn, answer) else { return false };
        let beyond = answer.ack.distance_from(self.isn.next());
        self.closing != Closing::OpenAtEnd
            && (beyond == 0 || beyond == syn.payload_len)
            && answer.time.since(syn.time) < NOT_AGAIN_BEFORE
            && server_sent
            && self.events.iter().any(|event| {
                event.side == Side::Client
                    && matches!(event.kind, EventKind::Ack | EventKind::Data | EventKind::Fin)
                    && event.time >= answer.time
                    && event.flags.contains(TcpFlags::ACK)
                    && is_shortly_after(event.ack, answer.seq)
            })
    }

    /// The letters of its packets in order; see [`Event::letter`].
    pub fn history(&self) -> String {
        self.events.iter().map(Event::letter).collect()
    }

    /// Whether the packet acknowledges the SYN of this attempt, or the SYN and the payload that it
    /// carried (TCP Fast Open, RFC 7413 section 4.2.2).
    fn acceptable(&self, event: &Event) -> bool {
        let beyond = event.ack.distance_from(self.isn.next());
        beyond == 0 || self.syns().any(|syn| syn.payload_len == beyond)
    }
}

/// Whether a number belongs to what an end sends or takes right after its first one.
fn is_shortly_after(number: SeqNumber, first: SeqNumber) -> bool {
    number.distance_from(first.next()) < HANDSHAKE_WINDOW
}

#[cfg(test)]
mod tests;
