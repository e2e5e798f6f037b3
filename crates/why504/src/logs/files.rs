//! The bytes of a log, in chunks.

use std::io::{ErrorKind, Read};

use why504_ingest::{Codec, Source, open};

use crate::inputs::Kind;

/// Large reads; a scanner holds no more than its unfinished line besides.
const CHUNK: usize = 1 << 20;

/// Hands the decompressed bytes of a source to `each`; says what ended them early, if anything did.
pub(super) fn chunks(source: &Source<Kind>, mut each: impl FnMut(&[u8])) -> Option<String> {
    let path = source.path.display();
    let mut reader = match open(source) {
        Ok(reader) => reader,
        Err(error) => return Some(format!("{path}: cannot be read: {error}")),
    };
    let mut buffer = vec![0; CHUNK];
    let mut offset: u64 = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) if source.codec == Codec::Plain && offset < source.size => {
                return Some(format!(
                    "{path}: it had {} bytes and ended after {offset}: it was truncated while it was \
                     read (copytruncate?); what is missing may be in the rotated copy",
                    source.size
                ));
            }
            Ok(0) => return None,
            Ok(length) => {
                each(buffer.get(..length).unwrap_or_default());
                offset += length as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                return Some(format!("{path}: byte {offset}: {error}; analysed up to there"));
            }
        }
    }
}
