//! Lines for which no attempt was found: what the absence of SYNs shows, and where it shows nothing.

use alloc::vec::Vec;

use why504_handshake::Attempt;
use why504_model::{Endpoint, Interval, Timeout};

use crate::candidates::{self, Index};
use crate::case::Case;
use crate::facts::{End, Facts, Seen};
use crate::judge::{Doubt, Judgement, judge};
use crate::search::Join;
use crate::view::Points;
use crate::{Settles, Verdict};

/// A line for which no attempt was found among those that are `left`. `anchored`: the log's clock is
/// known, and other lines of this log found their attempts, so that the absence of SYNs is their
/// absence at that moment.
pub(crate) fn without_attempt(
    index: usize,
    timeout: &Timeout,
    join: Join,
    points: Points<'_>,
    (attempts, left): (&Index<'_>, impl Fn(usize) -> bool),
    anchored: bool,
) -> Case {
    let widest = candidates::widest(timeout);
    let (client, server) = ends(points, timeout.peer, widest);
    let mut facts = Facts::without_attempt(timeout, client, server);
    let during = widest.shifted(join.clock.skew());
    facts.no_syn_to_peer = client.is_some()
        && timeout.peer.is_some()
        && attempts
            .began(timeout.peer, during)
            .all(|(i, attempt)| !left(i) || was_answered(timeout, attempt));
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
        alternatives: alternatives(&judgement),
        join,
        probability: 1.0,
        candidates: Vec::new(),
        fitting: 0,
        lost_between: None,
    }
}

/// Whether an attempt cannot be one whose connect timed out, whenever that was: it was used, or
/// refused, which nginx would have logged as such.
pub(crate) fn was_answered(timeout: &Timeout, attempt: &Attempt) -> bool {
    let seen = attempt.nearest();
    timeout.kind.is_connect_timeout()
        && (seen.completed() && seen.client_bytes() > 0
            || seen.refusal().is_some()
            || seen.icmp().is_some())
}

/// The other verdicts that fit; a doubt about the captures leaves the possibility that they missed
/// the attempt.
fn alternatives(judgement: &Judgement) -> Vec<(Verdict, usize, Settles)> {
    let mut named: Vec<_> = judgement
        .row
        .alternatives
        .iter()
        .map(|&(verdict, settles)| (verdict, 0, settles))
        .collect();
    if named.is_empty() && judgement.doubt.is_some() {
        named.push((Verdict::NotCaptured, 0, Settles::BetterCoverage));
    }
    named
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
    // A file that was given counts as present. With nothing in it, it stands for the gateway where
    // another point stands for the upstream, or is as empty.
    let empty = || points.coverage.values().filter(|coverage| coverage.is_empty());
    if ends.0.is_none() && empty().count() + usize::from(ends.1.is_some()) >= 2 {
        ends.0 = empty().next().map(|coverage| End {
            seen: Seen::default(),
            coverage: coverage.of(peer, during),
            acks: coverage.of_acks(peer, during),
            exact: true,
        });
    }
    ends
}
