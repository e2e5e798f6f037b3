//! The packet filters that make the trouble: nftables scripts for the router and the upstream host.
//!
//! Every drop at the router is also logged to an NFLOG group, so that the truth knows each dropped
//! packet. Choices by connection use a hash of the client's address and port, which both directions
//! and (without NAT) both hosts compute alike.

use std::fmt::Write;

use super::{proxy, translation};
use crate::scenario::{Behaviour, Dnat, Scenario, Upstream};

/// The NFLOG group that dropped packets are logged to.
pub(super) const NFLOG_GROUP: u16 = 5;

pub(super) const SYN: &str = "tcp flags & (syn|ack|rst) == syn";
pub(super) const SYNACK: &str = "tcp flags & (syn|ack|rst) == syn|ack";
const RST: &str = "tcp flags & rst == rst";
const NOT_SYN: &str = "tcp flags & syn == 0x0";

/// How many members the link of a `broken_member` has, a power of two, and which one is broken: it
/// gets the source ports that leave this remainder.
pub(crate) const BROKEN_MEMBER: [u16; 2] = [4, 2];

/// What a rule does with a packet.
fn drop_it() -> String {
    format!("log group {NFLOG_GROUP} snaplen 128 queue-threshold 1 drop")
}

pub(super) fn family(scenario: &Scenario) -> (&'static str, &'static str) {
    if scenario.ipv6 { ("ip6", "ipv6_addr") } else { ("ip", "ipv4_addr") }
}

/// The hash of a connection, 0..100, from the packet's side that is the client.
pub(super) fn hash(scenario: &Scenario, client: &str) -> String {
    let (ip, _) = family(scenario);
    let (address, port) = if client == "source" { ("saddr", "sport") } else { ("daddr", "dport") };
    let seed = 1 + scenario.seed % 0xffff;
    format!("jhash {ip} {address} . tcp {port} mod 100 seed {seed:#x}")
}

/// The device of the first firewall that faces the upstream.
pub(super) fn outside(scenario: &Scenario) -> &'static str {
    if scenario.firewalls == 2 { "mid0" } else { "up0" }
}

/// The devices of a firewall that face the gateway and the upstream.
pub(super) fn devices(scenario: &Scenario, firewall: u32) -> [&'static str; 2] {
    if firewall == 2 { ["mid1", "up0"] } else { ["gw0", outside(scenario)] }
}

/// The rule set of the router, or of one of two firewalls, counted from the gateway.
pub(super) fn router(scenario: &Scenario, firewall: u32) -> String {
    let [inner, outer] = devices(scenario, firewall);
    let mut script = losses(scenario, firewall, "lab", [inner, outer]);
    if firewall == 1 {
        script.push_str(&translation::chains(scenario));
    }
    if firewall == scenario.proxy_firewall {
        script.push_str(&proxy::chains(scenario, inner));
    }
    script.push_str("}\n");
    if scenario.chain {
        script.push_str(&losses(&scenario.second(), firewall, "second", [outer, inner]));
        script.push_str("}\n");
    }
    script
}

/// The table, still open, of what a firewall drops and changes; clients are on the side of `inner`.
fn losses(
    scenario: &Scenario,
    firewall: u32,
    table: &str,
    [inner, outer]: [&'static str; 2],
) -> String {
    let (_, address_type) = family(scenario);
    let mut script = format!("table inet {table} {{\n");
    let _ = writeln!(
        script,
        " set answered {{ type {address_type} . inet_service . inet_service; size 65536; \
         flags dynamic,timeout; timeout 20s; }}"
    );
    let mut to_upstream = String::new();
    let mut to_client = String::new();
    let mine = |up: &Upstream| up.firewall == firewall;
    for (up, behaviour, share) in shares(scenario).into_iter().filter(|(up, ..)| mine(up)) {
        to_upstream.push_str(&towards_upstream(scenario, up, behaviour, share));
        to_client.push_str(&towards_client(scenario, up, behaviour, share));
    }
    let _ = write!(
        script,
        " chain to_upstream {{\n  meta mark set {}\n{to_upstream} }}\n\
         \x20chain to_client {{\n  meta mark set {}\n{to_client} }}\n\
         \x20chain forward {{ type filter hook forward priority 0;\n\
         \x20 iifname {inner} meta l4proto tcp jump to_upstream\n\
         \x20 iifname {outer} meta l4proto tcp jump to_client\n{} }}\n",
        hash(scenario, "source"),
        hash(scenario, "destination"),
        icmp_lost(scenario),
    );
    script
}

/// Drops the errors of the upstream host. They quote the SYN, which no hash reaches: a scenario in
/// which one connection loses its error loses them all.
fn icmp_lost(scenario: &Scenario) -> String {
    if scenario.behaviours_met().any(|behaviour| behaviour == Behaviour::IcmpLost) {
        format!("  meta l4proto {{ icmp, icmpv6 }} {}\n", drop_it())
    } else {
        String::new()
    }
}

/// Every port's behaviours, each with its share of the port's connections.
pub(super) fn shares(scenario: &Scenario) -> Vec<(&Upstream, Behaviour, Share)> {
    let mut shares = Vec::new();
    for up in &scenario.upstream {
        let mut low = 0;
        for (behaviour, percent) in Scenario::behaviours(up) {
            shares.push((up, behaviour, Share { percent, low, mixed: !up.mix.is_empty() }));
            low += percent;
        }
    }
    shares
}

/// Which part of a port's traffic a behaviour takes.
#[derive(Clone, Copy)]
pub(super) struct Share {
    percent: u32,
    /// First hash value of a mixed behaviour.
    low: u32,
    mixed: bool,
}

impl Share {
    /// The condition on the connection's hash.
    pub(super) fn by_connection(self) -> String {
        match self.percent {
            0 => "meta mark > 100".to_owned(),
            percent => format!("meta mark {}-{}", self.low, self.low + percent - 1),
        }
    }

    /// By packet where the behaviour has the port for itself, by connection in a mix.
    fn by_packet(self) -> String {
        match self.percent {
            _ if self.mixed => self.by_connection(),
            0 => "meta mark > 100".to_owned(),
            // nft refuses a comparison that is always true.
            100.. => String::new(),
            percent => format!("numgen random mod 100 < {percent}"),
        }
    }

    /// Loss in both directions. In a mix the connection is chosen first, and then every second
    /// packet of it is lost: losing all of them would be the same as losing the SYNs.
    fn both_ways(self) -> String {
        if self.mixed {
            format!("{} numgen random mod 100 < 50", self.by_connection())
        } else {
            self.by_packet()
        }
    }
}

fn towards_upstream(s: &Scenario, up: &Upstream, behaviour: Behaviour, share: Share) -> String {
    let port = format!("  tcp dport {}", up.port);
    let drop = drop_it();
    match behaviour {
        Behaviour::SynLost => format!("{port} {SYN} {} {drop}\n", share.by_packet()),
        Behaviour::MixedDrop => format!("{port} {SYN} {} {drop}\n", share.both_ways()),
        Behaviour::AckLost => format!("{port} {NOT_SYN} {} {drop}\n", share.by_connection()),
        Behaviour::StaleConnection | Behaviour::ChallengeLost | Behaviour::HalfOpen => {
            format!("{port} {RST} {} {drop}\n", share.by_connection())
        }
        Behaviour::BrokenMember => {
            let [members, broken] = BROKEN_MEMBER;
            let last = members - 1;
            format!("{port} tcp sport & {last} == {broken} {SYN} {} {drop}\n", share.by_packet())
        }
        Behaviour::IcmpProhibited => {
            let kind = if s.ipv6 { "icmpv6" } else { "icmp" };
            format!("{port} {} reject with {kind} type admin-prohibited\n", share.by_connection())
        }
        _ => String::new(),
    }
}

fn towards_client(s: &Scenario, up: &Upstream, behaviour: Behaviour, share: Share) -> String {
    let port = format!("  tcp sport {}", up.port);
    let drop = drop_it();
    match behaviour {
        Behaviour::SynackLost => format!("{port} {SYNACK} {} {drop}\n", share.by_packet()),
        Behaviour::MixedDrop => format!("{port} {SYNACK} {} {drop}\n", share.both_ways()),
        Behaviour::ReplyLost => format!("{port} {RST} {} {drop}\n", share.by_packet()),
        Behaviour::HalfOpen => format!("{port} {SYNACK} {} {drop}\n", share.by_connection()),
        Behaviour::ChallengeLost => format!("{port} {NOT_SYN} {} {drop}\n", share.by_connection()),
        // Any number that the client cannot have asked for.
        Behaviour::WrongAck => {
            format!("{port} {SYNACK} {} tcp ackseq set 12345\n", share.by_connection())
        }
        Behaviour::SynackFirstLost => {
            let (ip, _) = family(s);
            let tuple = format!("{ip} daddr . tcp dport . tcp sport");
            format!(
                "{port} {SYNACK} {} {tuple} != @answered add @answered {{ {tuple} }} {drop}\n",
                share.by_connection()
            )
        }
        _ => String::new(),
    }
}

/// The upstream host's rule set: what a silent, half-deaf or unwilling host does.
pub(super) fn upstream(scenario: &Scenario) -> String {
    let mut input = String::new();
    let mut output = String::new();
    for (up, behaviour, share) in shares(scenario) {
        let from_client = format!("  tcp dport {}", up.port);
        let chosen = share.by_connection();
        match behaviour {
            Behaviour::ServerSilent => writeln!(input, "{from_client} {chosen} drop"),
            Behaviour::AckIgnored => writeln!(input, "{from_client} {NOT_SYN} {chosen} drop"),
            // A port of its own has nobody who listens; in a mix somebody does.
            Behaviour::Refused | Behaviour::ReplyLost if share.mixed => {
                writeln!(input, "{from_client} {SYN} {chosen} reject with tcp reset")
            }
            Behaviour::IcmpLost => {
                writeln!(input, "{from_client} {SYN} {chosen} reject with icmpx admin-prohibited")
            }
            Behaviour::ServerOutputDrop => {
                writeln!(output, "  tcp sport {} {SYNACK} {chosen} drop", up.port)
            }
            _ => Ok(()),
        }
        .expect("a String takes any text");
    }
    let input = chain(scenario, "input", "source", &input);
    let output = chain(scenario, "output", "destination", &output);
    format!("table inet lab {{\n{input}{output}}}\n")
}

/// The gateway's rule set: the SYN+ACKs that it does not want to hear, and the SYNs that it does not
/// want to send. What it does not send is logged, for the truth.
pub(super) fn gateway(scenario: &Scenario) -> String {
    let mut input = String::new();
    let mut output = String::new();
    for (up, behaviour, share) in shares(scenario) {
        let chosen = share.by_connection();
        match behaviour {
            Behaviour::SynackNotAccepted => {
                writeln!(input, "  tcp sport {} {SYNACK} {chosen} drop", up.port)
            }
            Behaviour::ClientOutputDrop => {
                writeln!(output, "  tcp dport {} {SYN} {chosen} {}", up.port, drop_it())
            }
            _ => Ok(()),
        }
        .expect("a String takes any text");
    }
    let input = chain(scenario, "input", "destination", &input);
    let output = chain(scenario, "output", "source", &output);
    let mut nat = String::new();
    if scenario.dnat == Some(Dnat::Gateway) {
        let rule = translation::virtual_address(scenario);
        let _ = writeln!(nat, " chain nat {{ type nat hook output priority -100; {rule} }}");
    }
    format!("table inet lab {{\n{input}{output}{nat}}}\n")
}

/// A host's rules for what arrives or leaves; captures on that host show what arrives and is
/// dropped, and do not show what is dropped before it leaves.
fn chain(scenario: &Scenario, hook: &str, client: &str, rules: &str) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let device = if hook == "input" { "iifname" } else { "oifname" };
    format!(
        " chain {hook} {{ type filter hook {hook} priority 0;\n\
         \x20 meta l4proto != tcp accept\n  {device} lo accept\n  meta mark set {}\n{rules} }}\n",
        hash(scenario, client)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(upstream: &str) -> Scenario {
        let text = format!("description = 'x'\nseconds = 5\nrate = 10\n[[upstream]]\n{upstream}");
        Scenario::parse(&text).unwrap()
    }

    fn router1(scenario: &Scenario) -> String {
        router(scenario, 1)
    }

    #[test]
    fn of_two_firewalls_each_breaks_its_own_ports() {
        let text = "description = 'x'\nseconds = 5\nrate = 10\nfirewalls = 2\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'syn_lost'\n\
                    [[upstream]]\nport = 8002\nfirewall = 2\nbehaviour = 'syn_lost'\n";
        let scenario = Scenario::parse(text).unwrap();
        let [first, second] = [1, 2].map(|firewall| router(&scenario, firewall));
        assert!(first.contains("8001") && !first.contains("8002"), "{first}");
        assert!(second.contains("8002") && !second.contains("8001"), "{second}");
        assert!(first.contains("iifname mid0 ") && second.contains("iifname up0 "));
    }

    #[test]
    fn loss_of_synacks_is_one_rule_towards_the_client() {
        let script = router1(&scenario("port = 8001\nbehaviour = 'synack_lost'\npercent = 30\n"));
        let rules: Vec<&str> = script.lines().filter(|line| line.contains("8001")).collect();
        assert_eq!(rules.len(), 1);
        assert!(rules[0].starts_with("  tcp sport 8001 "), "{}", rules[0]);
        assert!(rules[0].contains("numgen random mod 100 < 30"), "{}", rules[0]);
    }

    #[test]
    fn no_comparison_is_always_true_or_never() {
        for percent in [0, 100] {
            let up = format!("port = 8001\nbehaviour = 'mixed_drop'\npercent = {percent}\n");
            let script = router1(&scenario(&up));
            assert!(!script.contains("numgen"), "{script}");
            assert_eq!(script.contains("meta mark > 100"), percent == 0, "{script}");
        }
    }

    #[test]
    fn the_shares_of_a_mix_do_not_overlap() {
        let mix = "port = 8001\nmix = { synack_lost = 20, syn_lost = 30, server_silent = 10 }\n";
        let scenario = scenario(mix);
        let script = router1(&scenario) + &upstream(&scenario);
        for part in ["mark 0-19 ", "mark 20-49 ", "mark 50-59 "] {
            assert_eq!(script.matches(part).count(), 1, "{part} in {script}");
        }
    }

    #[test]
    fn hosts_drop_what_arrives_at_the_right_end() {
        let deaf = scenario("port = 8001\nbehaviour = 'ack_ignored'\npercent = 40\n");
        assert!(
            upstream(&deaf).contains("tcp dport 8001 tcp flags & syn == 0x0 meta mark 0-39 drop")
        );
        assert!(!gateway(&deaf).contains("8001"));
        let unwilling = scenario("port = 8001\nbehaviour = 'synack_not_accepted'\n");
        assert!(gateway(&unwilling).contains("tcp sport 8001 "));
        assert!(!upstream(&unwilling).contains("8001"));
    }

    #[test]
    fn the_second_part_of_a_chain_is_broken_the_other_way() {
        let text = "description = 'x'\nseconds = 5\nrate = 10\nchain = true\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\nbeyond = { syn_lost = 7 }\n";
        let script = router1(&Scenario::parse(text).unwrap());
        let (first, second) = script.split_once("table inet second").unwrap();
        assert!(!first.contains("8001"), "{first}");
        assert!(second.contains("iifname up0 meta l4proto tcp jump to_upstream"), "{second}");
        assert!(second.contains("tcp dport 8001 ") && second.contains("mark 0-6 "), "{second}");
    }

    #[test]
    fn a_healthy_port_needs_no_rule() {
        assert!(!router1(&scenario("port = 8001\nbehaviour = 'healthy'\n")).contains("8001"));
    }
}
