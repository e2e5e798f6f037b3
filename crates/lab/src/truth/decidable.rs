//! Which timeouts the gateway's packets alone can decide, by the table of the TCP taxonomy and not by
//! what the tool says.
//!
//! * An answer that came decides: RST, ICMP error, a SYN+ACK in time; so does a covered capture
//!   without a SYN, and a bare ACK of another connection if it answers the last SYN before the
//!   deadline. After an earlier one the client's RST may have freed the port, and what became of the
//!   SYN that followed is open.
//! * A SYN+ACK after the deadline tells by the timestamp that it echoes which SYN reached the server.
//!   Sooner than a server repeats itself (RFC 6298: a second) it is the first one, and late. At a
//!   moment of the schedule it is a repetition, unless the same server's SYN+ACKs are late at other
//!   moments, too: then it may be the first one, delayed. At any other moment it fits a delay best,
//!   and a server with another schedule as well.
//! * A bare ACK that answers a later SYN with x + 1 tells that x was answered and in vain.
//! * SYNs and nothing back decide nothing: lost there, lost on the way back and a silent server look
//!   the same. So do a lost ACK and one that is not heard.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;

use super::cause::deadline;
use super::gateway::{GatewayAttempt, SynAck};
use super::logs::ErrorLine;
use super::packets::Packets;
use super::upstream::Key;
use super::{Row, Settings, read_logs};

const MS: i64 = 1_000_000;

/// When a Linux server repeats an unanswered SYN+ACK, seconds after the first
/// (`reqsk_timer_handler`); measured timers run up to 5 % late.
const SCHEDULE: [i64; 5] = [1, 3, 7, 15, 31];

/// Before this after the SYN no server repeats its answer (RFC 6298 section 2.1).
const NO_REPEAT_BEFORE: i64 = 950 * MS;

/// Longer than any answer of a server that is not slow.
const NOTICEABLE: i64 = 200 * MS;

/// How far from the schedule a packet may arrive that is on it: the lab's links are far faster.
const JITTER: i64 = 90 * MS;

/// The lines of `rows` whose cause the gateway's captures in `folder` decide.
pub fn decided_by_gateway(
    folder: &Path,
    settings: &Settings,
    rows: &[Row],
) -> Result<BTreeSet<u64>> {
    let (_, errors) = read_logs(folder, settings)?;
    let packets = Packets::read(folder, settings)?;
    let facts = Facts::of(&packets.gateway);
    let mut decided = BTreeSet::new();
    for row in rows {
        let Some(truth) = &row.attempt else { continue };
        let error = errors.iter().find(|error| error.line == row.line);
        let attempt = packets.gateway.iter().find(|attempt| {
            attempt.key() == (truth.dport, truth.isn) && attempt.sport == truth.sport
        });
        let shown = match truth.cause.as_str() {
            "refused"
            | "icmp_rejected"
            | "synack_not_accepted"
            | "gateway_stall"
            | "no_syn_sent" => true,
            "stale_connection" => error.zip(attempt).is_some_and(|(e, a)| answers_last(e, a)),
            "connected" => attempt.is_some_and(|attempt| attempt.heard),
            "synack_lost" => error.zip(attempt).is_some_and(|(e, a)| facts.shows_loss(e, a)),
            "synack_late" => error.zip(attempt).is_some_and(|(e, a)| Facts::shows_delay(e, a)),
            _ => false,
        };
        if shown {
            decided.insert(row.line);
        }
    }
    Ok(decided)
}

/// What other attempts of the capture say.
struct Facts {
    /// Port and ISN of every attempt that a bare ACK of a later one acknowledges.
    acknowledged_late: HashSet<Key>,
    /// Servers with a SYN+ACK that was the first and late.
    slow: HashSet<(IpAddr, u16)>,
    /// Whether some server answered a later SYN with the timestamp of the first: then it is one that
    /// keeps the first, and an echo of a later one means that the first never arrived.
    keeps_first: bool,
}

impl Facts {
    fn of(attempts: &[GatewayAttempt]) -> Self {
        let acknowledged_late = attempts
            .iter()
            .flat_map(|attempt| attempt.foreign_acks.iter().map(|(_, ack)| (attempt.dport, ack)))
            .map(|(port, ack)| (port, ack.wrapping_sub(1)))
            .collect();
        let keeps_first = attempts.iter().any(|attempt| {
            let [first, second, ..] = &attempt.syns[..] else { return false };
            let differ = first.value.is_some() && first.value != second.value;
            differ && attempt.synacks.iter().any(|s| s.time > second.time && s.echo == first.value)
        });
        let slow = attempts
            .iter()
            .filter(|attempt| attempt.syns.len() == 1 || !attempt.acks.is_empty())
            .filter(|attempt| {
                let first = attempt.synacks.first();
                first.is_some_and(|first| {
                    let waited = first.time - attempt.start();
                    waited >= NOTICEABLE && !repeats(attempt.start(), first.time)
                })
            })
            .map(|attempt| (attempt.dst, attempt.dport))
            .collect();
        Self { acknowledged_late, slow, keeps_first }
    }

    /// The SYN+ACK was sent and lost: a repetition came, or a later SYN met the half-open attempt.
    fn shows_loss(&self, error: &ErrorLine, attempt: &GatewayAttempt) -> bool {
        if self.acknowledged_late.contains(&attempt.key()) {
            return true;
        }
        if self.slow.contains(&(attempt.dst, attempt.dport)) {
            return false;
        }
        let late = late(error, attempt);
        let in_pairs = late.windows(2).any(|pair| match pair {
            [a, b] => b.time - a.time <= JITTER && a.echo == b.echo,
            _ => false,
        });
        in_pairs
            || late.iter().any(|synack| match copy(attempt, synack) {
                Some(0) => repeats(attempt.start(), synack.time),
                Some(k) => {
                    let sent = attempt.syns.get(k).map_or(i64::MAX, |syn| syn.time);
                    self.keeps_first && repeats(sent, synack.time)
                }
                None => false,
            })
    }

    /// The first SYN was answered, and too soon for a repetition.
    fn shows_delay(error: &ErrorLine, attempt: &GatewayAttempt) -> bool {
        let late = late(error, attempt);
        let Some(first) = late.first() else { return false };
        copy(attempt, first) == Some(0) && first.time - attempt.start() < NO_REPEAT_BEFORE
    }
}

/// Whether a bare ACK of another connection answers the last SYN that was sent in time.
fn answers_last(error: &ErrorLine, attempt: &GatewayAttempt) -> bool {
    let deadline = deadline(error, attempt);
    let last = attempt.syns.iter().map(|syn| syn.time).filter(|time| *time <= deadline).max();
    let answers = |syn| attempt.foreign_acks.iter().any(|(ack, _)| (syn..=deadline).contains(ack));
    last.is_some_and(answers)
}

/// The SYN+ACKs after the deadline, if none came before it.
fn late(error: &ErrorLine, attempt: &GatewayAttempt) -> Vec<SynAck> {
    let deadline = deadline(error, attempt);
    if attempt.synacks.iter().any(|synack| synack.time <= deadline) {
        return Vec::new();
    }
    attempt.synacks.clone()
}

/// Which copy of the SYN a SYN+ACK answers, from 0; `None` without timestamps, or where two copies
/// carry the same one.
fn copy(attempt: &GatewayAttempt, synack: &SynAck) -> Option<usize> {
    let echo = synack.echo?;
    let mut same = (0..).zip(&attempt.syns).filter(|(_, syn)| syn.value == Some(echo));
    match (same.next(), same.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    }
}

/// Whether a SYN+ACK at `time` can be a repetition of one that answered a SYN of the time `syn`.
fn repeats(syn: i64, time: i64) -> bool {
    SCHEDULE.iter().any(|seconds| {
        let due = seconds * 1000 * MS;
        (due - JITTER..=due + due / 20 + JITTER).contains(&(time - syn))
    })
}

#[cfg(test)]
mod tests {
    use super::super::gateway::Syn;
    use super::*;

    const SECOND: i64 = 1000 * MS;

    fn attempt(syns: &[(i64, u32)], synacks: &[(i64, u32)]) -> GatewayAttempt {
        let address = "10.0.0.1".parse().unwrap();
        GatewayAttempt {
            src: address,
            sport: 4000,
            dst: address,
            dport: 80,
            isn: 7,
            syns: syns
                .iter()
                .map(|(time, value)| Syn {
                    time: *time,
                    file: String::new(),
                    frame: 1,
                    value: Some(*value),
                })
                .collect(),
            synacks: synacks
                .iter()
                .map(|(time, echo)| SynAck {
                    time: *time,
                    isn: 1,
                    echo: Some(*echo),
                    damaged: false,
                })
                .collect(),
            odd_synacks: Vec::new(),
            foreign_acks: Vec::new(),
            met: false,
            acks: Vec::new(),
            heard: false,
            refusals: Vec::new(),
            unreachables: Vec::new(),
        }
    }

    fn error(timeout: f64) -> ErrorLine {
        ErrorLine {
            line: 1,
            log: String::new(),
            what: "lua tcp socket connect timed out",
            second_ns: 0,
            port: 80,
            connect_timeout: timeout,
            bind: None,
            source: None,
            key: (1, String::new()),
            turn: (0, 1),
            ended: None,
        }
    }

    fn shown(keeps_first: bool, timeout: f64, attempt: &GatewayAttempt) -> (bool, bool) {
        let facts = Facts { acknowledged_late: HashSet::new(), slow: HashSet::new(), keeps_first };
        let error = error(timeout);
        (facts.shows_loss(&error, attempt), Facts::shows_delay(&error, attempt))
    }

    #[test]
    fn a_late_answer_is_a_repetition_or_a_delay() {
        // Repeated a second after the first answer, and off every schedule.
        let repeated = attempt(&[(0, 1)], &[(1020 * MS, 1)]);
        let delayed = attempt(&[(0, 1)], &[(700 * MS, 1)]);
        assert_eq!(shown(false, 0.5, &repeated), (true, false));
        assert_eq!(shown(false, 0.5, &delayed), (false, true));
        // Right after the second copy: the copy's own answer as well as a delayed one.
        let asked = attempt(&[(0, 1), (1020 * MS, 2)], &[(1021 * MS, 2)]);
        assert_eq!(shown(true, 1.02, &asked), (false, false));
        // Off the schedule, and late enough for a server with another one.
        let odd = attempt(&[(0, 1)], &[(2200 * MS, 1)]);
        assert_eq!(shown(true, 0.5, &odd), (false, false));
    }

    #[test]
    fn a_repetition_for_a_later_copy_needs_a_server_that_keeps_the_first() {
        let second = attempt(&[(0, 1), (SECOND, 2)], &[(2 * SECOND, 2)]);
        assert_eq!(shown(true, 1.5, &second), (true, false));
        assert_eq!(shown(false, 1.5, &second), (false, false));
    }

    #[test]
    fn a_bare_ack_decides_if_no_syn_followed_it() {
        let mut held = attempt(&[(0, 1), (12 * MS, 2)], &[]);
        held.foreign_acks = vec![(MS, 99)];
        assert!(!answers_last(&error(0.5), &held));
        held.foreign_acks.push((13 * MS, 99));
        assert!(answers_last(&error(0.5), &held));
    }

    #[test]
    fn silence_decides_nothing_and_a_later_bare_ack_does() {
        let silent = attempt(&[(0, 1)], &[]);
        assert_eq!(shown(true, 0.5, &silent), (false, false));
        let mut facts = Facts {
            acknowledged_late: HashSet::from([(80, 7)]),
            slow: HashSet::new(),
            keeps_first: false,
        };
        assert!(facts.shows_loss(&error(0.5), &silent));
        // Where the server's answers are late at any moment, none is a repetition for sure.
        facts.acknowledged_late.clear();
        let repeated = attempt(&[(0, 1)], &[(1020 * MS, 1)]);
        assert!(facts.shows_loss(&error(0.5), &repeated));
        facts.slow = Facts::of(&[attempt(&[(0, 1)], &[(700 * MS, 1)])]).slow;
        assert!(!facts.shows_loss(&error(0.5), &repeated));
    }
}
