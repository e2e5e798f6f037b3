//! One generated connection, step by step.
//!
//! A request and a response of 5 to 44 segments between two Linux hosts, as a tap between them sees
//! it: each segment by itself, neither joined by the receiver's card nor left whole by the sender's.
//! The receiver acknowledges as Linux does, see [`QUICK_ACKS`]. Losses of data are not made.

use std::net::Ipv4Addr;

use super::Counts;
use crate::packet::flag;
use crate::random::Random;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// Round-trip time of the generated connections.
const RTT: u64 = MS / 2;
/// The longest pause before the next connection: with 200 at a time, about 46,000 packets a second.
pub(super) const PAUSE_NS: u32 = 400_000_000;
/// Payload of a full segment: 1500 bytes less the headers with time stamps.
const FULL: u16 = 1448;
/// Payload of the last segment of a response.
const LAST: u16 = 300;
/// How many segments in a row a receiver acknowledges one by one before it begins to delay.
///
/// Linux does so from the first data of a connection (`tcp_event_data_recv` and `tcp_incr_quickack`
/// in net/ipv4/tcp_input.c, `TCP_MAX_QUICKACKS` in include/net/tcp.h): as many as half the window
/// has segments, 22 of 64240 bytes, but no more than 16. Then it is every second one (RFC 5681,
/// section 4.2), and the last when the application has read it (`__tcp_cleanup_rbuf`). A server
/// acknowledges a request in the same way, at once and before it answers.
const QUICK_ACKS: u16 = 16;

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
}

/// A segment to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) payload: u16,
    /// TSval and TSecr.
    pub(super) stamps: (u32, u32),
}

/// What a connection does next: a segment, or nothing more, and how long until its next step.
pub(super) struct Step {
    pub(super) segment: Option<Segment>,
    pub(super) wait: u64,
}

/// What becomes of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Clean,
    /// The first SYN+ACK is lost.
    Recovers,
    /// All of them are.
    Unanswered,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// How many SYNs were sent.
    Syn(u8),
    Answer,
    Established,
    Request,
    Requested,
    /// How many segments of the response are left; the server's FIN comes after them.
    Response(u16),
    /// The same, and the client is to acknowledge what it got.
    Acknowledge(u16),
    ClientFin,
    LastAck,
    Over,
}

/// A connection under way.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    client: End,
    server: End,
    fate: Fate,
    stage: Stage,
    /// Segments of the response.
    response: u16,
    client_seq: u32,
    server_seq: u32,
    clock: u32,
    asked: bool,
    answered: bool,
    completed: bool,
}

impl Flow {
    /// The `number`-th connection of the file; its 4-tuple is its own.
    pub(super) fn new(number: u32, random: &mut Random) -> Self {
        let client = End {
            address: Ipv4Addr::from(0x0a01_0000 + number / 50_000),
            port: 10_000 + (number % 50_000) as u16,
        };
        let server = End {
            address: Ipv4Addr::from(0x0a02_0001 + random.below(40)),
            port: if random.below(2) == 0 { 8080 } else { 443 },
        };
        let fate = match random.below(1000) {
            0..3 => Fate::Unanswered,
            3..6 => Fate::Recovers,
            6..8 => Fate::Refused,
            _ => Fate::Clean,
        };
        Self {
            client,
            server,
            fate,
            stage: Stage::Syn(0),
            response: 5 + random.below_u16(40),
            client_seq: random.next_u32(),
            server_seq: random.next_u32(),
            clock: random.next_u32(),
            asked: false,
            answered: false,
            completed: false,
        }
    }

    /// Whether it was started and got no answer yet.
    pub(super) fn is_unanswered(&self) -> bool {
        self.asked && !self.answered
    }

    /// Takes the next step.
    pub(super) fn step(&mut self, random: &mut Random) -> Step {
        self.clock = self.clock.wrapping_add(1);
        let jitter = u64::from(random.below(20_000));
        let (segment, stage, wait) = match self.stage {
            Stage::Syn(sent) => self.connect(sent),
            Stage::Answer if self.fate == Fate::Refused => {
                (Some(self.server_sends(flag::RST | flag::ACK, 0)), Stage::Over, RTT)
            }
            Stage::Answer => {
                let segment = self.server_sends(flag::SYN | flag::ACK, 0);
                self.server_seq = self.server_seq.wrapping_add(1);
                (Some(segment), Stage::Established, MS / 50)
            }
            Stage::Established => (Some(self.client_sends(flag::ACK, 0)), Stage::Request, MS / 50),
            Stage::Request => {
                let payload = 200 + random.below_u16(600);
                let segment = self.client_sends(flag::ACK | flag::PSH, payload);
                (Some(segment), Stage::Requested, RTT)
            }
            Stage::Requested => {
                (Some(self.server_sends(flag::ACK, 0)), Stage::Response(self.response), 2 * MS)
            }
            Stage::Response(0) => {
                let segment = self.server_sends(flag::ACK | flag::FIN, 0);
                self.server_seq = self.server_seq.wrapping_add(1);
                (Some(segment), Stage::ClientFin, MS / 10)
            }
            Stage::Response(left) => self.respond(left),
            Stage::Acknowledge(left) => {
                (Some(self.client_sends(flag::ACK, 0)), Stage::Response(left), MS / 80)
            }
            Stage::ClientFin => {
                let segment = self.client_sends(flag::ACK | flag::FIN, 0);
                self.client_seq = self.client_seq.wrapping_add(1);
                (Some(segment), Stage::LastAck, RTT)
            }
            Stage::LastAck => (Some(self.server_sends(flag::ACK, 0)), Stage::Over, MS),
            Stage::Over => (None, Stage::Over, u64::from(random.below(PAUSE_NS))),
        };
        self.stage = stage;
        Step { segment, wait: wait + jitter }
    }

    /// SYNs at 0, 1 and 3 s, as Linux repeated them before 6.5, until the attempt is given up.
    fn connect(&mut self, sent: u8) -> (Option<Segment>, Stage, u64) {
        let mut segment = self.client_sends(flag::SYN, 0);
        if sent > 0 {
            segment.seq = self.client_seq.wrapping_sub(1);
        } else {
            self.client_seq = self.client_seq.wrapping_add(1);
        }
        segment.ack = 0;
        let (stage, wait) = match (self.fate, sent) {
            (Fate::Recovers | Fate::Unanswered, 0) => (Stage::Syn(1), SECOND),
            (Fate::Unanswered, 1) => (Stage::Syn(2), 2 * SECOND),
            (Fate::Unanswered, _) => (Stage::Over, SECOND),
            _ => (Stage::Answer, RTT),
        };
        (Some(segment), stage, wait)
    }

    /// One of `left` segments of the response, the last of which is short.
    fn respond(&mut self, left: u16) -> (Option<Segment>, Stage, u64) {
        let segment = match left {
            1 => self.server_sends(flag::ACK | flag::PSH, LAST),
            _ => self.server_sends(flag::ACK, FULL),
        };
        let before = self.response - left;
        let acknowledged = before < QUICK_ACKS || before % 2 == 1 || left == 1;
        let rest = left - 1;
        let stage = if acknowledged { Stage::Acknowledge(rest) } else { Stage::Response(rest) };
        (Some(segment), stage, MS / 80)
    }

    fn client_sends(&mut self, flags: u8, payload: u16) -> Segment {
        let segment = Segment {
            from: self.client,
            to: self.server,
            seq: self.client_seq,
            ack: self.server_seq,
            flags,
            payload,
            stamps: (self.clock, if flags & flag::SYN == 0 { self.clock } else { 0 }),
        };
        self.client_seq = self.client_seq.wrapping_add(u32::from(payload));
        segment
    }

    fn server_sends(&mut self, flags: u8, payload: u16) -> Segment {
        let segment = Segment {
            from: self.server,
            to: self.client,
            seq: self.server_seq,
            ack: self.client_seq,
            flags,
            payload,
            stamps: (self.clock.wrapping_mul(3), self.clock),
        };
        self.server_seq = self.server_seq.wrapping_add(u32::from(payload));
        segment
    }

    /// Counts a segment of this connection that was written.
    pub(super) fn count(&mut self, segment: &Segment, counts: &mut Counts) {
        if segment.flags & flag::RST != 0 {
            counts.resets += 1;
            self.answered = true;
        } else if segment.flags & (flag::SYN | flag::ACK) == flag::SYN {
            counts.syns += 1;
            counts.attempts += u64::from(!self.asked);
            self.asked = true;
        } else if segment.flags & flag::SYN != 0 {
            counts.synacks += 1;
            counts.near_misses += u64::from(self.fate == Fate::Recovers);
            self.answered = true;
        } else if segment.from == self.client {
            counts.completed += u64::from(!self.completed);
            self.completed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The segments of connections that nothing happens to.
    fn clean() -> impl Iterator<Item = Vec<Segment>> {
        let mut random = Random::new(7);
        let mut numbers = 0..400;
        std::iter::from_fn(move || {
            let mut flow = Flow::new(numbers.next()?, &mut random);
            let mut segments = Vec::new();
            while flow.stage != Stage::Over {
                segments.extend(flow.step(&mut random).segment);
            }
            Some((flow.fate, segments))
        })
        .filter(|(fate, _)| *fate == Fate::Clean)
        .map(|(_, segments)| segments)
    }

    #[test]
    fn sixteen_segments_are_acknowledged_at_once_and_then_every_second() {
        let mut long = 0;
        for segments in clean() {
            let (client, server) = (segments[0].from, segments[0].to);
            assert!(segments[..3].iter().all(|segment| segment.payload == 0));
            let (request, answer) = (segments[3], segments[4]);
            assert!(request.from == client && request.payload >= 200, "{request:?}");
            assert!(answer.from == server && answer.payload == 0, "{answer:?}");
            assert_eq!(answer.ack, request.seq.wrapping_add(u32::from(request.payload)));
            let (mut data, mut waiting) = (0, 0);
            for segment in &segments[5..] {
                if segment.from == server && segment.payload > 0 {
                    data += 1;
                    waiting += 1;
                    assert!(waiting <= if data <= QUICK_ACKS { 1 } else { 2 });
                } else if segment.from == client {
                    waiting = 0;
                }
            }
            assert_eq!(waiting, 0);
            // SYN, SYN+ACK, ACK, request and its ACK; two FINs, the last ACK.
            let acks = segments.len() - 8 - usize::from(data);
            let delayed = data.saturating_sub(QUICK_ACKS);
            assert_eq!(acks, usize::from(data - delayed + delayed.div_ceil(2)));
            long += u32::from(delayed > 0);
        }
        assert!(long > 100);
    }
}
