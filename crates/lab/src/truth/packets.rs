//! What the captures of a set hold about each attempt, at the gateway, at the upstream and at the
//! drop rules of routers and gateway.
//!
//! Attempts are matched between gateway and upstream by upstream port and ISN alone, which holds
//! behind NAT too; the ISNs of a run do not repeat on a port.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;

use super::gateway::{self, GatewayAttempt};
use super::settings::Settings;
use super::upstream::{self, Key, UpstreamAttempt};
use crate::packet::{Packet, decode};
use crate::pcap;
use crate::scenario::ClockError;

/// Everything that the captures of a set hold.
#[derive(Debug, Default)]
pub(super) struct Packets {
    pub(super) gateway: Vec<GatewayAttempt>,
    pub(super) upstream: HashMap<Key, UpstreamAttempt>,
    /// Attempts whose SYNs the gateway's own filter dropped before they were captured.
    pub(super) unsent: Vec<GatewayAttempt>,
    /// What each firewall dropped, from the gateway on.
    pub(super) dropped: Vec<Dropped>,
    /// The SYN proxy was captured on its own two sides: where one answers, it is the far end.
    pub(super) proxy_captured: bool,
}

/// Attempts of which a firewall dropped something.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) syns: HashSet<Key>,
    pub(super) synacks: HashSet<Key>,
}

impl Dropped {
    fn read(path: &Path, settings: &Settings) -> Result<Self> {
        let mut dropped = Self::default();
        for frame in pcap::read(path)? {
            let Some(Packet::Tcp(tcp)) = decode(frame.link, &frame.bytes) else { continue };
            if tcp.is_syn() {
                dropped.syns.insert((tcp.dport, tcp.seq));
            } else if tcp.is_synack() {
                // Dropped on its way back, still with the numbers of the upstream's side.
                let isn = tcp.ack.wrapping_sub(1);
                let isn = upstream::client_isn(settings, tcp.dst, tcp.dport, isn);
                dropped.synacks.insert((tcp.sport, isn));
            }
        }
        Ok(dropped)
    }
}

impl Packets {
    /// Reads the captures in `folder`.
    pub(super) fn read(folder: &Path, settings: &Settings) -> Result<Self> {
        let mut packets = Self {
            gateway: gateway::read(&super::gateway_captures(folder)?, settings.gateway_clock)?,
            upstream: upstream::read(
                &folder.join("upstream.pcap"),
                settings,
                settings.upstream_clock,
            )?,
            ..Self::default()
        };
        let front = folder.join("front.pcap");
        if front.exists() {
            packets.proxy_captured = true;
            let proxied = |port: &u16| settings.proxied.contains(port);
            packets.upstream.retain(|(port, _), _| !proxied(port));
            let front = upstream::read(&front, settings, ClockError::default())?;
            packets.upstream.extend(front.into_iter().filter(|((port, _), _)| proxied(port)));
        }
        let unsent = folder.join("unsent.pcap");
        if unsent.exists() {
            packets.unsent = gateway::read(&[unsent], ClockError::default())?;
        }
        // Sets of our own say how wrong their clocks are, and that has been undone.
        if !settings.losses_logged {
            packets.align_clocks();
        }
        for name in ["dropped.pcap", "dropped2.pcap"] {
            let path = folder.join(name);
            if path.exists() {
                packets.dropped.push(Dropped::read(&path, settings)?);
            }
        }
        Ok(packets)
    }

    /// Whether no capture can decide the fate of an attempt to this port: what would have to answer is not
    /// among the points. Of a SYN to an address that stands for several servers, and that came to none of
    /// them, no packet tells that it was not for one more, which nobody captured.
    pub(super) fn undecidable(&self, settings: &Settings, port: u16, cause: &str) -> bool {
        settings.proxied.contains(&port) && !self.proxy_captured
            || settings.servers > 1 && cause == "syn_lost"
    }

    /// Moves the upstream's times onto the gateway's clock, by the median delay of SYNs that were
    /// sent once. The error is the delay of one hop in the same machine.
    fn align_clocks(&mut self) {
        let mut delays: Vec<i64> = Vec::new();
        for attempt in &self.gateway {
            if let ([sent], Some([arrived])) =
                (&attempt.syns[..], self.upstream.get(&attempt.key()).map(|up| &up.syns[..]))
            {
                delays.push(arrived - sent.time);
            }
        }
        delays.sort_unstable();
        let offset = delays.get(delays.len() / 2).copied().unwrap_or(0);
        for up in self.upstream.values_mut() {
            up.shift(-offset);
        }
    }
}
