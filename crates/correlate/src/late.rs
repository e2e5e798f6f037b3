//! A SYN+ACK that came long after its SYN: which one of the server's it is (taxonomy 3.2, row 12).
//!
//! Two things tell: the SYN that it echoes, and whether it came when a server repeats itself.
//! Whether the server can be trusted to echo the first SYN that it accepted, and whether this way
//! delays packets, is known from other attempts and is put together in [`crate::History`].

use why504_handshake::{Event, Side, Sighting};
use why504_model::Span;

use crate::facts::AGAIN;

/// Server timers send SYN+ACKs again after 1, 3, 7, 15 and 31 s (`reqsk_timer_handler`, backoff
/// from `TCP_TIMEOUT_INIT`), up to 5 % late.
const SLOTS: [Span; 5] = [
    Span::from_secs(1),
    Span::from_secs(3),
    Span::from_secs(7),
    Span::from_secs(15),
    Span::from_secs(31),
];
/// Before a round trip is measured a timer waits a second (RFC 6298 section 2.1; three by RFC 2988).
pub(crate) const NO_REPEAT_BEFORE: Span = Span::from_millis(950);
/// A timer never fires early; a clock may run fast by 500 ppm.
const FAST_CLOCK: (i64, i64) = (1, 2000);
/// Timer wheels are coarse (`timer_wheel`: up to 80 ms at 1 s) and hosts busy.
const SLOT_LATE: Span = Span::from_millis(80);
/// What answers a SYN does so within a round trip and this.
const AT_ONCE: Span = Span::from_millis(10);
/// From the first SYN+ACK to the first repetition; from that one to the next it is 2 s.
const FIRST_GAP: (Span, Span) = (Span::from_millis(950), Span::from_millis(1300));

/// A SYN+ACK that came after the client had given up, by what it says about the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateAnswer {
    /// There was none.
    #[default]
    None,
    /// It echoes the first SYN and came when a server repeats a SYN+ACK: the first one was lost.
    Repeated,
    /// The same, where other SYN+ACKs came late at other moments: it may be the first one, delayed.
    InSlot,
    /// It echoes a later SYN, at once after it: the earlier ones made no request.
    LaterCopy,
    /// It echoes a later SYN and came when a server repeats the SYN+ACK to that one.
    LaterCopyRepeated,
    /// It echoes the first SYN and came sooner than any server repeats itself: it is the first one.
    TheFirst,
    /// It echoes the first SYN, at no moment at which a server repeats itself.
    OffSchedule,
    /// Without TCP timestamps nothing tells which SYN it answers.
    Unknown,
}

/// What the client's first SYN+ACK says of those that it did not get. `round_trip` is the shortest
/// time from SYN to SYN+ACK that the point has seen towards this server.
pub(crate) fn late_answer(sighting: &Sighting, round_trip: Span) -> LateAnswer {
    let Some(answer) = sighting.syn_acks().next() else { return LateAnswer::None };
    let Some(echoed) = answer.timestamps else { return LateAnswer::Unknown };
    let is_echoed = |syn: &Event| syn.timestamps.is_some_and(|ts| ts.value == echoed.echo);
    let Some(copy) = sighting.syns().position(is_echoed) else { return LateAnswer::Unknown };
    let Some(syn) = sighting.syns().nth(copy) else { return LateAnswer::Unknown };
    let by_timer = in_a_slot(answer.time.since(syn.time), round_trip);
    if copy > 0 {
        return if by_timer { LateAnswer::LaterCopyRepeated } else { LateAnswer::LaterCopy };
    }
    // A repeated SYN draws a SYN+ACK at once, which still echoes the first one (Linux).
    let by_copy = sighting.syns().skip(1).any(|copy| {
        let after = answer.time.since(copy.time);
        after >= Span::ZERO && after <= round_trip + AT_ONCE
    });
    if (by_timer || by_copy) && !is_the_first(sighting, answer) {
        LateAnswer::Repeated
    } else if !by_copy && answer.time.since(syn.time) < NO_REPEAT_BEFORE {
        LateAnswer::TheFirst
    } else {
        LateAnswer::OffSchedule
    }
}

/// Whether this is when a server's timer sends a SYN+ACK again.
fn in_a_slot(waited: Span, round_trip: Span) -> bool {
    SLOTS.iter().any(|&slot| {
        let earliest = slot - slot.scaled(FAST_CLOCK.0, FAST_CLOCK.1);
        let latest = slot + slot.scaled(5, 100) + SLOT_LATE + round_trip;
        waited >= earliest && waited <= latest
    })
}

/// The next SYN+ACK came after the time between the first and the second one, and no SYN had drawn
/// it: this one was the first, and everything took that long.
fn is_the_first(sighting: &Sighting, answer: &Event) -> bool {
    sighting.syns().count() == 1
        && sighting.syn_acks().nth(1).is_some_and(|next| {
            let gap = next.time.since(answer.time);
            gap >= FIRST_GAP.0 && gap <= FIRST_GAP.1
        })
}

/// Whether this attempt shows a way, or a server, that takes its time: an answer to the first SYN
/// that came late, at no moment at which a server repeats itself. A repeated SYN sets the server's
/// timer anew (`inet_rtx_syn_ack`), so only an attempt that needed none shows it.
pub(crate) fn shows_delay(sighting: &Sighting, round_trip: Span) -> bool {
    let (Some(syn), Some(answer)) = (sighting.syns().next(), sighting.syn_acks().next()) else {
        return false;
    };
    let once = sighting.syns().filter(|again| again.time < answer.time).count() == 1;
    once && answer.time.since(syn.time) >= round_trip + AGAIN
        && matches!(
            late_answer(sighting, round_trip),
            LateAnswer::OffSchedule | LateAnswer::TheFirst
        )
}

/// The same, seen from the server's end: what answered its SYN+ACK came late. A RST that answers a
/// bare ACK on the reused port is none of that.
pub(crate) fn shows_delayed_reply(sighting: &Sighting, round_trip: Span) -> bool {
    let Some(answer) = sighting.syn_acks().next() else { return false };
    let Some(reply) = sighting.third_ack().or_else(|| sighting.client_rst()) else { return false };
    let sent_between =
        |e: &Event| e.side == Side::Server && e.time > answer.time && e.time <= reply.time;
    !sighting.events.iter().any(sent_between) && reply.time.since(answer.time) >= round_trip + AGAIN
}

/// Whether the server is shown to echo the first SYN that it accepted whatever came later, as Linux
/// does (`tcp_rsk(req)->ts_recent`); BSD's syncache echoes the latest. Well after a repeated SYN its
/// SYN+ACK still echoes the first.
pub(crate) fn keeps_the_first(sighting: &Sighting) -> bool {
    let Some(first) = sighting.syns().next().and_then(|syn| syn.timestamps) else { return false };
    let Some(second) =
        sighting.syns().find(|syn| syn.timestamps.is_some_and(|ts| ts.value != first.value))
    else {
        return false;
    };
    sighting.syn_acks().any(|answer| {
        answer.time.since(second.time) >= AGAIN
            && answer.timestamps.is_some_and(|ts| ts.echo == first.value)
    })
}
