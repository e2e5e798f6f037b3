//! The analysis in the shape in which reports want it.

use std::collections::BTreeMap;

use why504_correlate::Verdict;
use why504_handshake::Coverage;
use why504_ingest::Skipped;
use why504_report::{
    AccessLine, Http504, InputNote, LogLines, Logged504, PointInfo, Run, SkippedInput, Totals,
    ZoneInfo,
};

use crate::captures::PointCapture;
use crate::inputs::{Kind, shown};
use crate::logs::Logs;
use crate::points::Point;
use crate::run::Analysis;

/// Name and version.
pub(crate) const TOOL: &str = concat!("why504 ", env!("CARGO_PKG_VERSION"));

/// What a [`Run`] borrows.
#[derive(Debug)]
pub(crate) struct Shown {
    paths: Vec<String>,
    arguments: Vec<String>,
    points: Vec<PointInfo>,
    zone: ZoneInfo,
    access: Vec<Option<AccessLine>>,
    totals: Totals,
    log_lines: LogLines,
}

impl Shown {
    /// Takes together what is shown.
    pub(crate) fn new(analysis: &Analysis) -> Self {
        let lines = analysis.logs.lines;
        // Without captures every timeout stands for itself.
        let judged = !analysis.correlation.cases.is_empty() || !analysis.points.is_empty();
        let cases = if judged { analysis.correlation.cases.len() as u64 } else { lines.timeouts };
        Self {
            paths: analysis.inputs.paths(),
            arguments: arguments(std::env::args().skip(1)),
            points: points(analysis),
            zone: analysis.logs.zone_info(),

            access: analysis.logs.access.iter().map(|line| line.map(access_line)).collect(),
            totals: totals(analysis),
            log_lines: LogLines {
                total: lines.total,
                cases,
                other: lines.total.saturating_sub(lines.unparsed).saturating_sub(cases),
                unparsed: lines.unparsed,
            },
        }
    }

    /// The view of a run that reports take.
    pub(crate) fn run<'a>(&'a self, analysis: &'a Analysis) -> Run<'a> {
        Run {
            tool: TOOL,
            inputs: &self.paths,
            arguments: &self.arguments,
            sources: &self.paths,
            points: &self.points,
            zone: &self.zone,
            timeouts: &analysis.logs.timeouts,
            texts: &analysis.logs.texts,
            access: &self.access,
            correlation: &analysis.correlation,
            merged: &analysis.merged,
            path: &analysis.captures.path,
            coverage: &analysis.captures.coverage,
            tunnels: &analysis.tunnels,
            log_lines: self.log_lines,
            totals: &self.totals,
        }
    }
}

/// What was typed, without the sub-command of the report and its own output: what a suggested
/// command has to repeat to see the same. Sorted, since the order of arguments changes nothing that
/// is printed.
fn arguments(typed: impl Iterator<Item = String>) -> Vec<String> {
    let own =
        ["-o", "--output", "--format", "-j", "--jobs", "--color", "--slices", "--slices-each"];
    let alone = ["-q", "--quiet"];
    let (mut options, mut paths) = (Vec::new(), Vec::new());
    let mut typed = typed.skip_while(|argument| argument == "report");
    while let Some(argument) = typed.next() {
        if alone.contains(&argument.as_str()) {
            continue;
        }
        if argument == "-" || !argument.starts_with('-') {
            paths.push(argument);
        } else if argument.contains('=') && argument.starts_with("--") {
            options.push(vec![argument]);
        } else {
            options.push([Some(argument), typed.next()].into_iter().flatten().collect());
        }
    }
    options.retain(|option| {
        let name = option.first().and_then(|o| o.split('=').next()).unwrap_or_default();
        !own.contains(&name)
    });
    options.sort();
    paths.sort();
    options.into_iter().flatten().chain(paths).collect()
}

/// The points by name, before anything of them was read.
pub(crate) fn point_names(points: &[Point]) -> Vec<PointInfo> {
    let info = |p: &Point| PointInfo {
        name: p.name.clone(),
        files: p.files.len(),
        ..PointInfo::default()
    };
    points.iter().map(info).collect()
}

fn points(analysis: &Analysis) -> Vec<PointInfo> {
    let mut infos = point_names(&analysis.points);
    let spans: Vec<&Coverage> = analysis.captures.coverage.values().collect();
    for (i, (info, point)) in infos.iter_mut().zip(&analysis.captures.points).enumerate() {
        info.packets = point.frames.frames();
        info.span = spans.get(i).and_then(|c| c.span);
        let interface = point.files.iter().find_map(|f| f.interfaces.first());
        info.link = interface.map(|i| link_name(i.link)).unwrap_or_default();
        info.snaplen = interface.and_then(|i| i.snaplen);
    }
    infos
}

fn link_name(link: why504_capture::LinkType) -> String {
    link.name().map_or_else(|| format!("link type {}", link.0), str::to_owned)
}

fn totals(analysis: &Analysis) -> Totals {
    let captures = &analysis.captures.points;
    let logs = [Kind::ErrorLog, Kind::AccessLog, Kind::MixedLog];
    let skipped = skipped(analysis);
    // An attempt that two points saw is one. Where clean ones were not kept to be told apart, those of the
    // point that saw most are told.
    let judged = analysis.judged.as_ref();
    let most = captures.iter().max_by_key(|point| point.attempts);
    Totals {
        log_files: analysis.inputs.sources.iter().filter(|s| logs.contains(&s.class)).count(),
        packets: captures.iter().map(|p| p.frames.frames()).sum(),
        attempts: match judged {
            Some(judged) => judged.by_verdict.values().sum(),
            None => most.map_or(0, |point| point.attempts),
        },
        near_misses: match judged {
            Some(judged) => judged.near_misses,
            None => most.map_or(0, |point| point.near_misses),
        },
        attempts_by_verdict: judged.map(|judged| judged.by_verdict.clone()).unwrap_or_default(),
        losses: analysis.losses.clone(),
        resets: analysis.resets.clone(),
        packet_tally: packet_tally(captures),
        http_504: http_504(analysis),
        logged_504: logged_504(analysis),
        diagnostics: diagnostics(analysis, &skipped),
        skipped,
    }
}

fn skipped(analysis: &Analysis) -> Vec<SkippedInput> {
    let entry = |s: &Skipped| SkippedInput { path: shown(&s.path), reason: s.reason.to_string() };
    analysis.inputs.skipped.iter().map(entry).collect()
}

/// What was wrong with the inputs, without those that are listed as skipped.
fn diagnostics(analysis: &Analysis, skipped: &[SkippedInput]) -> Vec<InputNote> {
    let listed: Vec<String> = skipped.iter().map(|s| format!("{}: {}", s.path, s.reason)).collect();
    analysis
        .complaints
        .sentences()
        .filter(|sentence| !listed.iter().any(|l| l == sentence))
        .map(|message| InputNote { message: message.to_owned(), ..InputNote::default() })
        .collect()
}

fn packet_tally(captures: &[PointCapture]) -> BTreeMap<String, u64> {
    let mut tally = BTreeMap::new();
    for point in captures {
        let (frames, used) = (&point.frames, &point.tally);
        for (name, count) in [
            ("attempts", used.credited),
            ("established connections", used.established),
            ("no SYN in the capture", used.unmatched),
            ("captured twice", used.captured_twice),
            ("other IP", frames.other_ip),
            ("not IP", frames.non_ip),
            ("later fragments", frames.fragments),
            ("cut before the TCP flags", frames.cut_short),
            ("malformed", frames.malformed),
            ("without time stamp", frames.untimed),
            ("not a packet", frames.not_packets),
            ("unknown link type", frames.unknown_link.values().sum()),
        ] {
            if count > 0 {
                *tally.entry(name.to_owned()).or_default() += count;
            }
        }
    }
    tally
}

/// Which of the 504s that users saw a case explains. A request may have several tries and so
/// several cases; its 504 counts once, as lost where any of them is.
fn http_504(analysis: &Analysis) -> Option<Http504> {
    analysis.inputs.of(Kind::AccessLog).next()?;
    let mut requests: BTreeMap<_, Vec<Verdict>> = BTreeMap::new();
    for case in &analysis.correlation.cases {
        if let Some(Some(line)) = analysis.logs.access.get(case.timeout)
            && line.status == Some(504)
        {
            requests.entry(line.location).or_default().push(case.verdict);
        }
    }
    for &unrelated in &analysis.correlation.unrelated {
        if let Some(Some(line)) = analysis.logs.access.get(unrelated)
            && line.status == Some(504)
        {
            requests.entry(line.location).or_default().push(Verdict::Connected);
        }
    }
    let mut counts = Http504 { total: analysis.logs.access_504.total, ..Http504::default() };
    for verdicts in requests.values() {
        if verdicts.iter().any(|v| v.is_loss()) {
            counts.explained += 1;
        } else if verdicts.iter().all(|v| !v.is_undecided()) {
            counts.other += 1;
        }
    }
    counts.undecided = counts.total.saturating_sub(counts.explained + counts.other);
    Some(counts)
}

/// What the logs say of the 504s.
fn logged_504(analysis: &Analysis) -> Option<Logged504> {
    analysis.inputs.of(Kind::AccessLog).next()?;
    let tally = analysis.logs.access_504;
    Some(Logged504 {
        total: tally.total,
        with_error_line: tally.with_error_line,
        access_504: tally.cases,
        without_upstream: tally.without_upstream,
        after_connect: tally.after_connect,
        untold: tally.untold,
        copies: tally.copies,
        beyond: tally.beyond,
    })
}

fn access_line(line: why504_nginxlog::AccessLine) -> AccessLine {
    AccessLine { location: line.location, status: line.status, request_time: line.request_time }
}

impl Logs {
    fn zone_info(&self) -> ZoneInfo {
        let moment = self.timeouts.first().map(|t| t.logged.start());
        let shown = self.zones.shown();
        ZoneInfo {
            name: shown.name,
            chosen: shown.basis.into_owned(),
            offset_seconds: moment.map_or(0, |m| shown.zone.offset_seconds(m)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::arguments;

    #[test]
    fn suggested_commands_repeat_what_matters() {
        for typed in [
            "report --tz UTC b.pcap -o x.txt --format=ndjson -j 2 --at=g=1 a.log",
            "a.log --at=g=1 -q b.pcap --tz UTC",
        ] {
            let kept = arguments(typed.split(' ').map(str::to_owned));
            assert_eq!(kept, ["--at=g=1", "--tz", "UTC", "a.log", "b.pcap"], "{typed}");
        }
    }
}
