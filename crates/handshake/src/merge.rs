//! Puts the sightings of one attempt at several capture points together.
//!
//! The key is the server's endpoint and the ISN: source NAT changes the client's address and port
//! and leaves both alone. What else is rewritten on the way is found by `nat`. Two attempts towards
//! one server that share an ISN by chance are told apart by their 4-tuple, then by time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use why504_model::{Endpoint, Flow, Interval, SeqNumber, Span};

use crate::coverage::misses_many;
use crate::nat::{self, Nat, Translation};
use crate::{ClockOffset, Path, PointId, Sighting};

mod attempt;
mod clocks;
mod learnt;
mod unseen;

pub use attempt::Attempt;
pub use unseen::lacks_packets;

/// Sightings of one ISN further apart than this, once the clocks are known, are not one attempt.
const SAME_ATTEMPT: Span = Span::from_secs(140);

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
    /// Of the healthy handshakes of a client's own host that a further point saw: how many there were,
    /// and how many of them the point on that host did not see. One card of several was captured
    /// there, or packets of whole moments are missing.
    pub overlooked: BTreeMap<PointId, (u64, u64)>,
    /// The same for the addresses that a translator gave to a client's own host: what its point did not
    /// see may also be of another host behind that translator.
    pub unclaimed: BTreeMap<PointId, (u64, u64)>,
    /// Packets of attempts that had to pass a point to be seen where they were, and how many of them
    /// that point did not see: its capture lost them.
    pub passed_unseen: BTreeMap<PointId, (u64, u64)>,
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
    /// Whether a point on a client's host missed some of its handshakes: what it does not show, and
    /// that an attempt is the only one, is then no evidence.
    pub fn overlooks(&self, point: PointId) -> bool {
        self.overlooked.get(&point).is_some_and(|&(all, missed)| misses_many(all, missed))
    }

    /// Whether a point on a client's host may have missed some of its handshakes, or others share the
    /// address that a translator gives it: that it shows no SYN is then no evidence that none was sent.
    pub fn may_overlook(&self, point: PointId) -> bool {
        self.unclaimed.get(&point).is_some_and(|&(all, missed)| misses_many(all, missed))
    }

    /// Whether a point's capture lost more packets than may hide behind a verdict that is called proven,
    /// as another point shows.
    pub fn loses_packets(&self, point: PointId) -> bool {
        self.passed_unseen.get(&point).is_some_and(|&(all, missed)| misses_many(all, missed))
    }

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

/// Puts the sightings of all points together.
pub fn merge(sightings: Vec<Sighting>, path: &Path) -> Merged {
    merge_translated(sightings, path, &Nat::default(), &BTreeMap::new())
}

/// The same where pairs of addresses are given, and the times through which a point captured without a
/// hole, in order: what passed it before, between or after says nothing of how reliably it captures.
pub fn merge_translated(
    mut sightings: Vec<Sighting>,
    path: &Path,
    given: &Nat,
    stretches: &BTreeMap<PointId, Vec<Interval>>,
) -> Merged {
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
    let offsets = clocks::offsets(&attempts);
    for group in crowded {
        attempts.extend(split(group, &offsets).into_iter().filter_map(|g| ordered(g, path)));
    }
    attempts.sort_by_cached_key(|a| (a.first_syn(), a.flow(), a.isn().0));
    let translations = learnt::translations(&attempts);
    learnt::name_servers(&mut attempts, &translations, given);
    let while_capturing = |seen: &Sighting, other: PointId| {
        let written = stretches.get(&other);
        written.is_none_or(|written| clocks::lies_within(&offsets, seen, other, written))
    };
    let routes = learnt::routes(&attempts, path, while_capturing);
    let overlooked = learnt::overlooked(&attempts, path, false, while_capturing);
    let unclaimed = learnt::overlooked(&attempts, path, true, while_capturing);
    let passed_unseen = unseen::passed_unseen(&attempts, |here, during, there| {
        stretches.get(&there).is_none_or(|written| {
            clocks::covers(&offsets, (here, during), there, written).unwrap_or(false)
        })
    });
    let mut reliability: BTreeMap<(PointId, PointId), (u64, u64)> = BTreeMap::new();
    for (&(near, far, _), &(all, both)) in &routes {
        let sum = reliability.entry((near, far)).or_default();
        *sum = (sum.0 + all, sum.1 + both);
    }
    let shared = learnt::shared(&attempts);
    let rewritten = attempts.iter().filter(|a| a.isn_rewritten()).count() as u64;
    let masqueraded = learnt::masqueraded(&attempts);
    Merged {
        attempts,
        offsets,
        shared,
        reliability,
        routes,
        overlooked,
        unclaimed,
        passed_unseen,
        translations,
        rewritten,
        masqueraded,
        given: given.clone(),
        virtual_peers: BTreeMap::new(),
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

#[cfg(test)]
mod tests;
