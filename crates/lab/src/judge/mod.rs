//! Judges the tool by sets with known truth: runs its binary over each, reads its NDJSON, and
//! compares case by case.
//!
//! Everything is checked from outside, with readers of our own: verdicts and attempts against
//! `truth.jsonl`, evidence against the capture files, tallies against themselves, and the bytes of
//! one run against those of another.

mod clocks;
mod counted;
mod evidence;
mod limits;
mod output;
mod score;
mod table;
mod tallies;
mod tool;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

pub use clocks::ClockScore;
pub use limits::Limits;
pub use score::{Kind, Score, Undecidable, Wrong};

pub(crate) use limits::share;
pub use table::render;

use score::Differs;

use crate::truth;

/// What the tool is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Both captures, both logs
    Both,
    /// Both captures, the error log, and a flag with every timeout in force
    #[value(alias = "error-log-only")]
    NoAccess,
    /// Both captures and the error log, and nothing else: no timeouts, no zone
    LogAlone,
    /// The gateway's capture and those on the way, without the upstream's, both logs; of sets that have some
    Midway,
    /// The gateway's capture alone, both logs
    Gateway,
    /// The upstream's capture alone, both logs
    Upstream,
}

impl Mode {
    /// All of them, in the order they are reported.
    pub const ALL: [Self; 6] =
        [Self::Both, Self::NoAccess, Self::LogAlone, Self::Midway, Self::Gateway, Self::Upstream];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::NoAccess => "no-access",
            Self::LogAlone => "log-alone",
            Self::Midway => "midway",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

/// The captures between gateway and upstream that a set may have.
const ON_THE_WAY: [&str; 4] = ["fw1", "fw2", "front", "back"];

/// Whether a set has what a mode gives to the tool.
pub fn applies(folder: &Path, mode: Mode) -> bool {
    let present = |point: &str| folder.join(format!("{point}.pcap")).exists();
    mode != Mode::Midway || ON_THE_WAY.into_iter().any(present)
}

/// The score of one set in one mode.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    /// Name of the set's folder.
    pub set: String,
    /// What the tool was given.
    pub mode: Mode,
    /// Its score.
    pub score: Score,
}

/// Runs the binary `why504` over the set in `folder` and scores what it says.
pub fn judge(folder: &Path, mode: Mode, why504: &Path) -> Result<Judgement> {
    let rows = truth::read(folder)?;
    let settings = truth::Settings::read(folder)?;
    let decidable = match mode {
        Mode::Gateway => truth::decided_by_gateway(folder, &settings, &rows)?,
        _ => BTreeSet::new(),
    };
    let call = tool::Call::new(why504, folder, mode, &settings, &rows)?;
    let answer = call.run(&[])?;
    let output = output::parse(&answer.stdout)?;
    // The truth has the gateway's addresses and numbers; the upstream alone may show others.
    let alone = mode == Mode::Upstream;
    let differs =
        Differs { addresses: settings.translated && alone, isn: settings.isn_rewrite && alone };
    let mut score = score::score(&rows, &output, differs, &decidable);
    score.exit_status = answer.status;
    score.seconds = answer.seconds;
    score.counted = counted::check(&rows, &output);
    score.evidence = evidence::check(folder, &output.cases);
    score.tally_problems = tallies::check(&output);
    score.clocks = clocks::score(&output.summary, &settings);
    if matches!(mode, Mode::Both | Mode::Gateway)
        && let Some(broken) = settings.broken_ports
    {
        score.concentration = Some(limits::finds(&output.summary.loss_concentrations, broken));
    }
    score.unstable = call.instabilities(&answer.stdout)?;
    let set = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    Ok(Judgement { set, mode, score })
}

/// Runs the tool once, on one thread, over a set with this truth, and scores its verdicts alone.
pub(crate) fn verdicts(
    folder: &Path,
    mode: Mode,
    why504: &Path,
    settings: &truth::Settings,
    rows: &[truth::Row],
) -> Result<Score> {
    let answer = tool::Call::new(why504, folder, mode, settings, rows)?.run(&["-j", "1"])?;
    let output = output::parse(&answer.stdout)?;
    Ok(score::score(rows, &output, Differs::default(), &BTreeSet::new()))
}

/// The folders below or equal to `paths` that hold a `truth.jsonl`.
pub fn sets(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.join("truth.jsonl").exists() {
            found.push(path.clone());
            continue;
        }
        let mut below = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let folder = entry?.path();
            if folder.join("truth.jsonl").exists() {
                below.push(folder);
            }
        }
        below.sort();
        found.append(&mut below);
    }
    Ok(found)
}
