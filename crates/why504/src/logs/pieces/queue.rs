//! Hands out the numbers of blocks to many threads, and gives what they make of them in order.
//!
//! No thread waits for another but the one that takes the results: a helper for which nothing is
//! to be done leaves.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// The first result that has not been taken may be there.
    put: Condvar,
    /// So many blocks may be handed out that have not been taken.
    ahead: usize,
}

struct State<T> {
    /// The number of the next block.
    next: u64,
    /// Of the blocks handed out and not taken: the results that are there.
    results: VecDeque<Option<T>>,
    /// There are no more blocks, or nobody wants them.
    closed: bool,
    helpers: usize,
    /// A helper has panicked: its block will not come.
    broken: bool,
    /// Somebody waits for the first result. To wake nobody is a call of the kernel, too.
    waiting: bool,
}

impl<T> Queue<T> {
    /// Of blocks numbered from `first` on.
    pub(super) fn new(first: u64, ahead: usize) -> Self {
        let state = State {
            next: first,
            results: VecDeque::new(),
            closed: false,
            helpers: 0,
            broken: false,
            waiting: false,
        };
        Self { state: Mutex::new(state), put: Condvar::new(), ahead }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a block to read; `None` when there are no more, or too many have not been
    /// taken yet.
    pub(super) fn claim(&self) -> Option<u64> {
        let mut state = self.state();
        if state.closed || state.results.len() >= self.ahead {
            return None;
        }
        state.results.push_back(None);
        let number = state.next;
        state.next += 1;
        Some(number)
    }

    /// What has become of a block.
    pub(super) fn put(&self, number: u64, result: T) {
        let mut state = self.state();
        let first = state.next - state.results.len() as u64;
        let place = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let Some(slot) = state.results.get_mut(place) {
            *slot = Some(result);
        }
        if place == 0 && std::mem::take(&mut state.waiting) {
            self.put.notify_one();
        }
    }

    /// The next result in order with its number, if it is there.
    pub(super) fn ready(&self) -> Option<(u64, T)> {
        let mut state = self.state();
        let number = state.next - state.results.len() as u64;
        let result = state.results.front_mut()?.take()?;
        state.results.pop_front();
        Some((number, result))
    }

    /// Waits until there is a next result; false when there is none to wait for.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.state();
        while matches!(state.results.front(), Some(None)) && !state.broken {
            state.waiting = true;
            state = self.put.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        matches!(state.results.front(), Some(Some(_)))
    }

    /// No more blocks are handed out.
    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    /// Whether another helper would find work for a while. Who asks is to bring one.
    pub(super) fn wants_help(&self, most: usize) -> bool {
        let mut state = self.state();
        let wants = !state.closed && state.helpers < most && state.results.len() <= self.ahead / 2;
        state.helpers += usize::from(wants);
        wants
    }

    /// A helper works as long as there is something to be done.
    pub(super) fn help(&self, mut work: impl FnMut() -> bool) {
        let _leaving = Leaving(self);
        while work() {}
    }
}

/// Tells that a helper has gone, however it went.
struct Leaving<'a, T>(&'a Queue<T>);

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.helpers = state.helpers.saturating_sub(1);
        if std::thread::panicking() {
            (state.broken, state.closed) = (true, true);
            self.0.put.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_numbers() {
        let queue = Queue::new(1, 3);
        let claimed: Vec<_> = std::iter::from_fn(|| queue.claim()).collect();
        assert_eq!(claimed, [1, 2, 3]);
        queue.put(2, "two");
        assert_eq!(queue.ready(), None);
        queue.put(1, "one");
        assert_eq!(
            (queue.ready(), queue.ready(), queue.ready()),
            (Some((1, "one")), Some((2, "two")), None)
        );
        // As many as were taken may be claimed, until it is closed.
        assert_eq!((queue.claim(), queue.claim(), queue.claim()), (Some(4), Some(5), None));
        queue.close();
        queue.put(3, "three");
        assert!(queue.wait());
        assert_eq!(queue.ready(), Some((3, "three")));
        queue.put(5, "five");
        queue.put(4, "four");
        assert_eq!((queue.ready(), queue.ready()), (Some((4, "four")), Some((5, "five"))));
        assert_eq!(queue.claim(), None);
        assert!(!queue.wait());
    }

    #[test]
    fn helpers_do_most_of_the_work_and_nothing_is_lost() {
        let queue = Queue::new(0, 8);
        let work = || {
            let Some(number) = queue.claim() else { return false };
            if number == 500 {
                queue.close();
            }
            queue.put(number, number * number);
            true
        };
        let mut taken = Vec::new();
        std::thread::scope(|scope| {
            loop {
                while let Some(result) = queue.ready() {
                    taken.push(result);
                }
                if queue.wants_help(3) {
                    scope.spawn(|| queue.help(work));
                }
                if !work() && !queue.wait() {
                    break;
                }
            }
        });
        assert!(taken.len() > 500);
        assert!(taken.iter().enumerate().all(|(place, (number, square))| {
            place as u64 == *number && number * number == *square
        }));
    }

    /// A defect in a helper must end the program, not stop it for ever.
    #[test]
    fn nobody_waits_for_a_helper_that_panicked() {
        let queue = Queue::<()>::new(0, 8);
        assert!(queue.wants_help(1));
        let number = queue.claim();
        std::thread::scope(|scope| {
            let helper = scope.spawn(|| queue.help(|| std::panic::resume_unwind(Box::new(()))));
            assert!(!queue.wait());
            assert!(helper.join().is_err());
        });
        assert_eq!((number, queue.claim()), (Some(0), None));
    }
}
