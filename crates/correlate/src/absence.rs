//! Lines for which no attempt was found: what the absence of SYNs shows, and where it shows nothing.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use why504_handshake::{Attempt, PointId};
use why504_model::{Endpoint, Interval, LinkAddress, Span, Timeout};

use crate::candidates::{self, Index};
use crate::case::Case;
use crate::facts::{End, Facts, Seen};
use crate::history::History;
use crate::judge::{Doubt, Judgement, judge};
use crate::search::Join;
use crate::view::Points;
use crate::{Settles, Verdict};

/// What is known when a line found no attempt.
pub(crate) struct Shown<'a, Taken> {
    pub(crate) points: Points<'a>,
    pub(crate) history: &'a History<'a>,
    pub(crate) attempts: &'a Index<'a>,
    /// Whether an attempt is another line's, for sure.
    pub(crate) taken: Taken,
    /// The gateway asked for the upstream's link address in vain.
    pub(crate) unresolved: bool,
    /// The log's clock is known, and other lines of this log found their attempts, so that the absence
    /// of SYNs is their absence at that moment.
    pub(crate) anchored: bool,
}

/// A line for which no attempt was found.
pub(crate) fn without_attempt(
    index: usize,
    timeout: &Timeout,
    join: Join,
    shown: &Shown<'_, impl Fn(usize) -> bool>,
) -> Case {
    let during = candidates::widest(timeout).shifted(join.clock.skew(timeout));
    let (client, server) = ends(shown.points, timeout.peer, during);
    let mut facts = Facts::without_attempt(timeout, client, server);
    let began = || shown.attempts.began(timeout.peer, during);
    facts.no_syn_to_peer = client.is_some()
        && timeout.peer.is_some()
        && began().all(|(i, attempt)| (shown.taken)(i) || was_answered(timeout, attempt));
    facts.unresolved = shown.unresolved && began().next().is_none();
    let mut judgement = judge(&facts);
    let elsewhere = |peer| shown.history.seen_away_only(shown.points, peer, during);
    if facts.no_syn_to_peer && timeout.peer.is_some_and(elsewhere) {
        judgement = judgement.doubted(Doubt::Unpaired);
    }
    let at = timeout.start.map_or(during, |(start, _)| start.shifted(join.clock.skew(timeout)));
    if facts.no_syn_to_peer && shown.points.coverage.len() == 1 && is_silent(shown.attempts, at) {
        judgement = judgement.doubted(Doubt::Silent);
    }
    if (facts.no_syn_to_peer || facts.unresolved) && !shown.anchored {
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

/// How far around a moment connects are counted.
const AROUND: Span = Span::from_secs(30);
/// Where so many should have begun, and none did, the capture may not have been running.
const EXPECTED: i64 = 5;
/// Fewer connects than this are no measure of how many there should be.
const COUNTED: i64 = 20;

/// Whether no connect at all was captured for so long around a moment that several should have begun, by
/// how many did before and after. Only another capture can tell then whether this one was running.
fn is_silent(attempts: &Index<'_>, moment: Interval) -> bool {
    let around = moment.widened(AROUND, AROUND);
    let (mut before, mut after, mut count) = (around.start(), around.end(), 0_i64);
    for (_, attempt) in attempts.began(None, around) {
        let began = attempt.first_syn();
        count += 1;
        if began < moment.start() {
            before = began;
        } else if began <= moment.end() {
            return false;
        } else {
            after = after.min(began);
        }
    }
    let silence = after.since(before);
    let rest = around.length() - silence;
    let (silence, rest) = (silence.nanos() / 1_000_000, rest.nanos() / 1_000_000);
    count >= COUNTED && count.saturating_mul(silence) > rest.saturating_mul(EXPECTED)
}

/// The network cards of the clients, by the point on their own host.
#[derive(Debug)]
pub(crate) struct ClientHosts(BTreeMap<PointId, BTreeSet<LinkAddress>>);

impl ClientHosts {
    pub(crate) fn new(points: Points<'_>) -> Self {
        let seen = points.merged.attempts.iter().map(Attempt::nearest);
        let own: BTreeSet<(PointId, IpAddr)> = seen
            .filter(|sighting| points.saw_at_client(sighting))
            .map(|sighting| (sighting.point, sighting.flow.client.ip))
            .collect();
        let cards = points
            .coverage
            .iter()
            .map(|(&point, coverage)| (point, coverage.cards_of(|ip| own.contains(&(point, ip)))));
        Self(cards.collect())
    }

    /// Whether one of these hosts asked its link for the upstream of a line, again, and had no answer.
    pub(crate) fn asked_in_vain(&self, points: Points<'_>, timeout: &Timeout, join: &Join) -> bool {
        let Some(peer) = timeout.peer else { return false };
        let during = candidates::widest(timeout).shifted(join.clock.skew(timeout));
        self.0.iter().any(|(point, cards)| {
            let coverage = points.coverage.get(point);
            coverage.is_some_and(|coverage| coverage.unresolved(peer.ip, during, cards))
        })
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
            coverage: points.covers(point, peer, during),
            slow: points.covers(point, peer, during),
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
            slow: coverage.of(peer, during),
            acks: coverage.of_acks(peer, during),
            exact: true,
        });
    }
    ends
}
