//! Zstandard (RFC 8878): any number of frames, skippable ones among them.
//!
//! ruzstd keeps the last window of a frame to itself until the frame is over. When the file is cut,
//! the frame is ended for it with an empty last block, so that everything before the cut comes out.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::driver::{Input, Next, Steps};
use super::{Following, consumed, skip_zeros};
use crate::{Codec, StreamError};

/// Largest window, as in zstd(1) without `--long`: 128 MiB.
const MAX_WINDOW_BYTES: u64 = 128 << 20;

/// Header of an empty raw block that is the last one (section 3.1.1.2), and room for a checksum.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decodes one frame after the other.
pub(super) struct Zstd {
    decoder: FrameDecoder,
    in_frame: bool,
    /// What is to be told once everything that was decoded is handed out.
    damage: Option<StreamError>,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        Self { decoder, in_frame: false, damage: None }
    }

    /// Reads the header of the next frame, if there is one.
    fn next_frame<R: Read>(&mut self, input: &mut Input<R>) -> io::Result<Next> {
        if matches!(skip_zeros(input)?, Following::Nothing) {
            return Ok(Next::End);
        }
        let Err(error) = self.decoder.reset(&mut *input) else {
            self.in_frame = true;
            return Ok(Next::Again);
        };
        let Some(length) = skippable(&error) else {
            return Ok(Next::Failed(damage(input, &error)));
        };
        let skipped = io::copy(&mut input.by_ref().take(length), &mut io::sink())?;
        Ok(if skipped < length { Next::Failed(truncated(input)) } else { Next::Again })
    }

    /// Decodes the next block.
    fn next_block<R: Read>(&mut self, input: &mut Input<R>) {
        let strategy = BlockDecodingStrategy::UptoBlocks(1);
        if let Err(error) = self.decoder.decode_blocks(&mut *input, strategy) {
            self.damage = Some(damage(input, &error));
            // If this fails as well, what the decoder holds back is lost; the error is told anyway.
            let _ = self.decoder.decode_blocks(LAST_BLOCK.as_slice(), BlockDecodingStrategy::All);
        }
    }

    /// The end of a frame, with its checksum (section 3.1.1).
    fn end_frame<R: Read>(&mut self, input: &Input<R>) -> Next {
        self.in_frame = false;
        let stated = self.decoder.get_checksum_from_data();
        if stated.is_none() || stated == self.decoder.get_calculated_checksum() {
            return Next::Again;
        }
        let reason = "the checksum of a frame does not match".to_owned();
        let offset = consumed(input);
        Next::Failed(StreamError::Corrupt { codec: Codec::Zstd, offset, reason })
    }
}

impl Steps for Zstd {
    fn step<R: Read>(
        &mut self,
        input: &mut Input<R>,
        into: &mut [u8],
    ) -> io::Result<(usize, Next)> {
        if self.decoder.can_collect() > 0 && self.in_frame {
            return Ok((self.decoder.read(into)?, Next::Again));
        }
        let next = match self.damage.take() {
            Some(damage) => Next::Failed(damage),
            None if !self.in_frame => self.next_frame(input)?,
            None if self.decoder.is_finished() => self.end_frame(input),
            None => {
                self.next_block(input);
                Next::Again
            }
        };
        Ok((0, next))
    }
}

fn truncated<R: Read>(input: &Input<R>) -> StreamError {
    StreamError::Truncated { codec: Codec::Zstd, offset: consumed(input) }
}

/// Cut off if there is nothing left to read, damaged otherwise.
fn damage<R: Read>(input: &mut Input<R>, error: &FrameDecoderError) -> StreamError {
    if input.fill_buf().is_ok_and(<[u8]>::is_empty) && ends_early(error) {
        return truncated(input);
    }
    let reason = match error {
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(number)) => {
            let [a, b, c, d] = number.to_le_bytes();
            format!("a frame begins with {a:02x} {b:02x} {c:02x} {d:02x}, expected 28 b5 2f fd")
        }
        _ => error.to_string(),
    };
    let offset = consumed(input);
    StreamError::Corrupt { codec: Codec::Zstd, offset, reason }
}

/// The length of the skippable frame that is no error but what was found.
fn skippable(error: &FrameDecoderError) -> Option<u64> {
    match error {
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
            length, ..
        }) => Some(u64::from(*length)),
        _ => None,
    }
}

/// Whether an unexpected end of the input is at the bottom of `error`.
fn ends_early(error: &FrameDecoderError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::UnexpectedEof;
        }
        cause = error.source();
    }
    false
}
