//! The names of all fields that the NDJSON of the demo has.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::console;

const DEMO: &str = "--format ndjson --tz Asia/Shanghai --nginx-conf testdata/demo/nginx.conf \
                    --at gateway=testdata/demo/gateway.pcap --at upstream=testdata/demo/upstream.pcap \
                    testdata/demo/error.log testdata/demo/access.log";

const ALONE: &str = "--quiet --format ndjson --tz Asia/Shanghai --at gateway=testdata/demo/gateway.pcap \
                     testdata/demo/error.log";

/// Objects whose keys are names from the input or verdicts, not fields.
const NAMED_BY_INPUT: [&str; 5] = ["history", "by_verdict", "by_grade", "by_trigger", "tally"];

/// Runs every command that prints NDJSON.
pub(crate) fn printed(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for command in [
        format!("why504 {DEMO}"),
        // One capture and one log, for groups of ambiguous cases.
        format!("why504 {ALONE}"),
        format!("why504 check {DEMO}"),
        "why504 handshakes --format ndjson testdata/demo/gateway.pcap".to_owned(),
        "why504 resets --format ndjson testdata/demo/gateway.pcap".to_owned(),
        "why504 timeouts --format ndjson testdata/demo/error.log".to_owned(),
        // A file that is skipped, for the fields that say so.
        "why504 timeouts --quiet --format ndjson testdata/demo/error.log Cargo.toml".to_owned(),
    ] {
        let printed = console::run(&command, root);
        let mut objects = printed.lines().filter(|line| line.starts_with('{')).peekable();
        assert!(objects.peek().is_some(), "{command} prints NDJSON, not:\n{printed}");
        for line in objects {
            let value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            collect(&value, &mut names);
        }
    }
    names
}

/// Whether a text has the field between backticks.
pub(crate) fn described(text: &str, field: &str) -> bool {
    text.contains(&format!("`{field}`"))
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                if !NAMED_BY_INPUT.contains(&name.as_str()) {
                    collect(value, names);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}
