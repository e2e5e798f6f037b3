//! Scenario files: what the lab builds, how it breaks it, and how it loads it.
//!
//! A scenario is a TOML file, see `crates/lab/scenarios/`. Everything that is random is drawn from
//! its seed, except the kernel's own choices (ephemeral ports, sequence numbers, which packet of a
//! lossy direction is dropped).

mod behaviour;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub use behaviour::Behaviour;

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
    /// How many public ports the masquerade shares out; 0 leaves the kernel's choice. Few ports mean
    /// that one is given to the next client while the upstream still waits for the last.
    #[serde(default)]
    pub nat_ports: u16,
    /// Where a virtual address is turned into the upstream's; nginx then connects to the virtual one.
    #[serde(default)]
    pub dnat: Option<Dnat>,
    /// One firewall between the hosts (the router), or two with a link between them that is captured
    /// at both of its ends.
    #[serde(default = "one")]
    pub firewalls: u32,
    /// Which of them answers SYNs for the ports with a `syn_proxy`.
    #[serde(default = "one")]
    pub proxy_firewall: u32,
    /// Whether the router gives every connection other sequence numbers, as some firewalls do.
    #[serde(default)]
    pub isn_rewrite: bool,
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
    /// The gateway's wrong clock, applied to its captures afterwards; nginx logs by the right one.
    #[serde(default)]
    pub gateway_clock: ClockError,
    /// Kernel parameters of the upstream host, as `sysctl` takes them.
    #[serde(default)]
    pub upstream_sysctl: Vec<String>,
    /// nginx's `accept_mutex on`: I/O is then handled after expired timers.
    #[serde(default)]
    pub accept_mutex: bool,
    /// How long a request of the kind `stalled` blocks its worker, milliseconds.
    #[serde(default = "default_stall")]
    pub stall_ms: u32,
    /// Whether the connections that `stale_connection` leaves behind are older than the captures.
    #[serde(default)]
    pub leftovers_before_capture: bool,
    /// Whether these connections ended in order, the upstream first, which then waits (TIME_WAIT); and
    /// the gateway's TCP timestamps begin anew, as those of a host that takes an address over.
    #[serde(default)]
    pub leftovers_closed: bool,
    /// Whether the upstream host is a gateway itself: its nginx passes each request on to a server on
    /// the gateway's host, through the same router the other way. What it logs is a set of its own.
    #[serde(default)]
    pub chain: bool,
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
    /// A Lua cosocket that connects and waits for the server to speak first.
    #[serde(default)]
    pub quiet: u32,
    /// A Lua cosocket whose worker is blocked as soon as its SYN has left.
    #[serde(default)]
    pub stalled: u32,
    /// As `proxy`, and nginx tries again at once, from the same local port (`proxy_next_upstream`).
    #[serde(default)]
    pub again: u32,
}

impl Routes {
    /// The path that asks for each kind, and its weight.
    pub fn weights(self) -> [(&'static str, u32); 6] {
        [
            ("proxy", self.proxy),
            ("pool", self.pool),
            ("lua", self.lua),
            ("quiet", self.quiet),
            ("stalled", self.stalled),
            ("again", self.again),
        ]
    }
}

/// Who turns the virtual address into the upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dnat {
    /// The router: the gateway's capture shows the virtual address.
    Router,
    /// The gateway's own filter: only the logs show it.
    Gateway,
    /// The router, which shares the connections out among three servers: the first gets those with a
    /// hash of 0 to 32, the second 33 to 65, the third the rest. The shares of a `mix` count alike.
    Servers,
}

impl Default for Routes {
    fn default() -> Self {
        Self { proxy: 4, pool: 1, lua: 5, quiet: 0, stalled: 0, again: 0 }
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
    /// Capture on the SYN proxy as well, on its side to the clients (`front.pcap`) and on that to the
    /// servers (`back.pcap`).
    pub proxy_sides: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self { any: false, rotate_seconds: 0, snaplen: 128, nanoseconds: true, proxy_sides: false }
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

impl ClockError {
    /// The offset in nanoseconds.
    pub fn offset_ns(self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "an offset of seconds, in nanoseconds")]
        let offset = (self.offset_seconds * 1e9) as i64;
        offset
    }
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
    /// Which firewall, from the gateway, does what routers do to it.
    #[serde(default = "one")]
    pub firewall: u32,
    /// How long the behaviours that delay a packet hold it back, milliseconds.
    #[serde(default = "default_delay")]
    pub delay_ms: u32,
    /// Whether a firewall answers SYNs in the upstream's place, and asks it only when the client has
    /// acknowledged (`nft synproxy`); what the same firewall does to the port happens behind that.
    #[serde(default)]
    pub syn_proxy: bool,
    /// Whether the router mirrors each SYN to a second server with the same address, whose answer comes
    /// after that of the first.
    #[serde(default)]
    pub twin: bool,
    /// Percent of the connections for each of several behaviours; the rest is healthy.
    #[serde(default)]
    pub mix: BTreeMap<Behaviour, u32>,
    /// The same for what the upstream passes on in a `chain`: what the router does, nothing else.
    #[serde(default)]
    pub beyond: BTreeMap<Behaviour, u32>,
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
fn default_stall() -> u32 {
    700
}
fn default_delay() -> u32 {
    700
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
        if self.routes.weights().iter().all(|(_, weight)| *weight == 0) {
            bail!("routes: at least one kind must have a weight");
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
        let detours = self.behaviours_met().any(Behaviour::takes_a_detour);
        if detours && (self.nat || self.dnat.is_some() || self.isn_rewrite) {
            bail!("a packet takes one detour at the router, and none where addresses change there");
        }
        if !(1..=2).contains(&self.firewalls)
            || !(1..=self.firewalls).contains(&self.proxy_firewall)
        {
            bail!("firewalls: one or two, of which one may be the SYN proxy");
        }
        if self.chain && (self.nat || self.dnat.is_some() || self.ipv6 || self.firewalls == 2) {
            bail!("a chain is for one router, IPv4 and no NAT");
        }
        if self.isn_rewrite && (self.nat || self.dnat.is_some() || self.ipv6) {
            bail!("isn_rewrite is for IPv4 without NAT: the truth turns the numbers back");
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
        if !(1..=self.firewalls).contains(&up.firewall) {
            bail!("firewall: there are {} of them", self.firewalls);
        }
        if !(1..=20_000).contains(&up.delay_ms) {
            bail!("delay_ms must be between 1 and 20000");
        }
        if up.behaviour.is_some() != up.mix.is_empty() {
            bail!("exactly one of `behaviour` and `mix` is needed");
        }
        if up.syn_proxy && (self.nat || self.dnat.is_some() || self.ipv6) {
            bail!("syn_proxy is for IPv4 without NAT");
        }
        if up.twin && (self.nat || self.dnat.is_some() || self.ipv6 || self.firewalls == 2) {
            bail!("a twin is for one router, IPv4 and no NAT");
        }
        if [&up.mix, &up.beyond].iter().any(|mix| mix.values().sum::<u32>() > 100) {
            bail!("the shares of a mix add up to more than 100");
        }
        if !up.beyond.is_empty() && !self.chain || !up.beyond.keys().all(|b| b.is_the_routers()) {
            bail!("`beyond` is what the router does to the second part of a `chain`");
        }
        if let Some(bad) = up.mix.keys().find(|behaviour| !behaviour.can_be_mixed()) {
            bail!("{bad:?} belongs to the whole port and cannot be part of a `mix`");
        }
        if self.nat && up.mix.keys().any(|behaviour| behaviour.acts_at_upstream()) {
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

    /// What happens to the connections that the upstream opens in a `chain`, as a scenario.
    #[must_use]
    pub fn second(&self) -> Self {
        let mut second = self.clone();
        for up in &mut second.upstream {
            up.behaviour = None;
            up.mix = std::mem::take(&mut up.beyond);
        }
        second
    }

    /// Every behaviour of every port.
    pub fn behaviours_met(&self) -> impl Iterator<Item = Behaviour> {
        self.upstream.iter().flat_map(Self::behaviours).map(|(behaviour, _)| behaviour)
    }

    /// Whether something answers in a server's place, and is captured itself.
    pub fn proxy_is_captured(&self) -> bool {
        self.capture.proxy_sides && self.upstream.iter().any(|up| up.syn_proxy)
    }

    /// The ports whose SYNs come to two servers.
    pub fn mirrored(&self) -> impl Iterator<Item = u16> {
        self.upstream.iter().filter(|up| up.twin).map(|up| up.port)
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
            "[[upstream]]\nport = 8001\nmix = { accept_overflow = 10 }\n",
            "nat = true\n[[upstream]]\nport = 8001\nbehaviour = 'syn_delayed'\n",
            "[[upstream]]\nport = 8001\nbehaviour = 'no_such'\n",
            "nat = true\n[[upstream]]\nport = 8001\nbehaviour = 'healthy'\nsyn_proxy = true\n",
            "[[upstream]]\nport = 8001\nbehaviour = 'healthy'\nbeyond = { syn_lost = 5 }\n",
            "chain = true\n[[upstream]]\nport = 8001\nbehaviour = 'healthy'\nbeyond = { refused = 5 }\n",
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
