//! How much the assignment may hold, and which upstreams' lines go without it where that is not enough.
//!
//! Mostly a line fits the attempts of a second or two. Where nobody states a timer it fits those of the
//! last 75 s that their SYNs leave possible, and every second of the log holds its own row of them: then
//! rows, and not lines and attempts, are what memory is spent on. So there is [room](ROOM) for so many
//! places. Where all lines need more, those about some upstreams are left out: the upstreams that need
//! least are kept. Upstreams that share attempts are kept or left out together, so nothing that is said
//! of a line rests on one that was left out.
//!
//! What a line that was left out says is not decided here.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Endpoint, Timeout};

use crate::classes::distinct;
use crate::search::Search;

/// Places that [`correlate`](crate::correlate()) holds at most, at some 100 octets each while they are
/// assigned (docs/performance.md): a million lines and ten million attempts with a known timer need twelve
/// million.
pub const ROOM: usize = 20_000_000;

/// The upstreams whose lines are left out, so that the others' take no more than `room`.
pub(crate) fn left_out(
    timeouts: &[Timeout],
    search: &Search<'_>,
    room: usize,
) -> BTreeSet<Option<Endpoint>> {
    let mut groups = Groups::of(timeouts, search);
    let mut needs: BTreeMap<Option<Endpoint>, usize> = BTreeMap::new();
    for timeout in distinct(timeouts) {
        *needs.entry(groups.of_peer(timeout.peer)).or_default() += search.of(timeout).0.len();
    }
    let mut needs: Vec<(usize, Option<Endpoint>)> =
        needs.into_iter().map(|(group, places)| (places, group)).collect();
    needs.sort_unstable();
    let mut sum = 0_usize;
    let too_much = needs.into_iter().filter(|(places, _)| {
        sum = sum.saturating_add(*places);
        sum > room
    });
    let too_much: BTreeSet<Option<Endpoint>> = too_much.map(|(_, group)| group).collect();
    let peers: BTreeSet<Option<Endpoint>> = timeouts.iter().map(|timeout| timeout.peer).collect();
    peers.into_iter().filter(|peer| too_much.contains(&groups.of_peer(*peer))).collect()
}

/// Upstreams that share attempts.
struct Groups {
    /// A line names none, and so may be about any.
    one: bool,
    /// Upstream -> another one of its group; followed to its end it names the group.
    link: BTreeMap<Endpoint, Endpoint>,
}

impl Groups {
    fn of(timeouts: &[Timeout], search: &Search<'_>) -> Self {
        let one = timeouts.iter().any(|timeout| timeout.peer.is_none());
        let mut groups = Self { one, link: BTreeMap::new() };
        for (first, other) in search.index.known_by_several() {
            let (a, b) = (groups.end(first), groups.end(other));
            if a != b {
                groups.link.insert(a.max(b), a.min(b));
            }
        }
        groups
    }

    fn of_peer(&mut self, peer: Option<Endpoint>) -> Option<Endpoint> {
        if self.one { None } else { peer.map(|peer| self.end(peer)) }
    }

    /// Follows the links, and shortens the way for those who come next.
    fn end(&mut self, peer: Endpoint) -> Endpoint {
        let mut end = peer;
        while let Some(&next) = self.link.get(&end) {
            end = next;
        }
        if end != peer {
            self.link.insert(peer, end);
        }
        end
    }
}
