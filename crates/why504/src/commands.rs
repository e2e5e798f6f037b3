//! One function for each sub-command.

use std::path::PathBuf;

use why504_correlate::{History, Points, judge_attempt};

use crate::args::{Args, Command, Report};
use crate::exit::Outcome;
use crate::inputs::Inputs;
use crate::plan::{self, LogPlan};
use crate::progress::Complaints;
use crate::run;

/// Runs what was asked for.
pub(crate) fn run(args: Args) -> anyhow::Result<Outcome> {
    match args.command {
        None => report(&args.report),
        Some(Command::Report(options)) => report(&options),
        _ => todo!(),
    }
}

fn report(options: &Report) -> anyhow::Result<Outcome> {
    let plan = LogPlan::new(&options.logs)?;
    let named = plan::named_points(&options.captures)?;
    let output = plan::output(&options.output)?;
    let mut complaints = Complaints::default();
    let paths: Vec<PathBuf> =
        options.paths.iter().cloned().chain(named.iter().map(|n| n.path.clone())).collect();
    let inputs = Inputs::find(&paths, &plan.formats, &mut complaints);
    let a = run::analyse(inputs, &plan, &named, complaints);
    a.complaints.print(output.quiet);
    for case in &a.correlation.cases {
        let t = &a.logs.timeouts[case.timeout];
        let attempt =
            (case.candidates.len() == 1).then(|| &a.merged.attempts[case.candidates[0].attempt]);
        println!("{}", serde_json_line(&a, t, case, attempt));
    }
    eprintln!(
        "unrelated {} offsets {:?} reliability {:?} points {:?} attempts {}",
        a.correlation.unrelated.len(),
        a.merged.offsets,
        a.merged.reliability,
        a.points,
        a.merged.attempts.len()
    );
    Ok(a.outcome)
}
fn serde_json_line(
    a: &run::Analysis,
    t: &why504_model::Timeout,
    case: &why504_correlate::Case,
    attempt: Option<&why504_handshake::Attempt>,
) -> String {
    let row = case.candidates.first().map_or("-", |c| c.judgement.row.name);
    let att = attempt.map_or("null".into(), |x| format!("{{\"client\":\"{}\",\"client_port\":{},\"server_port\":{},\"isn\":{},\"hist\":\"{}\"}}", x.flow().client.ip, x.flow().client.port, x.flow().server.port, x.isn().0, x.sightings().map(|s| format!("{}={}", a.points[s.point.0 as usize].name, s.history())).collect::<Vec<_>>().join(",")));
    format!(
        "{{\"file\":{:?},\"line\":{},\"kind\":\"{:?}\",\"verdict\":\"{}\",\"grade\":\"{}\",\"mech\":\"{:?}\",\"row\":\"{}\",\"n\":{},\"doubt\":{:?},\"p\":{},\"window\":{},\"widened\":{},\"alts\":{:?},\"start\":{},\"attempt\":{}}}",
        a.inputs.sources[t.location.source.0 as usize].path.display().to_string(),
        t.location.record,
        t.kind,
        case.verdict.name(),
        case.grade.name(),
        case.mechanism,
        row,
        case.candidates.len(),
        format!("{:?}", case.doubt),
        case.probability,
        case.join.window.within.length().as_secs_f64(),
        case.join.window.widened_by.as_secs_f64(),
        case.alternatives.iter().map(|a| a.0.name()).collect::<Vec<_>>(),
        t.start.is_some(),
        att
    )
}
