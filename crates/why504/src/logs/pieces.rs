//! Reads one log in pieces: blocks are scanned on all threads and put together in order.
//!
//! A plain file is read where the threads want it, without a mapping: logs are truncated under us.
//! A compressed one is a stream, and while one thread decompresses a block others scan those before
//! it. What a block holds is the reader's business, and so is the proof that a piece scanned by
//! itself means what it means in the whole.

mod input;
mod queue;

use std::io;

use why504_ingest::{Codec, Source};
use why504_nginxlog::whole_lines;

use crate::inputs::Kind;
use input::{BLOCK, Buffer, Input};
use queue::Queue;

/// So many blocks for each thread may be scanned ahead of the reader.
const AHEAD: usize = 32;

/// What understands the lines of a log, in order.
pub(super) trait Reader {
    /// What scans pieces for it.
    type Scanner: Scanner<Piece = Self::Piece>;

    /// What a piece comes to.
    type Piece: Send;

    /// A scanner for pieces of this log from here on.
    fn scanner(&self) -> Self::Scanner;

    /// Goes on behind a piece that begins where the reader stands, if that can be.
    fn adopt(&mut self, piece: Self::Piece) -> bool;

    /// Reads the next bytes, whatever they are.
    fn feed(&mut self, bytes: &[u8]);
}

/// Scans pieces by themselves, many threads at once.
pub(super) trait Scanner: Sync {
    /// What a piece comes to.
    type Piece;

    /// Scans whole lines.
    fn scan(&self, lines: &[u8]) -> Self::Piece;
}

/// Reads a whole log; calls `after` whenever the reader has got on. Says what ended it early, if
/// anything did.
pub(super) fn read<R: Reader>(
    source: &Source<Kind>,
    reader: &mut R,
    after: impl FnMut(&mut R),
) -> Option<String> {
    let path = source.path.display();
    let input = match Input::open(source) {
        Ok(input) => input,
        Err(error) => return Some(format!("{path}: cannot be read: {error}")),
    };
    match read_blocks(&input, reader, after) {
        (end, None) => truncated(source, end),
        (end, Some(error)) => Some(format!("{path}: byte {end}: {error}; analysed up to there")),
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

/// Reads all blocks; gives the offset of the end, and the error that came there.
fn read_blocks<R: Reader>(
    input: &Input,
    reader: &mut R,
    mut after: impl FnMut(&mut R),
) -> (u64, Option<io::Error>) {
    let mut buffer = Buffer::default();
    // The first block tells how to scan the others, and of a small file it is all.
    let error = input.fill(0, &mut buffer);
    reader.feed(buffer.bytes());
    after(reader);
    let mut end = buffer.bytes().len() as u64;
    if error.is_some() || !buffer.is_full() {
        return (end, error);
    }
    let threads = rayon::current_num_threads();
    let queue = Queue::new(1, AHEAD * threads);
    let scanner = reader.scanner();
    let scan = |buffer: &mut Buffer| scan_one(input, &queue, &scanner, buffer);
    rayon::in_place_scope(|scope| {
        // This thread scans as the others do, and in between takes what is ready.
        loop {
            while let Some((number, block)) = queue.ready() {
                let (length, error) = take(reader, input, number, block, &mut buffer);
                after(reader);
                end = end.saturating_add(length as u64);
                if error.is_some() || length < BLOCK {
                    queue.close();
                    return (end, error);
                }
            }
            if queue.wants_help(threads - 1) {
                scope.spawn(|_| {
                    let mut buffer = Buffer::default();
                    queue.help(|| scan(&mut buffer));
                });
            }
            if !scan(&mut buffer) && !queue.wait() {
                return (end, None);
            }
        }
    })
}

/// What a block comes to.
struct Block<P> {
    /// The end of the line that began before it.
    head: Vec<u8>,
    /// What its whole lines come to, if it has any.
    piece: Option<P>,
    /// The beginning of the line that ends behind it.
    tail: Vec<u8>,
    /// Bytes that were read.
    length: usize,
    error: Option<io::Error>,
    /// The block itself, where it cannot be read again.
    kept: Option<Buffer>,
}

/// Reads and scans the next block; false when none is to be had now.
fn scan_one<S: Scanner>(
    input: &Input,
    queue: &Queue<Block<S::Piece>>,
    scanner: &S,
    buffer: &mut Buffer,
) -> bool {
    let Some((number, error)) = input.next(queue, buffer) else { return false };
    let (head, lines, tail) = whole_lines(buffer.bytes());
    let piece = (!lines.is_empty()).then(|| scanner.scan(lines));
    let (head, tail, length) = (head.to_vec(), tail.to_vec(), buffer.bytes().len());
    let kept = (!input.is_plain()).then(|| std::mem::take(buffer));
    queue.put(number, Block { head, piece, tail, length, error, kept });
    true
}

/// Takes a block in its turn; gives its length, and the error that it ended with.
fn take<R: Reader>(
    reader: &mut R,
    input: &Input,
    number: u64,
    block: Block<R::Piece>,
    buffer: &mut Buffer,
) -> (usize, Option<io::Error>) {
    let Block { head, piece, tail, length, error, kept } = block;
    reader.feed(&head);
    if piece.is_some_and(|piece| !reader.adopt(piece)) {
        let again = kept.as_ref().unwrap_or_else(|| {
            input.fill(number, buffer);
            buffer
        });
        let again = again.bytes();
        let Some(lines) = again.get(head.len()..length - tail.len()) else {
            // The file has become shorter meanwhile.
            reader.feed(again.get(head.len()..).unwrap_or_default());
            return (again.len(), None);
        };
        reader.feed(lines);
    }
    reader.feed(&tail);
    (length, error)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Mutex;

    use why504_ingest::Limits;

    use super::*;
    use crate::inputs::Inputs;
    use crate::progress::Complaints;

    /// Puts a log together again; refuses each piece whose number is a multiple of this.
    struct Copy {
        bytes: Vec<u8>,
        pieces: usize,
        refused: usize,
    }

    struct Lines;

    impl Scanner for Lines {
        type Piece = Vec<u8>;

        fn scan(&self, lines: &[u8]) -> Vec<u8> {
            assert!(lines.ends_with(b"\n"));
            lines.to_vec()
        }
    }

    impl Reader for Copy {
        type Scanner = Lines;
        type Piece = Vec<u8>;

        fn scanner(&self) -> Lines {
            Lines
        }

        fn adopt(&mut self, piece: Vec<u8>) -> bool {
            assert!(self.bytes.ends_with(b"\n"));
            self.pieces += 1;
            let adopted = self.refused == 0 || !self.pieces.is_multiple_of(self.refused);
            if adopted {
                self.bytes.extend(piece);
            }
            adopted
        }

        fn feed(&mut self, bytes: &[u8]) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Lines of all lengths, one of them longer than two blocks.
    fn log() -> Vec<u8> {
        let mut log = Vec::new();
        for number in 0..40_000_usize {
            let length = if number == 20_000 { 700_000 } else { number * 7919 % 300 };
            log.resize(log.len() + length, b'a' + u8::try_from(number % 26).expect("a letter"));
            log.push(b'\n');
        }
        log.extend_from_slice(b"unfinished");
        log
    }

    #[test]
    fn every_byte_comes_once_and_in_order() {
        let log = log();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("error.log");
        // So that it is taken for a log.
        let text = [b"2026/11/22 07:18:23 [error] 1#1: x\n".as_slice(), &log].concat();
        std::fs::write(&path, &text).expect("a file");
        let (limits, mut complaints) = (Limits::default(), Complaints::default());
        let inputs = Inputs::find(&[path], &[], limits, &mut complaints);
        let source = inputs.of(Kind::ErrorLog).next().expect("a log");
        for refused in [0, 1, 3] {
            let mut copy = Copy { bytes: Vec::new(), pieces: 0, refused };
            assert_eq!(read(source, &mut copy, |_| {}), None);
            assert!(copy.bytes == text && copy.pieces > 10, "{refused}");

            let stream = Input::Stream(Mutex::new(Box::new(Cursor::new(text.clone()))));
            let mut copy = Copy { bytes: Vec::new(), pieces: 0, refused };
            let (end, error) = read_blocks(&stream, &mut copy, |_| {});
            assert_eq!((end, error.is_none()), (text.len() as u64, true));
            assert!(copy.bytes == text && copy.pieces > 10, "{refused}");
        }
    }
}
