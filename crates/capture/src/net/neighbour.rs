//! Neighbour discovery of IPv6 (RFC 4861): who asks for the link address of a neighbour, and who
//! answers.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use why504_model::LinkAddress;

use super::{IpPacket, Resolution};
use crate::byte_order::{array, octet};

/// Types of ICMPv6 (section 4).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// No router has passed it on (sections 7.1.1 and 7.1.2).
const HOP_LIMIT: u8 = 255;
/// Option: the address of the sender's card (section 4.6.1), one unit of eight octets long.
const SOURCE_LINK_ADDRESS: [u8; 2] = [1, 1];
/// Options are measured in units of eight octets.
const UNIT: usize = 8;

mod field {
    use super::Range;
    pub(super) const TYPE: usize = 0;
    pub(super) const TARGET: Range<usize> = 8..24;
    pub(super) const OPTIONS: usize = 24;
    pub(super) const OPTION_LENGTH: usize = 1;
    pub(super) const OPTION: Range<usize> = 0..2;
    pub(super) const LINK_ADDRESS: Range<usize> = 2..8;
}

/// The addresses in a solicitation or advertisement, whose packet is ICMPv6; `None` for what is
/// neither. A solicitation that does not name its card is of no use: whose it is, is told by that.
pub(crate) fn resolution(packet: &IpPacket<'_>) -> Option<Resolution> {
    let bytes = packet.payload;
    let answer = match octet(bytes, field::TYPE)? {
        SOLICITATION => false,
        ADVERTISEMENT => true,
        _ => return None,
    };
    if packet.ttl != HOP_LIMIT {
        return None;
    }
    let target = IpAddr::from(Ipv6Addr::from(array::<16>(bytes, field::TARGET)?));
    Some(if answer {
        // The card of the one who answers is not asked for.
        Resolution { answer, link: LinkAddress::LEAST, sender: target, target: packet.destination }
    } else {
        let link = source_link_address(bytes.get(field::OPTIONS..)?)?;
        Resolution { answer, link, sender: packet.source, target }
    })
}

fn source_link_address(mut options: &[u8]) -> Option<LinkAddress> {
    // Each option takes at least one unit, so the loop ends with the options.
    loop {
        if array(options, field::OPTION)? == SOURCE_LINK_ADDRESS {
            return array(options, field::LINK_ADDRESS).map(LinkAddress);
        }
        let units = usize::from(octet(options, field::OPTION_LENGTH)?);
        options = options.get(units.max(1) * UNIT..)?;
    }
}
