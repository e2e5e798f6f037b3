//! What attempts that several points saw teach: which addresses are one, who is behind source NAT,
//! and how reliably a point captures what passes another.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use why504_model::Endpoint;

use super::Attempt;
use crate::nat::{Nat, Translation};
use crate::{Path, PointId, Sighting};

/// Where attempts came from whose client's address or port changed on the way.
pub(super) fn masqueraded(attempts: &[Attempt]) -> BTreeMap<IpAddr, u64> {
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
pub(super) fn translations(attempts: &[Attempt]) -> BTreeMap<(Endpoint, Endpoint), Translation> {
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
pub(super) fn name_servers(
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

/// (near, far) -> attempts that both saw.
pub(super) fn shared(attempts: &[Attempt]) -> BTreeMap<(PointId, PointId), u64> {
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

/// Of the handshakes that the near point saw succeed (the server sent payload, so it had the SYN),
/// how many had their SYN+ACK captured at both points: the error rate behind "not seen there". Only
/// servers of which the far point ever saw an attempt count: to others it is not on the way. Nor do
/// handshakes that passed a point which was not capturing.
pub(super) fn routes(
    attempts: &[Attempt],
    path: &Path,
    while_capturing: impl Fn(&Sighting, PointId) -> bool,
) -> BTreeMap<(PointId, PointId, Endpoint), (u64, u64)> {
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
        let on_its_way = |&&far: &&PointId| known.contains(&(far, server));
        for &far in behind.filter(on_its_way).filter(|&&far| while_capturing(near, far)) {
            let count = counts.entry((near.point, far, server)).or_default();
            let answer_seen = |s: &Sighting| s.syn_acks().next().is_some();
            count.0 += 1;
            count.1 += u64::from(answer_seen(near) && attempt.at(far).is_some_and(answer_seen));
        }
    }
    counts
}

/// Of the healthy handshakes of a client's own host that a further point saw, how many there were and
/// how many the point on the host did not see. It is held to the servers, and to the addresses of its
/// own, of which both points saw some; or, if `translated`, to those that a translator gave it. Such an
/// address may stand for other hosts as well.
pub(super) fn overlooked(
    attempts: &[Attempt],
    path: &Path,
    translated: bool,
    while_capturing: impl Fn(&Sighting, PointId) -> bool,
) -> BTreeMap<PointId, (u64, u64)> {
    let healthy = |seen: &Sighting| seen.completed() && seen.server_bytes() > 0;
    let whose = |seen: &Sighting| (seen.point, seen.flow.client.ip, seen.flow.server);
    let mut counts: BTreeMap<PointId, (u64, u64)> = BTreeMap::new();
    let mut homes: BTreeMap<(PointId, IpAddr, Endpoint), BTreeSet<PointId>> = BTreeMap::new();
    for attempt in attempts {
        let home = attempt.nearest();
        let own = |far: &&Sighting| (far.flow.client.ip != home.flow.client.ip) == translated;
        if path.place_of(home).at_client() {
            for far in attempt.further.iter().filter(own) {
                homes.entry(whose(far)).or_default().insert(home.point);
                counts.entry(home.point).or_default().0 += u64::from(healthy(far));
            }
        }
    }
    for seen in attempts.iter().map(Attempt::nearest).filter(|seen| healthy(seen)) {
        let mut home = homes.get(&whose(seen)).into_iter().flatten();
        if let (Some(&home), None) = (home.next(), home.next())
            && home != seen.point
            && while_capturing(seen, home)
        {
            let count = counts.entry(home).or_default();
            *count = (count.0 + 1, count.1 + 1);
        }
    }
    counts
}
