//! An input file that will be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempPath;
use why504_model::SourceId;

use crate::{Codec, Limits};

/// A recognised file; `C` is what the classifier said of it.
#[derive(Clone, Debug)]
pub struct Source<C> {
    /// Its place in the sorted list of sources.
    pub id: SourceId,
    /// The path as it is shown to people: as given, or as found below a directory as given; `-` for
    /// standard input.
    pub path: PathBuf,
    /// How it is compressed.
    pub codec: Codec,
    /// Size in bytes on disk, compressed, when it was discovered.
    pub size: u64,
    /// When it was written last; `None` where the file system does not say, and for spooled input.
    /// A capture written a moment ago may end in half a record.
    pub modified: Option<SystemTime>,
    /// The path was given itself, not found below a directory.
    pub named: bool,
    /// What it is.
    pub class: C,
    /// How much may be decompressed of it; the default until the caller sets another.
    pub limits: Limits,
    /// The copy of a source that cannot be read twice; removed when its last source goes.
    pub(crate) spooled: Option<Arc<TempPath>>,
}

impl<C> Source<C> {
    /// The file that is opened: [`Source::path`], or the copy of standard input.
    pub fn file(&self) -> &Path {
        self.spooled.as_ref().map_or(self.path.as_path(), |copy| copy.as_ref().as_ref())
    }
}
