//! Finds `console` blocks and runs them.
//!
//! In a block a line with `$ ` in front is a command for `sh`, a line with `> ` continues it, and
//! what follows is its output, standard error included. A line `...` stands for any lines. A status
//! other than zero is shown as a last line `[exit status: N]`.

use std::path::Path;
use std::process::Command;

/// A command of a document and what it is said to print.
pub(crate) struct Block<'a> {
    /// Where the command is, 1-based.
    pub(crate) line: usize,
    /// Where its fence is; several commands may share one.
    pub(crate) fence: usize,
    /// The lines of the command as they are in the document.
    pub(crate) typed: &'a str,
    /// For the shell.
    pub(crate) command: &'a str,
    /// As printed, with a line end after each line.
    pub(crate) expected: &'a str,
}

impl<'a> Block<'a> {
    /// The commands of a document.
    pub(crate) fn all(text: &'a str) -> Vec<Self> {
        let mut blocks = Vec::new();
        let mut fence = None;
        let mut lines = text.split_inclusive('\n').enumerate().peekable();
        let mut at = 0;
        while let Some((number, line)) = lines.next() {
            let start = at;
            at += line.len();
            match fence {
                None if line.starts_with("```console") => fence = Some(number + 1),
                Some(_) if line.starts_with("```") => fence = None,
                Some(fence) if line.starts_with("$ ") => {
                    let mut end = at;
                    // A backslash at the end of the line continues the command.
                    let mut more = line.ends_with("\\\n");
                    while more && let Some((_, next)) = lines.next() {
                        at += next.len();
                        end = at;
                        more = next.ends_with("\\\n");
                    }
                    while let Some((_, next)) =
                        lines.next_if(|(_, l)| !l.starts_with("```") && !l.starts_with("$ "))
                    {
                        at += next.len();
                    }
                    let typed = text[start..end].trim_end_matches('\n');
                    let command = typed.strip_prefix("$ ").unwrap_or(typed);
                    let expected = &text[end..at];
                    blocks.push(Self { line: number + 1, fence, typed, command, expected });
                }
                _ => {}
            }
        }
        blocks
    }
}

/// Runs a command from `root`; what it prints, and its status unless zero.
pub(crate) fn run(command: &str, root: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_why504"));
    let folder = binary.parent().expect("a binary is in a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .env_clear()
        .env("PATH", format!("{folder}:{path}"))
        .env("LC_ALL", "C")
        .current_dir(root)
        .output()
        .expect("there is a shell");
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let status = output.status.code().map_or("none".to_owned(), |code| code.to_string());
        printed = format!("{printed}[exit status: {status}]\n");
    }
    printed
}

/// Whether some lines are left out.
pub(crate) fn elides(expected: &str) -> bool {
    expected.lines().any(|line| line == "...")
}

/// Whether `printed` is what is expected, with any lines in the place of `...`.
pub(crate) fn fits(expected: &str, printed: &str) -> bool {
    let expected: Vec<&str> = expected.lines().collect();
    let mut rest: &[&str] = &printed.lines().collect::<Vec<_>>();
    let mut parts = expected.split(|line| *line == "...");
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = after;
    let parts: Vec<&[&str]> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = (0..=rest.len()).find(|at| rest[*at..].starts_with(part)) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// What `expected` would be if it had been taken from `printed`. Between its `...` it holds whole
/// paragraphs; each run of them is found again by the first two words of its first line. `None` when
/// one is not there any more.
pub(crate) fn refresh(expected: &str, printed: &str) -> Option<String> {
    if !elides(expected) {
        return Some(printed.to_owned());
    }
    let expected: Vec<&str> = expected.lines().collect();
    let mut rest: &[&str] = &printed.lines().collect::<Vec<_>>();
    let mut parts = Vec::new();
    for part in expected.split(|line| *line == "...") {
        let Some(first) = part.iter().find(|line| !line.is_empty()) else {
            parts.push(Vec::new());
            continue;
        };
        let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        rest = &rest[rest.iter().position(|line| words(line) == words(first))?..];
        let paragraphs = part.split(|line| line.is_empty()).filter(|p| !p.is_empty()).count();
        let ends = rest.iter().enumerate().filter(|(_, line)| line.is_empty()).map(|(at, _)| at);
        let end = ends.chain([rest.len()]).nth(paragraphs - 1).unwrap_or(rest.len());
        parts.push(rest[..end].to_vec());
        rest = &rest[end..];
    }
    let parts: Vec<String> = parts.iter().map(|lines| ended(lines)).collect();
    Some(parts.join("...\n"))
}

/// With a line end after each line.
fn ended(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn blocks_are_found_whole() {
    let text = "a\n```console\n$ one\n1\n\n2\n$ two \\\n    three\n```\n$ no\n";
    let found: Vec<_> = Block::all(text).iter().map(|b| (b.line, b.command, b.expected)).collect();
    assert_eq!(found, [(3, "one", "1\n\n2\n"), (7, "two \\\n    three", "")]);
}

#[test]
fn only_dots_stand_for_anything() {
    for (expected, printed, fitting) in [
        ("a\nb\n", "a\nb\n", true),
        ("a\n", "a\nb\n", false),
        ("a\n...\n", "a\nb\n", true),
        ("a\n...\nc\n", "a\nb\nc\n", true),
        ("a\n...\nc\n...\ne\n", "a\nb\nc\nd\ne\n", true),
        ("a\n...\nc\n", "a\nb\nd\n", false),
        ("...\nb\n", "a\nc\n", false),
    ] {
        assert_eq!(fits(expected, printed), fitting, "{expected:?} {printed:?}");
    }
}

#[test]
fn elided_blocks_are_refreshed_by_paragraph() {
    let printed = "head 1\n\nA b c\nx\n\nC d e\ny\n\nZ z\n";
    let expected = "head old\n...\nC d old\n...\n";
    // `head old` is not in it, `head 1` is.
    assert_eq!(refresh(expected, printed), None);
    let expected = "head 1\n...\nC d old\n...\n";
    assert_eq!(refresh(expected, printed).as_deref(), Some("head 1\n...\nC d e\ny\n...\n"));
    assert_eq!(refresh("old\n", printed).as_deref(), Some(printed));
}
