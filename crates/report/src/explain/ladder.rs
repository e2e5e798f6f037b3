//! The packet ladder: a lane for each capture point, an arrow for each packet, lost ones end in `x`.

use std::io;

use why504_handshake::{Attempt, Event, EventKind, PointId, Side};
use why504_model::{Interval, SeqNumber, Span};

use crate::flight::{Flight, Flights};
use crate::moment::{duration, relative};
use crate::page::{Page, inked, plain};
use crate::run::Run;
use crate::style::Ink;
use crate::visible::{columns, cut, visible};

/// Columns of the time on the left and of the frames on the right.
const TIME: usize = 12;
const FRAMES: usize = 17;
const LANE_WIDEST: usize = 46;
const ROWS_SHOWN: usize = 40;
/// A packet that was on its way for longer says so.
const SLOW: Span = Span::from_millis(100);

/// A vertical line of the ladder.
struct Lane {
    /// `None`: this end was not captured.
    point: Option<PointId>,
    name: String,
}

pub(super) fn print(
    run: &Run<'_>,
    attempt: &Attempt,
    given_up: Interval,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let flights = Flights::new(&run.captures(), attempt);
    let ladder = Ladder::new(run, &flights, page.width());
    let names = Names::of(attempt);
    page.heading("THE PACKETS ON THEIR WAY")?;
    page.wrapped(2, 2, &names.legend(attempt), Ink::Faint)?;
    page.line(&[plain(" ".repeat(TIME)), inked(ladder.heading(), Ink::Strong)])?;
    let mut waiting = Some(given_up);
    for flight in flights.packets.iter().take(ROWS_SHOWN) {
        let Some(first) = flight.first() else { continue };
        if let Some(at) = waiting.filter(|at| first.near_time >= at.end()) {
            ladder.give_up(attempt, at, page)?;
            waiting = None;
        }
        let time = relative(first.near_time.since(flights.first_syn()));
        let ink = if flight.missing_at.is_some() { Ink::Loss } else { Ink::Plain };
        page.line(&[
            inked(format!("{time:>w$}  ", w = TIME - 2), Ink::Faint),
            inked(ladder.arrow(flight, &names), ink),
            inked(format!("  {}", frames(flight)), Ink::Faint),
        ])?;
    }
    if let Some(at) = waiting {
        ladder.give_up(attempt, at, page)?;
    }
    let more = flights.packets.len().saturating_sub(ROWS_SHOWN);
    if more > 0 {
        page.line(&[inked(format!("  and {more} more packets"), Ink::Faint)])?;
    }
    page.wrapped(2, 2, ladder.key(), Ink::Faint)
}

fn frames(flight: &Flight<'_>) -> String {
    let frames: Vec<String> =
        flight.seen.iter().map(|s| format!("#{}", s.event.location.record)).collect();
    frames.join(" ")
}

struct Ladder {
    lanes: Vec<Lane>,
    /// Columns from one lane to the next.
    step: usize,
}

impl Ladder {
    fn new(run: &Run<'_>, flights: &Flights<'_>, width: usize) -> Self {
        let captures = run.captures();
        let mut lanes: Vec<Lane> = flights
            .stations
            .iter()
            .map(|&p| Lane { point: Some(p), name: captures.point(p).to_owned() })
            .collect();
        if let [only] = flights.stations.as_slice() {
            let server = flights.attempt.flow().server.ip;
            let blind = |name: &str| Lane { point: None, name: format!("{name} (not captured)") };
            if captures.path.place(*only, server).nearer_server() {
                lanes.insert(0, blind("gateway"));
            } else {
                lanes.push(blind("upstream"));
            }
        }
        let room = width.saturating_sub(TIME + FRAMES);
        let gaps = lanes.len().saturating_sub(1).max(1);
        let step = ((room.saturating_sub(1)) / gaps).clamp(4, LANE_WIDEST);
        Self { lanes, step }
    }

    fn width(&self) -> usize {
        self.lanes.len().saturating_sub(1) * self.step + 1
    }

    /// The names above their lanes, the last one flush right.
    fn heading(&self) -> String {
        let mut text = String::new();
        let last = self.lanes.len().saturating_sub(1);
        for (i, lane) in self.lanes.iter().enumerate() {
            let name = visible(&lane.name);
            let room = if last == 0 { self.step } else { self.step.saturating_sub(2) };
            let room = if i == 0 || i == last { room / 2 + 4 } else { room };
            let name = cut(&name, room);
            let start = if i == last && last > 0 {
                self.width().saturating_sub(columns(&name))
            } else {
                i * self.step
            };
            let pad = start.saturating_sub(columns(&text));
            text.push_str(&" ".repeat(pad));
            text.push_str(&name);
        }
        text
    }

    fn rails(&self) -> Vec<char> {
        let mut row = vec![' '; self.width()];
        for i in 0..self.lanes.len() {
            if let Some(cell) = row.get_mut(i * self.step) {
                *cell = '│';
            }
        }
        row
    }

    fn arrow(&self, flight: &Flight<'_>, names: &Names) -> String {
        let mut row = self.rails();
        let lane = |point: PointId| self.lanes.iter().position(|l| l.point == Some(point));
        let (Some(first), Some(last)) = (
            flight.first().and_then(|s| lane(s.point)),
            flight.seen.last().and_then(|s| lane(s.point)),
        ) else {
            return row.into_iter().collect();
        };
        let east = flight.side() == Side::Client;
        // The lane behind the last one that saw it: missing there, or not captured.
        let next = if east { last.checked_add(1) } else { last.checked_sub(1) }
            .and_then(|i| Some((i, self.lanes.get(i)?)));
        // The lane before the first one that saw it, where nobody watched.
        let unseen_start = if east { first.checked_sub(1) } else { first.checked_add(1) }
            .filter(|i| self.lanes.get(*i).is_some_and(|l| l.point.is_none()));
        let from = self.x(unseen_start.unwrap_or(first));
        let (to, tip) = match next {
            Some((i, lane)) if lane.point.is_none() => (self.x(i), '?'),
            Some((i, _)) if flight.missing_at.is_some() => (self.part_way(last, i), 'x'),
            _ => (self.x(last), if east { '>' } else { '<' }),
        };
        let (low, high) = (from.min(to), from.max(to));
        for cell in row.iter_mut().take(high).skip(low + 1) {
            if *cell == ' ' {
                *cell = '─';
            }
        }
        // A tip stands before the lane that it reaches, an `x` where the packet was lost.
        let at = match tip {
            'x' => to,
            _ if to > from => to.saturating_sub(1),
            _ => to + 1,
        };
        if let Some(cell) = row.get_mut(at) {
            *cell = tip;
        }
        write_label(&mut row, low + 2, high.saturating_sub(2), &names.label(flight));
        row.into_iter().collect()
    }

    const fn x(&self, lane: usize) -> usize {
        lane * self.step
    }

    /// Where a packet is drawn as lost: most of the way, so that its label has room.
    const fn part_way(&self, from: usize, to: usize) -> usize {
        let most = self.step * 4 / 5;
        if to > from { from * self.step + most } else { from * self.step - most }
    }

    fn give_up(&self, attempt: &Attempt, at: Interval, page: &mut Page<'_>) -> io::Result<()> {
        let mut row = self.rails();
        let width = row.len();
        for cell in row.iter_mut().step_by(2).filter(|c| **c == ' ') {
            *cell = '-';
        }
        let from = at.start().since(attempt.first_syn()).as_secs_f64();
        let to = at.end().since(attempt.first_syn()).as_secs_f64();
        let labels =
            [format!("nginx gives up, {from:+.2} to {to:+.2}"), "nginx gives up".to_owned()];
        write_label(&mut row, 2, width.saturating_sub(2), &labels);
        page.line(&[
            plain(" ".repeat(TIME)),
            inked(row.into_iter().collect::<String>(), Ink::Strong),
        ])
    }

    fn key(&self) -> &'static str {
        if self.lanes.iter().any(|l| l.point.is_none()) {
            "? = no capture on that side: nobody saw whether it arrived. Times are seconds after \
             the first SYN; # is the frame."
        } else {
            "x = not seen at the next point. Times are seconds after the first SYN, on the clock \
             nearest the client; # is the frame in each point's file, in order of travel."
        }
    }
}

/// Puts the first label that fits into the middle of the arrow.
fn write_label(row: &mut [char], low: usize, high: usize, labels: &[String]) {
    let room = (high + 1).saturating_sub(low);
    let Some(label) = labels.iter().find(|l| l.chars().count() + 2 <= room) else { return };
    let text = format!(" {label} ");
    let start = low + (room - text.chars().count()) / 2;
    for (cell, c) in row.iter_mut().skip(start).zip(text.chars()) {
        *cell = c;
    }
}

/// The sequence numbers by the letters of the write-up: `x` the client's ISN, `y` the server's; with
/// an earlier attempt on the same port `x` is the earlier one's, and `z` this one's.
struct Names {
    own: (SeqNumber, char),
    earlier: Option<SeqNumber>,
    server: Option<SeqNumber>,
}

impl Names {
    fn of(attempt: &Attempt) -> Self {
        let events = || attempt.sightings().flat_map(|s| s.events.iter());
        let earlier = events().find_map(|e| e.about).filter(|isn| *isn != attempt.isn());
        let server =
            events().find(|e| e.kind == EventKind::SynAck && e.about.is_none()).map(|e| e.seq);
        let own = (attempt.isn(), if earlier.is_some() { 'z' } else { 'x' });
        Self { own, earlier, server }
    }

    fn legend(&self, attempt: &Attempt) -> String {
        let flow = attempt.flow();
        let mut text =
            format!("{} > {}; {} = {}", flow.client, flow.server, self.own.1, self.own.0.0);
        if let Some(earlier) = self.earlier {
            text.push_str(&format!(", x = {} (an earlier attempt's ISN)", earlier.0));
        }
        if let Some(server) = self.server {
            text.push_str(&format!(", y = {}", server.0));
        }
        text
    }

    fn number(&self, number: SeqNumber) -> String {
        let mut known = vec![(Some(self.own.0), self.own.1), (self.server, 'y')];
        known.insert(1, (self.earlier, 'x'));
        for (base, letter) in known {
            let Some(base) = base else { continue };
            if number == base {
                return letter.to_string();
            }
            if number == base.next() {
                return format!("{letter}+1");
            }
        }
        number.0.to_string()
    }

    /// From the most telling to the shortest.
    fn label(&self, flight: &Flight<'_>) -> Vec<String> {
        let Some(first) = flight.first() else { return Vec::new() };
        let event = first.event;
        let name = name(event);
        let mut full = format!("{name} seq={}", self.number(event.seq));
        if event.flags.contains(why504_model::TcpFlags::ACK) {
            full.push_str(&format!(" ack={}", self.number(event.ack)));
        }
        let mut labels = Vec::new();
        let delay = flight.seen.last().map(|last| last.near_time.since(first.near_time));
        if let Some(delay) = delay.filter(|d| *d >= SLOW) {
            labels.push(format!("{full}, {} on its way", duration(delay)));
            labels.push(format!("{name} {} late", duration(delay)));
        }
        labels.extend([full, name]);
        labels
    }
}

fn name(event: &Event) -> String {
    match event.kind {
        EventKind::Syn => "SYN".to_owned(),
        EventKind::SynAck => "SYN+ACK".to_owned(),
        EventKind::Ack => "ACK".to_owned(),
        EventKind::Data => format!("{} bytes", event.payload_len),
        EventKind::Fin => "FIN".to_owned(),
        EventKind::Rst => "RST".to_owned(),
        EventKind::Icmp => crate::words::flags(event),
    }
}
