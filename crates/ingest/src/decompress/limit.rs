//! Limits against decompression bombs. Output is streamed, so a bomb costs time and not memory.

use std::io::{self, Read};

use super::Decoder;
use crate::StreamError;

/// Output bytes for each input byte, at most. Logs and captures reach 200; a gzip stream of one
/// repeated byte reaches 1030.
pub const MAX_RATIO: u64 = 1000;

/// Output that no ratio is asked of: 64 MiB.
pub const GRACE_BYTES: u64 = 64 << 20;

/// Output of one file, at most: 1 TiB.
pub const MAX_OUTPUT_BYTES: u64 = 1 << 40;

/// A decoder that is stopped at the limits.
pub(super) struct Limited<D> {
    decoder: D,
    output: u64,
}

impl<D: Decoder> Limited<D> {
    pub(super) fn new(decoder: D) -> Self {
        Self { decoder, output: 0 }
    }
}

impl<D: Decoder> Read for Limited<D> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let input = self.decoder.consumed();
        let by_ratio = input.saturating_mul(MAX_RATIO).max(GRACE_BYTES);
        if self.output > by_ratio.min(MAX_OUTPUT_BYTES) {
            return Err(StreamError::Bomb { output: self.output, input }.into_io());
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
        for (input, allowed) in [(1, GRACE_BYTES), (100_000, 100_000_000)] {
            let mut limited = Limited::new(Zeros(input));
            let mut buffer = vec![0; 1 << 20];
            let error = loop {
                match limited.read(&mut buffer) {
                    Ok(read) => assert!(read > 0 && limited.output < 2 * allowed),
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
