//! Limits against decompression bombs. Output is streamed, so a bomb costs time and not memory.

use std::io::{self, Read};

use super::Decoder;
use crate::StreamError;

/// How much may come out of a compressed file. Both limits hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Output bytes for each input byte. Logs and captures reach 200; a gzip stream of one repeated
    /// byte reaches 1030. Not asked of the first 64 MiB.
    pub max_ratio: u64,
    /// Output bytes of one file.
    pub max_output: u64,
}

/// Output that no ratio is asked of: 64 MiB.
const GRACE_BYTES: u64 = 64 << 20;

impl Default for Limits {
    /// A thousand times, and 1 TiB.
    fn default() -> Self {
        Self { max_ratio: 1000, max_output: 1 << 40 }
    }
}

/// A decoder that is stopped at the limits.
pub(super) struct Limited<D> {
    decoder: D,
    limits: Limits,
    output: u64,
}

impl<D: Decoder> Limited<D> {
    pub(super) fn new(decoder: D, limits: Limits) -> Self {
        Self { decoder, limits, output: 0 }
    }
}

impl<D: Decoder> Read for Limited<D> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let input = self.decoder.consumed();
        let limits = self.limits;
        let by_ratio = input.saturating_mul(limits.max_ratio).max(GRACE_BYTES);
        if self.output > by_ratio.min(limits.max_output) {
            return Err(StreamError::Bomb { output: self.output, input, limits }.into_io());
        }
        let read = self.decoder.read(into)?;
        self.output = self.output.saturating_add(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Endless zeros out of `1` input bytes.
    struct Zeros(u64);

    impl Read for Zeros {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(0);
            Ok(into.len())
        }
    }

    impl Decoder for Zeros {
        fn consumed(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_ratio_and_not_before() {
        let standard = Limits::default();
        for (input, limits, allowed) in [
            (1, standard, GRACE_BYTES),
            (100_000, standard, 100_000_000),
            (100_000, Limits { max_ratio: 2000, ..standard }, 200_000_000),
            (100_000, Limits { max_output: 5 << 20, ..standard }, 5 << 20),
        ] {
            let mut limited = Limited::new(Zeros(input), limits);
            let mut buffer = vec![0; 1 << 20];
            let error = loop {
                match limited.read(&mut buffer) {
                    Ok(read) => assert!(read > 0 && limited.output <= allowed + (1 << 20)),
                    Err(error) => break error,
                }
            };
            let Some(StreamError::Bomb { output, .. }) = StreamError::of(&error) else {
                panic!("{error} is not what a bomb should say");
            };
            assert!(*output > allowed && *output <= allowed + (1 << 20));
        }
    }
}
