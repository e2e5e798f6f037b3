//! Captures that lack packets.

use std::net::IpAddr;
use std::time::Duration;

use super::{Spoil, seed, segment, server_ports};
use crate::packet::Tcp;
use crate::pcap::Frame;
use crate::random::Random;

/// Which end sent a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
}

/// Every packet is missing with this probability: the capture's buffer ran over now and then.
pub(super) struct Packets(pub(super) f64);

/// Everything is missing for `length`, about every `every`: the host stood still, a disk was slow.
pub(super) struct Moments {
    pub(super) every: Duration,
    pub(super) length: Duration,
}

/// Nothing that this end sent: a mirror port of one direction.
pub(super) struct Direction(pub(super) Sender);

/// TCP segments without any of these flags: a capture filter.
pub(super) struct WithoutFlags(pub(super) u8);

/// Everything from and to a port: a capture filter that names others.
pub(super) struct Port(pub(super) u16);

/// This share of the connections, in both directions: one card or queue of several.
pub(super) struct Flows(pub(super) f64);

/// What this end sent of this share of the connections: another way there than back.
pub(super) struct FlowsOneWay(pub(super) f64, pub(super) Sender);

/// Everything before and after these thousandths of the capture's time.
pub(super) struct Outside {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Spoil for Packets {
    fn spoil(&self, mut frames: Vec<Frame>, random: &mut Random) -> Vec<Frame> {
        frames.retain(|_| random.fraction() >= self.0);
        frames
    }
}

impl Spoil for Moments {
    fn spoil(&self, mut frames: Vec<Frame>, random: &mut Random) -> Vec<Frame> {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let mut gap = (i64::MIN, i64::MIN);
        frames.retain(|frame| {
            while frame.time_ns >= gap.1 {
                let wait = self.every.mul_f64(-(1.0 - random.fraction()).ln());
                let start = gap.1.max(frame.time_ns).saturating_add(nanos(wait));
                gap = (start, start.saturating_add(nanos(self.length)));
            }
            frame.time_ns < gap.0
        });
        frames
    }
}

impl Spoil for Direction {
    fn spoil(&self, frames: Vec<Frame>, _: &mut Random) -> Vec<Frame> {
        without(frames, |tcp, sender| sender == self.0 && tcp.flags != 0)
    }
}

impl Spoil for WithoutFlags {
    fn spoil(&self, frames: Vec<Frame>, _: &mut Random) -> Vec<Frame> {
        without(frames, |tcp, _| tcp.flags & self.0 == 0)
    }
}

impl Spoil for Port {
    fn spoil(&self, frames: Vec<Frame>, _: &mut Random) -> Vec<Frame> {
        without(frames, |tcp, _| tcp.sport == self.0 || tcp.dport == self.0)
    }
}

impl Spoil for Flows {
    fn spoil(&self, frames: Vec<Frame>, random: &mut Random) -> Vec<Frame> {
        let drawn = random.next_u64();
        without(frames, |tcp, _| of_connection(tcp, drawn) < self.0)
    }
}

impl Spoil for FlowsOneWay {
    fn spoil(&self, frames: Vec<Frame>, random: &mut Random) -> Vec<Frame> {
        let drawn = random.next_u64();
        without(frames, |tcp, sender| sender == self.1 && of_connection(tcp, drawn) < self.0)
    }
}

impl Spoil for Outside {
    fn spoil(&self, mut frames: Vec<Frame>, _: &mut Random) -> Vec<Frame> {
        let times = || frames.iter().map(|frame| frame.time_ns);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return frames };
        let at = |thousandth: i64| first + (last - first) / 1000 * thousandth;
        let kept = at(self.from)..=at(self.to);
        frames.retain(|frame| kept.contains(&frame.time_ns));
        frames
    }
}

/// All but the segments of which `is` is true.
fn without(mut frames: Vec<Frame>, is: impl Fn(&Tcp, Sender) -> bool) -> Vec<Frame> {
    let servers = server_ports(&frames);
    frames.retain(|frame| {
        segment(frame).is_none_or(|tcp| {
            let server = servers.contains(&tcp.sport);
            !is(&tcp, if server { Sender::Server } else { Sender::Client })
        })
    });
    frames
}

/// A number in `0.0..1.0` that all packets of a connection share.
fn of_connection(tcp: &Tcp, drawn: u64) -> f64 {
    let mut ends: [(IpAddr, u16); 2] = [(tcp.src, tcp.sport), (tcp.dst, tcp.dport)];
    ends.sort_unstable();
    Random::new(seed(&[&format!("{ends:?}")]) ^ drawn).fraction()
}
