//! Where something stands in the input, and what was wrong there.

use alloc::string::String;
use core::fmt;

/// An input file, by its place in the sorted list of inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A line of a log (1-based, in the decompressed file) or a frame of a capture (1-based, as
/// Wireshark numbers it in that file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file.
    pub source: SourceId,
    /// Line or frame number; 0 is the file as a whole.
    pub record: u64,
}

/// How much of an input a [`Diagnostic`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Damage {
    /// Said for the reader's sake; nothing was lost.
    Note,
    /// One record or a tail could not be used; the rest of the file was analysed.
    Partial,
    /// Nothing of the file could be used.
    Unusable,
}

/// Something about an input that its owner should know: never a reason to stop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where.
    pub location: Location,
    /// Byte offset in the decompressed file, where one is known.
    pub offset: Option<u64>,
    /// How bad.
    pub damage: Damage,
    /// What was found, what was expected, what to do; without the place.
    pub message: String,
}

impl Diagnostic {
    /// A diagnostic without a byte offset.
    pub fn new(location: Location, damage: Damage, message: impl Into<String>) -> Self {
        Self { location, offset: None, damage, message: message.into() }
    }

    /// The same with the byte offset at which it was found.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
