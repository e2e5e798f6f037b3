//! Puts the sightings of one attempt at several capture points together.
//!
//! The key is the server's endpoint and the ISN: source NAT changes the client's address and port
//! and leaves both alone. Two attempts towards one server that share an ISN by chance are told
//! apart by their 4-tuple, then by time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Endpoint, Flow, SeqNumber, Span, Timestamp};

use crate::clock::Pairing;
use crate::{ClockOffset, Event, EventKind, Path, PointId, Sighting};

/// Sightings of one ISN further apart than this, once the clocks are known, are not one attempt.
const SAME_ATTEMPT: Span = Span::from_secs(140);

/// One connect attempt, as all points together saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The view nearest the client.
    nearest: Sighting,
    /// Further views in order towards the server, at most one for each point.
    further: Vec<Sighting>,
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
}

impl From<Sighting> for Attempt {
    /// An attempt that one point saw.
    fn from(nearest: Sighting) -> Self {
        Self { nearest, further: Vec::new() }
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
pub fn merge(mut sightings: Vec<Sighting>, path: &Path) -> Merged {
    agree_on_the_client(&mut sightings);
    let mut groups: BTreeMap<(Endpoint, u32), Vec<Sighting>> = BTreeMap::new();
    for sighting in sightings {
        groups.entry((sighting.flow.server, sighting.isn.0)).or_default().push(sighting);
    }
    // First what is plain: one sighting a point. That gives the clocks, and these tell the rest.
    let (plain, crowded): (Vec<_>, Vec<_>) =
        groups.into_values().partition(|group| one_a_point(group));
    let mut attempts: Vec<Attempt> = plain.into_iter().filter_map(|g| ordered(g, path)).collect();
    let offsets = offsets(&attempts);
    for group in crowded {
        attempts.extend(split(group, &offsets).into_iter().filter_map(|g| ordered(g, path)));
    }
    attempts.sort_by_cached_key(|a| (a.first_syn(), a.flow(), a.isn().0));
    let reliability = reliability(&attempts, path);
    let shared = shared(&attempts);
    Merged { attempts, offsets, shared, reliability }
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
        let order = path.order(first.flow.server.ip);
        group.sort_by_key(|s| order.iter().position(|&p| p == s.point));
    }
    let mut group = group.into_iter();
    Some(Attempt { nearest: group.next()?, further: group.collect() })
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
        let twin = only(far, event)?;
        only(near, twin)?;
        Some(Pairing { sender: event.side, near: event.time, far: twin.time })
    })
}

/// The one packet of a sighting that is the same as `event`; `None` if none or several could be.
fn only<'a>(sighting: &'a Sighting, event: &Event) -> Option<&'a Event> {
    let mut same = sighting.events.iter().filter(|other| {
        other.side == event.side
            && other.kind == event.kind
            && other.kind != EventKind::Icmp
            && other.seq == event.seq
            && other.ack == event.ack
            && other.payload_len == event.payload_len
            && other.ip_id == event.ip_id
            && other.timestamps == event.timestamps
    });
    let found = same.next()?;
    same.next().is_none().then_some(found)
}

/// Of the handshakes that the near point saw succeed (the server sent payload, so it had the SYN),
/// how many had their SYN+ACK captured at both points: the error rate behind "not seen there".
fn reliability(attempts: &[Attempt], path: &Path) -> BTreeMap<(PointId, PointId), (u64, u64)> {
    let mut counts: BTreeMap<(PointId, PointId), (u64, u64)> = BTreeMap::new();
    for attempt in attempts {
        let near = attempt.nearest();
        if !near.completed() || near.server_bytes() == 0 {
            continue;
        }
        let order = path.order(near.flow.server.ip);
        for &far in order.iter().skip_while(|&&p| p != near.point).skip(1) {
            let count = counts.entry((near.point, far)).or_default();
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
}
