//! xz (<https://tukaani.org/xz/xz-file-format.txt>): any number of streams, with padding between
//! them. Decoded by liblzma, which hands out everything before a cut.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::stream::{Action, CONCATENATED, Error, Status, Stream};

use super::{Counted, Decoder, consumed};
use crate::{Codec, StreamError};

/// Memory that a stream may ask for: 128 MiB. `xz -9` needs 65 MiB.
const MAX_MEMORY_BYTES: u64 = 128 << 20;

/// Reads the streams as one.
pub(super) struct Xz<R> {
    input: BufReader<Counted<R>>,
    state: State,
}

enum State {
    Decoding(Stream),
    /// What is still to be told.
    Failed(Option<StreamError>),
    Ended,
}

impl<R: Read> Xz<R> {
    pub(super) fn new(input: BufReader<Counted<R>>) -> Self {
        let state = match Stream::new_stream_decoder(MAX_MEMORY_BYTES, CONCATENATED) {
            Ok(stream) => State::Decoding(stream),
            Err(error) => State::Failed(Some(corrupt(0, error))),
        };
        Self { input, state }
    }

    /// Decodes into `into`: how much there was, and how the stream stands.
    fn step(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let State::Decoding(stream) = &mut self.state else { return Ok(0) };
        let bytes = self.input.fill_buf()?;
        // With `CONCATENATED` only the caller knows where the last stream ends.
        let action = if bytes.is_empty() { Action::Finish } else { Action::Run };
        let (before_in, before_out) = (stream.total_in(), stream.total_out());
        let result = stream.process(bytes, into, action);
        let used = usize::try_from(stream.total_in() - before_in).unwrap_or(usize::MAX);
        let written = usize::try_from(stream.total_out() - before_out).unwrap_or(usize::MAX);
        let at_end = bytes.is_empty();
        self.input.consume(used);
        let offset = consumed(&self.input);
        match result {
            Ok(Status::StreamEnd) => self.state = State::Ended,
            // No progress although there is room: the input is over.
            Ok(Status::MemNeeded) if at_end && written == 0 => {
                let cut = StreamError::Truncated { codec: Codec::Xz, offset };
                self.state = State::Failed(Some(cut));
            }
            Ok(_) => {}
            Err(error) => self.state = State::Failed(Some(corrupt(offset, error))),
        }
        Ok(written)
    }
}

fn corrupt(offset: u64, error: Error) -> StreamError {
    StreamError::Corrupt { codec: Codec::Xz, offset, reason: error.to_string() }
}

impl<R: Read> Read for Xz<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Ended => return Ok(0),
                State::Decoding(_) => match self.step(into)? {
                    0 => {}
                    written => return Ok(written),
                },
                State::Failed(damage) => {
                    let damage = damage.take();
                    self.state = State::Ended;
                    return damage.map_or(Ok(0), |damage| Err(damage.into_io()));
                }
            }
        }
    }
}

impl<R: Read> Decoder for Xz<R> {
    fn consumed(&self) -> u64 {
        consumed(&self.input)
    }
}
