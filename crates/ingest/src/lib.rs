//! Finds, recognises and decompresses log and capture files.
//!
//! The only library crate that touches the file system. [`discover`] turns the paths of a command
//! line into a sorted list of [`Source`]s and a list of everything that was [`Skipped`]; [`open`]
//! hands out the decompressed bytes of one.
//!
//! What a log is and what a capture is the crate does not know: the caller passes a classifier that
//! sees the first bytes of each file. Names and extensions decide nothing. Nothing is parsed here,
//! and nothing is written but the copy of standard input, which must be read more than once.

mod codec;
mod decompress;
mod discovery;
mod error;
mod file_identity;
mod skipped;
mod source;
mod spool;

pub use codec::{Codec, ForeignCodec};
pub use decompress::{Anywhere, Limits, open, open_anywhere};
pub use discovery::{Discovery, HEAD_BYTES, STDIN, discover, discover_with_stdin};
pub use error::StreamError;
pub use skipped::{SkipReason, Skipped};
pub use source::Source;
