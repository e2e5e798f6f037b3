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

use super::namespaces::{Addresses, Namespaces, sysctl};
use super::processes::Process;
use super::rules::{SYN, SYNACK, Share, hash, outside, shares};
use super::{command, twin};
use crate::scenario::{Behaviour, Scenario};

/// Marks below this are the connection's hash; those from [`FIRST_DELAY`] on hold a delay.
const FIRST_MARK: u32 = 200;
const FIRST_DELAY: u32 = 1000;

/// How much later than the first server the second one answers.
const BEHIND_ITS_TWIN_MS: u32 = 5;

/// Where packets leave the straight way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Router,
    Upstream,
}

/// What happens to the packets that take a detour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Treatment {
    /// They get other sequence numbers.
    Rewritten,
    /// One of their bits is turned over.
    Damaged,
    /// The host connects to whoever sent them before it hears them.
    Met,
    /// They are held back so many milliseconds. With 0 they only get the checksum that the sending
    /// kernel leaves to a card that is not there.
    Delayed(u32),
}

/// One device of the forwarder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Detour {
    place: Place,
    treatment: Treatment,
}

impl Detour {
    fn mark(self) -> u32 {
        match self.treatment {
            Treatment::Rewritten => FIRST_MARK,
            Treatment::Damaged => FIRST_MARK + 1,
            Treatment::Met => FIRST_MARK + 2,
            Treatment::Delayed(ms) => FIRST_DELAY + ms,
        }
    }

    fn device(self) -> String {
        match self.treatment {
            Treatment::Rewritten => "rewrites".to_owned(),
            Treatment::Damaged => "damages".to_owned(),
            Treatment::Met => "meets".to_owned(),
            Treatment::Delayed(ms) => format!("slow{ms}"),
        }
    }
}

/// A rule: what it matches in front of routing, and the detour that follows.
struct Rule {
    detour: Detour,
    text: String,
}

/// The direction of the packets of a port that take a detour.
#[derive(Clone, Copy)]
enum Way {
    ToServer,
    ToClient,
}

fn rules(scenario: &Scenario) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (up, behaviour, share) in shares(scenario) {
        let mut add = |place, treatment, way, flags| {
            let detour = Detour { place, treatment };
            rules.push(rule(scenario, detour, (way, up.port, flags), share));
        };
        let delayed = Treatment::Delayed(up.delay_ms);
        match behaviour {
            Behaviour::SynDelayed => add(Place::Router, delayed, Way::ToServer, SYN),
            Behaviour::SynackDelayed => add(Place::Router, delayed, Way::ToClient, SYNACK),
            Behaviour::PathDelayed => {
                add(Place::Router, delayed, Way::ToServer, "");
                add(Place::Router, delayed, Way::ToClient, "");
            }
            Behaviour::ServerSlow => add(Place::Upstream, delayed, Way::ToServer, SYN),
            Behaviour::SynDamaged => add(Place::Router, Treatment::Damaged, Way::ToServer, SYN),
            Behaviour::SynackDamaged => {
                add(Place::Router, Treatment::Damaged, Way::ToClient, SYNACK);
            }
            Behaviour::SimultaneousOpen => {
                add(Place::Upstream, Treatment::Met, Way::ToServer, SYN);
            }
            _ => {}
        }
    }
    for port in scenario.mirrored() {
        let detour =
            Detour { place: Place::Router, treatment: Treatment::Delayed(BEHIND_ITS_TWIN_MS) };
        let text = format!(
            "  iifname {} tcp sport {port} meta mark set {} accept\n",
            twin::DEVICE,
            detour.mark()
        );
        rules.push(Rule { detour, text });
    }
    // Damage shows only where all others come with a checksum.
    let damage = scenario.behaviours_met().any(Behaviour::damages);
    let all = [
        scenario.isn_rewrite.then_some(Treatment::Rewritten),
        damage.then_some(Treatment::Delayed(0)),
    ];
    for treatment in all.into_iter().flatten() {
        let detour = Detour { place: Place::Router, treatment };
        let text = format!(
            "  iifname {{ gw0, {} }} meta l4proto tcp meta mark set {} accept\n",
            outside(scenario),
            detour.mark()
        );
        rules.push(Rule { detour, text });
    }
    rules
}

/// The rule that leads the packets of a way, to or from a port and with these flags, to a detour.
fn rule(
    scenario: &Scenario,
    detour: Detour,
    (way, port, flags): (Way, u16, &str),
    share: Share,
) -> Rule {
    let device = match (detour.place, way) {
        (Place::Upstream, _) => "eth0",
        (Place::Router, Way::ToServer) => "gw0",
        (Place::Router, Way::ToClient) => outside(scenario),
    };
    let (end, client) = match way {
        Way::ToServer => ("dport", "source"),
        Way::ToClient => ("sport", "destination"),
    };
    let text = format!(
        "  iifname {device} tcp {end} {port} {flags} meta mark set {} {} meta mark set {} accept\n",
        hash(scenario, client),
        share.by_connection(),
        detour.mark()
    );
    Rule { detour, text }
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
    let device = detour.device();
    let mut words = vec![me.clone(), "forward".to_owned(), device.clone()];
    match detour.treatment {
        Treatment::Rewritten => {
            words.extend(["--rewrite-for", Addresses::of(scenario).upstream].map(str::to_owned));
        }
        Treatment::Damaged => words.push("--damage".to_owned()),
        Treatment::Met => words.push("--meet".to_owned()),
        Treatment::Delayed(ms) => words.extend(["--delay-ms".to_owned(), ms.to_string()]),
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
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
    fn beside_damaged_packets_all_others_get_their_checksum() {
        let damaged = scenario("port = 8001\nmix = { syn_damaged = 20, synack_damaged = 20 }\n");
        let router = script(&rules(&damaged), Place::Router);
        let at = |part: &str| router.find(part).unwrap_or_else(|| panic!("{part} in {router}"));
        let syn = at("iifname gw0 tcp dport 8001 tcp flags & (syn|ack|rst) == syn meta");
        let answer = at("iifname up0 tcp sport 8001 tcp flags & (syn|ack|rst) == syn|ack meta");
        let others = at("meta l4proto tcp meta mark set 1000 accept");
        assert!(syn < answer && answer < others, "{router}");
        assert_eq!(router.matches("meta mark set 201 accept").count(), 2, "{router}");
    }

    #[test]
    fn without_delay_there_is_no_detour() {
        assert!(rules(&scenario("port = 8001\nbehaviour = 'synack_lost'\n")).is_empty());
    }
}
