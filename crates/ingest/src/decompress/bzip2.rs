//! bzip2: any number of streams, then nothing, or zeros.
//!
//! A block (up to 900 kB of output) can be decoded only whole: of a file that is cut, the blocks
//! before the cut come out.

use std::io::{self, BufRead, Read};

use bzip2::{Decompress, Status};

use super::driver::{Input, Next, Steps};
use super::{Following, consumed, skip_zeros};
use crate::{Codec, StreamError};

/// Decodes one stream after the other.
pub(super) struct Bzip2(Decompress);

impl Bzip2 {
    pub(super) fn new() -> Self {
        Self(Decompress::new(false))
    }

    /// What the end of a stream is followed by.
    fn next_stream<R: Read>(&mut self, input: &mut Input<R>) -> io::Result<Next> {
        Ok(match skip_zeros(input)? {
            Following::Nothing => Next::End,
            Following::Byte(b'B') => {
                self.0 = Decompress::new(false);
                Next::Again
            }
            Following::Byte(other) => {
                corrupt(input, format!("a stream begins with {other:02x}, expected 42"))
            }
        })
    }
}

impl Steps for Bzip2 {
    fn step<R: Read>(
        &mut self,
        input: &mut Input<R>,
        into: &mut [u8],
    ) -> io::Result<(usize, Next)> {
        let bytes = input.fill_buf()?;
        let at_end = bytes.is_empty();
        let (before_in, before_out) = (self.0.total_in(), self.0.total_out());
        let result = self.0.decompress(bytes, into);
        let used = usize::try_from(self.0.total_in() - before_in).unwrap_or(usize::MAX);
        let written = usize::try_from(self.0.total_out() - before_out).unwrap_or(usize::MAX);
        input.consume(used);
        let next = match result {
            Ok(Status::StreamEnd) => self.next_stream(input)?,
            // No progress although there is room: the input is over.
            Ok(_) if at_end && written == 0 => Next::Failed(StreamError::Truncated {
                codec: Codec::Bzip2,
                offset: consumed(input),
            }),
            Ok(_) => Next::Again,
            Err(error) => corrupt(input, error.to_string()),
        };
        Ok((written, next))
    }
}

fn corrupt<R: Read>(input: &Input<R>, reason: String) -> Next {
    let offset = consumed(input);
    Next::Failed(StreamError::Corrupt { codec: Codec::Bzip2, offset, reason })
}
