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

use std::collections::HashMap;

use why504_model::{
    Endpoint, Interval, Location, Span, StartBasis, TimeLimit, Timeout, TimeoutId, TimeoutKind,
};

use crate::access::AccessRecord;
use crate::classify::Phase;
use crate::scan::LoggedTimeout;
use candidate::Candidate;
use key::TextKey;

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
    cases: Vec<JoinCase>,
    groups: Vec<Group>,
    by_connection: HashMap<u64, Vec<usize>>,
    by_client: HashMap<(TextKey, TextKey), usize>,
    /// Everything that was logged, for a quick refusal of lines from other days.
    span: Option<Interval>,
    no_key: u64,
}

/// The cases of one request line on one connection (or, without a number, of one client).
#[derive(Clone, Debug)]
struct Group {
    request: Option<TextKey>,
    /// Indices into `cases`, in order of time and line.
    cases: Vec<usize>,
    candidates: Vec<Candidate>,
    /// Candidates that were met, kept or not.
    met: usize,
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
        }
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
        let mut join = Self {
            cases,
            groups: Vec::new(),
            by_connection: HashMap::new(),
            by_client: HashMap::new(),
            span: None,
            no_key: 0,
        };
        let mut order: Vec<usize> = (0..join.cases.len()).collect();
        order.sort_by_key(|i| join.cases.get(*i).map(|case| (case.logged.start(), case.id)));
        for index in order {
            join.index(index);
        }
        join
    }

    fn index(&mut self, index: usize) {
        let Some(case) = self.cases.get(index) else { return };
        self.span = Some(self.span.map_or(case.logged, |span| span.hull(case.logged)));
        let client = case.client.zip(case.request);
        let same = |group: &&usize| {
            self.groups.get(**group).is_some_and(|group| group.request == case.request)
        };
        let known = match case.connection {
            Some(connection) => {
                self.by_connection.get(&connection).and_then(|groups| groups.iter().find(same))
            }
            None => client.and_then(|client| self.by_client.get(&client)),
        };
        if let Some(group) = known.copied().and_then(|group| self.groups.get_mut(group)) {
            group.cases.push(index);
            return;
        }
        if case.connection.is_none() && client.is_none() {
            self.no_key = self.no_key.saturating_add(1);
            return;
        }
        let group = self.groups.len();
        if let Some(connection) = case.connection {
            self.by_connection.entry(connection).or_default().push(group);
        }
        if let Some(client) = client {
            self.by_client.entry(client).or_insert(group);
        }
        let request = case.request;
        self.groups.push(Group { request, cases: vec![index], candidates: Vec::new(), met: 0 });
    }

    /// Looks at one access line, in any order.
    pub fn offer(&mut self, location: Location, record: &AccessRecord<'_>) {
        let (Some(time), Some(span)) = (record.time, self.span) else { return };
        let began = time.start() - record.request_time.unwrap_or(LONGEST_REQUEST);
        let alive = Interval::new(began, time.end()).widened(PRECISION, PRECISION);
        if !alive.overlaps(span) {
            return;
        }
        for index in self.groups_of(record) {
            self.consider(index, location, record, time, alive);
        }
    }

    /// The groups to which a line with this connection or client, and this request, may belong.
    fn groups_of(&self, record: &AccessRecord<'_>) -> Vec<usize> {
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

    fn consider(
        &mut self,
        group: usize,
        location: Location,
        record: &AccessRecord<'_>,
        time: Interval,
        alive: Interval,
    ) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let mut members = group.cases.iter().filter_map(|case| self.cases.get(*case));
        let is_its = |case: &JoinCase| {
            alive.overlaps(case.logged) && record.pid.is_none_or(|pid| pid == case.worker)
        };
        if members.any(is_its) {
            group.met = group.met.saturating_add(1);
            if group.met <= group.capacity() {
                group.candidates.push(Candidate::new(location, record, time, alive));
            }
        }
    }

    /// Takes over the lines that a clone of this join was offered elsewhere.
    pub fn absorb(&mut self, other: Self) {
        for (group, theirs) in self.groups.iter_mut().zip(other.groups) {
            group.met = group.met.saturating_add(theirs.met);
            let room = group.capacity().saturating_sub(group.candidates.len());
            group.candidates.extend(theirs.candidates.into_iter().take(room));
        }
    }

    /// The access lines of the cases, in order of their ids, and what became of all cases.
    pub fn finish(self) -> (Vec<Joined>, JoinTally) {
        let mut tally = JoinTally { no_key: self.no_key, ..JoinTally::default() };
        let mut all = Vec::new();
        for group in self.groups {
            assign::assign(group, &self.cases, &mut all, &mut tally);
        }
        all.sort_by_key(|joined| joined.id);
        (all, tally)
    }
}

impl Group {
    /// How many candidates are kept. A group that meets more cannot be told apart by time and
    /// counts as ambiguous.
    fn capacity(&self) -> usize {
        self.cases.len().saturating_mul(2).saturating_add(16)
    }
}

#[cfg(test)]
mod tests;
