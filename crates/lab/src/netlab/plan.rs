//! The load: which request is sent when, all drawn from the scenario's seed.

use std::time::Duration;

use super::namespaces::source_mark;
use crate::random::Random;
use crate::scenario::{Behaviour, Scenario, Upstream};

/// The first local port of marked proxy requests; below the kernel's ephemeral range.
pub(crate) const FIRST_BIND_PORT: u16 = 20_000;

/// One request to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When, since the start of the load.
    pub at: Duration,
    /// Path and query.
    pub target: String,
}

/// After the longest timer, and what a server repeats meanwhile.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// The requests of a scenario, in order of time. A capture covers what lies between its first and its
/// last packet, so the healthy upstream, where there is one, is asked first and last, as the users of a
/// gateway would go on to.
pub fn plan(scenario: &Scenario) -> Vec<Request> {
    let mut requests = load(scenario);
    let healthy = |up: &&Upstream| up.behaviour == Some(Behaviour::Healthy);
    if let Some(port) = scenario.upstream.iter().find(healthy).map(|up| up.port) {
        let longest = scenario.connect_timeouts_ms().last().copied().unwrap_or_default();
        let end = Duration::from_secs_f64(scenario.seconds);
        let last = end + Duration::from_millis(longest.into()) + AFTERWARDS;
        let ask = |at, n| Request { at, target: format!("/pool/{port}?i={n}") };
        let n = requests.len();
        requests.insert(0, ask(Duration::ZERO, n));
        requests.push(ask(last, n + 1));
    }
    requests
}

/// What is drawn.
fn load(scenario: &Scenario) -> Vec<Request> {
    let mut random = Random::new(scenario.seed);
    let weights: Vec<u32> = scenario.upstream.iter().map(|up| up.weight).collect();
    let (kinds, shares): (Vec<&str>, Vec<u32>) = scenario.routes.weights().into_iter().unzip();
    let mut at = 0.0;
    let mut requests = Vec::new();
    let mut proxied: u16 = 0;
    let mut marked = 0;
    loop {
        at -= (1.0 - random.fraction()).ln() / scenario.rate;
        if at >= scenario.seconds {
            return requests;
        }
        let n = requests.len();
        let Some(up) = scenario.upstream.get(random.weighted(&weights)) else { return requests };
        let port = up.port;
        let kind = kinds.get(random.weighted(&shares)).copied().unwrap_or("pool");
        let target = match kind {
            bound @ ("proxy" | "again") => {
                proxied = (proxied + 1) % scenario.proxy_bind_ports;
                format!("/{bound}/{port}?bind={}&i={n}", FIRST_BIND_PORT + proxied)
            }
            "pool" => format!("/pool/{port}?i={n}"),
            lua => {
                let timeouts = &scenario.lua_connect_timeouts_ms;
                let choice = random.below(u32::try_from(timeouts.len()).unwrap_or(1)) as usize;
                let timeout = timeouts.get(choice).copied().unwrap_or(500);
                if scenario.lua_source_mark {
                    marked += 1;
                    let source = source_mark(scenario.ipv6, marked);
                    format!("/{lua}/{port}?t={timeout}&i={n}&src={source}")
                } else {
                    format!("/{lua}/{port}?t={timeout}&i={n}")
                }
            }
        };
        requests.push(Request { at: Duration::from_secs_f64(at), target });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_repeatable_ordered_and_about_as_long_as_asked() {
        let text = "description = 'x'\nseconds = 50\nrate = 20\nseed = 4\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\n";
        let scenario = Scenario::parse(text).unwrap();
        let requests = plan(&scenario);
        assert_eq!(requests, plan(&scenario));
        assert!(requests.is_sorted_by_key(|request| request.at));
        let [first, .., last] = &requests[..] else { panic!("two at least") };
        assert_eq!(first.at, Duration::ZERO);
        assert!(last.at >= Duration::from_secs(50 + 2), "longer than any timer");
        assert!((850..1150).contains(&requests.len()), "{}", requests.len());
        for kind in ["/proxy/8001?bind=2", "/pool/8001?i=", "/lua/8001?t="] {
            assert!(requests.iter().any(|request| request.target.starts_with(kind)), "{kind}");
        }
    }
}
