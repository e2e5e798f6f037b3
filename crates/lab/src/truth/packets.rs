//! What the captures of a set hold about each attempt, at the gateway, at the upstream and at the
//! router's drop rules.
//!
//! Attempts are matched between gateway and upstream by upstream port and ISN alone, which holds
//! behind NAT too; the ISNs of a run do not repeat on a port.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;

use super::gateway_captures;
use crate::packet::{Packet, Tcp, decode};
use crate::pcap;

/// Upstream port and ISN.
pub(super) type Key = (u16, u32);

/// An attempt as the gateway's capture shows it.
#[derive(Debug, Clone)]
pub(super) struct GatewayAttempt {
    pub(super) src: IpAddr,
    pub(super) sport: u16,
    pub(super) dst: IpAddr,
    pub(super) dport: u16,
    pub(super) isn: u32,
    /// Time, file and frame of each SYN.
    pub(super) syns: Vec<(i64, String, u64)>,
    /// Times of SYN+ACKs that answer it.
    pub(super) synacks: Vec<i64>,
    /// Times of ACKs that answer its port while it was still unanswered: of another connection.
    pub(super) foreign_acks: Vec<i64>,
    /// Times of what the client sent after its SYN, except RSTs.
    pub(super) acks: Vec<i64>,
    /// Times of RSTs that answer it.
    pub(super) refusals: Vec<i64>,
    /// Times of ICMP errors about it.
    pub(super) unreachables: Vec<i64>,
}

impl GatewayAttempt {
    pub(super) fn start(&self) -> i64 {
        self.syns.first().map_or(i64::MAX, |(time, ..)| *time)
    }

    pub(super) fn key(&self) -> Key {
        (self.dport, self.isn)
    }
}

/// An attempt as the upstream's capture shows it, on the gateway's clock.
#[derive(Debug, Clone, Default)]
pub(super) struct UpstreamAttempt {
    pub(super) syns: Vec<i64>,
    pub(super) synacks: Vec<i64>,
    /// What the client sent after its SYN, except RSTs.
    pub(super) acks: Vec<i64>,
    /// RSTs that the host answered with.
    pub(super) refusals: Vec<i64>,
}

/// Everything that the captures of a set hold.
#[derive(Debug, Default)]
pub(super) struct Packets {
    pub(super) gateway: Vec<GatewayAttempt>,
    pub(super) upstream: HashMap<Key, UpstreamAttempt>,
    /// Attempts of which the router dropped a SYN.
    pub(super) dropped_syns: HashSet<Key>,
    /// Attempts of which the router dropped a SYN+ACK.
    pub(super) dropped_synacks: HashSet<Key>,
}

impl Packets {
    /// Reads the captures in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut packets = Self::default();
        packets.read_gateway(folder)?;
        packets.read_upstream(folder)?;
        packets.align_clocks();
        let dropped = folder.join("dropped.pcap");
        if dropped.exists() {
            for frame in pcap::read(&dropped)? {
                match decode(frame.link, &frame.bytes) {
                    Some(Packet::Tcp(tcp)) if tcp.is_syn() => {
                        packets.dropped_syns.insert((tcp.dport, tcp.seq));
                    }
                    Some(Packet::Tcp(tcp)) if tcp.is_synack() => {
                        packets.dropped_synacks.insert((tcp.sport, tcp.ack.wrapping_sub(1)));
                    }
                    _ => {}
                }
            }
        }
        Ok(packets)
    }

    fn read_gateway(&mut self, folder: &Path) -> Result<()> {
        // The newest attempt of each 4-tuple, as client and server are seen from the gateway.
        let mut newest: HashMap<(IpAddr, u16, IpAddr, u16), usize> = HashMap::new();
        for path in gateway_captures(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for frame in pcap::read(&path)? {
                match decode(frame.link, &frame.bytes) {
                    Some(Packet::Tcp(tcp)) if tcp.is_syn() => {
                        let at = (frame.time_ns, name.clone(), frame.number);
                        self.gateway_syn(&mut newest, &tcp, at);
                    }
                    Some(Packet::Tcp(tcp)) => {
                        let sent = (tcp.src, tcp.sport, tcp.dst, tcp.dport);
                        let index = newest.get(&sent).copied();
                        if let Some(attempt) = index.and_then(|index| self.gateway.get_mut(index))
                            && tcp.is_ack()
                        {
                            attempt.acks.push(frame.time_ns);
                        }
                        let tuple = (tcp.dst, tcp.dport, tcp.src, tcp.sport);
                        let index = newest.get(&tuple).copied();
                        if let Some(attempt) = index.and_then(|index| self.gateway.get_mut(index)) {
                            gateway_answer(attempt, &tcp, frame.time_ns);
                        }
                    }
                    Some(Packet::Unreachable(tcp)) => {
                        let tuple = (tcp.src, tcp.sport, tcp.dst, tcp.dport);
                        let index = newest.get(&tuple).copied();
                        if let Some(attempt) = index.and_then(|index| self.gateway.get_mut(index))
                            && attempt.isn == tcp.seq
                        {
                            attempt.unreachables.push(frame.time_ns);
                        }
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn gateway_syn(
        &mut self,
        newest: &mut HashMap<(IpAddr, u16, IpAddr, u16), usize>,
        tcp: &Tcp,
        at: (i64, String, u64),
    ) {
        let tuple = (tcp.src, tcp.sport, tcp.dst, tcp.dport);
        if let Some(attempt) = newest.get(&tuple).and_then(|index| self.gateway.get_mut(*index))
            && attempt.isn == tcp.seq
        {
            attempt.syns.push(at);
            return;
        }
        newest.insert(tuple, self.gateway.len());
        self.gateway.push(GatewayAttempt {
            src: tcp.src,
            sport: tcp.sport,
            dst: tcp.dst,
            dport: tcp.dport,
            isn: tcp.seq,
            syns: vec![at],
            synacks: Vec::new(),
            foreign_acks: Vec::new(),
            acks: Vec::new(),
            refusals: Vec::new(),
            unreachables: Vec::new(),
        });
    }

    fn read_upstream(&mut self, folder: &Path) -> Result<()> {
        let mut newest: HashMap<(IpAddr, u16, IpAddr, u16), Key> = HashMap::new();
        for frame in pcap::read(&folder.join("upstream.pcap"))? {
            let Some(Packet::Tcp(tcp)) = decode(frame.link, &frame.bytes) else { continue };
            let time = frame.time_ns;
            if tcp.is_syn() {
                let key = (tcp.dport, tcp.seq);
                newest.insert((tcp.src, tcp.sport, tcp.dst, tcp.dport), key);
                self.upstream.entry(key).or_default().syns.push(time);
            } else if tcp.is_synack() {
                let key = (tcp.sport, tcp.ack.wrapping_sub(1));
                self.upstream.entry(key).or_default().synacks.push(time);
            } else if tcp.is_rst() && tcp.ack != 0 {
                let key = (tcp.sport, tcp.ack.wrapping_sub(1));
                if let Some(attempt) = self.upstream.get_mut(&key) {
                    attempt.refusals.push(time);
                }
            } else if tcp.is_ack()
                && let Some(key) = newest.get(&(tcp.src, tcp.sport, tcp.dst, tcp.dport))
                && let Some(attempt) = self.upstream.get_mut(key)
            {
                attempt.acks.push(time);
            }
        }
        Ok(())
    }

    /// Moves the upstream's times onto the gateway's clock, by the median delay of SYNs that were
    /// sent once. The error is the delay of one hop in the same machine.
    fn align_clocks(&mut self) {
        let mut delays: Vec<i64> = Vec::new();
        for attempt in &self.gateway {
            if let ([(sent, ..)], Some([arrived])) =
                (&attempt.syns[..], self.upstream.get(&attempt.key()).map(|up| &up.syns[..]))
            {
                delays.push(arrived - sent);
            }
        }
        delays.sort_unstable();
        let offset = delays.get(delays.len() / 2).copied().unwrap_or(0);
        for up in self.upstream.values_mut() {
            for times in [&mut up.syns, &mut up.synacks, &mut up.acks, &mut up.refusals] {
                for time in times.iter_mut() {
                    *time -= offset;
                }
            }
        }
    }
}

/// Notes a packet from the server of the attempt's 4-tuple.
fn gateway_answer(attempt: &mut GatewayAttempt, tcp: &Tcp, time: i64) {
    let answers = tcp.ack == attempt.isn.wrapping_add(1);
    if tcp.is_synack() && answers {
        attempt.synacks.push(time);
    } else if tcp.is_rst() && answers {
        attempt.refusals.push(time);
    } else if tcp.is_ack() && attempt.synacks.is_empty() && !answers {
        attempt.foreign_acks.push(time);
    }
}
