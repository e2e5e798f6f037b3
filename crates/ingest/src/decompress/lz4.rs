//! LZ4 frames (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>): any number of them,
//! skippable ones among them. Legacy frames (`lz4 -l`) are not recognised.
//!
//! A block (up to 4 MiB) is decoded whole: of a file that is cut, the blocks before the cut come out.

use std::io::{self, BufRead, BufReader, Read};

use lz4_flex::frame::{Error, FrameDecoder};

use super::{Counted, Decoder, consumed};
use crate::{Codec, StreamError};

/// Reads one frame after the other.
pub(super) struct Lz4<R: Read> {
    /// Knows where a frame ends and reads on behind it, but takes a file that is cut between two
    /// blocks for a whole one.
    decoder: FrameDecoder<Watched<R>>,
    ended: bool,
}

/// The input, which remembers whether more was wanted of it than it had.
struct Watched<R> {
    inner: BufReader<Counted<R>>,
    exhausted: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.exhausted |= read == 0 && !into.is_empty();
        Ok(read)
    }
}

impl<R: Read> Lz4<R> {
    pub(super) fn new(input: BufReader<Counted<R>>) -> Self {
        let watched = Watched { inner: input, exhausted: false };
        Self { decoder: FrameDecoder::new(watched), ended: false }
    }

    /// The decoder has nothing more to give of a frame.
    fn frame_ended(&mut self) -> io::Result<()> {
        if self.decoder.get_ref().exhausted {
            return Err(
                self.fail(StreamError::Truncated { codec: Codec::Lz4, offset: self.consumed() })
            );
        }
        self.ended = self.decoder.get_mut().inner.fill_buf()?.is_empty();
        Ok(())
    }

    /// What an error of the decoder means; `Ok` when it was a skippable frame.
    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        if error.kind() == io::ErrorKind::Interrupted {
            return Err(error);
        }
        let offset = self.consumed();
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        if let Some(Error::SkippableFrame(length)) = inner {
            let length = u64::from(*length);
            let input = &mut self.decoder.get_mut().inner;
            if io::copy(&mut input.take(length), &mut io::sink())? == length {
                return self.frame_ended();
            }
            let offset = self.consumed();
            return Err(self.fail(StreamError::Truncated { codec: Codec::Lz4, offset }));
        }
        let (known, cut) = (inner.is_some(), error.kind() == io::ErrorKind::UnexpectedEof);
        Err(if cut {
            self.fail(StreamError::Truncated { codec: Codec::Lz4, offset })
        } else if known || error.kind() == io::ErrorKind::InvalidData {
            let reason = match inner {
                Some(Error::WrongMagicNumber) => {
                    "a frame does not begin with 04 22 4d 18".to_owned()
                }
                _ => error.to_string(),
            };
            self.fail(StreamError::Corrupt { codec: Codec::Lz4, offset, reason })
        } else {
            self.ended = true;
            error
        })
    }

    fn fail(&mut self, damage: StreamError) -> io::Error {
        self.ended = true;
        damage.into_io()
    }
}

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while !self.ended {
            match self.decoder.read(into) {
                Ok(0) => self.frame_ended()?,
                Ok(read) => return Ok(read),
                Err(error) => self.failed(error)?,
            }
        }
        Ok(0)
    }
}

impl<R: Read> Decoder for Lz4<R> {
    fn consumed(&self) -> u64 {
        consumed(&self.decoder.get_ref().inner)
    }
}
