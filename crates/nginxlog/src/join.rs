//! Joins the timeouts of error logs with the lines of access logs.
//!
//! An error line has a whole second; the access line of the same request has milliseconds and the
//! length of every try. The timeouts are held and indexed, the access lines are streamed past
//! them, so memory depends on the number of timeouts alone. The result does not depend on the
//! order in which access lines are offered. Where two access lines fit one timeout equally well,
//! neither is taken.

mod assign;
mod candidate;
mod derive;
mod key;
mod unlogged;

use std::collections::HashMap;

use why504_model::{
    Endpoint, Interval, Location, Span, StartBasis, TimeLimit, Timeout, TimeoutId, TimeoutKind,
    Timestamp,
};

use crate::access::AccessRecord;
use crate::classify::Phase;
use crate::scan::LoggedTimeout;
use candidate::Candidate;
use key::TextKey;
use unlogged::Unlogged;
pub use unlogged::{Access504, Access504Tally};

/// How far two of nginx's cached clocks may differ, besides the stall of a loop: rounding to
/// milliseconds of up to four figures, and some.
const PRECISION: Span = Span::from_millis(5);

/// How long a request may have lasted when its line does not say.
const LONGEST_REQUEST: Span = Span::from_secs(3600);

/// A timeout of an error log, as far as the join needs it.
#[derive(Clone, Debug)]
pub struct JoinCase {
    id: TimeoutId,
    kind: TimeoutKind,
    phase: Phase,
    cosocket: bool,
    peer: Option<Endpoint>,
    logged: Interval,
    connection: Option<u64>,
    worker: u32,
    client: Option<TextKey>,
    request: Option<TextKey>,
    request_id: Option<TextKey>,
}

/// The access line of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLine {
    /// Where it stands.
    pub location: Location,
    /// Status that the client got.
    pub status: Option<u16>,
    /// How long the request took.
    pub request_time: Option<Span>,
    /// When it ended.
    pub time: Interval,
}

/// What an access line adds to a timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The timeout.
    pub id: TimeoutId,
    /// Its access line.
    pub access: AccessLine,
    /// The upstream's address, where the error line names none and the access line does.
    pub peer: Option<Endpoint>,
    /// When the connect began.
    pub start: Option<(Interval, StartBasis)>,
    /// How long the timer was; empty when the line does not tell.
    pub limits: Vec<TimeLimit>,
    /// When the error line was written, as narrow as both lines together say.
    pub logged: Interval,
}

/// What became of the cases: `cases = joined + without_line + ambiguous + no_key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinTally {
    /// With an access line.
    pub joined: u64,
    /// No access line fits.
    pub without_line: u64,
    /// Several access lines fit equally well, so none was taken.
    pub ambiguous: u64,
    /// The error line names neither a connection nor a client and request (Lua timers, cut lines).
    pub no_key: u64,
    /// Of the joined ones: the times of the two lines contradict each other (a clock was set, a
    /// slow client), so no start was worked out.
    pub contradictory: u64,
}

/// Collects access lines for the timeouts of a run.
#[derive(Clone, Debug)]
pub struct AccessJoin {
    index: JoinIndex,
    gathered: Gathered,
}

/// The timeouts of a run, as access lines look them up; does not change while they do.
#[derive(Clone, Debug)]
pub struct JoinIndex {
    cases: Vec<JoinCase>,
    /// In a case's groups the same access line may be met once by its connection number, or, where
    /// the format has none, by its client.
    groups: Vec<Group>,
    by_connection: HashMap<u64, Vec<usize>>,
    by_client: HashMap<(TextKey, TextKey), usize>,
    /// By the id that Kong and APISIX write into both logs.
    by_request_id: HashMap<TextKey, usize>,
    /// Everything that was logged, for a quick refusal of lines from other days.
    span: Option<Interval>,
}

/// The access lines that were found so far.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Of each group.
    met: Vec<Met>,
    /// The 504s that no case is about.
    unlogged: Unlogged,
}

/// The lines that may belong to the cases of a group.
#[derive(Clone, Debug)]
struct Met {
    kept: Vec<Candidate>,
    /// How many are kept. A group that meets more cannot be told apart by time and counts as
    /// ambiguous.
    capacity: usize,
    /// How many there were, kept or not.
    count: usize,
}

/// What the lines of a piece of an access log may mean for the cases: [`JoinIndex::look`].
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// Groups, by index, and lines that may belong to a case of theirs, in order.
    met: Vec<(usize, Candidate)>,
    unlogged: Unlogged,
}

/// The cases of one request line on one connection, or of one client on all its connections.
#[derive(Clone, Debug)]
struct Group {
    /// One request by its id, or on one connection, where requests follow each other.
    one_connection: bool,
    request: Option<TextKey>,
    /// Indices into `cases`, in order of time and line.
    cases: Vec<usize>,
    /// The longest interval in which one of them was logged: a second, or more in a DST fold.
    longest: Span,
}

impl JoinCase {
    /// From a line of an error log; `logged` is its second in UTC.
    pub fn new(id: TimeoutId, timeout: &LoggedTimeout<'_>, logged: Interval) -> Self {
        let (record, class) = (&timeout.record, timeout.class);
        Self {
            id,
            kind: class.kind,
            phase: class.phase,
            cosocket: class.cosocket,
            peer: class.peer,
            logged,
            connection: record.connection,
            worker: record.pid,
            client: record.context.client.map(TextKey::of),
            request: record.context.request.map(TextKey::of_request_line),
            request_id: record.context.request_id.map(TextKey::of),
        }
    }
}

impl JoinCase {
    /// The same line, when more is known of its time.
    #[must_use]
    pub fn logged_at(mut self, logged: Interval) -> Self {
        self.logged = logged;
        self
    }

    /// The same line under another number: ids follow the order of all logs of a run, which is
    /// known only when all are read.
    #[must_use]
    pub fn with_id(mut self, id: TimeoutId) -> Self {
        self.id = id;
        self
    }
}

impl Joined {
    /// Writes what the access line adds into the timeout.
    pub fn apply(&self, timeout: &mut Timeout) {
        timeout.peer = timeout.peer.or(self.peer);
        timeout.start = self.start;
        timeout.logged = self.logged;
        if !self.limits.is_empty() {
            timeout.limits.clone_from(&self.limits);
        }
    }
}

impl AccessJoin {
    /// Indexes the timeouts of a run.
    pub fn new(cases: Vec<JoinCase>) -> Self {
        let index = JoinIndex::new(cases);
        let met = index.groups.iter().map(|group| Met::new(group.cases.len())).collect();
        Self { index, gathered: Gathered { met, unlogged: Unlogged::default() } }
    }

    /// What threads look lines up in, and what takes their findings meanwhile.
    pub fn parts(&mut self) -> (&JoinIndex, &mut Gathered) {
        (&self.index, &mut self.gathered)
    }

    /// Looks at one access line, in any order.
    pub fn offer(&mut self, location: Location, record: &AccessRecord<'_>) {
        let mut offers = Offers::default();
        self.index.look(location, record, &mut offers);
        self.gathered.take(offers, 0);
    }

    /// Hands over the 504s that no error line tells of, in order of time, at most 16,384 of them,
    /// and says where all 504s went.
    pub fn take_access_504(&mut self) -> (Vec<Access504>, Access504Tally) {
        core::mem::take(&mut self.gathered.unlogged).finish()
    }

    /// The access lines of the cases, in order of their ids, and what became of all cases.
    pub fn finish(self) -> (Vec<Joined>, JoinTally) {
        let Self { index: JoinIndex { cases, groups, .. }, gathered } = self;
        let mut outcomes: Vec<Outcome> = cases.iter().map(|_| Outcome::NoKey).collect();
        for (group, met) in groups.iter().zip(gathered.met) {
            for (case, outcome) in assign::assign(group, met, &cases) {
                if let Some(known) = outcomes.get_mut(case).filter(|o| o.rank() < outcome.rank()) {
                    *known = outcome;
                }
            }
        }
        let mut tally = JoinTally::default();
        let mut all = Vec::new();
        for outcome in outcomes {
            let count = match &outcome {
                Outcome::NoKey => &mut tally.no_key,
                Outcome::Nothing => &mut tally.without_line,
                Outcome::Several => &mut tally.ambiguous,
                Outcome::Line { .. } => &mut tally.joined,
            };
            *count = count.saturating_add(1);
            if let Outcome::Line { joined, contradictory, .. } = outcome {
                tally.contradictory = tally.contradictory.saturating_add(u64::from(contradictory));
                all.push(*joined);
            }
        }
        all.sort_by_key(|joined| joined.id);
        (all, tally)
    }
}

impl Gathered {
    /// Takes what was noted of a piece of a log before which so many lines stand. The pieces of a
    /// run come in order.
    pub fn take(&mut self, offers: Offers, lines_before: u64) {
        let Offers { met, unlogged } = offers;
        for (group, mut candidate) in met {
            let Some(group) = self.met.get_mut(group) else { continue };
            group.count = group.count.saturating_add(1);
            if group.count <= group.capacity {
                let record = &mut candidate.line.location.record;
                *record = record.saturating_add(lines_before);
                group.kept.push(candidate);
            }
        }
        self.unlogged.absorb(unlogged.moved(lines_before));
    }
}

impl Met {
    fn new(cases: usize) -> Self {
        let capacity = cases.saturating_mul(4).saturating_add(64);
        Self { kept: Vec::new(), capacity, count: 0 }
    }
}

impl JoinIndex {
    fn new(cases: Vec<JoinCase>) -> Self {
        let mut this = Self {
            cases,
            groups: Vec::new(),
            by_connection: HashMap::new(),
            by_client: HashMap::new(),
            by_request_id: HashMap::new(),
            span: None,
        };
        let mut order: Vec<usize> = (0..this.cases.len()).collect();
        order.sort_by_key(|i| this.cases.get(*i).map(|case| (case.logged.start(), case.id)));
        for index in order {
            this.index(index);
        }
        this
    }

    fn index(&mut self, index: usize) {
        let Some(case) = self.cases.get(index) else { return };
        let (request, id, length) = (case.request, case.request_id, case.logged.length());
        self.span = Some(self.span.map_or(case.logged, |span| span.hull(case.logged)));
        let groups = &mut self.groups;
        if let Some(connection) = case.connection {
            let known = self.by_connection.entry(connection).or_default();
            let same = |group: &&usize| groups.get(**group).is_some_and(|g| g.request == request);
            if let Some(group) = known.iter().find(same).copied() {
                join_group(groups, group, index, length);
            } else {
                known.push(groups.len());
                groups.push(Group::new(true, request, index, length));
            }
        }
        if let Some(id) = id {
            if let Some(group) = self.by_request_id.get(&id) {
                join_group(groups, *group, index, length);
            } else {
                self.by_request_id.insert(id, groups.len());
                groups.push(Group::new(true, request, index, length));
            }
        }
        if let Some(client) = case.client.zip(request) {
            if let Some(group) = self.by_client.get(&client) {
                join_group(groups, *group, index, length);
            } else {
                self.by_client.insert(client, groups.len());
                groups.push(Group::new(false, request, index, length));
            }
        }
    }

    /// Looks at one access line and notes what it may mean; many threads may look at once.
    pub fn look(&self, location: Location, record: &AccessRecord<'_>, offers: &mut Offers) {
        let told = self.find_cases(location, record, offers);
        offers.unlogged.offer(location, record, told);
    }

    /// Shows the line to the cases that it may belong to; returns whether there is such a case, or
    /// whether there may be one that the line does not name.
    fn find_cases(
        &self,
        location: Location,
        record: &AccessRecord<'_>,
        offers: &mut Offers,
    ) -> bool {
        let (Some(time), Some(span)) = (record.time, self.span) else { return false };
        let began = time.start() - record.request_time.unwrap_or(LONGEST_REQUEST);
        let alive = Interval::new(began, time.end()).widened(PRECISION, PRECISION);
        if !alive.overlaps(span) {
            return false;
        }
        let mut found = false;
        for index in self.groups_of(record) {
            if self.is_met(index, record, alive) {
                let candidate = Candidate::new(location, record, time, alive);
                offers.met.push((index, candidate));
                found = true;
            }
        }
        let named = record.connection.is_some()
            || record.remote_addr.is_some() && TextKey::of_record(record).is_some();
        found || !named
    }

    /// The groups to which a line with this id, or else this connection or client, and this request, may belong.
    fn groups_of(&self, record: &AccessRecord<'_>) -> Vec<usize> {
        let id = record.request_id.map(TextKey::of);
        if let Some(group) = id.and_then(|id| self.by_request_id.get(&id)) {
            return vec![*group];
        }
        let Some(connection) = record.connection else {
            let client = record.remote_addr.map(TextKey::of);
            let key = client.zip(TextKey::of_record(record));
            return key.and_then(|key| self.by_client.get(&key)).copied().into_iter().collect();
        };
        let Some(groups) = self.by_connection.get(&connection) else { return Vec::new() };
        let request = TextKey::of_record(record);
        let fits = |index: &&usize| {
            let of_group = self.groups.get(**index).and_then(|group| group.request);
            of_group.zip(request).is_none_or(|(one, other)| one == other)
        };
        groups.iter().filter(fits).copied().collect()
    }

    /// Whether a case of the group may have been logged by this request.
    fn is_met(&self, group: usize, record: &AccessRecord<'_>, alive: Interval) -> bool {
        let Some(group) = self.groups.get(group) else { return false };
        let is_its = |case: &JoinCase| {
            alive.overlaps(case.logged) && record.pid.is_none_or(|pid| pid == case.worker)
        };
        group.logged_within(alive, &self.cases).any(is_its)
    }
}

/// What one group says about one of its cases.
#[derive(Clone, Debug)]
enum Outcome {
    NoKey,
    Nothing,
    Several,
    Line { joined: Box<Joined>, contradictory: bool, by_connection: bool },
}

impl Outcome {
    /// What says more wins; the connection number is better than the client.
    fn rank(&self) -> u8 {
        match self {
            Self::NoKey => 0,
            Self::Nothing => 1,
            Self::Several => 2,
            Self::Line { by_connection, .. } => 3 + u8::from(*by_connection),
        }
    }
}

fn join_group(groups: &mut [Group], group: usize, case: usize, length: Span) {
    if let Some(group) = groups.get_mut(group) {
        group.cases.push(case);
        group.longest = group.longest.max(length);
    }
}

impl Group {
    fn new(one_connection: bool, request: Option<TextKey>, case: usize, longest: Span) -> Self {
        Self { one_connection, request, cases: vec![case], longest }
    }

    /// The cases that can have been logged within `alive`: they are in order of time, so that a
    /// crowded group does not make every access line slow.
    fn logged_within<'a>(
        &'a self,
        alive: Interval,
        all: &'a [JoinCase],
    ) -> impl Iterator<Item = &'a JoinCase> {
        let logged = |index: &usize| all.get(*index).map_or(Timestamp::MAX, |c| c.logged.start());
        let first = self.cases.partition_point(|i| logged(i) + self.longest <= alive.start());
        let rest = self.cases.get(first..).unwrap_or_default();
        rest.iter()
            .take_while(move |index| logged(index) < alive.end())
            .filter_map(|index| all.get(*index))
    }
}

#[cfg(test)]
mod tests;
