//! Whether two paths are the same file.

use std::fs::Metadata;
use std::path::Path;

/// Device and inode where there are such; the canonical path elsewhere.
#[cfg(unix)]
pub(crate) type FileIdentity = (u64, u64);
/// Device and inode where there are such; the canonical path elsewhere.
#[cfg(not(unix))]
pub(crate) type FileIdentity = std::path::PathBuf;

#[cfg(unix)]
pub(crate) fn of(_path: &Path, metadata: &Metadata) -> FileIdentity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
pub(crate) fn of(path: &Path, _metadata: &Metadata) -> FileIdentity {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

/// What a thing is called that is neither file nor directory.
#[cfg(unix)]
pub(crate) fn kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "FIFO"
    } else {
        "device"
    }
}

#[cfg(not(unix))]
pub(crate) fn kind(_metadata: &Metadata) -> &'static str {
    "device"
}
