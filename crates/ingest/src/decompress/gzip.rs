//! gzip (RFC 1952): any number of members, then nothing, or zeros (tapes and some rotation scripts
//! pad with them; gzip(1) accepts that as well).

use std::io::{self, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::{Counted, Decoder, Following, consumed, skip_zeros};
use crate::{Codec, StreamError};

/// Reads one member after the other.
pub(super) struct Gzip<R> {
    state: State<R>,
}

/// `Member` holds the input while it decodes.
enum State<R> {
    Member(Box<GzDecoder<BufReader<Counted<R>>>>),
    /// Everything was read, or an error was returned; this many bytes were used.
    Ended(u64),
}

impl<R: Read> State<R> {
    fn member(input: BufReader<Counted<R>>) -> Self {
        Self::Member(Box::new(GzDecoder::new(input)))
    }
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(input: BufReader<Counted<R>>) -> Self {
        Self { state: State::member(input) }
    }

    /// What the end of a member is followed by.
    fn next_member(&mut self) -> io::Result<()> {
        let used = self.consumed();
        let State::Member(member) = std::mem::replace(&mut self.state, State::Ended(used)) else {
            return Ok(());
        };
        let mut input = member.into_inner();
        match skip_zeros(&mut input)? {
            Following::Nothing => {}
            Following::Byte(0x1f) => self.state = State::member(input),
            Following::Byte(other) => {
                self.state = State::Ended(consumed(&input));
                let reason = format!("a member begins with {other:02x}, expected 1f");
                return Err(self.corrupt(reason));
            }
        }
        Ok(())
    }

    fn corrupt(&self, reason: String) -> io::Error {
        let offset = self.consumed();
        StreamError::Corrupt { codec: Codec::Gzip, offset, reason }.into_io()
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let State::Member(member) = &mut self.state else { return Ok(0) };
            match member.read(into) {
                Ok(0) => self.next_member()?,
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    let offset = self.consumed();
                    self.state = State::Ended(offset);
                    return Err(match error.kind() {
                        io::ErrorKind::UnexpectedEof => {
                            StreamError::Truncated { codec: Codec::Gzip, offset }.into_io()
                        }
                        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                            self.corrupt(error.to_string())
                        }
                        _ => error,
                    });
                }
            }
        }
    }
}

impl<R: Read> Decoder for Gzip<R> {
    fn consumed(&self) -> u64 {
        match &self.state {
            State::Member(member) => consumed(member.get_ref()),
            State::Ended(used) => *used,
        }
    }
}
