//! Finds the inputs and tells what each of them is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use why504_ingest::{Discovery, Limits, SkipReason, Skipped, Source, discover, open};
use why504_model::Damage;
use why504_nginxlog::{LogFormat, LogKind, looks_like_conf, sniff, unknown_format};

use crate::args::Args;
use crate::progress::Complaints;

/// Bytes at the beginning of a log that are shown when its format is not known.
const LOOKED_AT: u64 = 64 * 1024;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An nginx error log.
    ErrorLog,
    /// An access log, in one of the formats that are known.
    AccessLog,
    /// Both kinds of lines in one file: the log of a container.
    MixedLog,
    /// What looks like an access log and has none of the formats.
    UnknownFormat,
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
        limits: Limits,
        complaints: &mut Complaints,
    ) -> Self {
        let Discovery { mut sources, skipped } = discover(paths, |head| classify(head, formats));
        for source in &mut sources {
            source.limits = limits;
        }
        for entry in &skipped {
            let sentence = format!("{}: {}{}", entry.path.display(), entry.reason, hint(entry));
            complaints.add(entry.damage(), sentence);
        }
        let mut inputs = Self { sources, skipped };
        inputs.pass_over_unknown(complaints);
        inputs
    }

    /// Drops access logs in unknown formats, and shows for each what its format must read.
    fn pass_over_unknown(&mut self, complaints: &mut Complaints) {
        for source in self.sources.iter_mut().filter(|s| s.class == Kind::UnknownFormat) {
            source.class = Kind::PassedOver;
            let mut head = Vec::new();
            let beginning = open(source).map(|reader| reader.take(LOOKED_AT));
            // What could be read is enough.
            let _ = beginning.and_then(|mut reader| reader.read_to_end(&mut head));
            if let Some(unknown) = unknown_format(&head) {
                let sentence = format!("{}: {unknown}", source.path.display());
                complaints.add(Damage::Unusable, sentence);
            }
        }
    }

    /// The sources of one kind; a file that holds both kinds of lines is one of either.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Source<Kind>> {
        let or_mixed = matches!(kind, Kind::ErrorLog | Kind::AccessLog);
        self.sources
            .iter()
            .filter(move |s| s.class == kind || or_mixed && s.class == Kind::MixedLog)
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

/// What to do with a file that is none of the inputs, where that can be told.
fn hint(entry: &Skipped) -> &'static str {
    let conf = || {
        let mut head = Vec::new();
        let read =
            File::open(&entry.path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut head));
        read.is_ok() && looks_like_conf(&head)
    };
    if entry.reason == SkipReason::NotRecognised && conf() {
        "; it reads as a configuration of nginx: --nginx-conf takes formats and timeouts from it"
    } else if !entry.path.exists() && names_a_command(&entry.path) {
        "; a command is the first word: `why504 COMMAND [OPTIONS] PATH...`"
    } else {
        ""
    }
}

/// Whether a path is the name of a sub-command: behind an option it is taken for a path.
fn names_a_command(path: &Path) -> bool {
    let command = Args::command();
    path.to_str().is_some_and(|name| command.find_subcommand(name).is_some())
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
    match sniff(head, formats) {
        Some(LogKind::Error) => Some(Kind::ErrorLog),
        Some(LogKind::Access(_)) => Some(Kind::AccessLog),
        Some(LogKind::Mixed(_)) => Some(Kind::MixedLog),
        // A command that reads no logs knows no formats.
        None if formats.is_empty() => None,
        None => unknown_format(head).map(|_| Kind::UnknownFormat),
    }
}
