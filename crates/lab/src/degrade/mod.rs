//! What bad captures do: spoils the captures of sets in every way of a table, and counts what
//! `why504` then says, wrong and sure above all.
//!
//! Packets get lost in a capture's buffers, a filter lets half of them through, a clock is set: none
//! of that is an excuse for a wrong verdict that calls itself proven. The truth is that of the set,
//! whose packets did what they did, captured or not. Nothing random differs between two runs.

mod clock;
mod frames;
mod missing;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rayon::prelude::*;

use crate::judge::{self, Mode, Wrong};
use crate::packet::{self, Packet, Tcp};
use crate::pcap::{self, Frame};
use crate::random::Random;
use crate::truth;

pub use ways::{Side, WAYS, Way};

/// Lines of one kind that are named.
const SHOWN: usize = 5;

/// Makes a capture worse.
pub(crate) trait Spoil: Sync {
    /// What a worse capture would hold of these packets.
    fn spoil(&self, frames: Vec<Frame>, random: &mut Random) -> Vec<Frame>;
}

/// What one way of spoiling did, over all sets, in one mode.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Name of the way.
    pub way: &'static str,
    /// What why504 was given.
    pub mode: Mode,
    /// Timeouts whose truth is exact.
    pub exact: usize,
    /// Of these, with the true verdict at a sure grade.
    pub right_sure: usize,
    /// Set, and verdict that is wrong and sure.
    pub wrong_sure: Vec<(String, Wrong)>,
    /// Likewise, where the table of ways says why it cannot be told.
    pub excused: Vec<(String, Wrong)>,
}

/// Spoils the captures of `sets` in each of `ways` and asks the binary `why504`, with both captures
/// and with the spoiled side's alone; `told` hears of each outcome as it is there. The captures are
/// written below `scratch`, and left there if wanted. How many verdicts are wrong and sure.
pub fn degrade(
    sets: &[PathBuf],
    ways: &[&'static Way],
    modes: &[Mode],
    why504: &Path,
    (scratch, keep): (&Path, bool),
    mut told: impl FnMut(&Outcome),
) -> Result<usize> {
    let mut wrong = 0;
    for way in ways {
        let asked = way.modes();
        let asked: Vec<Mode> = asked.into_iter().filter(|mode| modes.contains(mode)).collect();
        let of_sets: Vec<Vec<Outcome>> = sets
            .par_iter()
            .map(|set| spoiled(set, way, &asked, why504, (scratch, keep)))
            .collect::<Result<_>>()?;
        for mode in asked {
            let of_mode = of_sets.iter().flatten().filter(|outcome| outcome.mode == mode);
            let all = of_mode.fold(Outcome::none(way, mode), |mut all, one| {
                all.exact += one.exact;
                all.right_sure += one.right_sure;
                all.wrong_sure.extend(one.wrong_sure.iter().cloned());
                all.excused.extend(one.excused.iter().cloned());
                all
            });
            wrong += all.wrong_sure.len();
            told(&all);
        }
    }
    Ok(wrong)
}

/// One set, spoiled in one way, in all modes.
fn spoiled(
    set: &Path,
    way: &Way,
    modes: &[Mode],
    why504: &Path,
    (scratch, keep): (&Path, bool),
) -> Result<Vec<Outcome>> {
    let name = set.file_name().unwrap_or(set.as_os_str()).to_string_lossy().into_owned();
    let folder = scratch.join(format!("{}-{name}", way.name));
    std::fs::create_dir_all(&folder)?;
    write_spoiled(set, way, &folder)
        .with_context(|| format!("cannot spoil {} by {}", set.display(), way.name))?;
    let (rows, settings) = (truth::read(set)?, truth::Settings::read(set)?);
    let outcomes = modes.iter().map(|&mode| {
        let score = judge::verdicts(&folder, mode, why504, &settings, &rows)?;
        let mut outcome = Outcome::none(way, mode);
        (outcome.exact, outcome.right_sure) = (score.exact, score.right_sure());
        for wrong in score.wrong_sure {
            let excused = way.excuse(mode, &wrong.verdict).is_some();
            let list = if excused { &mut outcome.excused } else { &mut outcome.wrong_sure };
            list.push((name.clone(), wrong));
        }
        Ok(outcome)
    });
    let outcomes = outcomes.collect::<Result<Vec<_>>>()?;
    if !keep {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(outcomes)
}

/// A folder like that of `set`, with other captures of the side that the way spoils.
fn write_spoiled(set: &Path, way: &Way, folder: &Path) -> Result<()> {
    let set = set.canonicalize()?;
    let of_set = set.file_name().unwrap_or_default().to_string_lossy();
    for entry in std::fs::read_dir(&set)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let capture = path.extension().is_some_and(|end| end == "pcap");
        if capture && name.starts_with(way.side.name()) {
            let mut random = Random::new(seed(&[way.name, &of_set, &name]));
            let frames = way.what.spoil(pcap::read(&path)?, &mut random);
            std::fs::write(folder.join(&name), pcap::to_bytes(&frames)?)?;
        } else {
            symlink(&path, folder.join(&name))?;
        }
    }
    Ok(())
}

/// A number that follows from these words.
fn seed(words: &[&str]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
    bytes.fold(504, |sum, byte| Random::new(sum ^ u64::from(byte)).next_u64())
}

/// The TCP header of a frame, where it is a segment; an ICMP error is none.
fn segment(frame: &Frame) -> Option<Tcp> {
    match packet::decode(frame.link, &frame.bytes)? {
        Packet::Tcp(tcp) => Some(tcp),
        Packet::Unreachable(_) => None,
    }
}

/// The ports that SYNs of several ends ask for: a server that connects in turn asks for each once.
fn server_ports(frames: &[Frame]) -> BTreeSet<u16> {
    let mut asked: BTreeMap<u16, BTreeSet<(IpAddr, u16)>> = BTreeMap::new();
    for tcp in frames.iter().filter_map(segment).filter(Tcp::is_syn) {
        asked.entry(tcp.dport).or_default().insert((tcp.src, tcp.sport));
    }
    asked.into_iter().filter(|(_, ends)| ends.len() > 2).map(|(port, _)| port).collect()
}

impl Outcome {
    const fn none(way: &Way, mode: Mode) -> Self {
        Self {
            way: way.name,
            mode,
            exact: 0,
            right_sure: 0,
            wrong_sure: Vec::new(),
            excused: Vec::new(),
        }
    }
}

/// An outcome as a line, and below it each kind of verdict that is wrong and sure.
pub fn render(outcome: &Outcome) -> String {
    let sure = judge::share(outcome.right_sure, outcome.exact) * 100.0;
    let mut text = format!(
        "{:<30} {:<9} {:>6} timeouts, {:>6} right and sure ({sure:5.1} %), {:>3} WRONG and sure",
        outcome.way,
        outcome.mode.name(),
        outcome.exact,
        outcome.right_sure,
        outcome.wrong_sure.len()
    );
    if !outcome.excused.is_empty() {
        let _ = write!(text, ", and {} that cannot be told", outcome.excused.len());
    }
    text.push('\n');
    let mut kinds: BTreeMap<[&str; 4], Vec<String>> = BTreeMap::new();
    for (set, wrong) in &outcome.wrong_sure {
        let kind = [&wrong.truth, &wrong.verdict, &wrong.grade, &wrong.reason].map(String::as_str);
        kinds.entry(kind).or_default().push(format!("{set}:{}", wrong.line));
    }
    for ([truth, verdict, grade, reason], lines) in kinds {
        let some = lines.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(" ");
        let count = lines.len();
        let _ = writeln!(text, "  {count} {truth}: {verdict}, {grade} ({reason}): {some}");
    }
    text
}

/// What the table of ways says of wrong verdicts that cannot be told.
pub fn excuses() -> String {
    ways::EXCUSES.iter().fold(String::new(), |mut text, excuse| {
        let (mode, ways) = (excuse.mode.name(), excuse.ways.join(", "));
        let _ = writeln!(text, "{} from {mode} after {ways}: {}", excuse.verdict, excuse.why);
        text
    })
}

#[cfg(test)]
mod tests;
