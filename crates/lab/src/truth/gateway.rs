//! Attempts as the gateway's capture shows them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Result;

use super::upstream::Key;
use crate::packet::{Packet, Tcp, decode};
use crate::pcap;
use crate::scenario::ClockError;

/// A SYN that was sent.
#[derive(Debug, Clone)]
pub(super) struct Syn {
    pub(super) time: i64,
    pub(super) file: String,
    pub(super) frame: u64,
    /// Its timestamp, where it has the option.
    pub(super) value: Option<u32>,
}

/// A SYN+ACK that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SynAck {
    pub(super) time: i64,
    /// The server's ISN.
    pub(super) isn: u32,
    /// The timestamp that it echoes, where it has the option.
    pub(super) echo: Option<u32>,
    /// Its checksum is wrong.
    pub(super) damaged: bool,
}

/// An attempt as the gateway's capture shows it.
#[derive(Debug, Clone)]
pub(super) struct GatewayAttempt {
    pub(super) src: IpAddr,
    pub(super) sport: u16,
    pub(super) dst: IpAddr,
    pub(super) dport: u16,
    pub(super) isn: u32,
    pub(super) syns: Vec<Syn>,
    /// SYN+ACKs that answer it.
    pub(super) synacks: Vec<SynAck>,
    /// SYN+ACKs to its port that acknowledge something else.
    pub(super) odd_synacks: Vec<SynAck>,
    /// Times and acknowledgment numbers of ACKs that answer its port while it was still unanswered:
    /// of another connection.
    pub(super) foreign_acks: Vec<(i64, u32)>,
    /// The server sent a SYN of its own to the client's port.
    pub(super) met: bool,
    /// Times of what the client sent after its SYN, except RSTs.
    pub(super) acks: Vec<i64>,
    /// Whether the server acknowledged more than the SYN.
    pub(super) heard: bool,
    /// Times of RSTs that answer it.
    pub(super) refusals: Vec<i64>,
    /// Times of ICMP errors about it.
    pub(super) unreachables: Vec<i64>,
}

impl GatewayAttempt {
    pub(super) fn start(&self) -> i64 {
        self.syns.first().map_or(i64::MAX, |syn| syn.time)
    }

    pub(super) fn key(&self) -> Key {
        (self.dport, self.isn)
    }

    fn new(tcp: &Tcp, syn: Syn) -> Self {
        Self {
            src: tcp.src,
            sport: tcp.sport,
            dst: tcp.dst,
            dport: tcp.dport,
            isn: tcp.seq,
            syns: vec![syn],
            synacks: Vec::new(),
            odd_synacks: Vec::new(),
            foreign_acks: Vec::new(),
            met: false,
            acks: Vec::new(),
            heard: false,
            refusals: Vec::new(),
            unreachables: Vec::new(),
        }
    }

    /// Notes a packet from the server of the attempt's 4-tuple.
    fn answer(&mut self, tcp: &Tcp, time: i64) {
        let answers = tcp.ack == self.isn.wrapping_add(1);
        let echo = tcp.timestamps.map(|(_, echo)| echo);
        if tcp.is_synack() {
            let damaged = tcp.intact == Some(false);
            let synack = SynAck { time, isn: tcp.seq, echo, damaged };
            if answers { &mut self.synacks } else { &mut self.odd_synacks }.push(synack);
        } else if tcp.is_rst() && answers {
            self.refusals.push(time);
        } else if tcp.is_ack() && self.synacks.is_empty() && !answers {
            self.foreign_acks.push((time, tcp.ack));
        } else if tcp.is_ack() && !self.synacks.is_empty() && !answers {
            self.heard = true;
        }
    }
}

/// Reads the captures at `paths`, in order, and undoes what was done to their clock.
pub(super) fn read(paths: &[PathBuf], clock: ClockError) -> Result<Vec<GatewayAttempt>> {
    let mut attempts = Attempts::default();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut frames = pcap::read(path)?;
        pcap::right_clock(&mut frames, clock.offset_ns(), clock.drift_ppm);
        for frame in frames {
            let time = frame.time_ns;
            match decode(frame.link, &frame.bytes) {
                Some(Packet::Tcp(tcp)) if tcp.is_syn() => {
                    if let Some(met) = attempts.newest(tcp.dst, tcp.dport, tcp.src, tcp.sport) {
                        met.met = true;
                    }
                    let value = tcp.timestamps.map(|(value, _)| value);
                    attempts
                        .syn(&tcp, Syn { time, file: name.clone(), frame: frame.number, value });
                }
                Some(Packet::Tcp(tcp)) => {
                    if let Some(attempt) = attempts.newest(tcp.src, tcp.sport, tcp.dst, tcp.dport)
                        && tcp.is_ack()
                    {
                        attempt.acks.push(time);
                    }
                    let tuple = (tcp.dst, tcp.dport, tcp.src, tcp.sport);
                    if let Some(attempt) = attempts.newest(tuple.0, tuple.1, tuple.2, tuple.3) {
                        attempt.answer(&tcp, time);
                    }
                }
                Some(Packet::Unreachable(tcp)) => {
                    if let Some(attempt) = attempts.newest(tcp.src, tcp.sport, tcp.dst, tcp.dport)
                        && attempt.isn == tcp.seq
                    {
                        attempt.unreachables.push(time);
                    }
                }
                None => {}
            }
        }
    }
    Ok(attempts.all)
}

#[derive(Default)]
struct Attempts {
    all: Vec<GatewayAttempt>,
    /// The newest attempt of each 4-tuple, as client and server are seen from the gateway.
    newest: HashMap<(IpAddr, u16, IpAddr, u16), usize>,
}

impl Attempts {
    fn newest(
        &mut self,
        src: IpAddr,
        sport: u16,
        dst: IpAddr,
        dport: u16,
    ) -> Option<&mut GatewayAttempt> {
        let index = self.newest.get(&(src, sport, dst, dport)).copied()?;
        self.all.get_mut(index)
    }

    fn syn(&mut self, tcp: &Tcp, syn: Syn) {
        if let Some(attempt) = self.newest(tcp.src, tcp.sport, tcp.dst, tcp.dport)
            && attempt.isn == tcp.seq
        {
            attempt.syns.push(syn);
            return;
        }
        self.newest.insert((tcp.src, tcp.sport, tcp.dst, tcp.dport), self.all.len());
        self.all.push(GatewayAttempt::new(tcp, syn));
    }
}
