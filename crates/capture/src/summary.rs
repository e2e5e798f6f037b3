//! What is known of a capture file once its record headers have been walked.

use why504_model::{Damage, Diagnostic};

use crate::{Container, Interface};

/// Why the last record of a file may be incomplete, as far as the file tells.
pub(crate) const CUT_OFF: &str = "the file was cut off, or is still being written";

/// A capture file as a whole. Times and packet counters come from the frames: see
/// [`DecodeTally`](crate::DecodeTally).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureSummary {
    /// The container.
    pub container: Container,
    /// Interfaces of all sections in order of appearance, at most [`CaptureSummary::MAX_LISTED`].
    pub interfaces: Vec<Interface>,
    /// How many interfaces there were, listed or not.
    pub interface_count: u64,
    /// Sections; 1 for pcap.
    pub sections: u64,
    /// Frames, as Wireshark numbers them: the number of the last one.
    pub frames: u64,
    /// Octets of the (decompressed) file that were walked, up to the end or to the damage.
    pub octets: u64,
    /// The file ends inside a record.
    pub truncated: bool,
    /// Damage that was found, with byte offsets.
    pub diagnostics: Vec<Diagnostic>,
}

impl CaptureSummary {
    /// Interfaces beyond this number are counted, not listed.
    pub const MAX_LISTED: usize = 4096;

    /// Packets known to be missing, over all interfaces; `None` when the file has no counters.
    pub fn dropped(&self) -> Option<u64> {
        self.interfaces
            .iter()
            .filter_map(|interface| interface.drops.dropped())
            .reduce(u64::saturating_add)
    }

    /// Says that the file was seen to grow: an incomplete last record is then what is to be expected, a
    /// [`Damage::Note`] and not [`Damage::Partial`].
    pub fn still_growing(&mut self) {
        for diagnostic in &mut self.diagnostics {
            if let Some(found) = diagnostic.message.strip_suffix(CUT_OFF) {
                diagnostic.message = format!("{found}the file is still being written");
                diagnostic.damage = Damage::Note;
            }
        }
    }
}
