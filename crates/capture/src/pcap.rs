//! The pcap container: a file header, then records of a fixed header and a frame.
//!
//! pcap-parser reads the file header; record headers are walked here, since that is the hot path
//! (a differential test holds the walk against pcap-parser). Two things pcap-parser does not tell:
//! `a1b2cd34` in the other byte order, and that `ts_usec` holds nanoseconds in a nanosecond file.

use why504_model::Timestamp;

use crate::container::PcapVariant;
use crate::{ByteOrder, CaptureError, Clock, Interface, LinkType};

/// Octets of the file header.
pub(crate) const FILE_HEADER_BYTES: usize = 24;

/// Byte ranges of a record header (draft-ietf-opsawg-pcap, section 5).
mod field {
    use std::ops::Range;

    pub(super) const SECONDS: Range<usize> = 0..4;
    pub(super) const FRACTION: Range<usize> = 4..8;
    pub(super) const CAPTURED: Range<usize> = 8..12;
    pub(super) const ON_THE_WIRE: Range<usize> = 12..16;
    /// Octets of the header.
    pub(super) const LENGTH: usize = 16;
    /// Octets of the header in the modified format: index, protocol and packet type follow.
    pub(super) const LENGTH_MODIFIED: usize = 24;
}

/// One record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// `None` for the zero that a file padded with NUL octets shows.
    pub(crate) time: Option<Timestamp>,
    /// Octets of the record header itself.
    pub(crate) header: usize,
    /// Octets of the frame in the file.
    pub(crate) captured: u32,
    /// Octets of the frame on the wire.
    pub(crate) on_the_wire: u32,
}

impl PcapVariant {
    /// Octets of a record header.
    pub(crate) fn record_header_bytes(self) -> usize {
        if self.modified { field::LENGTH_MODIFIED } else { field::LENGTH }
    }

    /// Octets of the frame behind the record header that `bytes` begin with.
    #[inline]
    pub(crate) fn captured(self, bytes: &[u8]) -> Option<u32> {
        self.order.u32(bytes, field::CAPTURED)
    }

    /// The record header that `bytes` begin with; `None` when they end before it does.
    #[inline]
    pub(crate) fn record_header(self, bytes: &[u8]) -> Option<RecordHeader> {
        // One comparison of lengths for all fields.
        let bytes = bytes.first_chunk::<{ field::LENGTH }>()?;
        let seconds = self.order.u32(bytes, field::SECONDS)?;
        let fraction = self.order.u32(bytes, field::FRACTION)?;
        let nanos = if self.nanoseconds { fraction } else { fraction.saturating_mul(1000) };
        let timed = seconds != 0 || fraction != 0;
        Some(RecordHeader {
            time: timed.then(|| Timestamp::from_parts(i64::from(seconds), nanos)),
            header: self.record_header_bytes(),
            captured: self.captured(bytes)?,
            on_the_wire: self.order.u32(bytes, field::ON_THE_WIRE)?,
        })
    }
}

/// Reads the file header, of which `bytes` hold at least [`FILE_HEADER_BYTES`].
pub(crate) fn file_header(bytes: &[u8], variant: PcapVariant) -> Result<Interface, CaptureError> {
    let mut header: [u8; FILE_HEADER_BYTES] = crate::byte_order::array(bytes, 0..FILE_HEADER_BYTES)
        .ok_or(CaptureError::HeaderCut {
            need: FILE_HEADER_BYTES as u64,
            have: bytes.len() as u64,
        })?;
    if variant.modified && variant.order == ByteOrder::Big {
        // pcap-parser does not know this magic number; the rest is as in the common format.
        header[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_be_bytes());
    }
    let (_, header) = pcap_parser::parse_pcap_header(&header).map_err(|_| {
        CaptureError::BadHeader { reason: "pcap-parser does not accept it".to_owned() }
    })?;
    if header.version_major != 2 {
        return Err(CaptureError::BadHeader {
            reason: format!(
                "pcap version {}.{} found, 2.x expected",
                header.version_major, header.version_minor
            ),
        });
    }
    // The upper half holds the length of the frame check sequence and reserved bits
    // (draft-ietf-opsawg-pcap, section 4); the FCS never becomes payload, since IP says its length.
    let [low, high, ..] = header.network.0.to_le_bytes();
    let link = LinkType(u16::from_le_bytes([low, high]));
    let clock = if variant.nanoseconds { Clock::NANOSECONDS } else { Clock::MICROSECONDS };
    Ok(Interface::new(link, header.snaplen, clock))
}
