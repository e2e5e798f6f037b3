//! What the SYN+ACKs of one attempt, and the packets that answer them, tell of the server behind
//! them: whether it keeps state between SYNs, whether there are several of it, and whether it took
//! the client's ACK.
//!
//! Signs only; what they mean together is decided in [`mod@crate::judge`].

use why504_handshake::{Event, EventKind, Side, Sighting};
use why504_model::{Span, TcpFlags};

use crate::facts::AGAIN;

/// A SYN is answered at once by a server that is not asked to wait.
const AT_ONCE: Span = Span::from_millis(50);
/// The first repetition of a SYN+ACK by timer: 1 s (`TCP_TIMEOUT_INIT`), at most 5 % and a busy
/// machine's moment late.
const FIRST_TIMER: Span = Span::from_millis(1300);

/// The client's first ACK that was seen here echoes the first SYN+ACK although another one had come
/// before it. The client takes its TS.Recent from the SYN+ACK that it accepts (RFC 7323 section
/// 4.3), so it had the first one, and what it sent then was not seen here.
pub(crate) fn earlier_ack_missing(sighting: &Sighting) -> bool {
    let Some(ack) = sighting.third_ack() else { return false };
    let Some(first) = sighting.syn_acks().next() else { return false };
    let (Some(sent), Some(echoed)) = (first.timestamps, ack.timestamps) else { return false };
    let again = |e: &Event| {
        e.time <= ack.time
            && e.time.since(first.time) >= AGAIN
            && e.timestamps.is_some_and(|ts| ts.value != sent.value)
    };
    echoed.echo == sent.value && sighting.syn_acks().any(again)
}

/// A RST without ACK at once after the client's bare ACK: the kernel's answer where no socket takes
/// it (`tcp_v4_send_reset`; `tcp_abort_on_overflow` among others). A server that closes sends its
/// RST with ACK (`tcp_send_active_reset`).
pub(crate) fn ack_reset(sighting: &Sighting) -> bool {
    let Some(third) = sighting.third_ack() else { return false };
    let talked = sighting.events.iter().any(|e| {
        e.side == Side::Server
            && e.about.is_none()
            && matches!(e.kind, EventKind::Data | EventKind::Fin)
    });
    let rst = sighting.events.iter().find(|e| {
        e.side == Side::Server && e.kind == EventKind::Rst && !e.flags.contains(TcpFlags::ACK)
    });
    let Some(rst) = rst.filter(|rst| !talked && rst.time >= third.time) else { return false };
    let provoker = sighting.events.iter().rfind(|e| e.side == Side::Client && e.time <= rst.time);
    provoker.is_some_and(|e| {
        e.kind == EventKind::Ack && e.ack == rst.seq && rst.time.since(e.time) <= AT_ONCE
    })
}

/// The first SYN+ACK that came again came when the server's timer fires for the first time.
pub(crate) fn first_timer_fired(sighting: &Sighting) -> bool {
    let Some(first) = sighting.syn_acks().next() else { return false };
    sighting
        .syn_acks()
        .map(|e| e.time.since(first.time))
        .find(|waited| *waited >= AGAIN)
        .is_some_and(|waited| waited <= FIRST_TIMER)
}

/// Two SYN+ACKs or more, each at once after a SYN of its own and echoing that one. A Linux request
/// echoes the SYN that made it, whichever copy comes later; only a server that keeps nothing echoes
/// each (`cookie_init_timestamp`, SYN proxies). BSD stacks echo the latest too, but repeat by timer.
pub(crate) fn each_of_its_own(sighting: &Sighting) -> bool {
    let own = |answer: &Event| {
        let echoed = answer.timestamps?.echo;
        let syn = sighting.syns().find(|s| s.timestamps.is_some_and(|ts| ts.value == echoed))?;
        let waited = answer.time.since(syn.time);
        (waited >= Span::ZERO && waited <= AT_ONCE).then_some(echoed)
    };
    let mut echoes = sighting.syn_acks().map(own);
    let Some(Some(first)) = echoes.next() else { return false };
    // From another port a copy of the SYN is a new connection to the server.
    if !sighting.moved.is_empty() {
        return false;
    }
    let mut several = false;
    echoes.all(|echo| {
        several |= echo.is_some_and(|e| e != first);
        echo.is_some()
    }) && several
}

/// Two points saw SYN+ACKs, and not one of them is the same: neither by its time stamp, which a box
/// that rewrites ISNs leaves alone, nor by its number, which one that rewrites stamps does.
pub(crate) fn other_answer(client: &Sighting, server: &Sighting) -> bool {
    let known = |here: &Event| {
        server.syn_acks().any(|there| {
            let stamped = here.timestamps.zip(there.timestamps);
            here.seq == there.seq || stamped.is_some_and(|(here, there)| here.value == there.value)
        })
    };
    let (mut came, mut left) = (client.syn_acks().peekable(), server.syn_acks());
    came.peek().is_some() && left.next().is_some() && !came.any(known)
}

/// The SYN+ACKs have made another number of hops than all that the server sent on the connection since:
/// something on the way answered in its place, and let the server talk afterwards (SYN proxies, taxonomy
/// class 17). One connection keeps to one way, and a host sends all of it with one time to live. A RST
/// is no witness: anything may send one.
pub(crate) fn answered_in_place(sighting: &Sighting) -> bool {
    let Some(third) = sighting.third_ack() else { return false };
    let talk = sighting.events.iter().filter(|e| {
        e.side == Side::Server
            && e.about.is_none()
            && e.time >= third.time
            && matches!(e.kind, EventKind::Ack | EventKind::Data | EventKind::Fin)
    });
    let answered = only(sighting.syn_acks().map(|e| e.ttl));
    answered.zip(only(talk.map(|e| e.ttl))).is_some_and(|(answered, talked)| answered != talked)
}

/// The value that all share; `None` where they differ, or there is none.
fn only(mut values: impl Iterator<Item = u8>) -> Option<u8> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// Two points saw one SYN+ACK, by its time stamps, with different numbers: something on the way puts
/// in its own.
pub(crate) fn rewritten(client: &Sighting, server: &Sighting) -> bool {
    client.syn_acks().any(|here| {
        let same = |there: &Event| here.timestamps.is_some() && here.timestamps == there.timestamps;
        let mut twins = server.syn_acks().filter(|there| same(there)).peekable();
        twins.peek().is_some() && twins.all(|there| there.seq != here.seq)
    })
}

/// Two ISNs answer one SYN. A server that lost its request would do so, too, but not before the
/// request's 63 s have passed; cookies change with the minute (`tcp_cookie_time`).
pub(crate) fn several_servers(sighting: &Sighting) -> bool {
    let Some(first) = sighting.syn_acks().next() else { return false };
    sighting.moved.is_empty()
        && !each_of_its_own(sighting)
        && sighting
            .syn_acks()
            .any(|e| e.seq != first.seq && e.time.since(first.time) < Span::from_secs(60))
}
