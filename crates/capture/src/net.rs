//! From an IP header to the first octet of what it carries. One file for each header.

pub(crate) mod arp;
pub(crate) mod icmp;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod neighbour;

use std::net::IpAddr;

use why504_model::LinkAddress;

use crate::byte_order::octet;
use crate::link::{Network, Protocol};
use crate::tally::Unused;

/// IANA protocol number of ICMP.
pub(crate) const ICMP: u8 = 1;
/// IANA protocol number of TCP.
pub(crate) const TCP: u8 = 6;
/// IANA protocol number of ICMPv6.
pub(crate) const ICMPV6: u8 = 58;

/// Who asks for the link address of whom, or answers, without the place where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    pub(crate) answer: bool,
    pub(crate) link: LinkAddress,
    pub(crate) sender: IpAddr,
    pub(crate) target: IpAddr,
}

/// An IP packet up to its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IpPacket<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// IANA number of the payload's protocol.
    pub(crate) protocol: u8,
    /// Time to live or hop limit.
    pub(crate) ttl: u8,
    /// IPv4 identification.
    pub(crate) ip_id: Option<u16>,
    /// Captured octets of the payload, without link padding.
    pub(crate) payload: &'a [u8],
    /// Octets of the payload as the IP header states them.
    pub(crate) payload_len: u32,
}

impl IpPacket<'_> {
    /// Why a header of `need` octets cannot be read: the capture cut it, or it was never there.
    #[inline]
    pub(crate) fn short(&self, need: usize) -> Unused {
        if (self.payload_len as usize) < need { Unused::Malformed } else { Unused::CutShort }
    }
}

/// The IP packet that a link layer handed up.
#[inline]
pub(crate) fn packet<'a>(network: &Network<'a>) -> Result<IpPacket<'a>, Unused> {
    let (bytes, wire_len) = (network.bytes, network.wire_len);
    match network.protocol {
        Protocol::Ipv4 => ipv4::packet(bytes, wire_len),
        Protocol::Ipv6 => ipv6::packet(bytes, wire_len),
        Protocol::Ip => match octet(bytes, 0).map(|first| first >> 4) {
            Some(4) => ipv4::packet(bytes, wire_len),
            Some(6) => ipv6::packet(bytes, wire_len),
            Some(_) => Err(Unused::NonIp),
            None => Err(cut(bytes, wire_len)),
        },
        Protocol::Arp => Err(Unused::NonIp),
    }
}

/// Why a header cannot be read that goes beyond `bytes`, of which there were `wire_len` on the wire.
#[inline]
fn cut(bytes: &[u8], wire_len: u32) -> Unused {
    if (wire_len as usize) > bytes.len() { Unused::CutShort } else { Unused::Malformed }
}
