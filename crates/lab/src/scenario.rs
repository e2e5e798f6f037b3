//! Scenario files: what the lab builds, how it breaks it, and how it loads it.
//!
//! A scenario is a TOML file, see `crates/lab/scenarios/`. Everything that is random is drawn from
//! its seed, except the kernel's own choices (ephemeral ports, sequence numbers, which packet of a
//! lossy direction is dropped).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A whole scenario file.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What this scenario is for, in a sentence.
    pub description: String,
    /// Seconds during which requests are sent.
    pub seconds: f64,
    /// Requests a second, on average (exponential gaps).
    pub rate: f64,
    /// Seed of the load and of the choices by connection.
    #[serde(default)]
    pub seed: u64,
    /// Time zone of nginx's log, a name of the zone database.
    #[serde(default = "utc")]
    pub timezone: String,
    /// `proxy_connect_timeout`, milliseconds.
    #[serde(default = "default_proxy_timeout")]
    pub proxy_connect_timeout_ms: u32,
    /// The connect timeouts that Lua requests draw from, milliseconds.
    #[serde(default = "default_lua_timeouts")]
    pub lua_connect_timeouts_ms: Vec<u32>,
    /// Shares of the three kinds of request.
    #[serde(default)]
    pub routes: Routes,
    /// Whether Lua requests bind to a source address of their own, which the truth reads as a mark.
    #[serde(default = "yes")]
    pub lua_source_mark: bool,
    /// How many local ports `/proxy` requests cycle through; few ports mean reuse.
    #[serde(default = "default_bind_ports")]
    pub proxy_bind_ports: u16,
    /// Width of the gateway's ephemeral port range; 0 leaves the kernel's default.
    #[serde(default)]
    pub ephemeral_ports: u16,
    /// Whether the router masquerades: the upstream host then sees the router's address.
    #[serde(default)]
    pub nat: bool,
    /// Whether gateway and upstream talk IPv6.
    #[serde(default)]
    pub ipv6: bool,
    /// Seconds to keep capturing after the last request has ended (late retransmissions).
    #[serde(default = "default_linger")]
    pub linger_seconds: f64,
    /// How the captures are made.
    #[serde(default)]
    pub capture: Capture,
    /// The upstream host's wrong clock, applied to its capture afterwards.
    #[serde(default)]
    pub upstream_clock: ClockError,
    /// The upstream ports and what goes wrong on each.
    pub upstream: Vec<Upstream>,
}

/// Shares of the kinds of request: weights, not percentages.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// `proxy_pass` with `proxy_bind` to a port that the request names.
    #[serde(default)]
    pub proxy: u32,
    /// `proxy_pass` from a port of the kernel's choice.
    #[serde(default)]
    pub pool: u32,
    /// A Lua cosocket.
    #[serde(default)]
    pub lua: u32,
}

impl Default for Routes {
    fn default() -> Self {
        Self { proxy: 4, pool: 1, lua: 5 }
    }
}

/// How tcpdump is run.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Capture with `-i any` at the gateway (Linux cooked v2).
    pub any: bool,
    /// Start a new gateway file every so many seconds; 0 keeps one file.
    pub rotate_seconds: u32,
    /// Bytes kept of each packet.
    pub snaplen: u32,
    /// Nanosecond time stamps; otherwise microseconds.
    pub nanoseconds: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self { any: false, rotate_seconds: 0, snaplen: 128, nanoseconds: true }
    }
}

/// How wrong the upstream host's clock is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockError {
    /// Seconds ahead (negative: behind) at the first captured packet.
    pub offset_seconds: f64,
    /// Millionths by which it runs fast.
    pub drift_ppm: f64,
}

/// One upstream port.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its port, 1024 or above.
    pub port: u16,
    /// Its share of the requests.
    #[serde(default = "one")]
    pub weight: u32,
    /// What happens to its connections; `mix` must be absent then.
    pub behaviour: Option<Behaviour>,
    /// Percent of the packets (or, for behaviours that are chosen by connection, of the
    /// connections) that it happens to.
    #[serde(default = "hundred")]
    pub percent: u32,
    /// Percent of the connections for each of several behaviours; the rest is healthy.
    #[serde(default)]
    pub mix: BTreeMap<Behaviour, u32>,
}

/// What can happen to a connection.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Serialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Nothing.
    Healthy,
    /// The router drops SYN+ACKs.
    SynackLost,
    /// The router drops SYNs.
    SynLost,
    /// The router drops everything from the client after its SYN, for chosen connections.
    AckLost,
    /// The router drops the first SYN+ACK of a connection and lets the later ones pass.
    SynackFirstLost,
    /// The router drops SYNs and SYN+ACKs.
    MixedDrop,
    /// The upstream host's packet filter drops what arrives, for chosen connections.
    ServerSilent,
    /// The upstream's accept queue is full: nobody accepts.
    AcceptOverflow,
    /// Nobody listens: the upstream host answers with RST.
    Refused,
    /// The router answers with an ICMP error, for chosen connections.
    IcmpProhibited,
    /// The upstream host's packet filter drops what follows the SYN, for chosen connections: the
    /// ACK arrives and is not heard.
    AckIgnored,
    /// The gateway's own packet filter drops SYN+ACKs, for chosen connections.
    SynackNotAccepted,
    /// Nobody listens, and the router drops the RSTs.
    ReplyLost,
}

impl Behaviour {
    /// Whether it can be one of several on a port: those that the listening socket decides cannot.
    pub fn can_be_mixed(self) -> bool {
        !matches!(self, Self::AcceptOverflow | Self::Refused | Self::ReplyLost)
    }
}

fn utc() -> String {
    "UTC".to_owned()
}
fn default_proxy_timeout() -> u32 {
    2000
}
fn default_lua_timeouts() -> Vec<u32> {
    vec![300, 500, 1500, 3000]
}
fn default_bind_ports() -> u16 {
    8000
}
fn default_linger() -> f64 {
    4.0
}
fn yes() -> bool {
    true
}
fn one() -> u32 {
    1
}
fn hundred() -> u32 {
    100
}

impl Scenario {
    /// Reads and checks a scenario file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a scenario", path.display()))
    }

    /// Parses and checks the text of a scenario file.
    pub fn parse(text: &str) -> Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<()> {
        if !(0.0..=3600.0).contains(&self.seconds) || !(0.01..=2000.0).contains(&self.rate) {
            bail!("seconds must be at most 3600 and rate between 0.01 and 2000");
        }
        if self.routes.proxy + self.routes.pool + self.routes.lua == 0 {
            bail!("routes: at least one of proxy, pool, lua must have a weight");
        }
        if self.lua_connect_timeouts_ms.is_empty() || self.proxy_bind_ports == 0 {
            bail!("lua_connect_timeouts_ms and proxy_bind_ports must not be empty");
        }
        if self.proxy_bind_ports > 10_000 {
            bail!("proxy_bind_ports: at most 10000, they start at 20000 below the ephemeral ports");
        }
        if self.upstream.iter().map(|up| up.weight).sum::<u32>() == 0 {
            bail!("at least one [[upstream]] must have a weight");
        }
        for up in &self.upstream {
            self.check_upstream(up).with_context(|| format!("upstream port {}", up.port))?;
        }
        Ok(())
    }

    fn check_upstream(&self, up: &Upstream) -> Result<()> {
        if up.port < 1024 || up.percent > 100 {
            bail!("the port must be 1024 or above and percent at most 100");
        }
        if up.behaviour.is_some() != up.mix.is_empty() {
            bail!("exactly one of `behaviour` and `mix` is needed");
        }
        if up.mix.values().sum::<u32>() > 100 {
            bail!("the shares of `mix` add up to more than 100");
        }
        if let Some(bad) = up.mix.keys().find(|behaviour| !behaviour.can_be_mixed()) {
            bail!("{bad:?} belongs to the whole port and cannot be part of a `mix`");
        }
        let by_upstream = [Behaviour::ServerSilent, Behaviour::AckIgnored];
        if self.nat && by_upstream.iter().any(|behaviour| up.mix.contains_key(behaviour)) {
            bail!("behind NAT the upstream host cannot make the same choice as the router");
        }
        Ok(())
    }

    /// What happens on each port as percent of its connections or packets.
    pub fn behaviours(up: &Upstream) -> Vec<(Behaviour, u32)> {
        match up.behaviour {
            Some(behaviour) => vec![(behaviour, up.percent)],
            None => up.mix.iter().map(|(behaviour, percent)| (*behaviour, *percent)).collect(),
        }
    }

    /// Every connect timeout that can be in force, milliseconds, sorted.
    pub fn connect_timeouts_ms(&self) -> Vec<u32> {
        let mut all = self.lua_connect_timeouts_ms.clone();
        all.push(self.proxy_connect_timeout_ms);
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "description = 'x'\nseconds = 5\nrate = 10\n";

    #[test]
    fn defaults_are_filled_in() {
        let text = format!("{HEAD}[[upstream]]\nport = 8001\nbehaviour = 'synack_lost'\n");
        let scenario = Scenario::parse(&text).unwrap();
        assert_eq!(scenario.connect_timeouts_ms(), [300, 500, 1500, 2000, 3000]);
        assert_eq!(Scenario::behaviours(&scenario.upstream[0]), [(Behaviour::SynackLost, 100)]);
    }

    #[test]
    fn contradictions_are_refused() {
        for bad in [
            "[[upstream]]\nport = 8001\n",
            "[[upstream]]\nport = 80\nbehaviour = 'healthy'\n",
            "[[upstream]]\nport = 8001\nbehaviour = 'healthy'\nmix = { syn_lost = 5 }\n",
            "[[upstream]]\nport = 8001\nmix = { syn_lost = 60, synack_lost = 60 }\n",
            "[[upstream]]\nport = 8001\nmix = { refused = 10 }\n",
            "[[upstream]]\nport = 8001\nbehaviour = 'no_such'\n",
            "nonsense = 1\n[[upstream]]\nport = 8001\nbehaviour = 'healthy'\n",
        ] {
            assert!(Scenario::parse(&format!("{HEAD}{bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_committed_scenario_is_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            Scenario::load(&entry.unwrap().path()).unwrap();
            seen += 1;
        }
        assert!(seen >= 14, "only {seen} scenarios");
    }
}
