//! The number of threads changes nothing in what is printed. Skips where the inputs are missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn output(arguments: &[&str], path: &Path, threads: &str) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_why504"))
        .args(arguments)
        .args(["--format", "ndjson", "-j", threads])
        .arg(path)
        .output()
        .expect("it starts");
    assert!(!output.stdout.is_empty(), "{arguments:?} {}", path.display());
    output.stdout
}

fn folders() -> Vec<PathBuf> {
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sets");
    let Ok(entries) = fs::read_dir(sets) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.is_dir()).collect()
}

#[test]
fn one_thread_and_eight_print_the_same() {
    for folder in folders() {
        for command in ["report", "handshakes"] {
            let one = output(&[command], &folder, "1");
            assert!(one == output(&[command], &folder, "8"), "{command} {}", folder.display());
        }
    }
}
