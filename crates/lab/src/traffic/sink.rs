//! Writes generated frames as pcap (nanoseconds) or pcapng (nanoseconds, one interface).

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

/// Time of the first packet: 2026-11-22 00:00:00 UTC.
const EPOCH_NS: u64 = 1_795_305_600_000_000_000;

/// An open capture file.
pub(super) struct Sink {
    file: BufWriter<File>,
    pcapng: bool,
    snaplen: u32,
    written: u64,
}

impl Sink {
    /// Creates the file at `path` and writes its header.
    pub(super) fn create(path: &Path, pcapng: bool, snaplen: u32) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut sink = Self { file, pcapng, snaplen, written: 0 };
        let mut header = Vec::new();
        if pcapng {
            // Section header, then an interface: Ethernet, if_tsresol = 9.
            words(&mut header, &[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
            words(&mut header, &[1, 32, 1, snaplen]);
            header.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
            words(&mut header, &[32]);
        } else {
            words(&mut header, &[0xa1b2_3c4d, 0x0004_0002, 0, 0, snaplen, 1]);
        }
        sink.write(&header)?;
        Ok(sink)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Writes a packet that was captured `time` nanoseconds after the first.
    pub(super) fn packet(&mut self, time: u64, frame: &[u8]) -> Result<()> {
        let time = EPOCH_NS + time;
        let whole = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let kept = whole.min(self.snaplen);
        let data = frame.get(..kept as usize).unwrap_or(frame);
        let mut header = Vec::with_capacity(32);
        let high = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        if self.pcapng {
            let padded = kept.next_multiple_of(4);
            let stamp = [high(time >> 32), (time & 0xffff_ffff) as u32];
            words(&mut header, &[6, padded + 32, 0, stamp[0], stamp[1], kept, whole]);
            self.write(&header)?;
            self.write(data)?;
            let padding = [0; 3];
            self.write(padding.get(..(padded - kept) as usize).unwrap_or_default())?;
            return self.write(&(padded + 32).to_le_bytes());
        }
        let nanoseconds = high(time % 1_000_000_000);
        words(&mut header, &[high(time / 1_000_000_000), nanoseconds, kept, whole]);
        self.write(&header)?;
        self.write(data)
    }

    /// Ends the file; returns its length in bytes.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.file.flush()?;
        Ok(self.written)
    }
}

fn words(bytes: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        bytes.extend(word.to_le_bytes());
    }
}
