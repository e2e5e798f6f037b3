//! Packets that came out further on and were not seen to go in: what a capture lost, as another shows.
//!
//! Where two points saw one attempt, what the one saw of its packets had to pass the other first. It is
//! told of any attempt, whatever became of it, so it also shows where no handshake is healthy.

use alloc::collections::BTreeMap;

use why504_model::{Interval, Span, Timestamp};

use super::Attempt;
use crate::event::MIRRORED;
use crate::{Closing, Event, EventKind, PointId, Side, Sighting};

/// A RST that answers a SYN+ACK follows within a round trip; longer ones are taken as unknown.
const ROUND_TRIP_MAX: Span = Span::from_millis(400);

/// A point, who sent a packet, and what it is.
type Kind = (PointId, Side, Sent);

/// What is compared of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    Syn,
    SynAck,
    /// Some packet that takes the SYN+ACK.
    ThirdAck,
    Fin,
}

/// Point -> packets that had to pass it, and how many of them it did not see. `captures` says whether a
/// point was capturing during an interval of another's clock. A kind of packet of which a point saw none
/// was not lost: a filter does not let it through.
pub(super) fn passed_unseen(
    attempts: &[Attempt],
    captures: impl Fn(PointId, Interval, PointId) -> bool,
) -> BTreeMap<PointId, (u64, u64)> {
    let mut counts: BTreeMap<Kind, (u64, u64)> = BTreeMap::new();
    for attempt in attempts {
        let further = attempt.sightings().skip(1);
        for (near, far) in attempt.sightings().zip(further) {
            for (before, after, sender) in [(near, far, Side::Client), (far, near, Side::Server)] {
                let mut compared = compared(before, after, sender).peekable();
                if compared.peek().is_some() && captures(after.point, whole(after), before.point) {
                    for (what, here, there) in compared {
                        let sum = counts.entry((before.point, sender, what)).or_default();
                        *sum = (sum.0 + there, sum.1 + there.saturating_sub(here));
                    }
                }
            }
        }
    }
    let mut by_point: BTreeMap<PointId, (u64, u64)> = BTreeMap::new();
    for ((point, ..), (all, missed)) in counts {
        if missed < all {
            let sum = by_point.entry(point).or_default();
            *sum = (sum.0 + all, sum.1 + missed);
        }
    }
    by_point
}

/// From the first to the last packet of an attempt.
fn whole(sighting: &Sighting) -> Interval {
    let times = || sighting.events.iter().map(|event| event.time);
    let first = times().min().unwrap_or(Timestamp::MIN);
    Interval::new(first, times().max().unwrap_or(first))
}

/// How many packets of `sender` a point saw that were on their way to another, and how many that one saw.
/// Nothing where the two may not have seen the same packets: something between them writes numbers of its
/// own, gives another port, or answers in the server's place.
fn compared(
    before: &Sighting,
    after: &Sighting,
    sender: Side,
) -> impl Iterator<Item = (Sent, u64, u64)> {
    let same = before.isn == after.isn && before.moved.is_empty() && after.moved.is_empty();
    let whole = before.events_dropped == 0 && after.events_dropped == 0;
    let answered = before.syn_acks().any(|a| after.syn_acks().any(|b| a.seq == b.seq));
    let unanswered = |s: &Sighting| s.syn_acks().chain(s.wrong_syn_acks()).next().is_none();
    // Who answers in the server's place has been heard nearer the client.
    let client = sender == Side::Client;
    let comparable = same && whole && (answered || client && unanswered(before));
    // A connection is followed until each point sees its server answer, which is not one moment.
    let to_the_end = before.closing != Closing::Answered && after.closing != Closing::Answered;
    // What another server behind the address sent did not pass the point of this one.
    let own = |b: &Event| before.syn_acks().any(|a| a.seq == b.seq);
    let of_one = client || after.syn_acks().all(own);
    let asked = [
        (Sent::Syn, client),
        (Sent::SynAck, answered && !client && of_one),
        (Sent::ThirdAck, answered && client),
        (Sent::Fin, answered && to_the_end && of_one),
    ];
    let count = move |sighting: &Sighting, what| match what {
        Sent::Syn => sent(sighting, sender, EventKind::Syn),
        Sent::SynAck => sent(sighting, sender, EventKind::SynAck),
        Sent::ThirdAck => u64::from(sighting.completed()),
        Sent::Fin => sent(sighting, sender, EventKind::Fin),
    };
    let asked = asked.into_iter().filter(move |(_, asked)| comparable && *asked);
    asked.map(move |(what, _)| (what, count(before, what), count(after, what)))
}

/// Whether a point did not see packets of an attempt that had to pass it to come where another saw them:
/// SYNs, SYN+ACKs, and a RST of the client that answers nothing that had just left the server, so it answers
/// what came late. What else the point does not see of the attempt proves nothing then.
pub fn lacks_packets(before: &Sighting, after: &Sighting, sender: Side) -> bool {
    let of_handshake = |what| matches!(what, Sent::Syn | Sent::SynAck);
    let mut all = compared(before, after, sender).peekable();
    let reset = sender == Side::Client
        && all.peek().is_some()
        && before.client_rst().is_none()
        && after.events.iter().any(|event| answers_a_late_one(after, event));
    reset || all.any(|(what, here, there)| of_handshake(what) && here < there)
}

/// Whether the client, and no box that resets in its name from another distance, reset something longer
/// after the server's last packet had left than a round trip takes.
fn answers_a_late_one(sighting: &Sighting, rst: &Event) -> bool {
    let just_left = |event: &Event| {
        event.side == Side::Server
            && (Span::ZERO..=ROUND_TRIP_MAX).contains(&rst.time.since(event.time))
    };
    rst.is(Side::Client, EventKind::Rst)
        && rst.seq == sighting.isn.next()
        && sighting.syns().all(|syn| syn.ttl == rst.ttl)
        && !sighting.events.iter().any(just_left)
}

/// How often a packet was sent, as a point saw it. What comes again at once was captured twice, or sent
/// twice by a server that answers two copies of a SYN; it counts once at either point.
fn sent(sighting: &Sighting, sender: Side, kind: EventKind) -> u64 {
    let mut last: Option<&Event> = None;
    let mut count = 0;
    for event in sighting.events.iter().filter(|event| event.is(sender, kind)) {
        let again = last.is_some_and(|last| {
            event.time.distance(last.time) <= MIRRORED && event.timestamps == last.timestamps
        });
        count += u64::from(!again);
        last = Some(event);
    }
    count
}
