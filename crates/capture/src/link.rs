//! From the first octet of a frame to the first octet of its IP packet.
//!
//! One file for each link header. Nothing here looks into IP, but for its version where a link
//! layer does not tell it.

pub(crate) mod ether_type;
pub(crate) mod ethernet;
mod ieee80211;
mod mpls;
mod nflog;
mod null;
mod pppoe;
mod sll;

use std::borrow::Cow;

use why504_model::Vlan;

use crate::tally::Unused;
use crate::{ByteOrder, Frame};

/// A link-layer type, as registered at <https://www.tcpdump.org/linktypes.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

/// An IP packet as a link layer hands it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network<'a> {
    /// Which IP the link layer says it is.
    pub(crate) protocol: Protocol,
    /// Captured octets from the IP header on, link padding included.
    pub(crate) bytes: &'a [u8],
    /// Octets from the IP header on as they were on the wire, link padding included.
    pub(crate) wire_len: u32,
}

/// What a link layer says about the packet that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// One of the two; the version nibble decides.
    Ip,
    /// Not IP, but about its addresses.
    Arp,
}

impl LinkType {
    /// BSD loopback: address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP: what BSD systems wrote before 101 was registered.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP: what OpenBSD wrote.
    pub const RAW_OPENBSD: Self = Self(14);
    /// Raw IP.
    pub const RAW: Self = Self(101);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture: `tcpdump -i any`.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11 behind a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture, version 2: `tcpdump -i any` since libpcap 1.10.
    pub const LINUX_SLL2: Self = Self(276);

    /// The registered name of a link type that is decoded or often met.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NULL => "NULL",
            Self::ETHERNET => "Ethernet",
            Self::RAW | Self::RAW_BSD | Self::RAW_OPENBSD => "RAW",
            Self::LOOP => "LOOP",
            Self::LINUX_SLL => "LINUX_SLL",
            Self::IPV4 => "IPV4",
            Self::IPV6 => "IPV6",
            Self::NFLOG => "NFLOG",
            Self::LINUX_SLL2 => "LINUX_SLL2",
            Self(9) => "PPP",
            Self(50) => "PPP_HDLC",
            Self(51) => "PPP_ETHER",
            Self::IEEE802_11 => "IEEE802_11",
            Self::IEEE802_11_RADIOTAP => "IEEE802_11_RADIOTAP",
            Self(189) => "USB_LINUX",
            Self(197) => "ERF",
            Self(220) => "USB_LINUX_MMAPPED",
            Self(252) => "WIRESHARK_UPPER_PDU",
            Self(253) => "NETLINK",
            _ => return None,
        })
    }
}

/// `113 (LINUX_SLL)`, `147`.
impl std::fmt::Display for LinkType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        self.name().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

/// The IP packet in a frame.
#[inline]
pub(crate) fn network<'a>(frame: &Frame<'a>) -> Result<Network<'a>, Unused> {
    let payload = Payload { bytes: frame.data, wire_len: frame.wire_len };
    match frame.link {
        LinkType::ETHERNET => ethernet::network(payload),
        LinkType::LINUX_SLL => sll::network_v1(payload),
        LinkType::LINUX_SLL2 => sll::network_v2(payload),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => {
            Ok(payload.into_network(Protocol::Ip))
        }
        LinkType::IPV4 => Ok(payload.into_network(Protocol::Ipv4)),
        LinkType::IPV6 => Ok(payload.into_network(Protocol::Ipv6)),
        LinkType::NULL => null::network(payload, frame.order),
        LinkType::LOOP => null::network(payload, ByteOrder::Big),
        LinkType::NFLOG => nflog::network(payload, frame.order),
        LinkType::IEEE802_11 => ieee80211::network(payload),
        LinkType::IEEE802_11_RADIOTAP => ieee80211::network_behind_radiotap(payload),
        other => Err(Unused::UnknownLink(other)),
    }
}

impl<'a> Frame<'a> {
    /// The captured octets for a file of this byte order: the headers of some link types are written in
    /// the byte order of their file.
    pub fn octets_in(&self, order: ByteOrder) -> Cow<'a, [u8]> {
        match self.link {
            _ if self.order == order => Cow::Borrowed(self.data),
            LinkType::NULL => Cow::Owned(null::in_other_order(self.data)),
            LinkType::NFLOG => Cow::Owned(nflog::in_other_order(self.data, self.order)),
            _ => Cow::Borrowed(self.data),
        }
    }
}

/// The VLAN that a frame is tagged with, by what stands before its IP packet. Apart from [`network`],
/// which is on the way of every frame: only of a few packets the VLAN is asked for.
pub(crate) fn vlan(frame: &Frame<'_>) -> Option<Vlan> {
    let payload = Payload { bytes: frame.data, wire_len: frame.wire_len };
    match frame.link {
        LinkType::ETHERNET => ethernet::vlan(payload),
        LinkType::LINUX_SLL => sll::vlan_v1(payload),
        LinkType::LINUX_SLL2 => sll::vlan_v2(payload),
        _ => None,
    }
}

/// What is left of a frame behind the headers read so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    bytes: &'a [u8],
    wire_len: u32,
}

impl<'a> Payload<'a> {
    /// What an IP packet carries: `bytes` of it were captured, `wire_len` were on the wire.
    pub(crate) fn new(bytes: &'a [u8], wire_len: u32) -> Self {
        Self { bytes, wire_len }
    }

    /// The captured octets.
    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the next `length` octets.
    #[inline]
    pub(crate) fn behind(self, length: usize) -> Result<Self, Unused> {
        let bytes = self.bytes.get(length..).ok_or(self.short())?;
        let wire_len = self.wire_len.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
        Ok(Self { bytes, wire_len })
    }

    /// Why a header cannot be read that goes beyond the captured octets: the snapshot length cut it,
    /// or the frame never held it.
    #[inline]
    pub(crate) fn short(self) -> Unused {
        if (self.wire_len as usize) > self.bytes.len() {
            Unused::CutShort
        } else {
            Unused::Malformed
        }
    }

    #[inline]
    pub(crate) fn into_network(self, protocol: Protocol) -> Network<'a> {
        Network { protocol, bytes: self.bytes, wire_len: self.wire_len }
    }
}
