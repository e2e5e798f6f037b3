//! Source NAT and a rewritten ISN at once: nothing is left of a connect but the server and its time
//! stamps.
//!
//! The time stamps of a SYN and of the SYN+ACK that answers it are 64 bits, so healthy handshakes show
//! that there is such a box, and how far apart the clocks of the two points are. With that, the one
//! SYN of that moment that bears a time stamp is the same SYN, be it answered or not: other hosts' time
//! stamps agree with it by chance once in some 10^6 (2^32 values, a few thousand ticks of a millisecond).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Endpoint, Span, TcpTimestamps, Timestamp};

use super::stamps_of;
use crate::{PointId, Sighting};

/// So many healthy handshakes show that the numbers are rewritten between two points.
const WITNESSES: usize = 3;
/// The clocks of two points drift apart by less than this in an hour (500 ppm).
const SAME_MOMENT: Span = Span::from_secs(2);

/// Two groups that share the time stamp of a SYN to one server, at two points.
struct Pair {
    groups: (usize, usize),
    /// In order.
    points: (PointId, PointId),
    /// From the second point's clock to the first one's, and the time that the packet took.
    apart: Span,
    /// Both saw one SYN+ACK, by both its time stamps.
    answered: bool,
}

/// Unites groups of one sighting that are the same connect by its time stamps.
pub(super) fn unite(groups: &mut [Vec<Sighting>]) {
    let pairs = pairs(groups);
    let mut witnesses: BTreeMap<(PointId, PointId), Vec<Span>> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| pair.answered) {
        witnesses.entry(pair.points).or_default().push(pair.apart);
    }
    for pair in pairs {
        let Some(shown) = witnesses.get_mut(&pair.points) else { continue };
        shown.sort_unstable();
        let Some(usual) = shown.get(shown.len() / 2) else { continue };
        let off = pair.apart - *usual;
        if shown.len() >= WITNESSES && off <= SAME_MOMENT && off >= -SAME_MOMENT {
            let moved = groups.get_mut(pair.groups.1).map(core::mem::take).unwrap_or_default();
            if let Some(group) = groups.get_mut(pair.groups.0) {
                group.extend(moved);
            }
        }
    }
}

/// The pairs in which each has the other for its only partner.
fn pairs(groups: &[Vec<Sighting>]) -> Vec<Pair> {
    let mut holders: BTreeMap<(Endpoint, u32), BTreeSet<usize>> = BTreeMap::new();
    for (i, sighting) in alone(groups) {
        for stamp in stamps_of(sighting).into_iter().flatten() {
            holders.entry((sighting.flow.server, stamp)).or_default().insert(i);
        }
    }
    let mut partners: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for same in holders.values().filter(|same| same.len() > 1) {
        for &one in same {
            partners.entry(one).or_default().extend(same.iter().filter(|other| **other != one));
        }
    }
    let only = |of: usize| {
        let mut of = partners.get(&of)?.iter();
        of.next().filter(|_| of.next().is_none()).copied()
    };
    let seen = |i: usize| groups.get(i)?.first();
    let mutual = partners.keys().filter_map(|&one| {
        let other = only(one).filter(|&other| one < other && only(other) == Some(one))?;
        Pair::of((one, seen(one)?), (other, seen(other)?))
    });
    mutual.collect()
}

/// The groups of one sighting, which no other point is known to have seen.
fn alone(groups: &[Vec<Sighting>]) -> impl Iterator<Item = (usize, &Sighting)> {
    groups.iter().enumerate().filter_map(|(i, group)| match group.as_slice() {
        [only] => Some((i, only)),
        _ => None,
    })
}

impl Pair {
    fn of(one: (usize, &Sighting), other: (usize, &Sighting)) -> Option<Self> {
        let (one, other) = if one.1.point <= other.1.point { (one, other) } else { (other, one) };
        let (i, here) = one;
        let (j, there) = other;
        let apart = here.syns().find_map(|syn| {
            let stamp = syn.timestamps?.value;
            Some(syn.time.since(sent_with(there, stamp)?))
        })?;
        let answers: Vec<TcpTimestamps> = here.syn_acks().filter_map(|e| e.timestamps).collect();
        let answered =
            there.syn_acks().filter_map(|e| e.timestamps).any(|stamps| answers.contains(&stamps));
        (here.point != there.point).then_some(Self {
            groups: (i, j),
            points: (here.point, there.point),
            apart,
            answered,
        })
    }
}

/// When a point saw the copy of the SYN that bears this time stamp.
fn sent_with(sighting: &Sighting, stamp: u32) -> Option<Timestamp> {
    let copy = sighting.syns().find(|syn| syn.timestamps.is_some_and(|ts| ts.value == stamp))?;
    Some(copy.time)
}
