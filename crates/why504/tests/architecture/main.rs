//! Holds the workspace against the drawing in `docs/architecture.md`.
//!
//! What the compiler cannot say is said here: which crate may stand on which, which foreign crates
//! are used where, and that only `ingest` and the binary reach for files, environment and clock.
//! What the code does is not looked at.
#![allow(clippy::panic, reason = "a test says what it found instead")]

mod drawing;
mod metadata;
mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use metadata::Workspace;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every arrow is drawn, and every arrow that is drawn exists, so that the drawing stays true.
#[test]
fn crates_stand_on_what_is_drawn_and_on_nothing_else() {
    let drawn = drawing::read(&root().join("docs/architecture.md"));
    let workspace = Workspace::load(&root());
    let names: BTreeSet<&str> = drawn.keys().map(String::as_str).collect();
    assert_eq!(workspace.names(), names, "crates of the workspace, crates of the drawing");
    for (name, place) in &drawn {
        let found = workspace.dependencies(name);
        let doc = "docs/architecture.md draws";
        assert_eq!(found.ours, place.ours, "{name} stands on these crates of ours; {doc}");
        assert_eq!(found.foreign, place.foreign, "{name} uses these foreign crates; {doc}");
        let missing: Vec<&String> = found.ours_in_tests.difference(&place.ours).collect();
        assert!(missing.is_empty(), "{name}: dev-dependencies {missing:?} are not drawn either");
    }
}

/// The drawing itself: one way, from bytes to report, and nothing stands on the lab.
#[test]
fn arrows_go_one_way() {
    let drawn = drawing::read(&root().join("docs/architecture.md"));
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while done.len() < drawn.len() {
        let ready = drawn
            .iter()
            .find(|(name, p)| {
                !done.contains(name.as_str()) && p.ours.iter().all(|d| done.contains(d.as_str()))
            })
            .map(|(name, _)| name.as_str());
        let Some(name) = ready else {
            panic!("the crates that are left stand on each other in a circle; done: {done:?}");
        };
        done.insert(name);
    }
    assert!(drawn.values().all(|place| !place.ours.contains("lab")), "the lab judges from outside");
}

#[test]
fn no_dependency_asks_for_a_newer_rust_than_is_promised() {
    let newer = Workspace::load(&root()).newer_than_promised();
    assert!(newer.is_empty(), "these need a newer Rust than Cargo.toml promises: {newer:?}");
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let manifest = read(&root().join("Cargo.toml"));
    assert!(manifest.contains("\nunsafe_code = \"forbid\"\n"), "the workspace forbids unsafe code");
    for name in Workspace::load(&root()).names() {
        let manifest = read(&root().join("crates").join(name).join("Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name} takes the workspace's lints"
        );
    }
}

/// The compiler's proof of this is `ci/no_std`; here it is that nobody quietly took it away.
#[test]
fn the_core_declares_itself_no_std() {
    let proof = read(&root().join("ci/no_std/src/lib.rs"));
    for name in ["model", "handshake", "correlate"] {
        let source = read(&root().join("crates").join(name).join("src/lib.rs"));
        assert!(source.contains("\n#![no_std]\n"), "{name}");
        assert!(proof.contains(&format!("use why504_{name} as _;")), "{name} is in ci/no_std");
    }
}

#[test]
fn libraries_touch_neither_files_nor_environment_nor_clock_nor_terminal() {
    let mut found = Vec::new();
    for name in ["model", "nginxlog", "capture", "handshake", "correlate", "report"] {
        found.extend(sources::reaches(&root().join("crates").join(name), &sources::OUTSIDE));
    }
    found.extend(sources::reaches(&root().join("crates/ingest"), &sources::NOT_EVEN_INGEST));
    assert!(found.is_empty(), "only ingest and the binary may:\n{}", found.join("\n"));
}
