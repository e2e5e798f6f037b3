//! bzip2: any number of streams, then nothing, or zeros.
//!
//! A block (up to 900 kB of output) can be decoded only whole: of a file that is cut, the blocks
//! before the cut come out.

use std::io::{self, BufRead, BufReader, Read};

use bzip2::{Decompress, Status};

use super::{Counted, Decoder, Following, consumed, skip_zeros};
use crate::{Codec, StreamError};

/// Reads one stream after the other.
pub(super) struct Bzip2<R> {
    input: BufReader<Counted<R>>,
    state: State,
}

enum State {
    Decoding(Decompress),
    /// What is still to be told.
    Failed(Option<StreamError>),
    Ended,
}

impl<R: Read> Bzip2<R> {
    pub(super) fn new(input: BufReader<Counted<R>>) -> Self {
        Self { input, state: State::Decoding(Decompress::new(false)) }
    }

    /// Decodes into `into`; 0 when only the state changed.
    fn step(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let State::Decoding(stream) = &mut self.state else { return Ok(0) };
        let bytes = self.input.fill_buf()?;
        let at_end = bytes.is_empty();
        let (before_in, before_out) = (stream.total_in(), stream.total_out());
        let result = stream.decompress(bytes, into);
        let used = usize::try_from(stream.total_in() - before_in).unwrap_or(usize::MAX);
        let written = usize::try_from(stream.total_out() - before_out).unwrap_or(usize::MAX);
        self.input.consume(used);
        match result {
            Ok(Status::StreamEnd) => self.next_stream()?,
            // No progress although there is room: the input is over.
            Ok(_) if at_end && written == 0 => {
                let offset = consumed(&self.input);
                let cut = StreamError::Truncated { codec: Codec::Bzip2, offset };
                self.state = State::Failed(Some(cut));
            }
            Ok(_) => {}
            Err(error) => self.fail(error.to_string()),
        }
        Ok(written)
    }

    /// What the end of a stream is followed by.
    fn next_stream(&mut self) -> io::Result<()> {
        self.state = State::Ended;
        match skip_zeros(&mut self.input)? {
            Following::Nothing => {}
            Following::Byte(b'B') => self.state = State::Decoding(Decompress::new(false)),
            Following::Byte(other) => {
                self.fail(format!("a stream begins with {other:02x}, expected 42"));
            }
        }
        Ok(())
    }

    fn fail(&mut self, reason: String) {
        let offset = consumed(&self.input);
        let damage = StreamError::Corrupt { codec: Codec::Bzip2, offset, reason };
        self.state = State::Failed(Some(damage));
    }
}

impl<R: Read> Read for Bzip2<R> {
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

impl<R: Read> Decoder for Bzip2<R> {
    fn consumed(&self) -> u64 {
        consumed(&self.input)
    }
}
