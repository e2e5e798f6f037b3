//! How far each worker of a log has come, as far as that binds the lines to come.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use why504_model::Timestamp;

use super::{Edge, Listed, OTHER_WORKER, SAME_WORKER};

/// How far the workers have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    /// Log -> latest end logged by any of its workers.
    latest: Ends<u32>,
    /// Log and worker -> latest (earliest possible) end it has logged, where that still binds.
    workers: Ends<(u32, u32)>,
}

/// A few keys in order, each with an end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ends<K>(Vec<(K, Timestamp)>);

impl<K> Default for Ends<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy> Ends<K> {
    fn get(&self, key: K) -> Option<Timestamp> {
        let place = self.0.binary_search_by_key(&key, |entry| entry.0).ok()?;
        self.0.get(place).map(|entry| entry.1)
    }

    /// Moves the end of a key to a later one.
    fn reach(&mut self, key: K, end: Timestamp) {
        match self.0.binary_search_by_key(&key, |entry| entry.0) {
            Ok(place) => {
                if let Some((_, old)) = self.0.get_mut(place) {
                    *old = end.max(*old);
                }
            }
            Err(place) => self.0.insert(place, (key, end)),
        }
    }
}

/// What a line can do: for each of its edges, and for none, how far the workers have come then.
#[derive(Clone, Debug)]
pub(super) struct Moves {
    /// The line goes without an attempt.
    pub(super) none: u32,
    /// `None` where the order forbids it.
    pub(super) some: Vec<Option<u32>>,
}

/// All orders that were met, by number.
#[derive(Default)]
pub(super) struct Orders {
    numbers: BTreeMap<Order, u32>,
    orders: Vec<Order>,
}

impl Orders {
    /// Before the first line.
    pub(super) fn start(&mut self) -> u32 {
        self.number(Order::default())
    }

    fn number(&mut self, order: Order) -> u32 {
        if let Some(&number) = self.numbers.get(&order) {
            return number;
        }
        let number = u32::try_from(self.orders.len()).unwrap_or(u32::MAX);
        self.orders.push(order.clone());
        self.numbers.insert(order, number);
        number
    }

    /// Which of two is less far on.
    pub(super) fn compare(&self, one: u32, other: u32) -> Ordering {
        self.get(one).cmp(&self.get(other))
    }

    fn get(&self, number: u32) -> Option<&Order> {
        self.orders.get(usize::try_from(number).ok()?)
    }

    /// The moves of a line.
    pub(super) fn moves(&mut self, line: &Listed, number: u32) -> Moves {
        let order = self.get(number).cloned().unwrap_or_default();
        let some = line
            .edges
            .iter()
            .map(|edge| order.allows(line, edge).then(|| self.number(order.with(line, edge))));
        Moves { some: some.collect(), none: number }
    }
}

impl Order {
    fn allows(&self, line: &Listed, edge: &Edge) -> bool {
        let writer = line.writer;
        let of_worker = writer.worker.and_then(|w| self.workers.get((writer.log, w)));
        of_worker.is_none_or(|end| edge.end.1 >= end - SAME_WORKER)
            && self.latest.get(writer.log).is_none_or(|end| edge.end.1 >= end - OTHER_WORKER)
    }

    fn with(&self, line: &Listed, edge: &Edge) -> Self {
        let mut next = self.clone();
        if let Some(worker) = line.writer.binds() {
            next.workers.reach(worker, edge.end.0);
        }
        next.latest.reach(line.writer.log, edge.end.0);
        // What no later line can tell apart is forgotten.
        let Self { workers, latest } = &mut next;
        workers.0.retain(|((log, _), end)| {
            latest.get(*log).is_none_or(|latest| *end - SAME_WORKER > latest - OTHER_WORKER)
        });
        next
    }
}
