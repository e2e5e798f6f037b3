//! What each packet means, in a few plain words.

use why504_handshake::{Event, EventKind, Path, PointId, Side};
use why504_model::{Interval, Span};

use super::{Flight, Flights, Seen};
use crate::moment::duration;
use crate::run::Captures;

/// Where a point stands on the way of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    Between,
    Upstream,
}

/// The names by which notes call the points.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    roles: Vec<(PointId, Role, String)>,
}

impl Roles {
    pub(crate) fn new(captures: &Captures<'_>, flights: &Flights<'_>) -> Self {
        let server = flights.attempt.flow().server.ip;
        let roles = flights
            .stations
            .iter()
            .map(|&point| {
                let role = role(captures.path, point, server);
                let name = match role {
                    Role::Gateway => "the gateway".to_owned(),
                    Role::Upstream => "the upstream".to_owned(),
                    Role::Between => captures.point(point).to_owned(),
                };
                (point, role, name)
            })
            .collect();
        Self { roles }
    }

    fn of(&self, point: PointId) -> Role {
        self.roles.iter().find(|r| r.0 == point).map_or(Role::Between, |r| r.1)
    }

    fn name(&self, point: PointId) -> &str {
        self.roles.iter().find(|r| r.0 == point).map_or("the next point", |r| r.2.as_str())
    }

    /// `leaves the gateway`, `arrives at the upstream`, `passes fw1`.
    fn verb(&self, seen: &Seen<'_>) -> String {
        let verb = match (self.of(seen.point), seen.event.side) {
            (Role::Gateway, Side::Client) | (Role::Upstream, Side::Server) => "leaves",
            (Role::Gateway, Side::Server) | (Role::Upstream, Side::Client) => "arrives at",
            (Role::Between, _) => "passes",
        };
        format!("{verb} {}", self.name(seen.point))
    }

    /// The note of a packet as one point saw it. `given_up` is when nginx gave up, on the near
    /// clock.
    pub(crate) fn note(
        &self,
        flights: &Flights<'_>,
        flight: &Flight<'_>,
        seen: &Seen<'_>,
        given_up: Option<Interval>,
    ) -> String {
        let first = flight.first().is_some_and(|f| f.point == seen.point);
        let subject = subject(flights, flight, seen.event);
        let mut note = if first {
            self.departure(&subject, flights, flight, seen)
        } else {
            format!("the same {} {}", subject.short, self.verb(seen))
        };
        let answer = seen.event.side == Side::Server && self.of(seen.point) == Role::Gateway;
        if answer && given_up.is_some_and(|at| seen.near_time >= at.end()) {
            note.push_str("; late: nginx had given up");
        }
        let last = flight.seen.last().is_some_and(|l| l.point == seen.point);
        if let Some(missing) = flight.missing_at.filter(|_| last) {
            note.push_str(&format!("; not seen at {}", self.name(missing)));
        }
        note
    }

    fn departure(
        &self,
        subject: &Subject,
        flights: &Flights<'_>,
        flight: &Flight<'_>,
        seen: &Seen<'_>,
    ) -> String {
        match again(flights, flight) {
            Some(after) => format!("{} again, +{}", subject.long, duration(after)),
            None if subject.says_all => subject.long.clone(),
            None => format!("{} {}", subject.long, self.verb(seen)),
        }
    }
}

fn role(path: &Path, point: PointId, server: std::net::IpAddr) -> Role {
    let place = path.place(point, server);
    if place.at_client() {
        Role::Gateway
    } else if place.nearer_server() {
        Role::Upstream
    } else {
        Role::Between
    }
}

/// What a packet is called.
struct Subject {
    /// At its first sighting.
    long: String,
    /// At the next ones.
    short: &'static str,
    /// `long` is a statement that needs no verb.
    says_all: bool,
}

fn subject(flights: &Flights<'_>, flight: &Flight<'_>, event: &Event) -> Subject {
    let plain = |short: &'static str| Subject { long: short.to_owned(), short, says_all: false };
    let said = |long: String, short: &'static str| Subject { long, short, says_all: true };
    let established = flights.attempt.sightings().any(|s| {
        s.third_ack().is_some_and(|ack| {
            s.events.iter().any(|e| e == event) && ack.time <= event.time && ack != event
        })
    });
    if let Some(isn) = event.about {
        return match event.kind {
            EventKind::Rst => said(format!("RST for the earlier attempt (ISN {})", isn.0), "RST"),
            _ => said(
                format!(
                    "bare ACK for the earlier attempt (ISN {}) that still holds this port",
                    isn.0
                ),
                "bare ACK",
            ),
        };
    }
    let isn = flights.attempt.isn();
    match (event.kind, event.side) {
        (EventKind::Syn, Side::Client) => plain("SYN"),
        (EventKind::Syn, Side::Server) => said("SYN from the upstream's side".into(), "SYN"),
        (EventKind::SynAck, _) if event.ack != isn.next() && event.payload_len == 0 => {
            said(format!("SYN+ACK for another number (ISN {})", event.ack.previous().0), "SYN+ACK")
        }
        (EventKind::SynAck, _) => plain("SYN+ACK"),
        (EventKind::Ack, Side::Client) if !established => {
            said("ACK: the gateway takes the SYN+ACK".into(), "ACK")
        }
        (EventKind::Ack, Side::Server)
            if !established && event.ack == isn.next() && event.drawn_by.is_none() =>
        {
            said("bare ACK for this attempt, and no later SYN that drew it".into(), "bare ACK")
        }
        (EventKind::Ack, Side::Server) if !established && event.ack == isn.next() => said(
            "bare ACK: the upstream still holds this attempt, and a later SYN hit its port".into(),
            "bare ACK",
        ),
        (EventKind::Ack, _) => plain("ACK"),
        (EventKind::Data, _) => said(format!("{} bytes of payload", event.payload_len), "payload"),
        (EventKind::Fin, _) => plain("FIN"),
        (EventKind::Rst, Side::Client) if !established && event.seq == isn.next() => {
            said("RST: the gateway's socket was gone".into(), "RST")
        }
        (EventKind::Rst, Side::Server)
            if !established && event.ack == isn.next() && flight.seen.len() <= 1 =>
        {
            said("RST: the upstream refuses this SYN".into(), "RST")
        }
        (EventKind::Rst, _) => plain("RST"),
        (EventKind::Icmp, _) => said(icmp(event), "ICMP error"),
    }
}

fn icmp(event: &Event) -> String {
    match event.icmp {
        Some(cause) => format!(
            "ICMP {}/{} from {}: it quotes this SYN",
            cause.kind, cause.code, cause.reporter
        ),
        None => "ICMP error: it quotes this SYN".to_owned(),
    }
}

/// How long after the first packet of its kind this one came; `None` for the first.
fn again(flights: &Flights<'_>, flight: &Flight<'_>) -> Option<Span> {
    let this = flight.first()?;
    let repeatable = matches!(this.event.kind, EventKind::Syn | EventKind::SynAck);
    let first = flights
        .packets
        .iter()
        .filter_map(Flight::first)
        .find(|s| {
            s.event.kind == this.event.kind
                && s.event.side == this.event.side
                && s.event.about == this.event.about
                && s.event.ack == this.event.ack
        })
        .filter(|s| repeatable && s.near_time < this.near_time)?;
    Some(this.near_time.since(first.near_time))
}
