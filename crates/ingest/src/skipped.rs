//! A path that will not be read, and why.

use std::path::PathBuf;

use why504_model::Damage;

use crate::{Codec, ForeignCodec};

/// A path that was given or found and is not a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The path as it is shown to people.
    pub path: PathBuf,
    /// The path was given itself, not found below a directory.
    pub named: bool,
    /// Why.
    pub reason: SkipReason,
}

/// Why a path is not a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// The operating system refuses: missing, no permission, an I/O error.
    Unreadable(String),
    /// Compressed in a way that is not read.
    Foreign(ForeignCodec),
    /// What came out of the decompression is compressed again.
    Twice(Codec),
    /// A tar archive: its files would have to be unpacked.
    Archive,
    /// The compressed stream is damaged from the beginning.
    Damaged(String),
    /// Neither a log nor a capture.
    NotRecognised,
    /// No bytes at all.
    Empty,
    /// A directory with no file in it.
    EmptyDirectory,
    /// A socket, FIFO or device; its name.
    NotAFile(&'static str),
    /// A symbolic link to a directory, found below a directory: not followed, since it may lead
    /// anywhere and back.
    LinkToDirectory,
    /// The same file as another source, by device and inode.
    SameFile(PathBuf),
}

impl Skipped {
    /// How bad it is: what was asked for and cannot be read is damage, what merely lies in a
    /// directory beside the logs is not.
    pub fn damage(&self) -> Damage {
        match self.reason {
            SkipReason::Unreadable(_)
            | SkipReason::Foreign(_)
            | SkipReason::Twice(_)
            | SkipReason::Archive
            | SkipReason::Damaged(_) => Damage::Unusable,
            SkipReason::NotRecognised | SkipReason::NotAFile(_) if self.named => Damage::Unusable,
            _ => Damage::Note,
        }
    }
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Foreign(codec) => codec.fmt(f),
            Self::Twice(codec) => {
                write!(f, "compressed twice, with {codec} inside: decompress it once first")
            }
            Self::Archive => f.write_str("a tar archive: unpack it first (`tar -xf`)"),
            Self::Damaged(error) => write!(f, "cannot be decompressed: {error}"),
            Self::NotRecognised => f.write_str("neither a known log nor a capture"),
            Self::Empty => f.write_str("empty"),
            Self::EmptyDirectory => f.write_str("a directory without files"),
            Self::NotAFile(kind) => write!(f, "a {kind}, not a file"),
            Self::LinkToDirectory => {
                f.write_str("a symbolic link to a directory: name it to have it read")
            }
            Self::SameFile(path) => write!(f, "the same file as {}", path.display()),
        }
    }
}
