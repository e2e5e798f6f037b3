//! MPLS (RFC 3032): labels of four octets. What the last one carries is not written anywhere; the
//! first nibble of IP tells (RFC 4928 section 3), and anything else may be the Ethernet of a pseudowire.

use super::{Network, Payload, Protocol, ether_type, ethernet};
use crate::byte_order::octet;
use crate::tally::Unused;

/// A label stack entry (RFC 3032 section 2.1).
mod field {
    /// Its last bit says that the entry is the last one.
    pub(super) const BOTTOM: usize = 2;
    pub(super) const LENGTH: usize = 4;
    /// The control word that Ethernet may follow (RFC 4448 section 4.6); its first nibble is 0.
    pub(super) const CONTROL_WORD: usize = 4;
}

pub(super) fn network(payload: Payload<'_>) -> Result<Network<'_>, Unused> {
    let mut rest = payload;
    // Each entry takes four octets, so the loop ends with the frame.
    loop {
        let bottom = octet(rest.bytes, field::BOTTOM).ok_or(rest.short())? & 1 == 1;
        rest = rest.behind(field::LENGTH)?;
        if bottom {
            return carried(rest);
        }
    }
}

/// What stands behind the labels. An address of Ethernet may begin with any nibble, so of the readings as
/// a pseudowire the one counts that leads to IP.
fn carried(payload: Payload<'_>) -> Result<Network<'_>, Unused> {
    let nibble = octet(payload.bytes, 0).map(|first| first >> 4);
    if matches!(nibble, None | Some(4 | 6)) {
        return Ok(payload.into_network(Protocol::Ip));
    }
    let behind_word = payload.behind(field::CONTROL_WORD).ok().filter(|_| nibble == Some(0));
    let found = behind_word.and_then(pseudowire).or_else(|| pseudowire(payload));
    found.ok_or(Unused::NonIp)
}

/// The IP packet in a frame of Ethernet, VLAN tags stepped over. Labels inside are not followed: each
/// could be read in two ways again.
fn pseudowire(frame: Payload<'_>) -> Option<Network<'_>> {
    let (number, payload) = ethernet::ether_type(frame).ok()?;
    let (number, payload) = ether_type::behind_tags(number, payload).ok()?;
    let version = octet(payload.bytes, 0)? >> 4;
    let protocol = ether_type::ip(number)?;
    let agrees = version == if protocol == Protocol::Ipv4 { 4 } else { 6 };
    agrees.then(|| payload.into_network(protocol))
}
