//! Texts as join keys.
//!
//! A hash stands for the text: 64 bits make a false equality improbable (and it would have to
//! meet the same connection and second), and no client's text is kept.

use std::hash::{DefaultHasher, Hasher};

use crate::access::{AccessRecord, unescape};

/// A text, hashed with fixed keys: the same in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TextKey(u64);

impl TextKey {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(text);
        Self(hasher.finish())
    }

    /// Of method and target; the version is left out, since formats made of `$request_method`
    /// and `$request_uri` do not have it.
    pub(super) fn of_request_line(line: &[u8]) -> Self {
        let version = memchr::memmem::rfind(line, b" HTTP/").unwrap_or(line.len());
        Self::of(line.get(..version).unwrap_or(line))
    }

    /// Of the request line of an access record, or of its method and URI.
    pub(super) fn of_record(record: &AccessRecord<'_>) -> Option<Self> {
        if let Some(line) = record.request {
            return Some(Self::of_request_line(&unescape(line, record.escape)));
        }
        let (method, uri) = record.method.zip(record.uri)?;
        Some(Self::of(&[method, b" ", &unescape(uri, record.escape)].concat()))
    }
}
