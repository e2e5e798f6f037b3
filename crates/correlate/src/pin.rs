//! The log's clock, pinned by connects that failed at once.
//!
//! A timer's line says when the timer fired, so what timers alone show is the clock's difference less the
//! timer's length, and never the one without the other. A refusal has a moment of its own: nginx logs it in
//! the turn of its loop in which it reads the RST, or the ICMP error. So the logged second holds that
//! packet's time, or one up to a stall before it, and each such line leaves a range for the difference.
//! Where the ranges of nearly all lines meet in one place, and nowhere else, the difference lies there.
//!
//! Nothing is moved by it: a range of some tenths of a second is no skew to be applied.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::Attempt;
use why504_model::{Endpoint, Span, Timeout, TimeoutKind, Timestamp};

use crate::candidates::{failure, failures};
use crate::vote::{Step, Votes, differences};

/// Differences are searched this far to both sides.
const SEARCHED: Span = Span::from_secs(600);
/// Lines that are asked; more do not make the answer surer.
const ASKED: usize = 500;
/// Fewer lines than this agree by chance.
const LINES_MIN: usize = 5;
/// One line, and one more of so many, may not fit: logged by a worker that stood still, or its RST not
/// captured.
const STRAY_ONE_IN: usize = 25;
/// As far from the range as this, and farther, at most two thirds as many lines find their packet.
const APART: Span = Span::from_secs(2);

/// What the lines of failed connects say of a capture's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPin {
    /// The capture's clock minus the log's is at least this.
    pub least: Span,
    /// And at most this.
    pub most: Span,
    /// So many lines find their packet in one of these differences.
    pub lines: usize,
    /// Of so many that were asked and that have one within ten minutes.
    pub of: usize,
}

impl ClockPin {
    /// Whether the clocks may be one and the same.
    pub fn agrees(&self) -> bool {
        self.least <= Span::ZERO && self.most >= Span::ZERO
    }

    /// The range in which nearly all lines find the packet that failed their connect; `None` where there
    /// are few, or several ranges are as good.
    pub(crate) fn new<'a>(
        timeouts: &[Timeout],
        attempts: impl Iterator<Item = &'a Attempt>,
    ) -> Option<Self> {
        let at_once = |t: &&Timeout| failure(t.kind) && t.peer.is_some() && !t.never_sent;
        let every = timeouts.iter().filter(at_once).count() / ASKED + 1;
        let asked: Vec<&Timeout> = timeouts.iter().filter(at_once).step_by(every).collect();
        if asked.len() < LINES_MIN {
            return None;
        }
        let packets = packets(attempts);
        let mut votes = Votes::default();
        let mut of = 0;
        for line in asked {
            let ranges = ranges(line, &packets);
            of += usize::from(!ranges.is_empty());
            votes.cast(ranges);
        }
        let steps = votes.steps();
        let most = steps.iter().map(|step| step.lines).max()?;
        let enough = most.saturating_sub(1 + most / STRAY_ONE_IN);
        let best = |step: &&Step| step.lines >= enough;
        let least = steps.iter().find(best)?.from;
        let until = steps.iter().rfind(best)?.to;
        let elsewhere = steps.iter().filter(|s| s.to < least - APART || s.from > until + APART);
        let rival = elsewhere.map(|step| step.lines).max().unwrap_or(0);
        let one = until - least < APART && rival * 3 <= most * 2;
        (most >= LINES_MIN && most * 5 >= of * 4 && one).then_some(Self {
            least,
            most: until,
            lines: most,
            of,
        })
    }
}

/// What failed connects: upstream -> RSTs and ICMP errors, in order of time.
type Packets = BTreeMap<(Endpoint, TimeoutKind), Vec<Timestamp>>;

fn packets<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Packets {
    let mut packets = Packets::new();
    for attempt in attempts {
        for (kind, time) in failures(attempt.nearest()) {
            for server in attempt.servers() {
                packets.entry((server, kind)).or_default().push(time);
            }
        }
    }
    for times in packets.values_mut() {
        times.sort_unstable();
    }
    packets
}

/// The differences under which a line finds its packet, none twice.
fn ranges(line: &Timeout, packets: &Packets) -> Vec<(Span, Span)> {
    let times = line.peer.and_then(|peer| packets.get(&(peer, line.kind)));
    let times = times.map(Vec::as_slice).unwrap_or_default();
    let (earliest, latest) = crate::candidates::logged_after(line.logged);
    let from = times.partition_point(|time| *time < earliest - SEARCHED);
    let near = times.iter().skip(from).take_while(|time| **time <= latest + SEARCHED);
    differences(near.copied(), (earliest, latest))
}
