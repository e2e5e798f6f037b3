//! A window on the bytes of a file: filled by large reads, consumed at record boundaries.
//!
//! The window is an owned buffer that is handed to the workers as it is; only the piece of a record
//! at its end is copied, to the beginning of the next one. Workers may give buffers back. Whatever is consumed, the cost is
//! proportional to it: a file of a million tiny sections must not copy the window for each.
//! Bytes are counted, never interpreted.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::ops::Range;

use crate::{BLOCK_BYTES, Block};

/// See the module.
pub(crate) struct Input<R> {
    inner: R,
    /// Octets from `start` to `end` are the window; what is before it was consumed, what is behind
    /// it was never written by a read of this window.
    buffer: Vec<u8>,
    /// At most `end`.
    start: usize,
    /// At most `buffer.len()`.
    end: usize,
    /// A buffer that is no longer in use, for the next window.
    spare: Vec<u8>,
    /// What was read elsewhere of the bytes behind the window.
    ahead: VecDeque<Window>,
    /// Byte offset of the window in the file.
    offset: u64,
    /// What was not read elsewhere is read here.
    reads: bool,
    /// Nothing more will come.
    ended: bool,
    /// The error that ended it, if it was not the end of the file.
    error: Option<io::Error>,
}

/// The next [`BLOCK_BYTES`] of a file, read by whoever had nothing else to do and
/// handed to the reader in order: see [`CaptureReader::supply`](crate::CaptureReader::supply). There is
/// room in front for the record that the bytes before end in, so nothing is copied but that.
#[derive(Debug)]
pub struct Window {
    buffer: Vec<u8>,
    end: usize,
}

impl Window {
    /// Room in front: frames are rarely longer, and never on a wire.
    const HEADROOM: usize = 64 << 10;
    /// Octets in all.
    const ROOM: usize = Self::HEADROOM + BLOCK_BYTES;

    /// Room for the bytes, in the memory of a block that was used up if there is one.
    pub fn new(used: Option<Block>) -> Self {
        let mut buffer = used.map(|block| block.cut.into_buffer()).unwrap_or_default();
        if buffer.len() < Self::ROOM {
            buffer = vec![0; Self::ROOM];
        }
        Self { buffer, end: Self::HEADROOM }
    }

    /// Has `read` fill the room; it tells how many bytes there were.
    pub fn fill<E>(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let room = self.buffer.get_mut(Self::HEADROOM..).unwrap_or_default();
        let room = room.get_mut(..BLOCK_BYTES).unwrap_or_default();
        let length = read(room)?.min(room.len());
        self.end = Self::HEADROOM + length;
        Ok(length)
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(Self::HEADROOM..self.end).unwrap_or_default()
    }
}

/// Octets that were cut out of a window: the buffer and where in it they are. Whoever is done with
/// them may give the buffer back to the input: fresh memory costs more than reading into it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut {
    buffer: Vec<u8>,
    range: Range<usize>,
}

impl Cut {
    /// The octets.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// The buffer.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

/// What is read before there is room for more.
const FIRST_OCTETS: usize = 512;
/// Largest piece that [`Input::skip`] reads at once.
const SKIP_BYTES: u64 = 64 * 1024;

impl<R: Read> Input<R> {
    /// Of nothing read yet; `spare` is memory to read into.
    pub(crate) fn new(inner: R, spare: Vec<u8>) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            spare,
            ahead: VecDeque::new(),
            offset: 0,
            reads: true,
            ended: false,
            error: None,
        }
    }

    /// The bytes of the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Byte offset of the window in the file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the window holds all that is left of the file.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// The read error that ended the file early, once.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Takes a buffer to use for a later window.
    pub(crate) fn give_back(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Takes bytes that follow those read or taken so far.
    pub(crate) fn supply(&mut self, window: Window) {
        self.ahead.push_back(window);
    }

    /// How many windows were supplied and not come to yet.
    pub(crate) fn supplied(&self) -> usize {
        self.ahead.len()
    }

    /// Whether it may read by itself, or only go on with what was supplied.
    pub(crate) fn reads(&mut self, reads: bool) {
        self.reads = reads;
    }

    /// Reads until the window holds `want` bytes or the file ends, however small the single reads; or
    /// until all is used that was supplied, where nothing else may be read.
    pub(crate) fn fill(&mut self, want: usize) {
        while self.bytes().len() < want && !self.ended {
            match self.ahead.pop_front() {
                Some(window) => self.go_on_with(window),
                None if self.reads => return self.read(want),
                None => return,
            }
        }
    }

    /// Appends a window by putting what is left in front of it.
    fn go_on_with(&mut self, mut window: Window) {
        let rest = self.bytes();
        let Some(start) = Window::HEADROOM.checked_sub(rest.len()) else {
            // A giant record: appended as it is.
            self.buffer.truncate(self.end);
            self.buffer.extend_from_slice(window.bytes());
            self.end = self.buffer.len();
            return;
        };
        if let Some(room) = window.buffer.get_mut(start..) {
            copy(room, rest);
        }
        self.spare = mem::replace(&mut self.buffer, window.buffer);
        (self.start, self.end) = (start, window.end);
    }

    fn read(&mut self, want: usize) {
        if self.buffer.len() < want {
            // Most files end where their windows do: that is known before there is room for more.
            let mut first = [0; FIRST_OCTETS];
            let most = (want - self.bytes().len()).min(FIRST_OCTETS);
            let Some(read) = self.read_some(first.get_mut(..most).unwrap_or_default()) else {
                return;
            };
            let mut larger = mem::take(&mut self.spare);
            if larger.len() < want {
                // Asked for anew, since the system hands out zeros for nothing.
                larger = vec![0; want.max(Window::ROOM)];
            }
            let before = self.bytes().len();
            copy(&mut larger, self.bytes());
            copy(
                larger.get_mut(before..).unwrap_or_default(),
                first.get(..read).unwrap_or_default(),
            );
            (self.start, self.end) = (0, before + read);
            self.buffer = larger;
        } else {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // Taken out, so that it can be read into.
        let mut buffer = mem::take(&mut self.buffer);
        while let Some(room) = buffer.get_mut(self.end..want).filter(|room| !room.is_empty())
            && let Some(read) = self.read_some(room)
        {
            self.end += read;
        }
        self.buffer = buffer;
    }

    /// Reads once, at least one octet and at most as many as there is room for; `None` at the end, of
    /// whichever kind.
    fn read_some(&mut self, room: &mut [u8]) -> Option<usize> {
        loop {
            match self.inner.read(room) {
                Ok(0) => {
                    self.ended = true;
                    return None;
                }
                Ok(read) => return Some(read.min(room.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.error = Some(error);
                    return None;
                }
            }
        }
    }

    /// Takes the first `length` bytes of the window out.
    pub(crate) fn cut(&mut self, length: usize) -> Cut {
        let length = length.min(self.bytes().len());
        let cut_end = self.start + length;
        let rest = self.end - cut_end;
        let taken = if rest <= length {
            let mut next = mem::take(&mut self.spare);
            if next.len() < rest {
                next = vec![0; rest];
            }
            copy(&mut next, self.buffer.get(cut_end..self.end).unwrap_or_default());
            let range = self.start..cut_end;
            (self.start, self.end) = (0, rest);
            Cut { buffer: mem::replace(&mut self.buffer, next), range }
        } else {
            let taken = self.buffer.get(self.start..cut_end).unwrap_or_default().to_vec();
            self.start = cut_end;
            Cut { range: 0..taken.len(), buffer: taken }
        };
        self.offset = self.offset.saturating_add(length as u64);
        taken
    }

    /// Drops the next `length` bytes, reading over what is not yet in the window. Returns how many
    /// there were.
    pub(crate) fn skip(&mut self, length: u64) -> u64 {
        let mut skipped = 0;
        while skipped < length {
            let left = length - skipped;
            if self.bytes().is_empty() {
                self.fill(usize::try_from(left.min(SKIP_BYTES)).unwrap_or(usize::MAX));
            }
            let window = self.bytes().len();
            let here = usize::try_from(left).unwrap_or(window).min(window);
            if here == 0 {
                break;
            }
            self.start += here;
            skipped += here as u64;
        }
        self.offset = self.offset.saturating_add(skipped);
        skipped
    }
}

/// Copies `from` to the beginning of `to`, which is at least as long.
fn copy(to: &mut [u8], from: &[u8]) {
    if let Some(to) = to.get_mut(..from.len()) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte a read, and an error at the end.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let byte = self.0.get(self.1).ok_or_else(|| io::Error::other("torn"))?;
            into[0] = *byte;
            self.1 += 1;
            Ok(1)
        }
    }

    #[test]
    fn fills_cuts_and_skips_whatever_the_reads() {
        let mut input = Input::new(Drip((0..100).collect(), 0), Vec::new());
        input.fill(10);
        assert_eq!(input.bytes(), (0..10).collect::<Vec<u8>>());
        // The smaller part is the one that is copied: once what is taken, once what is left.
        assert_eq!(input.cut(4).bytes(), [0, 1, 2, 3]);
        assert_eq!((input.offset(), input.bytes()), (4, &[4, 5, 6, 7, 8, 9][..]));
        assert_eq!(input.cut(4).bytes(), [4, 5, 6, 7]);
        assert_eq!((input.offset(), input.bytes()), (8, &[8, 9][..]));
        assert_eq!(input.skip(16), 16);
        input.fill(2);
        assert_eq!((input.offset(), input.bytes()), (24, &[24, 25][..]));
        input.fill(1000);
        assert!(input.ended());
        assert_eq!(input.bytes().len(), 76);
        assert_eq!(input.take_error().map(|error| error.to_string()).as_deref(), Some("torn"));
        assert_eq!(input.cut(1000).bytes().len(), 76);
        assert_eq!((input.skip(1000), input.offset()), (0, 100));
    }

    /// Supplied windows and reads of its own give the bytes in order, however long what is left over.
    #[test]
    fn supplied_windows_come_before_what_is_read() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * BLOCK_BYTES + 1000).collect();
        for step in [1, 1000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 70_000] {
            let (ahead, inner) = bytes.split_at(2 * BLOCK_BYTES + 500);
            let mut input = Input::new(inner, Vec::new());
            for piece in ahead.chunks(BLOCK_BYTES) {
                let mut window = Window::new(None);
                let filled: Result<usize, ()> = window.fill(|room| {
                    room[..piece.len()].copy_from_slice(piece);
                    Ok(piece.len())
                });
                assert_eq!(filled, Ok(piece.len()));
                input.supply(window);
            }
            assert_eq!(input.supplied(), 3);
            let mut seen = Vec::new();
            loop {
                input.fill(step);
                // Something is always left over, until nothing else comes.
                let length = input.bytes().len();
                let taken = if input.ended() { length } else { length.min(step) };
                if taken == 0 {
                    break;
                }
                seen.extend_from_slice(input.cut(taken).bytes());
            }
            assert_eq!(seen.len(), bytes.len(), "step {step}");
            assert!(seen == bytes, "step {step}");
            assert_eq!(input.offset(), bytes.len() as u64);
        }
    }

    /// What was in a buffer before never shows through.
    #[test]
    fn a_used_buffer_is_as_good_as_a_new_one() {
        let mut input = Input::new(Drip((0..60).collect(), 0), vec![0xff; 50]);
        for first in [0, 20, 40] {
            input.fill(25);
            let cut = input.cut(20);
            assert_eq!(cut.bytes(), (first..first + 20).collect::<Vec<u8>>());
            let used: Vec<u8> = cut.into_buffer().iter().map(|_| 0xff).collect();
            input.give_back([used, vec![0xff; 100]].concat());
        }
        assert_eq!(input.bytes(), [0_u8; 0]);
    }
}
