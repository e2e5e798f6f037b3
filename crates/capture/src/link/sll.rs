//! Linux cooked captures, versions 1 and 2: what `tcpdump -i any` writes.
//!
//! The protocol field is an EtherType but for a few ARPHRD types that carry none of the IP that
//! matters here (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>).

use std::ops::Range;

use why504_model::Vlan;

use super::{Network, Payload, ether_type};
use crate::byte_order::be_u16;
use crate::tally::Unused;

mod field {
    use super::Range;
    /// Version 1: packet type, ARPHRD type, address length, address, protocol.
    pub(super) const PROTOCOL_V1: Range<usize> = 14..16;
    pub(super) const LENGTH_V1: usize = 16;
    /// Version 2: protocol, reserved, interface index, ARPHRD type, packet type, address.
    pub(super) const PROTOCOL_V2: Range<usize> = 0..2;
    pub(super) const LENGTH_V2: usize = 20;
}

#[inline]
pub(super) fn network_v1(frame: Payload<'_>) -> Result<Network<'_>, Unused> {
    let number = be_u16(frame.bytes, field::PROTOCOL_V1).ok_or(frame.short())?;
    ether_type::network(number, frame.behind(field::LENGTH_V1)?)
}

#[inline]
pub(super) fn network_v2(frame: Payload<'_>) -> Result<Network<'_>, Unused> {
    let number = be_u16(frame.bytes, field::PROTOCOL_V2).ok_or(frame.short())?;
    ether_type::network(number, frame.behind(field::LENGTH_V2)?)
}

/// The VLAN of a frame, version 1.
pub(super) fn vlan_v1(frame: Payload<'_>) -> Option<Vlan> {
    let number = be_u16(frame.bytes, field::PROTOCOL_V1)?;
    ether_type::vlan(number, frame.behind(field::LENGTH_V1).ok()?)
}

/// The VLAN of a frame, version 2.
pub(super) fn vlan_v2(frame: Payload<'_>) -> Option<Vlan> {
    let number = be_u16(frame.bytes, field::PROTOCOL_V2)?;
    ether_type::vlan(number, frame.behind(field::LENGTH_V2).ok()?)
}
