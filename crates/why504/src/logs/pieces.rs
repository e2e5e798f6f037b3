//! Reads one log in pieces: blocks are scanned on all threads and put together in order.
//!
//! A plain file is read where the threads want it, without a mapping: logs are truncated under us.
//! A compressed one is a stream, and while one thread decompresses a block others scan those before
//! it. What a block holds is the reader's business, and so is the proof that a piece scanned by
//! itself means what it means in the whole.

mod queue;

use std::io::{self, ErrorKind, Read};
use std::sync::{Mutex, PoisonError};

use why504_ingest::{Anywhere, Codec, Source, open, open_anywhere};
use why504_nginxlog::whole_lines;

use crate::inputs::Kind;
use queue::Queue;

/// A block is copied from the page cache and scanned while it is in the processor's own cache.
const BLOCK: usize = 256 * 1024;

/// So many blocks for each thread may be scanned ahead of the reader.
const AHEAD: usize = 16;

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
    let mut buffer = Vec::new();
    // The first block tells how to scan the others, and of a small file it is all.
    let (length, error) = input.fill(0, &mut buffer);
    reader.feed(buffer.get(..length).unwrap_or_default());
    after(reader);
    let mut end = length as u64;
    if error.is_some() || length < BLOCK {
        return (end, error);
    }
    let threads = rayon::current_num_threads();
    let queue = Queue::new(1, AHEAD * threads);
    let scanner = reader.scanner();
    let scan = |buffer: &mut Vec<u8>| scan_one(input, &queue, &scanner, buffer);
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
                    let mut buffer = vec![0; BLOCK];
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
    bytes: Option<Vec<u8>>,
}

/// Reads and scans the next block; false when none is to be had now.
fn scan_one<S: Scanner>(
    input: &Input,
    queue: &Queue<Block<S::Piece>>,
    scanner: &S,
    buffer: &mut Vec<u8>,
) -> bool {
    let Some((number, length, error)) = input.next(queue, buffer) else { return false };
    let (head, lines, tail) = whole_lines(buffer.get(..length).unwrap_or_default());
    let piece = (!lines.is_empty()).then(|| scanner.scan(lines));
    let (head, tail) = (head.to_vec(), tail.to_vec());
    let bytes = (!input.is_plain()).then(|| std::mem::take(buffer));
    queue.put(number, Block { head, piece, tail, length, error, bytes });
    true
}

/// Takes a block in its turn; gives its length, and the error that it ended with.
fn take<R: Reader>(
    reader: &mut R,
    input: &Input,
    number: u64,
    block: Block<R::Piece>,
    buffer: &mut Vec<u8>,
) -> (usize, Option<io::Error>) {
    let Block { head, piece, tail, length, error, bytes } = block;
    reader.feed(&head);
    let refused = piece.is_some_and(|piece| !reader.adopt(piece));
    if refused {
        let again = if let Some(bytes) = &bytes {
            bytes.get(..length)
        } else {
            let (length, _) = input.fill(number, buffer);
            buffer.get(..length)
        };
        let again = again.unwrap_or_default();
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

enum Input {
    Plain(Anywhere),
    Stream(Mutex<Box<dyn Read + Send>>),
}

impl Input {
    fn open(source: &Source<Kind>) -> io::Result<Self> {
        Ok(match open_anywhere(source)? {
            Some(file) => Self::Plain(file),
            None => Self::Stream(Mutex::new(open(source)?)),
        })
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Reads the next block; gives its number, its length and the error that it ended with.
    fn next<P>(
        &self,
        queue: &Queue<P>,
        buffer: &mut Vec<u8>,
    ) -> Option<(u64, usize, Option<io::Error>)> {
        // A stream is held from the number on until its block is read, so that the two agree.
        let stream = match self {
            Self::Plain(_) => None,
            Self::Stream(stream) => Some(stream.lock().unwrap_or_else(PoisonError::into_inner)),
        };
        let number = queue.claim()?;
        let (length, error) = match stream {
            None => self.fill(number, buffer),
            Some(mut stream) => fill(&mut *stream, sized(buffer)),
        };
        if length < BLOCK {
            queue.close();
        }
        Some((number, length, error))
    }

    /// Reads a block; of a stream the next one, whatever its number.
    fn fill(&self, number: u64, buffer: &mut Vec<u8>) -> (usize, Option<io::Error>) {
        let room = sized(buffer);
        match self {
            Self::Plain(file) => match file.fill(number.saturating_mul(BLOCK as u64), room) {
                Ok(length) => (length, None),
                Err(error) => (0, Some(error)),
            },
            Self::Stream(stream) => {
                fill(&mut *stream.lock().unwrap_or_else(PoisonError::into_inner), room)
            }
        }
    }
}

fn sized(buffer: &mut Vec<u8>) -> &mut [u8] {
    buffer.resize(BLOCK, 0);
    buffer
}

/// Reads until the buffer is full or the stream ends; what was read before an error counts.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match stream.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}
