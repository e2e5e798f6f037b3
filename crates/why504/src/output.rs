//! Where results go: standard output, and files that appear whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use tempfile::NamedTempFile;
use why504_report::Style;

use crate::args::Format;
use crate::plan::OutputPlan;

const BUFFER: usize = 1 << 16;

/// Writes the results in every format that was asked for. Files are plain text without colour.
pub(crate) fn write(
    plan: &OutputPlan,
    mut results: impl FnMut(Format, &Style, &mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let of_file = Style::default();
    for (path, format) in &plan.files {
        replace(path, |out| results(*format, &of_file, out))
            .with_context(|| format!("--output {}", path.display()))?;
    }
    if let Some(format) = plan.stdout {
        to_stdout(|out| results(format, &plan.style, out))?;
    }
    Ok(())
}

/// Writes to standard output through one buffer.
pub(crate) fn to_stdout(
    results: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    results(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Writes a file beside its place and renames it there: a reader sees the old one or the new one,
/// and a failure leaves the old one alone.
pub(crate) fn replace(
    path: &Path,
    results: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    let mut out = BufWriter::with_capacity(BUFFER, file.as_file_mut());
    results(&mut out)?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    readable(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// Temporary files are private to their owner; a report is as readable as any other file.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}
