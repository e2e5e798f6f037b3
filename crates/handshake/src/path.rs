//! Where the capture points lie on the way from client to server, worked out from the packets.
//!
//! The time to live counts hops: systems start at 64, 128 or 255, so what is missing to the next
//! of these is the distance to the sender. Where that does not tell two points apart (no router
//! between them), delays do: the nearer to the server, the shorter from SYN to SYN+ACK.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;

use why504_model::Span;

use crate::{Event, EventKind, Side, Sighting};

/// A capture point, by its place in the sorted list of points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointId(pub u16);

/// What the packets tell about a point's place on the way to one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Routers between the client and the point: the least seen.
    pub client_hops: Option<u8>,
    /// Routers between the server and the point: the least seen.
    pub server_hops: Option<u8>,
    /// The most seen: what answers in the server's place, for some of its ports or until it is asked
    /// itself, is nearer than the server.
    pub server_hops_at_most: Option<u8>,
    /// Shortest time from a SYN to its SYN+ACK: the way to the server and back.
    pub to_server: Option<Span>,
    /// Shortest time from a SYN+ACK to its ACK: the way to the client and back.
    pub to_client: Option<Span>,
    /// Packets of one client came from two distances: something on the way writes in its name, and
    /// a SYN from next door may be that thing's.
    pub relayed: bool,
}

/// The order of the capture points on the way to each server.
#[derive(Clone, Debug, Default)]
pub struct Path {
    places: BTreeMap<(IpAddr, PointId), Place>,
    anywhere: BTreeMap<PointId, Place>,
    points: Vec<PointId>,
}

impl Path {
    /// A path over these points, about which nothing is known yet.
    pub fn new(points: impl IntoIterator<Item = PointId>) -> Self {
        Self { points: points.into_iter().collect(), ..Self::default() }
    }

    /// Learns from what a point saw of one attempt.
    pub fn learn(&mut self, sighting: &Sighting) {
        // A host that talks to itself (health checks, `-i any`) tells nothing about a way.
        if sighting.flow.client.ip == sighting.flow.server.ip {
            return;
        }
        let seen = Place::from(sighting);
        let key = (sighting.flow.server.ip, sighting.point);
        self.places.entry(key).or_default().refine(seen);
        self.anywhere.entry(sighting.point).or_default().refine(seen);
    }

    /// Adds what another path has learnt.
    pub fn absorb(&mut self, other: Self) {
        for (key, place) in other.places {
            self.places.entry(key).or_default().refine(place);
        }
        for (point, place) in other.anywhere {
            self.anywhere.entry(point).or_default().refine(place);
        }
    }

    /// What is known of a point's place on the way to a server; what it showed for other servers
    /// when it never saw this one.
    pub fn place(&self, point: PointId, server: IpAddr) -> Place {
        self.places
            .get(&(server, point))
            .or_else(|| self.anywhere.get(&point))
            .copied()
            .unwrap_or_default()
    }

    /// What is known of the place of a point on the way of an attempt that it saw: the clients of
    /// one server may be at different distances.
    pub fn place_of(&self, sighting: &Sighting) -> Place {
        let own = Place::from(sighting).client_hops;
        let known = self.place(sighting.point, sighting.flow.server.ip);
        Place { client_hops: own.or(known.client_hops), ..known }
    }

    /// The points from the client to the server.
    pub fn order(&self, server: IpAddr) -> Vec<PointId> {
        self.order_by(|_| server)
    }

    /// The same where points see the server under different addresses.
    pub fn order_by(&self, server: impl Fn(PointId) -> IpAddr) -> Vec<PointId> {
        arrange(self.points.iter().map(|&p| (p, self.place(p, server(p)))).collect())
    }
}

/// Points from the client to the server: by hops, and by delays where no router lies between them.
fn arrange(points: Vec<(PointId, Place)>) -> Vec<PointId> {
    let (mut seeing, blind): (Vec<_>, Vec<_>) =
        points.into_iter().partition(|(_, place)| place.is_known());
    // What a point knows of one end only, the length of the whole way tells of the other.
    let whole = seeing
        .iter()
        .filter_map(|(_, place)| place.client_hops?.checked_add(place.server_hops?))
        .max()
        .unwrap_or(u8::MAX);
    let beyond = |hops: Option<u8>| hops.map(|hops| whole.saturating_sub(hops));
    seeing.sort_by_key(|&(point, place)| {
        let from_client = place.client_hops.or(beyond(place.server_hops));
        let from_server = place.server_hops.or(beyond(place.client_hops));
        (from_client, Reverse(from_server), Reverse(place.to_server), point)
    });
    // A point without a packet is told by nothing but the others: it lies beyond them, which is
    // the server's side unless one of them is there already.
    let at_server = seeing.iter().any(|(_, place)| place.nearer_server());
    let (first, last) = if at_server { (blind, seeing) } else { (seeing, blind) };
    first.into_iter().chain(last).map(|(point, _)| point).collect()
}

impl Place {
    /// The point is on the client's own host, or as near to it as makes no difference: what arrives
    /// here has reached the client, and what is missing here was not received.
    pub fn at_client(self) -> bool {
        match (self.client_hops, self.server_hops) {
            // One wire to both: only delays tell, and where no handshake completed nothing does.
            (Some(0), Some(0)) => {
                !self.relayed && self.to_client.is_some() && self.to_client < self.to_server
            }
            (Some(0), _) => true,
            _ => false,
        }
    }

    /// The point is on the server's own host, or as near to it as makes no difference.
    pub fn at_server(self) -> bool {
        match (self.client_hops, self.server_hops_at_most) {
            (Some(0), Some(0)) => self.to_server.is_some() && self.to_server < self.to_client,
            (_, Some(0)) => true,
            _ => false,
        }
    }

    /// More hops from the client than from the server, or away from the client when the server
    /// never answered.
    pub fn nearer_server(self) -> bool {
        self.at_server() || self.client_hops > Some(0) && self.client_hops > self.server_hops
    }

    /// A packet told something about it.
    const fn is_known(self) -> bool {
        self.client_hops.is_some() || self.server_hops.is_some()
    }

    fn refine(&mut self, seen: Self) {
        self.client_hops = least(self.client_hops, seen.client_hops);
        self.server_hops = least(self.server_hops, seen.server_hops);
        self.server_hops_at_most = self.server_hops_at_most.max(seen.server_hops_at_most);
        self.to_server = least(self.to_server, seen.to_server);
        self.to_client = least(self.to_client, seen.to_client);
        self.relayed |= seen.relayed;
    }
}

impl From<&Sighting> for Place {
    fn from(sighting: &Sighting) -> Self {
        let answers_of = |e: &&Event| e.side == Side::Server && e.kind != EventKind::Icmp;
        let mut from_server = sighting.events.iter().filter(answers_of).map(|e| hops(e.ttl));
        let nearest = from_server.next();
        let (mut syns, mut answers) = (sighting.syns(), sighting.syn_acks());
        let (syn, answer) = (syns.next(), answers.next());
        // With repeated SYNs it is not plain which of them was answered.
        let once = syns.next().is_none() && answers.next().is_none();
        let gaps = syn.zip(answer).filter(|_| once).map(|(syn, answer)| {
            let there = answer.time.since(syn.time);
            // A host acknowledges at once. Where that was not captured, payload or FIN of any time later
            // speaks for it, and tells nothing of the way.
            let third = sighting.third_ack().filter(|e| e.kind == EventKind::Ack);
            (there, third.map(|ack| ack.time.since(answer.time)))
        });
        // A host's SYN echoes nothing (RFC 7323 section 3.2). The SYN of Linux's SYN proxy echoes what
        // the client's ACK did (nf_synproxy_core.c, synproxy_send_server_syn), and comes from there.
        let own = |e: &&Event| e.timestamps.is_none_or(|stamps| stamps.echo == 0);
        let hops_of_syn = syn.map(|e| hops(e.ttl));
        let later = sighting.events.iter().filter(|e| e.side == Side::Client);
        // A stack may give its RSTs another time to live than its connections.
        let mut later = later.filter(|e| !matches!(e.kind, EventKind::Syn | EventKind::Rst));
        Self {
            client_hops: syn.filter(own).map(|e| hops(e.ttl)),
            relayed: hops_of_syn.is_some_and(|syn| later.any(|e| hops(e.ttl) != syn)),
            server_hops: nearest,
            server_hops_at_most: from_server.max().max(nearest),
            to_server: gaps.map(|(there, _)| there),
            to_client: gaps.and_then(|(_, back)| back),
        }
    }
}

/// Hops that a packet has made. Initial values: 64 (Linux, BSD, macOS), 128 (Windows), 255 (Solaris,
/// routers).
pub(crate) const fn hops(ttl: u8) -> u8 {
    let initial = match ttl {
        0..=64 => 64,
        65..=128 => 128,
        _ => 255,
    };
    initial - ttl
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
