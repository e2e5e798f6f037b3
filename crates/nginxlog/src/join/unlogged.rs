//! The 504s of an access log that no error line tells of: the error log is missing, was rotated
//! away, or is set to a higher level.
//!
//! Taken is what the access line alone shows to be a connect timeout: the try has the status 504
//! and an address, and its connect time is `-`. Where the format has no connect time (as those of
//! ingress-nginx and APISIX) but response times, the connect or the answer timed out; the captures
//! have to tell. Everything else is counted.

use why504_model::{
    Endpoint, Interval, Location, StartBasis, TimeLimit, Timeout, TimeoutId, TimeoutKind,
};

use super::candidate::{Try, tries};
use super::derive::{limit_of, try_failed};
use super::{AccessLine, PRECISION};
use crate::access::{AccessRecord, unescape};

/// The most 504s that are kept; more are counted. One takes some hundred bytes.
pub(super) const MAX_KEPT: usize = 16_384;

/// The most bytes of a text that are kept for display.
const MAX_TEXT: usize = 1024;

/// A 504 of an access log, as a case of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access504 {
    /// Its access line, which is the log line of the case.
    pub access: AccessLine,
    /// The upstream whose connect timed out last.
    pub peer: Endpoint,
    /// When the timer expired.
    pub logged: Interval,
    /// When that connect began, where the line tells.
    pub start: Option<(Interval, StartBasis)>,
    /// How long the timer was, where the line tells.
    pub limits: Vec<TimeLimit>,
    /// The line shows that it was the connect that timed out, not the answer.
    pub connecting: bool,
    /// `$pid`.
    pub worker: Option<u32>,
    /// `$connection`.
    pub connection: Option<u64>,
    /// `$remote_addr`.
    pub client: Option<Vec<u8>>,
    /// The request line as received, its first KiB.
    pub request: Option<Vec<u8>>,
    /// `$host`, its first KiB.
    pub host: Option<Vec<u8>>,
}

/// Where the 504s of the access logs went: `total` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access504Tally {
    /// All 504s that were offered.
    pub total: u64,
    /// Cases of their own.
    pub cases: u64,
    /// An error line may tell of them.
    pub with_error_line: u64,
    /// No upstream with an address was tried: Lua code or nginx made the answer.
    pub without_upstream: u64,
    /// The connect of the try that timed out had succeeded.
    pub after_connect: u64,
    /// The line does not tell: the format has no upstream address, or neither connect nor response
    /// times, or no time of its own, or no try has the status 504.
    pub untold: u64,
    /// The same request in another access log.
    pub copies: u64,
    /// More than are kept.
    pub beyond: u64,
}

/// What is known of the 504s so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Unlogged {
    kept: Vec<Access504>,
    tally: Access504Tally,
}

impl Unlogged {
    /// Looks at an access line. `told`: an error line may be about it, or nobody can say.
    pub(super) fn offer(&mut self, location: Location, record: &AccessRecord<'_>, told: bool) {
        if record.status != Some(504) {
            return;
        }
        self.tally.total = self.tally.total.saturating_add(1);
        let count = match Access504::of(location, record) {
            _ if told => &mut self.tally.with_error_line,
            Err(Not::WithoutUpstream) => &mut self.tally.without_upstream,
            Err(Not::AfterConnect) => &mut self.tally.after_connect,
            Err(Not::Untold) => &mut self.tally.untold,
            Ok(_) if self.kept.len() >= MAX_KEPT => &mut self.tally.beyond,
            Ok(case) => {
                self.kept.push(case);
                &mut self.tally.cases
            }
        };
        *count = count.saturating_add(1);
    }

    /// The same of lines that stand so many further down.
    pub(super) fn moved(mut self, lines: u64) -> Self {
        for case in &mut self.kept {
            let record = &mut case.access.location.record;
            *record = record.saturating_add(lines);
        }
        self
    }

    pub(super) fn absorb(&mut self, other: Self) {
        let room = MAX_KEPT.saturating_sub(self.kept.len());
        let surplus = other.kept.len().saturating_sub(room) as u64;
        self.kept.extend(other.kept.into_iter().take(room));
        let (sum, more) = (&mut self.tally, other.tally);
        for (count, more) in [
            (&mut sum.total, more.total),
            (&mut sum.cases, more.cases.saturating_sub(surplus)),
            (&mut sum.with_error_line, more.with_error_line),
            (&mut sum.without_upstream, more.without_upstream),
            (&mut sum.after_connect, more.after_connect),
            (&mut sum.untold, more.untold),
            (&mut sum.copies, more.copies),
            (&mut sum.beyond, more.beyond.saturating_add(surplus)),
        ] {
            *count = count.saturating_add(more);
        }
    }

    /// In order of time, each request once.
    pub(super) fn finish(mut self) -> (Vec<Access504>, Access504Tally) {
        self.kept.sort_by_key(|case| (case.logged, case.peer, case.access.location));
        let before = self.kept.len();
        self.kept.dedup_by(|later, earlier| {
            let (one, other) = (&later.access, &earlier.access);
            one.location.source != other.location.source
                && (one.time, one.request_time) == (other.time, other.request_time)
                && (later.logged, later.peer, later.connection)
                    == (earlier.logged, earlier.peer, earlier.connection)
                && (&later.client, &later.request) == (&earlier.client, &earlier.request)
        });
        let copies = before.saturating_sub(self.kept.len()) as u64;
        self.tally.copies = self.tally.copies.saturating_add(copies);
        self.tally.cases = self.tally.cases.saturating_sub(copies);
        (self.kept, self.tally)
    }
}

/// Why a 504 is no case of its own.
enum Not {
    WithoutUpstream,
    AfterConnect,
    Untold,
}

impl Access504 {
    fn of(location: Location, record: &AccessRecord<'_>) -> Result<Self, Not> {
        let time = record.time.ok_or(Not::Untold)?;
        let tries = tries(record);
        if tries.iter().all(|one| one.peer.is_none()) {
            return Err(if record.has_upstream_addr { Not::WithoutUpstream } else { Not::Untold });
        }
        let last = tries.len().saturating_sub(1);
        // Without `$upstream_status` the last try is the one whose outcome the client got.
        let timed_out = |(index, one): &(usize, &Try)| match one.status {
            None => record.upstream_status.is_empty() && *index == last,
            status => status == Some(504),
        };
        let of_504 = || tries.iter().enumerate().rev().filter(timed_out);
        let connecting = of_504().find(|(_, one)| one.connect.is_none());
        let Some((index, this)) = connecting else {
            return Err(if of_504().next().is_some() { Not::AfterConnect } else { Not::Untold });
        };
        let peer = this.peer.ok_or(Not::WithoutUpstream)?;
        let connecting = record.has_connect_time;
        if !connecting && this.response.is_none() {
            return Err(Not::Untold);
        }
        let status = record.status;
        let access = AccessLine { location, status, request_time: record.request_time, time };
        let failed = try_failed(&access, &tries, index);
        let logged = failed.unwrap_or(time).widened(PRECISION, PRECISION);
        let start = this
            .response
            .filter(|_| failed.is_some())
            .map(|response| (logged.shifted(-response), StartBasis::UpstreamTimes));
        let request = record.request.map(|line| unescape(line, record.escape).into_owned());
        let request = request.or_else(|| {
            let (method, uri) = record.method.zip(record.uri)?;
            Some([method, b" ", &unescape(uri, record.escape)].concat())
        });
        let short = |mut text: Vec<u8>| {
            text.truncate(MAX_TEXT);
            text.shrink_to_fit();
            text
        };
        Ok(Self {
            access,
            peer,
            logged,
            start,
            limits: this.response.map(limit_of).into_iter().collect(),
            connecting,
            worker: record.pid,
            connection: record.connection,
            client: record.remote_addr.map(<[u8]>::to_vec).map(short),
            request: request.map(short),
            host: record.host.map(|host| short(unescape(host, record.escape).into_owned())),
        })
    }

    /// Whether the line tells the connect from the answer.
    pub fn kind(&self) -> TimeoutKind {
        if self.connecting { TimeoutKind::Access504 } else { TimeoutKind::Access504Unclear }
    }

    /// The case as numbers.
    pub fn timeout(&self, id: TimeoutId) -> Timeout {
        Timeout {
            id,
            location: self.access.location,
            kind: self.kind(),
            never_sent: false,
            peer: Some(self.peer),
            logged: self.logged,
            start: self.start,
            limits: self.limits.clone(),
            worker: self.worker,
            connection: self.connection,
        }
    }
}
