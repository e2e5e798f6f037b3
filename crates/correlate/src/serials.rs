//! nginx's connection numbers as a clock that is finer than the log's second.
//!
//! A log line names the number (`*N`) of its client's connection. nginx takes it from one counter, which
//! all workers share: each accepted connection takes the next (`ngx_event_accept`), and so does each
//! connect to an upstream, directly before its SYN is sent (`ngx_event_connect_peer`, and the cosockets,
//! which use it). Where each accepted connection makes one connect at once, the number is twice the
//! number of its attempt among all that the gateway's host has sent, plus an offset that stays as it is.
//! Client connections that are kept alive, answers from a cache, retries and handlers that sleep first
//! move the offset, or leave no such regularity at all; then the numbers say nothing here.
//!
//! So the lines vote for the offsets that their attempts would mean ([`window`]). Where one offset
//! explains a long run of lines, far beyond chance, the lines well inside that run are about the attempts
//! at their places, unless an attempt says that one of them may have waited ([`waits`]). A restart of nginx
//! begins the counter anew, with other workers: no run goes across one. No verdict is made here, and no
//! attempt added: lines lose attempts that they had.

mod epochs;
#[cfg(test)]
mod tests;
mod waits;
mod window;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_handshake::{Attempt, PointId};
use why504_model::{Interval, Span, Timeout, Timestamp};

use crate::assign::{Lines, contradictions};
use crate::classes::Classes;
use crate::view::Points;
use crate::{LogClock, Threads};
use window::{At, Began, Stretch, Voter};

/// Lines that vote together, in order of their numbers; each stands in two such windows.
const WINDOW: usize = 400;
/// A line that more attempts fit does not vote.
const ATTEMPTS_OF_A_LINE: usize = 4096;
/// Votes of one log, which bounds time and memory (16 octets each); later lines are left as they are.
const VOTES: usize = 10_000_000;
/// Two workers may connect in another order than they accepted; a worker's clock is stale by 23 ms at
/// most (measured).
const SWAPPED: Span = Span::from_millis(25);

/// A worker that does other things after it accepted connects as much later (34 ms measured), and a handler
/// may do something first. Attempts that near to the place of a line stay possible.
const HELD_UP: Span = Span::from_millis(50);

/// Lines that their numbers have placed.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    lines: BTreeSet<usize>,
    /// Others that the numbers of their neighbours explain, but for the place of each.
    beside: BTreeSet<usize>,
    /// Others about a connect that did not succeed, to which placed lines leave fewer attempts.
    reduced: BTreeSet<usize>,
    /// Of these, those to which they leave none.
    left_out: BTreeSet<usize>,
}

impl Placed {
    /// Whether a line was placed.
    pub(crate) fn has(&self, line: usize) -> bool {
        self.lines.contains(&line)
    }

    /// Whether all attempts of a line are those of lines that were placed.
    pub(crate) fn left_out(&self, line: usize) -> bool {
        self.left_out.contains(&line)
    }

    /// Whether placed lines took attempts of a line of which nothing says that its own is captured. It
    /// may be without one, though what is left is an attempt of which no line tells.
    pub(crate) fn is_odd(&self, line: usize) -> bool {
        self.reduced.contains(&line) && !self.beside.contains(&line)
    }

    /// What is the only attempt of a placed line is no other's; but where a line with a start of its own
    /// may be about it, or one that very many attempts fit, that is left open.
    fn take_from_others(&mut self, timeouts: &[Timeout], lines: &mut Lines) {
        let mut owned: BTreeMap<usize, usize> = BTreeMap::new();
        for &line in &self.lines {
            let mut attempts: Vec<usize> = lines.attempts_of(line).collect();
            attempts.dedup();
            if let &[only] = attempts.as_slice() {
                owned.insert(only, line);
            }
        }
        let heavy = |line: usize| lines.attempts_of(line).nth(ATTEMPTS_OF_A_LINE).is_some();
        let mut others: Vec<usize> = Vec::new();
        for (line, timeout) in timeouts.iter().enumerate() {
            if self.lines.contains(&line) {
                continue;
            }
            if timeout.start.is_none() && !heavy(line) {
                others.push(line);
                continue;
            }
            for attempt in lines.attempts_of(line) {
                owned.remove(&attempt);
            }
        }
        for line in others {
            if lines.attempts_of(line).any(|attempt| owned.contains_key(&attempt)) {
                lines.keep(line, |attempt| !owned.contains_key(&attempt));
                if timeouts.get(line).is_some_and(votes) {
                    self.reduced.insert(line);
                }
                if lines.runs_of(line).is_empty() {
                    self.left_out.insert(line);
                }
            }
        }
        for &line in owned.values() {
            lines.settle(line);
        }
    }
}

/// What the numbers are held against.
struct Field<'a> {
    timeouts: &'a [Timeout],
    points: Points<'a>,
    classes: &'a Classes,
}

/// Takes from lines the attempts that their numbers rule out.
pub(crate) fn place(
    timeouts: &[Timeout],
    points: Points<'_>,
    classes: &Classes,
    lines: &mut Lines,
    threads: &impl Threads,
) -> Placed {
    let field = Field { timeouts, points, classes };
    let mut placed = Placed::default();
    for epoch in epochs::of(timeouts) {
        let undated = |&line: &usize| timeouts.get(line).is_some_and(|t| t.start.is_none());
        if !epoch.iter().any(undated) {
            continue;
        }
        for point in points.coverage.keys() {
            field.by_point(*point, &epoch, lines, &mut placed, threads);
        }
    }
    if !placed.lines.is_empty() {
        placed.take_from_others(timeouts, lines);
    }
    placed
}

impl Field<'_> {
    fn attempt(&self, attempt: usize) -> Option<&Attempt> {
        self.points.merged.attempts.get(attempt)
    }

    fn by_point(
        &self,
        point: PointId,
        epoch: &[usize],
        lines: &mut Lines,
        placed: &mut Placed,
        threads: &impl Threads,
    ) {
        let voters = self.voters(point, epoch, lines);
        if voters.is_empty() {
            return;
        }
        let began = self.began(point);
        let mut against: BTreeSet<usize> = BTreeSet::new();
        let windows: Vec<&[Voter]> = windows(&voters);
        // Each round leaves out lines that the one before showed to be at odds with others.
        for _ in 0..ROUNDS {
            let found = threads.map(windows.clone(), |v| window::stretches(v, &began, &against));
            let found = found.concat();
            let beside: Vec<usize> = found.iter().flat_map(|s| s.beside.iter().copied()).collect();
            // A line that is off by a moment has one of the attempts there, and so nobody else has it.
            let near: BTreeMap<usize, Vec<usize>> =
                found.iter().flat_map(|stretch| stretch.near.iter().cloned()).collect();
            let open: Vec<usize> = found.iter().flat_map(|s| s.open.iter().copied()).collect();
            let at = self.places(point, found);
            let kept: Vec<(usize, Vec<usize>)> =
                at.iter().map(|(line, at)| (*line, self.near(lines, *line, at))).collect();
            let near: Vec<(usize, Vec<usize>)> =
                near.into_iter().filter(|(line, _)| !at.contains_key(line)).collect();
            let claims = [kept.as_slice(), near.as_slice()].concat();
            let odd = contradictions(&claims);
            if odd.is_empty() {
                let claimed = waits::claimed(&at, open, near);
                let doubtful = waits::doubtful(self, lines, &at, claimed);
                for (line, attempts) in kept.into_iter().filter(|(l, _)| !doubtful.contains(l)) {
                    lines.keep(line, |attempt| attempts.contains(&attempt));
                    placed.lines.insert(line);
                }
                placed.beside.extend(beside);
                return;
            }
            against.extend(odd);
        }
    }

    /// The lines that vote, in order of their numbers.
    fn voters(&self, point: PointId, epoch: &[usize], lines: &Lines) -> Vec<Voter> {
        let timeouts = || epoch.iter().filter_map(|&i| Some((i, self.timeouts.get(i)?)));
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        for number in timeouts().filter_map(|(_, timeout)| timeout.connection) {
            *times.entry(number).or_default() += 1;
        }
        let mut unsent: Vec<u64> =
            timeouts().filter(|(_, t)| t.never_sent).filter_map(|(_, t)| t.connection).collect();
        unsent.sort_unstable();
        let mut sum = 0;
        let mut voters = Vec::new();
        for (line, timeout) in timeouts() {
            let Some(number) = timeout.connection else { continue };
            // Of several lines with one number only one can be about the first connect.
            let once = times.get(&number) == Some(&1);
            if !votes(timeout) || timeout.never_sent || !once || sum > VOTES {
                continue;
            }
            let attempts = self.numbered(point, line, lines);
            if attempts.is_empty() || attempts.len() > ATTEMPTS_OF_A_LINE {
                continue;
            }
            sum += attempts.len();
            // One whose SYN was never sent took the number of its client and no other (the bind comes
            // before, in ngx_event_connect_peer).
            let before = unsent.partition_point(|other| *other < number) as u64;
            let Ok(serial) = i64::try_from(number.saturating_sub(before)) else { continue };
            voters.push(Voter { line, serial, attempts });
        }
        voters.sort_by_key(|voter| (voter.serial, voter.line));
        voters
    }

    /// When the attempts of the point's own host began.
    fn began(&self, point: PointId) -> Began {
        let attempts = self.points.merged.attempts.iter();
        let here = attempts.filter(|a| a.nearest().point == point);
        let began = |a: &Attempt| Some((i64::try_from(a.nearest().number?).ok()?, a.first_syn()));
        Began::new(here.filter_map(began).collect())
    }

    /// The attempts of a line that a point on its host saw, by their numbers there.
    fn numbered(&self, point: PointId, line: usize, lines: &Lines) -> Vec<(i64, usize)> {
        if self.classes.of(line).is_none_or(|class| class.join.clock != LogClock::SameHost) {
            return Vec::new();
        }
        let number = |attempt: usize| {
            let seen = self.attempt(attempt)?.nearest();
            let here = seen.point == point && self.points.saw_at_client(seen);
            let number = seen.number.filter(|_| here)?;
            Some((i64::try_from(number).ok()?, attempt))
        };
        let most = lines.attempts_of(line).take(4 * ATTEMPTS_OF_A_LINE);
        let mut numbered: Vec<(i64, usize)> = most.filter_map(number).collect();
        numbered.sort_unstable();
        numbered.dedup();
        numbered
    }

    /// The lines that stretches place, each with its attempt. What windows do not agree about, or what the
    /// capture does not show from end to end, is left out.
    fn places(&self, point: PointId, stretches: Vec<Stretch>) -> BTreeMap<usize, At> {
        let mut places: BTreeMap<usize, Option<At>> = BTreeMap::new();
        for stretch in stretches.into_iter().filter(|stretch| self.is_covered(point, stretch)) {
            for at in stretch.inside {
                let place = places.entry(at.line).or_insert(Some(at));
                if place.is_some_and(|place| place.attempt != at.attempt) {
                    *place = None;
                }
            }
        }
        let undated = |line: &usize| self.timeouts.get(*line).is_some_and(|t| t.start.is_none());
        let known = places.into_iter().filter(|(line, _)| undated(line));
        known.filter_map(|(line, at)| Some((line, at?))).collect()
    }

    /// Whether the point captured without a gap while these attempts began.
    fn is_covered(&self, point: PointId, stretch: &Stretch) -> bool {
        let attempts = || stretch.inside.iter().filter_map(|at| self.attempt(at.attempt));
        let began = attempts().map(Attempt::first_syn);
        let moment = |at: Timestamp| Interval::new(at, at + Span::from_nanos(1));
        let (Some(during), Some(first)) =
            (began.map(moment).reduce(Interval::hull), attempts().next())
        else {
            return false;
        };
        self.points.covers(point, first.flow().server, during).is_ok()
    }

    /// The attempts of a line that began about when the one at its place did: a worker that was held up after
    /// it accepted, or a handler that did something first, connects later than the number says.
    fn near(&self, lines: &Lines, line: usize, at: &At) -> Vec<usize> {
        let Some(moment) = self.attempt(at.attempt).map(Attempt::first_syn) else {
            return Vec::new();
        };
        let near = |attempt: &usize| {
            let began = self.attempt(*attempt).map(Attempt::first_syn);
            began.is_some_and(|began| began.distance(moment) <= HELD_UP)
        };
        let mut near: Vec<usize> = lines.attempts_of(line).filter(near).collect();
        near.sort_unstable();
        near.dedup();
        near
    }
}

/// Whether a line is about a connect that did not succeed.
fn votes(timeout: &Timeout) -> bool {
    timeout.kind.is_connect_timeout() || timeout.kind.is_failure()
}

/// Rounds in which lines at odds with others are left out. Each needs a further line like that next to
/// one of the round before.
const ROUNDS: usize = 8;

/// Windows that overlap by half.
fn windows(voters: &[Voter]) -> Vec<&[Voter]> {
    let starts = (0..voters.len()).step_by(WINDOW / 2);
    let whole = starts.filter_map(|from| voters.get(from..(from + WINDOW).min(voters.len())));
    // The last half of the last whole window stands in no other.
    let mut windows: Vec<&[Voter]> = whole.collect();
    if let [.., before, last] = windows.as_slice()
        && last.len() <= WINDOW / 2
        && before.len() == WINDOW / 2 + last.len()
    {
        windows.pop();
    }
    windows
}
