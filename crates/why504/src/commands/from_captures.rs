//! What `handshakes` and `resets` have in common: they read captures alone, and write to one place
//! what they find while they read.

use std::io::{self, Write};
use std::mem;

use anyhow::{anyhow, bail};
use why504_report::Style;

use super::with_named;
use crate::args::{Format, Handshakes};
use crate::exit::{Outcome, Usage};
use crate::inputs::{Inputs, Kind};
use crate::output;
use crate::plan;
use crate::progress::Complaints;
use crate::run::Analysis;

/// Reads the captures of a run and writes what they hold.
pub(super) type List =
    fn(&mut Analysis, Complaints, Format, &Style, &mut dyn Write) -> io::Result<()>;

/// Finds the inputs and has `list` write what they hold. `command` and `writes` say in messages who
/// writes what and when.
pub(super) fn run(
    options: &Handshakes,
    (command, writes): (&str, &str),
    list: List,
) -> anyhow::Result<Outcome> {
    let named = plan::named_points(&options.captures)?;
    let nat = plan::nat(&options.captures)?;
    let target = plan::output(&options.output)?;
    if target.files.len() + usize::from(target.stdout.is_some()) > 1 {
        bail!(Usage(anyhow!("{command} writes {writes}: give one --output")));
    }
    let mut complaints = Complaints::default();
    let paths = with_named(&options.paths, &named);
    let limits = plan::limits(&options.inputs)?;
    let mut inputs = Inputs::find(&paths, &[], limits, &mut complaints);
    let why = format!("a log; `why504 {command}` reads captures");
    inputs.pass_over(Kind::ErrorLog, &why, &mut complaints);
    let mut analysis = Analysis::of_captures(inputs, &named, &mut complaints);
    analysis.nat = nat;
    // On one of the threads that read and decode: one more would be one too many, and whatever it
    // handed to the others it would wait for asleep.
    rayon::scope(|_| {
        output::write(&target, |format, style, out| {
            list(&mut analysis, mem::take(&mut complaints), format, style, out)
        })
    })?;
    analysis.complaints.print(target.quiet);
    Ok(analysis.outcome)
}
