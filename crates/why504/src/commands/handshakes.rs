//! `why504 handshakes`: every attempt with its outcome.
//!
//! With one capture point an attempt is judged and printed when it closes, and forgotten. Several points are read to their ends first: until then their clocks are not known.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{anyhow, bail};
use rayon::prelude::*;
use why504_correlate::{History, Judgement, Points, Verdict, judge_attempt};
use why504_handshake::{
    Attempt, Coverage, Merged, Nat, PointId, Sighting, Tracker, merge_translated,
};
use why504_report::{Captures as Rendering, Style, ndjson, text};

use super::live::Live;
use super::with_named;
use crate::args::{Format, Handshakes};
use crate::captures::{self, Captures, Keep};
use crate::exit::{Outcome, Usage};
use crate::inputs::{Inputs, Kind};
use crate::output;
use crate::plan;
use crate::progress::Complaints;
use crate::run::Analysis;
use crate::shown::{Shown, point_names};

/// Attempts of several points that are rendered at once.
const AT_ONCE: usize = 4096;

/// Runs the command. Attempts are not kept, so they go to one place only.
pub(super) fn run(options: &Handshakes) -> anyhow::Result<Outcome> {
    let named = plan::named_points(&options.captures)?;
    let nat = plan::nat(&options.captures)?;
    let target = plan::output(&options.output)?;
    if target.files.len() + usize::from(target.stdout.is_some()) > 1 {
        bail!(Usage(anyhow!("handshakes writes attempts as they close: give one --output")));
    }
    let mut complaints = Complaints::default();
    let paths = with_named(&options.paths, &named);
    let limits = plan::limits(&options.inputs)?;
    let mut inputs = Inputs::find(&paths, &[], limits, &mut complaints);
    inputs.pass_over(Kind::ErrorLog, "a log; `why504 handshakes` reads captures", &mut complaints);
    let mut analysis = Analysis::of_captures(inputs, &named);
    analysis.nat = nat;
    output::write(&target, |format, style, out| {
        list(&mut analysis, std::mem::take(&mut complaints), format, style, out)
    })?;
    analysis.complaints.print(target.quiet);
    Ok(analysis.outcome)
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
        ended: BTreeMap::new(),
        out,
    };
    printer.header()?;
    let files: Vec<_> = analysis.inputs.of(Kind::Capture).collect();
    if analysis.points.len() == 1 {
        analysis.captures = stream(&files, &mut complaints, &mut printer)?;
    } else {
        let all = captures::read(&analysis.points, &files, Keep::Everything, &mut complaints);
        (analysis.captures, analysis.merged) = whole(all, &analysis.nat, &mut printer)?;
    }
    let Printer { ended, out, .. } = printer;
    analysis.ended = ended;
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
) -> io::Result<(Captures, Merged)> {
    let merged = merge_translated(all.take_sightings(), &all.path, nat);
    let coverage = all.coverage.iter().map(|(point, coverage)| (*point, coverage)).collect();
    let points = Points { path: &all.path, coverage: &coverage, merged: &merged };
    let history = History::new(points);
    for attempts in merged.attempts.chunks(AT_ONCE) {
        let renderer = printer.renderer;
        let render = |attempt: &Attempt| {
            let judgement = judge_attempt(points, &history, attempt);
            renderer.render(points, &all.coverage, attempt, &judgement)
        };
        let rendered: Vec<Rendered> = attempts.par_iter().map(render).collect();
        for attempt in rendered {
            printer.print(attempt)?;
        }
    }
    Ok((all, merged))
}

/// One point: attempts are printed in order of their first SYN as soon as no open attempt can come
/// before them.
fn stream(
    files: &[&why504_ingest::Source<Kind>],
    complaints: &mut Complaints,
    printer: &mut Printer<'_>,
) -> io::Result<Captures> {
    let id = captures::point_id(0);
    let mut live = Live::new();
    let mut result = Ok(());
    let mut follower = |closed: Vec<Sighting>, tracker: &Tracker| {
        if result.is_ok() {
            live.take(closed);
            let renderer = printer.renderer;
            // The only point saw it: what else that point covers does not matter here.
            let render = |points: Points<'_>, attempt: &Attempt, judgement: &Judgement| {
                renderer.render(points, &BTreeMap::new(), attempt, judgement)
            };
            result = live.judge(tracker, render, |_, rendered| printer.print(rendered));
        }
    };
    let point = captures::follow(id, files.to_vec(), complaints, &mut follower);
    result.map(|()| Captures::of_one(id, point, live.path))
}

/// Prints attempts and counts how they ended.
struct Printer<'a> {
    renderer: Renderer<'a>,
    ended: BTreeMap<Verdict, u64>,
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

    fn print(&mut self, attempt: Rendered) -> io::Result<()> {
        *self.ended.entry(attempt.verdict).or_default() += 1;
        self.out.write_all(&attempt.text?)
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
struct Rendered {
    verdict: Verdict,
    text: io::Result<Vec<u8>>,
}

impl Renderer<'_> {
    fn render(
        &self,
        points: Points<'_>,
        coverage: &BTreeMap<PointId, Coverage>,
        attempt: &Attempt,
        judgement: &Judgement,
    ) -> Rendered {
        let rendering = Rendering {
            sources: self.sources,
            points: self.infos,
            path: points.path,
            coverage,
            offsets: &points.merged.offsets,
            tunnels: &BTreeMap::new(),
        };
        let mut text = Vec::new();
        let written = match self.format {
            // In a list for people the healthy ones are a number in the summary.
            Format::Text if is_healthy(attempt, judgement) => Ok(()),
            Format::Text => {
                let zone = why504_report::ZoneInfo::default();
                text::handshake(&rendering, &zone, attempt, judgement, self.style, &mut text)
            }
            Format::Ndjson => ndjson::attempt(&rendering, attempt, judgement, &mut text),
        };
        Rendered { verdict: judgement.verdict(), text: written.map(|()| text) }
    }
}

fn is_healthy(attempt: &Attempt, judgement: &Judgement) -> bool {
    judgement.verdict() == Verdict::Connected
        && !attempt.sightings().any(Sighting::saved_by_repetition)
}
