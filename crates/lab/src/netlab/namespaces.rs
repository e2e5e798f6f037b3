//! The three or four network namespaces of a run (`twin` makes one more), and the janitor that takes them down.
//!
//! The janitor is a second process in a process group of its own. It waits until the run closes a
//! pipe, which the kernel also does when the run is interrupted or killed, then kills what still
//! lives in the namespaces and deletes them. So a signal, a panic and a normal end all go the same
//! way, and nothing is left behind.

use std::fmt::Write;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::command;
use crate::scenario::{Dnat, Scenario};

const PREFIX: &str = "w504-";

/// The addresses of a run; documentation-like private networks that leave no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) gateway: &'static str,
    pub(super) upstream: &'static str,
    /// The servers beside the upstream where connections are shared out among three.
    others: [&'static str; 2],
    /// An address that nobody has and that is turned into the upstream's, where that is asked for.
    pub(super) virtual_upstream: &'static str,
    /// An address of the gateway's own link that nobody has.
    pub(super) absent: &'static str,
    gateway_router: &'static str,
    upstream_router: &'static str,
    /// The ends of the link between two firewalls, where there are two.
    middle: [&'static str; 2],
    prefix_length: u8,
}

impl Addresses {
    pub(super) fn of(scenario: &Scenario) -> Self {
        if scenario.ipv6 {
            Self {
                gateway: "fd77:1::2",
                upstream: "fd77:2::2",
                others: ["fd77:2::3", "fd77:2::4"],
                virtual_upstream: "fd77:9::9",
                absent: "fd77:1::1:250",
                gateway_router: "fd77:1::1",
                upstream_router: "fd77:2::1",
                middle: ["fd77:3::1", "fd77:3::2"],
                prefix_length: 64,
            }
        } else {
            Self {
                gateway: "10.77.1.2",
                upstream: "10.77.2.2",
                others: ["10.77.2.3", "10.77.2.4"],
                virtual_upstream: "10.77.9.9",
                absent: "10.77.1.250",
                gateway_router: "10.77.1.1",
                upstream_router: "10.77.2.1",
                middle: ["10.77.3.1", "10.77.3.2"],
                prefix_length: 24,
            }
        }
    }
}

impl Addresses {
    /// The three servers among which connections are shared out.
    pub(super) fn servers(&self) -> [&'static str; 3] {
        let [second, third] = self.others;
        [self.upstream, second, third]
    }
}

/// The source address of the n-th marked Lua request; they repeat after [`SOURCE_MARKS`].
pub(super) fn source_mark(ipv6: bool, n: u32) -> String {
    let host = 10 + n % SOURCE_MARKS;
    if ipv6 { format!("fd77:1::{host}") } else { format!("10.77.1.{host}") }
}

/// Hardware addresses, locally administered: the gateway, the router's two sides, the upstream.
const GW: &str = "02:00:00:00:00:01";
const RT1: &str = "02:00:00:00:00:02";
const RT2: &str = "02:00:00:00:00:03";
const UP: &str = "02:00:00:00:00:04";
/// The link between two firewalls.
const MID: [&str; 2] = ["02:00:00:00:00:05", "02:00:00:00:00:06"];

/// An address on a device, and the neighbour at the other end of the link.
struct End<'a> {
    owner: &'a str,
    device: &'static str,
    mac: &'static str,
    /// Namespace and device at the other end.
    beyond: (&'a str, &'static str),
    address: String,
    prefix_length: u8,
    /// Whether it is only for sockets that ask for it.
    mark: bool,
}

impl End<'_> {
    fn address_commands(&self, ipv6: bool) -> String {
        let Self { device, address, prefix_length, .. } = self;
        let how = match (ipv6, self.mark) {
            (false, _) => "",
            (true, false) => "nodad",
            (true, true) => "nodad preferred_lft 0",
        };
        format!("addr add {address}/{prefix_length} dev {device} {how}\nlink set {device} up\n")
    }

    /// Makes the address known at the other end. Asking for it there could take a second, and the
    /// truth would be full of packets that were late and not lost.
    fn neighbour_command(&self) -> String {
        let (_, device) = self.beyond;
        format!("neigh replace {} lladdr {} dev {device} nud permanent\n", self.address, self.mac)
    }
}

/// How many source addresses the gateway owns for marks.
pub(super) const SOURCE_MARKS: u32 = 200;

/// The namespaces, alive as long as this value is.
pub(super) struct Namespaces {
    pub(super) gateway: String,
    pub(super) router: String,
    /// The firewall next to the upstream; the router itself where there is one.
    pub(super) last_router: String,
    pub(super) upstream: String,
    /// A second server, where one is asked for.
    pub(super) twin: String,
    janitor: Child,
}

impl Namespaces {
    /// The firewall that answers in servers' place, where one does.
    pub(super) fn proxy(&self, scenario: &Scenario) -> &str {
        if scenario.proxy_firewall == 2 { &self.last_router } else { &self.router }
    }

    /// Makes them, with links, addresses and routes.
    pub(super) fn make(scenario: &Scenario) -> Result<Self> {
        let run = std::process::id();
        let [gateway, router, second, upstream, twin] =
            ["gw", "rt", "r2", "up", "tw"].map(|role| format!("{PREFIX}{run}-{role}"));
        let last_router = if scenario.firewalls == 2 { second } else { router.clone() };
        // The janitor comes first: whatever is made after it is taken down.
        let janitor = Command::new(std::env::current_exe()?)
            .args(["janitor", &format!("{PREFIX}{run}-")])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start the janitor")?;
        let made = Self { gateway, router, last_router, upstream, twin, janitor };
        made.connect(scenario)?;
        Ok(made)
    }

    fn connect(&self, scenario: &Scenario) -> Result<()> {
        let Self { gateway: gw, router: rt, last_router: last, upstream: up, .. } = self;
        let two = last != rt;
        let mut batch = format!("netns add {gw}\nnetns add {rt}\nnetns add {up}\n");
        if two {
            let [near, far] = MID;
            let _ = write!(
                batch,
                "netns add {last}\nlink add mid0 address {near} netns {rt} type veth peer name mid1 \
                 address {far} netns {last}\n"
            );
        }
        let _ = write!(
            batch,
            "link add eth0 address {GW} netns {gw} type veth peer name gw0 address {RT1} netns {rt}\n\
             link add eth0 address {UP} netns {up} type veth peer name up0 address {RT2} netns {last}\n"
        );
        command::feed(&["ip", "-batch", "-"], &batch).context("cannot make the namespaces")?;
        let ends = self.ends(scenario);
        let mut all = vec![gw, rt, up];
        if two {
            all.push(last);
        }
        for namespace in all {
            let own = ends.iter().filter(|end| end.owner == namespace);
            let neighbours = ends.iter().filter(|end| end.beyond.0 == namespace);
            let batch: String = std::iter::once("link set lo up\n".to_owned())
                .chain(own.map(|end| end.address_commands(scenario.ipv6)))
                .chain(neighbours.map(End::neighbour_command))
                .collect();
            command::feed(&["ip", "-n", namespace, "-batch", "-"], &batch)?;
        }
        let to = Addresses::of(scenario);
        let family = if scenario.ipv6 { "-6" } else { "-4" };
        let mut defaults = vec![(gw, to.gateway_router), (up, to.upstream_router)];
        if two {
            defaults.extend([(rt, to.middle[1]), (last, to.middle[0])]);
        }
        for (namespace, router) in defaults {
            command::run(&[
                "ip", family, "-n", namespace, "route", "add", "default", "via", router,
            ])?;
        }
        self.settings(scenario)
    }

    /// Every address of the run, on the device that has it.
    fn ends(&self, scenario: &Scenario) -> Vec<End<'_>> {
        let to = Addresses::of(scenario);
        let end = |owner, device, mac, beyond, address: String| End {
            owner,
            device,
            mac,
            beyond,
            prefix_length: to.prefix_length,
            mark: false,
            address,
        };
        let (gw, rt, up) = (&*self.gateway, &*self.router, &*self.upstream);
        let last = &*self.last_router;
        let mut ends = vec![
            end(gw, "eth0", GW, (rt, "gw0"), to.gateway.to_owned()),
            end(rt, "gw0", RT1, (gw, "eth0"), to.gateway_router.to_owned()),
            end(last, "up0", RT2, (up, "eth0"), to.upstream_router.to_owned()),
            end(up, "eth0", UP, (last, "up0"), to.upstream.to_owned()),
        ];
        if last != rt {
            ends.push(end(rt, "mid0", MID[0], (last, "mid1"), to.middle[0].to_owned()));
            ends.push(end(last, "mid1", MID[1], (rt, "mid0"), to.middle[1].to_owned()));
        }
        if scenario.dnat == Some(Dnat::Servers) {
            let more =
                to.others.map(|server| end(up, "eth0", UP, (last, "up0"), server.to_owned()));
            ends.extend(more);
        }
        if scenario.lua_source_mark {
            ends.extend((0..SOURCE_MARKS).map(|n| {
                let address = source_mark(scenario.ipv6, n);
                End { mark: true, ..end(gw, "eth0", GW, (rt, "gw0"), address) }
            }));
        }
        ends
    }

    fn settings(&self, scenario: &Scenario) -> Result<()> {
        for router in [&self.router, &self.last_router] {
            sysctl(router, "net.ipv4.ip_forward=1")?;
            sysctl(router, "net.ipv6.conf.all.forwarding=1")?;
        }
        // Every rejected SYN gets its ICMP error; the kernel would limit them to a few a second.
        for rejecting in [&self.router, &self.last_router, &self.upstream] {
            sysctl(rejecting, "net.ipv4.icmp_ratelimit=0")?;
            sysctl(rejecting, "net.ipv6.icmp.ratelimit=0")?;
        }
        if scenario.nat_ports > 0 {
            // Sooner than the upstream host forgets, so that a public port is given away too early.
            let timeout = "net.netfilter.nf_conntrack_tcp_timeout";
            sysctl(&self.router, &format!("{timeout}_syn_sent=3"))?;
            sysctl(&self.router, &format!("{timeout}_syn_recv=3"))?;
        }
        if scenario.upstream.iter().any(|up| up.syn_proxy) {
            // An ACK that belongs to nothing is the proxy's to judge (nft(8), synproxy).
            sysctl(self.proxy(scenario), "net.netfilter.nf_conntrack_tcp_loose=0")?;
        }
        for setting in &scenario.upstream_sysctl {
            sysctl(&self.upstream, setting)?;
        }
        if scenario.ephemeral_ports > 0 {
            let last = 40_000_u32 + u32::from(scenario.ephemeral_ports) - 1;
            sysctl(&self.gateway, &format!("net.ipv4.ip_local_port_range=40000 {last}"))?;
        }
        Ok(())
    }
}

/// Sets a kernel parameter of `namespace`.
pub(super) fn sysctl(namespace: &str, setting: &str) -> Result<()> {
    command::run(&["ip", "netns", "exec", namespace, "sysctl", "-qw", setting])?;
    Ok(())
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

/// Body of the janitor process: waits for the end of its standard input, then removes every
/// namespace whose name starts with `prefix`.
pub fn janitor(prefix: &str) -> Result<()> {
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
    for namespace in named(prefix)? {
        remove(&namespace);
    }
    Ok(())
}

/// Removes what runs of the lab left behind whose process and janitor both died; returns how many
/// namespaces that were.
pub fn remove_leftovers() -> Result<usize> {
    let mut removed = 0;
    for namespace in named(PREFIX)? {
        let owner = namespace.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let alive = owner.is_some_and(|pid| Path::new("/proc").join(pid).exists());
        if !alive {
            remove(&namespace);
            removed += 1;
        }
    }
    Ok(removed)
}

fn named(prefix: &str) -> Result<Vec<String>> {
    let list = command::run(&["ip", "netns", "list"])?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
}

/// Kills the processes of `namespace` and deletes it. Errors are passed over: this runs when
/// something has already gone wrong, and the next run looks again.
fn remove(namespace: &str) {
    for signal in ["-TERM", "-KILL"] {
        let pids = command::run(&["ip", "netns", "pids", namespace]).unwrap_or_default();
        if pids.trim().is_empty() {
            break;
        }
        for pid in pids.split_whitespace() {
            let _ = command::run(&["kill", signal, pid]);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    let _ = command::run(&["ip", "netns", "delete", namespace]);
}
