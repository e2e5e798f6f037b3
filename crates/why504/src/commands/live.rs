//! A stream of attempts that are judged as soon as no other can come before them, and forgotten.
//!
//! What is held is what is open, what waits for that in its order (up to a number), and what ended
//! badly in the last minutes, since a bare ACK may still speak of it.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use rayon::prelude::*;
use why504_correlate::{History, Judgement, Points, judge_attempt};
use why504_handshake::{Attempt, Merged, Path, Sighting, Tracker};
use why504_model::{Flow, Span, Timestamp};

use crate::captures;

/// Attempts that did not end well stay known for this long after they closed: longer than a server
/// keeps a request in SYN-RECEIVED.
pub(super) const REMEMBERED: Span = Span::from_secs(140);

/// Attempts that are rendered at once: a few megabytes of text.
const AT_ONCE: usize = 4096;
/// Attempts of these that are rendered by one core, one after the other.
const TOGETHER: usize = 256;

/// Attempts that may wait behind one that is open, for at most 135 s; each takes about a kilobyte.
const WAITING: usize = 1 << 15;

/// What is held of a stream of attempts.
#[derive(Default)]
pub(super) struct Live {
    pub(super) path: Path,
    /// Closed and not yet judged, by first SYN; the number tells apart what nothing else does.
    closed: BTreeMap<(Timestamp, Flow, u32, u64), Attempt>,
    /// How many of them may wait for one that is open.
    waiting_most: usize,
    taken: u64,
    /// Judged, did not end well, and still able to explain a bare ACK.
    remembered: VecDeque<Attempt>,
}

impl Live {
    /// For one capture point.
    pub(super) fn new() -> Self {
        Self { path: Path::new([captures::point_id(0)]), waiting_most: WAITING, ..Self::default() }
    }

    /// Attempts that have closed.
    pub(super) fn take(&mut self, closed: Vec<Sighting>) {
        for sighting in closed {
            self.path.learn(&sighting);
            self.taken += 1;
            let key = (sighting.first_syn(), sighting.flow, sighting.isn.0, self.taken);
            self.closed.insert(key, sighting.into());
        }
    }

    /// Judges the attempts before which no other can come any more, in order of their first SYN:
    /// `render` adds what it makes of each to that of the attempts before it, and `each` gets it with
    /// the attempts, some at a time. Where one that is open keeps too many waiting, clean ones go before
    /// it: what came before them means nothing to them.
    pub(super) fn judge<T: Default + Send>(
        &mut self,
        tracker: &Tracker,
        render: impl Fn(Points<'_>, &Attempt, &Judgement, &mut T) + Sync,
        mut each: impl FnMut(&[Attempt], T) -> io::Result<()>,
    ) -> io::Result<()> {
        let until = tracker.earliest_open().unwrap_or(Timestamp::MAX);
        while let Some(due) = self.due(until) {
            // What is open will ask for what is remembered from before it.
            let now = due.last().map_or(until, Attempt::first_syn).min(until);
            while self.remembered.front().is_some_and(|a| a.first_syn() < now - REMEMBERED) {
                self.remembered.pop_front();
            }
            self.judge_some(due, tracker, &render, &mut each)?;
        }
        Ok(())
    }

    /// The next attempts that need not wait, not too many to hold as text.
    fn due(&mut self, until: Timestamp) -> Option<Vec<Attempt>> {
        let mut due = Vec::new();
        while due.len() < AT_ONCE
            && let Some(first) = self.closed.first_entry()
            && first.key().0 < until
        {
            due.push(first.remove());
        }
        if due.is_empty() && self.closed.len() > self.waiting_most {
            let clean = self.closed.extract_if(.., |_, attempt| attempt.nearest().is_clean());
            due.extend(clean.take(AT_ONCE).map(|(_, attempt)| attempt));
        }
        (!due.is_empty()).then_some(due)
    }

    /// Rendering is done on all cores: it takes longer than following the attempts.
    fn judge_some<T: Default + Send>(
        &mut self,
        due: Vec<Attempt>,
        tracker: &Tracker,
        render: &(impl Fn(Points<'_>, &Attempt, &Judgement, &mut T) + Sync),
        each: &mut impl FnMut(&[Attempt], T) -> io::Result<()>,
    ) -> io::Result<()> {
        let doubtful = due.iter().filter(|a| !a.nearest().is_clean());
        let merged = Merged {
            attempts: self.remembered.iter().chain(doubtful).cloned().collect(),
            ..Merged::default()
        };
        let coverage = BTreeMap::from([(captures::point_id(0), tracker.coverage())]);
        let points = Points { path: &self.path, coverage: &coverage, merged: &merged };
        let history = History::new(points);
        let rendered: Vec<T> = due
            .par_chunks(TOGETHER)
            .map(|some| {
                let mut rendered = T::default();
                for attempt in some {
                    let judgement = judge_attempt(points, &history, attempt);
                    render(points, attempt, &judgement, &mut rendered);
                }
                rendered
            })
            .collect();
        for (some, rendered) in due.chunks(TOGETHER).zip(rendered) {
            each(some, rendered)?;
        }
        self.remembered.extend(due.into_iter().filter(|a| !a.nearest().is_clean()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use why504_model::{Endpoint, Location, Packet, Segment, SeqNumber, TcpFlags};

    /// A packet of the connection from this port, so many milliseconds into the test.
    fn packet(port: u16, ms: i64, from_client: bool, flags: u8, numbers: (u32, u32)) -> Packet {
        let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 5).into(), port);
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 9).into(), 80);
        let (source, destination) = if from_client { (client, server) } else { (server, client) };
        Packet::Tcp(Segment {
            time: Timestamp::from_parts(1_000_000, 0) + Span::from_millis(ms),
            location: Location::default(),
            source,
            destination,
            seq: SeqNumber(numbers.0),
            ack: SeqNumber(numbers.1),
            timestamps: None,
            payload_len: if flags & 8 == 0 { 0 } else { 100 },
            ip_id: Some(0),
            ttl: 64,
            flags: TcpFlags(flags),
        })
    }

    /// Ports of the attempts in the order in which they are judged, before and after the capture ends:
    /// the first is never answered, the third is refused, the others are clean.
    fn order(waiting_most: usize) -> [Vec<u16>; 2] {
        let mut tracker = Tracker::new(captures::point_id(0));
        let mut live = Live { waiting_most, ..Live::new() };
        tracker.push(&packet(1, 0, true, 2, (7, 0)));
        for port in 2..7 {
            let ms = i64::from(port) * 10;
            tracker.push(&packet(port, ms, true, 2, (7, 0)));
            if port == 3 {
                tracker.push(&packet(port, ms + 1, false, 0x14, (0, 8)));
                continue;
            }
            tracker.push(&packet(port, ms + 1, false, 0x12, (50, 8)));
            tracker.push(&packet(port, ms + 2, true, 0x10, (8, 51)));
            tracker.push(&packet(port, ms + 3, false, 0x18, (51, 8)));
        }
        [false, true].map(|end| {
            if end {
                tracker.end();
            }
            live.take(tracker.take());
            let mut ports = Vec::new();
            let port = |_: Points<'_>, attempt: &Attempt, _: &Judgement, ports: &mut Vec<u16>| {
                ports.push(attempt.flow().client.port);
            };
            let judged = live.judge(&tracker, port, |attempts, some| {
                assert_eq!(attempts.len(), some.len());
                ports.extend(some);
                Ok(())
            });
            judged.expect("nothing is written");
            ports
        })
    }

    #[test]
    fn an_open_attempt_keeps_the_others_waiting_up_to_a_number() {
        assert_eq!(order(4), [vec![], vec![1, 2, 3, 4, 5, 6]]);
        assert_eq!(order(2), [vec![2, 4, 5, 6], vec![1, 3]]);
    }
}
