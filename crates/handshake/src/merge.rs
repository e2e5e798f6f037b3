//! Puts the sightings of one attempt at several capture points together.
//!
//! The key is the server's endpoint and the ISN: source NAT changes the client's address and port
//! and leaves both alone. What else is rewritten on the way is found by `nat`. Two attempts towards
//! one server that share an ISN by chance are told apart by their 4-tuple, then by time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use why504_model::{Endpoint, Flow, SeqNumber, Span, Timestamp};

use crate::clock::Pairing;
use crate::nat::{self, Nat, Translation};
use crate::{ClockOffset, Event, EventKind, Path, PointId, Side, Sighting};

/// Sightings of one ISN further apart than this, once the clocks are known, are not one attempt.
const SAME_ATTEMPT: Span = Span::from_secs(140);

/// One connect attempt, as all points together saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The view nearest the client.
    nearest: Sighting,
    /// Further views in order towards the server, at most one for each point.
    further: Vec<Sighting>,
    /// Other addresses of the server: as further points see it, as given, as learnt.
    also: BTreeSet<Endpoint>,
}

/// All attempts, and what putting them together taught.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// In order of their first SYN on the clock of the point nearest the client.
    pub attempts: Vec<Attempt>,
    /// (near, far) -> far clock minus near clock.
    pub offsets: BTreeMap<(PointId, PointId), ClockOffset>,
    /// (near, far) -> attempts that both saw: without any, nothing shows that the far point captures
    /// what the near one sends.
    pub shared: BTreeMap<(PointId, PointId), u64>,
    /// (near, far) -> healthy handshakes of the near point, and how many of them the far one saw.
    pub reliability: BTreeMap<(PointId, PointId), (u64, u64)>,
    /// The same for each server, as the near point names it: a point may lie on the way to some
    /// servers only, or on one of several ways.
    pub routes: BTreeMap<(PointId, PointId, Endpoint), (u64, u64)>,
    /// (address nearer the client, address nearer the server) of one server, rewritten in between.
    pub translations: BTreeMap<(Endpoint, Endpoint), Translation>,
    /// Attempts whose ISN was rewritten between two points.
    pub rewritten: u64,
    /// Client address behind source NAT -> attempts that came from it with another address or port
    /// than they had nearer the client.
    pub masqueraded: BTreeMap<IpAddr, u64>,
    /// The pairs that were given.
    pub given: Nat,
    /// (address that only the log has, what is behind it) -> log lines that show it.
    pub virtual_peers: BTreeMap<(Endpoint, Endpoint), u64>,
}

impl Merged {
    /// Makes attempts known under addresses that their clients' own hosts rewrite: (front, back) and
    /// the log lines that show each pair.
    pub fn name_virtual_peers(&mut self, pairs: BTreeMap<(Endpoint, Endpoint), u64>) {
        for &(front, back) in pairs.keys() {
            let to = |attempt: &&mut Attempt| attempt.flow().server == back;
            self.attempts.iter_mut().filter(to).for_each(|attempt| {
                attempt.also.insert(front);
            });
        }
        self.virtual_peers = pairs;
    }
}

impl From<Sighting> for Attempt {
    /// An attempt that one point saw.
    fn from(nearest: Sighting) -> Self {
        Self { nearest, further: Vec::new(), also: BTreeSet::new() }
    }
}

impl Attempt {
    /// The view nearest the client.
    pub const fn nearest(&self) -> &Sighting {
        &self.nearest
    }

    /// What one point saw of it.
    pub fn at(&self, point: PointId) -> Option<&Sighting> {
        self.sightings().find(|s| s.point == point)
    }

    /// All sightings from the client to the server.
    pub fn sightings(&self) -> impl DoubleEndedIterator<Item = &Sighting> {
        core::iter::once(&self.nearest).chain(&self.further)
    }

    /// 4-tuple as seen nearest the client.
    pub const fn flow(&self) -> Flow {
        self.nearest.flow
    }

    /// The addresses of the server: the one nearest the client, then others that it is known by.
    pub fn servers(&self) -> impl Iterator<Item = Endpoint> {
        core::iter::once(self.nearest.flow.server).chain(self.also.iter().copied())
    }

    /// Whether the points see different ISNs: a box on the way put its own in place of the client's.
    pub fn isn_rewritten(&self) -> bool {
        self.further.iter().any(|s| s.isn != self.nearest.isn)
    }

    /// ISN as seen nearest the client.
    pub const fn isn(&self) -> SeqNumber {
        self.nearest.isn
    }

    /// What `point`'s clock was ahead of that of the point nearest the client, plus the SYN's way
    /// between them, by the first SYN that both saw; `None` when they share none.
    pub fn syn_shift(&self, point: PointId) -> Option<Span> {
        let far = self.at(point)?;
        let near = self.nearest();
        far.syns().find_map(|there| {
            let mut copies = near.syns();
            let here = copies.find(|here| here.timestamps == there.timestamps)?;
            Some(there.time.since(here.time))
        })
    }

    /// First SYN, on the clock of the point nearest the client.
    pub fn first_syn(&self) -> Timestamp {
        self.nearest().first_syn()
    }
}

/// Puts the sightings of all points together.
pub fn merge(sightings: Vec<Sighting>, path: &Path) -> Merged {
    merge_translated(sightings, path, &Nat::default())
}

/// The same where pairs of addresses are given.
pub fn merge_translated(mut sightings: Vec<Sighting>, path: &Path, given: &Nat) -> Merged {
    agree_on_the_client(&mut sightings);
    let mut groups: BTreeMap<(Endpoint, u32), Vec<Sighting>> = BTreeMap::new();
    for sighting in sightings {
        let server = given.canonical(sighting.flow.server);
        groups.entry((server, sighting.isn.0)).or_default().push(sighting);
    }
    let mut groups = nat::joined(groups.into_values().collect());
    groups.iter_mut().for_each(nat::gather_moved);
    // First what is plain: one sighting a point. That gives the clocks, and these tell the rest.
    let (plain, crowded): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| one_a_point(group));
    let mut attempts: Vec<Attempt> = plain.into_iter().filter_map(|g| ordered(g, path)).collect();
    let offsets = offsets(&attempts);
    for group in crowded {
        attempts.extend(split(group, &offsets).into_iter().filter_map(|g| ordered(g, path)));
    }
    attempts.sort_by_cached_key(|a| (a.first_syn(), a.flow(), a.isn().0));
    let translations = translations(&attempts);
    name_servers(&mut attempts, &translations, given);
    let routes = routes(&attempts, path);
    let mut reliability: BTreeMap<(PointId, PointId), (u64, u64)> = BTreeMap::new();
    for (&(near, far, _), &(all, both)) in &routes {
        let sum = reliability.entry((near, far)).or_default();
        *sum = (sum.0 + all, sum.1 + both);
    }
    let shared = shared(&attempts);
    let rewritten = attempts.iter().filter(|a| a.isn_rewritten()).count() as u64;
    let masqueraded = masqueraded(&attempts);
    Merged {
        attempts,
        offsets,
        shared,
        reliability,
        routes,
        translations,
        rewritten,
        masqueraded,
        given: given.clone(),
        virtual_peers: BTreeMap::new(),
    }
}

/// Where attempts came from whose client's address or port changed on the way.
fn masqueraded(attempts: &[Attempt]) -> BTreeMap<IpAddr, u64> {
    let mut counts = BTreeMap::new();
    for attempt in attempts {
        let own = attempt.flow().client;
        let others = attempt.further.iter().map(|s| s.flow.client).filter(|c| *c != own);
        for ip in others.map(|client| client.ip).collect::<BTreeSet<_>>() {
            *counts.entry(ip).or_default() += 1;
        }
    }
    counts
}

/// Pairs of addresses under which one attempt was seen.
fn translations(attempts: &[Attempt]) -> BTreeMap<(Endpoint, Endpoint), Translation> {
    let mut pairs: BTreeMap<(Endpoint, Endpoint), Translation> = BTreeMap::new();
    for attempt in attempts {
        let front = attempt.flow().server;
        for back in attempt.further.iter().filter(|s| s.flow.server != front) {
            let pair = pairs.entry((front, back.flow.server)).or_default();
            pair.attempts += 1;
            pair.behind.insert(back.point);
        }
    }
    pairs
}

/// Gives each attempt the other addresses of its server. A pair that was learnt holds for attempts
/// that were seen on one side only, where the back has no other front.
fn name_servers(
    attempts: &mut [Attempt],
    learnt: &BTreeMap<(Endpoint, Endpoint), Translation>,
    given: &Nat,
) {
    let mut fronts: BTreeMap<Endpoint, BTreeSet<Endpoint>> = BTreeMap::new();
    for &(front, back) in learnt.keys() {
        fronts.entry(back).or_default().insert(front);
    }
    for attempt in attempts {
        let server = attempt.flow().server;
        let mut also: BTreeSet<Endpoint> = attempt.further.iter().map(|s| s.flow.server).collect();
        also.extend(given.fronts(server));
        also.extend(fronts.get(&server).filter(|fronts| fronts.len() == 1).into_iter().flatten());
        also.remove(&server);
        attempt.also = also;
    }
}

/// When both ends connect at once, each point takes for the client the end whose SYN it saw first.
/// A point that saw both SYNs follows one that saw the other end's only.
fn agree_on_the_client(sightings: &mut [Sighting]) {
    let crossed = |s: &Sighting| s.reverse_syn().map(|syn| (s.flow.reversed(), syn.seq.0));
    if sightings.iter().all(|s| crossed(s).is_none()) {
        return;
    }
    let plain: BTreeSet<(Flow, u32)> =
        sightings.iter().filter(|s| crossed(s).is_none()).map(|s| (s.flow, s.isn.0)).collect();
    for sighting in sightings {
        if let Some(other) = crossed(sighting)
            && plain.contains(&other)
        {
            sighting.swap_ends(SeqNumber(other.1));
        }
    }
}

fn shared(attempts: &[Attempt]) -> BTreeMap<(PointId, PointId), u64> {
    let mut counts = BTreeMap::new();
    for attempt in attempts {
        for (i, near) in attempt.sightings().enumerate() {
            for far in attempt.sightings().skip(i + 1) {
                *counts.entry((near.point, far.point)).or_default() += 1;
            }
        }
    }
    counts
}

fn one_a_point(group: &[Sighting]) -> bool {
    group.iter().enumerate().all(|(i, a)| group.iter().skip(i + 1).all(|b| a.point != b.point))
}

/// The sightings of one attempt from the client to the server; `None` for no sighting.
fn ordered(mut group: Vec<Sighting>, path: &Path) -> Option<Attempt> {
    if let [first, _, ..] = group.as_slice() {
        let fallback = first.flow.server.ip;
        let own = |point| group.iter().find(|s| s.point == point).map(|s| s.flow.server.ip);
        let order = path.order_by(|point| own(point).unwrap_or(fallback));
        group.sort_by_key(|s| order.iter().position(|&p| p == s.point));
    }
    let mut group = group.into_iter();
    Some(Attempt { nearest: group.next()?, further: group.collect(), also: BTreeSet::new() })
}

/// Several attempts that share server and ISN: each takes, of every further point, the sighting of
/// its own 4-tuple, else the nearest in time on a common clock.
fn split(
    mut group: Vec<Sighting>,
    offsets: &BTreeMap<(PointId, PointId), ClockOffset>,
) -> Vec<Vec<Sighting>> {
    group.sort_by_key(|s| (s.point, s.first_syn(), s.flow));
    let mut attempts: Vec<Vec<Sighting>> = Vec::new();
    for sighting in group {
        let distance = |base: &Sighting| {
            let skew = offsets
                .get(&(base.point, sighting.point))
                .map(|o| o.at(base.first_syn()))
                .or_else(|| {
                    offsets.get(&(sighting.point, base.point)).map(|o| -o.at(base.first_syn()))
                })
                .unwrap_or_default();
            (base.first_syn() + skew).distance(sighting.first_syn())
        };
        let home = attempts
            .iter_mut()
            .filter(|a| a.iter().all(|s| s.point != sighting.point))
            .filter_map(|a| {
                let base = a.first()?;
                let key = (base.flow != sighting.flow, distance(base));
                (key.1 <= SAME_ATTEMPT).then_some((key, a))
            })
            .min_by_key(|(key, _)| *key);
        match home {
            Some((_, attempt)) => attempt.push(sighting),
            None => attempts.push(alloc::vec![sighting]),
        }
    }
    attempts
}

fn offsets(attempts: &[Attempt]) -> BTreeMap<(PointId, PointId), ClockOffset> {
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

/// Of the handshakes that the near point saw succeed (the server sent payload, so it had the SYN),
/// how many had their SYN+ACK captured at both points: the error rate behind "not seen there". Only
/// servers of which the far point ever saw an attempt count: to others it is not on the way.
fn routes(attempts: &[Attempt], path: &Path) -> BTreeMap<(PointId, PointId, Endpoint), (u64, u64)> {
    let mut known: BTreeSet<(PointId, Endpoint)> = BTreeSet::new();
    for attempt in attempts {
        let server = attempt.flow().server;
        known.extend(attempt.sightings().map(|s| (s.point, server)));
    }
    let mut counts: BTreeMap<(PointId, PointId, Endpoint), (u64, u64)> = BTreeMap::new();
    for attempt in attempts {
        let near = attempt.nearest();
        if !near.completed() || near.server_bytes() == 0 {
            continue;
        }
        let server = near.flow.server;
        let order = path.order(server.ip);
        let behind = order.iter().skip_while(|&&p| p != near.point).skip(1);
        for &far in behind.filter(|&&far| known.contains(&(far, server))) {
            let count = counts.entry((near.point, far, server)).or_default();
            let answer_seen = |s: &Sighting| s.syn_acks().next().is_some();
            count.0 += 1;
            count.1 += u64::from(answer_seen(near) && attempt.at(far).is_some_and(answer_seen));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tracker;
    use crate::tracker::testing::{Wire, segment};
    use why504_model::{Packet, TcpFlags};

    fn track(point: u16, packets: &[Packet]) -> Vec<Sighting> {
        let mut tracker = Tracker::new(PointId(point));
        for packet in packets {
            tracker.push(packet);
        }
        tracker.end();
        tracker.take()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_parts(1_000_000, 0) + Span::from_millis(ms)
    }

    #[test]
    fn nat_changes_the_port_and_not_the_identity() {
        let wire = Wire::default();
        let inside = segment(at(0), wire.client, wire.server, TcpFlags::SYN, 77, 0);
        let mut outside = inside;
        outside.source.port = 61_000;
        outside.time = at(5);
        outside.ttl = 63;
        let mut all = track(0, &[Packet::Tcp(inside)]);
        all.extend(track(1, &[Packet::Tcp(outside)]));
        let mut path = Path::new([PointId(0), PointId(1)]);
        for sighting in &all {
            path.learn(sighting);
        }
        let merged = merge(all, &path);
        assert_eq!(merged.attempts.len(), 1);
        let attempt = &merged.attempts[0];
        assert_eq!(attempt.flow().client, wire.client, "as seen nearest the client");
        assert_eq!(attempt.at(PointId(1)).map(Sighting::history).as_deref(), Some("S"));
    }

    #[test]
    fn one_isn_on_two_ports_stays_two_attempts() {
        let wire = Wire::default();
        let mut other = wire;
        other.client.port += 1;
        let near: Vec<Packet> = [wire, other]
            .iter()
            .map(|w| Packet::Tcp(segment(at(0), w.client, w.server, TcpFlags::SYN, 77, 0)))
            .collect();
        let far: Vec<Packet> = [other, wire]
            .iter()
            .map(|w| {
                let mut syn = segment(at(1), w.client, w.server, TcpFlags::SYN, 77, 0);
                syn.ttl = 63;
                Packet::Tcp(syn)
            })
            .collect();
        let mut all = track(0, &near);
        all.extend(track(1, &far));
        let mut path = Path::new([PointId(0), PointId(1)]);
        for sighting in &all {
            path.learn(sighting);
        }
        let merged = merge(all, &path);
        assert_eq!(merged.attempts.len(), 2);
        for attempt in &merged.attempts {
            let flows: Vec<Flow> = attempt.sightings().map(|s| s.flow).collect();
            assert_eq!(flows.len(), 2);
            assert_eq!(flows[0], flows[1]);
        }
    }

    /// What each point saw, by what is done to the packets on the way to it.
    fn merged(points: &[&[Packet]], given: &Nat) -> Merged {
        let mut path = Path::new((0..points.len()).map(|i| PointId(u16::try_from(i).unwrap())));
        let mut all = Vec::new();
        for (point, packets) in (0..).zip(points) {
            all.extend(track(point, packets));
        }
        for sighting in &all {
            path.learn(sighting);
        }
        merge_translated(all, &path, given)
    }

    /// Healthy handshakes from the ports given; each packet passes `change` on its way.
    fn handshakes(ports: &[u16], change: impl Fn(&mut why504_model::Segment)) -> Vec<Packet> {
        let mut packets = Vec::new();
        for &port in ports {
            let mut wire = Wire::default();
            wire.client.port = port;
            let isn = u32::from(port) * 70_001;
            let ms = i64::from(port);
            packets.extend([
                wire.packet(ms, ">S", isn, 0),
                wire.packet(ms + 1, "<S.", 7, isn + 1),
                wire.packet(ms + 2, ">.", isn + 1, 8),
                wire.packet(ms + 3, "<P.", 8, isn + 1),
            ]);
        }
        for packet in &mut packets {
            if let Packet::Tcp(segment) = packet {
                change(segment);
            }
        }
        packets
    }

    const BACK: Endpoint = Endpoint::new(IpAddr::V4(core::net::Ipv4Addr::new(10, 1, 1, 7)), 9090);

    fn behind(segment: &mut why504_model::Segment) {
        let front = Wire::default().server;
        for end in [&mut segment.source, &mut segment.destination] {
            if *end == front {
                *end = BACK;
            }
        }
        segment.ttl -= 1;
    }

    #[test]
    fn destination_nat_is_learnt_from_isn_and_time_stamp() {
        let near = handshakes(&[1, 2, 3], |_| ());
        // With and without source NAT beside it.
        for masquerade in [false, true] {
            let far = handshakes(&[1, 2, 3], |segment| {
                behind(segment);
                for end in [&mut segment.source, &mut segment.destination] {
                    if masquerade && *end != BACK {
                        end.ip = [10, 9, 9, 9].into();
                        end.port += 50_000;
                    }
                }
            });
            let merged = merged(&[&near, &far], &Nat::default());
            assert_eq!(merged.attempts.len(), 3, "masquerade {masquerade}");
            let front = Wire::default().server;
            let pair = &merged.translations[&(front, BACK)];
            assert_eq!((pair.attempts, pair.behind.len()), (3, 1));
            for attempt in &merged.attempts {
                assert_eq!(attempt.servers().collect::<Vec<_>>(), [front, BACK]);
            }
        }
    }

    #[test]
    fn an_attempt_seen_behind_the_translation_alone_is_known_by_the_front_as_well() {
        let near = handshakes(&[1, 2], |_| ());
        let far = handshakes(&[1, 2, 3], behind);
        let merged = merged(&[&near, &far], &Nat::default());
        let alone = merged.attempts.iter().find(|a| a.flow().client.port == 3).unwrap();
        assert_eq!(alone.servers().collect::<Vec<_>>(), [BACK, Wire::default().server]);
    }

    #[test]
    fn a_given_pair_joins_what_has_no_time_stamps() {
        let near = handshakes(&[1, 2], |segment| segment.timestamps = None);
        let far = handshakes(&[1, 2], |segment| {
            segment.timestamps = None;
            behind(segment);
        });
        assert_eq!(merged(&[&near, &far], &Nat::default()).attempts.len(), 4);
        let given = Nat::given([(Wire::default().server, BACK)]);
        assert_eq!(merged(&[&near, &far], &given).attempts.len(), 2);
        // The node's own translation: only the back is on the wire, and the log has the front.
        let behind_only = merged(&[&far], &given);
        assert!(behind_only.attempts.iter().all(|a| a.servers().count() == 2));
    }

    #[test]
    fn a_rewritten_isn_is_seen_through_where_the_match_is_the_only_one() {
        let rewritten = |segment: &mut why504_model::Segment| {
            segment.ttl -= 1;
            let delta = 900_000_000 + u32::from(segment.source.port.min(segment.destination.port));
            if segment.destination == Wire::default().server {
                segment.seq = segment.seq.plus(delta);
            } else {
                segment.ack = segment.ack.plus(delta);
            }
        };
        let near = handshakes(&[1, 2, 3], |_| ());
        let far = handshakes(&[1, 2, 3], rewritten);
        let both = merged(&[&near, &far], &Nat::default());
        assert_eq!((both.attempts.len(), both.rewritten), (3, 3));
        assert!(both.offsets.contains_key(&(PointId(0), PointId(1))), "clocks are compared");
        // A SYN proxy opens a connection of its own, with its own time stamps.
        let proxied = handshakes(&[1, 2, 3], |segment| {
            rewritten(segment);
            if let Some(stamps) = &mut segment.timestamps {
                stamps.value = stamps.value.wrapping_add(12_345);
            }
        });
        let both = merged(&[&near, &proxied], &Nat::default());
        assert_eq!((both.attempts.len(), both.rewritten), (6, 0));
        // Two that could be it: neither is.
        let twice: Vec<Packet> = far
            .iter()
            .chain(&handshakes(&[1], |segment| {
                rewritten(segment);
                segment.time = segment.time + Span::from_secs(9);
                if segment.destination == Wire::default().server {
                    segment.seq = segment.seq.plus(77);
                } else {
                    segment.ack = segment.ack.plus(77);
                }
            }))
            .copied()
            .collect();
        let both = merged(&[&near, &twice], &Nat::default());
        assert_eq!((both.attempts.len(), both.rewritten), (5, 2));
    }

    #[test]
    fn copies_of_a_syn_that_masquerading_gave_other_ports_are_one_attempt() {
        let wire = Wire::default();
        let stamped = |ms: i64, value: u32, port: u16, ttl: u8| {
            let mut syn = segment(at(ms), wire.client, wire.server, TcpFlags::SYN, 77, 0);
            syn.timestamps = Some(why504_model::TcpTimestamps { value, echo: 0 });
            syn.source.port = port;
            syn.ttl = ttl;
            Packet::Tcp(syn)
        };
        let near = [stamped(0, 500, 40_000, 64), stamped(1000, 1500, 40_000, 64)];
        let far = [stamped(5, 500, 30_001, 63), stamped(1005, 1500, 30_002, 63)];
        let both = merged(&[&near, &far], &Nat::default());
        assert_eq!(both.attempts.len(), 1);
        let upstream = both.attempts[0].at(PointId(1)).unwrap();
        assert_eq!(upstream.syns().count(), 2);
        let ports: Vec<u16> = upstream.flows().map(|flow| flow.client.port).collect();
        assert_eq!(ports, [30_001, 30_002]);
        // A copy that came under both ports, or that the near point never sent, is not explained.
        for value in [500, 9_999] {
            let far = [stamped(5, 500, 30_001, 63), stamped(1005, value, 30_002, 63)];
            assert_eq!(merged(&[&near, &far], &Nat::default()).attempts.len(), 2, "{value}");
        }
    }

    #[test]
    fn one_capture_is_the_client_of_one_flow_and_the_server_of_another() {
        // client -> edge gateway -> inner gateway -> upstream; a capture on each gateway's host.
        let inner = Endpoint::new([10, 3, 0, 1].into(), 8080);
        let first = handshakes(&[1, 2, 3], |_| ());
        let hop = |segment: &mut why504_model::Segment, by: u8, toward: Endpoint| {
            segment.ttl -= if segment.destination == toward { by } else { 2 - by };
        };
        let front = Wire::default().server;
        let second = |segment: &mut why504_model::Segment| {
            let (client, server) = (Endpoint::new(front.ip, 45_000), inner);
            let down = segment.destination == front;
            let port = if down { segment.source.port } else { segment.destination.port };
            let client = Endpoint { port: client.port + port, ..client };
            (segment.source, segment.destination) =
                if down { (client, server) } else { (server, client) };
            segment.time = segment.time + Span::from_millis(500);
            if down {
                segment.seq = segment.seq.plus(5_000);
            } else {
                segment.ack = segment.ack.plus(5_000);
            }
        };
        let leg = |packets: &[Packet], change: &dyn Fn(&mut why504_model::Segment)| {
            let mut packets = packets.to_vec();
            for packet in &mut packets {
                if let Packet::Tcp(segment) = packet {
                    change(segment);
                }
            }
            packets
        };
        let edge = leg(&first, &|s| hop(s, 0, front));
        let mut middle = leg(&first, &|s| hop(s, 2, front));
        middle.extend(leg(&first, &|s| {
            second(s);
            hop(s, 0, inner);
        }));
        let upstream = leg(&first, &|s| {
            second(s);
            hop(s, 2, inner);
        });
        let merged = merged(&[&upstream, &middle, &edge], &Nat::default());
        assert_eq!(merged.attempts.len(), 6);
        for attempt in &merged.attempts {
            let order: Vec<u16> = attempt.sightings().map(|s| s.point.0).collect();
            let expected: &[u16] = if attempt.flow().server == inner { &[1, 0] } else { &[2, 1] };
            assert_eq!(order, expected, "{:?}", attempt.flow());
        }
    }

    #[test]
    fn points_are_in_order_of_hops_and_each_flow_has_its_own_roles() {
        let hops = |from: u8| {
            handshakes(&[1, 2, 3], move |segment| {
                let down = segment.destination == Wire::default().server;
                segment.ttl -= if down { from } else { 3 - from };
            })
        };
        // Given in any order: gateway, outside and inside of the firewall, upstream.
        let (gateway, outside, inside, upstream) = (hops(0), hops(1), hops(2), hops(3));
        let merged = merged(&[&upstream, &inside, &gateway, &outside], &Nat::default());
        for attempt in &merged.attempts {
            let order: Vec<u16> = attempt.sightings().map(|s| s.point.0).collect();
            assert_eq!(order, [2, 3, 1, 0]);
        }
    }
}
