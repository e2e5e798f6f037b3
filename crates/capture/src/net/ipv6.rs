//! IPv6 (RFC 8200): extension headers are stepped over up to the transport header.

use std::net::Ipv6Addr;

use super::{IpPacket, cut};
use crate::byte_order::{array, be_u16, octet};
use crate::tally::Unused;

/// RFC 8200 section 3.
mod field {
    use std::ops::Range;
    pub(super) const VERSION: usize = 0;
    pub(super) const PAYLOAD_LENGTH: Range<usize> = 4..6;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const HOP_LIMIT: usize = 7;
    pub(super) const SOURCE: Range<usize> = 8..24;
    pub(super) const DESTINATION: Range<usize> = 24..40;
    pub(super) const LENGTH: usize = 40;

    /// Extension headers (RFC 8200 section 4).
    pub(super) mod extension {
        use std::ops::Range;
        pub(in super::super) const NEXT_HEADER: usize = 0;
        pub(in super::super) const LENGTH: usize = 1;
        /// Fragment header (section 4.5).
        pub(in super::super) const FRAGMENT: Range<usize> = 2..4;
    }
}

const FRAGMENT_HEADER: u8 = 44;
const FRAGMENT_HEADER_LEN: usize = 8;
/// Authentication header (RFC 4302), whose length counts in units of four octets.
const AUTHENTICATION_HEADER: u8 = 51;
/// High 13 bits of the fragment field.
const FRAGMENT_OFFSET: u16 = 0xfff8;

/// The packet that `bytes` begin with, of which `wire_len` octets were on the wire, link padding
/// included.
#[inline]
pub(crate) fn packet(bytes: &[u8], wire_len: u32) -> Result<IpPacket<'_>, Unused> {
    let short = cut(bytes, wire_len);
    if octet(bytes, field::VERSION).ok_or(short)? >> 4 != 6 {
        return Err(Unused::Malformed);
    }
    let source: [u8; 16] = array(bytes, field::SOURCE).ok_or(short)?;
    let destination: [u8; 16] = array(bytes, field::DESTINATION).ok_or(short)?;
    let stated = be_u16(bytes, field::PAYLOAD_LENGTH).ok_or(short)?;
    // Zero: a jumbogram (RFC 2675), or segmentation offload beyond 16 bits.
    let payload_len = if stated == 0 {
        wire_len.saturating_sub(u32::try_from(field::LENGTH).unwrap_or(0))
    } else {
        u32::from(stated)
    };
    let payload = bytes.get(field::LENGTH..).ok_or(short)?;
    let packet = IpPacket {
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        protocol: octet(bytes, field::NEXT_HEADER).ok_or(short)?,
        ttl: octet(bytes, field::HOP_LIMIT).ok_or(short)?,
        ip_id: None,
        payload: payload.get(..payload_len as usize).unwrap_or(payload),
        payload_len,
    };
    behind_extensions(packet)
}

/// The same packet with its extension headers stepped over. Each takes at least eight octets, so
/// the loop ends with the packet.
fn behind_extensions(mut packet: IpPacket<'_>) -> Result<IpPacket<'_>, Unused> {
    while let Some(unit) = extension_unit(packet.protocol) {
        let short = packet.short(FRAGMENT_HEADER_LEN);
        let length = octet(packet.payload, field::extension::LENGTH).ok_or(short)?;
        let length = match packet.protocol {
            FRAGMENT_HEADER => {
                let fragment = be_u16(packet.payload, field::extension::FRAGMENT).ok_or(short)?;
                if fragment & FRAGMENT_OFFSET != 0 {
                    return Err(Unused::Fragment);
                }
                FRAGMENT_HEADER_LEN
            }
            AUTHENTICATION_HEADER => (usize::from(length) + 2) * unit,
            _ => (usize::from(length) + 1) * unit,
        };
        packet.protocol = octet(packet.payload, field::extension::NEXT_HEADER).ok_or(short)?;
        packet.payload = packet.payload.get(length..).ok_or(packet.short(length))?;
        packet.payload_len =
            packet.payload_len.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
    }
    Ok(packet)
}

/// The unit of an extension header's length in octets; `None` for what is no extension header that
/// TCP may follow.
#[inline]
fn extension_unit(protocol: u8) -> Option<usize> {
    match protocol {
        // Hop-by-hop options, routing, fragment, destination options, mobility, HIP, shim6.
        0 | 43 | FRAGMENT_HEADER | 60 | 135 | 139 | 140 => Some(8),
        AUTHENTICATION_HEADER => Some(4),
        _ => None,
    }
}
