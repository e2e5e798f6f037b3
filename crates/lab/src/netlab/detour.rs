//! Which packets take a detour through the forwarder, and the way there: a mark that nftables sets
//! before routing, and a routing table that the mark chooses, whose only route is a TUN device.
//!
//! At the upstream host a packet that is for the host itself would never be routed: the lookup of
//! local addresses is moved behind that of the marks. Captures see a packet before either.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::command;
use super::namespaces::{Addresses, Namespaces, sysctl};
use super::processes::Process;
use super::rules::{SYN, SYNACK, Share, hash, outside, shares};
use crate::scenario::{Behaviour, Scenario};

/// Marks below this are the connection's hash.
const FIRST_MARK: u32 = 1000;

/// Where packets leave the straight way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Router,
    Upstream,
}

/// One device of the forwarder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Detour {
    place: Place,
    /// Milliseconds; 0 for the one that rewrites sequence numbers.
    delay_ms: u32,
}

impl Detour {
    fn mark(self) -> u32 {
        FIRST_MARK + self.delay_ms
    }

    fn device(self) -> String {
        format!("slow{}", self.delay_ms)
    }
}

/// A rule: what it matches in front of routing, and the detour that follows.
struct Rule {
    detour: Detour,
    text: String,
}

fn rules(scenario: &Scenario) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut add = |place, delay_ms, source: bool, port: u16, flags: &str, share: Share| {
        let (device, way) = match (place, source) {
            (Place::Upstream, _) => ("eth0", "dport"),
            (Place::Router, true) => ("gw0", "dport"),
            (Place::Router, false) => (outside(scenario), "sport"),
        };
        let detour = Detour { place, delay_ms };
        let client = if source { "source" } else { "destination" };
        let text = format!(
            "  iifname {device} tcp {way} {port} {flags} meta mark set {} {} meta mark set {} \
             accept\n",
            hash(scenario, client),
            share.by_connection(),
            detour.mark()
        );
        rules.push(Rule { detour, text });
    };
    for (up, behaviour, share) in shares(scenario) {
        match behaviour {
            Behaviour::SynDelayed => add(Place::Router, up.delay_ms, true, up.port, SYN, share),
            Behaviour::SynackDelayed => {
                add(Place::Router, up.delay_ms, false, up.port, SYNACK, share);
            }
            Behaviour::PathDelayed => {
                add(Place::Router, up.delay_ms, true, up.port, "", share);
                add(Place::Router, up.delay_ms, false, up.port, "", share);
            }
            Behaviour::ServerSlow => add(Place::Upstream, up.delay_ms, true, up.port, SYN, share),
            _ => {}
        }
    }
    if scenario.isn_rewrite {
        let detour = Detour { place: Place::Router, delay_ms: 0 };
        let text = format!(
            "  iifname {{ gw0, {} }} meta l4proto tcp meta mark set {} accept\n",
            outside(scenario),
            detour.mark()
        );
        rules.push(Rule { detour, text });
    }
    rules
}

/// The nftables script of one place.
fn script(rules: &[Rule], place: Place) -> String {
    let mut text = String::from(
        "table inet detour {\n chain before { type filter hook prerouting priority -150;\n",
    );
    for rule in rules.iter().filter(|rule| rule.detour.place == place) {
        // A hash that led nowhere must not be taken for a mark by somebody else.
        let _ = writeln!(text, "{}  meta mark set 0", rule.text);
    }
    text.push_str(" }\n}\n");
    text
}

/// Starts every forwarder that `scenario` needs and leads the packets there.
pub(super) fn open(scenario: &Scenario, at: &Namespaces, work: &Path) -> Result<Vec<Process>> {
    let rules = rules(scenario);
    let detours: BTreeSet<Detour> = rules.iter().map(|rule| rule.detour).collect();
    let family = if scenario.ipv6 { "-6" } else { "-4" };
    let mut forwarders = Vec::new();
    for place in [Place::Router, Place::Upstream] {
        let here: Vec<Detour> = detours.iter().copied().filter(|d| d.place == place).collect();
        if here.is_empty() {
            continue;
        }
        let namespace = match place {
            Place::Router => &at.router,
            Place::Upstream => &at.upstream,
        };
        if place == Place::Upstream {
            let ip = ["ip", family, "-n", namespace, "rule"];
            command::run(&[&ip[..], &["add", "pref", "100", "lookup", "local"]].concat())?;
            command::run(&[&ip[..], &["del", "pref", "0"]].concat())?;
            sysctl(namespace, "net.ipv4.ip_forward=1")?;
            sysctl(namespace, "net.ipv6.conf.all.forwarding=1")?;
        }
        // A packet that comes back from the device comes from where it should not.
        sysctl(namespace, "net.ipv4.conf.all.rp_filter=0")?;
        sysctl(namespace, "net.ipv4.conf.default.rp_filter=0")?;
        for detour in here {
            forwarders.push(start(scenario, namespace, detour, family, work)?);
        }
        let nft = ["ip", "netns", "exec", namespace, "nft", "-f", "-"];
        command::feed(&nft, &script(&rules, place))?;
    }
    Ok(forwarders)
}

fn start(
    scenario: &Scenario,
    namespace: &str,
    detour: Detour,
    family: &str,
    work: &Path,
) -> Result<Process> {
    let me = std::env::current_exe()?.display().to_string();
    let (device, delay) = (detour.device(), detour.delay_ms.to_string());
    let mut words = vec![me.as_str(), "forward", &device, "--delay-ms", &delay];
    if detour.delay_ms == 0 {
        words.extend(["--rewrite-for", Addresses::of(scenario).upstream]);
    }
    let name = format!("{device}-{:?}", detour.place);
    let mut process = Process::start(namespace, &name, &words, work, &[])?;
    process.wait_for("forwarding", Duration::from_secs(5))?;
    let table = detour.mark().to_string();
    let commands = format!(
        "link set {device} up\nrule add pref 10 fwmark {table} lookup {table}\n\
         route add default dev {device} table {table}\n"
    );
    command::feed(&["ip", family, "-n", namespace, "-batch", "-"], &commands)?;
    Ok(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(upstream: &str) -> Scenario {
        let text = format!("description = 'x'\nseconds = 5\nrate = 10\n[[upstream]]\n{upstream}");
        Scenario::parse(&text).unwrap()
    }

    #[test]
    fn a_late_answer_is_led_away_at_the_router_in_its_direction() {
        let late = scenario("port = 8001\nbehaviour = 'synack_delayed'\ndelay_ms = 900\n");
        let rules = rules(&late);
        let router = script(&rules, Place::Router);
        assert!(router.contains("iifname up0 tcp sport 8001 "), "{router}");
        assert!(router.contains("meta mark set 1900 accept"), "{router}");
        assert!(!script(&rules, Place::Upstream).contains("8001"));
    }

    #[test]
    fn the_slow_server_delays_behind_its_capture_point() {
        let slow = scenario("port = 8001\nmix = { server_slow = 20, syn_delayed = 30 }\n");
        let rules = rules(&slow);
        let (router, upstream) = (script(&rules, Place::Router), script(&rules, Place::Upstream));
        assert!(upstream.contains("iifname eth0 tcp dport 8001 "), "{upstream}");
        // The order of a mix is that of the behaviours, so that all hosts share it out alike.
        assert!(router.contains("meta mark 0-29 "), "{router}");
        assert!(upstream.contains("meta mark 30-49 "), "{upstream}");
    }

    #[test]
    fn without_delay_there_is_no_detour() {
        assert!(rules(&scenario("port = 8001\nbehaviour = 'synack_lost'\n")).is_empty());
    }
}
