//! How often first packets were lost: on the way between two capture points in each direction, and
//! as far as one point can tell.
//!
//! A trial is the first packet of a connect, SYN or SYN+ACK, that the points on both ends of a way
//! would have seen: where one of them does not cover the moment, or misses healthy handshakes, there
//! is no trial. One that came damaged to the second of them did not arrive. No verdict about a log line rests on any of this.

mod concentration;
mod tail;
mod trial;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_handshake::{Attempt, Cell, Count, Outcome, PointId, Sighting, Trials};
use why504_model::{Endpoint, Interval};

use crate::checksums::Checksums;
use crate::view::Points;
pub use concentration::{Class, Concentration};
use trial::MISSED_AFTER;

/// Which packets are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// First SYNs, from one point to the next towards the server.
    Syn(PointId, PointId),
    /// First SYN+ACKs, from one point to the next towards the client.
    SynAck(PointId, PointId),
    /// First SYNs that nothing answered within a second, at one point: SYN or answer was lost, or
    /// there was none.
    Unanswered(PointId),
    /// First SYN+ACKs that nothing acknowledged within a second, at one point.
    Unacknowledged(PointId),
}

/// The losses of one kind of packet on one way.
#[derive(Clone, Debug)]
pub struct Losses {
    /// What is counted, and where.
    pub counted: Counted,
    /// All trials.
    pub all: Count,
    /// Connects that a repeated packet saved: a part of those that lost their first one.
    pub saved: u64,
    /// The same for each server, as the point nearest the client names it.
    pub servers: BTreeMap<Endpoint, (Count, u64)>,
    /// Where losses concentrate beyond chance.
    pub concentrations: Vec<Concentration>,
    /// Connects that are in none of the counts, since there were too many pairs of hosts.
    pub beyond: u64,
}

/// What losses are counted from: doubtful attempts one by one, healthy ones as counts.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// By what is counted and by the point nearest the client, whose clock the times are on.
    trials: BTreeMap<(Counted, PointId), Trials>,
}

impl Counted {
    /// The points that must cover a moment for it to count.
    fn points(self) -> impl Iterator<Item = PointId> {
        let (one, other) = match self {
            Self::Syn(from, to) | Self::SynAck(from, to) => (from, Some(to)),
            Self::Unanswered(point) | Self::Unacknowledged(point) => (point, None),
        };
        core::iter::once(one).chain(other)
    }
}

impl Rates {
    /// Counts all attempts of a run. `healthy` holds those that were plainly healthy
    /// ([`Sighting::is_clean`]) at each point, whether they were kept or not.
    pub fn of_run(points: Points<'_>, healthy: &BTreeMap<PointId, Trials>) -> Self {
        let mut rates = Self::default();
        let mut checksums = Checksums::default();
        for attempt in &points.merged.attempts {
            attempt.sightings().for_each(|sighting| checksums.learn(sighting));
        }
        for attempt in &points.merged.attempts {
            rates.count(points, &checksums, attempt);
        }
        for (&point, trials) in healthy {
            rates.count_healthy(points, point, trials);
        }
        rates
    }

    /// Counts an attempt, unless it was plainly healthy.
    fn count(&mut self, points: Points<'_>, checksums: &Checksums, attempt: &Attempt) {
        let nearest = attempt.nearest();
        if nearest.is_clean() {
            return;
        }
        let Some(behind) = behind(points, nearest.point, nearest.flow.server) else { return };
        let mut near = Some(nearest);
        for far in behind {
            let there = attempt.at(far);
            if let Some(here) = near {
                let counted = Counted::Syn(here.point, far);
                self.trial(counted, attempt, trial::syn(points, checksums, here, there));
            }
            if let (Some(here), Some(there)) = (near, there) {
                let counted = Counted::SynAck(far, here.point);
                self.trial(counted, attempt, trial::syn_ack(checksums, here, there));
            }
            near = there;
        }
        self.count_at_one_point(attempt);
    }

    /// Counts what one point alone tells of an attempt, unless it was plainly healthy: all there is to
    /// count where there is one point only.
    pub fn count_at_one_point(&mut self, attempt: &Attempt) {
        let nearest = attempt.nearest();
        if nearest.is_clean() {
            return;
        }
        let arrived = [trial::answered(nearest), trial::acknowledged(nearest)];
        for (counted, arrived) in at_one_point(nearest.point).into_iter().zip(arrived) {
            self.trial(counted, attempt, arrived);
        }
    }

    /// Counts the handshakes that were plainly healthy at a point, where no point lies nearer to the
    /// client: they lost nothing on their whole way.
    pub fn count_healthy(&mut self, points: Points<'_>, nearest: PointId, healthy: &Trials) {
        let mut ways: BTreeMap<Counted, BTreeSet<Endpoint>> = BTreeMap::new();
        for server in healthy.servers() {
            let Some(behind) = behind(points, nearest, server) else { continue };
            for counted in at_one_point(nearest) {
                if tells(points, counted, server) {
                    ways.entry(counted).or_default().insert(server);
                }
            }
            let mut near = nearest;
            for far in behind {
                ways.entry(Counted::Syn(near, far)).or_default().insert(server);
                ways.entry(Counted::SynAck(far, near)).or_default().insert(server);
                near = far;
            }
        }
        for (counted, servers) in ways {
            let trials = self.trials.entry((counted, nearest)).or_default();
            trials.absorb(healthy, |server| servers.contains(&server));
        }
    }

    /// The losses, within the time that the points on both ends cover, in order of what is counted.
    pub fn losses(&self, points: Points<'_>) -> Vec<Losses> {
        let mut covered: BTreeMap<Counted, (Vec<Cell>, u64)> = BTreeMap::new();
        for (&(counted, nearest), trials) in &self.trials {
            let of_way = covered.entry(counted).or_default();
            let covers = |time, server| covers(points, counted, nearest, (time, server));
            of_way.0.extend(trials.cells_where(covers));
            of_way.1 = of_way.1.saturating_add(trials.beyond());
        }
        let some = |losses: &Losses| losses.all.trials > 0;
        covered
            .into_iter()
            .map(|(counted, (cells, beyond))| Losses::of(counted, &cells, beyond))
            .filter(some)
            .collect()
    }

    fn trial(&mut self, counted: Counted, attempt: &Attempt, arrived: Option<bool>) {
        let outcome = match arrived {
            None => return,
            Some(true) => Outcome::Arrived,
            Some(false) if attempt.sightings().any(Sighting::completed) => Outcome::Saved,
            Some(false) => Outcome::Lost,
        };
        let trials = self.trials.entry((counted, attempt.nearest().point)).or_default();
        trials.count(attempt.first_syn(), attempt.flow(), attempt.nearest().vlan(), outcome);
    }
}

impl Losses {
    fn of(counted: Counted, cells: &[Cell], beyond: u64) -> Self {
        let mut servers: BTreeMap<Endpoint, (Count, u64)> = BTreeMap::new();
        for cell in cells {
            let (count, saved) = servers.entry(cell.server).or_default();
            *count = [*count, cell.all].into_iter().sum();
            *saved = saved.saturating_add(cell.saved);
        }
        Self {
            counted,
            all: cells.iter().map(|cell| cell.all).sum(),
            saved: cells.iter().map(|cell| cell.saved).fold(0, u64::saturating_add),
            servers,
            concentrations: concentration::find(cells),
            beyond,
        }
    }
}

/// What one point alone can tell. Which of the two it can is known when all was read: see [`tells`].
const fn at_one_point(point: PointId) -> [Counted; 2] {
    [Counted::Unanswered(point), Counted::Unacknowledged(point)]
}

/// The points behind one on the way to a server that can be believed to see its attempts, from the
/// client to the server; `None` where another point lies nearer to the client.
fn behind(points: Points<'_>, nearest: PointId, server: Endpoint) -> Option<Vec<PointId>> {
    let asked_at = |point: PointId, server: Endpoint| {
        let coverage = points.coverage.get(&point);
        coverage.is_some_and(|c| c.asked(server))
    };
    let is_back = points.merged.translations.keys().any(|(_, back)| *back == server);
    let order = points.path.order_by(|point| points.server_behind(server, point).ip);
    let mut before = order.iter().take_while(|&&point| point != nearest);
    if is_back || before.any(|&point| asked_at(point, server)) {
        return None;
    }
    let further = order.iter().skip_while(|&&point| point != nearest).skip(1).copied();
    let seeing = |&point: &PointId| {
        let back = points.server_behind(server, point);
        asked_at(point, back)
            && (back == server || points.is_measured(nearest, server, point))
            && points.merged.shared.contains_key(&(nearest, point))
            && points.leads_past(nearest, server, point)
            && points.misses_few(nearest, server, point)
    };
    Some(further.filter(seeing).collect())
}

/// Whether the points on both ends of a way would have seen the packets to a server, from the first
/// SYN of a time on until the last could have been answered.
fn covers(
    points: Points<'_>,
    counted: Counted,
    nearest: PointId,
    (time, server): (Interval, Endpoint),
) -> bool {
    let during = Interval::new(time.start(), time.end() + MISSED_AFTER);
    tells(points, counted, server)
        && counted.points().all(|point| {
            let there = points.at_point(nearest, point, during);
            let server = points.server_behind(server, point);
            points.coverage.get(&point).is_some_and(|coverage| coverage.of(server, there).is_ok())
        })
}

/// Whether the point can tell what is counted of the attempts to a server: what one point alone tells
/// depends on the end that it lies near.
fn tells(points: Points<'_>, counted: Counted, server: Endpoint) -> bool {
    let near_server = |point| points.path.place(point, server.ip).nearer_server();
    match counted {
        Counted::Syn(..) | Counted::SynAck(..) => true,
        Counted::Unanswered(point) => !near_server(point),
        Counted::Unacknowledged(point) => near_server(point),
    }
}
