//! The rare blocks of pcapng: interface descriptions and statistics, read by pcap-parser.
//!
//! pcap-parser's own reading of `if_tsresol` and `if_tsoffset` is not used: see [`crate::Clock`].
//! Numbers in options are read here, in the byte order of the section; pcap-parser takes them all as
//! little-endian.

use pcap_parser::{
    OptionCode, PcapNGOption, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le, parse_interfacestatisticsblock_be,
    parse_interfacestatisticsblock_le, parse_sectionheaderblock,
};

use crate::{ByteOrder, Clock, DropCounters, Interface, LinkType, Resolution};

/// Longest kept interface name in octets; Linux allows 15.
const NAME_BYTES_MAX: usize = 256;
/// Longest kept filter expression in octets.
const FILTER_BYTES_MAX: usize = 4096;

/// Whether the section header block `block` is of a version that can be read (1.x).
pub(crate) fn section_version(block: &[u8]) -> Result<(), String> {
    let (_, section) =
        parse_sectionheaderblock(block).map_err(|_| "a section header is malformed".to_owned())?;
    if section.major_version == 1 {
        return Ok(());
    }
    Err(format!(
        "pcapng version {}.{} found, 1.x expected",
        section.major_version, section.minor_version
    ))
}

/// The interface that the block `block` describes; `None` when the block is malformed.
pub(crate) fn interface(block: &[u8], order: ByteOrder) -> Option<Interface> {
    let (_, description) = match order {
        ByteOrder::Little => parse_interfacedescriptionblock_le(block),
        ByteOrder::Big => parse_interfacedescriptionblock_be(block),
    }
    .ok()?;
    let link = LinkType(u16::try_from(description.linktype.0).ok()?);
    let mut clock = Clock::MICROSECONDS;
    let (mut name, mut filter) = (None, None);
    for option in in_effect(&description.options) {
        let value = option.as_bytes().unwrap_or_default();
        match option.code {
            OptionCode::IfTsresol => {
                if let Some(octet) = value.first() {
                    clock.resolution = Resolution::from_octet(*octet);
                }
            }
            OptionCode::IfTsoffset => {
                clock.offset_seconds = order.u64(value, 0..8).map_or(0, u64::cast_signed);
            }
            OptionCode::IfName => name = text(value, NAME_BYTES_MAX),
            // The first octet tells a filter expression (0) from BPF code.
            OptionCode::IfFilter => {
                filter = value.strip_prefix(&[0]).and_then(|value| text(value, FILTER_BYTES_MAX));
            }
            _ => {}
        }
    }
    Some(Interface { name, filter, ..Interface::new(link, description.snaplen, clock) })
}

/// The interface's index and its counters; `None` when the block is malformed.
pub(crate) fn statistics(block: &[u8], order: ByteOrder) -> Option<(u32, DropCounters)> {
    let (_, statistics) = match order {
        ByteOrder::Little => parse_interfacestatisticsblock_le(block),
        ByteOrder::Big => parse_interfacestatisticsblock_be(block),
    }
    .ok()?;
    let mut counters = DropCounters::default();
    for option in in_effect(&statistics.options) {
        let number = order.u64(option.as_bytes().unwrap_or_default(), 0..8);
        match option.code {
            OptionCode::IsbIfRecv => counters.received = number,
            OptionCode::IsbIfDrop => counters.by_interface = number,
            OptionCode::IsbOsDrop => counters.by_system = number,
            _ => {}
        }
    }
    Some((statistics.if_id, counters))
}

/// The options up to the end-of-options mark; pcap-parser reads on behind it.
fn in_effect<'a, 'b>(
    options: &'a [PcapNGOption<'b>],
) -> impl Iterator<Item = &'a PcapNGOption<'b>> {
    options.iter().take_while(|option| option.code != OptionCode::EndOfOpt)
}

/// At most `limit` octets of text without trailing NULs; `None` when nothing is left.
fn text(value: &[u8], limit: usize) -> Option<String> {
    let value = value.get(..limit).unwrap_or(value);
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}
