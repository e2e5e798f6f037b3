//! What kind of capture file this is, from its first bytes and never from its name.

use crate::ByteOrder;
use crate::byte_order::array;

/// A container that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// The format of libpcap.
    Pcap(PcapVariant),
    /// pcapng; its byte order belongs to each section.
    PcapNg,
}

/// Which of the pcap formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PcapVariant {
    /// Byte order of the file header and of every record header.
    pub order: ByteOrder,
    /// The fraction of a time stamp is in nanoseconds, not in microseconds.
    pub nanoseconds: bool,
    /// The format of a patched libpcap, magic `a1b2cd34`: record headers are 8 octets longer.
    pub modified: bool,
}

/// Block type of a pcapng section header: the same in both byte orders.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// The container that begins with `head`; four octets decide. `None` when it is no capture that
/// this crate reads.
pub fn recognise(head: &[u8]) -> Option<Container> {
    let magic: [u8; 4] = array(head, 0..4)?;
    if magic == SECTION_HEADER {
        return Some(Container::PcapNg);
    }
    let variant = |order, number| {
        let (nanoseconds, modified) = match number {
            MAGIC_MICROSECONDS => (false, false),
            MAGIC_NANOSECONDS => (true, false),
            MAGIC_MODIFIED => (false, true),
            _ => return None,
        };
        Some(Container::Pcap(PcapVariant { order, nanoseconds, modified }))
    };
    variant(ByteOrder::Little, u32::from_le_bytes(magic))
        .or_else(|| variant(ByteOrder::Big, u32::from_be_bytes(magic)))
}

/// The name of a capture format that is known but not read, so that it can be refused by name.
pub fn refused_by_name(head: &[u8]) -> Option<&'static str> {
    /// Magic octets at the beginning, after Wireshark's `wiretap` modules of the same names.
    const KNOWN: [(&[u8], &str); 5] = [
        (b"snoop\0\0\0", "snoop"),
        (b"RTSS", "Network Monitor 1"),
        (b"GMBU", "Network Monitor 2"),
        (b"TRSNIFF data", "Sniffer"),
        (b"\x54\x52\x00\x64", "iptrace"),
    ];
    KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PcapNg => "pcapng",
            Self::Pcap(PcapVariant { modified: true, .. }) => "modified pcap",
            Self::Pcap(PcapVariant { nanoseconds: true, .. }) => "nanosecond pcap",
            Self::Pcap(_) => "pcap",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_magic_number_in_both_orders() {
        for (magic, nanoseconds, modified) in [
            (0xa1b2_c3d4_u32, false, false),
            (0xa1b2_3c4d, true, false),
            (0xa1b2_cd34, false, true),
        ] {
            for (order, bytes) in
                [(ByteOrder::Little, magic.to_le_bytes()), (ByteOrder::Big, magic.to_be_bytes())]
            {
                let expected = Container::Pcap(PcapVariant { order, nanoseconds, modified });
                assert_eq!(recognise(&bytes), Some(expected));
            }
        }
        assert_eq!(recognise(&[0x0a, 0x0d, 0x0d, 0x0a]), Some(Container::PcapNg));
        assert_eq!(recognise(b"2024"), None);
        assert_eq!(recognise(&[0xa1, 0xb2]), None);
        assert_eq!(refused_by_name(b"snoop\0\0\0\0\0\0\x02"), Some("snoop"));
    }
}
