//! The chain of record headers: how far the whole records of a window reach, and how many frames
//! they are.
//!
//! A run never changes its mind: what it consumed stays consumed, what stopped it is found again at
//! the beginning of the next window. So the result does not depend on where a window ends.

use std::sync::Arc;

use crate::block::{Channel, Layout};
use crate::container::PcapVariant;
use crate::pcapng::{self, Beginning, BlockHeader, Kind, metadata};
use crate::reader::{BLOCK_BYTES, MAX_RECORD_BYTES};
use crate::{ByteOrder, CaptureError, CaptureSummary, LinkType, pcap};

/// Interfaces of one section that can be told apart; frames of later ones count as malformed.
const INTERFACES_MAX: usize = 4096;

/// Where the walk stands in the container.
pub(super) enum Walk {
    /// Records of one kind up to the end.
    Pcap(PcapVariant, LinkType),
    /// Sections of blocks.
    PcapNg(Section),
}

/// The state of a pcapng section.
pub(super) struct Section {
    order: ByteOrder,
    /// The first [`INTERFACES_MAX`] interfaces.
    channels: Vec<Channel>,
    /// All interfaces described so far.
    described: usize,
    /// What the last block was given of `channels`.
    snapshot: Arc<[Channel]>,
    /// Index of the section's first interface in the summary.
    first_listed: usize,
}

/// What a window holds.
pub(super) enum Run {
    /// Whole records from its beginning on.
    Records(Records),
    /// Not even one.
    Stopped(Stop),
}

/// A run of whole records.
pub(super) struct Records {
    /// Octets, at least one.
    pub(super) length: usize,
    /// Frame numbers that they take.
    pub(super) frames: u64,
    /// Interfaces that the section had before them.
    known: usize,
}

/// Why there is no whole record.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// The window must hold this many octets.
    Need(usize),
    /// The next octets belong to a block that is of no interest and too large to hold.
    Skip(u64),
    /// The chain of records is broken.
    Broken(String),
}

impl Walk {
    /// Reads the file header of a pcap file, of which `head` are the first octets.
    pub(super) fn pcap(
        head: &[u8],
        variant: PcapVariant,
        summary: &mut CaptureSummary,
    ) -> Result<Self, CaptureError> {
        let interface = pcap::file_header(head, variant)?;
        let link = interface.link;
        summary.interfaces.push(interface);
        summary.interface_count = 1;
        summary.sections = 1;
        Ok(Self::Pcap(variant, link))
    }

    /// Checks that `head` holds a whole section header; the walk reads it again.
    pub(super) fn pcapng(head: &[u8]) -> Result<Self, CaptureError> {
        let have = head.len() as u64;
        let header = match pcapng::beginning(head, ByteOrder::Little) {
            Beginning::Block(header) => header,
            Beginning::Need(need) => {
                return Err(CaptureError::HeaderCut { need: need as u64, have });
            }
            Beginning::Broken(what) => {
                return Err(CaptureError::BadHeader { reason: what.to_owned() });
            }
        };
        if let Some(stop) = unreadable(header) {
            return Err(CaptureError::BadHeader { reason: stop });
        }
        let need = u64::from(header.length);
        let Some(block) = head.get(..header.length as usize) else {
            return Err(CaptureError::HeaderCut { need, have });
        };
        metadata::section_version(block).map_err(|reason| CaptureError::BadHeader { reason })?;
        Ok(Self::PcapNg(Section::new(header.order, 0)))
    }

    /// Walks over the whole records that `bytes` begin with.
    pub(super) fn run(&mut self, bytes: &[u8], summary: &mut CaptureSummary) -> Run {
        let (records, stop) = match self {
            Self::Pcap(variant, _) => pcap_records(*variant, bytes),
            Self::PcapNg(section) => section.records(bytes, summary),
        };
        if records.length > 0 { Run::Records(records) } else { Run::Stopped(stop) }
    }

    /// How the records that were walked last are laid out.
    pub(super) fn layout(&mut self, records: &Records) -> Layout {
        match self {
            Self::Pcap(variant, link) => Layout::Pcap(*variant, *link),
            Self::PcapNg(section) => Layout::PcapNg {
                order: section.order,
                interfaces: section.snapshot(),
                known: records.known,
            },
        }
    }
}

/// The hot loop of a pcap file: nothing but the captured length of each record is read.
fn pcap_records(variant: PcapVariant, bytes: &[u8]) -> (Records, Stop) {
    let header = variant.record_header_bytes();
    let mut records = Records { length: 0, frames: 0, known: 0 };
    let stop = loop {
        let rest = bytes.get(records.length..).unwrap_or_default();
        let Some(captured) = variant.captured(rest) else { break Stop::Need(header) };
        let captured = captured as usize;
        if captured > MAX_RECORD_BYTES {
            break Stop::Broken(format!(
                "a record header states a frame of {captured} octets, at most {MAX_RECORD_BYTES} \
                 are possible"
            ));
        }
        if header + captured > rest.len() {
            break Stop::Need(header + captured);
        }
        records.length += header + captured;
        records.frames += 1;
    };
    (records, stop)
}

impl Section {
    fn new(order: ByteOrder, first_listed: usize) -> Self {
        let snapshot = Arc::new([]);
        Self { order, channels: Vec::new(), described: 0, snapshot, first_listed }
    }

    /// The hot loop of a pcapng file: type and both lengths of each block.
    fn records(&mut self, bytes: &[u8], summary: &mut CaptureSummary) -> (Records, Stop) {
        let mut records = Records { length: 0, frames: 0, known: self.described };
        let stop = loop {
            let rest = bytes.get(records.length..).unwrap_or_default();
            let header = match pcapng::beginning(rest, self.order) {
                Beginning::Block(header) => header,
                Beginning::Need(need) => break Stop::Need(need),
                Beginning::Broken(what) => break Stop::Broken(what.to_owned()),
            };
            if header.kind == Kind::Section && records.length > 0 {
                // A section is the beginning of a run: a run has one byte order.
                break Stop::Need(1);
            }
            let length = header.length as usize;
            if header.kind == Kind::Other && length > BLOCK_BYTES {
                break Stop::Skip(u64::from(header.length));
            }
            if let Some(what) = unreadable(header) {
                break Stop::Broken(what);
            }
            let Some(block) = rest.get(..length) else { break Stop::Need(length) };
            if !pcapng::lengths_agree(block, header) {
                break Stop::Broken("the two lengths of a block disagree".to_owned());
            }
            if let Err(what) = self.note(block, header, summary) {
                break Stop::Broken(what);
            }
            if header.kind == Kind::Section {
                records.known = 0;
            }
            records.length += length;
            records.frames += u64::from(header.kind.is_numbered());
        };
        (records, stop)
    }

    /// Learns from a block that is about the section and not about a packet.
    #[inline]
    fn note(
        &mut self,
        block: &[u8],
        header: BlockHeader,
        summary: &mut CaptureSummary,
    ) -> Result<(), String> {
        match header.kind {
            Kind::Section => {
                metadata::section_version(block)?;
                summary.sections = summary.sections.saturating_add(1);
                *self = Self::new(header.order, summary.interfaces.len());
            }
            Kind::Interface => {
                let interface = metadata::interface(block, header.order)
                    .ok_or("an interface description is malformed")?;
                self.described = self.described.saturating_add(1);
                if self.channels.len() < INTERFACES_MAX {
                    self.channels.push(Channel { link: interface.link, clock: interface.clock });
                }
                summary.interface_count = summary.interface_count.saturating_add(1);
                if summary.interfaces.len() < CaptureSummary::MAX_LISTED {
                    summary.interfaces.push(interface);
                }
            }
            Kind::Statistics => {
                let (index, counters) = metadata::statistics(block, header.order)
                    .ok_or("an interface statistics block is malformed")?;
                let listed = self.first_listed.saturating_add(index as usize);
                if let Some(interface) = summary.interfaces.get_mut(listed) {
                    interface.drops = counters;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The interfaces as decoding needs them; shared with earlier blocks while nothing was added.
    fn snapshot(&mut self) -> Arc<[Channel]> {
        if self.snapshot.len() != self.channels.len() {
            self.snapshot = self.channels.as_slice().into();
        }
        Arc::clone(&self.snapshot)
    }
}

/// Why a block of this kind cannot have the length that it states.
#[inline]
fn unreadable(header: BlockHeader) -> Option<String> {
    let (least, most) = match header.kind {
        Kind::Section => (28, BLOCK_BYTES),
        Kind::Interface => (20, BLOCK_BYTES),
        Kind::Statistics => (24, BLOCK_BYTES),
        _ => (pcapng::BLOCK_BYTES_MIN, MAX_RECORD_BYTES),
    };
    let length = header.length as usize;
    if (least..=most).contains(&length) {
        return None;
    }
    Some(format!("a block states a length of {length} octets, {least} to {most} are possible"))
}
