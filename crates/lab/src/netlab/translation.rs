//! Address translation at the router: a masquerade, and a virtual address that stands for the upstream
//! or is shared out among several servers.

use std::fmt::Write;

use super::namespaces::Addresses;
use super::rules::{family, hash, outside};
use crate::scenario::{Dnat, Scenario};

/// The first public port where the masquerade has few.
const NAT_PORT: u16 = 30_000;

/// The chains of the router's table that translate.
pub(super) fn chains(scenario: &Scenario) -> String {
    let mut chains = String::new();
    if scenario.nat {
        // Port by port in turn would hide the reuse that few ports are there for.
        let ports = match scenario.nat_ports {
            0 => String::new(),
            count => format!("to :{NAT_PORT}-{}", u32::from(NAT_PORT) + u32::from(count) - 1),
        };
        let _ = writeln!(
            chains,
            " chain source {{ type nat hook postrouting priority 100; oifname {} meta l4proto tcp \
             masquerade {ports}; }}",
            outside(scenario)
        );
    }
    let rule = match scenario.dnat {
        Some(Dnat::Router) => virtual_address(scenario),
        Some(Dnat::Servers) => shared_out(scenario),
        Some(Dnat::Gateway) | None => return chains,
    };
    let _ =
        writeln!(chains, " chain destination {{ type nat hook prerouting priority -100; {rule} }}");
    chains
}

/// The rule that turns the virtual address into the upstream's.
pub(super) fn virtual_address(scenario: &Scenario) -> String {
    let (ip, _) = family(scenario);
    let to = Addresses::of(scenario);
    format!("{ip} daddr {} meta l4proto tcp dnat {ip} to {};", to.virtual_upstream, to.upstream)
}

/// The rules that give each connection to one of the servers.
fn shared_out(scenario: &Scenario) -> String {
    let (ip, _) = family(scenario);
    let to = Addresses::of(scenario);
    let mut rules = format!("meta mark set {};", hash(scenario, "source"));
    for (server, share) in to.servers().into_iter().zip(["0-32", "33-65", "66-99"]) {
        let _ = write!(
            rules,
            " {ip} daddr {} meta l4proto tcp meta mark {share} dnat {ip} to {server};",
            to.virtual_upstream
        );
    }
    // A hash is no mark that leads a packet anywhere.
    rules + " meta mark set 0;"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_servers_share_all_hashes() {
        let text = "description = 'x'\nseconds = 1\nrate = 1\ndnat = 'servers'\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\n";
        let rules = chains(&Scenario::parse(text).unwrap());
        for (server, share) in
            [("10.77.2.2", "0-32"), ("10.77.2.3", "33-65"), ("10.77.2.4", "66-99")]
        {
            let rule = format!("mark {share} dnat ip to {server};");
            assert_eq!(rules.matches(&rule).count(), 1, "{rule} in {rules}");
        }
    }
}
