//! Decodes a captured frame as far as the TCP header, or the TCP header that an ICMP error quotes.
//!
//! Knows the link types that the lab's own captures use (Ethernet, Linux cooked v1 and v2, raw IP,
//! loopback, NFLOG). No options but timestamps, no extension headers: our packets have none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bits of the TCP flags byte (RFC 9293 section 3.1).
pub mod flag {
    /// FIN
    pub const FIN: u8 = 0x01;
    /// SYN
    pub const SYN: u8 = 0x02;
    /// RST
    pub const RST: u8 = 0x04;
    /// PSH
    pub const PSH: u8 = 0x08;
    /// ACK
    pub const ACK: u8 = 0x10;
}

/// The TCP header fields the lab compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// Sender's address.
    pub src: IpAddr,
    /// Sender's port.
    pub sport: u16,
    /// Receiver's address.
    pub dst: IpAddr,
    /// Receiver's port.
    pub dport: u16,
    /// Raw sequence number.
    pub seq: u32,
    /// Raw acknowledgement number (0 in a quoted header that was cut after 8 bytes).
    pub ack: u32,
    /// Flags byte, see [`flag`] (0 in a quoted header that was cut after 8 bytes).
    pub flags: u8,
    /// Value and echo of the timestamps option (RFC 7323), where it is there and not cut.
    pub timestamps: Option<(u32, u32)>,
    /// Whether the checksum is right; `None` where the segment was cut.
    pub intact: Option<bool>,
}

impl Tcp {
    /// A SYN that asks for a connection.
    pub fn is_syn(&self) -> bool {
        self.flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN
    }

    /// A SYN+ACK.
    pub fn is_synack(&self) -> bool {
        self.flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN | flag::ACK
    }

    /// A segment of an open or closing connection: ACK set, no SYN, no RST.
    pub fn is_ack(&self) -> bool {
        self.flags & (flag::SYN | flag::ACK | flag::RST) == flag::ACK
    }

    /// A RST, with or without ACK.
    pub fn is_rst(&self) -> bool {
        self.flags & flag::RST != 0
    }
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// A TCP segment.
    Tcp(Tcp),
    /// An ICMP or ICMPv6 "unreachable" that quotes this TCP segment.
    Unreachable(Tcp),
}

/// Decodes `bytes` of link type `link`; `None` for anything that is not TCP or an ICMP error about
/// TCP, or that is cut too early.
pub fn decode(link: u32, bytes: &[u8]) -> Option<Packet> {
    network(match link {
        1 => ethernet(bytes)?,
        0 => bytes.get(4..)?,
        101 => bytes,
        113 => bytes.get(16..)?,
        276 => bytes.get(20..)?,
        239 => nflog(bytes)?,
        _ => return None,
    })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn ethernet(bytes: &[u8]) -> Option<&[u8]> {
    match be16(bytes, 12)? {
        0x8100 | 0x88a8 => bytes.get(18..),
        0x0800 | 0x86dd => bytes.get(14..),
        _ => None,
    }
}

/// NFLOG: 4 bytes of header, then attributes; the packet is the attribute `NFULA_PAYLOAD` (9). The
/// lengths are in the byte order of the writing host, which here is always little endian.
fn nflog(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 4;
    loop {
        let length = usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let kind = u16::from_le_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?);
        if length < 4 {
            return None;
        }
        if kind & 0x7fff == 9 {
            return bytes.get(at + 4..(at + length).min(bytes.len()));
        }
        at += length.next_multiple_of(4);
    }
}

fn network(bytes: &[u8]) -> Option<Packet> {
    let (src, dst, protocol, payload) = addresses(bytes)?;
    match protocol {
        6 => {
            let intact = intact(bytes, src, dst, payload);
            Some(Packet::Tcp(Tcp { intact, ..tcp(src, dst, payload)? }))
        }
        1 if payload.first() == Some(&3) => quoted(payload.get(8..)?),
        58 if payload.first() == Some(&1) => quoted(payload.get(8..)?),
        _ => None,
    }
}

fn quoted(bytes: &[u8]) -> Option<Packet> {
    let (src, dst, protocol, payload) = addresses(bytes)?;
    if protocol != 6 {
        return None;
    }
    Some(Packet::Unreachable(tcp(src, dst, payload)?))
}

fn addresses(bytes: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes.first()? & 0x0f) * 4;
            let src = Ipv4Addr::from(be32(bytes, 12)?);
            let dst = Ipv4Addr::from(be32(bytes, 16)?);
            Some((src.into(), dst.into(), *bytes.get(9)?, bytes.get(header..)?))
        }
        6 => {
            let src: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            let dst: [u8; 16] = bytes.get(24..40)?.try_into().ok()?;
            let (src, dst) = (Ipv6Addr::from(src), Ipv6Addr::from(dst));
            Some((src.into(), dst.into(), *bytes.get(6)?, bytes.get(40..)?))
        }
        _ => None,
    }
}

fn tcp(src: IpAddr, dst: IpAddr, bytes: &[u8]) -> Option<Tcp> {
    Some(Tcp {
        src,
        sport: be16(bytes, 0)?,
        dst,
        dport: be16(bytes, 2)?,
        seq: be32(bytes, 4)?,
        ack: be32(bytes, 8).unwrap_or(0),
        flags: bytes.get(13).copied().unwrap_or(0),
        timestamps: timestamps(bytes),
        intact: None,
    })
}

/// Whether the checksum of a segment is right: a sum over one that holds its own is all ones, and its
/// complement zero. Only what the IP header counts belongs to it; Ethernet fills short frames up.
fn intact(packet: &[u8], src: IpAddr, dst: IpAddr, segment: &[u8]) -> Option<bool> {
    let length = match packet.first()? >> 4 {
        4 => usize::from(be16(packet, 2)?).checked_sub(packet.len() - segment.len())?,
        _ => usize::from(be16(packet, 4)?),
    };
    Some(checksum(src, dst, segment.get(..length)?) == 0)
}

/// The checksum of a TCP segment (RFC 9293 section 3.1).
pub(crate) fn checksum(src: IpAddr, dst: IpAddr, segment: &[u8]) -> u16 {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let length = u32::try_from(segment.len()).unwrap_or(0);
    let mut pseudo = [octets(src), octets(dst)].concat();
    pseudo.extend(length.to_be_bytes());
    pseudo.extend([0, 0, 0, 6]);
    let mut sum: u32 = 0;
    for bytes in [&pseudo[..], segment] {
        for pair in bytes.chunks(2) {
            let word = match *pair {
                [high, low] => u16::from_be_bytes([high, low]),
                [high] => u16::from_be_bytes([high, 0]),
                _ => 0,
            };
            sum = sum.wrapping_add(u32::from(word));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// Finds the timestamps among the options of a TCP header (RFC 9293 section 3.1: kind, length, data;
/// kinds 0 and 1 are one byte).
fn timestamps(header: &[u8]) -> Option<(u32, u32)> {
    let end = usize::from(header.get(12)? >> 4) * 4;
    let mut options = header.get(20..end.min(header.len()))?;
    loop {
        match *options.first()? {
            0 => return None,
            1 => options = options.get(1..)?,
            8 => return Some((be32(options, 2)?, be32(options, 6)?)),
            _ => options = options.get(usize::from(*options.get(1)?).max(2)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn syn() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0x9c, 0x40, 0x1f, 0x41, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
        packet
    }

    fn expected() -> Tcp {
        Tcp {
            src: "10.0.0.1".parse().unwrap(),
            sport: 40000,
            dst: "10.0.0.2".parse().unwrap(),
            dport: 8001,
            seq: 7,
            ack: 0,
            flags: flag::SYN,
            timestamps: None,
            intact: Some(false),
        }
    }

    #[test]
    fn timestamps_are_found_behind_other_options() {
        let mut header = vec![0; 12];
        header.extend([0xa0, 2, 0, 0, 0, 0, 0, 0]);
        header.extend([2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 1, 3, 3, 7]);
        assert_eq!(timestamps(&header), Some((7, 9)));
        assert_eq!(timestamps(&header[..30]), None);
    }

    #[test]
    fn the_same_syn_behind_each_link_header() {
        let ethernet = [vec![0; 12], vec![8, 0], syn()].concat();
        let cooked = [vec![0; 16], syn()].concat();
        let cooked2 = [vec![0; 20], syn()].concat();
        let length = u8::try_from(4 + syn().len()).unwrap();
        let nflog =
            [vec![2, 0, 0, 5], vec![5, 0, 1, 0, b'x', 0, 0, 0], vec![length, 0, 9, 0], syn()]
                .concat();
        for (link, bytes) in
            [(1, ethernet), (113, cooked), (276, cooked2), (101, syn()), (239, nflog)]
        {
            assert_eq!(decode(link, &bytes), Some(Packet::Tcp(expected())), "link {link}");
        }
    }

    #[test]
    fn an_icmp_error_gives_the_quoted_syn() {
        let mut packet = vec![0x45, 0, 0, 68, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1];
        packet.extend([3, 13, 0, 0, 0, 0, 0, 0]);
        packet.extend(syn());
        assert_eq!(
            decode(101, &packet),
            Some(Packet::Unreachable(Tcp { intact: None, ..expected() }))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            for link in [0, 1, 101, 113, 239, 276] {
                let _ = decode(link, &bytes);
            }
        }
    }
}
