//! ICMP and ICMPv6 errors that quote a TCP segment (RFC 792, RFC 4443).
//!
//! The quote may be as short as the IP header and eight octets: two ports and the sequence number.

use std::net::IpAddr;

use why504_model::{Endpoint, Flow, IcmpFamily, SeqNumber};

use super::{ICMPV6, IpPacket, TCP, ipv4, ipv6};
use crate::byte_order::octet;
use crate::tally::Unused;
use crate::tcp;

mod field {
    pub(super) const TYPE: usize = 0;
    pub(super) const CODE: usize = 1;
    /// The quoted packet begins here in both versions.
    pub(super) const QUOTE: usize = 8;
}

/// An ICMP error without the place where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) reporter: IpAddr,
    pub(crate) family: IcmpFamily,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) quoted: Flow,
    pub(crate) quoted_seq: SeqNumber,
}

/// The error in `packet`, whose protocol is ICMP or ICMPv6.
pub(crate) fn error(packet: &IpPacket<'_>) -> Result<Error, Unused> {
    let short = packet.short(field::QUOTE);
    let kind = octet(packet.payload, field::TYPE).ok_or(short)?;
    let family = if packet.protocol == ICMPV6 { IcmpFamily::V6 } else { IcmpFamily::V4 };
    if !is_error(family, kind) {
        return Err(Unused::OtherIp);
    }
    let code = octet(packet.payload, field::CODE).ok_or(short)?;
    let quote = packet.payload.get(field::QUOTE..).ok_or(short)?;
    let quote_len = packet.payload_len.saturating_sub(u32::try_from(field::QUOTE).unwrap_or(0));
    let quoted = match family {
        IcmpFamily::V4 => ipv4::packet(quote, quote_len),
        IcmpFamily::V6 => ipv6::packet(quote, quote_len),
    }
    // The frame itself is no fragment, and what it quotes has no TCP header.
    .map_err(|unused| if unused == Unused::Fragment { Unused::OtherIp } else { unused })?;
    if quoted.protocol != TCP {
        return Err(Unused::OtherIp);
    }
    // A quote stops where the router liked, whatever length its IP header states: what is missing
    // is missing in the packet, unless the capture holds less than the packet.
    let short = if packet.payload.len() < packet.payload_len as usize {
        Unused::CutShort
    } else {
        Unused::Malformed
    };
    let (source, destination, seq) = tcp::ports_and_seq(quoted.payload).ok_or(short)?;
    Ok(Error {
        reporter: packet.source,
        family,
        kind,
        code,
        quoted: Flow {
            client: Endpoint::new(quoted.source, source),
            server: Endpoint::new(quoted.destination, destination),
        },
        quoted_seq: seq,
    })
}

/// Destination unreachable, time exceeded, parameter problem; and packet too big in ICMPv6.
fn is_error(family: IcmpFamily, kind: u8) -> bool {
    match family {
        IcmpFamily::V4 => matches!(kind, 3 | 11 | 12),
        IcmpFamily::V6 => matches!(kind, 1..=4),
    }
}
