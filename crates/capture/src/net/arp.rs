//! ARP for IPv4 (RFC 826): the two protocol addresses, and whether it asks or answers.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use why504_model::LinkAddress;

use super::Resolution;
use crate::byte_order::{be_u16, be_u32};
use crate::link::Network;
use crate::tally::Unused;

/// `ar$pro` of IPv4.
const IPV4: u16 = 0x0800;
/// `ar$hln` and `ar$pln`: a card's address has six octets on Ethernet and 802.11.
const LENGTHS: u16 = 0x0604;
/// `ar$op`.
const REPLY: u16 = 2;

mod field {
    use super::Range;
    pub(super) const PROTOCOL: Range<usize> = 2..4;
    pub(super) const LENGTHS: Range<usize> = 4..6;
    pub(super) const OPERATION: Range<usize> = 6..8;
    pub(super) const SENDER_LINK: Range<usize> = 8..14;
    pub(super) const SENDER: Range<usize> = 14..18;
    pub(super) const TARGET: Range<usize> = 24..28;
}

/// The addresses in an ARP packet; whatever is not about IPv4 is [`Unused::NonIp`].
pub(crate) fn resolution(network: &Network<'_>) -> Result<Resolution, Unused> {
    read(network.bytes).ok_or(Unused::NonIp)
}

fn read(bytes: &[u8]) -> Option<Resolution> {
    if be_u16(bytes, field::PROTOCOL)? != IPV4 || be_u16(bytes, field::LENGTHS)? != LENGTHS {
        return None;
    }
    let address = |at| Some(IpAddr::from(Ipv4Addr::from(be_u32(bytes, at)?)));
    let (sender, target) = (address(field::SENDER)?, address(field::TARGET)?);
    let link = LinkAddress(bytes.get(field::SENDER_LINK)?.try_into().ok()?);
    // One that asks for itself announces itself (RFC 5227).
    let answer = be_u16(bytes, field::OPERATION)? == REPLY || sender == target;
    Some(Resolution { answer, link, sender, target })
}
