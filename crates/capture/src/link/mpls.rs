//! MPLS (RFC 3032): labels of four octets. What the last one carries is not written anywhere; the
//! first nibble of IP tells (RFC 4928 section 3), and a pseudowire is left alone.

use super::{Network, Payload, Protocol};
use crate::byte_order::octet;
use crate::tally::Unused;

/// A label stack entry (RFC 3032 section 2.1).
mod field {
    /// Its last bit says that the entry is the last one.
    pub(super) const BOTTOM: usize = 2;
    pub(super) const LENGTH: usize = 4;
}

pub(super) fn network(payload: Payload<'_>) -> Result<Network<'_>, Unused> {
    let mut rest = payload;
    // Each entry takes four octets, so the loop ends with the frame.
    loop {
        let bottom = octet(rest.bytes, field::BOTTOM).ok_or(rest.short())? & 1 == 1;
        rest = rest.behind(field::LENGTH)?;
        if bottom {
            return Ok(rest.into_network(Protocol::Ip));
        }
    }
}
