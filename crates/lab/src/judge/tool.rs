//! Calls the `why504` binary on a set.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Mode;
use crate::truth::{Row, Settings, gateway_captures};

/// A way to call the tool on a set.
pub(super) struct Call {
    why504: PathBuf,
    /// Options with their values; their order must not matter.
    options: Vec<[String; 2]>,
    /// The logs; their order must not matter.
    logs: Vec<String>,
}

/// What the tool answered.
pub(super) struct Answer {
    pub(super) stdout: Vec<u8>,
    pub(super) status: i32,
    pub(super) seconds: f64,
}

impl Call {
    pub(super) fn new(
        why504: &Path,
        folder: &Path,
        mode: Mode,
        settings: &Settings,
        rows: &[Row],
    ) -> Result<Self> {
        let shown = |path: PathBuf| path.display().to_string();
        let option = |name: &str, value: String| [name.to_owned(), value];
        let mut options = Vec::new();
        if mode != Mode::LogAlone {
            options.push(option("--tz", settings.timezone.clone()));
        }
        if mode != Mode::Upstream {
            for path in gateway_captures(folder)? {
                options.push(option("--at", format!("gateway={}", shown(path))));
            }
        }
        if !matches!(mode, Mode::Gateway | Mode::Midway) {
            let path = shown(folder.join("upstream.pcap"));
            options.push(option("--at", format!("upstream={path}")));
        }
        // Points between the two hosts, where the set has some.
        for point in super::ON_THE_WAY {
            let path = folder.join(format!("{point}.pcap"));
            if matches!(mode, Mode::Both | Mode::Midway) && path.exists() {
                options.push(option("--at", format!("{point}={}", shown(path))));
            }
        }
        let mut logs = vec![shown(folder.join("error.log"))];
        if mode == Mode::NoAccess {
            // A healthy day has no timeout, and so none that was in force.
            let in_force = timeouts_in_force(rows);
            if !in_force.is_empty() {
                options.push(option("--connect-timeout", in_force));
            }
        } else if mode != Mode::LogAlone {
            let conf = [folder.join("conf/nginx.conf"), folder.join("nginx.conf")];
            let conf = conf.into_iter().find(|path| path.exists());
            options.push(option("--nginx-conf", shown(conf.context("the set has no nginx.conf")?)));
            logs.push(shown(folder.join("access.log")));
        }
        Ok(Self { why504: why504.to_owned(), options, logs })
    }

    /// Runs the tool with `more` arguments; an error only when it cannot be run or is killed.
    pub(super) fn run(&self, more: &[&str]) -> Result<Answer> {
        let start = Instant::now();
        let output = Command::new(&self.why504)
            .args(["--format", "ndjson"])
            .args(self.options.iter().flatten())
            .args(more)
            .args(&self.logs)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.why504.display()))?;
        let seconds = start.elapsed().as_secs_f64();
        let messages = String::from_utf8_lossy(&output.stderr);
        let Some(status) = output.status.code() else {
            bail!("{} was killed: {messages}", self.why504.display());
        };
        if output.stdout.is_empty() {
            bail!("nothing on stdout, status {status}: {}\n  {}", messages.trim(), self.shown());
        }
        Ok(Answer { stdout: output.stdout, status, seconds })
    }

    /// Runs the tool again with other thread counts and argument orders; names those runs whose
    /// bytes differ from `first`.
    pub(super) fn instabilities(&self, first: &[u8]) -> Result<Vec<String>> {
        let mut shuffled = Self {
            why504: self.why504.clone(),
            options: self.options.clone(),
            logs: self.logs.clone(),
        };
        shuffled.options.reverse();
        shuffled.logs.reverse();
        let runs = [
            ("-j1", self.run(&["-j", "1"])?),
            ("-j8", self.run(&["-j", "8"])?),
            ("arguments in reverse", shuffled.run(&["-j", "2"])?),
        ];
        let different = runs.into_iter().filter(|(_, answer)| answer.stdout != first);
        Ok(different.map(|(name, _)| name.to_owned()).collect())
    }

    fn shown(&self) -> String {
        let options: Vec<String> = self.options.iter().map(|pair| pair.join(" ")).collect();
        format!("{} {} {}", self.why504.display(), options.join(" "), self.logs.join(" "))
    }
}

/// Every connect timeout of the truth as a list of durations: what an operator who knows the
/// configuration, but has no access log, would say.
fn timeouts_in_force(rows: &[Row]) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a timeout of seconds, in milliseconds")]
    let mut all: Vec<i64> =
        rows.iter().map(|row| (row.connect_timeout * 1000.0).round() as i64).collect();
    all.sort_unstable();
    all.dedup();
    let shown: Vec<String> = all
        .iter()
        .map(|ms| if ms % 1000 == 0 { format!("{}s", ms / 1000) } else { format!("{ms}ms") })
        .collect();
    shown.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_listed_once_each_in_order() {
        let row = |connect_timeout| Row {
            line: 1,
            log: String::new(),
            what: String::new(),
            upstream_port: 1,
            connect_timeout,
            exact: false,
            how: None,
            decidable: true,
            attempt: None,
        };
        let rows = [row(2.0), row(0.3), row(1.5), row(2.0)];
        assert_eq!(timeouts_in_force(&rows), "300ms,1500ms,2s");
    }
}
