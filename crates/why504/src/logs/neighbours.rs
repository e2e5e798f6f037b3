//! What the other lines of a log say about a line: that it tells of an event again, which of the
//! two seconds of a repeated hour it means, that the clock was set.
//!
//! A line waits only for what can still change it: a line of user code for some lines after it, the
//! lines of an hour that a change of the clocks repeats for the end of that hour.

use std::collections::VecDeque;

use why504_model::{Interval, Span};
use why504_nginxlog::{Clock, OneEvent, is_folded, unfold};

use super::errors::Item;

/// So many timeouts may stand between nginx's line about an event and that of user code. Both are
/// of the same second and of one connection.
const NEAR: usize = 256;

/// The lines of one log.
pub(super) struct Neighbours<T> {
    /// Events that nginx has told of itself, the latest ones.
    told: VecDeque<OneEvent>,
    /// Lines of user code, with what stands behind them.
    waiting: VecDeque<Item<T>>,
    /// Lines of a repeated hour.
    folded: Vec<Item<T>>,
    clock: Clock,
    /// Lines that told of an event again.
    pub(super) retold: u64,
    /// Line and length of the longest step back in time.
    pub(super) largest_step: Option<(u64, Span)>,
    /// How many steps there are.
    pub(super) steps: u64,
}

impl<T> Default for Neighbours<T> {
    fn default() -> Self {
        Self {
            told: VecDeque::new(),
            waiting: VecDeque::new(),
            folded: Vec::new(),
            clock: Clock::default(),
            retold: 0,
            largest_step: None,
            steps: 0,
        }
    }
}

impl<T> Neighbours<T> {
    /// Takes the next line; `ready` gets what nothing changes any more.
    pub(super) fn push(&mut self, item: Item<T>, ready: &mut Vec<Item<T>>) {
        if let Some(event) = item.event {
            if !item.user_text {
                self.tell(event);
            } else if self.told.contains(&event) {
                self.retold += 1;
                return;
            }
        }
        self.waiting.push_back(item);
        while let Some(first) = self.waiting.front()
            && (first.event.is_none() || !first.user_text || self.waiting.len() > NEAR)
        {
            let first = self.waiting.pop_front();
            first.into_iter().for_each(|first| self.in_order(first, ready));
        }
    }

    /// The log has ended.
    pub(super) fn end(&mut self, ready: &mut Vec<Item<T>>) {
        for item in std::mem::take(&mut self.waiting) {
            self.in_order(item, ready);
        }
        self.unfold(ready);
    }

    /// With `lua_socket_log_errors on` a failed connect makes two lines: the cosocket's, and that of
    /// the code that got the error; the latter may be several. They are one event. A collector may
    /// turn them round.
    fn tell(&mut self, event: OneEvent) {
        let before = self.waiting.len();
        self.waiting.retain(|item| !item.user_text || item.event != Some(event));
        self.retold += (before - self.waiting.len()) as u64;
        if self.told.len() == NEAR {
            self.told.pop_front();
        }
        self.told.push_back(event);
    }

    fn in_order(&mut self, item: Item<T>, ready: &mut Vec<Item<T>>) {
        if is_folded(item.logged) {
            self.folded.push(item);
            return;
        }
        self.unfold(ready);
        self.look_at_clock(&item);
        ready.push(item);
    }

    fn unfold(&mut self, ready: &mut Vec<Item<T>>) {
        let mut folded = std::mem::take(&mut self.folded);
        let mut times: Vec<Interval> = folded.iter().map(|item| item.logged).collect();
        unfold(&mut times);
        for (item, time) in folded.iter_mut().zip(times) {
            item.logged = time;
            self.look_at_clock(item);
        }
        ready.append(&mut folded);
    }

    fn look_at_clock(&mut self, item: &Item<T>) {
        let Some(by) = self.clock.went_back(item.logged) else { return };
        self.steps += 1;
        if self.largest_step.is_none_or(|(_, largest)| by >= largest) {
            self.largest_step = Some((item.line, by));
        }
    }
}
