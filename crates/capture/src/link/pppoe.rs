//! PPPoE sessions (RFC 2516) and the PPP protocol number behind them.

use std::ops::Range;

use super::{Network, Payload, Protocol};
use crate::byte_order::be_u16;
use crate::tally::Unused;

mod field {
    use super::Range;
    /// Version, type, code, session and length; then PPP's protocol, uncompressed (RFC 2516
    /// section 7).
    pub(super) const PROTOCOL: Range<usize> = 6..8;
    pub(super) const LENGTH: usize = 8;
}

pub(super) fn network(payload: Payload<'_>) -> Result<Network<'_>, Unused> {
    let protocol = match be_u16(payload.bytes, field::PROTOCOL).ok_or(payload.short())? {
        0x0021 => Protocol::Ipv4,
        0x0057 => Protocol::Ipv6,
        _ => return Err(Unused::NonIp),
    };
    Ok(payload.behind(field::LENGTH)?.into_network(protocol))
}
