//! What the other lines of a log say about a line: that it tells of an event again, which of the
//! two seconds of a repeated hour it means, that the clock was set.
//!
//! A line waits only for what can still change it: a line of user code for some lines after it, the
//! lines of an hour that a change of the clocks repeats for the end of that hour.

use std::collections::VecDeque;

use why504_model::{Interval, Span};
use why504_nginxlog::{Clock, OneEvent, is_folded, unfold};

use super::item::Item;

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
        if self.waiting.is_empty() && !item.user_text {
            return self.in_order(item, ready);
        }
        self.waiting.push_back(item);
        while let Some(first) = self.waiting.front()
            && (first.event.is_none() || !first.user_text || self.waiting.len() > NEAR)
        {
            if let Some(first) = self.waiting.pop_front() {
                self.in_order(first, ready);
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use why504_model::Timestamp;
    use why504_nginxlog::{LineOutcome, read_line};

    const COSOCKET: &str = "lua tcp socket connect timed out, when connecting to 10.0.0.9:80";
    const USER: &str = "[lua] a.lua:7: failed to connect: timeout";

    /// A line at a second of the day with a width in seconds, about a connection.
    fn item(line: u64, at: (i64, i64), connection: u64, said: &str) -> Item<()> {
        let text =
            format!("2026/11/22 07:18:24 [error] 1#1: *{connection} {said}, client: 1.2.3.4");
        let LineOutcome::Timeout(logged) = read_line(text.as_bytes()) else { panic!("{text}") };
        let start = Timestamp::from_parts(1_795_331_000 + at.0, 0);
        Item {
            line,
            logged: Interval::new(start, start + Span::from_secs(at.1)),
            event: logged.event(),
            user_text: logged.class.user_text,
            fingerprint: 0,
            value: (),
        }
    }

    /// The lines that are handed over, as they are ready and at the end.
    fn handed_over(items: Vec<Item<()>>) -> (Vec<u64>, Vec<Item<()>>, Neighbours<()>) {
        let (mut neighbours, mut ready) = (Neighbours::default(), Vec::new());
        for item in items {
            neighbours.push(item, &mut ready);
        }
        let early = ready.iter().map(|item| item.line).collect();
        neighbours.end(&mut ready);
        (early, ready, neighbours)
    }

    #[test]
    fn a_line_of_user_code_waits_for_nginxs_own_and_is_dropped() {
        let second = (0, 1);
        let (early, ready, neighbours) = handed_over(vec![
            item(1, second, 1, COSOCKET),
            item(2, second, 1, USER),
            item(3, second, 2, USER), // Turned round by a collector.
            item(4, second, 3, USER),
            item(5, second, 2, COSOCKET),
        ]);
        assert_eq!(early, [1]);
        assert_eq!(ready.iter().map(|item| item.line).collect::<Vec<_>>(), [1, 4, 5]);
        assert_eq!(neighbours.retold, 2);
    }

    #[test]
    fn it_does_not_wait_for_ever() {
        let mut items = vec![item(0, (0, 1), 0, USER)];
        items.extend((1..=NEAR as u64).map(|n| item(n, (0, 1), n, COSOCKET)));
        let (early, ready, neighbours) = handed_over(items);
        assert_eq!(early.len(), NEAR + 1);
        assert!(ready.is_sorted_by_key(|item| item.line));
        assert_eq!(neighbours.retold, 0);
    }

    #[test]
    fn the_lines_of_a_repeated_hour_wait_for_its_end() {
        let folded = |line, at| item(line, (at, 3601), line, COSOCKET);
        let plain = |line, at| item(line, (at, 1), line, COSOCKET);
        let (early, ready, neighbours) = handed_over(vec![
            plain(1, 0),
            folded(2, 600),
            folded(3, 3000),
            folded(4, 900), // The second time.
            plain(5, 7300),
            plain(6, 7000), // The clock was set.
            folded(7, 7400),
        ]);
        assert_eq!(early, [1, 2, 3, 4, 5, 6]);
        let widths: Vec<_> = ready.iter().map(|item| item.logged.length().as_secs_f64()).collect();
        assert_eq!(widths, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3601.0]);
        assert_eq!(ready[3].logged.start().since(ready[0].logged.start()), Span::from_secs(4500));
        assert_eq!((neighbours.steps, neighbours.largest_step.map(|s| s.0)), (1, Some(6)));
    }
}
