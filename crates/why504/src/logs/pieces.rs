//! Reads one log in pieces: blocks are scanned on all threads and put together in order.
//!
//! A plain file is read where the threads want it, without a mapping: logs are truncated under us.
//! A compressed one is a stream, of which a round of blocks is decompressed and then scanned. What
//! a block holds is the reader's business, and so is the proof that a piece scanned by itself means
//! what it means in the whole.

use std::io::{self, ErrorKind, Read};

use rayon::prelude::*;
use why504_ingest::{Anywhere, Codec, Source, open, open_anywhere};
use why504_nginxlog::whole_lines;

use crate::inputs::Kind;

/// A block is copied from the page cache and scanned while it is in the processor's own cache.
const BLOCK: usize = 512 * 1024;

/// Blocks of a round for each thread: what they find in them takes unequal time.
const BLOCKS_A_THREAD: usize = 4;

/// What is made of the lines of a log.
pub(super) trait Reader: Sync {
    /// What a piece comes to.
    type Piece: Send;

    /// Scans whole lines from further on; many threads at once.
    fn scan(&self, lines: &[u8]) -> Self::Piece;

    /// Goes on behind a piece that begins where the reader stands, if that can be.
    fn adopt(&mut self, piece: Self::Piece) -> bool;

    /// Reads the next bytes, whatever they are.
    fn feed(&mut self, bytes: &[u8]);
}

/// Reads a whole log; calls `after` whenever the reader has got on. Says what ended it early, if
/// anything did.
pub(super) fn read<R: Reader>(
    source: &Source<Kind>,
    reader: &mut R,
    mut after: impl FnMut(&mut R),
) -> Option<String> {
    let path = source.path.display();
    let mut input = match Input::open(source) {
        Ok(input) => input,
        Err(error) => return Some(format!("{path}: cannot be read: {error}")),
    };
    // The first block tells how to scan the others, and of a small file it is all.
    let mut blocks = vec![Block::default()];
    let mut offset: u64 = 0;
    loop {
        let scanner = &*reader;
        let alone = blocks.len() == 1;
        let pieces = input.round(offset, &mut blocks, |block| {
            let (_, lines, _) = whole_lines(block);
            (!alone && !lines.is_empty()).then(|| scanner.scan(lines))
        });
        for (block, piece) in blocks.iter_mut().zip(pieces) {
            let (head, lines, tail) = whole_lines(block.bytes());
            reader.feed(head);
            if !piece.is_some_and(|piece| reader.adopt(piece)) {
                reader.feed(lines);
            }
            reader.feed(tail);
            offset = offset.saturating_add(block.length as u64);
            if let Some(error) = block.error.take() {
                after(reader);
                return Some(format!("{path}: byte {offset}: {error}; analysed up to there"));
            }
            // What another thread read behind the end was written meanwhile.
            if block.length < BLOCK {
                after(reader);
                return truncated(source, offset);
            }
        }
        after(reader);
        blocks.resize_with(BLOCKS_A_THREAD * rayon::current_num_threads(), Block::default);
    }
}

/// Says so when a log ended before the size that it had.
fn truncated(source: &Source<Kind>, end: u64) -> Option<String> {
    (source.codec == Codec::Plain && end < source.size).then(|| {
        format!(
            "{}: it had {} bytes and ended after {end}: it was truncated while it was read \
             (copytruncate?); what is missing may be in the rotated copy",
            source.path.display(),
            source.size
        )
    })
}

/// A part of a log, of fixed size but at the end.
#[derive(Default)]
struct Block {
    buffer: Vec<u8>,
    /// Bytes that were read.
    length: usize,
    error: Option<io::Error>,
}

impl Block {
    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> (usize, io::Result<()>)) {
        self.buffer.resize(BLOCK, 0);
        let (length, result) = read(&mut self.buffer);
        (self.length, self.error) = (length, result.err());
    }
}

enum Input {
    Plain(Anywhere),
    Stream(Box<dyn Read + Send>),
}

impl Input {
    fn open(source: &Source<Kind>) -> io::Result<Self> {
        Ok(match open_anywhere(source)? {
            Some(file) => Self::Plain(file),
            None => Self::Stream(open(source)?),
        })
    }

    /// Reads the blocks of a round, the first of which begins at `offset`, and scans them.
    fn round<P: Send>(
        &mut self,
        offset: u64,
        blocks: &mut [Block],
        scan: impl Fn(&[u8]) -> Option<P> + Sync,
    ) -> Vec<Option<P>> {
        match self {
            Self::Plain(file) => {
                let file = &*file;
                let numbered = blocks.par_iter_mut().enumerate();
                let read = numbered.map(|(number, block)| {
                    let at = offset.saturating_add((number * BLOCK) as u64);
                    block.fill(|buffer| match file.fill(at, buffer) {
                        Ok(length) => (length, Ok(())),
                        Err(error) => (0, Err(error)),
                    });
                    scan(block.bytes())
                });
                read.collect()
            }
            Self::Stream(stream) => {
                let mut ended = false;
                for block in &mut *blocks {
                    block.length = 0;
                    if !ended {
                        block.fill(|buffer| fill(stream, buffer));
                        ended = block.length < BLOCK;
                    }
                }
                blocks.par_iter().map(|block| scan(block.bytes())).collect()
            }
        }
    }
}

/// Reads until the buffer is full or the stream ends; what was read before an error counts.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match stream.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(()))
}
