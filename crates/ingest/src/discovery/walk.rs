//! Which files stand below a path. Nothing is opened here but standard input and open pipes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{Candidate, STDIN, spool, unreadable};
use crate::spool::is_open_pipe;
use crate::{SkipReason, Skipped, file_identity};

/// Adds the files that `path` stands for.
pub(super) fn candidates(
    path: &Path,
    stdin: &mut dyn Read,
    found: &mut Vec<Candidate>,
    skipped: &mut Vec<Skipped>,
) {
    let mut skip = |reason| skipped.push(Skipped { path: path.into(), named: true, reason });
    if path == Path::new(STDIN) {
        return match spooled(path, stdin) {
            Ok(candidate) => found.push(candidate),
            Err(error) => skip(unreadable(error)),
        };
    }
    match fs::metadata(path) {
        Err(error) => skip(unreadable(error)),
        Ok(metadata) if metadata.is_dir() => directory(path, found, skipped),
        Ok(metadata) if metadata.is_file() => {
            found.push(Candidate { path: path.into(), named: true, spooled: None });
        }
        Ok(_) if is_open_pipe(path) => {
            match File::open(path).and_then(|mut pipe| spooled(path, &mut pipe)) {
                Ok(candidate) => found.push(candidate),
                Err(error) => skip(unreadable(error)),
            }
        }
        Ok(metadata) => skip(SkipReason::NotAFile(file_identity::kind(&metadata))),
    }
}

fn spooled(path: &Path, input: &mut dyn Read) -> io::Result<Candidate> {
    Ok(Candidate { path: path.into(), named: true, spooled: Some(spool(input)?) })
}

/// Walks a directory in the order of file names. Links to files are followed, links to directories
/// below it are not.
fn directory(root: &Path, found: &mut Vec<Candidate>, skipped: &mut Vec<Skipped>) {
    let before = found.len() + skipped.len();
    for entry in WalkDir::new(root).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => match below(&entry) {
                Ok(()) => {
                    found.push(Candidate { path: entry.into_path(), named: false, spooled: None });
                }
                Err(reason) => {
                    skipped.push(Skipped { path: entry.into_path(), named: false, reason });
                }
            },
            Err(error) => skipped.push(unwalkable(root, &error)),
        }
    }
    if found.len() + skipped.len() == before {
        let reason = SkipReason::EmptyDirectory;
        skipped.push(Skipped { path: root.into(), named: true, reason });
    }
}

/// Whether an entry is a file, or a link to one.
fn below(entry: &DirEntry) -> Result<(), SkipReason> {
    let metadata = fs::metadata(entry.path()).map_err(unreadable)?;
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_dir() && entry.path_is_symlink() {
        Err(SkipReason::LinkToDirectory)
    } else {
        Err(SkipReason::NotAFile(file_identity::kind(&metadata)))
    }
}

/// A directory that cannot be listed.
fn unwalkable(root: &Path, error: &walkdir::Error) -> Skipped {
    let path: PathBuf = error.path().unwrap_or(root).into();
    let message = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
    Skipped { named: path == root, path, reason: SkipReason::Unreadable(message) }
}
