//! An access line that may belong to a case, and the tries of its request.

use why504_model::{Endpoint, Interval, Location, Span, TimeoutKind};

use super::{AccessLine, JoinCase};
use crate::access::AccessRecord;
use crate::classify::Phase;

/// The most tries of one request that are kept; nginx stops at the number of peers.
const MAX_TRIES: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) line: AccessLine,
    /// From the first byte of the request to its end, with some slack.
    pub(super) alive: Interval,
    pub(super) pid: Option<u32>,
    pub(super) tries: Vec<Try>,
}

/// One try to reach an upstream. `None` is `-`, or a variable that the format lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Try {
    pub(super) peer: Option<Endpoint>,
    pub(super) status: Option<u16>,
    pub(super) connect: Option<Span>,
    pub(super) header: Option<Span>,
    pub(super) response: Option<Span>,
}

impl Candidate {
    pub(super) fn new(
        location: Location,
        record: &AccessRecord<'_>,
        time: Interval,
        alive: Interval,
    ) -> Self {
        let line =
            AccessLine { location, status: record.status, request_time: record.request_time, time };
        Self { line, alive, pid: record.pid, tries: tries(record) }
    }

    /// Whether the request was under way when the case was logged.
    pub(super) fn covers(&self, case: &JoinCase) -> bool {
        self.alive.overlaps(case.logged) && self.pid.is_none_or(|pid| pid == case.worker)
    }

    /// How many lines like this case the request must have caused: one for each try that failed
    /// so. `None` when the line does not tell.
    pub(super) fn expected(&self, case: &JoinCase) -> Option<usize> {
        let told = !case.cosocket && self.tries.iter().any(|one| one.status.is_some());
        told.then(|| self.tries.iter().filter(|one| one.fits(case)).count())
    }
}

impl Try {
    /// Whether this try can have caused the line of the case: nginx notes 504 for a timeout and
    /// 502 for a failed connect, and has no connect time before the (TLS) handshake is complete,
    /// except that a refusal has one (ngx_http_upstream.c:2173-2180, 4631).
    pub(super) fn fits(&self, case: &JoinCase) -> bool {
        let status = |wanted| self.status.is_none_or(|status| status == wanted);
        let outcome = match case.kind {
            TimeoutKind::UpstreamConnectTimeout | TimeoutKind::UpstreamSslTimeout => {
                status(504) && self.connect.is_none()
            }
            TimeoutKind::UpstreamReadTimeout => status(504) || case.phase == Phase::Transfer,
            kind if kind.is_failure() => status(502) && case.phase != Phase::Bind,
            _ => false,
        };
        outcome && case.peer.zip(self.peer).is_none_or(|(one, other)| one == other)
    }
}

pub(super) fn tries(record: &AccessRecord<'_>) -> Vec<Try> {
    let mut peers = record.upstream_addr.endpoints();
    let mut statuses = record.upstream_status.statuses();
    let mut connects = record.upstream_connect_time.spans();
    let mut headers = record.upstream_header_time.spans();
    let mut responses = record.upstream_response_time.spans();
    let mut tries = Vec::new();
    while tries.len() < MAX_TRIES {
        let next =
            (peers.next(), statuses.next(), connects.next(), headers.next(), responses.next());
        if next == (None, None, None, None, None) {
            break;
        }
        let (peer, status, connect, header, response) = next;
        tries.push(Try {
            peer: peer.flatten(),
            status: status.flatten(),
            connect: connect.flatten(),
            header: header.flatten(),
            response: response.flatten(),
        });
    }
    tries
}
