//! `why504 check`: can these inputs be joined at all? What is known of each, before a report is
//! believed.

use std::collections::BTreeMap;
use std::io::{self, Read};

use rayon::prelude::*;
use why504_capture::CaptureSummary;
use why504_ingest::{Source, open};
use why504_model::{Interval, SourceId};
use why504_nginxlog::{AccessScanner, ErrorRecord, LogFormat, Zone};
use why504_report::check::{Check, LogFile, PointFacts};
use why504_report::{ndjson, text};

use super::analyse;
use crate::args::{Format, Joined};
use crate::captures::{PointCapture, point_id};
use crate::exit::Outcome;
use crate::inputs::{Kind, shown};
use crate::output;
use crate::plan::LogPlan;
use crate::run::Analysis;
use crate::shown::Shown;

/// Octets at either end of a log in which a line with a time is looked for.
const END: usize = 64 << 10;
/// Octets read at once.
const PIECE: usize = 256 << 10;

/// Runs the command.
pub(super) fn run(options: &Joined) -> anyhow::Result<Outcome> {
    let (analysis, plan, target) = analyse(options)?;
    let check = Check { logs: logs(&analysis, &plan), points: points(&analysis) };
    let shown = Shown::new(&analysis);
    let run = shown.run(&analysis);
    output::write(&target, |format, style, out| match format {
        Format::Text => text::check(&run, &check, style, out),
        Format::Ndjson => ndjson::check(&run, &check, out),
    })?;
    analysis.complaints.print(target.quiet);
    Ok(analysis.outcome)
}

fn points(analysis: &Analysis) -> Vec<PointFacts> {
    let coverage = |i| analysis.captures.coverage.get(&point_id(i));
    let facts = |(i, point): (usize, &PointCapture)| PointFacts {
        dropped: point.files.iter().filter_map(CaptureSummary::dropped).reduce(u64::saturating_add),
        completed: coverage(i).map_or(0, |coverage| coverage.completed),
        answers_missed: coverage(i).map_or(0, |coverage| coverage.missed),
        requests: coverage(i).map_or(0, |coverage| coverage.requests),
        requests_missed: coverage(i).map_or(0, |coverage| coverage.requests_missed),
        filter: point
            .files
            .iter()
            .flat_map(|file| &file.interfaces)
            .find_map(|interface| interface.filter.clone()),
    };
    analysis.captures.points.iter().enumerate().map(facts).collect()
}

/// Every log once, by path. What cannot be read has been complained about.
fn logs(analysis: &Analysis, plan: &LogPlan) -> Vec<LogFile> {
    let mut timeouts: BTreeMap<SourceId, usize> = BTreeMap::new();
    for timeout in &analysis.logs.timeouts {
        *timeouts.entry(timeout.location.source).or_default() += 1;
    }
    let sources: Vec<(&Source<Kind>, &'static str)> =
        analysis.inputs.sources.iter().filter_map(|s| Some((s, kind(s.class)?))).collect();
    sources
        .par_iter()
        .map(|(source, kind)| {
            let ends = Ends::of(source).unwrap_or_default();
            let chosen = analysis.logs.zones.chosen(source.id);
            let zone = chosen.map_or(Zone::UTC, |chosen| chosen.zone);
            LogFile {
                path: shown(&source.path),
                kind,
                zone: chosen.map(|chosen| format!("{} ({})", chosen.name, chosen.basis)),
                lines: ends.lines,
                span: ends.span(source.class, zone, &plan.formats),
                timeouts: timeouts.get(&source.id).copied().unwrap_or(0),
            }
        })
        .collect()
}

const fn kind(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ErrorLog => Some("error log"),
        Kind::AccessLog => Some("access log"),
        Kind::MixedLog => Some("error and access log"),
        Kind::UnknownFormat | Kind::Capture | Kind::PassedOver => None,
    }
}

/// The beginning and the end of a file, and how many lines it has.
#[derive(Debug, Default)]
struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
    lines: u64,
}

impl Ends {
    fn of(source: &Source<Kind>) -> io::Result<Self> {
        let mut reader = open(source)?;
        let mut ends = Self::default();
        let mut piece = vec![0; PIECE];
        loop {
            let length = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What could be read before the damage is shown.
                Err(_) => break,
            };
            let read = piece.get(..length).unwrap_or_default();
            // One piece more than there are line ends.
            ends.lines += read.split(|&octet| octet == b'\n').count() as u64 - 1;
            let wanted = END.saturating_sub(ends.head.len()).min(length);
            ends.head.extend(read.get(..wanted).unwrap_or_default());
            ends.tail.extend(read);
            let surplus = ends.tail.len().saturating_sub(END);
            ends.tail.drain(..surplus);
        }
        // A last line without an end is a line.
        ends.lines += u64::from(ends.tail.last().is_some_and(|&octet| octet != b'\n'));
        Ok(ends)
    }

    fn span(&self, kind: Kind, zone: Zone, formats: &[LogFormat]) -> Option<Interval> {
        let mut times = [&self.head, &self.tail].into_iter().flat_map(|end| match kind {
            Kind::AccessLog => access_times(end, formats),
            _ => error_times(end, zone),
        });
        let first = times.next()?;
        Some(times.fold(first, Interval::hull))
    }
}

/// The times of the lines of an error log that have one; a collector's prefix hides it.
fn error_times(text: &[u8], zone: Zone) -> Vec<Interval> {
    text.split(|&octet| octet == b'\n')
        .filter_map(|line| ErrorRecord::parse(line).ok())
        .map(|record| zone.second(record.time).interval())
        .collect()
}

fn access_times(text: &[u8], formats: &[LogFormat]) -> Vec<Interval> {
    let mut times = Vec::new();
    let mut scanner = AccessScanner::new(formats.to_vec());
    scanner.feed(text, &mut |event| {
        times.extend(event.record.and_then(|record| record.time));
    });
    times
}
