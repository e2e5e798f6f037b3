//! The sequential part: walks record headers through large reads and cuts the file into blocks.
//!
//! Here nothing of a frame is looked at. The walk itself is in [`walk`]; this module feeds it, and
//! turns what stops it into blocks and diagnostics.

mod walk;

use std::io::Read;

use why504_model::{Damage, Diagnostic, Location, SourceId};

use crate::block::Block;
use crate::container::{recognise, refused_by_name};
use crate::input::{Input, Window};
use crate::summary::CUT_OFF;
use crate::{CaptureError, CaptureSummary, Container};
use walk::{Records, Run, Stop, Walk};

/// About how many octets of a file make one [`Block`].
/// Small enough that a core which has read a block still has it in its cache when it decodes it, and
/// large enough that system calls do not count.
pub const BLOCK_BYTES: usize = 256 << 10;

/// The longest record or pcapng block that is held in memory: 16 MiB. libpcap's own limit for a
/// frame is 256 KiB; a longer length is taken for damage. Longer pcapng blocks that hold no packet
/// and no interface are skipped without being held.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Reads a capture block by block. See the crate's description.
pub struct CaptureReader<R> {
    input: Input<R>,
    walk: Walk,
    source: SourceId,
    finished: bool,
    /// Octets to come that are of no interest.
    skipping: u64,
    summary: CaptureSummary,
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file header. `source` is what diagnostics carry.
    ///
    /// # Errors
    /// When the file does not begin like a capture; nothing of it can be used then.
    pub fn new(input: R, source: SourceId) -> Result<Self, CaptureError> {
        Self::with_memory(input, source, None)
    }

    /// As [`CaptureReader::new`], to read into the memory of a block of any file that was used up.
    pub fn with_memory(
        input: R,
        source: SourceId,
        used: Option<Block>,
    ) -> Result<Self, CaptureError> {
        let spare = used.map(|block| block.cut.into_buffer()).unwrap_or_default();
        let mut input = Input::new(input, spare);
        // A single read may return less than the magic number; `fill` goes on until it has it.
        input.fill(BLOCK_BYTES);
        let head = input.bytes();
        if head.is_empty() {
            return Err(input.take_error().map_or(CaptureError::Empty, CaptureError::Read));
        }
        let Some(container) = recognise(head) else { return Err(refusal(head)) };
        let mut summary = CaptureSummary {
            container,
            interfaces: Vec::new(),
            interface_count: 0,
            sections: 0,
            frames: 0,
            octets: 0,
            truncated: false,
            diagnostics: Vec::new(),
        };
        let walk = match container {
            Container::Pcap(variant) => Walk::pcap(head, variant, &mut summary)?,
            Container::PcapNg => Walk::pcapng(head)?,
        };
        if let Container::Pcap(_) = container {
            summary.octets = input.skip(crate::pcap::FILE_HEADER_BYTES as u64);
        }
        Ok(Self { input, walk, source, finished: false, skipping: 0, summary })
    }

    /// The next run of whole records with at least one frame in it; `None` at the end of the file or
    /// where damage makes it impossible to go on.
    pub fn next_block(&mut self) -> Option<Block> {
        self.input.reads(true);
        self.go_on()
    }

    /// As [`CaptureReader::next_block`], but reads nothing: `None` also where more must be
    /// [supplied](CaptureReader::supply) first.
    pub fn next_supplied(&mut self) -> Option<Block> {
        self.input.reads(false);
        self.go_on()
    }

    fn go_on(&mut self) -> Option<Block> {
        while !self.finished {
            if self.skipping > 0 {
                self.skip()?;
                continue;
            }
            match self.walk.run(self.input.bytes(), &mut self.summary) {
                Run::Records(records) => {
                    if let Some(block) = self.take(&records) {
                        return Some(block);
                    }
                }
                Run::Stopped(stop) => self.stopped(stop)?,
            }
        }
        None
    }

    /// Takes a block that was decoded, to read the next one into its memory. Fresh memory costs more
    /// than reading into it.
    pub fn recycle(&mut self, block: Block) {
        let buffer = block.cut.into_buffer();
        // One that a rare giant record needed is not kept.
        if buffer.len() <= 4 * BLOCK_BYTES {
            self.input.give_back(buffer);
        }
    }

    /// Takes the bytes of the file that follow all that were read or supplied so far: of a file that
    /// can be read anywhere, several threads read more than one. The `input` given to
    /// [`CaptureReader::new`] must go on behind them.
    pub fn supply(&mut self, window: Window) {
        self.input.supply(window);
    }

    /// How many supplied windows were not come to yet.
    pub fn supplied(&self) -> usize {
        self.input.supplied()
    }

    /// Whether the last block was handed out.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// What is known of the file; complete once [`CaptureReader::next_block`] has returned `None`.
    pub fn summary(&self) -> &CaptureSummary {
        &self.summary
    }

    /// Reads over what is left and returns what is known of the file.
    pub fn finish(mut self) -> CaptureSummary {
        while self.next_block().is_some() {}
        self.summary
    }

    /// Consumes the records; a block if there are frames among them.
    fn take(&mut self, records: &Records) -> Option<Block> {
        let offset = self.input.offset();
        let cut = self.input.cut(records.length);
        self.summary.octets = self.input.offset();
        let first_frame = self.summary.frames.saturating_add(1);
        self.summary.frames = self.summary.frames.saturating_add(records.frames);
        let layout = self.walk.layout(records);
        let frames = records.frames;
        (frames > 0).then_some(Block { cut, layout, first_frame, frames, offset })
    }

    /// Acts on what stopped the walk at the first octet of the window; `None` where it must wait for
    /// what is supplied.
    fn stopped(&mut self, stop: Stop) -> Option<()> {
        match stop {
            Stop::Need(need) if self.input.ended() => {
                if self.input.bytes().is_empty() {
                    self.end();
                } else {
                    self.end_inside(need as u64);
                }
            }
            Stop::Need(need) => {
                // Large reads, and a larger one for a record that needs it.
                self.input.fill(need.max(BLOCK_BYTES));
                if self.input.bytes().len() < need && !self.input.ended() {
                    return None;
                }
            }
            Stop::Skip(length) => self.skipping = length,
            Stop::Broken(what) => {
                self.finished = true;
                self.report(Damage::Partial, format!("{what}; nothing behind it can be read"));
            }
        }
        Some(())
    }

    /// Goes over octets of no interest; `None` where it must wait for what is supplied.
    fn skip(&mut self) -> Option<()> {
        self.skipping -= self.input.skip(self.skipping);
        self.summary.octets = self.input.offset();
        if self.skipping > 0 {
            if !self.input.ended() {
                return None;
            }
            self.end_inside(self.skipping);
        }
        Some(())
    }

    /// The file is over, or reading failed, between two records.
    fn end(&mut self) {
        self.finished = true;
        if let Some(error) = self.input.take_error() {
            self.summary.truncated = true;
            self.report(Damage::Partial, format!("reading failed: {error}; analysed up to here"));
        }
    }

    /// The file is over inside a record that takes `need` octets from here.
    fn end_inside(&mut self, need: u64) {
        let have = self.input.bytes().len();
        self.summary.truncated = true;
        self.report(
            Damage::Partial,
            format!("the last record is incomplete: {need} octets needed, {have} there; {CUT_OFF}"),
        );
        self.end();
    }

    /// A diagnostic about the frame that would come next, at the offset of the window.
    fn report(&mut self, damage: Damage, message: String) {
        let record = self.summary.frames.saturating_add(1);
        let location = Location { source: self.source, record };
        let diagnostic = Diagnostic::new(location, damage, message).at_offset(self.input.offset());
        self.summary.diagnostics.push(diagnostic);
    }
}

/// Why `head` is not the beginning of a capture.
fn refusal(head: &[u8]) -> CaptureError {
    match refused_by_name(head) {
        Some(name) => CaptureError::Refused { name },
        None => CaptureError::NotACapture { first: head.iter().take(4).copied().collect() },
    }
}
