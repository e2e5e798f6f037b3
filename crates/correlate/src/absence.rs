//! Lines for which no attempt was found: what the absence of SYNs shows, and where it shows nothing.

use alloc::vec::Vec;

use why504_model::{Endpoint, Interval, Timeout};

use crate::candidates::{self, Index};
use crate::case::{Case, Join};
use crate::facts::{End, Facts, Seen};
use crate::judge::{Doubt, judge};
use crate::view::Points;

/// A line for which no attempt was found. `anchored`: the log's clock is known, and other lines
/// of this log found their attempts, so that the absence of SYNs is their absence at that moment.
pub(crate) fn without_attempt(
    index: usize,
    timeout: &Timeout,
    join: Join,
    points: Points<'_>,
    attempts: &Index<'_>,
    anchored: bool,
) -> Case {
    let widest = candidates::widest(timeout);
    let (client, server) = ends(points, timeout.peer, widest);
    let mut facts = Facts::without_attempt(timeout, client, server);
    facts.no_syn_to_peer = client.is_some()
        && timeout.peer.is_some()
        && attempts.began(timeout.peer, widest.shifted(join.clock.skew())).next().is_none();
    let mut judgement = judge(&facts);
    if facts.no_syn_to_peer && !anchored {
        judgement = judgement.doubted(Doubt::OtherHost);
    }
    Case {
        timeout: index,
        verdict: judgement.verdict(),
        mechanism: judgement.mechanism,
        grade: judgement.grade,
        reason: judgement.row.reason,
        doubt: judgement.doubt,
        alternatives: judgement.row.alternatives.iter().map(|&(v, s)| (v, 0, s)).collect(),
        join,
        probability: 1.0,
        candidates: Vec::new(),
        lost_between: None,
    }
}

/// The ends that would have shown an attempt to this upstream: a point on the gateway's host,
/// and one elsewhere.
fn ends(
    points: Points<'_>,
    peer: Option<Endpoint>,
    during: Interval,
) -> (Option<End>, Option<End>) {
    let mut ends = (None, None);
    let Some(peer) = peer else { return ends };
    for (&point, coverage) in points.coverage {
        let end = End {
            seen: Seen::default(),
            coverage: coverage.of(peer, during),
            acks: coverage.of_acks(peer, during),
            exact: true,
        };
        if !coverage.knows(peer.ip, during) {
            continue;
        }
        if points.at_client(point, peer) {
            ends.0.get_or_insert(end);
        } else {
            ends.1.get_or_insert(end);
        }
    }
    ends
}
