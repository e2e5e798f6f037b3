//! Lines in the order in which they are printed, some of which other cores are still making.
//!
//! Whether an attempt is plain is known when it closes, and so is its place among the others. Its line
//! can be made at any time: some hundred attempts at once go to whichever core is free, and who comes to
//! print one that nobody has begun to make makes it himself. So what is printed depends on the attempts alone.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::Scope;
use why504_correlate::{Plain, Verdict};

/// Batches that may wait for a core: some thousand attempts.
const IN_FLIGHT: usize = 32;
/// Lines that may wait for those before them.
const WAITING: usize = 1 << 14;

/// An attempt as it is printed.
pub(super) enum Line {
    /// It was made.
    Made(Verdict, io::Result<Box<[u8]>>),
    /// It is this one of those that are made together.
    Of(Arc<Batch>, usize),
}

/// Lines that are made together.
pub(super) struct Batch {
    todo: Mutex<Option<Vec<Plain>>>,
    made: OnceLock<io::Result<Text>>,
}

/// Lines one behind the other.
#[derive(Default)]
pub(super) struct Text {
    pub(super) text: Vec<u8>,
    /// What each says, and where it ends.
    pub(super) lines: Vec<(Verdict, usize)>,
}

/// Makes the lines of plain attempts.
pub(super) trait Write: Sync {
    /// As many lines as there are attempts.
    fn lines(&self, attempts: &[Plain]) -> io::Result<Text>;
}

/// Lines that are due, and batches that may not have been made.
#[derive(Default)]
pub(super) struct Queue {
    due: VecDeque<Line>,
    in_flight: VecDeque<Arc<Batch>>,
}

impl Batch {
    /// Makes the lines, unless somebody has begun to.
    fn make(&self, writer: &impl Write) {
        let todo = self.todo.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(attempts) = todo {
            self.made.get_or_init(|| writer.lines(&attempts));
        }
    }
}

impl Text {
    fn line(&self, index: usize) -> Option<(Verdict, &[u8])> {
        let &(verdict, end) = self.lines.get(index)?;
        let begin = index.checked_sub(1).and_then(|i| self.lines.get(i)).map_or(0, |line| line.1);
        Some((verdict, self.text.get(begin..end)?))
    }
}

impl Queue {
    /// Has the lines of these attempts made: one for each, in their order.
    pub(super) fn make<'scope, W: Write>(
        &mut self,
        attempts: Vec<Plain>,
        writer: &'scope W,
        scope: &Scope<'scope>,
    ) -> impl Iterator<Item = Line> + use<'scope, W> {
        let count = attempts.len();
        let todo = Mutex::new(Some(attempts));
        let batch = Arc::new(Batch { todo, made: OnceLock::new() });
        if rayon::current_num_threads() == 1 {
            batch.make(writer);
        } else if count > 0 {
            let other = Arc::clone(&batch);
            scope.spawn(move |_| other.make(writer));
            self.in_flight.push_back(Arc::clone(&batch));
        }
        if self.in_flight.len() > IN_FLIGHT
            && let Some(first) = self.in_flight.pop_front()
        {
            first.make(writer);
        }
        (0..count).map(move |index| Line::Of(Arc::clone(&batch), index))
    }

    /// The line that is due next; what is due and made goes to `each`.
    pub(super) fn print(
        &mut self,
        line: Line,
        writer: &impl Write,
        each: impl FnMut(Verdict, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.due.push_back(line);
        self.go_on(WAITING, writer, each)
    }

    /// All that is due goes to `each`.
    pub(super) fn finish(
        &mut self,
        writer: &impl Write,
        each: impl FnMut(Verdict, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.go_on(0, writer, each)
    }

    /// Leaves at most so many lines waiting.
    fn go_on(
        &mut self,
        waiting: usize,
        writer: &impl Write,
        mut each: impl FnMut(Verdict, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while let Some(line) = self.due.front() {
            match line {
                Line::Made(verdict, text) => each(*verdict, text.as_ref().map_err(again)?)?,
                Line::Of(batch, index) => {
                    let made = match batch.made.get() {
                        Some(made) => made,
                        None if self.due.len() <= waiting => return Ok(()),
                        None => {
                            batch.make(writer);
                            batch.made.wait()
                        }
                    };
                    if let Some((verdict, text)) = made.as_ref().map_err(again)?.line(*index) {
                        each(verdict, text)?;
                    }
                }
            }
            self.due.pop_front();
        }
        Ok(())
    }
}

/// The same error for another line.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
