//! `why504 handshakes`: every attempt with its outcome.
//!
//! With one capture point an attempt is judged and printed when it closes, and forgotten. Several
//! points are read to their ends first: until then their clocks are not known.

use std::collections::BTreeMap;
use std::io::{self, Write};

use rayon::Scope;
use rayon::prelude::*;
use why504_capture::Envelope;
use why504_correlate::{History, Judgement, Losses, Plain, Points, Rates, Verdict, judge_attempt};
use why504_handshake::{Attempt, Coverage, Merged, Nat, Path, PointId, Sighting, Tracker};
use why504_model::Packet;
use why504_report::ndjson::{self, PlainLines};
use why504_report::{Captures as Rendering, Style, text};

use super::from_captures;
use super::lines::{self, Line, Queue, Text};
use super::live::Live;
use crate::args::{Format, Handshakes};
use crate::captures::{self, Captures, Follower, Keep};
use crate::exit::Outcome;
use crate::inputs::Kind;
use crate::progress::Complaints;
use crate::run::{Analysis, Judged};
use crate::shown::{Shown, point_names};
use crate::tunnels::{Found, Noted};

/// Attempts of several points that are rendered at once.
const AT_ONCE: usize = 4096;
/// Most lines are shorter.
const LINE_BYTES: usize = 1024;
/// Attempts of these that a core takes at least.
const FOR_ONE_CORE: usize = 64;

/// Runs the command. Attempts are not kept, so they go to one place only.
pub(super) fn run(options: &Handshakes) -> anyhow::Result<Outcome> {
    from_captures::run(options, ("handshakes", "attempts as they close"), list)
}

/// Reads the captures and prints their attempts.
fn list(
    analysis: &mut Analysis,
    mut complaints: Complaints,
    format: Format,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (sources, infos) = (analysis.inputs.paths(), point_names(&analysis.points));
    let mut printer = Printer {
        renderer: Renderer { format, style, sources: &sources, infos: &infos },
        judged: Judged::default(),
        out,
    };
    printer.header()?;
    let files: Vec<_> = analysis.inputs.of(Kind::Capture).collect();
    if analysis.points.len() == 1 {
        (analysis.captures, analysis.losses) = stream(&files, &mut complaints, &mut printer)?;
        printer.judged.near_misses = analysis.captures.points.iter().map(|p| p.near_misses).sum();
    } else {
        let all = captures::read(&analysis.points, &files, Keep::Everything, &mut complaints);
        (analysis.captures, analysis.merged, analysis.losses) =
            whole(all, &analysis.nat, &mut printer)?;
    }
    let Printer { judged, out, .. } = printer;
    analysis.judged = Some(judged);
    analysis.conclude(complaints);
    let shown = Shown::new(analysis);
    let run = shown.run(analysis);
    match format {
        Format::Text => text::handshakes_summary(&run, style, out),
        Format::Ndjson => ndjson::summary(&run, out),
    }
}

/// Several points: read, merge, judge, print.
fn whole(
    mut all: Captures,
    nat: &Nat,
    printer: &mut Printer<'_>,
) -> io::Result<(Captures, Merged, Vec<Losses>)> {
    let (healthy, tunnels) = (all.take_healthy(), all.take_tunnels());
    let merged = all.merge(nat);
    let coverage = all.coverage.iter().map(|(point, coverage)| (*point, coverage)).collect();
    let points = Points { path: &all.path, coverage: &coverage, merged: &merged };
    let history = History::new(points);
    let renderer = printer.renderer;
    for attempts in merged.attempts.chunks(AT_ONCE) {
        let render = |attempt: &Attempt| {
            let judgement = judge_attempt(points, &history, attempt);
            renderer.render(points, (&all.coverage, &tunnels), attempt, &judgement)
        };
        let lines: Vec<Made> = attempts.par_iter().with_min_len(FOR_ONE_CORE).map(render).collect();
        for line in lines {
            let Made { verdict, near_miss, text } = line;
            printer.print(verdict, &text?)?;
            printer.judged.near_misses += u64::from(near_miss);
        }
    }
    let losses = Rates::of_run(points, &healthy).losses(points);
    Ok((all, merged, losses))
}

/// One point: attempts are printed in order of their first SYN as soon as no open attempt can come
/// before them.
fn stream(
    files: &[&why504_ingest::Source<Kind>],
    complaints: &mut Complaints,
    printer: &mut Printer<'_>,
) -> io::Result<(Captures, Vec<Losses>)> {
    let id = captures::point_id(0);
    let renderer = printer.renderer;
    let (point, live, mut rates, mut queue) = rayon::in_place_scope(|scope| {
        let mut one = OnePoint {
            live: Live::new(),
            rates: Rates::default(),
            tunnels: Noted::default(),
            queue: Queue::default(),
            scope,
            renderer: &renderer,
            printer,
            result: Ok(()),
        };
        let point = captures::follow(id, files.to_vec(), complaints, &mut one);
        let OnePoint { live, rates, queue, result, .. } = one;
        result.map(|()| (point, live, rates, queue))
    })?;
    let mut captures = Captures::of_one(id, point, live.path);
    let healthy = captures.take_healthy();
    let coverage = captures.coverage.iter().map(|(point, coverage)| (*point, coverage)).collect();
    let merged = Merged::default();
    let points = Points { path: &captures.path, coverage: &coverage, merged: &merged };
    // The last lines are written on this thread, as all of them are; losses are counted on another.
    let mut losses = Vec::new();
    rayon::in_place_scope(|scope| {
        scope.spawn(|_| {
            for (&point, trials) in &healthy {
                rates.count_healthy(points, point, trials);
            }
            losses = rates.losses(points);
        });
        queue.finish(&renderer, |verdict, text| printer.print(verdict, text))
    })?;
    Ok((captures, losses))
}

/// The only capture point.
struct OnePoint<'a, 'scope, 'b> {
    live: Live<Line>,
    rates: Rates,
    tunnels: Noted,
    queue: Queue,
    scope: &'a Scope<'scope>,
    renderer: &'scope Renderer<'scope>,
    printer: &'a mut Printer<'b>,
    result: io::Result<()>,
}

impl Follower for OnePoint<'_, '_, '_> {
    fn tunnelled(&mut self, packet: &Packet, envelope: &Envelope) {
        self.tunnels.note(packet, envelope);
    }

    fn closed(&mut self, closed: Vec<Sighting>, tracker: &Tracker) {
        if self.result.is_ok() {
            self.result = self.go_on(closed, tracker);
        }
    }
}

impl OnePoint<'_, '_, '_> {
    fn go_on(&mut self, closed: Vec<Sighting>, tracker: &Tracker) -> io::Result<()> {
        let Self { live, rates, tunnels, queue, scope, renderer, printer, .. } = self;
        // The only point saw it: what else that point covers does not matter here.
        let covered = BTreeMap::new();
        let render = |points: Points<'_>, attempt: &Attempt, judgement: &Judgement| {
            let made = renderer.render(points, (&covered, tunnels.found()), attempt, judgement);
            Line::Made(made.verdict, made.text)
        };
        let mut due = Vec::new();
        let plain = |attempts: Vec<Plain>| queue.make(attempts, *renderer, scope);
        let judged = live.go_on(closed, tracker, plain, render, |doubtful, line| {
            if let Some(attempt) = doubtful {
                rates.count_at_one_point(attempt);
            }
            due.push(line);
            Ok(())
        })?;
        for line in due {
            queue.print(line, *renderer, |verdict, text| printer.print(verdict, text))?;
        }
        if let Some(until) = judged {
            tunnels.forget(until);
        }
        Ok(())
    }
}

/// Prints attempts and counts how they ended.
struct Printer<'a> {
    renderer: Renderer<'a>,
    judged: Judged,
    out: &'a mut dyn Write,
}

impl Printer<'_> {
    fn header(&mut self) -> io::Result<()> {
        let Renderer { format, style, sources, .. } = self.renderer;
        match format {
            Format::Text => text::handshakes_header(style, self.out),
            Format::Ndjson => ndjson::header(crate::shown::TOOL, sources, self.out),
        }
    }

    fn print(&mut self, verdict: Verdict, text: &[u8]) -> io::Result<()> {
        *self.judged.by_verdict.entry(verdict).or_default() += 1;
        self.out.write_all(text)
    }
}

/// Turns attempts into text; any number at a time.
#[derive(Clone, Copy)]
struct Renderer<'a> {
    format: Format,
    style: &'a Style,
    sources: &'a [String],
    infos: &'a [why504_report::PointInfo],
}

/// An attempt as it is printed.
struct Made {
    verdict: Verdict,
    near_miss: bool,
    text: io::Result<Box<[u8]>>,
}

impl Renderer<'_> {
    fn render(
        &self,
        points: Points<'_>,
        (coverage, tunnels): (&BTreeMap<PointId, Coverage>, &Found),
        attempt: &Attempt,
        judgement: &Judgement,
    ) -> Made {
        let rendering = Rendering {
            sources: self.sources,
            points: self.infos,
            path: points.path,
            coverage,
            offsets: &points.merged.offsets,
            tunnels,
        };
        let (verdict, healthy) = (judgement.verdict(), is_healthy(attempt, judgement));
        let mut text = Vec::with_capacity(LINE_BYTES);
        let written = match self.format {
            // In a list for people the healthy ones are a number in the summary.
            Format::Text if healthy => Ok(()),
            Format::Text => {
                let zone = why504_report::ZoneInfo::default();
                text::handshake(&rendering, &zone, attempt, judgement, self.style, &mut text)
            }
            Format::Ndjson => ndjson::attempt(&rendering, attempt, judgement, &mut text),
        };
        let near_miss = verdict == Verdict::Connected && !healthy;
        Made { verdict, near_miss, text: written.map(|()| text.as_slice().into()) }
    }
}

impl lines::Write for Renderer<'_> {
    fn lines(&self, attempts: &[Plain]) -> io::Result<Text> {
        let mut made = Text::default();
        let (path, coverage) = (Path::default(), BTreeMap::new());
        let (offsets, tunnels) = (BTreeMap::new(), Found::new());
        let captures = Rendering {
            sources: self.sources,
            points: self.infos,
            path: &path,
            coverage: &coverage,
            offsets: &offsets,
            tunnels: &tunnels,
        };
        let mut lines = PlainLines::new(&captures, captures::point_id(0))?;
        for attempt in attempts {
            let judgement = attempt.judge();
            match self.format {
                // Healthy, as in `render`.
                Format::Text => {}
                Format::Ndjson => lines.write(attempt, &judgement, &mut made.text)?,
            }
            made.lines.push((judgement.verdict(), made.text.len()));
        }
        Ok(made)
    }
}

fn is_healthy(attempt: &Attempt, judgement: &Judgement) -> bool {
    judgement.verdict() == Verdict::Connected
        && !attempt.sightings().any(Sighting::saved_by_repetition)
}
