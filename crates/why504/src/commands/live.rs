//! A stream of attempts that are judged as soon as no other can come before them, and forgotten.
//!
//! A clean attempt is judged and rendered when it closes: what came before it means nothing to it. What is
//! held of it is what was made of it. Besides, what is open is held, what waits for that in its order (up to
//! a number), and what ended badly in the last minutes, since a bare ACK may still speak of it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;

use why504_correlate::{History, Judgement, Plain, Points, judge_attempt};
use why504_handshake::{Attempt, Merged, Path, Sighting, Tracker};
use why504_model::{Flow, Span, Timestamp};

use crate::captures;

/// Attempts that did not end well stay known for this long after they closed: longer than a server
/// keeps a request in SYN-RECEIVED.
pub(super) const REMEMBERED: Span = Span::from_secs(140);

/// Attempts after which those that are due are looked for: what ended badly in the last minutes is gone
/// through each time.
const AT_ONCE: usize = 4096;

/// Attempts that may wait behind one that is open, for at most 135 s; each takes half a kilobyte or one.
const WAITING: usize = 1 << 15;

/// What is held of a stream of attempts, of which a `T` is made for each.
pub(super) struct Live<T> {
    pub(super) path: Path,
    /// Closed and not yet handed over, in order; and those that have not been put among them.
    closed: VecDeque<Waiting<T>>,
    new: Vec<Waiting<T>>,
    /// Empty: memory for those that new ones are put before.
    behind: Vec<Waiting<T>>,
    /// How many of them may wait for one that is open.
    waiting_most: usize,
    taken: u64,
    /// How many were taken since those that are due were looked for.
    since: usize,
    /// Judged, did not end well, and still able to explain a bare ACK.
    remembered: VecDeque<Attempt>,
}

/// First SYN, who asked whom, ISN, and a number that tells apart what nothing else does.
type Key = (Timestamp, Flow, u32, u64);

/// An attempt that has closed, and its place among the others.
struct Waiting<T> {
    key: Key,
    closed: Closed<T>,
}

/// An attempt that has closed.
enum Closed<T> {
    /// It was clean, and this was made of it.
    Clean(T),
    /// It is to be judged when everything before it is known.
    Doubtful(Box<Attempt>),
}

impl<T> Live<T> {
    /// For one capture point.
    pub(super) fn new() -> Self {
        Self {
            path: Path::new([captures::point_id(0)]),
            closed: VecDeque::new(),
            new: Vec::new(),
            behind: Vec::new(),
            waiting_most: WAITING,
            taken: 0,
            since: 0,
            remembered: VecDeque::new(),
        }
    }

    /// Takes attempts that have closed, judges those before which no other can come any more, and hands
    /// what `plain` makes of the plain ones and `render` of the others to `each`, in order of their first
    /// SYN, with those that were not clean. Where one that is open keeps too many waiting, clean ones go
    /// before it. Returns, now and then, the time before which no attempt can begin any more that was not
    /// judged.
    pub(super) fn go_on<I: Iterator<Item = T>>(
        &mut self,
        closed: Vec<Sighting>,
        tracker: &Tracker,
        plain: impl FnOnce(Vec<Plain>) -> I,
        render: impl Fn(Points<'_>, &Attempt, &Judgement) -> T,
        mut each: impl FnMut(Option<&Attempt>, T) -> io::Result<()>,
    ) -> io::Result<Option<Timestamp>> {
        self.since += closed.len();
        self.take(closed, tracker, plain, &render);
        // When nothing is open, the capture may be over.
        if self.since < AT_ONCE && tracker.open() > 0 {
            return Ok(None);
        }
        self.since = 0;
        self.put_in_order();
        let until = tracker.earliest_open().unwrap_or(Timestamp::MAX);
        self.judge(until, tracker, &render, &mut each)?;
        while self.closed.len() > self.waiting_most && self.pass_some(&mut each)? {}
        Ok(Some(until))
    }

    fn take<I: Iterator<Item = T>>(
        &mut self,
        closed: Vec<Sighting>,
        tracker: &Tracker,
        plain: impl FnOnce(Vec<Plain>) -> I,
        render: &impl Fn(Points<'_>, &Attempt, &Judgement) -> T,
    ) {
        let (history, merged) = (History::default(), Merged::default());
        let coverage = BTreeMap::from([(captures::point_id(0), tracker.coverage())]);
        let (mut keys, mut plains) = (Vec::new(), Vec::new());
        for sighting in closed {
            self.path.learn(&sighting);
            self.taken += 1;
            let key = (sighting.first_syn(), sighting.flow, sighting.isn.0, self.taken);
            let attempt = match Plain::of(sighting) {
                Ok(plain) => {
                    keys.push(key);
                    plains.push(plain);
                    continue;
                }
                Err(sighting) => Attempt::from(sighting),
            };
            let closed = if attempt.nearest().is_clean() {
                let points = Points { path: &self.path, coverage: &coverage, merged: &merged };
                let judgement = judge_attempt(points, &history, &attempt);
                Closed::Clean(render(points, &attempt, &judgement))
            } else {
                Closed::Doubtful(Box::new(attempt))
            };
            self.new.push(Waiting { key, closed });
        }
        let made = plain(plains).map(Closed::Clean);
        self.new.extend(keys.into_iter().zip(made).map(|(key, closed)| Waiting { key, closed }));
    }

    /// Hands over the attempts whose first SYN came before `until`.
    fn judge(
        &mut self,
        until: Timestamp,
        tracker: &Tracker,
        render: &impl Fn(Points<'_>, &Attempt, &Judgement) -> T,
        each: &mut impl FnMut(Option<&Attempt>, T) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut due = self.closed.partition_point(|waiting| waiting.key.0 < until);
        while let Some(last) =
            due.min(AT_ONCE).checked_sub(1).and_then(|last| self.closed.get(last))
        {
            // What is open will ask for what is remembered from before it.
            let now = last.key.0.min(until);
            while self.remembered.front().is_some_and(|a| a.first_syn() < now - REMEMBERED) {
                self.remembered.pop_front();
            }
            let some = self.closed.drain(..due.min(AT_ONCE)).map(|waiting| waiting.closed);
            let some: Vec<Closed<T>> = some.collect();
            due -= some.len();
            self.judge_some(some, tracker, render, each)?;
        }
        Ok(())
    }

    /// Puts the new ones among the others: nearly all come behind nearly all of them.
    fn put_in_order(&mut self) {
        self.new.sort_by_key(|waiting| waiting.key);
        let Some(first) = self.new.first().map(|waiting| waiting.key) else { return };
        let behind = self.closed.partition_point(|waiting| waiting.key < first);
        self.behind.extend(self.closed.drain(behind..));
        let mut behind = self.behind.drain(..).peekable();
        for new in self.new.drain(..) {
            while let Some(before) = behind.next_if(|before| before.key < new.key) {
                self.closed.push_back(before);
            }
            self.closed.push_back(new);
        }
        self.closed.extend(behind);
    }

    /// Hands over the first clean ones although others come before them; `false` where there are none.
    fn pass_some(
        &mut self,
        each: &mut impl FnMut(Option<&Attempt>, T) -> io::Result<()>,
    ) -> io::Result<bool> {
        let (mut doubtful, mut passed) = (Vec::new(), 0);
        while passed < AT_ONCE
            && let Some(waiting) = self.closed.pop_front()
        {
            match waiting.closed {
                Closed::Clean(made) => {
                    each(None, made)?;
                    passed += 1;
                }
                Closed::Doubtful(_) => doubtful.push(waiting),
            }
        }
        for waiting in doubtful.into_iter().rev() {
            self.closed.push_front(waiting);
        }
        Ok(passed > 0)
    }

    fn judge_some(
        &mut self,
        due: Vec<Closed<T>>,
        tracker: &Tracker,
        render: &impl Fn(Points<'_>, &Attempt, &Judgement) -> T,
        each: &mut impl FnMut(Option<&Attempt>, T) -> io::Result<()>,
    ) -> io::Result<()> {
        // What is judged refers to the attempts among which it is judged, so these come first.
        let first = self.remembered.len();
        let mut made = Vec::new();
        for closed in due {
            made.push(match closed {
                Closed::Clean(made) => Some(made),
                Closed::Doubtful(attempt) => {
                    self.remembered.push_back(*attempt);
                    None
                }
            });
        }
        if first == self.remembered.len() {
            return made.into_iter().flatten().try_for_each(|made| each(None, made));
        }
        let merged =
            Merged { attempts: mem::take(&mut self.remembered).into(), ..Merged::default() };
        let coverage = BTreeMap::from([(captures::point_id(0), tracker.coverage())]);
        let points = Points { path: &self.path, coverage: &coverage, merged: &merged };
        let history = History::new(points);
        let mut doubtful = merged.attempts.iter().skip(first);
        let written = made.into_iter().try_for_each(|made| match made {
            Some(made) => each(None, made),
            None => doubtful.next().map_or(Ok(()), |attempt| {
                let judgement = judge_attempt(points, &history, attempt);
                each(Some(attempt), render(points, attempt, &judgement))
            }),
        });
        self.remembered = merged.attempts.into();
        written
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use why504_model::{Checksum, Endpoint, Location, Packet, Segment, SeqNumber, TcpFlags};

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
            checksum: Checksum::Unknown,
            vlan: None,
        })
    }

    /// Ports of the attempts in the order in which they are judged, before and after the capture ends:
    /// the first is never answered, the third is refused, the others are clean.
    fn order(waiting_most: usize) -> [Vec<u16>; 2] {
        let mut tracker = Tracker::new(captures::point_id(0));
        let mut live = Live::<u16> { waiting_most, ..Live::new() };
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
            // As if as many had been taken as there must be.
            live.since = AT_ONCE;
            let mut ports = Vec::new();
            let port = |_: Points<'_>, attempt: &Attempt, _: &Judgement| attempt.flow().client.port;
            let plain = |plains: Vec<Plain>| {
                plains.into_iter().map(|plain| plain.sighting().flow.client.port)
            };
            let judged = live.go_on(tracker.take(), &tracker, plain, port, |_, port| {
                ports.push(port);
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
