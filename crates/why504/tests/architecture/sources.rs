//! Looks for words in source files that a library has no business with.
//!
//! A scan of the text, not a parse: it is there to catch a slip in review, not an adversary. Tests
//! and comments may say what they like.

use std::path::{Path, PathBuf};

/// What no library but `ingest` may name.
pub(crate) const OUTSIDE: [&str; 11] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "SystemTime",
    "Instant::now",
    "println!",
    "print!",
];

/// What even `ingest` may not: it touches files, and says what it found to its caller.
pub(crate) const NOT_EVEN_INGEST: [&str; 4] = ["std::env", "SystemTime::now", "println!", "print!"];

/// Places in the crate's product code that name one of `words`: `file:line: text`.
pub(crate) fn reaches(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    collect(&folder.join("src"), &mut files);
    assert!(!files.is_empty(), "{} has no sources", folder.display());
    let mut found = Vec::new();
    for file in files {
        let text = crate::read(&file);
        for (number, line) in product_lines(&text) {
            if words.iter().any(|word| names(line, word)) {
                found.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    found
}

/// Whether a line names `word`, be it in a grouped import such as `use std::{env, fs}`.
fn names(line: &str, word: &str) -> bool {
    let grouped = || {
        let (parent, name) = word.strip_prefix("std::").map(|name| {
            let (parent, name) = name.rsplit_once("::").unwrap_or(("", name));
            (if parent.is_empty() { "std::{" } else { "std::io::{" }, name)
        })?;
        let (_, group) = line.split_once(parent)?;
        group.split([',', '{', '}', ';', ' ']).find(|part| {
            *part == name || part.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"))
        })
    };
    line.contains(word) || grouped().is_some()
}

/// Lines that are part of the product: no comments, nothing under `#[cfg(test)]`.
fn product_lines(text: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let Some((_, item)) = lines.next() else { break };
            // rustfmt closes a module in the column in which it began.
            let indent: String = item.chars().take_while(|c| *c == ' ').collect();
            if item.ends_with('{') {
                let end = format!("{indent}}}");
                lines.by_ref().find(|(_, line)| *line == end);
            }
        } else if !line.trim_start().starts_with("//") {
            kept.push((number + 1, line));
        }
    }
    kept
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder entry").path());
    for path in entries {
        let stem = path.file_stem().unwrap_or_default();
        if stem == "tests" || stem == "testing" {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

#[test]
fn the_scan_sees_what_it_should() {
    for (line, word, expected) in [
        ("    std::fs::read(path)", "std::fs", true),
        ("use std::{env, fs};", "std::fs", true),
        ("use std::{fmt, fs::File};", "std::fs", true),
        ("use std::io::{Write, stdout};", "std::io::stdout", true),
        ("use std::{fmt, fsync};", "std::fs", false),
        ("use std::io::{Read, Write};", "std::io::stdout", false),
        ("let root = env!(\"CARGO_MANIFEST_DIR\");", "std::env", false),
        ("    println!(\"{x}\");", "println!", true),
    ] {
        assert_eq!(names(line, word), expected, "{line} names {word}");
    }
    let text = "use a;\n// std::fs\n#[cfg(test)]\nmod tests {\n    std::fs\n}\nfn f() {}\n";
    assert_eq!(product_lines(text), [(1, "use a;"), (7, "fn f() {}")]);
}
