//! Something on the way that answers SYNs in a server's place (SYN proxies, taxonomy class 17), and the
//! point before it: there the client's handshake ends, whatever points behind it show.

use alloc::collections::{BTreeMap, BTreeSet};

use why504_handshake::{Attempt, EventKind, PointId, Sighting};
use why504_model::Endpoint;

use crate::answers;
use crate::view::{Points, Station};

/// The servers, as the point nearest the client names them, in whose place something answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answerers {
    proxied: BTreeSet<Endpoint>,
    /// The points, further than the client's own, that lie right before what answers.
    fronts: BTreeMap<Endpoint, BTreeSet<PointId>>,
}

impl Answerers {
    /// Takes in what the points saw of an attempt.
    pub(crate) fn learn(&mut self, points: Points<'_>, attempt: &Attempt) {
        let nearest = attempt.nearest();
        let server = nearest.flow.server;
        if attempt.sightings().skip(1).any(|far| acked_before(points, nearest, far)) {
            self.proxied.insert(server);
        }
        let behind = attempt.sightings().skip(2);
        for (near, far) in attempt.sightings().skip(1).zip(behind) {
            if acked_before(points, near, far) {
                self.proxied.insert(server);
                self.fronts.entry(server).or_default().insert(near.point);
            }
        }
    }

    /// Takes in what other attempts show.
    pub(crate) fn take_in(&mut self, other: Self) {
        self.proxied.extend(other.proxied);
        for (server, points) in other.fronts {
            self.fronts.entry(server).or_default().extend(points);
        }
    }

    /// Whether something answers in this server's place.
    pub(crate) fn answer_for(&self, server: Endpoint) -> bool {
        self.proxied.contains(&server)
    }

    /// How many of the points on an attempt's way lie before what answers it. A SYN+ACK that left a
    /// point and is at none further on came from between; a SYN that came to no point behind is judged
    /// where those of other attempts were answered. The client's own point alone is no way.
    pub(crate) fn far_end(
        &self,
        points: Points<'_>,
        attempt: &Attempt,
        way: &[Station<'_>],
    ) -> usize {
        let answered_here = |i: usize, station: &Station<'_>| {
            let apart =
                |near, far: Option<&Sighting>| far.is_none_or(|far| is_apart(points, near, far));
            station.sighting.is_some_and(|near| {
                near.syn_acks().next().is_some()
                    && way.iter().skip(i + 1).all(|station| apart(near, station.sighting))
            })
        };
        let fronts = self.fronts.get(&attempt.flow().server);
        let answered_elsewhere = |i: usize, station: &Station<'_>| {
            fronts.is_some_and(|fronts| fronts.contains(&station.point))
                && way.iter().skip(i + 1).all(|station| station.sighting.is_none())
        };
        let mut further = way.iter().enumerate().skip(1);
        let end = further
            .find(|(i, station)| answered_here(*i, station) || answered_elsewhere(*i, station));
        end.map_or(way.len(), |(i, _)| i + 1)
    }
}

/// Whether the client had acknowledged another SYN+ACK before its SYN came to a further point: no
/// client sends a SYN after that, so something between the two did, and had answered before.
pub(crate) fn acked_before(points: Points<'_>, near: &Sighting, far: &Sighting) -> bool {
    answers::other_answer(near, far) && asked_after_ack(points, near, far)
}

/// The same where the server behind may have given no answer at all.
pub(crate) fn is_apart(points: Points<'_>, near: &Sighting, far: &Sighting) -> bool {
    let unanswered = far.syn_acks().next().is_none();
    (unanswered || answers::other_answer(near, far)) && asked_after_ack(points, near, far)
}

/// Whether the client had acknowledged a SYN+ACK before its SYN came to a further point; where its ACK was
/// not captured, whether that SYN+ACK had come.
fn asked_after_ack(points: Points<'_>, near: &Sighting, far: &Sighting) -> bool {
    let third = near.third_ack().filter(|third| third.kind == EventKind::Ack);
    let answered = third.or_else(|| near.syn_acks().next());
    let sent = answered.and_then(|e| points.moment_at(near.point, far.point, e.time));
    let asked = far.syns().next().map(|syn| syn.time);
    sent.zip(asked).is_some_and(|(sent, asked)| sent <= asked)
}
