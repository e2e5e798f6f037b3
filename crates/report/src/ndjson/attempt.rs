//! The objects about attempts: `attempt` of a case, the lines of `why504 handshakes`, `evidence`.

use std::collections::BTreeMap;

use serde::Serialize;
use why504_correlate::{Judgement, Verdict};
use why504_handshake::{Attempt, Side, Sighting};
use why504_model::Span;

use crate::flight::{EVIDENCE_KEPT, Proof, proofs};
use crate::moment::rfc3339;
use crate::reason;
use crate::run::Captures;

#[derive(Serialize)]
pub(super) struct AttemptObject<'a> {
    client: String,
    client_port: u16,
    server: String,
    server_port: u16,
    isn: u32,
    first_syn: String,
    syn_count: usize,
    history: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
pub(super) struct AttemptLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    attempt: AttemptObject<'a>,
    points: Vec<&'a str>,
    synack_count: usize,
    connect_time: Option<f64>,
    verdict: &'static str,
    mechanism: Option<&'static str>,
    grade: &'static str,
    near_miss: bool,
    reason: String,
    evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize)]
pub(super) struct Evidence<'a> {
    pub(super) point: &'a str,
    pub(super) file: &'a str,
    pub(super) frame: u64,
    pub(super) time: String,
    pub(super) direction: &'static str,
    pub(super) flags: String,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) note: String,
    pub(super) client_port: u16,
    pub(super) tunnel: Option<Tunnel>,
}

#[derive(Serialize)]
pub(super) struct Tunnel {
    kind: &'static str,
    id: Option<u32>,
    source: String,
    destination: String,
}

pub(super) fn object<'a>(captures: &Captures<'a>, attempt: &Attempt) -> AttemptObject<'a> {
    let flow = attempt.flow();
    AttemptObject {
        client: flow.client.ip.to_string(),
        client_port: flow.client.port,
        server: flow.server.ip.to_string(),
        server_port: flow.server.port,
        isn: attempt.isn().0,
        first_syn: rfc3339(attempt.first_syn()),
        syn_count: attempt.nearest().syns().count(),
        history: attempt.sightings().map(|s| (captures.point(s.point), s.history())).collect(),
    }
}

pub(super) fn line<'a>(
    captures: &Captures<'a>,
    attempt: &Attempt,
    judgement: &Judgement,
) -> AttemptLine<'a> {
    let near_miss = is_near_miss(attempt, judgement);
    let clean = judgement.verdict() == Verdict::Connected && !near_miss;
    let evidence = if clean { Vec::new() } else { proofs(captures, attempt, None, EVIDENCE_KEPT) };
    AttemptLine {
        kind: "attempt",
        attempt: object(captures, attempt),
        points: attempt.sightings().map(|s| captures.point(s.point)).collect(),
        synack_count: attempt.sightings().map(|s| s.syn_acks().count()).max().unwrap_or(0),
        connect_time: connect_time(attempt).map(Span::as_secs_f64),
        verdict: judgement.verdict().name(),
        mechanism: judgement.mechanism.map(why504_correlate::Mechanism::name),
        grade: judgement.grade.name(),
        near_miss,
        reason: reason::of_judgement(judgement),
        evidence: evidence.iter().map(|proof| self::evidence(captures, proof)).collect(),
    }
}

pub(super) fn evidence<'a>(captures: &Captures<'a>, proof: &Proof<'_>) -> Evidence<'a> {
    let event = proof.seen.event;
    Evidence {
        point: captures.point(proof.point()),
        file: captures.file(event.location),
        frame: event.location.record,
        time: rfc3339(event.time),
        direction: match event.side {
            Side::Client => "client",
            Side::Server => "server",
        },
        flags: crate::words::flags(event),
        seq: event.seq.0,
        ack: event.ack.0,
        note: proof.note.clone(),
        client_port: proof.client_port,
        tunnel: proof.tunnel.map(|tunnel| Tunnel {
            kind: tunnel.kind,
            id: tunnel.id.map(|(_, id)| id),
            source: tunnel.source.to_string(),
            destination: tunnel.destination.to_string(),
        }),
    }
}

/// From the first SYN to the acknowledgement that made the connection, at the point nearest the
/// client that saw it.
pub(crate) fn connect_time(attempt: &Attempt) -> Option<Span> {
    let seen = attempt.sightings().find(|s| s.completed())?;
    Some(seen.third_ack()?.time.since(seen.first_syn()))
}

/// The connect succeeded, but only after a SYN or SYN+ACK was repeated.
pub(crate) fn is_near_miss(attempt: &Attempt, judgement: &Judgement) -> bool {
    judgement.verdict() == Verdict::Connected
        && attempt.sightings().any(Sighting::saved_by_repetition)
}
