//! BSD loopback (`NULL`) and OpenBSD loopback (`LOOP`): an address family of four octets.

use std::ops::Range;

use super::{Network, Payload, Protocol};
use crate::ByteOrder;
use crate::tally::Unused;

mod field {
    use super::Range;
    pub(super) const FAMILY: Range<usize> = 0..4;
    pub(super) const LENGTH: usize = 4;
}

/// The frame with its family in the other byte order.
pub(super) fn in_other_order(frame: &[u8]) -> Vec<u8> {
    let mut swapped = frame.to_vec();
    if let Some(family) = swapped.get_mut(field::FAMILY) {
        family.reverse();
    }
    swapped
}

/// `order` is that of the file. A file converted on another host may hold the other one; a family is
/// a small number, which tells.
pub(super) fn network(frame: Payload<'_>, order: ByteOrder) -> Result<Network<'_>, Unused> {
    let family = order.u32(frame.bytes, field::FAMILY).ok_or(frame.short())?;
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    let payload = frame.behind(field::LENGTH)?;
    match family {
        2 => Ok(payload.into_network(Protocol::Ipv4)),
        // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS.
        10 | 24 | 28 | 30 => Ok(payload.into_network(Protocol::Ipv6)),
        _ => Err(Unused::NonIp),
    }
}
