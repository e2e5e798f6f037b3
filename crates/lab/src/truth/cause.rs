//! What happened to a known attempt: counts of its packets on both sides, and the cause that
//! follows from them with perfect knowledge.

use super::gateway::GatewayAttempt;
use super::logs::ErrorLine;
use super::packets::Packets;
use super::upstream::UpstreamAttempt;
use super::{Attempt, Settings};

/// How many losses of an attempt the router's own capture confirms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) confirmed: usize,
    pub(super) unconfirmed: usize,
}

/// Describes `attempt` up to the deadline that `error` reports; `None` when its cause has no one
/// name (some copies lost, others late).
pub(super) fn describe(
    error: &ErrorLine,
    attempt: &GatewayAttempt,
    packets: &Packets,
    settings: &Settings,
) -> Option<(Attempt, Losses)> {
    let deadline = deadline(error, attempt);
    let before = |times: &[i64]| times.iter().filter(|time| **time <= deadline).count();
    let nothing = UpstreamAttempt::default();
    let upstream = packets.upstream.get(&attempt.key()).unwrap_or(&nothing);
    let syns: Vec<i64> = attempt.syns.iter().map(|syn| syn.time).collect();
    let synacks: Vec<i64> = attempt.synacks.iter().map(|synack| synack.time).collect();
    let foreign_acks: Vec<i64> = attempt.foreign_acks.iter().map(|(time, _)| *time).collect();
    let facts = Facts {
        syn_sent: before(&syns),
        syn_arrived: before(&upstream.syns),
        syn_late: upstream.syns.len() - before(&upstream.syns),
        synack_sent: before(&upstream.synacks),
        synack_sent_late: upstream.synacks.len() - before(&upstream.synacks),
        synack_arrived_late: synacks.len() - before(&synacks),
        synack_arrived: before(&synacks),
        syns_damaged: settings.checksums && upstream.damaged_syns == upstream.syns.len(),
        synacks_damaged: settings.checksums && attempt.synacks.iter().all(|synack| synack.damaged),
        met: attempt.met,
        answered_twice: attempt
            .synacks
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.isn != b.isn)),
        in_window: in_window(attempt, upstream, packets),
        synack_changed: attempt
            .odd_synacks
            .iter()
            .any(|odd| odd.time <= deadline && upstream.server_isns.contains(&odd.isn)),
        acknowledged: !synacks.is_empty() && !attempt.acks.is_empty(),
        foreign_ack: before(&foreign_acks) > 0,
        foreign_ack_sent: before(&upstream.foreign_acks) > 0,
        refusal_sent: before(&upstream.refusals) > 0,
        ack_arrived: upstream.acks.first().copied(),
        last_synack_sent: upstream.synacks.last().copied(),
        proxied: settings.proxied.contains(&attempt.dport),
        proxy_captured: packets.proxy_captured,
    };
    let cause = cause(error.what, &facts)?;
    // At which firewalls the direction that failed lost something of this attempt.
    let key = attempt.key();
    let losers: Option<Vec<bool>> = match cause {
        "syn_lost" => Some(packets.dropped.iter().map(|at| at.syns.contains(&key)).collect()),
        "synack_lost" => Some(packets.dropped.iter().map(|at| at.synacks.contains(&key)).collect()),
        _ => None,
    };
    let lost = losers.as_ref().map(|at| at.contains(&true));
    let losses = Losses {
        confirmed: usize::from(lost == Some(true)),
        unconfirmed: usize::from(lost == Some(false)),
    };
    #[expect(clippy::cast_precision_loss, reason = "a float of microseconds is what the sets hold")]
    let syn_t = (attempt.start() / 1000) as f64 / 1e6;
    let described = Attempt {
        src: attempt.src.to_string(),
        sport: attempt.sport,
        dst: attempt.dst.to_string(),
        dport: attempt.dport,
        isn: attempt.isn,
        cause: cause.to_owned(),
        lost_between: losers.and_then(|at| place(&at, settings)),
        mechanism: mechanism(cause, &facts, upstream, packets).map(str::to_owned),
        n_syn: facts.syn_sent,
        syn_t,
        syn_arrived: facts.syn_arrived,
        synack_sent: facts.synack_sent,
        // Repetitions after one that was in time are not late: the client had its answer.
        late_synack: if facts.synack_arrived > 0 { 0 } else { synacks.len() },
        gw_frames: attempt.syns.iter().map(|syn| (syn.file.clone(), syn.frame)).collect(),
    };
    Some((described, losses))
}

/// The two capture points, as the judge names them, around the one of the firewalls that lost it.
fn place(losers: &[bool], settings: &Settings) -> Option<[String; 2]> {
    let mut lost = losers.iter().zip(&settings.around_firewalls).filter(|(lost, _)| **lost);
    match (lost.next(), lost.next()) {
        (Some((_, around)), None) => Some(around.clone()),
        _ => None,
    }
}

/// When the timer that `error` reports expired: when it was to, or, where nginx was late, when its
/// request ended, and after the last SYN at the least; the kernel sends none for a socket that is closed.
pub(super) fn deadline(error: &ErrorLine, attempt: &GatewayAttempt) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a timeout of seconds, in nanoseconds")]
    let timeout = (error.connect_timeout * 1e9) as i64;
    let due = attempt.start().saturating_add(timeout);
    let last_syn = attempt.syns.iter().map(|syn| syn.time).max().unwrap_or(0);
    let late = error.ended.filter(|_| last_syn > due).unwrap_or(due);
    late.max(last_syn + AFTER_LAST_SYN)
}

/// Long enough for a SYN to cross the lab, and shorter than any answer that is late.
const AFTER_LAST_SYN: i64 = 1_000_000;

/// What the cause depends on; counts are up to the deadline.
#[derive(Debug, Clone, Copy)]
struct Facts {
    syn_sent: usize,
    syn_arrived: usize,
    syn_late: usize,
    synack_sent: usize,
    synack_sent_late: usize,
    synack_arrived_late: usize,
    synack_arrived: usize,
    /// A SYN+ACK of the server arrived in time with another acknowledgment number.
    synack_changed: bool,
    /// The client answered a SYN+ACK, whenever it came: it still had the socket then.
    acknowledged: bool,
    /// An ACK of another connection arrived, or was sent at least.
    foreign_ack: bool,
    foreign_ack_sent: bool,
    refusal_sent: bool,
    ack_arrived: Option<i64>,
    last_synack_sent: Option<i64>,
    /// A SYN proxy answered in the server's place.
    proxied: bool,
    /// It was captured itself, and is the far end.
    proxy_captured: bool,
    /// Every SYN that arrived was damaged.
    syns_damaged: bool,
    /// Every SYN+ACK that came was.
    synacks_damaged: bool,
    /// The server sent a SYN as well.
    met: bool,
    /// SYN+ACKs with several ISNs came.
    answered_twice: bool,
    /// Its SYN fell into the window of an attempt that was half open on its port.
    in_window: bool,
}

/// The receive window of a half-open attempt is not scaled (RFC 7323 section 2.2).
const LARGEST_WINDOW: u32 = 65_535;

/// The server held an unfinished attempt of the same 4-tuple, whose window holds this SYN: it answers
/// with a RST (`tcp_check_req`).
fn in_window(attempt: &GatewayAttempt, upstream: &UpstreamAttempt, packets: &Packets) -> bool {
    let Some(before) = upstream.before else { return false };
    packets.upstream.get(&before).is_some_and(|holder| {
        let (_, isn) = before;
        let beyond = attempt.isn.wrapping_sub(isn.wrapping_add(1));
        !holder.synacks.is_empty() && holder.acks.is_empty() && beyond <= LARGEST_WINDOW
    })
}

/// The cause, in the product's words (product.md section 3).
fn cause(what: &str, facts: &Facts) -> Option<&'static str> {
    Some(match what {
        "connect() failed (111" => "refused",
        "connect() failed (113" | "connect() failed (13" => "icmp_rejected",
        "lua tcp socket read timed out" | "while reading response header" => after_connect(facts),
        _ if facts.acknowledged => "gateway_stall",
        _ if facts.synack_arrived > 0 || facts.synack_changed => "synack_not_accepted",
        _ if facts.syn_arrived == 0 => match facts.syn_late {
            0 => "syn_lost",
            all if all >= facts.syn_sent => "synack_late",
            _ => return None,
        },
        _ if facts.synack_sent > 0 => {
            // None of all the SYN+ACKs was lost, they only came after the deadline.
            let sent = facts.synack_sent + facts.synack_sent_late;
            if facts.synack_arrived_late == sent { "synack_late" } else { "synack_lost" }
        }
        _ if facts.refusal_sent => "reply_lost",
        _ if facts.foreign_ack => "stale_connection",
        _ if facts.foreign_ack_sent => "reply_lost",
        // Answered after the deadline without having been asked again.
        _ if facts.synack_sent_late > 0 && facts.syn_late == 0 => "synack_late",
        _ => "server_silent",
    })
}

/// How it came about, where the counts alone say so: of a delay, where the handshake was when the
/// deadline passed; of another connection's answer, what that connection was.
fn mechanism(
    cause: &str,
    facts: &Facts,
    upstream: &UpstreamAttempt,
    packets: &Packets,
) -> Option<&'static str> {
    match cause {
        "connected" | "synack_lost" | "ack_lost" if facts.proxied => Some("syn_proxy"),
        "connected" if facts.met => Some("simultaneous_open"),
        "connected" | "ack_lost" if facts.answered_twice => Some("lb_split"),
        "refused" if facts.in_window => Some("port_reuse_in_window"),
        "server_silent" if facts.syns_damaged => Some("syn_corrupt"),
        "synack_not_accepted" if facts.synacks_damaged && !facts.synack_changed => {
            Some("synack_corrupt")
        }
        "synack_late" if facts.syn_arrived == 0 => Some("syn_delayed"),
        "synack_late" if facts.synack_sent == 0 => Some("server_slow"),
        "synack_late" => Some("late_path"),
        "synack_lost" if facts.syn_arrived < facts.syn_sent => Some("mixed"),
        "synack_not_accepted" if facts.synack_changed => Some("synack_bad_ack"),
        "stale_connection" => held_by(upstream, packets),
        _ => None,
    }
}

/// What held the port: the newest attempt before this one that the server answered.
fn held_by(attempt: &UpstreamAttempt, packets: &Packets) -> Option<&'static str> {
    let mut holder = packets.upstream.get(&attempt.before?)?;
    // A chain is as long as the run at most; each step is an older attempt.
    for _ in 0..packets.upstream.len() {
        if !holder.synacks.is_empty() {
            break;
        }
        holder = packets.upstream.get(&holder.before?)?;
    }
    Some(match (holder.closed, holder.server_closed) {
        _ if holder.acks.is_empty() => "port_reuse_synrecv",
        (true, true) => "time_wait",
        (true, false) => "close_wait",
        (false, false) => "established",
        // Its other half is open still: none of the words fits.
        (false, true) => return None,
    })
}

/// What the gateway shook hands with a proxy about was no handshake of the server's: that one is fine,
/// as far as a capture behind the proxy shows, and what is lost there is not the gateway's.
///
/// A SYN+ACK that is sent well after the client's ACK had arrived was not waiting for it: 100 ms is
/// far above the delay of the lab's links and far below the first repetition (1 s).
fn after_connect(facts: &Facts) -> &'static str {
    match (facts.ack_arrived, facts.last_synack_sent) {
        _ if facts.proxied && !facts.proxy_captured => "connected",
        (None, _) => "ack_lost",
        (Some(ack), Some(synack)) if synack > ack + 100_000_000 => "ack_ignored",
        _ => "connected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Facts = Facts {
        syn_sent: 1,
        syn_arrived: 0,
        syn_late: 0,
        synack_sent: 0,
        synack_sent_late: 0,
        synack_arrived_late: 0,
        synack_arrived: 0,
        synack_changed: false,
        acknowledged: false,
        foreign_ack: false,
        foreign_ack_sent: false,
        refusal_sent: false,
        ack_arrived: None,
        last_synack_sent: None,
        proxied: false,
        proxy_captured: false,
        syns_damaged: false,
        synacks_damaged: false,
        met: false,
        answered_twice: false,
        in_window: false,
    };

    #[test]
    fn the_rule_row_by_row() {
        let facts = |syn_arrived, synack_sent, foreign_ack| Facts {
            syn_arrived,
            synack_sent,
            foreign_ack,
            ..NOTHING
        };
        let connect = "lua tcp socket connect timed out";
        for (expected, what, facts) in [
            ("refused", "connect() failed (111", facts(1, 0, false)),
            ("icmp_rejected", "connect() failed (13", facts(0, 0, false)),
            ("syn_lost", connect, facts(0, 0, false)),
            ("synack_lost", connect, facts(1, 1, false)),
            ("synack_lost", connect, facts(2, 1, true)),
            ("server_silent", connect, facts(2, 0, false)),
            ("stale_connection", connect, facts(1, 0, true)),
            ("synack_not_accepted", connect, Facts { synack_arrived: 1, ..facts(1, 1, false) }),
            (
                "gateway_stall",
                connect,
                Facts { synack_arrived: 1, acknowledged: true, ..facts(1, 1, false) },
            ),
            ("synack_not_accepted", connect, Facts { synack_changed: true, ..facts(1, 1, false) }),
            ("reply_lost", connect, Facts { foreign_ack_sent: true, ..facts(1, 0, false) }),
            ("reply_lost", connect, Facts { refusal_sent: true, ..facts(1, 0, false) }),
            ("synack_late", connect, Facts { syn_late: 1, ..facts(0, 0, false) }),
            ("synack_late", connect, Facts { synack_arrived_late: 1, ..facts(1, 1, false) }),
            ("synack_lost", connect, Facts { synack_arrived_late: 1, ..facts(1, 2, false) }),
            ("synack_late", connect, Facts { synack_sent_late: 1, ..facts(1, 0, false) }),
            ("ack_lost", "lua tcp socket read timed out", facts(1, 2, false)),
            (
                "connected",
                "lua tcp socket read timed out",
                Facts { proxied: true, ..facts(1, 2, false) },
            ),
            (
                "ack_lost",
                "lua tcp socket read timed out",
                Facts { proxied: true, proxy_captured: true, ..facts(1, 2, false) },
            ),
        ] {
            assert_eq!(cause(what, &facts), Some(expected), "{what} {facts:?}");
        }
    }

    #[test]
    fn an_ack_that_arrived_was_heard_or_ignored() {
        let facts = |synack| Facts {
            syn_arrived: 1,
            synack_sent: 1,
            synack_arrived: 1,
            ack_arrived: Some(1_000_000),
            last_synack_sent: Some(synack),
            ..NOTHING
        };
        let read = "while reading response header";
        assert_eq!(cause(read, &facts(500_000)), Some("connected"));
        assert_eq!(cause(read, &facts(1_000_000_000)), Some("ack_ignored"));
    }

    #[test]
    fn copies_that_are_partly_lost_and_partly_late_have_no_one_cause() {
        let facts = Facts { syn_sent: 2, syn_late: 1, ..NOTHING };
        assert_eq!(cause("lua tcp socket connect timed out", &facts), None);
    }
}
