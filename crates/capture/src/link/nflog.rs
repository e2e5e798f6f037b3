//! Linux netfilter log: attributes in the byte order of the capturing host, one of which is the
//! packet (<https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html>).

use std::ops::Range;

use super::{Network, Payload, Protocol};
use crate::ByteOrder;
use crate::byte_order::octet;
use crate::tally::Unused;

mod field {
    use super::Range;
    /// Address family of the packet.
    pub(super) const FAMILY: usize = 0;
    /// Octets before the first attribute.
    pub(super) const LENGTH: usize = 4;
    /// An attribute: its length with these four octets, its type, its value.
    pub(super) const ATTRIBUTE_LENGTH: Range<usize> = 0..2;
    pub(super) const ATTRIBUTE_TYPE: Range<usize> = 2..4;
    pub(super) const ATTRIBUTE_VALUE: usize = 4;
}

/// The frame with the headers of its attributes in the other byte order; what they hold is in network byte
/// order, or for one host only. As far as the attributes go; whatever is behind stays as it is.
pub(super) fn in_other_order(frame: &[u8], order: ByteOrder) -> Vec<u8> {
    let mut swapped = frame.to_vec();
    let mut at = field::LENGTH;
    while let Some(header) = swapped.get_mut(at..at + field::ATTRIBUTE_VALUE) {
        let Some(length) = order.u16(header, field::ATTRIBUTE_LENGTH) else { break };
        header.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        if usize::from(length) < field::ATTRIBUTE_VALUE {
            break;
        }
        at += usize::from(length).next_multiple_of(4);
    }
    swapped
}

/// `NFULA_PAYLOAD`.
const PACKET: u16 = 9;

pub(super) fn network(frame: Payload<'_>, order: ByteOrder) -> Result<Network<'_>, Unused> {
    let protocol = match octet(frame.bytes, field::FAMILY).ok_or(frame.short())? {
        2 => Protocol::Ipv4,
        10 => Protocol::Ipv6,
        _ => return Err(Unused::NonIp),
    };
    let mut rest = frame.behind(field::LENGTH)?;
    // Each attribute takes at least four octets, so the loop ends with the frame.
    loop {
        let length = order.u16(rest.bytes, field::ATTRIBUTE_LENGTH).ok_or(rest.short())?;
        let kind = order.u16(rest.bytes, field::ATTRIBUTE_TYPE).ok_or(rest.short())?;
        let length = usize::from(length);
        if length < field::ATTRIBUTE_VALUE {
            return Err(Unused::Malformed);
        }
        if kind == PACKET {
            let mut packet = rest.behind(field::ATTRIBUTE_VALUE)?.into_network(protocol);
            let value = length - field::ATTRIBUTE_VALUE;
            packet.wire_len = packet.wire_len.min(u32::try_from(value).unwrap_or(u32::MAX));
            packet.bytes = packet.bytes.get(..value).unwrap_or(packet.bytes);
            return Ok(packet);
        }
        rest = rest.behind(length.next_multiple_of(4))?;
    }
}
