//! What became of every frame: the counters add up to the number of frames.

use std::collections::BTreeMap;

use why504_model::{Damage, Diagnostic, Location, Packet, SourceId, Timestamp};

use crate::block::{Content, Frame};
use crate::{LinkType, Tunnel};

/// Why a frame became no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unused {
    /// IP, but neither TCP nor an ICMP error about TCP. Of ICMPv6 it is looked at who asks for a
    /// neighbour and who answers.
    OtherIp,
    /// Not IP: ARP, LLDP and so on. Of ARP about IPv4 it is looked at who asks and who answers.
    NonIp,
    /// A later fragment of an IP packet: it has no TCP header.
    Fragment,
    /// The snapshot length cut the frame before the TCP flags.
    CutShort,
    /// A header contradicts itself or the length of the frame.
    Malformed,
    /// A link type that is not decoded.
    UnknownLink(LinkType),
    /// A packet without a time stamp (pcapng simple packet block).
    Untimed,
    /// A numbered record that is no packet: a journal entry, a custom block.
    NotAPacket,
}

/// Counters of frames; [`DecodeTally::frames`] is their sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecodeTally {
    /// TCP segments.
    pub tcp: u64,
    /// ICMP errors that quote a TCP segment.
    pub icmp_errors: u64,
    /// See [`Unused::OtherIp`].
    pub other_ip: u64,
    /// See [`Unused::NonIp`].
    pub non_ip: u64,
    /// See [`Unused::Fragment`].
    pub fragments: u64,
    /// See [`Unused::CutShort`].
    pub cut_short: u64,
    /// See [`Unused::Malformed`].
    pub malformed: u64,
    /// See [`Unused::Untimed`].
    pub untimed: u64,
    /// See [`Unused::NotAPacket`].
    pub not_packets: u64,
    /// See [`Unused::UnknownLink`], by link type.
    pub unknown_link: BTreeMap<LinkType, u64>,
    /// How many TCP and ICMP packets came out of a tunnel, by its kind, whole or cut. They are
    /// counted above as well.
    pub tunnelled: BTreeMap<Tunnel, u64>,
    /// Earliest and latest time stamp of all timed frames, used or not: what the capture covers.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl DecodeTally {
    /// All frames counted.
    pub fn frames(&self) -> u64 {
        [
            self.tcp,
            self.icmp_errors,
            self.other_ip,
            self.non_ip,
            self.fragments,
            self.cut_short,
            self.malformed,
            self.untimed,
            self.not_packets,
        ]
        .into_iter()
        .chain(self.unknown_link.values().copied())
        .fold(0, u64::saturating_add)
    }

    /// Counts a packet.
    pub(crate) fn count_packet(&mut self, packet: &Packet) {
        let counter = match packet {
            Packet::Tcp(_) => &mut self.tcp,
            Packet::Icmp(_) => &mut self.icmp_errors,
            Packet::Resolution(of) if of.target.is_ipv4() => &mut self.non_ip,
            Packet::Resolution(_) => &mut self.other_ip,
        };
        *counter = counter.saturating_add(1);
    }

    /// Counts a numbered record that is no frame.
    pub(crate) fn count_unusable(&mut self, content: &Content<'_>) {
        match content {
            Content::Frame(_) => {}
            Content::Malformed => self.count(Unused::Malformed),
            Content::NotAPacket => self.count(Unused::NotAPacket),
        }
    }

    /// The frame's time stamp, noted in the span; a frame without one is counted as such.
    #[inline]
    pub(crate) fn time_of(&mut self, frame: &Frame<'_>) -> Option<Timestamp> {
        match frame.time {
            Some(time) => self.see(time),
            None => self.count(Unused::Untimed),
        }
        frame.time
    }

    /// Counts so many segments with the earliest and the latest of their times.
    pub(crate) fn plain_segments(&mut self, count: usize, (first, last): (Timestamp, Timestamp)) {
        self.tcp = self.tcp.saturating_add(count as u64);
        self.see(first);
        self.see(last);
    }

    /// Counts one frame that became no packet.
    pub(crate) fn count(&mut self, unused: Unused) {
        let counter = match unused {
            Unused::OtherIp => &mut self.other_ip,
            Unused::NonIp => &mut self.non_ip,
            Unused::Fragment => &mut self.fragments,
            Unused::CutShort => &mut self.cut_short,
            Unused::Malformed => &mut self.malformed,
            Unused::Untimed => &mut self.untimed,
            Unused::NotAPacket => &mut self.not_packets,
            Unused::UnknownLink(link) => self.unknown_link.entry(link).or_default(),
        };
        *counter = counter.saturating_add(1);
    }

    /// Widens the span to hold `time`.
    #[inline]
    fn see(&mut self, time: Timestamp) {
        self.span = Some(match self.span {
            None => (time, time),
            Some((first, last)) => (first.min(time), last.max(time)),
        });
    }

    /// Adds the counters of another block of the same or of another capture.
    pub fn merge(&mut self, other: &Self) {
        let counters = [
            (&mut self.tcp, other.tcp),
            (&mut self.icmp_errors, other.icmp_errors),
            (&mut self.other_ip, other.other_ip),
            (&mut self.non_ip, other.non_ip),
            (&mut self.fragments, other.fragments),
            (&mut self.cut_short, other.cut_short),
            (&mut self.malformed, other.malformed),
            (&mut self.untimed, other.untimed),
            (&mut self.not_packets, other.not_packets),
        ];
        for (counter, more) in counters {
            *counter = counter.saturating_add(more);
        }
        for (link, more) in &other.unknown_link {
            let counter = self.unknown_link.entry(*link).or_default();
            *counter = counter.saturating_add(*more);
        }
        for (tunnel, more) in &other.tunnelled {
            let counter = self.tunnelled.entry(*tunnel).or_default();
            *counter = counter.saturating_add(*more);
        }
        if let Some((first, last)) = other.span {
            self.see(first);
            self.see(last);
        }
    }

    /// What the frames are when none of them says anything of TCP; `None` when one does, or there is none.
    pub fn nothing_of_tcp(&self) -> Option<String> {
        if self.frames() == 0 || self.tcp > 0 || self.icmp_errors > 0 {
            return None;
        }
        let unknown = self.unknown_link.values().copied().fold(0, u64::saturating_add);
        let kinds = [
            (self.non_ip, "not IP"),
            (self.other_ip, "IP of other kinds"),
            (self.fragments, "fragments"),
            (self.cut_short, "cut too short"),
            (self.malformed, "malformed"),
            (self.untimed, "without a time"),
            (self.not_packets, "no packets"),
            (unknown, "of a link type that is not decoded"),
        ];
        let there = kinds.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = there.map(|(count, kind)| format!("{count} {kind}")).collect();
        Some(format!("none of its frames holds TCP that can be read ({})", words.join(", ")))
    }

    /// What the owner of the capture `source` should know about frames that were not used: link
    /// types that are not decoded, headers cut by the snapshot length, packets without time.
    pub fn diagnostics(&self, source: SourceId) -> Vec<Diagnostic> {
        let whole = Location { source, record: 0 };
        let partial = |message: String| Diagnostic::new(whole, Damage::Partial, message);
        let mut found: Vec<Diagnostic> = self
            .unknown_link
            .iter()
            .map(|(link, frames)| {
                partial(format!(
                    "frames of link type {link}, which is not decoded: {frames}; capture on the \
                     interface that carries the IP packets, or with `-i any`"
                ))
            })
            .collect();
        if self.untimed > 0 {
            found.push(partial(format!(
                "packets without a time stamp (simple packet blocks), which have no place in time: {}",
                self.untimed
            )));
        }
        let note = |message: String| Diagnostic::new(whole, Damage::Note, message);
        if self.cut_short > 0 {
            found.push(note(format!(
                "frames that are cut before the TCP flags: {}; capture with a larger snapshot length \
                 (`-s 128`)",
                self.cut_short
            )));
        }
        if self.malformed > 0 {
            found.push(note(format!(
                "frames whose headers contradict themselves, or whose interface is not described: {}",
                self.malformed
            )));
        }
        found
    }
}
