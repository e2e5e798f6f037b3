//! The NDJSON contract: one JSON object a line. Field names and types are fixed; new fields may be
//! added at the end of an object. Times are RFC 3339 with nanoseconds and `Z`, durations are
//! seconds as numbers. Not here: any other machine format.

mod attempt;
mod case;
mod check;
mod group;
mod log;
mod plain;
mod prepared;
mod rates;
mod reset;
mod summary;
mod timeout_line;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use why504_correlate::Judgement;
use why504_handshake::Attempt;

use crate::case_id::case_ids;
use crate::check::Check;
use crate::reset::SentReset;
use crate::run::{Captures, Run};
pub(crate) use attempt::{connect_time, is_near_miss};
pub use plain::PlainLines;
pub use timeout_line::{RawWords, TimeoutLine, TimeoutLines};

/// Most lines are shorter.
const LINE_BYTES: usize = 1024;

/// Version of the contract.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct RunLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema_version: u32,
    tool: &'a str,
    inputs: &'a [String],
}

/// The whole report: the run, the cases, groups of ambiguous ones, the summary.
pub fn report(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    header(run.tool, run.inputs, out)?;
    let ids = case_ids(run);
    let groups = || (1..).zip(&run.correlation.groups);
    let numbers: BTreeMap<usize, usize> =
        groups().flat_map(|(number, g)| g.lines.iter().map(move |&line| (line, number))).collect();
    for case in &run.correlation.cases {
        let number = numbers.get(&case.timeout).copied();
        if let Some(line) = case::line(run, case, &ids, number) {
            write_line(&line, out)?;
        }
    }
    for (number, group) in groups() {
        write_line(&group::line(run, number, group), out)?;
    }
    summary(run, out)
}

/// The first line of every NDJSON output.
pub fn header(tool: &str, inputs: &[String], out: &mut dyn Write) -> io::Result<()> {
    write_line(&RunLine { kind: "run", schema_version: SCHEMA_VERSION, tool, inputs }, out)
}

/// One attempt of `why504 handshakes`, when it closes.
pub fn attempt(
    captures: &Captures<'_>,
    attempt: &Attempt,
    judgement: &Judgement,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    attempt::line(captures, attempt, judgement).write(out)?;
    out.push(b'\n');
    Ok(())
}

/// One RST of `why504 resets`.
pub fn reset(captures: &Captures<'_>, sent: &SentReset, out: &mut dyn Write) -> io::Result<()> {
    write_line(&reset::line(captures, sent), out)
}

/// Every logged timeout, no captures needed.
pub fn timeouts(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    header(run.tool, run.inputs, out)?;
    for index in 0..run.timeouts.len() {
        if let Some(line) = log::timeout_line(run, index) {
            write_line(&line, out)?;
        }
    }
    summary(run, out)
}

/// What is known of each input, and what stands in the way.
pub fn check(run: &Run<'_>, check: &Check, out: &mut dyn Write) -> io::Result<()> {
    header(run.tool, run.inputs, out)?;
    for line in check::lines(run, check) {
        write_line(&line, out)?;
    }
    summary(run, out)
}

/// The last line of every NDJSON output.
pub fn summary(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    write_line(&summary::line(run), out)
}

/// The line goes through memory: a call through `dyn Write` for each comma costs more than the rest.
fn write_line<T: Serialize>(line: &T, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::with_capacity(LINE_BYTES);
    serde_json::to_writer(&mut text, line)?;
    text.push(b'\n');
    out.write_all(&text)
}
