//! One look at the header of the commonest frame there is: a plain segment (no SYN, no RST) of an
//! established connection, on Ethernet, a Linux cooked capture or raw IP, without tags, IP options or
//! tunnels.
//!
//! Nearly all frames of a capture are of this kind, and nearly none of them matters to a handshake.
//! Whatever is out of the ordinary in the least is left to [`decode`](crate::decode), which says the
//! same of every frame on which both have a word (a property holds them together). Measured on frames
//! cut to 96 octets: see docs/performance.md.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use why504_model::{FlowMark, Segment, TcpFlags};

use crate::{Frame, LinkType};

/// What is to be known of a plain segment of a connection that nobody follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) hosts: Hosts,
    pub(crate) mark: FlowMark,
    pub(crate) flags: TcpFlags,
}

/// Sender and receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// IPv4.
    V4 { from: u32, to: u32 },
    /// IPv6.
    V6 { from: u128, to: u128 },
}

/// Ethernet types.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// How an IPv4 header without options begins.
const VERSION_4_LENGTH_5: u8 = 0x45;
/// More fragments, and the offset.
const FRAGMENTED: u16 = 0x3fff;
const TCP: u8 = crate::net::TCP;
/// A TCP header without options, and in units of four octets.
const TCP_OCTETS: u16 = 20;
const TCP_WORDS: u8 = 5;

/// The segment in the frame if it is a plain one in plain clothes; `None` says nothing.
pub(crate) fn plain_segment(frame: &Frame<'_>) -> Option<Glance> {
    let (ether_type, ip) = network(frame)?;
    if ether_type == IPV6 { in_ipv6(ip) } else { in_ipv4(ip) }
}

/// The same of IPv4 alone, for the loop over all frames: what it has to hold is much smaller.
#[expect(clippy::inline_always, reason = "called apart, the loop takes a fifth more")]
#[inline(always)]
pub(crate) fn plain_segment_in_ipv4(frame: &Frame<'_>) -> Option<Glance> {
    let (ether_type, ip) = network(frame)?;
    if ether_type == IPV4 { in_ipv4(ip) } else { None }
}

/// The packet in the frame, and which of both it is.
#[inline]
fn network<'a>(frame: &Frame<'a>) -> Option<([u8; 2], &'a [u8])> {
    let data = frame.data;
    let (ether_type, ip) = match frame.link {
        LinkType::ETHERNET => (data.get(12..14)?, data.get(14..)?),
        LinkType::LINUX_SLL => (data.get(14..16)?, data.get(16..)?),
        LinkType::LINUX_SLL2 => (data.get(0..2)?, data.get(20..)?),
        LinkType::RAW => match data.first()? >> 4 {
            4 => (&IPV4[..], data),
            6 => (&IPV6[..], data),
            _ => return None,
        },
        _ => return None,
    };
    let ether_type = <[u8; 2]>::try_from(ether_type).ok()?;
    (ether_type == IPV4 || ether_type == IPV6).then_some((ether_type, ip))
}

#[inline]
fn in_ipv4(packet: &[u8]) -> Option<Glance> {
    // As far as the TCP flags: one comparison of lengths.
    let (ip, rest) = packet.split_first_chunk::<20>()?;
    let tcp = rest.first_chunk::<14>()?;
    let total = u16::from_be_bytes([ip[2], ip[3]]);
    let fragment = u16::from_be_bytes([ip[6], ip[7]]);
    let ordinary = ip[0] == VERSION_4_LENGTH_5
        && ip[9] == TCP
        && fragment & FRAGMENTED == 0
        && total >= 20 + TCP_OCTETS;
    let from = u32::from_be_bytes([ip[12], ip[13], ip[14], ip[15]]);
    let to = u32::from_be_bytes([ip[16], ip[17], ip[18], ip[19]]);
    let (source, destination, flags) = if ordinary { in_tcp(tcp)? } else { return None };
    let mark = FlowMark::of_bits((from.into(), source), (to.into(), destination));
    Some(Glance { hosts: Hosts::V4 { from, to }, mark, flags })
}

#[inline]
fn in_ipv6(packet: &[u8]) -> Option<Glance> {
    let (ip, rest) = packet.split_first_chunk::<40>()?;
    let tcp = rest.first_chunk::<14>()?;
    let stated = u16::from_be_bytes([ip[4], ip[5]]);
    if ip[0] >> 4 != 6 || ip[6] != TCP || stated < TCP_OCTETS {
        return None;
    }
    let (_, addresses) = ip.split_first_chunk::<8>()?;
    let (from, to) = addresses.split_first_chunk::<16>()?;
    let from = u128::from_be_bytes(*from);
    let to = u128::from_be_bytes(*to.first_chunk::<16>()?);
    let (source, destination, flags) = in_tcp(tcp)?;
    let mark = FlowMark::of_bits((from, source), (to, destination));
    Some(Glance { hosts: Hosts::V6 { from, to }, mark, flags })
}

/// Both ports and the flags.
#[inline]
fn in_tcp(tcp: &[u8; 14]) -> Option<(u16, u16, TcpFlags)> {
    let flags = TcpFlags(tcp[13]);
    if !flags.is_plain() || tcp[12] >> 4 < TCP_WORDS {
        return None;
    }
    let source = u16::from_be_bytes([tcp[0], tcp[1]]);
    let destination = u16::from_be_bytes([tcp[2], tcp[3]]);
    Some((source, destination, flags))
}

impl Glance {
    /// The same of a segment that was decoded in full.
    pub(crate) fn of(segment: &Segment) -> Self {
        let hosts = match (segment.source.ip, segment.destination.ip) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                Hosts::V4 { from: from.to_bits(), to: to.to_bits() }
            }
            (from, to) => Hosts::V6 { from: bits(from), to: bits(to) },
        };
        let mark = FlowMark::of(segment.source, segment.destination);
        Self { hosts, mark, flags: segment.flags }
    }
}

/// Both addresses of a packet are of one family, so the first branch is never taken.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

impl Hosts {
    /// Sender and receiver.
    pub(crate) fn addresses(self) -> (IpAddr, IpAddr) {
        match self {
            Self::V4 { from, to } => {
                (Ipv4Addr::from_bits(from).into(), Ipv4Addr::from_bits(to).into())
            }
            Self::V6 { from, to } => {
                (Ipv6Addr::from_bits(from).into(), Ipv6Addr::from_bits(to).into())
            }
        }
    }
}
