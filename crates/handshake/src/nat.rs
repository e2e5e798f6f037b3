//! Addresses and numbers that are rewritten between two capture points.
//!
//! Source NAT changes the client's end and is no obstacle: an attempt is found by server and ISN.
//! Destination NAT changes the server's end; an ISN and the time stamp of its SYN together are 64
//! bits that no two attempts share by chance. A firewall that puts its own ISN in place of the
//! client's mostly leaves time stamp and addresses alone; where it translates the client's address as
//! well, only time stamps are left (`stamped`). All are accepted only where the match is the only one;
//! a SYN proxy opens a connection of its own, with its own time stamps, and stays
//! what it is: another attempt.
//!
//! Which pairs of addresses belong together is counted, and can be given where no packet shows it:
//! a node that translates its own connects (kube-proxy, IPVS) puts no packet to the virtual address
//! on the wire.

mod stamped;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Endpoint, Flow};

use crate::{PointId, Sighting};

/// Address pairs that the user has given: front (what clients and logs name) and back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// Back -> its fronts.
    fronts: BTreeMap<Endpoint, BTreeSet<Endpoint>>,
}

/// What was learnt about a pair of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// Attempts that were seen under both.
    pub attempts: u64,
    /// Points that see the back address.
    pub behind: BTreeSet<PointId>,
}

impl Nat {
    /// Pairs (front, back).
    pub fn given(pairs: impl IntoIterator<Item = (Endpoint, Endpoint)>) -> Self {
        let mut nat = Self::default();
        for (front, back) in pairs {
            nat.fronts.entry(back).or_default().insert(front);
        }
        nat
    }

    /// The addresses that are given as fronts of a server.
    pub fn fronts(&self, server: Endpoint) -> impl Iterator<Item = Endpoint> {
        self.fronts.get(&server).into_iter().flatten().copied()
    }

    /// All pairs (front, back), in order.
    pub fn pairs(&self) -> impl Iterator<Item = (Endpoint, Endpoint)> {
        self.fronts.iter().flat_map(|(back, fronts)| fronts.iter().map(|front| (*front, *back)))
    }

    /// The only front of a server, else the server itself.
    pub(crate) fn canonical(&self, server: Endpoint) -> Endpoint {
        let mut fronts = self.fronts(server);
        match (fronts.next(), fronts.next()) {
            (Some(only), None) => only,
            _ => server,
        }
    }
}

/// What is left alone by a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    /// ISN and `TSval` of a SYN: the server's address was rewritten.
    Numbers(u32, u32),
    /// 4-tuple and `TSval` of a SYN: the ISN was rewritten. Without the client's end two hosts whose
    /// time stamps agree by chance would be taken for one.
    Stamp(Flow, u32),
}

/// Puts groups together that are one attempt with its server's address or its ISN rewritten. Each
/// group holds the sightings of one server and ISN.
pub(crate) fn joined(mut groups: Vec<Vec<Sighting>>) -> Vec<Vec<Sighting>> {
    let numbers = |s: &Sighting, stamp| Kept::Numbers(s.isn.0, stamp);
    let stamps = |s: &Sighting, stamp| Kept::Stamp(s.flow, stamp);
    unite(&mut groups, &numbers);
    unite(&mut groups, &stamps);
    stamped::unite(&mut groups);
    groups.retain(|group| !group.is_empty());
    groups
}

/// Unites groups that share a key with each other and with no third, and no point.
fn unite(groups: &mut [Vec<Sighting>], key: &dyn Fn(&Sighting, u32) -> Kept) {
    // What one point alone has seen joins nothing.
    let mut points = groups.iter().flatten().map(|sighting| sighting.point);
    let first = points.next();
    if points.all(|point| Some(point) == first) {
        return;
    }
    let mut holders: Vec<(Kept, usize)> = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        for sighting in group {
            let stamps = sighting.syns().filter_map(|syn| syn.timestamps);
            holders.extend(stamps.map(|stamp| (key(sighting, stamp.value), i)));
        }
    }
    // Hundreds of thousands of keys, of which next to none has two holders: a sort is faster than a tree.
    holders.sort_unstable();
    holders.dedup();
    let mut partners: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for same in holders.chunk_by(|one, next| one.0 == next.0).filter(|same| same.len() > 1) {
        for &(_, one) in same {
            let others = same.iter().map(|(_, other)| *other).filter(|other| *other != one);
            partners.entry(one).or_default().extend(others);
        }
    }
    for (&one, others) in &partners {
        let alike = |other: &usize| {
            partners.get(other).is_some_and(|back| {
                back.iter().chain([other]).collect::<BTreeSet<_>>()
                    == others.iter().chain([&one]).collect::<BTreeSet<_>>()
            })
        };
        let first = others.iter().all(|other| *other > one);
        if first && others.iter().all(alike) && disjoint(groups, one, others) {
            for &other in others {
                let moved = groups.get_mut(other).map(core::mem::take).unwrap_or_default();
                if let Some(group) = groups.get_mut(one) {
                    group.extend(moved);
                }
            }
        }
    }
}

/// Gathers what one point saw of an attempt under several 4-tuples. Source NAT forgets a connection
/// with its RST (`nf_conntrack_tcp_packet`, `TCP_CONNTRACK_CLOSE`), and gives a new port to the next
/// copy of the SYN. A nearer point that saw all copies as one attempt shows it: ISN and time stamps
/// are its own, and no copy was seen twice.
pub(crate) fn gather_moved(group: &mut Vec<Sighting>) {
    if group.len() < 3 {
        return;
    }
    let mut by_point: BTreeMap<PointId, Vec<Sighting>> = BTreeMap::new();
    for sighting in group.drain(..) {
        by_point.entry(sighting.point).or_default().push(sighting);
    }
    let whole: Vec<BTreeSet<u32>> = by_point
        .values()
        .filter_map(|seen| match seen.as_slice() {
            [only] => stamps_of(only),
            _ => None,
        })
        .collect();
    for mut seen in by_point.into_values() {
        if seen.len() > 1 && whole.iter().any(|whole| are_copies(&seen, whole)) {
            seen.sort_by_key(|s| (s.first_syn(), s.flow));
            let mut parts = seen.into_iter();
            if let Some(mut first) = parts.next() {
                parts.for_each(|later| first.take_in(later));
                group.push(first);
            }
        } else {
            group.extend(seen);
        }
    }
}

/// Whether sightings are of different copies of the SYN whose time stamps these are, towards one
/// server and each from a port of its own.
fn are_copies(seen: &[Sighting], whole: &BTreeSet<u32>) -> bool {
    let mut taken = BTreeSet::new();
    let mut flows = BTreeSet::new();
    let server = seen.first().map(|s| s.flow.server);
    seen.iter().all(|sighting| {
        Some(sighting.flow.server) == server
            && flows.insert(sighting.flow)
            && stamps_of(sighting).is_some_and(|stamps| {
                stamps.iter().all(|stamp| whole.contains(stamp) && taken.insert(*stamp))
            })
    })
}

/// The time stamps of a sighting's SYNs; `None` where one has none.
fn stamps_of(sighting: &Sighting) -> Option<BTreeSet<u32>> {
    let stamps: Option<BTreeSet<u32>> =
        sighting.syns().map(|syn| syn.timestamps.map(|ts| ts.value)).collect();
    stamps.filter(|stamps| !stamps.is_empty())
}

/// Whether no point saw two of the groups: what one point sees twice are two attempts.
fn disjoint(groups: &[Vec<Sighting>], one: usize, others: &BTreeSet<usize>) -> bool {
    let mut seen = BTreeSet::new();
    let members = core::iter::once(&one).chain(others).filter_map(|i| groups.get(*i));
    members.flatten().all(|sighting| seen.insert(sighting.point))
}
