//! What is said on standard error while and after results are made.

use std::io::Write;
use std::path::Path;

use why504_model::{Damage, Diagnostic};

use crate::exit::Outcome;

/// Everything that was wrong with the inputs.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    lines: Vec<(Damage, String)>,
}

impl Complaints {
    /// Something about a file.
    pub(crate) fn about(&mut self, path: &Path, diagnostic: &Diagnostic) {
        let mut place = path.display().to_string();
        if let Some(offset) = diagnostic.offset {
            place = format!("{place}: byte {offset}");
        }
        if diagnostic.location.record > 0 {
            place = format!("{place}: record {}", diagnostic.location.record);
        }
        self.add(diagnostic.damage, format!("{place}: {diagnostic}"));
    }

    /// A sentence.
    pub(crate) fn add(&mut self, damage: Damage, sentence: impl Into<String>) {
        self.lines.push((damage, sentence.into()));
    }

    /// Adds what another thread complained about.
    pub(crate) fn extend(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// The sentences, in a stable order.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(_, sentence)| sentence.as_str())
    }

    /// Whether some input could not be used in full.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.lines.iter().map(|(damage, _)| *damage).max() {
            Some(Damage::Partial | Damage::Unusable) => Outcome::Damaged,
            _ => Outcome::Complete,
        }
    }

    /// Prints them; notes only unless `quiet`.
    pub(crate) fn print(&self, quiet: bool) {
        let mut stderr = std::io::stderr().lock();
        for (damage, sentence) in &self.lines {
            let word = match damage {
                Damage::Note if quiet => continue,
                Damage::Note => "note",
                Damage::Partial => "warning",
                Damage::Unusable => "error",
            };
            // A closed standard error is no reason to stop.
            let _ = writeln!(stderr, "why504: {word}: {}", why504_report::visible(sentence));
        }
    }
}
