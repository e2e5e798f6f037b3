//! Loss rates and where losses concentrate, as the summary lists them.

use serde::Serialize;
use why504_correlate::{Class, Concentration, Counted, Losses};
use why504_handshake::{Count, PointId};

use crate::rate::Rate;
use crate::run::Run;

/// First packets that were sent and lost: of one way, or of one upstream on it.
#[derive(Serialize)]
pub(super) struct LossRate<'a> {
    packet: &'static str,
    from: &'a str,
    to: Option<&'a str>,
    upstream: Option<String>,
    lost: u64,
    sent: u64,
    saved: u64,
    rate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

/// A class of connects that loses more than chance explains.
#[derive(Serialize)]
pub(super) struct LossConcentration<'a> {
    packet: &'static str,
    from: &'a str,
    to: Option<&'a str>,
    #[serde(flatten)]
    class: ClassOf,
    upstream: Option<String>,
    lost: u64,
    sent: u64,
    others_lost: u64,
    others_sent: u64,
    chance: f64,
    classes: usize,
}

#[derive(Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
enum ClassOf {
    Upstream { value: String },
    Vlan { value: Option<String> },
    Client { value: String },
    SourcePort { modulus: u16, residue: u16 },
}

/// Of each way, then of each upstream on it.
pub(super) fn rates<'a>(run: &Run<'a>) -> Vec<LossRate<'a>> {
    let mut rates = Vec::new();
    for way in &run.totals.losses {
        rates.push(rate(run, way.counted, None, way.all, way.saved));
        for (server, (count, saved)) in &way.servers {
            rates.push(rate(run, way.counted, Some(server.to_string()), *count, *saved));
        }
    }
    rates
}

fn rate<'a>(
    run: &Run<'a>,
    counted: Counted,
    upstream: Option<String>,
    count: Count,
    saved: u64,
) -> LossRate<'a> {
    let (packet, from, to) = way(run, counted);
    let rate = Rate::of(count);
    LossRate {
        packet,
        from,
        to,
        upstream,
        lost: count.lost,
        sent: count.trials,
        saved,
        rate: rate.map(|r| r.share),
        low: rate.map(|r| r.low),
        high: rate.map(|r| r.high),
    }
}

/// All of them.
pub(super) fn concentrations<'a>(run: &Run<'a>) -> Vec<LossConcentration<'a>> {
    let of = |way: &'a Losses| {
        way.concentrations.iter().map(|found| concentration(run, way.counted, found))
    };
    run.totals.losses.iter().flat_map(of).collect()
}

fn concentration<'a>(
    run: &Run<'a>,
    counted: Counted,
    found: &Concentration,
) -> LossConcentration<'a> {
    let (packet, from, to) = way(run, counted);
    let class = match found.class {
        Class::Server(server) => ClassOf::Upstream { value: server.to_string() },
        Class::Vlan(vlan) => ClassOf::Vlan { value: vlan.map(|vlan| vlan.to_string()) },
        Class::Client(client) => ClassOf::Client { value: client.to_string() },
        Class::Ports { modulus, residue } => ClassOf::SourcePort { modulus, residue },
    };
    LossConcentration {
        packet,
        from,
        to,
        class,
        upstream: found.within.map(|server| server.to_string()),
        lost: found.inside.lost,
        sent: found.inside.trials,
        others_lost: found.outside.lost,
        others_sent: found.outside.trials,
        chance: found.chance,
        classes: found.looked_at,
    }
}

/// What is counted, at or from which point, and to which.
fn way<'a>(run: &Run<'a>, counted: Counted) -> (&'static str, &'a str, Option<&'a str>) {
    let captures = run.captures();
    let name = |point: PointId| captures.point(point);
    match counted {
        Counted::Syn(from, to) => ("syn", name(from), Some(name(to))),
        Counted::SynAck(from, to) => ("syn_ack", name(from), Some(name(to))),
        Counted::Unanswered(at) => ("syn_unanswered", name(at), None),
        Counted::Unacknowledged(at) => ("syn_ack_unacknowledged", name(at), None),
    }
}

#[cfg(test)]
mod tests {
    use super::ClassOf;

    #[test]
    fn a_class_says_by_what_it_is_one() {
        for (class, expected) in [
            (ClassOf::Vlan { value: Some("100".into()) }, r#"{"by":"vlan","value":"100"}"#),
            (ClassOf::Vlan { value: None }, r#"{"by":"vlan","value":null}"#),
            (
                ClassOf::SourcePort { modulus: 4, residue: 3 },
                r#"{"by":"source_port","modulus":4,"residue":3}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&class).expect("it is plain"), expected);
        }
    }
}
