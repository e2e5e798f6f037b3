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
mod tests;
