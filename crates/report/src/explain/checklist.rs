//! The signs of the founding write-up, looked for one by one, with the frames that show them.

use std::io;

use why504_correlate::ends;
use why504_handshake::{Attempt, Event, EventKind, PointId, Schedule, Side, Sighting};
use why504_model::{Interval, Span};

use crate::flight::Flights;
use crate::moment::duration;
use crate::page::{Page, inked, plain, wrap};
use crate::run::{Captures, Run};
use crate::style::Ink;
use crate::visible::visible;

/// A later SYN on the same 4-tuple within this time meets a request that is still half open: it
/// lives 63 s after its last SYN (`reqsk_timer_handler`), timers up to 5 % late.
const HALF_OPEN: Span = Span::from_secs(67);
/// Frames cited for one sign.
const CITED: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Unknown,
}

struct Sign {
    name: &'static str,
    question: &'static str,
    answer: Answer,
    why: String,
}

pub(super) fn print(
    run: &Run<'_>,
    attempt: &Attempt,
    given_up: Interval,
    page: &mut Page<'_>,
) -> io::Result<()> {
    for sign in signs(run, attempt, given_up) {
        let (mark, ink) = match sign.answer {
            Answer::Yes => ("[x]", Ink::Sure),
            Answer::No => ("[ ]", Ink::Plain),
            Answer::Unknown => ("[?]", Ink::Unsure),
        };
        page.line(&[
            plain("  "),
            inked(mark, ink),
            inked(format!(" {} ", sign.name), Ink::Strong),
            plain(sign.question),
        ])?;
        for line in wrap(&visible(&sign.why), page.width().saturating_sub(9), 0) {
            page.line(&[plain(" ".repeat(9)), inked(line, Ink::Faint)])?;
        }
    }
    page.wrapped(
        2,
        0,
        "[x] seen   [ ] not so   [?] cannot be known from these captures",
        Ink::Faint,
    )
}

fn signs(run: &Run<'_>, attempt: &Attempt, given_up: Interval) -> Vec<Sign> {
    let captures = run.captures();
    let to = attempt.flow().server.ip;
    let stations = Flights::new(&captures, attempt).stations;
    let (client, server) = ends(&stations, |point| captures.path.place(*point, to).nearer_server());
    let gateway = End::new(&captures, attempt, client.copied(), given_up, "gateway");
    let upstream = End::new(&captures, attempt, server.copied(), given_up, "upstream");
    let sign = |name, question, (answer, why)| Sign { name, question, answer, why };
    vec![
        sign("C1", "the gateway sent a SYN, seq = x", gateway.syn()),
        sign("C2", "no SYN+ACK came back in time", gateway.no_syn_ack(given_up)),
        sign("C3", "the gateway sent the SYN again", gateway.syn_again(run, attempt)),
        sign(
            "C4",
            "a bare ACK (ack = x+1) came, and a RST answered it",
            gateway.bare_ack_and_rst(),
        ),
        sign("S1", "the SYN, seq = x, arrived at the upstream", upstream.syn()),
        sign("S2", "the upstream sent its SYN+ACK again and again", upstream.syn_acks()),
        sign("S3", "after that a SYN arrived once more", upstream.syn_after(run, attempt)),
        sign("S4", "the upstream answered it with a bare ACK (ack = x+1)", upstream.bare_ack()),
    ]
}

type Found = (Answer, String);

/// One end of the way, and what its capture holds.
struct End<'a> {
    captures: Captures<'a>,
    sighting: Option<&'a Sighting>,
    /// Why a missing packet says nothing here.
    blind: Option<String>,
}

impl<'a> End<'a> {
    fn new(
        captures: &Captures<'a>,
        attempt: &'a Attempt,
        point: Option<PointId>,
        given_up: Interval,
        name: &str,
    ) -> Self {
        let blind = match point {
            None => Some(format!("cannot be known: no capture at the {name}")),
            Some(point) => {
                // Coverage is kept by the minute: the clocks' offset does not matter here.
                let during = Interval::new(attempt.first_syn(), given_up.end());
                let near = attempt.nearest().point;
                let skew =
                    during.start().since(captures.on_near_clock(near, point, during.start()));
                let server = attempt.flow().server;
                let coverage = captures.coverage.get(&point);
                coverage
                    .and_then(|c| c.of(server, during.shifted(skew)).err())
                    .map(|gap| format!("cannot be known: {}", gap.words()))
            }
        };
        Self { captures: *captures, sighting: point.and_then(|p| attempt.at(p)), blind }
    }

    /// Something was not seen: an answer only where it would have been.
    fn absent(&self, answer: Answer, why: impl Into<String>) -> Found {
        match &self.blind {
            Some(blind) => (Answer::Unknown, blind.clone()),
            None => (answer, why.into()),
        }
    }

    fn seen(&self, events: &[&Event], words: &str) -> Found {
        (Answer::Yes, format!("{}{words}", self.cite(events)))
    }

    /// `gateway.pcap#3, #7`.
    fn cite(&self, events: &[&Event]) -> String {
        let mut frames: Vec<String> = events
            .iter()
            .take(CITED)
            .map(|e| {
                let path = self.captures.file(e.location);
                format!("{}#{}", path.rsplit('/').next().unwrap_or(path), e.location.record)
            })
            .collect();
        if events.len() > CITED {
            frames.push(format!("{} more", events.len() - CITED));
        }
        frames.join(", ")
    }

    fn events(&self, wanted: impl Fn(&Event) -> bool) -> Vec<&'a Event> {
        let sighting: Option<&'a Sighting> = self.sighting;
        sighting.iter().flat_map(|s| s.events.iter()).filter(|e| wanted(e)).collect()
    }

    fn syn(&self) -> Found {
        let syns: Vec<&Event> = self.sighting.iter().flat_map(|s| s.syns()).collect();
        match syns.as_slice() {
            [] => self.absent(Answer::No, "none is in the capture, which covers the moment"),
            [first, ..] => self.seen(&[first], &format!(", seq {}", first.seq.0)),
        }
    }

    fn no_syn_ack(&self, given_up: Interval) -> Found {
        let answers: Vec<&Event> = self.sighting.iter().flat_map(|s| s.syn_acks()).collect();
        let (in_time, late): (Vec<&Event>, Vec<&Event>) =
            answers.into_iter().partition(|e| e.time < given_up.end());
        let reset = self.sighting.and_then(Sighting::client_rst);
        match (in_time.as_slice(), late.as_slice()) {
            ([], []) => self.absent(Answer::Yes, "none is in the capture, which covers the moment"),
            ([], late) => (Answer::Yes, format!("it came too late: {}", self.cite(late))),
            (came, _) => match reset {
                Some(rst) => (
                    Answer::Yes,
                    format!(
                        "{} came, and {} reset it: the socket was gone",
                        self.cite(came),
                        self.cite(&[rst])
                    ),
                ),
                None => (Answer::No, format!("it came: {}", self.cite(came))),
            },
        }
    }

    fn syn_again(&self, run: &Run<'_>, attempt: &Attempt) -> Found {
        let syns: Vec<&Event> = self.sighting.iter().flat_map(|s| s.syns()).collect();
        match syns.as_slice() {
            [] => self.absent(Answer::No, "no SYN at all"),
            [_] => self.absent(
                Answer::No,
                "one SYN only; Linux repeats it after 1 s, so a shorter timeout never sees this",
            ),
            [first, again @ ..] => {
                let after: Vec<String> =
                    again.iter().take(CITED).map(|e| duration(e.time.since(first.time))).collect();
                let host = attempt.flow().client.ip;
                let own = |other: &&Attempt| other.flow().client.ip == host;
                let attempts = run.merged.attempts.iter().filter(own).map(Attempt::nearest);
                let schedule = Schedule::of_host(attempts).map_or("", kernel);
                self.seen(again, &format!(", after {}{schedule}", after.join(", ")))
            }
        }
    }

    /// Bare ACKs for an unfinished attempt, this one or an earlier one on its port.
    fn bare_acks(&self) -> Vec<&'a Event> {
        let sighting: Option<&'a Sighting> = self.sighting;
        sighting.iter().flat_map(|s| s.foreign_acks().chain(s.bare_acks())).collect()
    }

    fn bare_ack_and_rst(&self) -> Found {
        let acks = self.bare_acks();
        let resets = self.events(|e| e.side == Side::Client && e.kind == EventKind::Rst);
        match (acks.as_slice(), resets.as_slice()) {
            ([], []) => self.absent(Answer::No, "no bare ACK came, and no RST was sent"),
            ([], resets) => {
                (Answer::No, format!("{}: a RST, but no bare ACK before it", self.cite(resets)))
            }
            (acks, []) => (Answer::No, format!("{}: a bare ACK, but no RST", self.cite(acks))),
            ([ack, ..], resets) => {
                let both: Vec<&Event> = [*ack].into_iter().chain(resets.iter().copied()).collect();
                self.seen(&both, &of_earlier(ack))
            }
        }
    }

    fn syn_acks(&self) -> Found {
        let answers: Vec<&Event> = self.sighting.iter().flat_map(|s| s.syn_acks()).collect();
        match answers.as_slice() {
            [] => self.absent(Answer::No, "it sent none"),
            [only] => (Answer::No, format!("it sent one: {}", self.cite(&[only]))),
            all => self.seen(all, &format!(" ({} in all)", all.len())),
        }
    }

    /// The same SYN again, or one with a new ISN on the same 4-tuple: a new attempt on a port that
    /// the upstream still holds.
    fn syn_after(&self, run: &Run<'_>, attempt: &Attempt) -> Found {
        let Some(sighting) = self.sighting else {
            return self.absent(Answer::No, "no SYN arrived at all");
        };
        let answered = sighting.syn_acks().next().map(|e| e.time);
        let again: Vec<&Event> =
            sighting.syns().filter(|e| answered.is_some_and(|t| e.time > t)).collect();
        if sighting.foreign_acks().next().is_some() {
            let syns: Vec<&Event> = sighting.syns().collect();
            return self
                .seen(&syns, ": this attempt's own SYN, ISN z, on the port of an earlier one");
        }
        let began = sighting.first_syn();
        let later = run
            .merged
            .attempts
            .iter()
            .filter(|other| other.isn() != attempt.isn())
            .filter_map(|other| other.at(sighting.point))
            .filter(|other| other.flow == sighting.flow && answered.is_some())
            .find(|o| o.first_syn() > began && o.first_syn().since(began) <= HALF_OPEN);
        let repeated = format!("{}: the same ISN x, a repeated SYN", self.cite(&again));
        let new = later.and_then(|other| other.syns().next()).map(|syn| {
            format!("{}: a new ISN z, so a new attempt on the same port", self.cite(&[syn]))
        });
        match (again.is_empty(), new) {
            (true, None) => self.absent(Answer::No, "none did"),
            (true, Some(new)) => (Answer::Yes, new),
            (false, None) => (Answer::Yes, repeated),
            (false, Some(new)) => (Answer::Yes, format!("{repeated}; {new}")),
        }
    }

    fn bare_ack(&self) -> Found {
        let acks = self.bare_acks();
        match acks.as_slice() {
            [] => self.absent(Answer::No, "no bare ACK left it"),
            [first, ..] => {
                let why = of_earlier(first);
                self.seen(&acks, &why)
            }
        }
    }
}

/// Which kernels repeat SYNs so.
const fn kernel(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::FromThree => {
            "; this host repeats SYNs after 3, 9 and 21 s, as Linux before 3.1 and older Windows do"
        }
        Schedule::FromOne => {
            "; this host repeats SYNs after 1, 3, 7 and 15 s, as Linux 3.1 to 6.4 does"
        }
        Schedule::LinearFirst => {
            "; this host repeats SYNs after 1, 2, 3, 4, 5 and 7 s, as Linux 6.5 and later does"
        }
    }
}

fn of_earlier(ack: &Event) -> String {
    match ack.about {
        Some(isn) => format!(": it is for the earlier attempt, ISN x = {}", isn.0),
        None if ack.drawn_by.is_some() => {
            ": it is for this attempt; a later SYN on its port drew it".to_owned()
        }
        None => ": it is for this attempt, and no later SYN drew it".to_owned(),
    }
}
