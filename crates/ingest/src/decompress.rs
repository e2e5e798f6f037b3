//! The decompressed bytes of a source, with limits.

mod bzip2;
mod driver;
mod gzip;
mod limit;
mod lz4;
mod xz;
mod zstd;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::{Codec, Source};
use driver::Driver;
use limit::Limited;
pub use limit::Limits;

/// Compressed bytes read at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// The bytes of `source`, decompressed. A plain file is read without a buffer of ours: its readers
/// use large ones of their own.
///
/// # Errors
/// When the file cannot be opened. While reading, damage of a compressed stream comes as an
/// [`io::Error`] around a [`StreamError`](crate::StreamError), behind everything that could be
/// decompressed.
pub fn open<C>(source: &Source<C>) -> io::Result<Box<dyn Read + Send>> {
    open_as(source.file(), source.codec, source.limits)
}

/// A file that can be read anywhere, by many threads at once.
#[derive(Debug)]
pub struct Anywhere(File);

/// As [`open`], for reading in pieces; `None` when the bytes are compressed, and so have an order.
///
/// # Errors
/// When the file cannot be opened.
pub fn open_anywhere<C>(source: &Source<C>) -> io::Result<Option<Anywhere>> {
    if source.codec != Codec::Plain {
        return Ok(None);
    }
    File::open(source.file()).map(|file| Some(Anywhere(file)))
}

impl Anywhere {
    /// Reads from `offset` (bytes) on until the buffer is full or the file ends, and hands back
    /// how many bytes were read.
    ///
    /// # Errors
    /// When the file cannot be read there.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.read_at(room, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, buffer, offset)
    }
}

pub(crate) fn open_as(
    file: &Path,
    codec: Codec,
    limits: Limits,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(decompress(File::open(file)?, codec, limits))
}

/// The decompressed bytes of `input`.
fn decompress<R: Read + Send + 'static>(
    input: R,
    codec: Codec,
    limits: Limits,
) -> Box<dyn Read + Send> {
    if codec == Codec::Plain {
        return Box::new(input);
    }
    let input = counted(input);
    match codec {
        Codec::Plain => Box::new(input),
        Codec::Gzip => Box::new(Limited::new(gzip::Gzip::new(input), limits)),
        Codec::Zstd => Box::new(Limited::new(Driver::new(input, zstd::Zstd::new()), limits)),
        Codec::Xz => Box::new(Limited::new(Driver::new(input, xz::Xz::new()), limits)),
        Codec::Bzip2 => Box::new(Limited::new(Driver::new(input, bzip2::Bzip2::new()), limits)),
        Codec::Lz4 => Box::new(Limited::new(lz4::Lz4::new(input), limits)),
    }
}

/// A decoder that knows how much of its input it has used.
trait Decoder: Read {
    /// Compressed bytes taken from the file so far.
    fn consumed(&self) -> u64;
}

/// Counts what is read from a file.
struct Counted<R> {
    inner: R,
    read: u64,
}

fn counted<R: Read>(inner: R) -> BufReader<Counted<R>> {
    BufReader::with_capacity(BUFFER_BYTES, Counted { inner, read: 0 })
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.read = self.read.saturating_add(read as u64);
        Ok(read)
    }
}

/// Compressed bytes handed out by the buffer.
fn consumed<R: Read>(input: &BufReader<Counted<R>>) -> u64 {
    input.get_ref().read.saturating_sub(input.buffer().len() as u64)
}

/// What stands behind the end of a compressed stream and its padding.
enum Following {
    Nothing,
    Byte(u8),
}

/// Steps over zeros: tapes and some rotation scripts pad with them.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<Following> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(Following::Nothing);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let next = bytes.get(zeros).copied();
        input.consume(zeros);
        if let Some(byte) = next {
            return Ok(Following::Byte(byte));
        }
    }
}
