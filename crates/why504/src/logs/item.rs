//! What is handed on of a log line that reports a timeout.

use why504_model::Interval;
use why504_nginxlog::OneEvent;

/// A timeout as it is handed over.
pub(super) struct Item<T> {
    /// 1-based number of its line.
    pub(super) line: u64,
    /// When it was written.
    pub(super) logged: Interval,
    /// What it has in common with other lines about the same event.
    pub(super) event: Option<OneEvent>,
    /// It is a line of the user's code.
    pub(super) user_text: bool,
    /// Of the whole record: nginx may write one event to several files. 0 where there is one file.
    pub(super) fingerprint: u64,
    pub(super) value: T,
}
