//! `why504 resets`: every RST that a host sent, what provoked it, and the fate of the attempt
//! behind it.
//!
//! With one capture point a RST is printed as soon as every attempt that began before it has been
//! judged. Several points are read to their ends first: the same RST is captured at each point on
//! its way, and counts once.

mod several;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use why504_capture::Envelope;
use why504_correlate::{Judgement, Plain, Points};
use why504_handshake::{Attempt, Path, Reset, ResetWatch, Sighting, Tracker};
use why504_model::{Endpoint, Packet, Timestamp};
use why504_report::{
    Captures as Rendering, Fate, PointInfo, ResetTotals, SentReset, Style, ndjson, text,
};

use super::from_captures;
use super::live::{Live, REMEMBERED};
use crate::args::{Format, Handshakes};
use crate::captures::{self, Captures, Follower};
use crate::exit::Outcome;
use crate::inputs::Kind;
use crate::progress::Complaints;
use crate::run::Analysis;
use crate::shown::{Shown, point_names};
use crate::tunnels::{Found, Noted};

/// RSTs that wait for the fate of an attempt; beyond that the oldest is printed without.
const WAITING: usize = 1 << 16;

/// Runs the command.
pub(super) fn run(options: &Handshakes) -> anyhow::Result<Outcome> {
    from_captures::run(options, ("resets", "RSTs as it finds them"), list)
}

fn list(
    analysis: &mut Analysis,
    mut complaints: Complaints,
    format: Format,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (sources, infos) = (analysis.inputs.paths(), point_names(&analysis.points));
    if format == Format::Ndjson {
        ndjson::header(crate::shown::TOOL, &sources, out)?;
    }
    let mut printer =
        Printer { format, sources: &sources, infos: &infos, totals: ResetTotals::default(), out };
    let files: Vec<_> = analysis.inputs.of(Kind::Capture).collect();
    if let [_] = analysis.points.as_slice() {
        analysis.captures = stream(&files, &mut complaints, &mut printer)?;
    } else {
        (analysis.captures, analysis.merged) =
            several::read(&analysis.points, &files, &analysis.nat, &mut complaints, &mut printer)?;
    }
    let totals = printer.totals;
    analysis.resets = Some(totals);
    analysis.conclude(complaints);
    let shown = Shown::new(analysis);
    let run = shown.run(analysis);
    match format {
        Format::Text => text::resets(&run, style, out),
        Format::Ndjson => ndjson::summary(&run, out),
    }
}

/// Prints RSTs and counts them.
struct Printer<'a> {
    format: Format,
    sources: &'a [String],
    infos: &'a [PointInfo],
    totals: ResetTotals,
    out: &'a mut dyn Write,
}

impl Printer<'_> {
    fn print(&mut self, sent: &SentReset, tunnels: &Found) -> io::Result<()> {
        self.totals.add(sent);
        if self.format == Format::Text {
            return Ok(());
        }
        let rendering = Rendering {
            sources: self.sources,
            points: self.infos,
            path: &Path::default(),
            coverage: &BTreeMap::new(),
            offsets: &BTreeMap::new(),
            tunnels,
        };
        ndjson::reset(&rendering, sent, self.out)
    }
}

/// What became of the attempts that did not end well, by server and ISN: a bare ACK may speak of
/// an attempt that source NAT had put on another port.
#[derive(Default)]
struct Fates {
    known: BTreeMap<(Endpoint, u32), Fate>,
    /// In order of being known.
    order: VecDeque<(Timestamp, (Endpoint, u32))>,
}

impl Fates {
    fn learn(&mut self, attempt: &Attempt, fate: Fate) {
        for sighting in attempt.sightings() {
            let key = (sighting.flow.server, sighting.isn.0);
            self.known.insert(key, fate);
            self.order.push_back((attempt.first_syn(), key));
        }
    }

    fn of(&self, reset: &Reset) -> Option<Fate> {
        self.known.get(&(reset.flow.server, reset.about?.0)).copied()
    }

    /// Forgets attempts that no RST speaks of any more.
    fn forget(&mut self, before: Timestamp) {
        while let Some((time, key)) = self.order.front()
            && *time < before
        {
            self.known.remove(key);
            self.order.pop_front();
        }
    }
}

fn stream(
    files: &[&why504_ingest::Source<Kind>],
    complaints: &mut Complaints,
    printer: &mut Printer<'_>,
) -> io::Result<Captures> {
    let id = captures::point_id(0);
    let mut stream = Stream {
        live: Live::new(),
        watch: ResetWatch::new(id),
        tunnels: Noted::default(),
        waiting: VecDeque::new(),
        fates: Fates::default(),
        printer,
        result: Ok(()),
    };
    let point = captures::follow(id, files.to_vec(), complaints, &mut stream);
    stream.result?;
    stream.printer.totals.captured_twice = stream.watch.tally().captured_twice;
    Ok(Captures::of_one(id, point, stream.live.path))
}

/// One capture point.
struct Stream<'a, 'b> {
    live: Live<Fate>,
    watch: ResetWatch,
    tunnels: Noted,
    /// In the order in which they were captured.
    waiting: VecDeque<Reset>,
    fates: Fates,
    printer: &'a mut Printer<'b>,
    result: io::Result<()>,
}

impl Follower for Stream<'_, '_> {
    fn wants_all(&self) -> bool {
        true
    }

    fn tunnelled(&mut self, packet: &Packet, envelope: &Envelope) {
        self.tunnels.note(packet, envelope);
    }

    fn packet(&mut self, packet: &Packet) {
        self.watch.push(packet);
    }

    fn closed(&mut self, closed: Vec<Sighting>, tracker: &Tracker) {
        if self.result.is_ok() {
            self.result = self.go_on(closed, tracker);
        }
    }
}

impl Stream<'_, '_> {
    fn go_on(&mut self, closed: Vec<Sighting>, tracker: &Tracker) -> io::Result<()> {
        self.waiting.extend(self.watch.take());
        let fates = &mut self.fates;
        let fate = |_: Points<'_>, _: &Attempt, judgement: &Judgement| Fate::from(judgement);
        let plain = |plains: Vec<Plain>| plains.into_iter().map(|plain| Fate::from(&plain.judge()));
        let judged = self.live.go_on(closed, tracker, plain, fate, |doubtful, fate| {
            if let Some(attempt) = doubtful {
                fates.learn(attempt, fate);
            }
            Ok(())
        })?;
        let Some(until) = judged else { return Ok(()) };
        while let Some(reset) = self.waiting.front()
            && (reset.time() < until || self.waiting.len() > WAITING)
        {
            self.fates.forget(reset.time() - REMEMBERED - REMEMBERED);
            let Some(reset) = self.waiting.pop_front() else { break };
            let fate = self.fates.of(&reset);
            let sent = SentReset { reset, further: Vec::new(), fate };
            self.printer.print(&sent, self.tunnels.found())?;
        }
        // What provoked a RST came within a second before it.
        self.tunnels.forget(until - REMEMBERED);
        Ok(())
    }
}
