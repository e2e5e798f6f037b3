//! Which of the SYN+ACKs that left a server is the first one that came to the client: the first, so
//! that nothing was lost, or a repetition of one that was.
//!
//! SYN+ACKs of one request are alike but for their time stamps (Linux sends them with IP
//! identification 0, `ip_build_and_send_pkt`). Where a host or a snap length leaves no time stamps,
//! other things may tell, and often nothing does.

use why504_handshake::{Event, Sighting};
use why504_model::{Span, Timestamp};

/// What leaves a server and comes to the client within this was not delayed.
const AT_ONCE: Span = Span::from_millis(5);

/// The client's first SYN+ACK among those of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The first that the server sent.
    First,
    /// Not the first.
    #[default]
    Another,
    /// It came at once after one that was not the first; nothing in it says that it is that one.
    AnotherByTime,
    /// Nothing tells.
    Untold,
}

/// Tells which one came, as two points saw one attempt. `there` gives a moment of the client's point
/// on the clock of the server's, where the offset between the two is known.
pub(crate) fn which_came(
    client: &Sighting,
    server: &Sighting,
    there: impl Fn(Timestamp) -> Option<Timestamp>,
) -> Which {
    let (Some(here), Some(first)) = (client.syn_acks().next(), server.syn_acks().next()) else {
        return Which::Another;
    };
    if let Some(same) = by_stamp(here, first).or_else(|| by_identification(here, server)) {
        return if same { Which::First } else { Which::Another };
    }
    let left = server.syn_acks().count();
    if left == 1 || client.syn_acks().count() >= left {
        return Which::First;
    }
    by_time(server, there(here.time))
}

/// Two in one millisecond of the server's are the same for this question.
fn by_stamp(here: &Event, first: &Event) -> Option<bool> {
    let (here, first) = here.timestamps.zip(first.timestamps)?;
    Some(here.value == first.value)
}

/// Hosts that number all their packets tell by the number, unless something on the way gave it
/// another, so that it is none of those that left.
fn by_identification(here: &Event, server: &Sighting) -> Option<bool> {
    let number = here.ip_id.filter(|id| *id != 0)?;
    let mut same = server.syn_acks().map(|sent| sent.ip_id == Some(number));
    let first = same.next()?;
    let again = same.any(|same| same);
    (first != again).then_some(first)
}

/// Before the second had left it was the first. A delay may be as long as the time from the first to
/// a later one by chance, so coming at once after that one is no proof.
fn by_time(server: &Sighting, came: Option<Timestamp>) -> Which {
    let Some(came) = came else { return Which::Untold };
    let before = |sent: &&Event| sent.time <= came + Span::from_millis(1);
    match server.syn_acks().take_while(before).enumerate().last() {
        Some((0, _)) => Which::First,
        Some((_, sent)) if came.since(sent.time) <= AT_ONCE => Which::AnotherByTime,
        _ => Which::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use std::vec::Vec;
    use why504_handshake::{PointId, Tracker};
    use why504_model::{
        Checksum, Endpoint, Location, Packet, Segment, SeqNumber, SourceId, TcpFlags, TcpTimestamps,
    };

    const SYN: u32 = 7000;

    /// What a point saw of an attempt: a SYN at 0 ms, and SYN+ACKs.
    fn seen(point: u16, answers: &[(i64, Option<u32>, u16)]) -> Sighting {
        let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 1).into(), 40_000);
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 2).into(), 80);
        let syn = Segment {
            time: at(0),
            location: Location { source: SourceId(0), record: 1 },
            source: client,
            destination: server,
            seq: SeqNumber(SYN),
            ack: SeqNumber(0),
            timestamps: None,
            payload_len: 0,
            ip_id: Some(1),
            ttl: 64,
            flags: TcpFlags::SYN,
            checksum: Checksum::Unknown,
            vlan: None,
        };
        let answer = |&(ms, value, ip_id): &(i64, Option<u32>, u16)| Segment {
            time: at(ms),
            source: server,
            destination: client,
            seq: SeqNumber(9000),
            ack: SeqNumber(SYN + 1),
            timestamps: value.map(|value| TcpTimestamps { value, echo: 1 }),
            ip_id: Some(ip_id),
            flags: TcpFlags::SYN | TcpFlags::ACK,
            ..syn
        };
        let mut tracker = Tracker::new(PointId(point));
        tracker.push(&Packet::Tcp(syn));
        for one in answers {
            tracker.push(&Packet::Tcp(answer(one)));
        }
        tracker.end();
        let mut all: Vec<Sighting> = tracker.take();
        all.pop().expect("an attempt")
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_parts(1_000, 0) + Span::from_millis(ms)
    }

    /// SYN+ACKs left at 0, 1030 and 3050 ms, and one came.
    #[test]
    fn stamps_numbers_and_times_tell_and_nothing_else() {
        let plain = [(0, None, 0), (1030, None, 0), (3050, None, 0)];
        let stamped = [(0, Some(5), 0), (1030, Some(1035), 0), (3050, Some(3055), 0)];
        let numbered = [(0, None, 11), (1030, None, 12), (3050, None, 13)];
        for (left, came, expected) in [
            (&stamped[..], (1700, Some(5), 0), Which::First),
            (&stamped[..], (1031, Some(1035), 0), Which::Another),
            (&numbered[..], (1700, None, 11), Which::First),
            (&numbered[..], (1700, None, 12), Which::Another),
            // Something on the way gave it another number.
            (&numbered[..], (1700, None, 99), Which::Untold),
            (&plain[..1], (1700, None, 0), Which::First),
            (&plain[..], (700, None, 0), Which::First),
            (&plain[..], (1031, None, 0), Which::AnotherByTime),
            (&plain[..], (1700, None, 0), Which::Untold),
            // One of the two cuts the options off.
            (&stamped[..], (1700, None, 0), Which::Untold),
        ] {
            let (client, server) = (seen(0, &[came]), seen(1, left));
            assert_eq!(which_came(&client, &server, Some), expected, "{left:?} {came:?}");
        }
    }

    #[test]
    fn without_a_common_clock_no_time_tells() {
        let (client, server) =
            (seen(0, &[(700, None, 0)]), seen(1, &[(0, None, 0), (1030, None, 0)]));
        assert_eq!(which_came(&client, &server, |_| None), Which::Untold);
    }

    #[test]
    fn where_as_many_came_as_had_left_none_was_lost() {
        let both = [(0, None, 0), (1030, None, 0)];
        let late = [(1500, None, 0), (2530, None, 0)];
        assert_eq!(which_came(&seen(0, &late), &seen(1, &both), Some), Which::First);
    }
}
