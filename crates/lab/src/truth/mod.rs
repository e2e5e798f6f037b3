//! The ground truth of a set: for each error-log line about a failed or timed-out connect or read,
//! which attempt it was and what happened to that attempt's packets.
//!
//! The attempt is known from marks that a production log does not have (a source port or address
//! that the request line repeats), or from the access line's start to the millisecond. What
//! happened to it is counted in both captures and in the capture of what the router dropped.
//! Nothing here is shared with the product.

mod agreement;
mod cause;
mod identify;
mod logs;
mod packets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use agreement::{Agreement, compare};

use crate::scenario::Scenario;

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
    /// The attempt, when it is known.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
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

/// What must be known about a set to find its truth; from `truth.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Time zone of the error log.
    pub timezone: String,
    /// Whether gateway and upstream talk IPv6.
    pub ipv6: bool,
    /// Connect timeout of proxied requests, seconds.
    pub proxy_connect_timeout: f64,
}

#[derive(Deserialize)]
struct SettingsFile {
    args: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    tz: String,
    #[serde(default)]
    v6: bool,
    proxy_connect_timeout: Option<f64>,
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

impl Settings {
    /// Those of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            timezone: scenario.timezone.clone(),
            ipv6: scenario.ipv6,
            proxy_connect_timeout: f64::from(scenario.proxy_connect_timeout_ms) / 1000.0,
        }
    }

    /// Reads `truth.json` of a set.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("truth.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let SettingsFile { args } = serde_json::from_str(&text)
            .with_context(|| format!("{} is not as expected", path.display()))?;
        Ok(Self {
            timezone: args.tz,
            ipv6: args.v6,
            proxy_connect_timeout: args.proxy_connect_timeout.unwrap_or(2.0),
        })
    }

    fn gateway_address(&self) -> &'static str {
        if self.ipv6 { "fd77:1::2" } else { "10.77.1.2" }
    }
}

/// Writes `truth.json`: the scenario's settings and the behaviour of each port.
pub fn write_settings(folder: &Path, scenario: &Scenario, settings: &Settings) -> Result<()> {
    let ports: BTreeMap<String, serde_json::Value> = scenario
        .upstream
        .iter()
        .map(|up| (up.port.to_string(), serde_json::json!(Scenario::behaviours(up))))
        .collect();
    let mixed = scenario.upstream.iter().any(|up| !up.mix.is_empty());
    let value = serde_json::json!({
        "args": {
            "seconds": scenario.seconds, "rps": scenario.rate, "seed": scenario.seed,
            "nat": scenario.nat, "tz": settings.timezone, "v6": settings.ipv6,
            "any": scenario.capture.any, "rotate": scenario.capture.rotate_seconds,
            "snaplen": scenario.capture.snaplen, "mix": mixed,
            "proxy_connect_timeout": settings.proxy_connect_timeout,
        },
        "description": scenario.description,
        "ports": ports,
        "note": "behaviour and percent by upstream port; dropped.pcap holds what the router dropped",
    });
    let text = serde_json::to_string_pretty(&value)? + "\n";
    Ok(std::fs::write(folder.join("truth.json"), text)?)
}

/// Works out the truth of the set in `folder`.
pub fn derive(folder: &Path, settings: &Settings) -> Result<(Vec<Row>, Summary)> {
    let read = |name: &str| {
        let path = folder.join(name);
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok::<_, anyhow::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let access = logs::access(&read("access.log")?);
    let errors = logs::errors(&read("error.log")?, access.zone_seconds, settings);
    let packets = packets::Packets::read(folder)?;
    let reused = packets.gateway.iter().filter(|attempt| !attempt.foreign_acks.is_empty());
    let mut summary = Summary { reused_ports: reused.count(), ..Summary::default() };
    let mut rows = Vec::new();
    for error in &errors {
        let found = identify::attempt(error, &access, &packets, settings);
        let found = found
            .and_then(|(attempt, how)| Some((cause::describe(error, attempt, &packets)?, how)));
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
            attempt: attempt.map(|(attempt, _)| attempt),
        });
    }
    Ok((rows, summary))
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
