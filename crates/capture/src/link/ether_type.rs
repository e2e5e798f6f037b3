//! EtherTypes: IP, ARP, and the tags that may stand before it: 802.1Q and 802.1ad (QinQ),
//! MPLS and PPPoE.

use std::ops::Range;

use why504_model::Vlan;

use super::{Network, Payload, Protocol, mpls, pppoe};
use crate::byte_order::be_u16;
use crate::tally::Unused;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
/// Unicast and multicast (RFC 3032 section 5).
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PPPOE_SESSION: u16 = 0x8864;
/// 802.1Q, 802.1ad, and the numbers in use for QinQ before 802.1ad.
const VLAN_TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// A VLAN tag behind its EtherType (IEEE 802.1Q section 9.6).
mod field {
    use super::Range;
    /// Priority, drop eligibility, and in the low 12 bits the identifier.
    pub(super) const CONTROL: Range<usize> = 0..2;
    pub(super) const ETHER_TYPE: Range<usize> = 2..4;
    pub(super) const LENGTH: usize = 4;
}

/// Low 12 bits of the tag control information.
const IDENTIFIER: u16 = 0x0fff;

/// The VLAN of what follows the EtherType `number`: the identifiers of its first two tags but those
/// that carry a priority only.
pub(super) fn vlan(mut number: u16, mut payload: Payload<'_>) -> Option<Vlan> {
    let mut found: Option<Vlan> = None;
    while VLAN_TAGS.contains(&number) {
        let id = be_u16(payload.bytes, field::CONTROL)? & IDENTIFIER;
        if id != 0 {
            match &mut found {
                None => found = Some(Vlan { outer: id, inner: None }),
                Some(vlan) => {
                    vlan.inner = Some(id);
                    return found;
                }
            }
        }
        number = be_u16(payload.bytes, field::ETHER_TYPE)?;
        payload = payload.behind(field::LENGTH).ok()?;
    }
    found
}

/// The EtherType behind the tags that stand before it, and what follows it.
#[inline]
pub(super) fn behind_tags(
    mut number: u16,
    mut payload: Payload<'_>,
) -> Result<(u16, Payload<'_>), Unused> {
    // Each tag takes octets, so the loop ends with the frame.
    while VLAN_TAGS.contains(&number) {
        number = be_u16(payload.bytes, field::ETHER_TYPE).ok_or(payload.short())?;
        payload = payload.behind(field::LENGTH)?;
    }
    Ok((number, payload))
}

/// The version of IP that an EtherType announces.
pub(super) fn ip(number: u16) -> Option<Protocol> {
    match number {
        IPV4 => Some(Protocol::Ipv4),
        IPV6 => Some(Protocol::Ipv6),
        _ => None,
    }
}

/// The IP or ARP packet in `payload`, which follows the EtherType `number`.
#[inline]
pub(crate) fn network(number: u16, payload: Payload<'_>) -> Result<Network<'_>, Unused> {
    let (mut number, mut payload) = (number, payload);
    // Twice at most: behind tags there is none.
    loop {
        match number {
            IPV4 => return Ok(payload.into_network(Protocol::Ipv4)),
            IPV6 => return Ok(payload.into_network(Protocol::Ipv6)),
            ARP => return Ok(payload.into_network(Protocol::Arp)),
            tag if VLAN_TAGS.contains(&tag) => (number, payload) = behind_tags(tag, payload)?,
            PPPOE_SESSION => return pppoe::network(payload),
            labels if MPLS.contains(&labels) => return mpls::network(payload),
            _ => return Err(Unused::NonIp),
        }
    }
}
