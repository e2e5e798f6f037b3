//! The threads of the pool, for what falls into independent parts. Which parts those are is said
//! where the work is; here they are handed out.

use rayon::prelude::*;
use why504_correlate::Threads;

/// All threads of the pool that `-j` sized.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AllThreads;

impl Threads for AllThreads {
    fn map<P: Send, R: Send>(&self, parts: Vec<P>, work: impl Fn(P) -> R + Send + Sync) -> Vec<R> {
        parts.into_par_iter().map(work).collect()
    }
}
