//! `docs/verdicts.md`, generated from the decision table, so that it cannot say anything else than
//! what is judged.

use why504_correlate::{Mechanism, Need, Verdict, rows};

use crate::explain::of_verdict;
use crate::words;

/// The document, ready to be written to `docs/verdicts.md`.
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    text.push_str("| verdict | in short | what it means |\n|---|---|---|\n");
    for verdict in Verdict::ALL {
        text.push_str(&format!(
            "| `{}` | {} | {} |\n",
            verdict.name(),
            words::label(verdict),
            of_verdict(verdict)
        ));
    }
    text.push_str(TABLE_HEAD);
    for (number, row) in (1..).zip(rows()) {
        let mechanism = row.mechanism.map_or("", Mechanism::name);
        let alternatives: Vec<String> = row
            .alternatives
            .iter()
            .map(|(v, settles)| format!("`{}` (settled by {})", v.name(), settles.words()))
            .collect();
        text.push_str(&format!(
            "| {number} | `{}` | {} | `{}`{} | {} | {} | {} | {} |\n",
            row.name,
            cell(row.when),
            row.verdict.name(),
            if mechanism.is_empty() { String::new() } else { format!(" / `{mechanism}`") },
            row.grade.name(),
            need(row.need),
            cell(&alternatives.join(", ")),
            cell(row.reason)
        ));
    }
    text
}

const fn need(need: Need) -> &'static str {
    match need {
        Need::Nothing => "-",
        Need::Client => "the client's end",
        Need::Server => "the server's end",
        Need::Both => "both ends",
        Need::ClientAcks => "the client's end, plain ACKs included",
        Need::ServerAcks => "the server's end, plain ACKs included",
    }
}

/// A `|` would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = "# Verdicts\n\n\
<!-- Generated from the decision table (crates/correlate/src/judge/table.rs). Do not edit. -->\n\n\
A verdict says what became of the handshake that a log line is about. Its grade says how sure that \
is: `proven` (seen leaving one point and missing at the next, both covered), `signature` (one side \
shows a pattern that only this cause makes), `consistent` (it fits, and a named alternative fits as \
well), `ambiguous` (several attempts fit and disagree). A verdict at `proven` or `signature` is \
never wrong: in doubt the grade goes down.\n\n";

const TABLE_HEAD: &str = "\n## The decision table\n\n\
The first row that applies decides. Where a row rests on the absence of a packet, that absence must \
be proven at the end that is named: inside the span of the capture, both directions of the server's \
traffic seen, no packets dropped, no narrow filter. Where it is not, the verdict stays and the grade \
falls to `consistent`.\n\n\
| # | row | applies when | verdict | grade | absence proven at | alternatives | reason |\n\
|---|---|---|---|---|---|---|---|\n";
