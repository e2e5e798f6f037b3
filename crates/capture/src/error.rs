//! Why nothing of a file could be read as a capture.

use std::io;

use why504_model::{Damage, Diagnostic, Location, SourceId};

/// The beginning of the file is not that of a capture. Damage further on is a
/// [`Diagnostic`] of [`CaptureSummary`](crate::CaptureSummary), not an error.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No bytes at all: tcpdump writes its file header with the first buffer of packets.
    #[error("the file is empty: no capture header has been written yet")]
    Empty,
    /// Not one of the known magic numbers.
    #[error(
        "not a pcap or pcapng capture: it begins with {}, expected one of a1b2c3d4, a1b23c4d, \
         a1b2cd34 (either byte order) or 0a0d0d0a",
        hex(.first)
    )]
    NotACapture {
        /// The first octets, at most four.
        first: Vec<u8>,
    },
    /// A capture of a format that is not read.
    #[error("{name} captures are not read: convert it with `editcap -F pcapng IN OUT`")]
    Refused {
        /// Name of the format.
        name: &'static str,
    },
    /// The file header is cut off.
    #[error("the capture's file header is cut: {need} octets needed, {have} there")]
    HeaderCut {
        /// Octets that the header needs.
        need: u64,
        /// Octets that the file has.
        have: u64,
    },
    /// The file header contradicts itself or the format.
    #[error("the capture's file header cannot be used: {reason}")]
    BadHeader {
        /// What was found and what was expected.
        reason: String,
    },
    /// The first read failed.
    #[error("reading failed: {0}")]
    Read(#[from] io::Error),
}

impl CaptureError {
    /// The same as a diagnostic about `source` as a whole. An empty file is a note: a capture that
    /// has just been started looks like that.
    pub fn diagnostic(&self, source: SourceId) -> Diagnostic {
        let damage = if matches!(self, Self::Empty) { Damage::Note } else { Damage::Unusable };
        Diagnostic::new(Location { source, record: 0 }, damage, self.to_string()).at_offset(0)
    }
}

/// `0a 0d 0d 0a`.
fn hex(octets: &[u8]) -> String {
    let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(" ")
}
