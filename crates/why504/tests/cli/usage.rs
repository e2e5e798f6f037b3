//! Mistakes on the command line: status 2, the argument named, nothing on standard output.

use std::io::Read;
use std::process::Stdio;

use crate::incident::{WHOLE, command, demo, finish, why504};

#[test]
fn mistakes_are_named_and_end_with_status_2() {
    const LOG: &str = "testdata/demo/error.log";
    for (arguments, named) in [
        (vec![], "why504"),
        (vec!["--nonsense", LOG], "--nonsense"),
        (vec!["--tz", "Nowhere/City", LOG], "Nowhere/City"),
        (vec!["--connect-timeout", "soon", LOG], "--connect-timeout soon"),
        (vec!["--connect-timeout", "shop=2s", LOG], "shop"),
        (vec!["--connect-timeout", "0", LOG], "--connect-timeout 0"),
        (vec!["--at", "gateway", LOG], "--at gateway"),
        (vec!["--at", "=x.pcap", LOG], "--at =x.pcap"),
        (vec!["--nginx-conf", "no/such/nginx.conf", LOG], "no/such/nginx.conf"),
        (vec!["--log-format", "no_such_format", LOG], "--log-format"),
        (vec!["--format", "xml", LOG], "--format"),
        (vec!["-j", "0", LOG], "--jobs"),
        (vec!["handshakes"], "CAPTURE"),
        (vec!["timeouts"], "LOG"),
        (vec!["explain"], "CASE"),
    ] {
        let run = why504(&arguments);
        assert_eq!(run.status, 2, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(named), "{arguments:?} is not named: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{arguments:?} prints on stdout");
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for argument in ["--help", "-h", "--version"] {
        let run = why504(&[argument]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{argument}");
        assert!(String::from_utf8_lossy(&run.stdout).contains("why504"), "{argument}");
    }
}

/// Behind an option the name of a command is a path, and most likely none that is meant.
#[test]
fn a_command_behind_an_option_is_told_where_it_belongs() {
    let run = why504(&["--quiet", "handshakes", "testdata/demo/gateway.pcap"]);
    assert_eq!(run.status, 3);
    assert!(run.stderr.contains("handshakes: cannot be read"), "{}", run.stderr);
    assert!(run.stderr.contains("a command is the first word"), "{}", run.stderr);
}

/// A reader such as `head` that has seen enough is no failure.
#[test]
fn a_closed_pipe_ends_quietly() {
    let arguments = ["handshakes", "--format", "ndjson", WHOLE[0], WHOLE[1]];
    let mut child = command(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().expect("stdout is a pipe");
    stdout.read_exact(&mut first).expect("a first byte");
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

/// The gateway's capture and the upstream's in one folder, named in every way that people spell it.
#[test]
fn a_capture_belongs_to_the_point_that_names_it_most_closely() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("captures");
    std::fs::create_dir(&inside).expect("a folder");
    for name in ["gateway.pcap", "upstream.pcap"] {
        std::fs::copy(demo(name), inside.join(name)).expect("copied");
    }
    for arguments in [
        &["captures", "--at", "gw=captures", "--at", "up=captures/upstream.pcap"][..],
        &["captures", "--at", "up=captures/upstream.pcap", "--at", "gw=captures"],
        &["--at", "up=./captures/upstream.pcap", "--at", "gw=captures/"],
        &[".", "--at", "gw=captures", "--at", "up=captures/../captures/upstream.pcap"],
    ] {
        let arguments = [&["handshakes", "--format", "ndjson"], arguments].concat();
        let run = finish(command(&arguments).current_dir(folder.path()));
        let summary = run.summary();
        let points = summary["points"].as_array().expect("points");
        let names: Vec<_> = points.iter().map(|p| (&p["name"], &p["files"])).collect();
        assert_eq!(names, [(&"gw".into(), &1.into()), (&"up".into(), &1.into())], "{arguments:?}");
    }
}

#[test]
fn one_path_has_one_name_and_a_name_without_a_capture_is_told() {
    let [_, gateway, _, _, error, _] = WHOLE;
    let path = gateway.split_once('=').expect("a name").1;
    let again = format!("upstream={path}");
    let run = why504(&["handshakes", "--at", gateway, "--at", &again]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("named gateway before"), "{}", run.stderr);
    let upstream = format!("upstream={error}");
    let run = why504(&["check", "--at", gateway, "--at", &upstream]);
    assert!(run.stderr.contains(&format!("--at {upstream}: no capture")), "{}", run.stderr);
}
