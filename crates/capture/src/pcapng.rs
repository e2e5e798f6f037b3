//! The pcapng container (draft-ietf-opsawg-pcapng): blocks of a type, a length, a body, and the
//! length again.
//!
//! Packet blocks are walked here, since that is the hot path (a differential test holds the walk
//! against pcap-parser); section headers, interface descriptions and statistics, which are rare, are
//! read by pcap-parser in [`metadata`].

pub(crate) mod metadata;

use std::ops::Range;

use crate::ByteOrder;

/// Smallest possible block: type and two lengths.
pub(crate) const BLOCK_BYTES_MIN: usize = 12;

/// Byte ranges of a block, from its first octet.
mod field {
    use std::ops::Range;

    pub(super) const TYPE: Range<usize> = 0..4;
    pub(super) const LENGTH: Range<usize> = 4..8;
    /// Section header: tells the byte order of all others.
    pub(super) const BYTE_ORDER_MAGIC: Range<usize> = 8..12;

    /// Enhanced packet block, section 4.3.
    pub(super) mod enhanced {
        use std::ops::Range;
        pub(in super::super) const INTERFACE: Range<usize> = 8..12;
        pub(in super::super) const TIME_HIGH: Range<usize> = 12..16;
        pub(in super::super) const TIME_LOW: Range<usize> = 16..20;
        pub(in super::super) const CAPTURED: Range<usize> = 20..24;
        pub(in super::super) const ON_THE_WIRE: Range<usize> = 24..28;
        pub(in super::super) const DATA: usize = 28;
    }

    /// Obsolete packet block, appendix A: as the enhanced one with a 16-bit interface and a drop
    /// counter.
    pub(super) mod obsolete {
        use std::ops::Range;
        pub(in super::super) const INTERFACE: Range<usize> = 8..10;
    }

    /// Simple packet block, section 4.4.
    pub(super) mod simple {
        use std::ops::Range;
        pub(in super::super) const ON_THE_WIRE: Range<usize> = 8..12;
        pub(in super::super) const DATA: usize = 12;
    }
}

/// What a block is to the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Begins a section.
    Section,
    /// Describes the next interface of the section.
    Interface,
    /// Counters of an interface.
    Statistics,
    /// A packet with a time stamp.
    Enhanced,
    /// The obsolete packet block.
    Obsolete,
    /// A packet without a time stamp.
    Simple,
    /// No packet, but Wireshark gives it a frame number: journal entries, custom blocks and system
    /// calls (checked with tshark 4.0.17).
    NumberedOther,
    /// Anything else.
    Other,
}

/// The first two fields of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its whole length as stated at its beginning, 12 or more.
    pub(crate) length: u32,
    /// The byte order of the block: for a section header that of the section which it begins.
    pub(crate) order: ByteOrder,
}

/// What stands where a block should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// A block.
    Block(BlockHeader),
    /// This many octets are needed to tell.
    Need(usize),
    /// A length below 12, or a section header without byte-order magic: the chain is broken.
    Broken(&'static str),
}

/// Reads type and length of the block that `bytes` begin with.
#[inline]
pub(crate) fn beginning(bytes: &[u8], order: ByteOrder) -> Beginning {
    let (Some(number), Some(_)) = (order.u32(bytes, field::TYPE), bytes.get(field::LENGTH)) else {
        return Beginning::Need(field::LENGTH.end);
    };
    let kind = kind(number);
    let order = if kind == Kind::Section {
        let Some(magic) = ByteOrder::Big.u32(bytes, field::BYTE_ORDER_MAGIC) else {
            return Beginning::Need(field::BYTE_ORDER_MAGIC.end);
        };
        match magic {
            0x1a2b_3c4d => ByteOrder::Big,
            0x4d3c_2b1a => ByteOrder::Little,
            _ => return Beginning::Broken("a section header without its byte-order magic"),
        }
    } else {
        order
    };
    match order.u32(bytes, field::LENGTH) {
        Some(length) if length as usize >= BLOCK_BYTES_MIN => {
            Beginning::Block(BlockHeader { kind, length, order })
        }
        _ => Beginning::Broken("a block length below 12"),
    }
}

/// Block types, section 11.1 and Wireshark's `wiretap/pcapng_module.h`.
#[inline]
fn kind(number: u32) -> Kind {
    match number {
        0x0a0d_0d0a => Kind::Section,
        1 => Kind::Interface,
        2 => Kind::Obsolete,
        3 => Kind::Simple,
        5 => Kind::Statistics,
        6 => Kind::Enhanced,
        9 | 0xbad | 0x4000_0bad | 0x204 | 0x208 | 0x216 | 0x217 | 0x221 | 0x222 => {
            Kind::NumberedOther
        }
        _ => Kind::Other,
    }
}

impl Kind {
    /// Whether Wireshark gives the block a frame number.
    #[inline]
    pub(crate) fn is_numbered(self) -> bool {
        matches!(self, Self::Enhanced | Self::Obsolete | Self::Simple | Self::NumberedOther)
    }
}

/// Whether the length at the end of a whole block repeats the one at its beginning.
#[inline]
pub(crate) fn lengths_agree(block: &[u8], header: BlockHeader) -> bool {
    let end = block.len();
    let at = end.saturating_sub(4)..end;
    header.order.u32(block, at) == Some(header.length)
}

/// A packet block's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketFields<'a> {
    /// Index into the interfaces of the section.
    pub(crate) interface: u32,
    /// Units of that interface's clock; `None` for a simple packet block.
    pub(crate) time_units: Option<u64>,
    /// Octets of the frame on the wire.
    pub(crate) on_the_wire: u32,
    /// The frame as captured.
    pub(crate) data: &'a [u8],
}

/// The fields of a whole packet block; `None` when the frame does not fit into it.
#[inline]
pub(crate) fn packet(block: &[u8], header: BlockHeader) -> Option<PacketFields<'_>> {
    let order = header.order;
    let body = block.get(..block.len().checked_sub(4)?)?;
    if header.kind == Kind::Simple {
        let on_the_wire = order.u32(body, field::simple::ON_THE_WIRE)?;
        let room = body.get(field::simple::DATA..)?;
        let data = room.get(..on_the_wire as usize).unwrap_or(room);
        return Some(PacketFields { interface: 0, time_units: None, on_the_wire, data });
    }
    let interface = match header.kind {
        Kind::Obsolete => u32::from(order.u16(body, field::obsolete::INTERFACE)?),
        _ => order.u32(body, field::enhanced::INTERFACE)?,
    };
    let number = |at: Range<usize>| order.u32(body, at);
    let high = u64::from(number(field::enhanced::TIME_HIGH)?);
    let low = u64::from(number(field::enhanced::TIME_LOW)?);
    let captured = number(field::enhanced::CAPTURED)? as usize;
    let data = body.get(field::enhanced::DATA..)?.get(..captured)?;
    let on_the_wire = number(field::enhanced::ON_THE_WIRE)?;
    Some(PacketFields { interface, time_units: Some(high << 32 | low), on_the_wire, data })
}
