//! The SYN proxy of a firewall: it answers SYNs in the upstream's place, with a cookie, and asks the
//! upstream only when the client has acknowledged.

use super::rules::SYN;
use crate::scenario::Scenario;

/// The chains of the firewall's table for the ports that it answers for; `inner` is its device on the
/// side of the clients.
///
/// Their SYNs are not tracked, so that the kernel's connection tracking starts with the client's ACK
/// (nft(8), synproxy). What the upstream answers is dropped or not before the proxy hears it.
pub(super) fn chains(scenario: &Scenario, inner: &str) -> String {
    let ports: Vec<String> =
        scenario.upstream.iter().filter(|up| up.syn_proxy).map(|up| up.port.to_string()).collect();
    if ports.is_empty() {
        return String::new();
    }
    let ports = ports.join(", ");
    format!(
        " chain untracked {{ type filter hook prerouting priority -300;\n\
         \x20 iifname {inner} tcp dport {{ {ports} }} {SYN} notrack; }}\n\
         \x20chain proxied {{ type filter hook forward priority 10;\n\
         \x20 iifname {inner} tcp dport {{ {ports} }} ct state invalid,untracked \
         synproxy mss 1460 wscale 7 timestamp sack-perm\n\
         \x20 tcp dport {{ {ports} }} ct state invalid drop; }}\n"
    )
}
