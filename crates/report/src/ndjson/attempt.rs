//! The objects about attempts: `attempt` of a case, the lines of `why504 handshakes`, `evidence`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use why504_correlate::{Judgement, Mechanism, Verdict};
use why504_handshake::{Attempt, Event, PointId, Side, Sighting};
use why504_model::Span;

use super::prepared::Prepared;
use crate::flight::{EVIDENCE_KEPT, Proof, proofs};
use crate::moment::{Rfc3339, rfc3339};
use crate::reason;
use crate::run::{Captures, TunnelInfo};

/// What is known of an attempt wherever it is shown. There is one for each attempt of a capture, so it
/// is written from what is there: nothing is copied together first.
pub(super) struct AttemptObject<'a> {
    captures: Captures<'a>,
    attempt: &'a Attempt,
}

/// A line of `why504 handshakes`.
pub(super) struct AttemptLine<'a> {
    object: AttemptObject<'a>,
    judgement: &'a Judgement,
    near_miss: bool,
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

pub(super) fn object<'a>(captures: &Captures<'a>, attempt: &'a Attempt) -> AttemptObject<'a> {
    AttemptObject { captures: *captures, attempt }
}

pub(super) fn line<'a>(
    captures: &Captures<'a>,
    attempt: &'a Attempt,
    judgement: &'a Judgement,
) -> AttemptLine<'a> {
    let near_miss = is_near_miss(attempt, judgement);
    let clean = judgement.verdict() == Verdict::Connected && !near_miss;
    let proofs = if clean { Vec::new() } else { proofs(captures, attempt, None, EVIDENCE_KEPT) };
    AttemptLine {
        object: object(captures, attempt),
        judgement,
        near_miss,
        evidence: proofs.iter().map(|proof| evidence(captures, proof)).collect(),
    }
}

impl AttemptObject<'_> {
    fn fields<S: SerializeStruct>(&self, object: &mut S) -> Result<(), S::Error> {
        let attempt = self.attempt;
        let flow = attempt.flow();
        object.serialize_field("client", &flow.client.ip)?;
        object.serialize_field("client_port", &flow.client.port)?;
        object.serialize_field("server", &flow.server.ip)?;
        object.serialize_field("server_port", &flow.server.port)?;
        object.serialize_field("isn", &attempt.isn().0)?;
        object.serialize_field("first_syn", &Rfc3339(attempt.first_syn()))?;
        object.serialize_field("syn_count", &attempt.nearest().syns().count())?;
        object.serialize_field("history", &History(self))
    }
}

impl Serialize for AttemptObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("attempt", 8)?;
        self.fields(&mut object)?;
        object.end()
    }
}

impl AttemptLine<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let (AttemptObject { attempt, .. }, judgement) = (&self.object, self.judgement);
        let syn_acks = attempt.sightings().map(|s| s.syn_acks().count()).max().unwrap_or(0);
        let mut line = Prepared::begin(out);
        line.serialize_field("type", "attempt")?;
        self.object.fields(&mut line)?;
        line.serialize_field("points", &SeenAt(&self.object))?;
        line.serialize_field("synack_count", &syn_acks)?;
        line.serialize_field("connect_time", &connect_time(attempt).map(Span::as_secs_f64))?;
        judged(judgement, self.near_miss, &self.evidence, out)
    }
}

/// The fields from the verdict on, and the end of the object.
pub(super) fn judged(
    judgement: &Judgement,
    near_miss: bool,
    evidence: &[Evidence<'_>],
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let mut line = Prepared::go_on(out);
    line.serialize_field("verdict", judgement.verdict().name())?;
    line.serialize_field("mechanism", &judgement.mechanism.map(Mechanism::name))?;
    line.serialize_field("grade", judgement.grade.name())?;
    line.serialize_field("near_miss", &near_miss)?;
    line.serialize_field("reason", &reason::of_judgement(judgement))?;
    line.serialize_field("evidence", evidence)?;
    line.end()
}

/// The names of the points that saw the attempt, in order of its way.
struct SeenAt<'a>(&'a AttemptObject<'a>);

impl Serialize for SeenAt<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AttemptObject { captures, attempt } = self.0;
        serializer.collect_seq(attempt.sightings().map(|s| captures.point(s.point)))
    }
}

/// What each point saw, in letters; by the points' names.
struct History<'a>(&'a AttemptObject<'a>);

impl Serialize for History<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AttemptObject { captures, attempt } = self.0;
        let history = |s: &'_ Sighting| (captures.point(s.point), s.history());
        if attempt.sightings().count() == 1 {
            serializer.collect_map(attempt.sightings().map(history))
        } else {
            serializer.collect_map(attempt.sightings().map(history).collect::<BTreeMap<_, _>>())
        }
    }
}

pub(super) fn evidence<'a>(captures: &Captures<'a>, proof: &Proof<'_>) -> Evidence<'a> {
    let tunnel = proof.tunnel.as_ref();
    let (point, event) = (proof.point(), proof.seen.event);
    packet(captures, point, event, proof.note.clone(), proof.client_port, tunnel)
}

/// One packet as evidence.
pub(super) fn packet<'a>(
    captures: &Captures<'a>,
    point: PointId,
    event: &Event,
    note: String,
    client_port: u16,
    carried: Option<&TunnelInfo>,
) -> Evidence<'a> {
    Evidence {
        point: captures.point(point),
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
        note,
        client_port,
        tunnel: carried.map(tunnel),
    }
}

pub(super) fn tunnel(tunnel: &TunnelInfo) -> Tunnel {
    Tunnel {
        kind: tunnel.kind,
        id: tunnel.id.map(|(_, id)| id),
        source: tunnel.source.to_string(),
        destination: tunnel.destination.to_string(),
    }
}

/// From the first SYN to the acknowledgement that made the connection, at the point nearest the
/// client that saw it.
pub(crate) fn connect_time(attempt: &Attempt) -> Option<Span> {
    connect_time_at(attempt.sightings().find(|s| s.completed())?)
}

/// The same at one point that saw both.
pub(super) fn connect_time_at(seen: &Sighting) -> Option<Span> {
    Some(seen.third_ack()?.time.since(seen.first_syn()))
}

/// The connect succeeded, but only after a SYN or SYN+ACK was repeated.
pub(crate) fn is_near_miss(attempt: &Attempt, judgement: &Judgement) -> bool {
    judgement.verdict() == Verdict::Connected
        && attempt.sightings().any(Sighting::saved_by_repetition)
}
