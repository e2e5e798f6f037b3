//! The tool's NDJSON, as far as the judge needs it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// A case that the tool reported.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Case {
    pub(super) log: Log,
    pub(super) verdict: String,
    pub(super) mechanism: Option<String>,
    pub(super) grade: String,
    pub(super) lost_between: Option<Between>,
    pub(super) attempt: Option<CaseAttempt>,
    #[serde(default)]
    pub(super) evidence: Vec<Evidence>,
    #[serde(default)]
    pub(super) reason: String,
    /// The group in which it is counted with others.
    #[serde(default)]
    pub(super) group: Option<u64>,
}

/// Ambiguous cases that are counted together.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Group {
    #[serde(rename = "group")]
    pub(super) number: u64,
    pub(super) exact: bool,
    pub(super) sure: bool,
    pub(super) counts: Vec<GroupCount>,
}

/// How many of them have a verdict.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct GroupCount {
    pub(super) verdict: String,
    pub(super) least: usize,
    pub(super) most: usize,
}

/// The capture points around a loss.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Between {
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Log {
    pub(super) file: String,
    pub(super) line: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CaseAttempt {
    pub(super) client: String,
    pub(super) client_port: u16,
    pub(super) server: String,
    pub(super) server_port: u16,
    pub(super) isn: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Evidence {
    pub(super) file: String,
    pub(super) frame: u64,
    pub(super) time: String,
    pub(super) flags: Option<String>,
    pub(super) seq: Option<u32>,
    pub(super) ack: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Summary {
    pub(super) log_lines: LogLines,
    pub(super) cases: CaseCounts,
    #[serde(default)]
    pub(super) points: Vec<Point>,
    #[serde(default)]
    pub(super) clock_offsets: Vec<Clocks>,
    #[serde(default)]
    pub(super) loss_concentrations: Vec<Concentration>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Point {
    pub(super) name: String,
    /// First and last packet, on its own clock.
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
}

/// What the tool says about two points' clocks.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Clocks {
    pub(super) near: String,
    pub(super) far: String,
    /// Far minus near at the first packet, seconds.
    pub(super) offset: f64,
    /// Seconds a second.
    pub(super) drift: f64,
}

/// A class of connects that, as the tool says, loses more than others.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Concentration {
    pub(super) packet: String,
    pub(super) by: String,
    pub(super) modulus: Option<u16>,
    pub(super) residue: Option<u16>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LogLines {
    pub(super) total: u64,
    pub(super) cases: u64,
    pub(super) other: u64,
    pub(super) unparsed: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CaseCounts {
    pub(super) total: u64,
    pub(super) by_verdict: BTreeMap<String, u64>,
    pub(super) by_grade: BTreeMap<String, u64>,
}

/// A whole run of the tool.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) cases: Vec<Case>,
    pub(super) groups: Vec<Group>,
    pub(super) summary: Summary,
}

/// Parses the NDJSON: a run line, cases, groups of them, a summary line (product.md section 4).
pub(super) fn parse(bytes: &[u8]) -> Result<Output> {
    let text = std::str::from_utf8(bytes).context("the output is not UTF-8")?;
    let mut cases = Vec::new();
    let mut groups = Vec::new();
    let mut summary = None;
    for (number, line) in (1..).zip(text.lines()) {
        let value: Value = serde_json::from_str(line)
            .with_context(|| format!("output line {number} is not JSON: {line}"))?;
        let kind = value.get("type").and_then(Value::as_str).unwrap_or("").to_owned();
        if (number == 1) != (kind == "run") || summary.is_some() {
            bail!("output line {number}: `{kind}` is out of place");
        }
        match kind.as_str() {
            "case" => cases.push(
                serde_json::from_value(value)
                    .with_context(|| format!("output line {number}: {line}"))?,
            ),
            "group" => groups.push(
                serde_json::from_value(value)
                    .with_context(|| format!("output line {number}: {line}"))?,
            ),
            "summary" => {
                summary = Some(
                    serde_json::from_value(value)
                        .with_context(|| format!("output line {number}: {line}"))?,
                );
            }
            _ => {}
        }
    }
    Ok(Output { cases, groups, summary: summary.context("the output has no summary line")? })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const SUMMARY: &str = r#"{"type":"summary","log_lines":{"total":3,"cases":1,"other":2,"unparsed":0},"cases":{"total":1,"by_verdict":{"synack_lost":1},"by_grade":{"proven":1}}}"#;

    pub(crate) fn case(line: u64, verdict: &str, grade: &str) -> String {
        format!(
            r#"{{"type":"case","log":{{"file":"error.log","line":{line}}},"verdict":"{verdict}","mechanism":null,"grade":"{grade}","attempt":{{"client":"10.77.1.2","client_port":20001,"server":"10.77.2.2","server_port":8001,"isn":7}},"evidence":[]}}"#
        )
    }

    #[test]
    fn a_run_a_case_and_a_summary() {
        let text =
            format!("{{\"type\":\"run\"}}\n{}\n{SUMMARY}\n", case(4, "synack_lost", "proven"));
        let output = parse(text.as_bytes()).unwrap();
        assert_eq!(output.cases.len(), 1);
        assert_eq!(output.summary.log_lines.total, 3);
    }

    #[test]
    fn order_and_completeness_are_demanded() {
        for bad in [String::new(), SUMMARY.to_owned(), "{\"type\":\"run\"}\n".to_owned()] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
