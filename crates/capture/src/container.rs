//! What kind of capture file this is, from its first bytes and never from its name.

use crate::ByteOrder;
use crate::byte_order::{array, be_u16};

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
    const KNOWN: [(&[u8], &str); 9] = [
        (b"snoop\0\0\0", "snoop"),
        (b"RTSS", "Network Monitor 1"),
        (b"GMBU", "Network Monitor 2"),
        (b"TRSNIFF data", "Sniffer"),
        (b"XCP\0", "NetXRay"),
        (b"ObserverPktBuffe", "Observer"),
        (b"iptrace 1.0", "iptrace"),
        (b"iptrace 2.0", "iptrace"),
        (b"\x54\x52\x00\x64", "nettl"),
    ];
    let known = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name);
    known.or_else(|| is_erf(head).then_some("ERF"))
}

/// ERF has no magic number. What tells it are records one after the other: a time in seconds and 2^-32 s,
/// little-endian, a type of Endace's, and a length (<https://www.endace.com/erf-extensible-record-format-types.pdf>).
fn is_erf(head: &[u8]) -> bool {
    /// Highest type in use, and the bit that announces more headers.
    const TYPES: std::ops::RangeInclusive<u8> = 1..=48;
    const MORE_HEADERS: u8 = 0x80;
    /// With the header of 16 octets, and less than any two letters read as.
    const LENGTHS: std::ops::RangeInclusive<u16> = 16..=0x1fff;
    /// Seconds: from 2001 on, and what follows comes within a day.
    const SINCE: u32 = 1_000_000_000;
    const DAY: u32 = 86_400;
    let seconds = |at: usize| ByteOrder::Little.u32(head, at + 4..at + 8);
    let record = |at: usize| {
        let kind = *head.get(at + 8)? & !MORE_HEADERS;
        let length = be_u16(head, at + 10..at + 12)?;
        (TYPES.contains(&kind) && LENGTHS.contains(&length)).then_some(at + usize::from(length))
    };
    let next = record(0).and_then(|at| Some((seconds(0)?, seconds(at)?, record(at)?)));
    next.is_some_and(|(first, second, _)| first >= SINCE && first.abs_diff(second) <= DAY)
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
        assert_eq!(refused_by_name(b"iptrace 2.0"), Some("iptrace"));
    }

    /// Two records of Ethernet (type 2) of 20 and 16 octets, a second apart.
    #[test]
    fn erf_is_known_by_its_chain_of_records() {
        let record = |seconds: u32, kind: u8, length: u16| {
            let mut record = [&[0, 0, 0, 0x80][..], &seconds.to_le_bytes()].concat();
            record.extend([kind, 0]);
            record.extend(length.to_be_bytes());
            record.resize(usize::from(length.max(16)), 0);
            record
        };
        let since = 1_700_000_000;
        let second = record(since + 1, 2, 16);
        for (first, expected) in [
            (record(since, 2, 20), Some("ERF")),
            (record(since, 0x82, 20), Some("ERF")),
            (record(5, 2, 20), None),
            (record(since, 0, 20), None),
            (record(since, 2, 15), None),
            (record(since - 1_000_000, 2, 20), None),
        ] {
            assert_eq!(refused_by_name(&[first, second.clone()].concat()), expected);
        }
        assert_eq!(refused_by_name(&record(since, 2, 20)), None, "one record is no chain");
        assert_eq!(refused_by_name(&[b' '; 1 << 14]), None, "letters");
    }
}
