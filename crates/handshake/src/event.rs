//! One packet in the life of an attempt.

use core::net::IpAddr;

use why504_model::{
    Checksum, IcmpError, Location, Segment, SeqNumber, Span, TcpFlags, TcpTimestamps, Timestamp,
    Vlan,
};

/// A copy of a packet that a bridge, a second VLAN or a mirror delivers comes within this time. No timer
/// of Linux repeats a packet sooner than after 200 ms (`TCP_RTO_MIN`), unless it was told to.
pub(crate) const MIRRORED: Span = Span::from_millis(150);

/// What bears the time stamp of a packet and comes later than this was not sent then: time stamps count
/// milliseconds (Linux `TCP_TS_HZ`; RFC 7323 section 5.4 allows slower clocks, on which nothing is sent
/// again so soon).
const STAMP_TICKS: Span = Span::from_millis(5);

/// Who sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that connects: the gateway.
    Client,
    /// The end that is asked: the upstream. ICMP errors from the path count here.
    Server,
}

/// What a packet is in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// SYN, the first handshake.
    Syn,
    /// SYN+ACK, the second handshake.
    SynAck,
    /// An ACK without payload: from the client the third handshake, from the server "not that one".
    Ack,
    /// Payload.
    Data,
    /// FIN, with or without payload.
    Fin,
    /// RST.
    Rst,
    /// An ICMP error that quotes a SYN of the attempt.
    Icmp,
}

/// Type and code of an ICMP error and who reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpCause {
    /// Type, ICMP or ICMPv6 by the family of `reporter`.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The router or host that sent it.
    pub reporter: IpAddr,
}

/// One packet of an attempt as one capture point saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// On the capturing host's clock.
    pub time: Timestamp,
    /// File and frame.
    pub location: Location,
    /// Who sent it.
    pub side: Side,
    /// What it is.
    pub kind: EventKind,
    /// Flag octet; empty for ICMP.
    pub flags: TcpFlags,
    /// Raw sequence number; for ICMP that of the quoted segment.
    pub seq: SeqNumber,
    /// Raw acknowledgement number, zero where ACK is not set.
    pub ack: SeqNumber,
    /// TCP timestamps, when captured.
    pub timestamps: Option<TcpTimestamps>,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Octets of payload.
    pub payload_len: u32,
    /// The checksum of a SYN or SYN+ACK as it was captured.
    pub checksum: Checksum,
    /// The VLAN of a SYN or SYN+ACK that bears a tag.
    pub vlan: Option<Vlan>,
    /// Set for [`EventKind::Icmp`].
    pub icmp: Option<IcmpCause>,
    /// The ISN of another attempt that this packet answers: a bare ACK for an attempt that still
    /// held the port, and the RST that it provokes.
    pub about: Option<SeqNumber>,
    /// The ISN of a later SYN that drew this packet: a bare ACK for this attempt, which still held the
    /// port.
    pub drawn_by: Option<SeqNumber>,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl Event {
    /// A segment as an event of an attempt whose client or server sent it.
    pub(crate) fn of(segment: &Segment, side: Side) -> Self {
        Self {
            time: segment.time,
            location: segment.location,
            side,
            kind: kind_of(segment),
            flags: segment.flags,
            seq: segment.seq,
            ack: if segment.flags.contains(TcpFlags::ACK) { segment.ack } else { SeqNumber(0) },
            timestamps: segment.timestamps,
            ip_id: segment.ip_id,
            ttl: segment.ttl,
            payload_len: segment.payload_len,
            checksum: segment.checksum,
            vlan: segment.vlan,
            icmp: None,
            about: None,
            drawn_by: None,
        }
    }

    /// An ICMP error as an event of the attempt whose SYN it quotes.
    pub(crate) fn of_icmp(error: &IcmpError) -> Self {
        Self {
            time: error.time,
            location: error.location,
            side: Side::Server,
            kind: EventKind::Icmp,
            flags: TcpFlags::default(),
            seq: error.quoted_seq,
            ack: SeqNumber(0),
            timestamps: None,
            ip_id: None,
            ttl: 0,
            payload_len: 0,
            checksum: Checksum::Unknown,
            vlan: None,
            icmp: Some(IcmpCause { kind: error.kind, code: error.code, reporter: error.reporter }),
            about: None,
            drawn_by: None,
        }
    }

    /// The letter of this event in a history string: `S` SYN, `H` SYN+ACK, `A` ACK, `D` data,
    /// `F` FIN, `R` RST, `I` ICMP; upper case from the client, lower case from the server. The
    /// vocabulary of Zeek's `conn.log` (base/protocols/conn/main.zeek).
    pub const fn letter(&self) -> char {
        let upper = match self.kind {
            EventKind::Syn => 'S',
            EventKind::SynAck => 'H',
            EventKind::Ack => 'A',
            EventKind::Data => 'D',
            EventKind::Fin => 'F',
            EventKind::Rst => 'R',
            EventKind::Icmp => 'I',
        };
        match self.side {
            Side::Client => upper,
            Side::Server => upper.to_ascii_lowercase(),
        }
    }

    /// The sequence number behind this packet: SYN and FIN take one each (RFC 9293 section 3.4).
    pub fn next_seq(&self) -> SeqNumber {
        let mark = |flag| u32::from(self.flags.contains(flag));
        self.seq.plus(self.payload_len).plus(mark(TcpFlags::SYN) + mark(TcpFlags::FIN))
    }

    /// Whether it is the packet of `before`, captured a second time: all that tells packets apart is the
    /// same. Where the IP identification does not count (0, or IPv6), a server that answers two copies
    /// of a SYN sends two packets that are the same in all that is known here, within one tick of its
    /// time stamp clock: these are kept.
    pub(crate) fn is_captured_again(&self, before: &Self) -> bool {
        let apart = self.time.distance(before.time);
        let identified = self.ip_id.is_some_and(|id| id != 0)
            || self.timestamps.is_some() && apart >= STAMP_TICKS;
        identified
            && apart <= MIRRORED
            && (self.side, self.kind, self.flags) == (before.side, before.kind, before.flags)
            && (self.seq, self.ack, self.payload_len)
                == (before.seq, before.ack, before.payload_len)
            && (self.ip_id, self.timestamps) == (before.ip_id, before.timestamps)
            && self.kind != EventKind::Icmp
    }

    /// Whether it is of `kind` and `side`, and speaks of this attempt and no other.
    pub(crate) fn is(&self, side: Side, kind: EventKind) -> bool {
        self.side == side && self.kind == kind && self.about.is_none()
    }
}

fn kind_of(segment: &Segment) -> EventKind {
    if segment.is_rst() {
        EventKind::Rst
    } else if segment.is_syn_ack() {
        EventKind::SynAck
    } else if segment.is_syn() {
        EventKind::Syn
    } else if segment.flags.contains(TcpFlags::FIN) {
        EventKind::Fin
    } else if segment.payload_len > 0 {
        EventKind::Data
    } else {
        EventKind::Ack
    }
}
