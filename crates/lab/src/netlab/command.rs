//! Runs a program to its end and turns a failure into an error that says what was run.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `words` and returns its standard output; a non-zero status is an error with its stderr.
pub(super) fn run(words: &[&str]) -> Result<String> {
    feed(words, "")
}

/// As [`run`], with `input` on standard input.
pub(super) fn feed(words: &[&str], input: &str) -> Result<String> {
    let shown = words.join(" ");
    let (program, arguments) = words.split_first().context("an empty command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program} (is it installed? try `lab install`)"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input closes the pipe: that is not a failure.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| shown.clone())?;
    if !output.status.success() {
        bail!("`{shown}`: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
