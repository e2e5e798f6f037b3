//! Where work that falls into independent parts may be done side by side.
//!
//! This crate makes no thread: `no_std` knows none. Whoever calls it hands in something that does the
//! parts of a list as it likes and gives the results back in the order of the parts, so that nothing
//! in them depends on how many hands were at work.

use alloc::vec::Vec;

/// Does independent parts of a piece of work.
pub trait Threads: Sync {
    /// What `work` makes of each part, in the order of the parts.
    fn map<P: Send, R: Send>(&self, parts: Vec<P>, work: impl Fn(P) -> R + Send + Sync) -> Vec<R>;
}

/// One part after another, on the thread that asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneThread;

impl Threads for OneThread {
    fn map<P: Send, R: Send>(&self, parts: Vec<P>, work: impl Fn(P) -> R + Send + Sync) -> Vec<R> {
        parts.into_iter().map(work).collect()
    }
}
