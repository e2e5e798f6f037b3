//! xz (<https://tukaani.org/xz/xz-file-format.txt>): any number of streams, with padding between
//! them. Decoded by liblzma, which hands out everything before a cut.

use std::io::{self, BufRead, Read};

use liblzma::stream::{Action, CONCATENATED, Error, Status, Stream};

use super::consumed;
use super::driver::{Input, Next, Steps};
use crate::{Codec, StreamError};

/// Memory that a stream may ask for: 128 MiB. `xz -9` needs 65 MiB.
const MAX_MEMORY_BYTES: u64 = 128 << 20;

/// Decodes the streams as one; the error is that of a decoder that cannot be made.
pub(super) struct Xz(Result<Stream, Error>);

impl Xz {
    pub(super) fn new() -> Self {
        Self(Stream::new_stream_decoder(MAX_MEMORY_BYTES, CONCATENATED))
    }
}

impl Steps for Xz {
    fn step<R: Read>(
        &mut self,
        input: &mut Input<R>,
        into: &mut [u8],
    ) -> io::Result<(usize, Next)> {
        let stream = match &mut self.0 {
            Ok(stream) => stream,
            Err(error) => return Ok((0, corrupt(0, *error))),
        };
        let bytes = input.fill_buf()?;
        let at_end = bytes.is_empty();
        // With `CONCATENATED` only the caller knows where the last stream ends.
        let action = if at_end { Action::Finish } else { Action::Run };
        let (before_in, before_out) = (stream.total_in(), stream.total_out());
        let result = stream.process(bytes, into, action);
        let used = usize::try_from(stream.total_in() - before_in).unwrap_or(usize::MAX);
        let written = usize::try_from(stream.total_out() - before_out).unwrap_or(usize::MAX);
        input.consume(used);
        let offset = consumed(input);
        let next = match result {
            Ok(Status::StreamEnd) => Next::End,
            // No progress although there is room: the input is over.
            Ok(Status::MemNeeded) if at_end && written == 0 => {
                Next::Failed(StreamError::Truncated { codec: Codec::Xz, offset })
            }
            Ok(_) => Next::Again,
            Err(error) => corrupt(offset, error),
        };
        Ok((written, next))
    }
}

fn corrupt(offset: u64, error: Error) -> Next {
    Next::Failed(StreamError::Corrupt { codec: Codec::Xz, offset, reason: error.to_string() })
}
