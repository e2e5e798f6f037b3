//! The ground truth of a set: for each error-log line about a failed or timed-out connect or read,
//! which attempt it was and what happened to that attempt's packets.
//!
//! The attempt is known from marks that a production log does not have (a source port or address
//! that the request line repeats), or from the access line's start to the millisecond. What
//! happened to it is counted in both captures and in the capture of what the router dropped.
//! Nothing here is shared with the product.

mod agreement;
mod cause;
mod decidable;
mod gateway;
mod identify;
mod logs;
mod packets;
mod settings;
mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use identify::Found;
use serde::{Deserialize, Serialize};

pub use agreement::{Agreement, compare};
pub use decidable::decided_by_gateway;
pub use settings::{Settings, write_settings};

/// One line of `truth.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Line of the error log, from 1.
    pub line: u64,
    /// Time as the error log has it (local, no zone).
    pub log: String,
    /// The part of the message that makes it a row.
    pub what: String,
    /// Port of the upstream, from the request line.
    pub upstream_port: u16,
    /// Connect timeout in force, seconds.
    pub connect_timeout: f64,
    /// Whether the attempt is known for certain.
    pub exact: bool,
    /// What it is known from: `mark`, `access`, or null.
    pub how: Option<String>,
    /// Whether the captures can decide what happened: not where the end of the way that would have to
    /// answer is none of the points (a SYN proxy, one of several servers).
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub decidable: bool,
    /// The attempt, when it is known.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_true(decidable: &bool) -> bool {
    *decidable
}

/// The attempt of a row, on the gateway's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Client address at the gateway.
    pub src: String,
    /// Client port at the gateway.
    pub sport: u16,
    /// Upstream address.
    pub dst: String,
    /// Upstream port.
    pub dport: u16,
    /// Initial sequence number of its SYN.
    pub isn: u32,
    /// A verdict of the product's vocabulary, with both captures and perfect knowledge.
    pub cause: String,
    /// How that came about, in the product's word, where the packets leave no doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<String>,
    /// The two capture points, nearer the gateway first, that enclose the loss, where there are more
    /// than two and one firewall alone lost packets of this direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_between: Option<[String; 2]>,
    /// SYNs that left the gateway before the deadline.
    pub n_syn: usize,
    /// Time of the first, seconds since the epoch.
    pub syn_t: f64,
    /// SYNs that reached the upstream before the deadline.
    pub syn_arrived: usize,
    /// SYN+ACKs that the upstream sent before the deadline.
    pub synack_sent: usize,
    /// SYN+ACKs that reached the gateway after it.
    pub late_synack: usize,
    /// File and frame of each SYN at the gateway.
    pub gw_frames: Vec<(String, u64)>,
}

/// Figures of a truth that was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows.
    pub rows: usize,
    /// Rows whose attempt is known.
    pub exact: usize,
    /// Rows by cause, those that are known.
    pub causes: BTreeMap<String, usize>,
    /// Attempts, known or not, whose port was answered by an ACK of an earlier connection: the bare
    /// ACK of a port that was used again too soon.
    pub reused_ports: usize,
    /// Lost packets of known attempts that the router's own capture confirms.
    pub drops_confirmed: usize,
    /// Lost packets of known attempts that it does not hold: dropped elsewhere, or not logged.
    pub drops_unconfirmed: usize,
}

/// Works out the truth of the set in `folder`.
pub fn derive(folder: &Path, settings: &Settings) -> Result<(Vec<Row>, Summary)> {
    let (access, errors) = read_logs(folder, settings)?;
    let packets = packets::Packets::read(folder, settings)?;
    let reused = packets.gateway.iter().filter(|attempt| !attempt.foreign_acks.is_empty());
    let mut summary = Summary { reused_ports: reused.count(), ..Summary::default() };
    let mut rows = Vec::new();
    for error in &errors {
        let found = identify::attempt(error, &access, &packets, settings);
        let found = found.and_then(|(found, how)| {
            let described = match found {
                Found::Sent(attempt) => cause::describe(error, attempt, &packets, settings)?,
                Found::Unsent(attempt) => (*attempt, cause::Losses::default()),
            };
            // What nobody logged may have been lost elsewhere, or not at all.
            let doubtful = settings.losses_logged && described.1.unconfirmed > 0;
            (!doubtful).then_some((described, how))
        });
        let how = found.as_ref().map(|(_, how)| (*how).to_owned());
        let attempt = found.map(|(described, _)| described);
        summary.rows += 1;
        if let Some((attempt, losses)) = &attempt {
            summary.exact += 1;
            *summary.causes.entry(attempt.cause.clone()).or_default() += 1;
            summary.drops_confirmed += losses.confirmed;
            summary.drops_unconfirmed += losses.unconfirmed;
        }
        rows.push(Row {
            line: error.line,
            log: error.log.clone(),
            what: error.what.to_owned(),
            upstream_port: error.port,
            connect_timeout: error.connect_timeout,
            exact: attempt.is_some(),
            how,
            decidable: !attempt.as_ref().is_some_and(|(attempt, _)| {
                packets.undecidable(settings, attempt.dport, &attempt.cause)
            }),
            attempt: attempt.map(|(attempt, _)| attempt),
        });
    }
    Ok((rows, summary))
}

fn read_logs(folder: &Path, settings: &Settings) -> Result<(logs::Access, Vec<logs::ErrorLine>)> {
    let read = |name: &str| {
        let path = folder.join(name);
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok::<_, anyhow::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let access = logs::access(&read("access.log")?);
    let errors = logs::errors(&read("error.log")?, &access, settings);
    Ok((access, errors))
}

/// Works out the truth of the set in `folder` and writes `truth.jsonl`.
pub fn write(folder: &Path, settings: &Settings) -> Result<Summary> {
    let (rows, summary) = derive(folder, settings)?;
    let mut text = String::new();
    for row in &rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    std::fs::write(folder.join("truth.jsonl"), text)?;
    Ok(summary)
}

/// Reads `truth.jsonl` of a set.
pub fn read(folder: &Path) -> Result<Vec<Row>> {
    let path = folder.join("truth.jsonl");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}:{}: not a row", path.display(), number + 1))
        })
        .collect()
}

/// The gateway's captures of a set, in order of their names.
pub fn gateway_captures(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("gateway") && path.extension().is_some_and(|end| end == "pcap") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
