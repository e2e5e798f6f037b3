//! Reads a compressed file by steps of a decoder that is fed from outside.
//!
//! What is decoded before the end or the damage is handed out first; then the damage is told, once.

use std::io::{self, BufReader, Read};

use super::{Counted, Decoder, consumed};
use crate::StreamError;

/// The compressed bytes.
pub(super) type Input<R> = BufReader<Counted<R>>;

/// How a stream stands after a step.
pub(super) enum Next {
    /// There may be more.
    Again,
    /// Everything was decoded.
    End,
    /// Nothing more can be decoded.
    Failed(StreamError),
}

/// A format whose decoder is fed piece by piece.
pub(super) trait Steps {
    /// Decodes into `into`, which is not empty: how many bytes, and how the stream stands. A step
    /// without bytes that returns [`Next::Again`] has used some of the input.
    fn step<R: Read>(&mut self, input: &mut Input<R>, into: &mut [u8])
    -> io::Result<(usize, Next)>;
}

/// Makes a reader of steps.
pub(super) struct Driver<R, S> {
    input: Input<R>,
    steps: S,
    next: Next,
}

impl<R: Read, S: Steps> Driver<R, S> {
    pub(super) fn new(input: Input<R>, steps: S) -> Self {
        Self { input, steps, next: Next::Again }
    }
}

impl<R: Read, S: Steps> Read for Driver<R, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.next, Next::End) {
                Next::End => return Ok(0),
                Next::Failed(damage) => return Err(damage.into_io()),
                Next::Again => {}
            }
            // What the operating system says may pass; reading can go on then.
            self.next = Next::Again;
            let (written, next) = self.steps.step(&mut self.input, into)?;
            self.next = next;
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

impl<R: Read, S: Steps> Decoder for Driver<R, S> {
    fn consumed(&self) -> u64 {
        consumed(&self.input)
    }
}
