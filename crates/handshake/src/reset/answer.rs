//! The packet that a RST answers, by its numbers.

use why504_model::{Segment, SeqNumber, Span, TcpFlags, Timestamp};

use super::Trigger;
use super::talk::{Opening, Sent, Talk};
use crate::{Event, EventKind};

/// On its own host a RST is sent in the same softirq as the packet that provoked it comes in.
const AT_ONCE: Span = Span::from_millis(5);
/// Elsewhere it takes a round trip; the next SYN+ACK comes a second later at the earliest.
const ROUND_TRIP: Span = Span::from_millis(900);
/// Per-CPU buffers of a capture may put an answer before its question.
const INVERTED: Span = Span::from_millis(1);
/// The same frame captured twice.
const CAPTURED_TWICE: Span = Span::from_millis(1);
/// The receive window that a request in SYN-RECEIVED has, at most (no window scaling on a SYN).
const SYN_WINDOW: u32 = 1 << 16;
/// A request in SYN-RECEIVED of Linux lives 63 s from its last SYN, with timers up to 5 % late.
const HALF_OPEN: Span = Span::from_secs(67);
/// A RST that a host sends by itself lies within a window of what it sent before.
const OWN_WINDOW: u32 = 1 << 30;

/// What is known of a RST's reason.
pub(super) struct Answer {
    pub(super) trigger: Trigger,
    pub(super) packet: Option<Event>,
    pub(super) about: Option<SeqNumber>,
}

/// What provoked a RST; `None` when it is the RST before it, captured twice.
pub(super) fn provoked(rst: &Segment, talk: &mut Talk) -> Option<Answer> {
    let within = if is_first_hop(rst.ttl) { AT_ONCE } else { ROUND_TRIP };
    let repeated = is_repeated(rst, talk);
    let mut taken = false;
    let found = talk.towards(rst.source).find(|sent| {
        let fits = answers(rst, &sent.event) && in_time(rst.time, sent.event.time, within);
        taken |= fits && sent.answered;
        fits && !sent.answered
    });
    let asked = found.map(|sent| {
        sent.answered = true;
        *sent
    });
    if asked.is_none() && taken && repeated {
        return None;
    }
    Some(match asked {
        Some(sent) if sent.event.kind == EventKind::Syn => to_syn(rst, &sent, talk),
        Some(sent) => to_ack(rst, &sent, talk),
        None => by_itself(rst, talk),
    })
}

/// The relation between a packet and the RST that answers it (RFC 9293 section 3.10.7.1).
fn answers(rst: &Segment, asked: &Event) -> bool {
    let asked_ack = asked.flags.contains(TcpFlags::ACK);
    match rst.flags.contains(TcpFlags::ACK) {
        false => asked_ack && asked.ack == rst.seq,
        // Fast Open: a listener that is not there counts the payload, one that is does not.
        true if asked.kind == EventKind::Syn => {
            let beyond = rst.ack.distance_from(asked.seq.next());
            beyond == 0 || beyond == asked.payload_len
        }
        true => false,
    }
}

fn in_time(rst: Timestamp, asked: Timestamp, within: Span) -> bool {
    let waited = rst.since(asked);
    waited >= -INVERTED && waited <= within
}

fn is_repeated(rst: &Segment, talk: &Talk) -> bool {
    talk.last_reset.as_ref().is_some_and(|before| {
        rst.time.distance(before.time) < CAPTURED_TWICE
            && (rst.seq, rst.flags, rst.ip_id) == (before.seq, before.flags, before.ip_id)
    })
}

/// Nothing has counted the time to live down: the capture is on the sender's host or next to it.
const fn is_first_hop(ttl: u8) -> bool {
    matches!(ttl, 64 | 128 | 255)
}

fn to_syn(rst: &Segment, syn: &Sent, talk: &Talk) -> Answer {
    let isn = syn.event.seq;
    let packet = Some(syn.event);
    let opening = talk.opening(isn);
    // A listener's child that the application dropped before it read anything: SYN+ACK went out.
    if opening.is_some_and(|o| o.answered.is_some_and(|y| rst.seq == y.next())) {
        return Answer { trigger: Trigger::Aborted, packet: None, about: Some(isn) };
    }
    let half_open = talk.openings.iter().rev().find(|earlier| {
        earlier.isn != isn
            && earlier.client == syn.source
            && earlier.may_be_half_open()
            && syn.event.time.since(earlier.last) <= HALF_OPEN
            && isn.distance_from(earlier.isn.next()) < SYN_WINDOW
    });
    match half_open {
        Some(earlier) => Answer { trigger: Trigger::InWindowSyn, packet, about: Some(earlier.isn) },
        None => Answer { trigger: Trigger::Refused, packet, about: Some(isn) },
    }
}

/// A RST without ACK: it answers a packet that had one.
fn to_ack(rst: &Segment, asked: &Sent, talk: &Talk) -> Answer {
    let packet = Some(asked.event);
    let latest = talk.openings.last();
    let named = talk.openings.iter().rev().find(|o| o.is_acked(asked.event.ack));
    let about = named.or(latest).map(|o| o.isn);
    if asked.event.kind == EventKind::SynAck {
        let trigger = match (named, latest) {
            (None, Some(latest)) if !echoes_another(latest, asked) => Trigger::WrongAck,
            // It echoes no SYN of this attempt: an answer to one from before the capture.
            (None, _) => {
                let about = Some(asked.event.ack.previous());
                return Answer { trigger: Trigger::LateSynAck, packet, about };
            }
            (Some(_), _) => Trigger::LateSynAck,
        };
        return Answer { trigger, packet, about };
    }
    let Some(latest) = latest else {
        return Answer { trigger: Trigger::Gone, packet, about: None };
    };
    if latest.client == rst.source {
        let waits = latest.answered.is_none() && !latest.completed;
        if waits && asked.is_bare_ack() {
            let about = Some(asked.event.ack.previous());
            return Answer { trigger: Trigger::BareAck, packet, about };
        }
    } else if !latest.server_active
        && latest.answered.is_none_or(|y| asked.event.ack == y.next())
        && latest.began.is_some()
    {
        return Answer { trigger: Trigger::ThirdAck, packet, about: Some(latest.isn) };
    }
    Answer { trigger: Trigger::Gone, packet, about: Some(latest.isn) }
}

/// A SYN+ACK that has time stamps and echoes none of this attempt's.
fn echoes_another(opening: &Opening, answer: &Sent) -> bool {
    let Some(echo) = answer.event.timestamps.map(|ts| ts.echo) else { return false };
    opening.stamps.iter().flatten().all(|stamp| *stamp != echo)
}

/// No packet provoked it: the sender's own decision, where its numbers are the sender's own.
fn by_itself(rst: &Segment, talk: &Talk) -> Answer {
    let own = talk.last_of(rst.source);
    let is_own = own.map_or(rst.seq != SeqNumber(0), |last| {
        let ahead = rst.seq.distance_from(last.seq);
        ahead < OWN_WINDOW || ahead > OWN_WINDOW.wrapping_neg()
    });
    let decided = rst.flags.contains(TcpFlags::ACK) && is_own;
    if decided {
        let about = talk.openings.last().map(|o| o.isn);
        return Answer { trigger: Trigger::Aborted, packet: None, about };
    }
    // What provoked it is not known; that it speaks of an attempt, only its own number says.
    let named = talk.openings.iter().rev().find(|o| o.isn.next() == rst.seq);
    Answer { trigger: Trigger::Unseen, packet: None, about: named.map(|o| o.isn) }
}
