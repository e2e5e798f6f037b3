//! The TCP checksum (RFC 9293 section 3.1, RFC 1071), for segments that were captured whole.

use std::net::IpAddr;

use why504_model::Checksum;

use crate::byte_order::be_u16;
use crate::net::{IpPacket, TCP};

/// Where it stands in the header.
const CHECKSUM: std::ops::Range<usize> = 16..18;

/// Whether the checksum of the segment in `packet`, whose protocol is TCP, is right.
pub(crate) fn checksum(packet: &IpPacket<'_>) -> Checksum {
    let bytes = packet.payload;
    let whole = u32::try_from(bytes.len()) == Ok(packet.payload_len);
    let Some(stated) = be_u16(bytes, CHECKSUM).filter(|_| whole) else {
        return Checksum::Unknown;
    };
    let pseudo = pseudo_header(packet);
    if folded(pseudo + sum(bytes)) == u16::MAX {
        Checksum::Right
    } else if stated == 0 || stated == folded(pseudo) {
        // `~tcp_v4_check(len, saddr, daddr, 0)` is the folded sum of the pseudo header (__tcp_v4_send_check).
        Checksum::Offloaded
    } else {
        Checksum::Wrong
    }
}

/// Addresses, protocol and length (RFC 9293 figure 2, RFC 8200 section 8.1).
fn pseudo_header(packet: &IpPacket<'_>) -> u64 {
    let address = |ip| match ip {
        IpAddr::V4(ip) => sum(&ip.octets()),
        IpAddr::V6(ip) => sum(&ip.octets()),
    };
    address(packet.source)
        + address(packet.destination)
        + u64::from(TCP)
        + u64::from(packet.payload_len)
}

/// The sum of 16-bit words, an odd octet padded with zero. A packet of 2^32 octets does not fill 64 bits.
fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(u16::from_be_bytes([high, 0])),
        _ => 0,
    };
    bytes.chunks(2).map(word).sum()
}

/// The one's complement sum in 16 bits. A length above 16 bits counts by its halves (RFC 8200).
fn folded(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}
