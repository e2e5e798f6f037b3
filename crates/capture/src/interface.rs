//! What a capture says about one of its interfaces.

use crate::{Clock, LinkType};

/// An interface of a pcapng section, or the only one of a pcap file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What its frames begin with.
    pub link: LinkType,
    /// Octets kept of each frame; `None` when unlimited (0 in the file).
    pub snaplen: Option<u32>,
    /// How its time stamps are to be read.
    pub clock: Clock,
    /// `if_name`, for example `eth0`. At most 256 octets of it.
    pub name: Option<String>,
    /// `if_filter` where it is a filter expression. At most 4096 octets of it.
    pub filter: Option<String>,
    /// Counters of the last interface statistics block.
    pub drops: DropCounters,
}

/// Packets that were there and are not in the file (pcapng, section 4.6). The counters run from the
/// start of the capture, so the last block counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounters {
    /// `isb_ifrecv`: packets that the interface received.
    pub received: Option<u64>,
    /// `isb_ifdrop`: dropped by the interface for lack of resources.
    pub by_interface: Option<u64>,
    /// `isb_osdrop`: dropped by the operating system.
    pub by_system: Option<u64>,
}

impl Interface {
    /// An interface of which only the link type is known.
    pub fn new(link: LinkType, snaplen: u32, clock: Clock) -> Self {
        let snaplen = (snaplen != 0).then_some(snaplen);
        Self { link, snaplen, clock, name: None, filter: None, drops: DropCounters::default() }
    }
}

impl DropCounters {
    /// All packets known to be missing; `None` when nothing was counted.
    pub fn dropped(&self) -> Option<u64> {
        match (self.by_interface, self.by_system) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        }
    }
}
