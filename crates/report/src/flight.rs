//! One packet on its way: where it was seen, in the order in which it travelled, and where not.
//!
//! Each capture point has its own list of packets. Here they are put together into flights, which
//! is what evidence and ladder show. Nothing is judged: a flight says "not seen at", and the
//! verdict, which knows about coverage, says what that means.

mod note;
mod proof;

use std::cmp::Reverse;

use why504_handshake::{Attempt, Event, PointId, Side, Sighting};
use why504_model::{Interval, Span, Timestamp};

use crate::run::Captures;
pub(crate) use note::Roles;
pub(crate) use proof::{EVIDENCE_KEPT, Proof, proofs};

/// Clocks are held against each other only so well: a packet may seem to arrive this much before
/// it left.
const CLOCK_SLACK: Span = Span::from_millis(5);
/// Packets whose IP identification or timestamps were rewritten on the way are taken for the same
/// when they arrive within this time.
const REWRITTEN_WITHIN: Span = Span::from_millis(400);

/// A packet as one point saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) point: PointId,
    pub(crate) event: &'a Event,
    /// Its time on the clock of the point nearest the client.
    pub(crate) near_time: Timestamp,
}

/// One packet on its way from sender to receiver.
#[derive(Clone, Debug)]
pub(crate) struct Flight<'a> {
    /// Where it was seen, in order of travel; never empty.
    pub(crate) seen: Vec<Seen<'a>>,
    /// The next point on its way, where it was not seen.
    pub(crate) missing_at: Option<PointId>,
}

/// The points on the way of an attempt and the packets between them.
#[derive(Clone, Debug)]
pub(crate) struct Flights<'a> {
    pub(crate) attempt: &'a Attempt,
    /// From the client to the server.
    pub(crate) stations: Vec<PointId>,
    /// In order of time on the near clock.
    pub(crate) packets: Vec<Flight<'a>>,
}

impl<'a> Flight<'a> {
    /// The packet as it was seen first.
    pub(crate) fn first(&self) -> Option<&Seen<'a>> {
        self.seen.first()
    }

    pub(crate) fn side(&self) -> Side {
        self.first().map_or(Side::Client, |s| s.event.side)
    }
}

impl<'a> Flights<'a> {
    pub(crate) fn new(captures: &Captures<'_>, attempt: &'a Attempt) -> Self {
        let stations = stations(captures, attempt);
        let mut packets = travel(captures, attempt, stations.iter().copied(), Side::Client);
        packets.extend(travel(captures, attempt, stations.iter().rev().copied(), Side::Server));
        packets.sort_by_key(|f| f.first().map(|s| s.near_time));
        Self { attempt, stations, packets }
    }

    /// On the near clock.
    pub(crate) fn first_syn(&self) -> Timestamp {
        self.attempt.first_syn()
    }
}

/// The points on the way: those that saw the attempt, and those behind the first of them that
/// watched this server at the time, or that are empty (a file that was given counts).
fn stations(captures: &Captures<'_>, attempt: &Attempt) -> Vec<PointId> {
    let server = attempt.flow().server;
    let near = attempt.nearest().point;
    let last = attempt.nearest().events.last().map_or(attempt.first_syn(), |e| e.time);
    let during = Interval::new(attempt.first_syn(), last);
    let mut stations: Vec<PointId> = captures
        .path
        .order(server.ip)
        .into_iter()
        .skip_while(|&point| attempt.at(point).is_none())
        .filter(|&point| {
            attempt.at(point).is_some()
                || captures.coverage.get(&point).is_some_and(|coverage| {
                    // Activity is known by the minute; an offset of the clocks is applied where
                    // it may be more than that.
                    let skew = captures.on_near_clock(near, point, during.start());
                    let there = during.shifted(during.start().since(skew));
                    coverage.is_empty() || coverage.knows(server.ip, there)
                })
        })
        .collect();
    // A path that does not know a point cannot place it; it is shown all the same.
    for sighting in attempt.sightings() {
        if !stations.contains(&sighting.point) {
            stations.push(sighting.point);
        }
    }
    stations
}

/// The flights of one side over the points in its direction of travel.
fn travel<'a>(
    captures: &Captures<'_>,
    attempt: &'a Attempt,
    way: impl Iterator<Item = PointId>,
    side: Side,
) -> Vec<Flight<'a>> {
    let near = attempt.nearest().point;
    let mut flights: Vec<Flight<'a>> = Vec::new();
    for point in way {
        let arrivals: Vec<Seen<'a>> = attempt
            .at(point)
            .map(|sighting| seen_at(captures, near, sighting, side))
            .unwrap_or_default();
        let travelling = flights.len();
        let mut new = Vec::new();
        for (arrival, home) in arrivals.iter().zip(assign(&flights, &arrivals, travelling)) {
            match home.and_then(|i| flights.get_mut(i)) {
                Some(flight) => {
                    flight.seen.push(*arrival);
                    flight.missing_at = None;
                }
                None => new.push(Flight { seen: vec![*arrival], missing_at: None }),
            }
        }
        for flight in flights.iter_mut().take(travelling) {
            let here = flight.seen.last().is_some_and(|s| s.point == point);
            if !here && flight.missing_at.is_none() {
                flight.missing_at = Some(point);
            }
        }
        flights.extend(new);
    }
    flights
}

fn seen_at<'a>(
    captures: &Captures<'_>,
    near: PointId,
    sighting: &'a Sighting,
    side: Side,
) -> Vec<Seen<'a>> {
    let point = sighting.point;
    sighting
        .events
        .iter()
        .filter(|e| e.side == side)
        .map(|event| {
            let near_time = captures.on_near_clock(near, point, event.time);
            Seen { point, event, near_time }
        })
        .collect()
}

/// Which flight each arrival ends. First by everything that tells copies apart; what is left then
/// by its numbers and a short delay.
fn assign(flights: &[Flight<'_>], arrivals: &[Seen<'_>], count: usize) -> Vec<Option<usize>> {
    let mut homes: Vec<Option<usize>> = vec![None; arrivals.len()];
    let mut taken = vec![false; count];
    for exact in [true, false] {
        for (arrival, home) in arrivals.iter().zip(homes.iter_mut()).filter(|(_, h)| h.is_none()) {
            // Of copies that nothing tells apart, the one that was sent last before it came.
            let found = flights
                .iter()
                .enumerate()
                .filter(|(i, _)| taken.get(*i) == Some(&false))
                .filter_map(|(i, flight)| Some((i, flight.seen.last()?)))
                .filter(|(_, sent)| same(sent.event, arrival.event, exact))
                .map(|(i, sent)| (i, arrival.near_time.since(sent.near_time)))
                .filter(|(_, delay)| {
                    *delay >= -CLOCK_SLACK && (exact || *delay <= REWRITTEN_WITHIN)
                })
                .min_by_key(|(i, delay)| (*delay, Reverse(*i)));
            if let Some((i, _)) = found {
                *home = Some(i);
                if let Some(taken) = taken.get_mut(i) {
                    *taken = true;
                }
            }
        }
    }
    homes
}

fn same(a: &Event, b: &Event, exact: bool) -> bool {
    let numbers = a.side == b.side
        && a.kind == b.kind
        && a.seq == b.seq
        && a.ack == b.ack
        && a.payload_len == b.payload_len
        && a.icmp == b.icmp;
    numbers && (!exact || a.ip_id == b.ip_id && a.timestamps == b.timestamps)
}
