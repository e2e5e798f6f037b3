//! Address resolution on a link: who asked for whom.

use core::net::IpAddr;

use crate::{Location, Timestamp};

/// The address of a network card (EUI-48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkAddress(pub [u8; 6]);

impl LinkAddress {
    /// The first in order.
    pub const LEAST: Self = Self([0; 6]);
}

/// A packet of ARP for IPv4 (RFC 826) or of neighbour discovery for IPv6 (RFC 4861), over a link with
/// addresses of six octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Capture time stamp of the frame.
    pub time: Timestamp,
    /// Where the frame stands.
    pub location: Location,
    /// It answers (`ares_op$REPLY`, a neighbour advertisement), or announces its sender; else it asks.
    pub answer: bool,
    /// Its sender's card: a host with many addresses asks with any of them.
    pub link: LinkAddress,
    /// The address that asks, or for which is answered.
    pub sender: IpAddr,
    /// The address that is asked for, or that asked.
    pub target: IpAddr,
}
