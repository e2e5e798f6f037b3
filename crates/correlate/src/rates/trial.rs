//! Whether the first packet of an attempt arrived: `None` where the packets do not tell.
//!
//! Between two points a packet that came damaged is lost, as it is to its receiver. What came damaged to
//! the first of them was lost before, and is no trial of the way behind.

use alloc::vec::Vec;

use why504_handshake::{Event, EventKind, Side, Sighting};
use why504_model::Span;

use crate::checksums::Checksums;
use crate::view::Points;

/// A first packet counts as missed where its answer does not come before it is sent again: after 1 s
/// (RFC 6298 section 2.1; timers do not fire early).
pub(super) const MISSED_AFTER: Span = Span::from_millis(950);
/// Without TCP time stamps the first SYN is told from the second by its time: between two points it
/// takes less than this, and a second one comes after 1 s.
const SAME_COPY: Span = Span::from_millis(500);

/// Whether the first SYN that one point saw reached the next, which saw `far` of its attempt. One
/// that something on the way rejected openly is no loss, nor is one that something answered (a SYN proxy
/// asks the server only when the client has acknowledged).
pub(super) fn syn(
    points: Points<'_>,
    checksums: &Checksums,
    here: &Sighting,
    far: Option<&Sighting>,
) -> Option<bool> {
    let first = here.syns().next().filter(|syn| !checksums.is_damaged(here.point, syn))?;
    let Some(there) = far else {
        let replied = here.icmp().or(here.server_rst()).or(here.syn_acks().next()).is_some();
        return (!replied).then_some(false);
    };
    there.syns().next()?;
    let whole = || there.syns().filter(|syn| !checksums.is_damaged(there.point, syn));
    let Some(arrived) = whole().next() else { return Some(false) };
    let came =
        |value: u32| whole().any(|syn| syn.timestamps.is_some_and(|stamps| stamps.value == value));
    let mut sent = here.syns().map(|syn| syn.timestamps.map(|stamps| stamps.value));
    match sent.next().flatten() {
        Some(value) if came(value) => return Some(true),
        Some(_) if sent.flatten().any(came) => return Some(false),
        _ => {}
    }
    if whole().count() >= here.syns().count() {
        return Some(true);
    }
    let expected = points.moment_at(here.point, there.point, first.time)?;
    Some(arrived.time.since(expected) < SAME_COPY)
}

/// Whether the first SYN+ACK that the point nearer the server saw reached the other.
pub(super) fn syn_ack(checksums: &Checksums, here: &Sighting, there: &Sighting) -> Option<bool> {
    let first = there.syn_acks().next().filter(|sent| !checksums.is_damaged(there.point, sent))?;
    let whole = |e: &&Event| !checksums.is_damaged(here.point, e);
    let mut came = here.syn_acks().chain(here.wrong_syn_acks()).filter(whole).peekable();
    if came.peek().is_none() {
        return Some(false);
    }
    // Repeated SYN+ACKs of Linux differ in their time stamps only.
    let Some(sent) = first.timestamps.map(|stamps| stamps.value) else {
        return (came.count() >= there.syn_acks().count()).then_some(true);
    };
    let stamps: Vec<u32> = came.filter_map(|e| Some(e.timestamps?.value)).collect();
    if stamps.contains(&sent) {
        return Some(true);
    }
    // Stamps of no SYN+ACK that left: something on the way writes its own.
    let mut left = there.syn_acks().filter_map(|e| Some(e.timestamps?.value));
    left.any(|value| stamps.contains(&value)).then_some(false)
}

/// Whether the first SYN was answered, by whatever, before it was time to send it again.
pub(super) fn answered(sighting: &Sighting) -> Option<bool> {
    let first = sighting.syns().next()?;
    let in_time = |time: why504_model::Timestamp| time.since(first.time) < MISSED_AFTER;
    // An ACK of the client speaks for a SYN+ACK that the capture missed.
    let taken = sighting.third_ack().is_some_and(|ack| in_time(ack.time));
    let mut replies = sighting.events.iter().filter(|e| e.side == Side::Server);
    Some(taken || replies.any(|e| in_time(e.time)))
}

/// Whether the client took the first SYN+ACK, or reset it, before it was time to send it again.
pub(super) fn acknowledged(sighting: &Sighting) -> Option<bool> {
    let first = sighting.syn_acks().next()?;
    let mut replies = sighting
        .events
        .iter()
        .filter(|e| e.side == Side::Client && e.kind != EventKind::Syn && e.time >= first.time);
    Some(replies.any(|e| e.time.since(first.time) < MISSED_AFTER))
}
