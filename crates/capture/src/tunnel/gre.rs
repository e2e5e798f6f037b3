//! GRE (RFC 2784, RFC 2890), and ERSPAN, which travels in it. Version 1 (PPTP) and the routing of
//! RFC 1701 are not looked into.

use std::ops::Range;

use super::Tunnel;
use crate::byte_order::{be_u16, be_u32, octet};
use crate::link::{Network, Payload, Protocol, ether_type, ethernet};
use crate::tally::Unused;

mod field {
    use super::Range;
    pub(super) const FLAGS: Range<usize> = 0..2;
    pub(super) const PROTOCOL: Range<usize> = 2..4;
    pub(super) const LENGTH: usize = 4;
    /// Each of checksum, key and sequence number.
    pub(super) const OPTIONAL_LENGTH: usize = 4;
}

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

/// Transparent Ethernet bridging.
const ETHERNET: u16 = 0x6558;
const ERSPAN_I_AND_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// Headers of ERSPAN (draft-foschiano-erspan-03, section 4): type I has none, and no sequence
/// number in GRE either, which is how it is told from type II.
mod erspan {
    pub(super) const LENGTH_II: usize = 8;
    pub(super) const LENGTH_III: usize = 12;
    /// Of type III: what kind of frame follows, in five bits.
    pub(super) const FRAME_TYPE: usize = 10;
    pub(super) const FRAME_TYPE_BITS: u8 = 0x7c;
    /// Type 2: IP without a link header.
    pub(super) const IP: u8 = 2 << 2;
    /// The last bit of this octet of type III announces eight more octets.
    pub(super) const OPTIONAL: usize = 11;
    pub(super) const OPTIONAL_LENGTH: usize = 8;
}

pub(super) fn inside(packet: Payload<'_>) -> Result<(Tunnel, Network<'_>), Unused> {
    let flags = be_u16(packet.bytes(), field::FLAGS).ok_or(packet.short())?;
    let protocol = be_u16(packet.bytes(), field::PROTOCOL).ok_or(packet.short())?;
    if flags & (ROUTING | VERSION) != 0 {
        return Err(Unused::OtherIp);
    }
    let optional = [CHECKSUM, KEY, SEQUENCE].iter().filter(|flag| flags & **flag != 0).count();
    let payload = packet.behind(field::LENGTH + optional * field::OPTIONAL_LENGTH)?;
    match protocol {
        ETHERNET => Ok((Tunnel::Gre, ethernet::network(payload)?)),
        ERSPAN_I_AND_II => {
            let header = if flags & SEQUENCE == 0 { 0 } else { erspan::LENGTH_II };
            Ok((Tunnel::Erspan, ethernet::network(payload.behind(header)?)?))
        }
        ERSPAN_III => {
            let last = octet(payload.bytes(), erspan::OPTIONAL).ok_or(payload.short())?;
            let optional = if last & 1 == 0 { 0 } else { erspan::OPTIONAL_LENGTH };
            let frame = payload.behind(erspan::LENGTH_III + optional)?;
            let kind = octet(payload.bytes(), erspan::FRAME_TYPE).ok_or(payload.short())?;
            let network = if kind & erspan::FRAME_TYPE_BITS == erspan::IP {
                frame.into_network(Protocol::Ip)
            } else {
                ethernet::network(frame)?
            };
            Ok((Tunnel::Erspan, network))
        }
        number => Ok((Tunnel::Gre, ether_type::network(number, payload)?)),
    }
}

/// The key of GRE, or the session of ERSPAN: the last ten bits of the first word of its header
/// (type I has none).
pub(super) fn identifier(packet: &[u8]) -> Option<u32> {
    let flags = be_u16(packet, field::FLAGS)?;
    let protocol = be_u16(packet, field::PROTOCOL)?;
    let behind = |optional: &[u16]| {
        let present = optional.iter().filter(|flag| flags & **flag != 0).count();
        field::LENGTH + present * field::OPTIONAL_LENGTH
    };
    match protocol {
        ERSPAN_I_AND_II if flags & SEQUENCE == 0 => None,
        ERSPAN_I_AND_II | ERSPAN_III => {
            let header = behind(&[CHECKSUM, KEY, SEQUENCE]);
            be_u32(packet, header..header + 4).map(|word| word & 0x3ff)
        }
        _ if flags & KEY == 0 => None,
        _ => {
            let key = behind(&[CHECKSUM]);
            be_u32(packet, key..key + 4)
        }
    }
}
