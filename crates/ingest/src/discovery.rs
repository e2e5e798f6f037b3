//! From the paths of a command line to sorted sources.
//!
//! The result depends on the files alone: not on the order of the arguments, nor on the order in
//! which a directory lists its entries.

mod walk;

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;
use why504_model::SourceId;

use crate::codec::{self, MAGIC_BYTES};
use crate::spool::spool;
use crate::{Codec, Limits, SkipReason, Skipped, Source, StreamError, decompress, file_identity};

/// The argument that means standard input.
pub const STDIN: &str = "-";

/// Decompressed bytes at the beginning of a file that the classifier sees, at most.
pub const HEAD_BYTES: usize = 64 * 1024;

/// What was found below the given paths.
#[derive(Clone, Debug)]
pub struct Discovery<C> {
    /// Recognised files by path; the [`SourceId`] of each is its index.
    pub sources: Vec<Source<C>>,
    /// Everything else by path.
    pub skipped: Vec<Skipped>,
}

/// A path that may become a source.
pub(crate) struct Candidate {
    path: PathBuf,
    named: bool,
    spooled: Option<Arc<TempPath>>,
}

/// Finds the sources below `paths`: files, directories (walked), and `-` for standard input, which
/// is copied to a temporary file. `classify` sees the first [`HEAD_BYTES`] decompressed bytes of each
/// file and says what it is, or `None` when it is of no use. A file that cannot be read is reported
/// in [`Discovery::skipped`] and the rest goes on.
pub fn discover<C>(paths: &[PathBuf], classify: impl Fn(&[u8]) -> Option<C>) -> Discovery<C> {
    discover_with_stdin(paths, &mut io::stdin().lock(), classify)
}

/// [`discover`] with another reader in the place of standard input.
pub fn discover_with_stdin<C>(
    paths: &[PathBuf],
    stdin: &mut dyn Read,
    classify: impl Fn(&[u8]) -> Option<C>,
) -> Discovery<C> {
    let mut skipped = Vec::new();
    let mut candidates = Vec::new();
    for path in paths {
        walk::candidates(path, stdin, &mut candidates, &mut skipped);
    }
    // Where two paths are the same file, the first in this order is kept, whoever named it.
    candidates.sort_by(|a, b| (&a.path, !a.named).cmp(&(&b.path, !b.named)));
    candidates.dedup_by(|b, a| a.path == b.path);
    let mut seen = HashMap::new();
    let mut sources = Vec::new();
    for candidate in candidates {
        let (path, named) = (candidate.path.clone(), candidate.named);
        match examine(candidate, &mut seen, &classify) {
            Ok(source) => sources.push(source),
            Err(reason) => skipped.push(Skipped { path, named, reason }),
        }
    }
    for (index, source) in sources.iter_mut().enumerate() {
        source.id = SourceId(u32::try_from(index).unwrap_or(u32::MAX));
    }
    skipped.sort();
    skipped.dedup();
    Discovery { sources, skipped }
}

/// Opens a candidate, looks at its first bytes, and makes a source of it.
fn examine<C>(
    candidate: Candidate,
    seen: &mut HashMap<file_identity::FileIdentity, PathBuf>,
    classify: &impl Fn(&[u8]) -> Option<C>,
) -> Result<Source<C>, SkipReason> {
    let Candidate { path, named, spooled } = candidate;
    let file: &Path = spooled.as_ref().map_or(path.as_path(), |copy| copy.as_ref().as_ref());
    let metadata = fs::metadata(file).map_err(unreadable)?;
    let first = seen.entry(file_identity::of(file, &metadata)).or_insert_with(|| path.clone());
    if *first != path {
        return Err(SkipReason::SameFile(first.clone()));
    }
    let (codec, head) = head(file)?;
    if head.is_empty() {
        return Err(SkipReason::Empty);
    }
    // Before anything else: the logs in it would be recognised, too, and read with all that is between them.
    if codec::is_tar(&head) {
        return Err(SkipReason::Archive);
    }
    let class = classify(&head).ok_or_else(|| not_recognised(codec, &head))?;
    let modified = modified(&metadata, spooled.is_some());
    let size = metadata.len();
    let limits = Limits::default();
    Ok(Source { id: SourceId(0), path, codec, size, modified, named, class, limits, spooled })
}

/// Why nothing can be made of what `head` begins, as it came out of `codec`.
fn not_recognised(codec: Codec, head: &[u8]) -> SkipReason {
    match codec::of(head) {
        Ok(inner) if codec != Codec::Plain && inner != Codec::Plain => SkipReason::Twice(inner),
        Err(foreign) => SkipReason::Foreign(foreign),
        Ok(_) => SkipReason::NotRecognised,
    }
}

/// How `file` is compressed, and its first decompressed bytes.
fn head(file: &Path) -> Result<(Codec, Vec<u8>), SkipReason> {
    let magic = first_bytes(&mut fs::File::open(file).map_err(unreadable)?, MAGIC_BYTES);
    let (magic, error) = magic;
    if let Some(error) = error {
        return Err(unreadable(error));
    }
    let codec = codec::of(&magic).map_err(SkipReason::Foreign)?;
    let mut reader = decompress::open_as(file, codec, Limits::default()).map_err(unreadable)?;
    match first_bytes(&mut reader, HEAD_BYTES) {
        // What stands before the damage may be enough to recognise the file; it is read up to there.
        (head, Some(error)) if head.is_empty() => Err(match StreamError::of(&error) {
            Some(damage) => SkipReason::Damaged(damage.to_string()),
            None => unreadable(error),
        }),
        (head, _) => Ok((codec, head)),
    }
}

/// The first `limit` bytes, and the error that ended them early.
fn first_bytes(reader: &mut dyn Read, limit: usize) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::with_capacity(limit);
    let error = reader.take(limit as u64).read_to_end(&mut bytes).err();
    (bytes, error)
}

fn modified(metadata: &Metadata, spooled: bool) -> Option<std::time::SystemTime> {
    if spooled { None } else { metadata.modified().ok() }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(error: io::Error) -> SkipReason {
    SkipReason::Unreadable(error.to_string())
}
