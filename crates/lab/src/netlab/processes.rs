//! The programs of a run: started inside a namespace, ended by a signal, killed when dropped.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::command;

/// A running program of the lab.
pub(super) struct Process {
    name: String,
    child: Child,
    messages: PathBuf,
}

impl Process {
    /// Starts `words` in `namespace`, its messages going to a file `NAME.messages` in `folder`.
    ///
    /// `ip netns exec` replaces itself by the program, so the child is the program.
    pub(super) fn start(
        namespace: &str,
        name: &str,
        words: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let messages = folder.join(format!("{name}.messages"));
        let file = File::create(&messages)?;
        let child = Command::new("ip")
            .args(["netns", "exec", namespace])
            .args(words)
            .envs(environment.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, messages })
    }

    /// Waits until the program has written `text` to its messages.
    pub(super) fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let name = self.name.clone();
        self.wait_until(limit, |said| said.contains(text))
            .with_context(|| format!("{name} did not say `{text}` within {limit:?}"))
    }

    fn wait_until(&mut self, limit: Duration, done: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let said = std::fs::read_to_string(&self.messages).unwrap_or_default();
            if done(&said) {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("its messages: {}", said.trim());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the program to end by itself; a non-zero status is an error with its messages.
    pub(super) fn finish(mut self, limit: Duration) -> Result<String> {
        let status = self.wait(limit)?;
        let said = std::fs::read_to_string(&self.messages).unwrap_or_default();
        if !status {
            bail!("{} failed: {}", self.name, said.trim());
        }
        Ok(said)
    }

    /// Sends `signal` (`INT`, `TERM`, `QUIT`) and waits for the end.
    pub(super) fn stop(mut self, signal: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        if self.child.try_wait()?.is_none() {
            command::run(&["kill", &format!("-{signal}"), &pid])?;
        }
        self.wait(Duration::from_secs(10)).map(drop)
    }

    fn wait(&mut self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            if Instant::now() > deadline {
                bail!("{} did not end within {limit:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
