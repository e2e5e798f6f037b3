//! Finds the inputs and tells what each of them is.

use std::path::{Path, PathBuf};

use why504_ingest::{Discovery, Skipped, Source, discover};
use why504_model::Damage;
use why504_nginxlog::{LogFormat, LogKind, sniff};

use crate::progress::Complaints;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An nginx error log.
    ErrorLog,
    /// An access log, in one of the formats that are known.
    AccessLog,
    /// A packet capture.
    Capture,
    /// Of no use to the command.
    PassedOver,
}

/// The files of a run.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// In the order of their `SourceId`s.
    pub(crate) sources: Vec<Source<Kind>>,
    /// What was not used.
    pub(crate) skipped: Vec<Skipped>,
}

impl Inputs {
    /// Looks at everything below the paths.
    pub(crate) fn find(
        paths: &[PathBuf],
        formats: &[LogFormat],
        complaints: &mut Complaints,
    ) -> Self {
        let Discovery { sources, skipped } = discover(paths, |head| classify(head, formats));
        for entry in &skipped {
            let sentence = format!("{}: {}", entry.path.display(), entry.reason);
            complaints.add(entry.damage(), sentence);
        }
        Self { sources, skipped }
    }

    /// The sources of one kind.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Source<Kind>> {
        self.sources.iter().filter(move |s| s.class == kind)
    }

    /// Drops the sources of a kind that the command has no use for, and says so. The others keep
    /// their numbers.
    pub(crate) fn pass_over(&mut self, kind: Kind, why: &str, complaints: &mut Complaints) {
        for source in self.sources.iter_mut().filter(|s| s.class == kind) {
            complaints.add(Damage::Note, format!("{}: passed over: {why}", source.path.display()));
            source.class = Kind::PassedOver;
        }
    }

    /// The path of a source as it is shown.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.sources.iter().map(|s| shown(&s.path)).collect()
    }
}

/// A path as text.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn classify(head: &[u8], formats: &[LogFormat]) -> Option<Kind> {
    if why504_capture::recognise(head).is_some() || why504_capture::refused_by_name(head).is_some()
    {
        return Some(Kind::Capture);
    }
    match sniff(head, formats)? {
        LogKind::Error => Some(Kind::ErrorLog),
        LogKind::Access(_) => Some(Kind::AccessLog),
    }
}
