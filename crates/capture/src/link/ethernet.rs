//! Ethernet II (IEEE 802.3): two addresses and an EtherType. Frames with a length in its place
//! (LLC) carry no IP that matters here.

use std::ops::Range;

use why504_model::Vlan;

use super::{Network, Payload, ether_type};
use crate::byte_order::be_u16;
use crate::tally::Unused;

mod field {
    use super::Range;
    pub(super) const ETHER_TYPE: Range<usize> = 12..14;
    pub(super) const LENGTH: usize = 14;
}

#[inline]
pub(crate) fn network(frame: Payload<'_>) -> Result<Network<'_>, Unused> {
    let (number, payload) = ether_type(frame)?;
    ether_type::network(number, payload)
}

/// The EtherType of a frame, and what follows it.
#[inline]
pub(super) fn ether_type(frame: Payload<'_>) -> Result<(u16, Payload<'_>), Unused> {
    let number = be_u16(frame.bytes, field::ETHER_TYPE).ok_or(frame.short())?;
    Ok((number, frame.behind(field::LENGTH)?))
}

/// The VLAN of a frame.
pub(super) fn vlan(frame: Payload<'_>) -> Option<Vlan> {
    let number = be_u16(frame.bytes, field::ETHER_TYPE)?;
    ether_type::vlan(number, frame.behind(field::LENGTH).ok()?)
}
