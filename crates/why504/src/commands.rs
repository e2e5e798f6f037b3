//! One function for each sub-command.

mod check;
mod from_captures;
mod handshakes;
mod lines;
mod live;
mod recipe;
mod resets;

use std::path::PathBuf;

use why504_model::Damage;
use why504_report::ndjson::{self, TimeoutLine, TimeoutLines};
use why504_report::{explain, text};

use crate::args::{Args, Command, Explain, Format, Joined, Report, Timeouts};
use crate::exit::Outcome;
use crate::inputs::{Inputs, Kind};
use crate::logs;
use crate::output;
use crate::plan::{self, LogPlan, OutputPlan};
use crate::points::Named;
use crate::progress::Complaints;
use crate::run::{self, Analysis};
use crate::shown::{Shown, TOOL};
use crate::slices;

/// Runs what was asked for.
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    match args.command {
        None => report(&args.report),
        Some(Command::Report(options)) => report(&options),
        Some(Command::Explain(options)) => explain_case(&options),
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Handshakes(options)) => handshakes::run(&options),
        Some(Command::Timeouts(options)) => timeouts(&options),
        Some(Command::Resets(options)) => resets::run(&options),
        Some(Command::Recipe(options)) => recipe::run(&options),
    }
}

fn report(options: &Report) -> anyhow::Result<Outcome> {
    slices::prepare(&options.slices)?;
    let (analysis, _, plan) = analyse(&options.joined)?;
    let shown = Shown::new(&analysis);
    let run = shown.run(&analysis);
    let mut of_slices = Complaints::default();
    slices::write(&options.slices, &run, &analysis.inputs, None, &mut of_slices)?;
    output::write(&plan, |format, style, out| match format {
        Format::Text => text::report(&run, style, out),
        Format::Ndjson => ndjson::report(&run, out),
    })?;
    analysis.complaints.print(plan.quiet);
    of_slices.print(plan.quiet);
    Ok(analysis.outcome.max(of_slices.outcome()))
}

fn explain_case(options: &Explain) -> anyhow::Result<Outcome> {
    slices::prepare(&options.report.slices)?;
    let (mut analysis, _, plan) = analyse(&options.report.joined)?;
    let shown = Shown::new(&analysis);
    let run = shown.run(&analysis);
    let mut of_slices = Complaints::default();
    let only = Some(options.case.as_str());
    slices::write(&options.report.slices, &run, &analysis.inputs, only, &mut of_slices)?;
    let mut known = true;
    output::to_stdout(|out| {
        known = explain::case(&run, &options.case, &plan.style, out)?;
        Ok(())
    })?;
    if !known {
        analysis.complaints.add(Damage::Note, format!("there is no case {}", options.case));
        analysis.outcome = Outcome::Nothing;
    }
    analysis.complaints.print(plan.quiet);
    of_slices.print(plan.quiet);
    Ok(analysis.outcome.max(of_slices.outcome()))
}

fn timeouts(options: &Timeouts) -> anyhow::Result<Outcome> {
    let plan = LogPlan::new(&options.logs)?;
    let target = plan::output(&options.output)?;
    let mut complaints = Complaints::default();
    let limits = plan::limits(&options.inputs)?;
    let mut inputs = Inputs::find(&options.paths, &plan.formats, limits, &mut complaints);
    inputs.pass_over(Kind::Capture, "a capture; `why504 timeouts` reads logs", &mut complaints);
    // Lines to which nothing is added later are told as they are found. A file is written whole or
    // not at all, so only standard output can have them.
    let alone = target.files.is_empty() && inputs.of(Kind::AccessLog).next().is_none();
    if alone && target.stdout == Some(Format::Ndjson) {
        return stream_timeouts(inputs, &plan, &target, complaints);
    }
    let analysis = run::timeouts(inputs, &plan, complaints, logs::read);
    let shown = Shown::new(&analysis);
    let run = shown.run(&analysis);
    output::write(&target, |format, style, out| match format {
        Format::Text => text::timeouts(&run, style, out),
        Format::Ndjson => ndjson::timeouts(&run, out),
    })?;
    analysis.complaints.print(target.quiet);
    Ok(analysis.outcome)
}

fn stream_timeouts(
    inputs: Inputs,
    plan: &LogPlan,
    target: &OutputPlan,
    complaints: Complaints,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::Complete;
    let mut said = Complaints::default();
    output::to_stdout(|out| {
        ndjson::header(TOOL, &inputs.paths(), out)?;
        let mut written = Ok(());
        let analysis = run::timeouts(inputs, plan, complaints, |inputs, plan, complaints| {
            let each = |log: &TimeoutLines, line: &TimeoutLine, number| {
                if written.is_ok() {
                    written = log.write(number, line, out);
                }
            };
            logs::stream(inputs, plan, each, complaints)
        });
        written?;
        let shown = Shown::new(&analysis);
        ndjson::summary(&shown.run(&analysis), out)?;
        (outcome, said) = (analysis.outcome, analysis.complaints);
        Ok(())
    })?;
    said.print(target.quiet);
    Ok(outcome)
}

/// Checks the arguments, finds the inputs, does the work.
fn analyse(options: &Joined) -> anyhow::Result<(Analysis, LogPlan, OutputPlan)> {
    let plan = LogPlan::new(&options.logs)?;
    let output = plan::output(&options.output)?;
    let named = plan::named_points(&options.captures)?;
    let nat = plan::nat(&options.captures)?;
    let mut complaints = Complaints::default();
    let limits = plan::limits(&options.inputs)?;
    let paths = with_named(&options.paths, &named);
    let inputs = Inputs::find(&paths, &plan.formats, limits, &mut complaints);
    let analysis = run::analyse(inputs, &plan, &named, nat, complaints);
    Ok((analysis, plan, output))
}

/// The inputs, those that `--at` names included.
fn with_named(paths: &[PathBuf], named: &[Named]) -> Vec<PathBuf> {
    paths.iter().cloned().chain(named.iter().map(|n| n.path.clone())).collect()
}
