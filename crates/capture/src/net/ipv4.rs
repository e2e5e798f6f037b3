//! IPv4 (RFC 791): options are stepped over, later fragments have no transport header.

use std::net::Ipv4Addr;

use super::{IpPacket, cut};
use crate::byte_order::{array, be_u16, octet};
use crate::tally::Unused;

/// RFC 791 section 3.1.
mod field {
    use std::ops::Range;
    pub(super) const VERSION_AND_LENGTH: usize = 0;
    pub(super) const TOTAL_LENGTH: Range<usize> = 2..4;
    pub(super) const IDENTIFICATION: Range<usize> = 4..6;
    pub(super) const FRAGMENT: Range<usize> = 6..8;
    pub(super) const TIME_TO_LIVE: usize = 8;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const SOURCE: Range<usize> = 12..16;
    pub(super) const DESTINATION: Range<usize> = 16..20;
    pub(super) const LENGTH_MIN: usize = 20;
}

/// Low 13 bits of the fragment field.
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// The packet that `bytes` begin with, of which `wire_len` octets were on the wire, link padding
/// included.
#[inline]
pub(crate) fn packet(bytes: &[u8], wire_len: u32) -> Result<IpPacket<'_>, Unused> {
    let short = cut(bytes, wire_len);
    let first = octet(bytes, field::VERSION_AND_LENGTH).ok_or(short)?;
    let header_len = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header_len < field::LENGTH_MIN {
        return Err(Unused::Malformed);
    }
    let total = be_u16(bytes, field::TOTAL_LENGTH).ok_or(short)?;
    // Segmentation offload leaves the length zero where it exceeds 16 bits; there is no link padding
    // then, and the length of the frame is that of the packet.
    let total = if total == 0 { wire_len } else { u32::from(total) };
    let payload_len = (total as usize).checked_sub(header_len).ok_or(Unused::Malformed)?;
    if be_u16(bytes, field::FRAGMENT).ok_or(short)? & FRAGMENT_OFFSET != 0 {
        return Err(Unused::Fragment);
    }
    let source: [u8; 4] = array(bytes, field::SOURCE).ok_or(short)?;
    let destination: [u8; 4] = array(bytes, field::DESTINATION).ok_or(short)?;
    let payload = bytes.get(header_len..).ok_or(short)?;
    Ok(IpPacket {
        source: Ipv4Addr::from(source).into(),
        destination: Ipv4Addr::from(destination).into(),
        protocol: octet(bytes, field::PROTOCOL).ok_or(short)?,
        ttl: octet(bytes, field::TIME_TO_LIVE).ok_or(short)?,
        ip_id: be_u16(bytes, field::IDENTIFICATION),
        payload: payload.get(..payload_len).unwrap_or(payload),
        payload_len: u32::try_from(payload_len).unwrap_or(u32::MAX),
    })
}
