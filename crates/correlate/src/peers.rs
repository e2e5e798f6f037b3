//! Peers of the log that no packet names: what is behind a virtual address that the gateway's own
//! host rewrites (kube-proxy, IPVS).
//!
//! The access log says to the millisecond when each connect began. Where nearly all lines of such a
//! peer find, at their moment, an attempt to one and the same server that failed as the line says,
//! that server is what is behind it. An address with several servers behind it is not learnt, nor
//! one of which only error lines speak: there `--nat` must say it.

use alloc::collections::{BTreeMap, BTreeSet};

use why504_handshake::Attempt;
use why504_model::{Endpoint, Timeout};

use crate::LogClock;
use crate::candidates::{self, Index};
use crate::view::Points;

/// Fewer dated lines than this teach nothing.
const LINES_MIN: u64 = 20;
/// At least this share of a peer's dated lines finds the server. The rest may be SYNs that were
/// never sent, and starts that a busy worker logged late.
const SHARE: (u64, u64) = (9, 10);
/// Every other server is found by at most this share of what the first one is: by chance.
const CHANCE: (u64, u64) = (1, 4);

/// The peers of which no capture holds a packet, and how many timeouts name each. Empty where
/// nothing was captured.
pub fn unseen_peers(timeouts: &[Timeout], points: Points<'_>) -> BTreeMap<Endpoint, usize> {
    let mut unseen: BTreeMap<Endpoint, usize> = BTreeMap::new();
    if points.coverage.values().all(|coverage| coverage.is_empty()) {
        return unseen;
    }
    for peer in timeouts.iter().filter_map(|t| t.peer) {
        *unseen.entry(peer).or_default() += 1;
    }
    let known: BTreeSet<Endpoint> =
        points.merged.attempts.iter().flat_map(Attempt::servers).collect();
    unseen.retain(|peer, _| {
        let seen = || points.coverage.values().any(|c| c.span.is_some_and(|s| c.knows(peer.ip, s)));
        !known.contains(peer) && !seen()
    });
    unseen
}

/// (virtual address, what is behind it) -> the log lines that show it.
pub fn virtual_peers(
    timeouts: &[Timeout],
    points: Points<'_>,
) -> BTreeMap<(Endpoint, Endpoint), u64> {
    let unseen = unseen_peers(timeouts, points);
    if unseen.is_empty() {
        return BTreeMap::new();
    }
    let named: BTreeSet<Endpoint> = timeouts.iter().filter_map(|t| t.peer).collect();
    // Only the host that rewrites can hide the address, and it has the log's clock.
    let index = Index::new(&points.merged.attempts, |attempt| {
        points.saw_at_client(attempt.nearest()) && attempt.servers().all(|s| !named.contains(&s))
    });
    let mut learnt: BTreeMap<(Endpoint, Endpoint), u64> = BTreeMap::new();
    for &front in unseen.keys() {
        let lines = timeouts.iter().filter(|t| t.peer == Some(front) && t.start.is_some());
        if let Some((back, support)) = behind(lines, &index) {
            learnt.insert((front, back), support);
        }
    }
    // Two addresses in front of one server: its attempts could be either's.
    let mut fronts: BTreeMap<Endpoint, u32> = BTreeMap::new();
    for (_, back) in learnt.keys() {
        *fronts.entry(*back).or_default() += 1;
    }
    learnt.retain(|(_, back), _| fronts.get(back) == Some(&1));
    learnt
}

/// The one server that nearly all lines find, and how many do.
fn behind<'t>(
    lines: impl Iterator<Item = &'t Timeout>,
    index: &Index<'_>,
) -> Option<(Endpoint, u64)> {
    let mut all = 0;
    let mut found: BTreeMap<Endpoint, u64> = BTreeMap::new();
    for line in lines {
        all += 1;
        let anyone = Timeout { peer: None, ..line.clone() };
        let (edges, window) = candidates::candidates(index, &anyone, LogClock::SameHost);
        if window.widened_by > why504_model::Span::ZERO {
            continue;
        }
        let servers: BTreeSet<Endpoint> =
            edges.iter().filter_map(|edge| index.server_of(edge.attempt)).collect();
        for server in servers {
            *found.entry(server).or_default() += 1;
        }
    }
    let (&back, &support) = found.iter().max_by_key(|(_, count)| **count)?;
    let enough = all >= LINES_MIN && support * SHARE.1 >= all * SHARE.0;
    let alone = found
        .iter()
        .all(|(server, count)| *server == back || count * CHANCE.1 <= support * CHANCE.0);
    (enough && alone).then_some((back, support))
}
