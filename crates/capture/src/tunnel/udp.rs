//! VXLAN (RFC 7348) and Geneve (RFC 8926), by their destination ports.

use std::ops::Range;

use super::Tunnel;
use crate::byte_order::{be_u16, octet};
use crate::link::{Network, Payload, ether_type, ethernet};
use crate::tally::Unused;

/// UDP (RFC 768).
mod field {
    use super::Range;
    pub(super) const DESTINATION_PORT: Range<usize> = 2..4;
    pub(super) const LENGTH: usize = 8;
}

const VXLAN_PORT: u16 = 4789;
/// What Linux took before the port was assigned, and still takes unless told otherwise
/// (drivers/net/vxlan/vxlan_core.c, `vxlan_port`).
const VXLAN_PORT_LINUX: u16 = 8472;
const GENEVE_PORT: u16 = 6081;

/// RFC 7348 section 5.
mod vxlan {
    pub(super) const FLAGS: usize = 0;
    /// The I flag: the network identifier is valid.
    pub(super) const VALID: u8 = 0x08;
    pub(super) const LENGTH: usize = 8;
}

/// RFC 8926 section 3.4.
mod geneve {
    use super::Range;
    pub(super) const VERSION_AND_LENGTH: usize = 0;
    pub(super) const PROTOCOL: Range<usize> = 2..4;
    pub(super) const LENGTH: usize = 8;
    /// Transparent Ethernet bridging.
    pub(super) const ETHERNET: u16 = 0x6558;
}

pub(super) fn inside(packet: Payload<'_>) -> Result<(Tunnel, Network<'_>), Unused> {
    // Cut before the port, it is most likely none of ours.
    let port = be_u16(packet.bytes(), field::DESTINATION_PORT).ok_or(Unused::OtherIp)?;
    match port {
        VXLAN_PORT | VXLAN_PORT_LINUX => {
            let header = packet.behind(field::LENGTH)?;
            let flags = octet(header.bytes(), vxlan::FLAGS).ok_or(header.short())?;
            if flags & vxlan::VALID == 0 {
                return Err(Unused::OtherIp);
            }
            Ok((Tunnel::Vxlan, ethernet::network(header.behind(vxlan::LENGTH)?)?))
        }
        GENEVE_PORT => {
            let header = packet.behind(field::LENGTH)?;
            let first = octet(header.bytes(), geneve::VERSION_AND_LENGTH).ok_or(header.short())?;
            let protocol = be_u16(header.bytes(), geneve::PROTOCOL).ok_or(header.short())?;
            // Two bits of version, six of the options' length in units of four octets.
            if first >> 6 != 0 {
                return Err(Unused::OtherIp);
            }
            let payload = header.behind(geneve::LENGTH + usize::from(first & 0x3f) * 4)?;
            let network = if protocol == geneve::ETHERNET {
                ethernet::network(payload)?
            } else {
                ether_type::network(protocol, payload)?
            };
            Ok((Tunnel::Geneve, network))
        }
        _ => Err(Unused::OtherIp),
    }
}
