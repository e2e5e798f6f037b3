//! The clocks of the points, two by two, from the packets that both of a pair saw.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_model::{Interval, SeqNumber, Span, Timestamp};

use super::Attempt;
use crate::clock::Pairing;
use crate::{ClockOffset, Event, EventKind, PointId, Side, Sighting};

/// (near, far) -> far clock minus near clock, for each pair of points that shares attempts.
pub(super) fn offsets(attempts: &[Attempt]) -> BTreeMap<(PointId, PointId), ClockOffset> {
    let mut pairings: BTreeMap<(PointId, PointId), Vec<Pairing>> = BTreeMap::new();
    for attempt in attempts {
        for (i, near) in attempt.sightings().enumerate() {
            for far in attempt.sightings().skip(i + 1) {
                pairings.entry((near.point, far.point)).or_default().extend(common(near, far));
            }
        }
    }
    pairings
        .into_iter()
        .filter_map(|(points, pairs)| Some((points, ClockOffset::estimate(&pairs)?)))
        .collect()
}

/// Two points' views of one moment agree within this.
const SAME_MOMENT: Span = Span::from_millis(50);

/// Whether what one point saw of an attempt passed another while that one captured, as far as their
/// clocks tell.
pub(super) fn lies_within(
    offsets: &BTreeMap<(PointId, PointId), ClockOffset>,
    near: &Sighting,
    far: PointId,
    written: &[Interval],
) -> bool {
    let answer = near.syn_acks().next().map_or(near.first_syn(), |answer| answer.time);
    let during = Interval::new(near.first_syn(), answer.max(near.first_syn()));
    covers(offsets, (near.point, during), far, written).unwrap_or(true)
}

/// Whether an interval of one point's clock lies well inside one of the stretches that another captured,
/// which are in order and apart; `None` where nothing ties their clocks together.
pub(super) fn covers(
    offsets: &BTreeMap<(PointId, PointId), ClockOffset>,
    (here, during): (PointId, Interval),
    there: PointId,
    written: &[Interval],
) -> Option<bool> {
    let shown_there = |time: Timestamp| {
        let ahead = offsets.get(&(here, there)).map(|offset| time + offset.at(time));
        ahead.or_else(|| Some(offsets.get(&(there, here))?.to_near(time)))
    };
    let (from, to) = shown_there(during.start()).zip(shown_there(during.end()))?;
    let shown = Interval::new(from, to.max(from)).widened(SAME_MOMENT, SAME_MOMENT);
    let last = written.partition_point(|stretch| stretch.start() <= shown.start()).checked_sub(1);
    Some(last.and_then(|i| written.get(i)).is_some_and(|stretch| stretch.covers(shown)))
}

/// The packets that two points both saw: those whose identity is unique at each of them.
fn common<'a>(near: &'a Sighting, far: &'a Sighting) -> impl Iterator<Item = Pairing> + 'a {
    near.events.iter().filter_map(move |event| {
        let twin = only(far, event, near.isn)?;
        only(near, twin, far.isn)?;
        Some(Pairing { sender: event.side, near: event.time, far: twin.time })
    })
}

/// The one packet of a sighting that is the same as `event` of a sighting with this ISN; `None` if
/// none or several could be.
fn only<'a>(sighting: &'a Sighting, event: &Event, isn: SeqNumber) -> Option<&'a Event> {
    let mut same = sighting.events.iter().filter(|other| {
        other.side == event.side
            && other.kind == event.kind
            && other.kind != EventKind::Icmp
            && same_numbers(other, sighting.isn, event, isn)
            && other.payload_len == event.payload_len
            && other.ip_id == event.ip_id
            && other.timestamps == event.timestamps
    });
    let found = same.next()?;
    same.next().is_none().then_some(found)
}

/// Sequence and acknowledgement numbers agree; where the ISN was rewritten between the points,
/// those that count from it do, relative to it.
fn same_numbers(one: &Event, isn: SeqNumber, other: &Event, others: SeqNumber) -> bool {
    if isn == others {
        return (one.seq, one.ack) == (other.seq, other.ack);
    }
    let from_isn = |event: &Event, isn: SeqNumber| match event.side {
        Side::Client => event.seq.distance_from(isn),
        Side::Server => event.ack.distance_from(isn),
    };
    from_isn(one, isn) == from_isn(other, others)
}
