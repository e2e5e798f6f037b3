//! `--slices DIR`: fetches the raw frames of the chosen cases in one further pass over the captures,
//! and writes a pcapng file for each.
//!
//! Which cases, and what the files say, is decided in [`why504_report::slices`].

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use rayon::prelude::*;
use why504_capture::ByteOrder;
use why504_ingest::Source;
use why504_model::{Damage, Location};
use why504_report::Run;
use why504_report::slices::{self, Frame, Plan, Slice};

use crate::args::SliceOptions;
use crate::inputs::{Inputs, Kind};
use crate::output;
use crate::progress::Complaints;
use crate::raw_frames::{self, Wanted};

/// Octets of the frames of one capture file that are held: so much, and so much for each frame that
/// is wanted. Packets of handshakes are small; only a made-up file asks for more.
const HELD: usize = 4 << 20;
const HELD_EACH: usize = 4 << 10;

/// Makes the directory, before any work is done.
pub(crate) fn prepare(options: &SliceOptions) -> anyhow::Result<()> {
    let Some(folder) = &options.slices else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("--slices {}: cannot be made", folder.display()))
}

/// Writes the files of a run; `only` asks for one case.
pub(crate) fn write(
    options: &SliceOptions,
    run: &Run<'_>,
    inputs: &Inputs,
    only: Option<&str>,
    complaints: &mut Complaints,
) -> anyhow::Result<()> {
    let Some(folder) = &options.slices else { return Ok(()) };
    let plan = Plan::new(run, options.slices_each, only);
    let frames = fetch(&plan, inputs, complaints);
    for slice in &plan.slices {
        if let Some(missing) = slice.wanted().find(|(l, _)| !frames.contains_key(l)) {
            complaints.add(Damage::Partial, lost(slice, missing.0, inputs));
            continue;
        }
        let path = folder.join(&slice.file_name);
        output::replace(&path, |out| slices::write(slice, |l| frames.get(&l), out))
            .with_context(|| format!("--slices {}", path.display()))?;
    }
    for sentence in left_out(&plan, folder) {
        complaints.add(Damage::Note, sentence);
    }
    Ok(())
}

fn left_out(plan: &Plan, folder: &Path) -> Vec<String> {
    let mut sentences = Vec::new();
    let folder = folder.display();
    if plan.left_out > 0 {
        sentences.push(format!(
            "{folder}: {} cases of {} have a file; --slices-each sets how many of a kind get one",
            plan.slices.len(),
            plan.slices.len() + plan.left_out
        ));
    }
    if plan.without_packets > 0 {
        sentences.push(format!(
            "{folder}: {} cases have no file, since no capture holds a packet of theirs",
            plan.without_packets
        ));
    }
    sentences
}

fn lost(slice: &Slice, location: Location, inputs: &Inputs) -> String {
    let path = inputs.sources.iter().find(|s| s.id == location.source).map(|s| s.path.display());
    let path = path.map_or_else(String::new, |p| p.to_string());
    format!(
        "{path}: record {}: not found again, the file has changed; {} is not written",
        location.record, slice.file_name
    )
}

/// The frames of all files of the plan. One that is not there any more is left out.
fn fetch(plan: &Plan, inputs: &Inputs, complaints: &mut Complaints) -> BTreeMap<Location, Frame> {
    let wanted = raw_frames::by_source(plan.slices.iter().flat_map(Slice::wanted));
    let sources: Vec<(&Source<Kind>, &Wanted)> =
        inputs.of(Kind::Capture).filter_map(|s| Some((s, wanted.get(&s.id)?))).collect();
    let read: Vec<Result<Vec<(Location, Frame)>, String>> = sources
        .par_iter()
        .map(|(source, wanted)| {
            frames(source, wanted).map_err(|error| format!("{}: {error}", source.path.display()))
        })
        .collect();
    let mut all = BTreeMap::new();
    for of_source in read {
        match of_source {
            Ok(frames) => all.extend(frames),
            Err(sentence) => complaints.add(Damage::Partial, sentence),
        }
    }
    all
}

/// The wanted frames of one file.
fn frames(source: &Source<Kind>, wanted: &Wanted) -> Result<Vec<(Location, Frame)>, String> {
    let mut room = HELD + HELD_EACH.saturating_mul(wanted.len());
    let mut found = Vec::new();
    raw_frames::visit(source, wanted, |location, frame, summary| {
        room = room.checked_sub(frame.data.len()).ok_or("its frames are too large")?;
        let interface = summary.interfaces.iter().rev().find(|i| i.link == frame.link);
        found.push((
            location,
            Frame {
                link: frame.link.0,
                snaplen: interface.and_then(|i| i.snaplen),
                wire_len: frame.wire_len,
                // Slices are written in little-endian.
                data: frame.octets_in(ByteOrder::Little).into_owned(),
            },
        ));
        Ok(())
    })?;
    Ok(found)
}
