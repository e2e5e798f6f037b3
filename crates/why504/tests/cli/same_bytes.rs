//! Output depends on inputs and arguments alone.

use crate::incident::{OPTIONS, WHOLE, command, finish, why504};

const TEXT: [&str; 4] = ["--tz", "Asia/Shanghai", "--nginx-conf", "testdata/demo/nginx.conf"];

#[test]
fn threads_change_nothing() {
    let handshakes = ["handshakes", "--format", "ndjson", WHOLE[0], WHOLE[1], WHOLE[2], WHOLE[3]];
    let resets = ["resets", "--format", "ndjson", WHOLE[0], WHOLE[1], WHOLE[2], WHOLE[3]];
    let timeouts = ["timeouts", "--format", "ndjson", "testdata/demo/error.log"];
    for arguments in [
        [&OPTIONS[..], &WHOLE].concat(),
        [&TEXT[..], &WHOLE].concat(),
        handshakes.to_vec(),
        resets.to_vec(),
        timeouts.to_vec(),
    ] {
        let one = why504(&[&arguments[..], &["-j", "1"]].concat());
        assert_eq!(one.status, 0, "{arguments:?}: {}", one.stderr);
        assert!(!one.stdout.is_empty());
        for jobs in ["2", "8"] {
            let many = why504(&[&arguments[..], &["-j", jobs]].concat());
            assert!(one.stdout == many.stdout, "{arguments:?}: -j1 and -j{jobs} differ");
        }
    }
}

#[test]
fn the_order_of_arguments_changes_nothing() {
    let [_, gateway, _, upstream, error, access] = WHOLE;
    for format in ["text", "ndjson"] {
        let run = |inputs: [&str; 6]| {
            why504(&[&TEXT[..], &["--format", format], &inputs].concat()).stdout
        };
        let first = run(WHOLE);
        for other in [
            ["--at", upstream, "--at", gateway, access, error],
            [access, error, "--at", gateway, "--at", upstream],
            [error, "--at", upstream, access, "--at", gateway],
        ] {
            assert!(run(other) == first, "{format}: {other:?} prints something else");
        }
    }
}

#[test]
fn locale_zone_and_terminal_variables_change_nothing() {
    let arguments = [&TEXT[..], &WHOLE].concat();
    let plain = why504(&arguments).stdout;
    for (name, value) in
        [("LC_ALL", "de_DE.UTF-8"), ("TZ", "Asia/Tokyo"), ("COLUMNS", "200"), ("TERM", "dumb")]
    {
        let run = finish(command(&arguments).env(name, value));
        assert!(run.stdout == plain, "{name}={value} changes the report");
    }
}
