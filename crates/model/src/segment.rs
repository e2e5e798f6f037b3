//! What a capture tells about one packet: the facts of one TCP header, or of one ICMP error, or one question for
//! an address.

use core::fmt;
use core::net::IpAddr;
use core::ops::BitOr;

use crate::{Checksum, Endpoint, Flow, Location, Resolution, SeqNumber, Timestamp, Vlan};

/// The flag octet of a TCP header (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

/// The timestamps option (RFC 7323 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpTimestamps {
    /// Clock of the sender.
    pub value: u32,
    /// `TSval` of the segment that is answered; zero on a SYN.
    pub echo: u32,
}

/// One TCP segment, read as far as the snapshot length allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Time stamp of the capture, on the capturing host's clock.
    pub time: Timestamp,
    /// The capture file and the frame number that Wireshark shows for it.
    pub location: Location,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Sequence number.
    pub seq: SeqNumber,
    /// Acknowledgement number; means something only where `flags` has ACK.
    pub ack: SeqNumber,
    /// The timestamps option; `None` when absent or cut off by the snapshot length.
    pub timestamps: Option<TcpTimestamps>,
    /// Octets of payload as the IP header states them (not as captured).
    pub payload_len: u32,
    /// IPv4 identification, `None` for IPv6.
    pub ip_id: Option<u16>,
    /// IPv4 time to live or IPv6 hop limit.
    pub ttl: u8,
    /// Flag octet.
    pub flags: TcpFlags,
    /// The checksum of a segment with SYN; of others it is not looked at.
    pub checksum: Checksum,
    /// The VLAN of a segment with SYN, where the frame bears a tag; of others it is not looked at.
    pub vlan: Option<Vlan>,
}

/// Which ICMP: the same numbers mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpFamily {
    /// RFC 792.
    V4,
    /// RFC 4443.
    V6,
}

/// An ICMP error that quotes a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Time stamp of the capture.
    pub time: Timestamp,
    /// The capture file and frame of the ICMP packet.
    pub location: Location,
    /// Who sent the error: a router, or the host itself.
    pub reporter: IpAddr,
    /// ICMP or ICMPv6.
    pub family: IcmpFamily,
    /// Type, for example 3 (destination unreachable).
    pub kind: u8,
    /// Code, for example 13 (communication administratively prohibited).
    pub code: u8,
    /// Source and destination of the quoted segment.
    pub quoted: Flow,
    /// Sequence number of the quoted segment.
    pub quoted_seq: SeqNumber,
}

/// What one frame of a capture means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A TCP segment.
    Tcp(Segment),
    /// An ICMP error about a TCP segment.
    Icmp(IcmpError),
    /// Somebody asks who has an address, or answers.
    Resolution(Resolution),
}

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push function.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number is valid.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is valid.
    pub const URG: Self = Self(0x20);

    /// Neither SYN nor RST: it speaks of a connection that is there, and matters to a handshake only
    /// while one between these two ends is under way.
    pub const fn is_plain(self) -> bool {
        !self.intersects(Self(Self::SYN.0 | Self::RST.0))
    }

    /// Neither FIN, SYN, RST nor PSH: filters that ask for flags let none of these through.
    pub const fn is_unmarked(self) -> bool {
        !self.intersects(Self(Self::FIN.0 | Self::SYN.0 | Self::RST.0 | Self::PSH.0))
    }

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for TcpFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// tcpdump's letters: `S`, `S.`, `.`, `R`, `F.`, `P.`; `none` when no flag is set.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The order of tcpdump's `tcp_flag_values` (print-tcp.c).
        let letters = [
            (Self::FIN, "F"),
            (Self::SYN, "S"),
            (Self::RST, "R"),
            (Self::PSH, "P"),
            (Self::ACK, "."),
            (Self::URG, "U"),
            (Self(0x40), "E"),
            (Self(0x80), "W"),
        ];
        if self.0 == 0 {
            return f.write_str("none");
        }
        letters
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl Segment {
    /// A SYN without ACK: somebody begins to connect.
    pub const fn is_syn(&self) -> bool {
        self.flags.contains(TcpFlags::SYN) && !self.flags.intersects(TcpFlags(0x15))
    }

    /// A SYN+ACK: the second handshake.
    pub const fn is_syn_ack(&self) -> bool {
        self.flags.contains(TcpFlags(0x12)) && !self.flags.intersects(TcpFlags(0x05))
    }

    /// A reset, with or without ACK.
    pub const fn is_rst(&self) -> bool {
        self.flags.contains(TcpFlags::RST)
    }

    /// An ACK that carries nothing else: no SYN, FIN, RST and no payload.
    pub const fn is_bare_ack(&self) -> bool {
        self.flags.contains(TcpFlags::ACK)
            && !self.flags.intersects(TcpFlags(0x07))
            && self.payload_len == 0
    }

    /// Sender and receiver as a flow from the sender's side.
    pub const fn flow(&self) -> Flow {
        Flow { client: self.source, server: self.destination }
    }
}

impl Packet {
    /// Capture time stamp of the frame.
    pub const fn time(&self) -> Timestamp {
        match self {
            Self::Tcp(segment) => segment.time,
            Self::Icmp(error) => error.time,
            Self::Resolution(of) => of.time,
        }
    }

    /// Where the frame stands.
    pub const fn location(&self) -> Location {
        match self {
            Self::Tcp(segment) => segment.location,
            Self::Icmp(error) => error.location,
            Self::Resolution(of) => of.location,
        }
    }
}

// A segment is copied for every packet of a capture; keep it within two cache lines.
const _: () = assert!(size_of::<Segment>() <= 128);

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn flags_read_as_in_tcpdump() {
        assert_eq!(TcpFlags(0x02).to_string(), "S");
        assert_eq!(TcpFlags(0x12).to_string(), "S.");
        assert_eq!(TcpFlags(0x10).to_string(), ".");
        assert_eq!(TcpFlags(0x04).to_string(), "R");
        assert_eq!(TcpFlags(0x14).to_string(), "R.");
        assert_eq!(TcpFlags(0x11).to_string(), "F.");
        assert_eq!(TcpFlags(0x18).to_string(), "P.");
        assert_eq!(TcpFlags(0xc2).to_string(), "SEW");
        assert_eq!(TcpFlags(0).to_string(), "none");
    }
}
