//! What can be wrong with a compressed stream.

use std::io;

use crate::{Codec, Limits};

/// Why a compressed file ends early. It comes inside an [`io::Error`], behind every byte that could
/// be decompressed; [`StreamError::of`] finds it there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The compressed file ends before the compressed stream does.
    #[error("the {codec} stream is cut off at compressed byte {offset}")]
    Truncated {
        /// How the file is compressed.
        codec: Codec,
        /// Length of the compressed file.
        offset: u64,
    },
    /// The compressed bytes contradict the format or a checksum.
    #[error("the {codec} stream is damaged before compressed byte {offset}: {reason}")]
    Corrupt {
        /// How the file is compressed.
        codec: Codec,
        /// Compressed bytes read so far: the damage is before them.
        offset: u64,
        /// What the decoder says.
        reason: String,
    },
    /// More output than a log or capture can have.
    #[error(
        "decompression stopped after {output} bytes out of {input}: the limits are {} times the \
         input and {} bytes",
        limits.max_ratio,
        limits.max_output
    )]
    Bomb {
        /// Bytes produced.
        output: u64,
        /// Compressed bytes read.
        input: u64,
        /// What was allowed.
        limits: Limits,
    },
}

impl StreamError {
    /// The stream error inside `error`, if that is what it is.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    pub(crate) fn into_io(self) -> io::Error {
        let kind = match self {
            Self::Truncated { .. } => io::ErrorKind::UnexpectedEof,
            Self::Corrupt { .. } | Self::Bomb { .. } => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }
}
