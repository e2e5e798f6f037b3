//! `why504 recipe`: what it prints works. tcpdump is asked where there is one.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::incident::{demo, root, why504};

fn printed(arguments: &[&str]) -> String {
    let run = why504(&[&["recipe"], arguments].concat());
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    String::from_utf8(run.stdout).expect("UTF-8")
}

/// The filters of the two commands: what stands between the quotes that end a tcpdump command.
fn filters(text: &str) -> Vec<String> {
    let commands = text.split("\ntcpdump ").skip(1);
    commands.map(|c| c.split('\'').nth(1).expect("a quoted filter").to_owned()).collect()
}

/// A configuration whose upstreams have these ports.
fn conf(folder: &Path, ports: impl Iterator<Item = u16>) -> String {
    let servers: Vec<String> = ports.map(|port| format!("server 10.0.0.1:{port};")).collect();
    let servers = servers.concat();
    let path = folder.join("nginx.conf");
    fs::write(&path, format!("http {{ upstream b {{ {servers} }} }}")).expect("writable");
    path.to_str().expect("UTF-8").to_owned()
}

/// Frames that `filter` lets through; `None` without a tcpdump.
fn passed(filter: &str, capture: &Path) -> Option<usize> {
    let output = Command::new("tcpdump").arg("-nr").arg(capture).arg("--").arg(filter).output();
    let output = output.ok()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{filter}: {stderr}");
    Some(String::from_utf8_lossy(&output.stdout).lines().count())
}

#[test]
fn tcpdump_compiles_the_filters() {
    let folder = tempfile::tempdir().expect("a folder");
    let some = conf(folder.path(), [80, 8080].into_iter());
    let mut all = filters(&printed(&[]));
    all.extend(filters(&printed(&["--nginx-conf", &some])));
    let many = conf(folder.path(), 20_000..20_100);
    all.extend(filters(&printed(&["--nginx-conf", &many])));
    assert_eq!(all.len(), 6);
    for filter in &all {
        let of_file = ["-r", "testdata/demo/gateway.pcap", "-d", "--", filter];
        let output = Command::new("tcpdump").args(of_file).current_dir(root()).output();
        let Ok(output) = output else { return };
        assert!(output.status.success(), "{filter}: {}", String::from_utf8_lossy(&output.stderr));
        let vlan = format!("({filter}) or (vlan and ({filter}))");
        passed(&vlan, &demo("gateway.pcap"));
    }
}

/// Counted by filters in other words, which tshark's authors and ours did not write together.
#[test]
fn the_filter_keeps_what_decides_and_drops_payload() {
    let filter = filters(&printed(&[])).remove(0);
    let shared = root().join("../shared");
    let files = ["sets/ipv6-any/gateway.pcap", "captures/public/suricata_bug-5881-01.pcap"];
    let captures: Vec<_> = [demo("gateway.pcap"), demo("upstream.pcap")]
        .into_iter()
        .chain(files.map(|file| shared.join(file)))
        .filter(|path| path.exists())
        .collect();
    for path in captures {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = folder.path().join("kept.pcap");
        let mut write = Command::new("tcpdump");
        write.arg("-r").arg(&path).arg("-w").arg(&kept).arg("--").arg(&filter);
        let Ok(output) = write.output() else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let count = |file: &Path, display: &str| {
            let mut command = Command::new("tshark");
            command.args(["-Y", display, "-r"]).arg(file);
            let output = command.output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).lines().count())
        };
        let decisive = "arp || icmp || icmpv6.type < 128 || icmpv6.type == 135 || icmpv6.type == 136 || (tcp.flags.syn==1 || tcp.flags.fin==1 || tcp.flags.reset==1) \
                        || (tcp && tcp.len==0)";
        let Some(before) = count(&path, decisive) else { return };
        assert!(before > 0, "{}", path.display());
        assert_eq!(count(&kept, decisive), Some(before), "{}: nothing is missing", path.display());
        assert_eq!(count(&kept, "frame"), Some(before), "{}: nothing else", path.display());
    }
}

#[test]
fn the_ports_are_those_of_the_upstreams() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = printed(&["--nginx-conf", &conf(folder.path(), [8001, 8080].into_iter())]);
    assert!(text.contains("(port 8001 or port 8080)"), "{text}");
    // Where the file does not say, no port is left out.
    let open = printed(&["--nginx-conf", "testdata/demo/nginx.conf"]);
    assert_eq!(filters(&open), filters(&printed(&[])));
    assert!(open.contains("leaves the ports to variables"), "{open}");
    for line in text.lines().chain(open.lines()) {
        assert!(line.len() <= 80, "{line}");
    }
    assert_eq!(why504(&["recipe", "--nginx-conf", "no/such/file"]).status, 2);
}

/// The format that is advised is one that is understood, and that tells the start of a try.
#[test]
fn the_advised_log_format_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = printed(&[]);
    let start = text.find("log_format").expect("there is a format");
    let end = start + text[start..].find(';').expect("it ends") + 1;
    let conf = folder.path().join("nginx.conf");
    fs::write(&conf, format!("http {{ {} }}", &text[start..end])).expect("writable");
    let log = folder.path().join("access.log");
    let line = "203.0.113.9 - - [22/Nov/2026:15:15:04 +0000] \"GET / HTTP/1.1\" 504 167 \"-\" \
                \"curl/8\" rt=0.500 uct=- urt=0.500 us=504 ua=10.0.0.9:80 msec=1795360504.500 \
                conn=7 pid=11\n";
    fs::write(&log, line).expect("writable");
    let [conf, log] = [&conf, &log].map(|path| path.to_str().expect("UTF-8"));
    let run = why504(&["timeouts", "--format", "ndjson", "--nginx-conf", conf, log]);
    let found = run.of_type("timeout");
    assert_eq!(found.len(), 1, "{}", run.stderr);
    assert_eq!(found[0]["log"]["kind"], "access_504");
    assert_eq!(found[0]["timeout"]["source"], "access_log");
}
