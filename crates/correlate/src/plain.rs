//! What an attempt states that nothing happened to: SYN, SYN+ACK, ACK, and data of both sides.
//!
//! Nearly all attempts of a capture are of this kind, and most of the facts are questions about what
//! came again, came late or refused. Where one point alone saw such an attempt, and no other watched,
//! all of them are answered by looking at its packets once. A property holds the answers against those
//! of the questions, one by one. Judging is no business of this module.

use why504_handshake::{Attempt, Closing, CoverageGap, Event, EventKind, Side, Sighting};

use crate::facts::{Asked, End, Facts, Seen};
use crate::judge::{Judgement, judge};
use crate::view::Points;

/// The facts about an attempt without a log line, if it is plain and only one point could have seen it.
///
/// What that point covers is not looked at, so it counts as uncovered: nothing is missing of a plain
/// attempt, and if a row should ever ask, the answer must not make it sure.
pub(crate) fn facts(points: Points<'_>, attempt: &Attempt) -> Option<Facts> {
    let mut sightings = attempt.sightings();
    let (Some(only), None) = (sightings.next(), sightings.next()) else { return None };
    let alone = points.coverage.len() == 1 && points.coverage.contains_key(&only.point);
    if !alone || !is_plain(only) {
        return None;
    }
    Some(stated(only, points.path.place_of(only).nearer_server()))
}

/// An attempt that is plain and that only one point could have seen.
///
/// Its judgement is the same wherever that point lies (a property says so), so it can be had of the packets
/// alone, at any time.
#[derive(Debug)]
pub struct Plain(Sighting);

impl Plain {
    /// The attempt if it is plain; else it is handed back.
    pub fn of(only: Sighting) -> Result<Self, Sighting> {
        if is_plain(&only) { Ok(Self(only)) } else { Err(only) }
    }

    /// What the point saw of it.
    pub const fn sighting(&self) -> &Sighting {
        &self.0
    }

    /// What became of it.
    pub fn judge(&self) -> Judgement {
        judge(&stated(&self.0, false))
    }
}

/// What a plain attempt states.
fn stated(only: &Sighting, near_server: bool) -> Facts {
    let seen = seen(only);
    let gap = Err(CoverageGap::Empty);
    let end = Some(End { seen, coverage: gap, slow: gap, acks: gap, exact: false });
    let (client, server) = if near_server { (None, end) } else { (end, None) };
    Facts { asked: Asked::Outcome, attempt: true, client, server, ..Facts::blank() }
}

/// Whether nothing happened to an attempt that need be thought about: one SYN, one SYN+ACK that answers
/// it, then ACKs, data and FINs, payload of the server among them.
fn is_plain(sighting: &Sighting) -> bool {
    let ordinary = |event: &Event| match event.kind {
        EventKind::Ack | EventKind::Data | EventKind::Fin => true,
        EventKind::Syn => event.side == Side::Client,
        EventKind::SynAck => event.side == Side::Server,
        EventKind::Rst | EventKind::Icmp => false,
    };
    sighting.closing == Closing::Answered
        && sighting.moved.is_empty()
        && sighting.events.iter().all(ordinary)
        && sighting.is_clean()
}

fn seen(sighting: &Sighting) -> Seen {
    Seen {
        syns: 1,
        syn_acks: 1,
        prompt: true,
        unrepeated: true,
        completed: true,
        acked_in_time: true,
        server_active: true,
        client_bytes: sighting.client_bytes(),
        // Of none all are.
        bare_ack_counted: true,
        ..Seen::default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use core::net::Ipv4Addr;
    use std::vec::Vec;

    use proptest::prelude::*;
    use why504_handshake::{Coverage, Merged, Path, PointId};
    use why504_model::{
        Checksum, Endpoint, Flow, Interval, Location, SeqNumber, Span, TcpFlags, TcpTimestamps,
        Timestamp,
    };

    use super::*;
    use crate::History;

    const ISN: u32 = 7;
    const ANSWER: u32 = 70;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_parts(1_000_000, 0) + Span::from_millis(ms)
    }

    /// A packet of the attempt; most that are drawn make an ordinary exchange.
    fn event() -> impl Strategy<Value = Event> {
        let ordinary = prop::sample::select(std::vec![
            (Side::Client, EventKind::Ack, 0x10, ISN + 1, ANSWER + 1, 0),
            (Side::Client, EventKind::Data, 0x18, ISN + 1, ANSWER + 1, 100),
            (Side::Server, EventKind::Data, 0x18, ANSWER + 1, ISN + 101, 900),
            (Side::Server, EventKind::Ack, 0x10, ANSWER + 1, ISN + 101, 0),
            (Side::Client, EventKind::Fin, 0x11, ISN + 101, ANSWER + 901, 0),
            (Side::Server, EventKind::Fin, 0x11, ANSWER + 901, ISN + 102, 0),
        ]);
        let other = prop::sample::select(std::vec![
            (Side::Server, EventKind::Ack, 0x10, ANSWER, 4711, 0),
            (Side::Client, EventKind::Syn, 0x02, ISN, 0, 0),
            (Side::Server, EventKind::Syn, 0x02, ANSWER, 0, 0),
            (Side::Server, EventKind::SynAck, 0x12, ANSWER, ISN + 1, 0),
            (Side::Client, EventKind::Rst, 0x04, ISN + 1, 0, 0),
            (Side::Server, EventKind::Rst, 0x14, ANSWER + 1, ISN + 1, 0),
        ]);
        let packet = prop_oneof![9 => ordinary, 1 => other];
        let stamp = prop::option::weighted(0.8, 0_u32..3);
        (packet, 0_i64..900, stamp, 60_u8..65).prop_map(|(packet, ms, stamp, ttl)| {
            let (side, kind, flags, seq, ack, payload_len) = packet;
            Event {
                time: at(ms),
                location: Location::default(),
                side,
                kind,
                flags: TcpFlags(flags),
                seq: SeqNumber(seq),
                ack: SeqNumber(ack),
                timestamps: stamp.map(|value| TcpTimestamps { value, echo: 0 }),
                ip_id: Some(0),
                ttl,
                payload_len,
                checksum: Checksum::Unknown,
                vlan: None,
                icmp: None,
                about: None,
                drawn_by: None,
            }
        })
    }

    /// An ordinary handshake and up to six packets more.
    fn attempt() -> impl Strategy<Value = Attempt> {
        let syn = event().prop_map(|e| Event {
            side: Side::Client,
            kind: EventKind::Syn,
            flags: TcpFlags(2),
            seq: SeqNumber(ISN),
            ack: SeqNumber(0),
            payload_len: 0,
            time: at(0),
            ..e
        });
        let answer = event().prop_map(|e| Event {
            side: Side::Server,
            kind: EventKind::SynAck,
            flags: TcpFlags(0x12),
            seq: SeqNumber(ANSWER),
            ack: SeqNumber(ISN + 1),
            payload_len: 0,
            ..e
        });
        (syn, answer, prop::collection::vec(event(), 0..6)).prop_map(|(syn, answer, more)| {
            let mut events: Vec<Event> = [syn, answer].into_iter().chain(more).collect();
            events.sort_by_key(|e| e.time);
            let end = |host, port| Endpoint::new(Ipv4Addr::new(10, 0, 0, host).into(), port);
            Attempt::from(Sighting {
                point: PointId(0),
                flow: Flow { client: end(5, 40_000), server: end(9, 80) },
                isn: SeqNumber(ISN),
                events,
                events_dropped: 0,
                moved: Vec::new(),
                closing: Closing::Answered,
                number: None,
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Every answer is that of the question, and so is the judgement.
        #[test]
        fn a_plain_attempt_states_what_it_is_asked(attempt in attempt()) {
            let mut path = Path::new([PointId(0)]);
            path.learn(attempt.nearest());
            let covered = Coverage::default();
            let coverage = BTreeMap::from([(PointId(0), &covered)]);
            let merged = Merged { attempts: std::vec![attempt.clone()], ..Merged::default() };
            let points = Points { path: &path, coverage: &coverage, merged: &merged };
            if let Some(plain) = facts(points, &attempt) {
                let last = attempt.nearest().events.last().expect("a SYN").time;
                let during = Interval::new(attempt.first_syn(), last + Span::from_nanos(1));
                let history = History::new(points);
                let asked = history.facts(points, &attempt, Asked::Outcome, None, during);
                prop_assert_eq!(plain.c(), asked.c());
                prop_assert_eq!(plain.s(), asked.s());
                prop_assert_eq!(plain.client.is_some(), asked.client.is_some());
                prop_assert_eq!(judge(&plain), judge(&asked));
                prop_assert_eq!(judge(&plain).row.name, "connected_active");
                for near_server in [false, true] {
                    let anywhere = judge(&stated(attempt.nearest(), near_server));
                    let plain = Plain::of(attempt.nearest().clone()).expect("it has facts");
                    prop_assert_eq!(anywhere, plain.judge());
                    prop_assert_eq!(anywhere, judge(&asked));
                }
            }
        }
    }

    /// The property has something to hold: a clean attempt is plain.
    #[test]
    fn a_clean_attempt_is_plain() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let mut plain = 0;
        for _ in 0..500 {
            let tree = attempt().new_tree(&mut runner).expect("a value");
            let attempt = proptest::strategy::ValueTree::current(&tree);
            plain += usize::from(is_plain(attempt.nearest()));
        }
        assert!(plain > 20, "{plain} of 500");
    }
}
