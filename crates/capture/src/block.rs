//! A run of whole records, cut out of a file, and the frames in it.

use std::sync::Arc;

use why504_model::Timestamp;

use crate::container::PcapVariant;
use crate::input::Cut;
use crate::pcapng::{self, Beginning, Kind};
use crate::{ByteOrder, Clock, LinkType};

/// Whole records of one file, with all that is needed to decode them: owned, and free to go to
/// another thread.
#[derive(Clone, Debug)]
pub struct Block {
    pub(crate) cut: Cut,
    pub(crate) layout: Layout,
    pub(crate) first_frame: u64,
    pub(crate) frames: u64,
    pub(crate) offset: u64,
}

/// How the records of a block are laid out.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// pcap records, all of one link type.
    Pcap(PcapVariant, LinkType),
    /// Blocks of one pcapng section.
    PcapNg {
        /// Byte order of the section.
        order: ByteOrder,
        /// The section's interfaces up to the end of the block, as far as decoding needs them.
        interfaces: Arc<[Channel]>,
        /// How many of them were described before the block; the rest are described in it.
        known: usize,
    },
}

/// What decoding needs to know of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) link: LinkType,
    pub(crate) clock: Clock,
}

/// A frame as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When; `None` for a pcapng simple packet block and for a record of NUL octets.
    pub time: Option<Timestamp>,
    /// What the frame begins with.
    pub link: LinkType,
    /// Octets on the wire; more than `data` where the snapshot length cut the frame.
    pub wire_len: u32,
    /// The captured octets.
    pub data: &'a [u8],
    /// Byte order of the file or section: some link headers are written in it.
    pub order: ByteOrder,
}

/// A record that has a frame number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number that Wireshark shows, from 1.
    pub number: u64,
    /// What it holds.
    pub content: Content<'a>,
}

/// What a numbered record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// A packet block that contradicts itself, or names an interface that is not described.
    Malformed,
    /// A journal entry, a custom block or the like.
    NotAPacket,
}

impl Block {
    /// Number of the block's first frame, if it has one.
    pub fn first_frame(&self) -> u64 {
        self.first_frame
    }

    /// How many frame numbers the block takes.
    pub fn frame_count(&self) -> u64 {
        self.frames
    }

    /// Byte offset of the block in the (decompressed) file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Octets of the file in the block.
    pub fn len(&self) -> usize {
        self.cut.bytes().len()
    }

    /// Whether the block holds no octets; the reader never returns such a one.
    pub fn is_empty(&self) -> bool {
        self.cut.bytes().is_empty()
    }

    /// The numbered records in file order, exactly [`Block::frame_count`] of them.
    pub fn records(&self) -> Records<'_> {
        Records { contents: self.contents(), number: self.first_frame }
    }

    /// What the numbered records hold, in the iterator of their layout.
    pub(crate) fn contents(&self) -> Contents<'_> {
        let known = match self.layout {
            Layout::Pcap(..) => 0,
            Layout::PcapNg { known, .. } => known,
        };
        Contents::of(self.cut.bytes(), &self.layout, known)
    }

    /// The record at the octet `at`, with `index` numbered records before it. All interfaces of the
    /// block are known to it.
    pub(crate) fn record_at(&self, at: u32, index: usize) -> Option<Record<'_>> {
        let rest = self.cut.bytes().get(at as usize..)?;
        let number = self.first_frame.saturating_add(index as u64);
        let contents = Contents::of(rest, &self.layout, usize::MAX);
        Records { contents, number }.next()
    }
}

/// Iterator over the records of a [`Block`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    contents: Contents<'a>,
    number: u64,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let content = match &mut self.contents {
            Contents::Pcap(records) => records.next()?,
            Contents::PcapNg(records) => records.next()?,
        };
        let number = self.number;
        self.number = number.saturating_add(1);
        Some(Record { number, content })
    }
}

/// What numbered records hold, one after the other. A loop that has to be quick is written over
/// [`Numbered`] and made once for each layout.
#[derive(Clone, Debug)]
pub(crate) enum Contents<'a> {
    Pcap(PcapContents<'a>),
    PcapNg(PcapNgContents<'a>),
}

impl<'a> Contents<'a> {
    /// Of the records in `rest`, before which `known` interfaces of the section were described.
    fn of(rest: &'a [u8], layout: &'a Layout, known: usize) -> Self {
        match layout {
            Layout::Pcap(variant, link) => {
                Self::Pcap(PcapContents { rest, variant: *variant, link: *link })
            }
            Layout::PcapNg { order, interfaces, .. } => {
                Self::PcapNg(PcapNgContents { rest, order: *order, interfaces, known })
            }
        }
    }
}

/// The contents of numbered records in one layout.
pub(crate) trait Numbered<'a>: Iterator<Item = Content<'a>> {
    /// Octets of the block from the next record on.
    fn octets_left(&self) -> usize;
}

/// pcap.
#[derive(Clone, Debug)]
pub(crate) struct PcapContents<'a> {
    rest: &'a [u8],
    variant: PcapVariant,
    link: LinkType,
}

impl<'a> Iterator for PcapContents<'a> {
    type Item = Content<'a>;

    #[inline]
    fn next(&mut self) -> Option<Content<'a>> {
        let header = self.variant.record_header(self.rest)?;
        let (data, rest) =
            self.rest.get(header.header..)?.split_at_checked(header.captured as usize)?;
        self.rest = rest;
        Some(Content::Frame(Frame {
            time: header.time,
            link: self.link,
            wire_len: header.on_the_wire,
            data,
            order: self.variant.order,
        }))
    }
}

impl<'a> Numbered<'a> for PcapContents<'a> {
    #[inline]
    fn octets_left(&self) -> usize {
        self.rest.len()
    }
}

/// pcapng.
#[derive(Clone, Debug)]
pub(crate) struct PcapNgContents<'a> {
    rest: &'a [u8],
    order: ByteOrder,
    interfaces: &'a [Channel],
    /// Interfaces described so far in the section.
    known: usize,
}

impl<'a> Iterator for PcapNgContents<'a> {
    type Item = Content<'a>;

    #[inline]
    fn next(&mut self) -> Option<Content<'a>> {
        loop {
            let Beginning::Block(header) = pcapng::beginning(self.rest, self.order) else {
                return None;
            };
            let (block, rest) = self.rest.split_at_checked(header.length as usize)?;
            self.rest = rest;
            match header.kind {
                Kind::Interface => self.known = self.known.saturating_add(1),
                Kind::NumberedOther => return Some(Content::NotAPacket),
                Kind::Enhanced | Kind::Obsolete | Kind::Simple => {
                    let known = self.interfaces.get(..self.known).unwrap_or(self.interfaces);
                    return Some(packet_block(block, header, known));
                }
                Kind::Section | Kind::Statistics | Kind::Other => {}
            }
        }
    }
}

impl<'a> Numbered<'a> for PcapNgContents<'a> {
    #[inline]
    fn octets_left(&self) -> usize {
        self.rest.len()
    }
}

/// A packet block with the interfaces that are known where it stands.
#[inline]
fn packet_block<'a>(
    block: &'a [u8],
    header: pcapng::BlockHeader,
    known: &[Channel],
) -> Content<'a> {
    let Some(fields) = pcapng::packet(block, header) else { return Content::Malformed };
    let Some(channel) = known.get(fields.interface as usize) else { return Content::Malformed };
    Content::Frame(Frame {
        time: fields.time_units.map(|units| channel.clock.timestamp(units)),
        link: channel.link,
        wire_len: fields.on_the_wire,
        data: fields.data,
        order: header.order,
    })
}
