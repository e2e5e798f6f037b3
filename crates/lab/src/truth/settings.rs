//! What must be known about a set to find its truth: `truth.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::netlab::{BROKEN_MEMBER, SECOND_CONNECT_TIMEOUT};
use crate::scenario::{Behaviour, ClockError, Dnat, Scenario, Upstream};

/// What must be known about a set to find its truth; from `truth.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Time zone of the error log.
    pub timezone: String,
    /// Whether gateway and upstream talk IPv6.
    pub ipv6: bool,
    /// `proxy_connect_timeout`, seconds.
    pub proxy_connect_timeout: f64,
    /// What was done to the gateway's time stamps.
    pub gateway_clock: ClockError,
    /// What was done to the upstream's time stamps.
    pub upstream_clock: ClockError,
    /// Whether the router changes sequence numbers.
    pub isn_rewrite: bool,
    /// Whether addresses differ between the two captures.
    pub translated: bool,
    /// Whether workers are blocked on purpose: requests without a mark then have no certain attempt.
    pub stalls: bool,
    /// Upstream ports whose address nobody has.
    pub absent: Vec<u16>,
    /// Upstream ports that a SYN proxy answers for.
    pub proxied: Vec<u16>,
    /// How many servers the upstream's address stands for.
    pub servers: usize,
    /// For each firewall, from the gateway on, the two capture points around it; nothing where there
    /// are no others than the two hosts'.
    pub around_firewalls: Vec<[String; 2]>,
    /// The second gateway of a chain is the one whose set it is.
    pub second: bool,
    /// Whether checksums tell which packets are damaged: elsewhere the kernel leaves them unfinished.
    pub checksums: bool,
    /// Modulus and remainder of the source ports whose SYNs alone are lost, where one class does.
    pub broken_ports: Option<[u16; 2]>,
    /// Whether every loss of the set is in the router's capture of what it dropped, so that one
    /// which is not there is not certain.
    pub losses_logged: bool,
}

#[derive(Deserialize)]
struct SettingsFile {
    args: Arguments,
}

/// Only the first three are in the sets of others.
#[derive(Deserialize)]
struct Arguments {
    tz: String,
    #[serde(default)]
    v6: bool,
    proxy_connect_timeout: Option<f64>,
    #[serde(default)]
    nat: bool,
    #[serde(default)]
    dnat: bool,
    #[serde(default)]
    gateway_clock: ClockError,
    #[serde(default)]
    upstream_clock: ClockError,
    #[serde(default)]
    isn_rewrite: bool,
    #[serde(default)]
    stalls: bool,
    #[serde(default)]
    absent: Vec<u16>,
    #[serde(default)]
    proxied: Vec<u16>,
    #[serde(default = "one")]
    servers: usize,
    #[serde(default)]
    around_firewalls: Vec<[String; 2]>,
    #[serde(default)]
    second: bool,
    #[serde(default)]
    checksums: bool,
    #[serde(default)]
    broken_ports: Option<[u16; 2]>,
    #[serde(default)]
    losses_logged: bool,
}

impl Settings {
    /// Those of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let ports = |is: fn(&Upstream) -> bool| {
            scenario.upstream.iter().filter(|up| is(up)).map(|up| up.port).collect()
        };
        let broken =
            scenario.behaviours_met().any(|behaviour| behaviour == Behaviour::BrokenMember);
        Self {
            timezone: scenario.timezone.clone(),
            ipv6: scenario.ipv6,
            proxy_connect_timeout: f64::from(scenario.proxy_connect_timeout_ms) / 1000.0,
            gateway_clock: scenario.gateway_clock,
            upstream_clock: scenario.upstream_clock,
            isn_rewrite: scenario.isn_rewrite,
            translated: scenario.nat || scenario.dnat.is_some(),
            stalls: scenario.routes.stalled > 0,
            absent: ports(|up| up.behaviour == Some(Behaviour::ArpFailure)),
            proxied: ports(|up| up.syn_proxy),
            servers: if scenario.dnat == Some(Dnat::Servers) { 3 } else { 1 },
            around_firewalls: around_firewalls(scenario),
            second: false,
            checksums: scenario.behaviours_met().any(Behaviour::damages),
            broken_ports: broken.then_some(BROKEN_MEMBER),
            losses_logged: true,
        }
    }

    /// Those of the second gateway of a scenario's chain.
    pub fn of_second(scenario: &Scenario) -> Self {
        Self {
            second: true,
            proxy_connect_timeout: SECOND_CONNECT_TIMEOUT,
            gateway_clock: scenario.upstream_clock,
            upstream_clock: scenario.gateway_clock,
            timezone: "UTC".to_owned(),
            ..Self::of(&scenario.second())
        }
    }

    /// Reads `truth.json` of a set.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("truth.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let SettingsFile { args } = serde_json::from_str(&text)
            .with_context(|| format!("{} is not as expected", path.display()))?;
        Ok(Self {
            timezone: args.tz,
            ipv6: args.v6,
            proxy_connect_timeout: args.proxy_connect_timeout.unwrap_or(2.0),
            gateway_clock: args.gateway_clock,
            // Of other sets the truth finds the offset by itself.
            upstream_clock: args.upstream_clock,
            isn_rewrite: args.isn_rewrite,
            translated: args.nat || args.dnat,
            stalls: args.stalls,
            absent: args.absent,
            proxied: args.proxied,
            servers: args.servers,
            around_firewalls: args.around_firewalls,
            second: args.second,
            checksums: args.checksums,
            broken_ports: args.broken_ports,
            losses_logged: args.losses_logged,
        })
    }

    pub(super) fn gateway_address(&self) -> &'static str {
        match (self.second, self.ipv6) {
            (true, _) => "10.77.2.2",
            (false, true) => "fd77:1::2",
            (false, false) => "10.77.1.2",
        }
    }
}

fn one() -> usize {
    1
}

/// The capture points around each firewall: two of them have one each on the link between, a SYN proxy
/// that is captured has one on either side.
fn around_firewalls(scenario: &Scenario) -> Vec<[String; 2]> {
    let around: &[[&str; 2]] =
        match (scenario.firewalls, scenario.proxy_is_captured(), scenario.proxy_firewall) {
            (2, true, 2) => &[["gateway", "front"], ["front", "back"]],
            (2, true, _) => &[["front", "back"], ["back", "upstream"]],
            (_, true, _) => &[["front", "back"]],
            (2, false, _) => &[["gateway", "fw1"], ["fw2", "upstream"]],
            _ => &[],
        };
    around.iter().map(|pair| pair.map(str::to_owned)).collect()
}

/// Writes `truth.json`: the scenario's settings and the behaviour of each port.
pub fn write_settings(folder: &Path, scenario: &Scenario, settings: &Settings) -> Result<()> {
    let ports: BTreeMap<String, serde_json::Value> = scenario
        .upstream
        .iter()
        .map(|up| (up.port.to_string(), serde_json::json!(Scenario::behaviours(up))))
        .collect();
    let mixed = scenario.upstream.iter().any(|up| !up.mix.is_empty());
    let value = serde_json::json!({
        "args": {
            "seconds": scenario.seconds, "rps": scenario.rate, "seed": scenario.seed,
            "nat": scenario.nat, "dnat": scenario.dnat.is_some(), "tz": settings.timezone,
            "v6": settings.ipv6, "any": scenario.capture.any,
            "rotate": scenario.capture.rotate_seconds, "snaplen": scenario.capture.snaplen,
            "mix": mixed, "proxy_connect_timeout": settings.proxy_connect_timeout,
            "gateway_clock": settings.gateway_clock, "upstream_clock": settings.upstream_clock,
            "isn_rewrite": settings.isn_rewrite, "stalls": settings.stalls,
            "absent": settings.absent, "proxied": settings.proxied, "servers": settings.servers,
            "around_firewalls": settings.around_firewalls,
            "second": settings.second, "checksums": settings.checksums, "broken_ports": settings.broken_ports, "losses_logged": settings.losses_logged,
        },
        "description": scenario.description,
        "ports": ports,
        "note": "behaviour and percent by upstream port; dropped.pcap holds what the router \
                 dropped, unsent.pcap what the gateway's own filter did",
    });
    let text = serde_json::to_string_pretty(&value)? + "\n";
    Ok(std::fs::write(folder.join("truth.json"), text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "description = 'x'\nseconds = 1\nrate = 1\nisn_rewrite = true\n\
                    upstream_clock = { offset_seconds = 3600.5, drift_ppm = 400.0 }\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'arp_failure'\n\
                    [[upstream]]\nport = 8002\nbehaviour = 'broken_member'\n";
        let scenario = Scenario::parse(text).unwrap();
        let settings = Settings::of(&scenario);
        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), &scenario, &settings).unwrap();
        assert_eq!(Settings::read(folder.path()).unwrap(), settings);
        assert_eq!(settings.absent, [8001]);
        assert_eq!(settings.broken_ports, Some([4, 2]));
    }

    #[test]
    fn a_firewall_lies_between_the_points_next_to_it() {
        let text = "description = 'x'\nseconds = 1\nrate = 1\nfirewalls = 2\nproxy_firewall = 2\n\
                    capture = { proxy_sides = true }\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\nsyn_proxy = true\n";
        let around = |text: &str| around_firewalls(&Scenario::parse(text).unwrap());
        assert_eq!(around(text), [["gateway", "front"], ["front", "back"]]);
        let unproxied = text.replace("syn_proxy = true", "");
        assert_eq!(around(&unproxied), [["gateway", "fw1"], ["fw2", "upstream"]]);
        let alone = unproxied.replace("firewalls = 2\nproxy_firewall = 2\n", "");
        assert_eq!(around(&alone), [[""; 2]; 0]);
    }
}
