//! Runs the bodies of the fuzz targets over their corpus: what a fuzzer has found stays found, also
//! where there is no fuzzer.
#![allow(clippy::panic, reason = "a test says what it found instead")]

#[path = "../../../fuzz/bodies/capture_attempts.rs"]
mod capture_attempts;
#[path = "../../../fuzz/bodies/capture_container.rs"]
mod capture_container;
#[path = "../../../fuzz/bodies/capture_frame.rs"]
mod capture_frame;
#[path = "../../../fuzz/bodies/error_log.rs"]
mod error_log;
#[path = "../../../fuzz/bodies/log_format.rs"]
mod log_format;
#[path = "../../../fuzz/bodies/nginx_conf.rs"]
mod nginx_conf;
#[path = "../../../fuzz/bodies/wrappers.rs"]
mod wrappers;

use std::path::{Path, PathBuf};

/// A target's name and body.
type Target = (&'static str, fn(&[u8]));

/// Every input of a target, and every half of one.
fn replay(target: &str, run: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let Ok(entries) = std::fs::read_dir(&folder) else { return 0 };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in &paths {
        let bytes = std::fs::read(path).expect("a file of the corpus");
        let (one, two) = bytes.split_at(bytes.len() / 2);
        for input in [&bytes, one, two] {
            run(input);
        }
    }
    paths.len()
}

#[test]
fn logs_and_configurations() {
    let targets: [Target; 4] = [
        ("error_log", error_log::run),
        ("log_format", log_format::run),
        ("nginx_conf", nginx_conf::run),
        ("wrappers", wrappers::run),
    ];
    for (target, run) in targets {
        assert!(replay(target, run) > 4, "{target}: the seeds are there");
    }
}

#[test]
fn captures() {
    let targets: [Target; 3] = [
        ("capture_attempts", capture_attempts::run),
        ("capture_container", capture_container::run),
        ("capture_frame", capture_frame::run),
    ];
    for (target, run) in targets {
        assert!(replay(target, run) > 4, "{target}: the seeds are there");
    }
    // Real captures are inputs as well.
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/demo");
    for name in ["gateway.pcap", "upstream.pcap"] {
        let bytes = std::fs::read(demo.join(name)).expect("a capture of the demo");
        let head = bytes.get(..20_000).unwrap_or(&bytes);
        capture_container::run(head);
        capture_attempts::run(head);
    }
}
