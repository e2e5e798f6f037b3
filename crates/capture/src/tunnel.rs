//! One level of tunnel: from an outer IP packet to the IP packet that it carries.
//!
//! A tunnel in a tunnel is not opened: what a point saw is one connection on one path, and a second
//! level would cost every packet of UDP another look. UDP tunnels are known by their registered
//! destination ports; what does not look like the tunnel there is other IP traffic.

mod gre;
mod udp;

use crate::link::{Network, Payload, Protocol};
use crate::net::IpPacket;
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
