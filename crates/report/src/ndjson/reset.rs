//! The objects of `why504 resets`.

use std::collections::BTreeMap;

use serde::Serialize;
use why504_handshake::{Event, PointId};
use why504_model::Endpoint;

use crate::moment::rfc3339;
use crate::reset::{ResetTotals, SentReset};
use crate::run::Captures;
use crate::words;

use super::attempt::{self, Evidence};

#[derive(Serialize)]
pub(super) struct ResetLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sender: End,
    peer: End,
    time: String,
    seq: u32,
    trigger: &'static str,
    explanation: String,
    evidence: Vec<Evidence<'a>>,
    point: &'a str,
    flags: String,
    isn: Option<u32>,
    verdict: Option<&'static str>,
    mechanism: Option<&'static str>,
    grade: Option<&'static str>,
    lost_second_handshake: bool,
}

#[derive(Serialize)]
struct End {
    ip: String,
    port: u16,
}

/// `resets` of the summary: `by_trigger` adds up to `total`.
#[derive(Serialize)]
pub(super) struct Totals {
    total: u64,
    by_trigger: BTreeMap<&'static str, u64>,
    lost_second_handshake: Lost,
    captured_twice: u64,
}

#[derive(Serialize)]
struct Lost {
    total: u64,
    by_grade: BTreeMap<&'static str, u64>,
}

impl From<Endpoint> for End {
    fn from(end: Endpoint) -> Self {
        Self { ip: end.ip.to_string(), port: end.port }
    }
}

pub(super) fn line<'a>(captures: &Captures<'a>, sent: &SentReset) -> ResetLine<'a> {
    let reset = &sent.reset;
    let port = reset.flow.client.port;
    let packet = |point: PointId, event: &Event, note: &str| {
        let carried = captures.tunnels.get(&event.location);
        let note = carried.map_or_else(|| note.to_owned(), |by| format!("{note}; inside {by}"));
        attempt::packet(captures, point, event, note, port, carried)
    };
    let trigger = reset.provoked_by.iter().map(|e| packet(reset.point, e, "provoked the RST"));
    let own = std::iter::once(packet(reset.point, &reset.packet, "the RST"));
    let further = sent.further.iter().map(|(point, e)| packet(*point, e, "the same RST"));
    ResetLine {
        kind: "reset",
        sender: reset.sender.into(),
        peer: reset.peer.into(),
        time: rfc3339(reset.time()),
        seq: reset.packet.seq.0,
        trigger: reset.trigger.name(),
        explanation: sent.explanation(),
        evidence: trigger.chain(own).chain(further).collect(),
        point: captures.point(reset.point),
        flags: words::flags(&reset.packet),
        isn: reset.about.map(|isn| isn.0),
        verdict: sent.fate.map(|fate| fate.verdict.name()),
        mechanism: sent.fate.and_then(|fate| Some(fate.mechanism?.name())),
        grade: sent.fate.map(|fate| fate.grade.name()),
        lost_second_handshake: sent.synack_lost(),
    }
}

pub(super) fn totals(totals: &ResetTotals) -> Totals {
    let mut by_grade: BTreeMap<&'static str, u64> = BTreeMap::new();
    for ((_, grade), count) in &totals.synack_lost {
        *by_grade.entry(grade.name()).or_default() += count;
    }
    Totals {
        total: totals.total,
        by_trigger: totals.by_trigger.iter().map(|(t, count)| (t.name(), *count)).collect(),
        lost_second_handshake: Lost { total: totals.lost(None), by_grade },
        captured_twice: totals.captured_twice,
    }
}
