//! Zstandard (RFC 8878): any number of frames, skippable ones among them.
//!
//! ruzstd keeps the last window of a frame to itself until the frame is over. When the file is cut,
//! the frame is ended for it with an empty last block, so that everything before the cut comes out.

use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Counted, Decoder, consumed};
use crate::{Codec, StreamError};

/// Largest window, as in zstd(1) without `--long`: 128 MiB.
const MAX_WINDOW_BYTES: u64 = 128 << 20;

/// Header of an empty raw block that is the last one (section 3.1.1.2), and room for a checksum.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Reads one frame after the other.
pub(super) struct Zstd<R> {
    input: BufReader<Counted<R>>,
    decoder: FrameDecoder,
    state: State,
}

enum State {
    BetweenFrames,
    InFrame,
    /// What is still to be handed out before the error.
    Failed(Option<StreamError>),
    Ended,
}

impl<R: Read> Zstd<R> {
    pub(super) fn new(input: BufReader<Counted<R>>) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        Self { input, decoder, state: State::BetweenFrames }
    }

    /// Reads the header of the next frame, if there is one.
    fn next_frame(&mut self) -> io::Result<()> {
        if self.input.fill_buf()?.is_empty() {
            self.state = State::Ended;
            return Ok(());
        }
        match self.decoder.reset(&mut self.input) {
            Ok(()) => self.state = State::InFrame,
            Err(error) => match skippable(&error) {
                Some(length) => {
                    let skipped = io::copy(&mut self.input.by_ref().take(length), &mut io::sink())?;
                    if skipped < length {
                        self.state = State::Failed(Some(self.truncated()));
                    }
                }
                None => self.state = State::Failed(Some(self.damage(&error))),
            },
        }
        Ok(())
    }

    /// Decodes the next block.
    fn next_block(&mut self) {
        let strategy = BlockDecodingStrategy::UptoBlocks(1);
        if let Err(error) = self.decoder.decode_blocks(&mut self.input, strategy) {
            let damage = self.damage(&error);
            // If this fails as well, what the decoder holds back is lost; the error is told anyway.
            let _ = self.decoder.decode_blocks(LAST_BLOCK.as_slice(), BlockDecodingStrategy::All);
            self.state = State::Failed(Some(damage));
        }
    }

    /// The end of a frame, with its checksum (section 3.1.1).
    fn end_frame(&mut self) {
        let stated = self.decoder.get_checksum_from_data();
        if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
            let reason = "the checksum of a frame does not match".to_owned();
            let offset = self.consumed();
            let damage = StreamError::Corrupt { codec: Codec::Zstd, offset, reason };
            self.state = State::Failed(Some(damage));
        } else {
            self.state = State::BetweenFrames;
        }
    }

    fn truncated(&self) -> StreamError {
        StreamError::Truncated { codec: Codec::Zstd, offset: self.consumed() }
    }

    /// Cut off if there is nothing left to read, damaged otherwise.
    fn damage(&mut self, error: &FrameDecoderError) -> StreamError {
        if self.input.fill_buf().is_ok_and(<[u8]>::is_empty) && ends_early(error) {
            return self.truncated();
        }
        let (offset, reason) = (self.consumed(), error.to_string());
        StreamError::Corrupt { codec: Codec::Zstd, offset, reason }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Ended => return Ok(0),
                State::BetweenFrames => self.next_frame()?,
                State::InFrame if self.decoder.can_collect() > 0 => {
                    return self.decoder.read(into);
                }
                State::InFrame if self.decoder.is_finished() => self.end_frame(),
                State::InFrame => self.next_block(),
                State::Failed(damage) => {
                    if self.decoder.can_collect() > 0 {
                        return self.decoder.read(into);
                    }
                    let damage = damage.take();
                    self.state = State::Ended;
                    return damage.map_or(Ok(0), |damage| Err(damage.into_io()));
                }
            }
        }
    }
}

impl<R: Read> Decoder for Zstd<R> {
    fn consumed(&self) -> u64 {
        consumed(&self.input)
    }
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
