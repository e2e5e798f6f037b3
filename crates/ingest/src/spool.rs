//! A copy of what can be read only once: standard input and pipes.
//!
//! Log text and frames are fetched again for the cases that are shown, so every source must be
//! readable more than once.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use tempfile::TempPath;

/// Copies `input` to a file in the temporary directory, which only this user can read and which is
/// removed when the last reference goes. Its size is limited by that directory alone.
pub(crate) fn spool(input: &mut dyn Read) -> io::Result<Arc<TempPath>> {
    let mut file = tempfile::Builder::new().prefix("why504-").tempfile()?;
    io::copy(input, file.as_file_mut())?;
    Ok(Arc::new(file.into_temp_path()))
}

/// Whether `path` names an open pipe of this process: `/dev/stdin`, or what a shell's `<(command)`
/// becomes. Such a one has a writer; any other FIFO might be waited for without end.
pub(crate) fn is_open_pipe(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.parent() == Some(Path::new("/dev/fd"))
}
