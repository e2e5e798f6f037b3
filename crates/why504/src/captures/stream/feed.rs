//! The blocks of one file, read and decoded ahead on as many cores as there are, handed over in order.
//!
//! There is always one who wants the next block. Others help: each takes up whatever can be done (see
//! [`Work`]) until a number of blocks is ahead. Who finds his block not ready helps himself, and waits
//! only for what another core has in hand. So nobody waits for somebody to begin, cores work through
//! without meeting at the end of each batch, and with one core all is done in turn.
//!
//! Buffers go round, since fresh memory costs more than the work that is done in it.

mod memory;
mod windows;
mod work;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use why504_capture::{CaptureSummary, Digest};
use why504_model::SourceId;

use super::Reader;
pub(super) use memory::Memory;
pub(super) use windows::Ahead;
use work::{Task, Work};

/// Blocks that are ahead at most for each core: enough that none waits for another, and few enough that a
/// block is still in a cache when its memory is used again.
const AHEAD_EACH: usize = 8;
/// And in all: some megabytes.
const AHEAD: usize = 32;

/// The same of a file the packets of which are not due yet: 20 MiB. As many as a small file of a series
/// holds: what is ahead of a large one saves little.
const AHEAD_OF_TIME: usize = 80;

/// The blocks of a file.
pub(super) struct Feed {
    shared: Arc<Shared>,
    memory: Arc<Memory>,
    /// How many others may help.
    helpers_most: usize,
}

/// What those who help share.
struct Shared {
    source: SourceId,
    work: Mutex<Work>,
    /// A block was decoded, or the file has ended.
    news: Condvar,
}

impl Feed {
    /// All blocks behind the head of `reader`, which goes on where `ahead` does if there is one. Nobody
    /// helps yet.
    pub(super) fn new(
        reader: Reader,
        ahead: Option<Ahead>,
        source: SourceId,
        memory: &Arc<Memory>,
    ) -> Self {
        let work = Mutex::new(Work::new(reader, ahead, Arc::clone(memory)));
        let shared = Arc::new(Shared { source, work, news: Condvar::new() });
        Self { shared, memory: Arc::clone(memory), helpers_most: 0 }
    }

    /// From now on others help.
    pub(super) fn have_help(&mut self) {
        self.helpers_most = rayon::current_num_threads().saturating_sub(1);
    }

    /// Others begin with the first blocks, although the file is not due yet.
    pub(super) fn begin(&mut self) {
        self.have_help();
        let mut work = self.shared.lock();
        work.ahead_most = AHEAD_OF_TIME;
        self.call_for_help(&mut work);
    }

    /// The next block, decoded; `done` is one that was handed over, for its memory.
    pub(super) fn next(&mut self, done: Option<Box<Digest>>) -> Option<Box<Digest>> {
        if let Some(done) = done {
            self.memory.take_back(done);
        }
        let mut work = self.shared.lock();
        work.ahead_most = AHEAD.min(AHEAD_EACH.saturating_mul(self.helpers_most + 1));
        loop {
            if let Some(next) = work.hand_over() {
                self.call_for_help(&mut work);
                return Some(next);
            }
            if work.is_over() {
                return None;
            }
            drop(work);
            let helped = self.shared.help(true);
            work = self.shared.lock();
            if !helped && !work.is_ready() && !work.is_over() {
                work.awaited = true;
                let news = self.shared.news.wait(work);
                work = news.unwrap_or_else(PoisonError::into_inner);
                work.awaited = false;
            }
        }
    }

    /// Has others help when there is enough to do that it is worth waking them.
    fn call_for_help(&self, work: &mut Work) {
        while work.helpers < self.helpers_most
            && work.ahead() <= work.ahead_most / 2
            && !work.is_read()
        {
            work.helpers += 1;
            let shared = Arc::clone(&self.shared);
            rayon::spawn(move || {
                while shared.help(false) {}
                shared.lock().helpers -= 1;
            });
        }
    }

    /// What is known of the file, when all blocks were handed over.
    pub(super) fn finish(self) -> CaptureSummary {
        let reader = self.shared.lock().reader.take();
        reader.expect("who found nothing more to read has put the reader back").finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a piece of the work; `false` where there is none to be had. Whoever is `waiting` decodes
    /// what is there before he reads more.
    fn help(&self, waiting: bool) -> bool {
        let task = self.lock().begin(waiting);
        let Some(done) = task.map(Task::done) else { return false };
        let mut work = self.lock();
        let cut = work.end(done);
        self.unlock(work);
        for mut cut in cut {
            cut.digest.read(cut.block, self.source);
            let mut work = self.lock();
            work.put(cut.place, cut.digest);
            self.unlock(work);
        }
        true
    }

    /// Lets go of the work with news, and wakes the one who waits for them if there is one: waking nobody
    /// would be a call of the system as well.
    fn unlock(&self, work: MutexGuard<'_, Work>) {
        let awaited = work.awaited;
        drop(work);
        if awaited {
            self.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
