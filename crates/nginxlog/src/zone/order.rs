//! What the order of a log's lines says about their times.
//!
//! nginx writes its lines in order, but several workers share a file, and each stamps a line with
//! the time at which its loop began (src/core/ngx_times.c), so times go back by a loop's stall. They
//! go back by more when the clock was set, when the hour of a change of the clocks is repeated, or
//! when lines of several files were put together.

use why504_model::{Interval, Span};

/// How far a time may lie before that of an earlier line: a loop's stall, and some.
const STALLED: Span = Span::from_secs(5);

/// The times of a log's lines so far, given in the order of the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    latest: Option<Interval>,
}

impl Clock {
    /// Goes on to the next line; gives by how much it lies before the latest time, where that is
    /// more than a stall. A second that may mean two moments is no step; [`unfold`] it first.
    pub fn went_back(&mut self, line: Interval) -> Option<Span> {
        let before = *self.latest.get_or_insert(line);
        let by = before.start().since(line.end());
        if by > STALLED {
            // What follows is measured against the new time.
            self.latest = Some(line);
            return Some(by);
        }
        if line.start() > before.start() {
            self.latest = Some(line);
        }
        None
    }
}

/// The least that a repeated hour goes back to be seen in the order of its lines: clocks change by
/// half an hour or more (Lord Howe).
const FOLDED: Span = Span::from_secs(300);

/// Chooses between the two readings of seconds that a change of the clocks repeated, where the order
/// of the lines tells: those before the one step back are of the first time, the others of the
/// second one. Such seconds are intervals from the first reading to the end of the second one
/// ([`CivilSecond::interval`](super::CivilSecond::interval)).
pub fn unfold(lines: &mut [Interval]) {
    let mut from = 0;
    while from < lines.len() {
        let run = lines.get_mut(from..).unwrap_or_default();
        let folded = run.iter().take_while(|line| is_folded(**line)).count();
        unfold_run(run.get_mut(..folded).unwrap_or_default());
        from += folded.max(1);
    }
}

/// Whether a change of the clocks repeated this second of a line, and nothing tells yet which of the
/// two is meant.
pub fn is_folded(line: Interval) -> bool {
    line.length() > FOLDED
}

fn unfold_run(lines: &mut [Interval]) {
    let Some(mut latest) = lines.first().map(|line| line.start()) else { return };
    let mut step = None;
    for (index, line) in lines.iter().enumerate() {
        if latest.since(line.start()) > FOLDED {
            // Two steps back: not what one change of the clocks does.
            if step.is_some() {
                return;
            }
            step = Some(index);
            latest = line.start();
        }
        latest = latest.max(line.start());
    }
    let Some(step) = step else { return };
    for (index, line) in lines.iter_mut().enumerate() {
        let second = Span::from_secs(1);
        *line = if index < step {
            Interval::second_from(line.start())
        } else {
            Interval::new(line.end() - second, line.end())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Zone;
    use chrono::NaiveDateTime;

    fn read(zone: &str, times: &[&str]) -> Vec<Interval> {
        let zone: Zone = zone.parse().expect("a zone");
        let civil = |time: &&str| {
            NaiveDateTime::parse_from_str(time, "%Y/%m/%d %H:%M:%S").expect("a civil time")
        };
        times.iter().map(|time| zone.second(civil(time)).interval()).collect()
    }

    /// The steps back: index of the line, and seconds.
    fn steps(lines: &[Interval]) -> Vec<(usize, i64)> {
        let mut clock = Clock::default();
        let step = |(index, line): (usize, &Interval)| {
            clock.went_back(*line).map(|by| (index, by.nanos() / 1_000_000_000))
        };
        lines.iter().enumerate().filter_map(step).collect()
    }

    /// Seconds after the first line.
    fn seconds(lines: &[Interval]) -> Vec<i64> {
        let first = lines[0].start();
        lines.iter().map(|line| line.start().since(first).nanos() / 1_000_000_000).collect()
    }

    #[test]
    fn the_order_of_lines_tells_the_two_readings_of_an_hour_apart() {
        // On 25 October 2026 Berlin went from 03:00 back to 02:00.
        let times =
            ["01:59:59", "02:10:00", "02:50:00", "02:49:58", "02:05:00", "02:40:00", "03:00:00"]
                .map(|time| format!("2026/10/25 {time}"));
        let times: Vec<&str> = times.iter().map(String::as_str).collect();
        let mut lines = read("Europe/Berlin", &times);
        unfold(&mut lines);
        assert!(lines.iter().all(|line| line.length() == Span::from_secs(1)));
        // 02:05 and 02:40 are an hour later than they look; 03:00 is after both.
        assert_eq!(seconds(&lines), [0, 601, 3_001, 2_999, 3_901, 6_001, 7_201]);
        assert!(steps(&lines).is_empty());
    }

    #[test]
    fn what_the_order_does_not_tell_stays_open() {
        let same = ["2026/10/25 02:10:00", "2026/10/25 02:50:00"];
        let twice = [
            "2026/10/25 02:50:00",
            "2026/10/25 02:10:00",
            "2026/10/25 02:50:00",
            "2026/10/25 02:10:00",
        ];
        for times in [same.as_slice(), &twice] {
            let mut lines = read("Europe/Berlin", times);
            let before = lines.clone();
            unfold(&mut lines);
            assert_eq!(lines, before);
            assert!(steps(&lines).is_empty(), "two readings are no step");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_is_seen_and_a_stall_is_not() {
        let times = [
            "2026/11/22 07:00:10",
            "2026/11/22 07:00:06",
            "2026/11/22 07:00:11",
            "2026/11/22 06:50:00",
            "2026/11/22 06:50:01",
            "2026/11/22 07:30:00",
            "2026/11/22 07:29:00",
        ];
        assert_eq!(steps(&read("UTC", &times)), [(3, 610), (6, 59)]);
    }
}
