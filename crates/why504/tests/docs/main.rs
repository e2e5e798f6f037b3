//! Holds README.md and docs/ against the binary.
//!
//! Every `console` block is run, from the root of the repository, and must print what the document
//! says; every field of the NDJSON must be described; `docs/verdicts.md` must be what the decision
//! table generates. `WRITE_DOCS=1` (`make docs`) writes what is printed instead. Nothing here says
//! that the output is *right*: that is for the other tests.
#![allow(clippy::panic, reason = "a test says what it found instead")]

mod console;
mod fields;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use console::Block;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn writing() -> bool {
    std::env::var_os("WRITE_DOCS").is_some_and(|value| !value.is_empty())
}

/// README.md and docs/*.md, in order.
fn documents() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("docs")).expect("docs/ is there");
    let mut documents: Vec<PathBuf> = folder
        .map(|entry| entry.expect("an entry of docs/").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
        .collect();
    documents.push(root().join("README.md"));
    documents.sort();
    documents
}

#[test]
fn console_blocks_print_what_they_show() {
    let mut wrong = Vec::new();
    for path in documents() {
        let text = read(&path);
        let mut updated = text.clone();
        for block in Block::all(&text) {
            let printed = console::run(block.command, &root());
            if console::fits(block.expected, &printed) {
                continue;
            }
            let refreshed = console::refresh(block.expected, &printed).filter(|_| writing());
            let Some(refreshed) = refreshed else {
                let shown = format!("{}:{}: $ {}", path.display(), block.line, block.command);
                wrong.push(format!("{shown}\nshows:\n{}\nprints:\n{printed}", block.expected));
                continue;
            };
            let old = format!("{}\n{}", block.typed, block.expected);
            updated = updated.replace(&old, &format!("{}\n{refreshed}", block.typed));
        }
        if updated != text {
            std::fs::write(&path, updated).expect("the document can be written");
        }
    }
    assert!(wrong.is_empty(), "`make docs` writes them again\n\n{}", wrong.join("\n\n"));
}

/// What the first page shows is what `make demo` does.
#[test]
fn the_readme_runs_what_make_demo_runs() {
    // Below `make test` it would say last which directory it leaves.
    let dry = ["--no-print-directory", "-n", "demo"];
    let Ok(dry) = std::process::Command::new("make").args(dry).current_dir(root()).output() else {
        return; // no make here
    };
    let dry = String::from_utf8_lossy(&dry.stdout).into_owned();
    let last = dry.lines().next_back().unwrap_or_default();
    let (_, arguments) = last.split_once("release/why504 ").expect("make demo runs why504");
    let readme = read(&root().join("README.md"));
    let shown = Block::all(&readme).iter().any(|block| {
        let words: Vec<&str> = block.command.split_whitespace().filter(|w| *w != "\\").collect();
        words.join(" ") == format!("why504 {arguments}")
    });
    assert!(shown, "README.md does not show: why504 {arguments}");
}

/// A block that the reader above does not see would never be run.
#[test]
fn every_console_block_begins_with_a_command() {
    for path in documents() {
        let text = read(&path);
        let fences =
            text.lines().filter(|line| line.trim_start().starts_with("```console")).count();
        let found: BTreeSet<usize> = Block::all(&text).iter().map(|block| block.fence).collect();
        assert_eq!(found.len(), fences, "{}: a console block without `$ `", path.display());
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for path in documents() {
        let text = read(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let foreign = target.starts_with("http") || file.is_empty();
            if !foreign && !path.parent().is_some_and(|folder| folder.join(file).exists()) {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn verdicts_are_documented_as_the_table_decides_them() {
    let path = root().join("docs/verdicts.md");
    let generated = why504_report::verdicts_doc::markdown();
    assert!(!generated.is_empty(), "the decision table describes itself");
    if writing() {
        std::fs::write(&path, &generated).expect("docs/verdicts.md can be written");
    }
    assert!(read(&path) == generated, "docs/verdicts.md is out of date: `make docs` writes it");
}

#[test]
fn fields_of_the_ndjson_are_described() {
    let text = read(&root().join("docs/formats.md"));
    let missing: Vec<String> =
        fields::printed(&root()).into_iter().filter(|f| !fields::described(&text, f)).collect();
    assert!(missing.is_empty(), "docs/formats.md does not mention {missing:?}");
}
