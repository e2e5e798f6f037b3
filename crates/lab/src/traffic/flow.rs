//! One generated connection, step by step.

use std::net::Ipv4Addr;

use super::Counts;
use crate::packet::flag;
use crate::random::Random;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// Round-trip time of the generated connections.
const RTT: u64 = MS / 2;
/// The longest pause before the next connection: with 200 at a time, about 40,000 packets a second.
pub(super) const PAUSE_NS: u32 = 400_000_000;
/// Payload of a full segment: 1500 bytes less the headers with time stamps.
const FULL: u16 = 1448;

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
    /// How many segments of the response are left, and whether the client is to acknowledge.
    Response(u16),
    Acknowledge(u16),
    ServerFin,
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
    response: u16,
    client_seq: u32,
    server_seq: u32,
    clock: u32,
    asked: bool,
    answered: bool,
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
            response: 4 + random.below_u16(40),
            client_seq: random.next_u32(),
            server_seq: random.next_u32(),
            clock: random.next_u32(),
            asked: false,
            answered: false,
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
                (Some(segment), Stage::Response(self.response), RTT + 2 * MS)
            }
            Stage::Response(0) => {
                (Some(self.server_sends(flag::ACK | flag::PSH, 300)), Stage::ServerFin, MS / 10)
            }
            Stage::Response(left) => {
                let segment = self.server_sends(flag::ACK, FULL);
                let next = if left % 2 == 0 {
                    Stage::Acknowledge(left - 1)
                } else {
                    Stage::Response(left - 1)
                };
                (Some(segment), next, MS / 80)
            }
            Stage::Acknowledge(left) => {
                (Some(self.client_sends(flag::ACK, 0)), Stage::Response(left), MS / 80)
            }
            Stage::ServerFin => {
                let segment = self.server_sends(flag::ACK | flag::FIN, 0);
                self.server_seq = self.server_seq.wrapping_add(1);
                (Some(segment), Stage::ClientFin, MS / 10)
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
        }
    }
}
