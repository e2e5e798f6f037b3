//! Attempts as the upstream's capture shows them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;

use super::settings::Settings;
use crate::packet::{Packet, Tcp, decode, flag};
use crate::pcap;
use crate::rewrite::Shift;
use crate::scenario::ClockError;

/// Upstream port and ISN, as the gateway sees them.
pub(super) type Key = (u16, u32);

/// An attempt as the upstream's capture shows it, on the gateway's clock.
#[derive(Debug, Clone, Default)]
pub(super) struct UpstreamAttempt {
    pub(super) syns: Vec<i64>,
    /// How many of these had a wrong checksum.
    pub(super) damaged_syns: usize,
    pub(super) synacks: Vec<i64>,
    /// The ISNs of these SYN+ACKs.
    pub(super) server_isns: Vec<u32>,
    /// What the client sent after its SYN, except RSTs.
    pub(super) acks: Vec<i64>,
    /// RSTs and ICMP errors that the host answered with.
    pub(super) refusals: Vec<i64>,
    /// ACKs of another connection that the host answered with.
    pub(super) foreign_acks: Vec<i64>,
    /// Whether the client closed its direction.
    pub(super) closed: bool,
    /// Whether the server did.
    pub(super) server_closed: bool,
    /// The attempt that had the 4-tuple before.
    pub(super) before: Option<Key>,
}

impl UpstreamAttempt {
    /// Moves all times.
    pub(super) fn shift(&mut self, by: i64) {
        for times in [
            &mut self.syns,
            &mut self.synacks,
            &mut self.acks,
            &mut self.refusals,
            &mut self.foreign_acks,
        ] {
            for time in times.iter_mut() {
                *time += by;
            }
        }
    }
}

/// The ISN that the gateway sees where the upstream sees `isn`.
pub(super) fn client_isn(settings: &Settings, client: IpAddr, port: u16, isn: u32) -> u32 {
    if settings.isn_rewrite { isn.wrapping_sub(Shift::of(client, port).client) } else { isn }
}

/// Reads the capture at `path` and undoes what was done to its `clock`.
pub(super) fn read(
    path: &Path,
    settings: &Settings,
    clock: ClockError,
) -> Result<HashMap<Key, UpstreamAttempt>> {
    let mut attempts = Attempts { settings, all: HashMap::new(), newest: HashMap::new() };
    let mut frames = pcap::read(path)?;
    pcap::right_clock(&mut frames, clock.offset_ns(), clock.drift_ppm);
    for frame in frames {
        match decode(frame.link, &frame.bytes) {
            Some(Packet::Tcp(tcp)) => attempts.segment(&tcp, frame.time_ns),
            // The host's own error, or one that it was sent; both are about an attempt of ours.
            Some(Packet::Unreachable(tcp)) => {
                if let Some(attempt) = attempts.all.get_mut(&(tcp.dport, tcp.seq)) {
                    attempt.refusals.push(frame.time_ns);
                }
            }
            None => {}
        }
    }
    Ok(attempts.all)
}

struct Attempts<'a> {
    settings: &'a Settings,
    all: HashMap<Key, UpstreamAttempt>,
    /// The newest attempt of each 4-tuple, client first.
    newest: HashMap<(IpAddr, u16, IpAddr, u16), Key>,
}

impl Attempts<'_> {
    fn segment(&mut self, tcp: &Tcp, time: i64) {
        if tcp.is_syn() {
            let key = (tcp.dport, client_isn(self.settings, tcp.src, tcp.sport, tcp.seq));
            let before = self.newest.insert((tcp.src, tcp.sport, tcp.dst, tcp.dport), key);
            let attempt = self.all.entry(key).or_default();
            attempt.syns.push(time);
            attempt.damaged_syns += usize::from(tcp.intact == Some(false));
            if before != Some(key) {
                attempt.before = before;
            }
            return;
        }
        let isn = tcp.ack.wrapping_sub(1);
        let answered = (tcp.sport, client_isn(self.settings, tcp.dst, tcp.dport, isn));
        if tcp.is_synack() {
            let attempt = self.all.entry(answered).or_default();
            attempt.synacks.push(time);
            attempt.server_isns.push(tcp.seq);
        } else if tcp.is_rst() && tcp.ack != 0 {
            if let Some(attempt) = self.all.get_mut(&answered) {
                attempt.refusals.push(time);
            }
        } else if tcp.is_ack() {
            let from_client = (tcp.src, tcp.sport, tcp.dst, tcp.dport);
            let from_server = (tcp.dst, tcp.dport, tcp.src, tcp.sport);
            if let Some(key) = self.newest.get(&from_client)
                && let Some(attempt) = self.all.get_mut(key)
            {
                attempt.acks.push(time);
                attempt.closed |= tcp.flags & flag::FIN != 0;
            } else if let Some(key) = self.newest.get(&from_server)
                && let Some(attempt) = self.all.get_mut(key)
            {
                attempt.server_closed |= tcp.flags & flag::FIN != 0;
                if *key != answered && attempt.synacks.is_empty() {
                    attempt.foreign_acks.push(time);
                }
            }
        }
    }
}
