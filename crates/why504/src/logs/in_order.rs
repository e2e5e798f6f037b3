//! Reads several logs at once and hands over what they hold in the order of the logs.
//!
//! A log that is ahead of its turn waits when it has a batch ready, so that what is held does not
//! grow with the logs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// What a thread sends.
enum News<B, R> {
    Batch(B),
    End(R),
}

/// Does `work` for each task; `each` gets the batches of the first task, then of the second, and so
/// on, with the number of the task. Hands back the results in order.
pub(super) fn in_order<T: Sync, B: Send, R: Send>(
    tasks: &[T],
    work: impl Fn(&T, &mut dyn FnMut(B)) -> R + Sync,
    mut each: impl FnMut(usize, B),
) -> Vec<R> {
    let threads = rayon::current_num_threads().min(tasks.len());
    if threads < 2 {
        let numbered = tasks.iter().enumerate();
        return numbered.map(|(i, task)| work(task, &mut |batch| each(i, batch))).collect();
    }
    let (senders, receivers): (Vec<_>, Vec<_>) =
        tasks.iter().map(|_| sync_channel(1)).map(|(s, r)| (Mutex::new(Some(s)), r)).unzip();
    // Tasks are begun in order, so the one whose turn it is never waits for a thread.
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (Some(task), Some(sender)) = (tasks.get(number), senders.get(number)) else {
                return;
            };
            let Some(sender) = taken(sender) else { continue };
            // The other end waits until the task has ended.
            let result = work(task, &mut |batch| drop(sender.send(News::Batch(batch))));
            drop(sender.send(News::End(result)));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(run);
        }
        let mut results = Vec::with_capacity(tasks.len());
        for (number, receiver) in receivers.into_iter().enumerate() {
            for news in receiver {
                match news {
                    News::Batch(batch) => each(number, batch),
                    News::End(result) => results.push(result),
                }
            }
        }
        results
    })
}

fn taken<M>(sender: &Mutex<Option<SyncSender<M>>>) -> Option<SyncSender<M>> {
    sender.lock().ok().and_then(|mut sender| sender.take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_and_results_come_in_the_order_of_the_tasks() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
        let tasks: Vec<usize> = (0..20).collect();
        let mut seen = Vec::new();
        let results = pool.install(|| {
            in_order(
                &tasks,
                |task, emit| {
                    for batch in 0..task % 5 {
                        emit((*task, batch));
                    }
                    task * 2
                },
                |number, (task, batch)| {
                    assert_eq!(number, task);
                    seen.push((task, batch));
                },
            )
        });
        let expected: Vec<(usize, usize)> =
            tasks.iter().flat_map(|task| (0..task % 5).map(|batch| (*task, batch))).collect();
        assert_eq!(seen, expected);
        assert_eq!(results, tasks.iter().map(|task| task * 2).collect::<Vec<_>>());
    }
}
