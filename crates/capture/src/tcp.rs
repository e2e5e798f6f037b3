//! A TCP header (RFC 9293 section 3.1), read as far as it was captured.
//!
//! Fourteen octets (up to the flags) make a segment; window and options may be cut. A strict parser
//! would lose every SYN of a capture with a short snapshot length.

mod checksum;
mod options;

use why504_model::{SeqNumber, TcpFlags, TcpTimestamps};

use crate::byte_order::{be_u16, be_u32, octet};
use crate::net::IpPacket;
use crate::tally::Unused;
pub(crate) use checksum::checksum;

mod field {
    use std::ops::Range;
    pub(super) const SOURCE_PORT: Range<usize> = 0..2;
    pub(super) const DESTINATION_PORT: Range<usize> = 2..4;
    pub(super) const SEQ: Range<usize> = 4..8;
    pub(super) const ACK: Range<usize> = 8..12;
    pub(super) const DATA_OFFSET: usize = 12;
    pub(super) const FLAGS: usize = 13;
    /// Octets that must be captured.
    pub(super) const LENGTH_NEEDED: usize = 14;
    /// Octets of a header without options.
    pub(super) const LENGTH_MIN: usize = 20;
}

/// A TCP header without the packet around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) seq: SeqNumber,
    pub(crate) ack: SeqNumber,
    pub(crate) flags: TcpFlags,
    pub(crate) timestamps: Option<TcpTimestamps>,
    /// Octets behind the header, by the length that IP states.
    pub(crate) payload_len: u32,
}

/// The header in `packet`, whose protocol is TCP.
#[inline]
pub(crate) fn header(packet: &IpPacket<'_>) -> Result<Header, Unused> {
    let bytes = packet.payload;
    let short = packet.short(field::LENGTH_MIN);
    if (packet.payload_len as usize) < field::LENGTH_MIN {
        return Err(Unused::Malformed);
    }
    let (source_port, destination_port, seq) = ports_and_seq(bytes).ok_or(short)?;
    let ack = be_u32(bytes, field::ACK).ok_or(short)?;
    let header_len = usize::from(octet(bytes, field::DATA_OFFSET).ok_or(short)? >> 4) * 4;
    let flags = octet(bytes, field::FLAGS).ok_or(short)?;
    if header_len < field::LENGTH_MIN {
        return Err(Unused::Malformed);
    }
    let options = bytes.get(field::LENGTH_MIN..header_len.min(bytes.len())).unwrap_or_default();
    Ok(Header {
        source_port,
        destination_port,
        seq,
        ack: SeqNumber(ack),
        flags: TcpFlags(flags),
        timestamps: options::timestamps(options),
        payload_len: packet
            .payload_len
            .saturating_sub(u32::try_from(header_len).unwrap_or(u32::MAX)),
    })
}

/// What the first eight octets tell: all that an ICMP error must quote.
#[inline]
pub(crate) fn ports_and_seq(bytes: &[u8]) -> Option<(u16, u16, SeqNumber)> {
    Some((
        be_u16(bytes, field::SOURCE_PORT)?,
        be_u16(bytes, field::DESTINATION_PORT)?,
        SeqNumber(be_u32(bytes, field::SEQ)?),
    ))
}

const _: () = assert!(field::FLAGS < field::LENGTH_NEEDED);
