//! Keeps the words of the timeouts out of memory: they are written one after the other, beyond a
//! few MiB into a temporary file, and read again for the lines that are shown.
//!
//! Reading them again from the logs would not do: logs are rotated, truncated and compressed while
//! a run lasts.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::SpooledTempFile;
use why504_report::{LogText, Texts};

/// What is kept in memory, in bytes.
const IN_MEMORY: usize = 4 << 20;

/// The words of all timeouts of a run, by their numbers.
#[derive(Debug)]
pub(crate) struct TextStore {
    /// Where each begins, in bytes.
    places: Vec<u64>,
    end: u64,
    file: Mutex<SpooledTempFile>,
    /// Why words are missing from here on.
    pub(super) failure: Option<io::Error>,
}

impl Default for TextStore {
    fn default() -> Self {
        let file = Mutex::new(SpooledTempFile::new(IN_MEMORY));
        Self { places: Vec::new(), end: 0, file, failure: None }
    }
}

/// The five texts in order, each after its length in bytes (u32, little-endian).
pub(super) fn packed(texts: [&[u8]; 5]) -> Vec<u8> {
    let mut all = Vec::with_capacity(texts.iter().map(|text| text.len() + 4).sum());
    for text in texts {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        all.extend_from_slice(&length.to_le_bytes());
        all.extend_from_slice(text.get(..length as usize).unwrap_or(text));
    }
    all
}

/// The five texts again.
pub(super) fn unpacked(all: &[u8]) -> [&[u8]; 5] {
    let mut rest = all;
    std::array::from_fn(|_| {
        let (length, after) = rest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let length = u32::from_le_bytes(*length) as usize;
        let (text, after) = after.split_at_checked(length).unwrap_or((after, &[]));
        rest = after;
        text
    })
}

impl TextStore {
    /// Keeps the next ones.
    pub(super) fn extend(&mut self, packed: &[Vec<u8>]) {
        for texts in packed {
            self.places.push(self.end);
            self.end = self.end.saturating_add(texts.len() as u64);
        }
        if self.failure.is_none() {
            let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
            self.failure = file.write_all(&packed.concat()).err();
        }
    }

    fn file(&self) -> MutexGuard<'_, SpooledTempFile> {
        // What a panic left behind is as good as before: every reader seeks first.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, index: usize) -> Option<LogText> {
        let begin = *self.places.get(index)?;
        let end = self.places.get(index + 1).copied().unwrap_or(self.end);
        let mut bytes = vec![0; usize::try_from(end.checked_sub(begin)?).ok()?];
        let mut file = self.file();
        file.seek(SeekFrom::Start(begin)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        let [message, client, server, request, host] =
            unpacked(&bytes).map(|text| String::from_utf8_lossy(text).into_owned());
        Some(LogText { message, client, server, request, host })
    }
}

impl Texts for TextStore {
    fn get(&self, index: usize) -> Option<LogText> {
        self.read(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_from_memory_and_from_the_file() {
        let mut store = TextStore::default();
        let long = "x".repeat(3000);
        let count = IN_MEMORY / 3000 + 100;
        for number in 0..count {
            let number = number.to_string();
            let texts = [number.as_bytes(), b"", long.as_bytes(), b"\xff", b"host"];
            store.extend(&[packed(texts)]);
        }
        assert!(store.failure.is_none());
        for index in [count - 1, 0, 77, 1] {
            let text = store.get(index).expect("it was kept");
            assert_eq!((text.message, text.client), (index.to_string(), String::new()));
            assert_eq!((text.server.as_str(), text.request.as_str()), (long.as_str(), "\u{fffd}"));
            assert_eq!(text.host, "host");
        }
        assert_eq!(store.get(count), None);
        assert_eq!(TextStore::default().get(0), None);
    }
}
