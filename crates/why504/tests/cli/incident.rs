//! Runs of the binary on the incident in `testdata/demo`, whole or spoilt on purpose.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// How a run ended.
pub(crate) struct Run {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

/// Runs `why504` in the root of the repository with nothing in its environment.
pub(crate) fn why504(arguments: &[&str]) -> Run {
    finish(command(arguments).stdin(Stdio::null()))
}

/// The command, for those who want to change something about it.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_why504"));
    command.args(arguments).env_clear().current_dir(root());
    command
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Run {
    let output = command.output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    let status = output.status.code().expect("the binary is not killed");
    Run { stdout: output.stdout, stderr, status }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the incident.
pub(crate) fn demo(name: &str) -> PathBuf {
    root().join("testdata/demo").join(name)
}

/// The options with which the incident is understood in full; logs and captures are not among them.
pub(crate) const OPTIONS: [&str; 6] =
    ["--format", "ndjson", "--tz", "Asia/Shanghai", "--nginx-conf", "testdata/demo/nginx.conf"];

/// Runs the report over `inputs`, in NDJSON.
pub(crate) fn report(inputs: &[&str]) -> Run {
    why504(&[&OPTIONS[..], inputs].concat())
}

/// The four inputs of the incident.
pub(crate) const WHOLE: [&str; 6] = [
    "--at",
    "gateway=testdata/demo/gateway.pcap",
    "--at",
    "upstream=testdata/demo/upstream.pcap",
    "testdata/demo/error.log",
    "testdata/demo/access.log",
];

impl Run {
    /// The objects that were printed.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.stdout).expect("NDJSON is UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Those of one type.
    pub(crate) fn of_type(&self, name: &str) -> Vec<Value> {
        self.objects().into_iter().filter(|object| object["type"] == name).collect()
    }

    /// The last line.
    pub(crate) fn summary(&self) -> Value {
        self.objects().pop().unwrap_or_else(|| panic!("nothing on stdout; {}", self.stderr))
    }

    /// Line, verdict, grade and ISN of each case: what must not change when a file is packed,
    /// renamed or has a bad neighbour.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        let of = |case: &Value| {
            let (line, isn) = (&case["log"]["line"], &case["attempt"]["isn"]);
            format!("{line} {} {} {isn}", case["verdict"], case["grade"])
        };
        self.of_type("case").iter().map(of).collect()
    }
}
