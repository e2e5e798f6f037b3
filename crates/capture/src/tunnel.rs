//! One level of tunnel: from an outer IP packet to the IP packet that it carries.
//!
//! A tunnel in a tunnel is not opened: what a point saw is one connection on one path, and a second
//! level would cost every packet of UDP another look. UDP tunnels are known by their registered
//! destination ports; what does not look like the tunnel there is other IP traffic.

mod gre;
mod udp;

use std::net::IpAddr;

use crate::block::Frame;
use crate::byte_order::be_u32;
use crate::link::{self, Network, Payload, Protocol};
use crate::net::{self, IpPacket};
use crate::tally::Unused;

/// What carried a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tunnel {
    /// IPv4 or IPv6 in IP (RFC 2003, RFC 2473, RFC 4213).
    IpInIp,
    /// GRE (RFC 2784, RFC 2890) with IP or Ethernet inside.
    Gre,
    /// ERSPAN, types I to III (draft-foschiano-erspan): a mirrored port.
    Erspan,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
}

/// The outside of a tunnelled packet: for the few that are shown, not for all that are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What carried it.
    pub tunnel: Tunnel,
    /// Which of the tunnels between two ends: the network identifier of VXLAN and Geneve, the key of
    /// GRE, the session of ERSPAN; `None` where the header has none.
    pub id: Option<u32>,
    /// Sender of the outer packet.
    pub source: IpAddr,
    /// Receiver of the outer packet.
    pub destination: IpAddr,
}

impl Frame<'_> {
    /// The tunnel that the frame came through; `None` for a frame that is decoded without one.
    pub fn envelope(&self) -> Option<Envelope> {
        let outer = net::packet(&link::network(self).ok()?).ok()?;
        let (tunnel, _) = inside(&outer).ok()?;
        let id = match tunnel {
            Tunnel::IpInIp => None,
            // 24 bits in the same place of both headers (RFC 7348 section 5, RFC 8926 section 3.4),
            // behind the eight octets of UDP.
            Tunnel::Vxlan | Tunnel::Geneve => be_u32(outer.payload, 12..16).map(|word| word >> 8),
            Tunnel::Gre | Tunnel::Erspan => gre::identifier(outer.payload),
        };
        Some(Envelope { tunnel, id, source: outer.source, destination: outer.destination })
    }
}

/// IANA protocol numbers of what is looked into.
mod number {
    pub(super) const IPV4: u8 = 4;
    pub(super) const UDP: u8 = 17;
    pub(super) const IPV6: u8 = 41;
    pub(super) const GRE: u8 = 47;
}

impl Tunnel {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpInIp => "IP-in-IP",
            Self::Gre => "GRE",
            Self::Erspan => "ERSPAN",
            Self::Vxlan => "VXLAN",
            Self::Geneve => "Geneve",
        }
    }

    /// What its identifier is called.
    pub const fn id_name(self) -> &'static str {
        match self {
            Self::IpInIp => "id",
            Self::Gre => "key",
            Self::Erspan => "session",
            Self::Vxlan | Self::Geneve => "vni",
        }
    }
}

/// The IP packet inside `outer`; [`Unused::OtherIp`] when `outer` is no tunnel, or carries no IP.
pub(crate) fn inside<'a>(outer: &IpPacket<'a>) -> Result<(Tunnel, Network<'a>), Unused> {
    let payload = Payload::new(outer.payload, outer.payload_len);
    let found = match outer.protocol {
        number::IPV4 => Ok((Tunnel::IpInIp, payload.into_network(Protocol::Ipv4))),
        number::IPV6 => Ok((Tunnel::IpInIp, payload.into_network(Protocol::Ipv6))),
        number::GRE => gre::inside(payload),
        number::UDP => udp::inside(payload),
        _ => Err(Unused::OtherIp),
    };
    // The frame is IP, whatever the tunnel carries.
    found.map_err(|unused| if unused == Unused::NonIp { Unused::OtherIp } else { unused })
}

impl std::fmt::Display for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
