//! A second server with the upstream's address, to which the router mirrors SYNs and nothing else: it
//! answers them, gets no ACK, and repeats itself.
//!
//! Its answers are held back a little, so that the client takes that of the first server: the RST of a
//! server that gets an ACK for the other's number would end the connection at once.

use std::time::Duration;

use anyhow::Result;

use super::command;
use super::namespaces::{Addresses, Namespaces, sysctl};
use super::processes::Process;
use crate::scenario::Scenario;

/// The router's device towards the twin.
pub(super) const DEVICE: &str = "tw0";
/// The ends of the link between them.
const ROUTER: &str = "10.77.4.1";
const TWIN: &str = "10.77.4.2";

/// Makes the twin's namespace and the mirror, and starts its server; nothing where no port has one.
pub(super) fn start(
    scenario: &Scenario,
    at: &Namespaces,
    work: &std::path::Path,
) -> Result<Option<Process>> {
    let ports: Vec<String> = scenario.mirrored().map(|port| port.to_string()).collect();
    if ports.is_empty() {
        return Ok(None);
    }
    let (rt, twin) = (&at.router, &at.twin);
    let upstream = Addresses::of(scenario).upstream;
    let batch = format!(
        "netns add {twin}\nlink add eth0 netns {twin} type veth peer name {DEVICE} netns {rt}\n"
    );
    command::feed(&["ip", "-batch", "-"], &batch)?;
    let near = format!("addr add {ROUTER}/24 dev {DEVICE}\nlink set {DEVICE} up\n");
    command::feed(&["ip", "-n", rt, "-batch", "-"], &near)?;
    let far = format!(
        "link set lo up\naddr add {TWIN}/24 dev eth0\naddr add {upstream}/32 dev eth0\nlink set eth0 up\n\
         route add default via {ROUTER}\n"
    );
    command::feed(&["ip", "-n", twin, "-batch", "-"], &far)?;
    for setting in ["all", DEVICE] {
        sysctl(rt, &format!("net.ipv4.conf.{setting}.rp_filter=0"))?;
    }
    let mirror = format!(
        "table ip mirror {{ chain before {{ type filter hook prerouting priority -200; iifname gw0 \
         tcp dport {{ {} }} {} dup to {TWIN} device {DEVICE}; }}\n}}\n",
        ports.join(", "),
        super::rules::SYN
    );
    command::feed(&["ip", "netns", "exec", rt, "nft", "-f", "-"], &mirror)?;
    let me = std::env::current_exe()?.display().to_string();
    let listen: Vec<String> = ports.iter().map(|port| format!("{upstream}:{port}")).collect();
    let mut words = vec![me.as_str(), "server", "mute"];
    words.extend(listen.iter().map(String::as_str));
    let mut server = Process::start(twin, "twin", &words, work, &[])?;
    server.wait_for("listening", Duration::from_secs(5))?;
    Ok(Some(server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_needs_a_router_that_leaves_addresses_alone() {
        let text = "description = 'x'\nseconds = 1\nrate = 1\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'mute'\ntwin = true\n";
        let scenario = Scenario::parse(text).unwrap();
        assert_eq!(scenario.mirrored().collect::<Vec<_>>(), [8001]);
        assert!(Scenario::parse(&format!("nat = true\n{text}")).is_err());
    }
}
