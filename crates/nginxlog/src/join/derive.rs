//! What the times of an access line say about the connects of its request.
//!
//! A try begins when the one before it has failed, and `$upstream_response_time` runs from there
//! (nginx resets `u->start_time` right before connecting, ngx_http_upstream.c:1592), so the
//! beginning of each try is the end of the request minus the response times from it on.

use why504_model::{Interval, LimitSource, Span, StartBasis, TimeLimit, TimeoutKind, Timestamp};

use super::candidate::{Candidate, Try};
use super::{AccessLine, JoinCase, Joined, PRECISION};
use crate::classify::Phase;

/// How much later than its timer a busy worker may notice that it has expired.
const STALL: Span = Span::from_millis(100);

/// What `$msec` and the response times cut off.
const ROUNDING: Span = Span::from_millis(1);

/// The cases of one request in the order of their lines; whether its times contradict each other.
pub(super) fn derive(candidate: &Candidate, cases: &[&JoinCase]) -> Vec<(Joined, bool)> {
    let mut next_try = 0;
    let mut first = true;
    // Without upstream times the request time is all there is, for nginx's own upstreams too.
    let timeless = candidate.tries.iter().all(|one| one.response.is_none());
    let by_request = |case: &JoinCase| case.cosocket || timeless;
    let alone = cases.iter().filter(|case| by_request(case)).count() == 1;
    let mut all = Vec::with_capacity(cases.len());
    for case in cases {
        let mut joined = Joined {
            id: case.id,
            access: candidate.line,
            peer: None,
            start: None,
            limits: Vec::new(),
            logged: intersection(case.logged, candidate.alive),
        };
        let contradictory = if by_request(case) {
            if first {
                by_request_time(&mut joined, candidate, case, alone && timeless);
            }
            first = false;
            false
        } else {
            let fits = |(_, one): &(usize, &Try)| one.fits(case);
            let found = candidate.tries.iter().enumerate().skip(next_try).find(fits);
            found.is_some_and(|(index, one)| {
                next_try = index + 1;
                by_try(&mut joined, candidate, case, index, one)
            })
        };
        all.push((joined, contradictory));
    }
    all
}

/// Fills in what a try tells; returns whether it contradicts the error line.
fn by_try(
    joined: &mut Joined,
    candidate: &Candidate,
    case: &JoinCase,
    index: usize,
    this: &Try,
) -> bool {
    if case.peer.is_none() {
        joined.peer = this.peer;
    }
    joined.limits.extend(try_limit(case, this));
    let failed = try_failed(&candidate.line, &candidate.tries, index);
    let (Some(response), Some(failed)) = (this.response, failed) else { return false };
    let at_failure = failed.widened(PRECISION, PRECISION);
    if !at_failure.overlaps(case.logged) {
        return true;
    }
    // The error line has the clock of the loop that noticed the expiry, as these times have.
    joined.logged = intersection(case.logged, at_failure);
    // Rounding may put the beginning just before the second of the line: it is not cut there.
    let noticed = intersection(case.logged.widened(PRECISION, PRECISION), at_failure);
    let began = since_request(&candidate.line, noticed.shifted(-response));
    joined.start = Some((began, StartBasis::UpstreamTimes));
    false
}

/// No try was made before its request began, and that is known exactly: `$msec` and `$request_time` are
/// of one cached time, the beginning was another (`r->start_sec`, `r->start_msec`), and what is cached is
/// never ahead of the clock.
fn since_request(line: &AccessLine, began: Interval) -> Interval {
    let Some(request_time) = line.request_time else { return began };
    let request = line.time.shifted(-request_time);
    Interval::new(began.start().max(request.start()).min(began.end()), began.end())
}

/// When the try with this index failed, by the times of all tries of its request.
pub(super) fn try_failed(line: &AccessLine, tries: &[Try], index: usize) -> Option<Interval> {
    let response = tries.get(index)?.response?;
    let after = sum(tries.get(index + 1..).unwrap_or_default())?;
    let before = sum(tries.get(..index).unwrap_or_default());
    Some(failure_time(line, before.map(|before| before + response), after))
}

/// The timer of a connect that took this long to fail.
pub(super) fn limit_of(response: Span) -> TimeLimit {
    limit(response - STALL, response)
}

/// When a try failed: `through` after the first one began, `after` before the request ended. The
/// two agree unless time passed before the first try or after the last one. The latter cannot
/// have been when nginx itself answered the failure; otherwise both ends are possible.
fn failure_time(line: &AccessLine, through: Option<Span>, after: Span) -> Interval {
    let latest = line.time.shifted(-after);
    let answered_at_once = line.status.is_some_and(|status| status >= 500);
    match (line.request_time, through) {
        (Some(request_time), Some(through)) if !answered_at_once => {
            let earliest = line.time.shifted(through - request_time);
            if earliest.start() < latest.start() { earliest.hull(latest) } else { latest }
        }
        _ => latest,
    }
}

/// The timer of a try.
fn try_limit(case: &JoinCase, this: &Try) -> Option<TimeLimit> {
    let response = this.response?;
    let (length, exact) = match (case.kind, case.phase) {
        (TimeoutKind::UpstreamConnectTimeout | TimeoutKind::UpstreamSslTimeout, _) => {
            (response, true)
        }
        // The read timer begins when the request is sent: right after the connect, unless the
        // request is long.
        (TimeoutKind::UpstreamReadTimeout, Phase::Read) => (response - this.connect?, true),
        // These timers begin anew with every piece that is sent or read.
        (TimeoutKind::UpstreamReadTimeout, Phase::Transfer) => {
            (response - this.header.or(this.connect)?, false)
        }
        (TimeoutKind::UpstreamReadTimeout, _) => (response - this.connect?, false),
        _ => return None,
    };
    Some(limit(if exact { length - STALL } else { Span::ZERO }, length))
}

/// Fills in what the request time tells about the first failure of a request. `alone`: nothing
/// else took time that is known of.
fn by_request_time(joined: &mut Joined, candidate: &Candidate, case: &JoinCase, alone: bool) {
    let line = candidate.line;
    let Some(request_time) = line.request_time else { return };
    let began = line.time.shifted(-request_time).widened(PRECISION, PRECISION);
    joined.start = Some((since_request(&line, began), StartBasis::RequestTime));
    if !alone {
        return;
    }
    // If the request ended with an error in the second of the line, the expired timer ended it.
    let ended_it = line.time.overlaps(case.logged) && line.status.is_some_and(|s| s >= 500);
    let at_least =
        if ended_it { request_time - STALL } else { case.logged.start().since(began.end()) };
    match case.kind {
        TimeoutKind::LuaConnectTimeout if case.phase == Phase::Queue => {}
        TimeoutKind::LuaConnectTimeout
        | TimeoutKind::UpstreamConnectTimeout
        | TimeoutKind::UpstreamSslTimeout => joined.limits.push(limit(at_least, request_time)),
        // The connect and the sending came before it.
        TimeoutKind::LuaReadTimeout | TimeoutKind::UpstreamReadTimeout => {
            joined.limits.push(limit(Span::ZERO, request_time));
        }
        _ => {}
    }
}

fn limit(at_least: Span, length: Span) -> TimeLimit {
    let at_most = (length + ROUNDING).max(ROUNDING);
    let at_least = at_least.max(Span::ZERO).min(at_most);
    TimeLimit { at_least, at_most, source: LimitSource::AccessLog }
}

/// The response times of several tries together; `None` if one is missing.
fn sum(tries: &[Try]) -> Option<Span> {
    tries.iter().try_fold(Span::ZERO, |total, one| Some(total + one.response?))
}

/// What both say; `one` where they contradict each other.
fn intersection(one: Interval, other: Interval) -> Interval {
    let start: Timestamp = one.start().max(other.start());
    let end = one.end().min(other.end());
    if start < end { Interval::new(start, end) } else { one }
}
