//! Loss rates in a few lines: by way and direction, the worst upstreams, and where losses concentrate.

use std::cmp::Reverse;

use why504_correlate::{Class, Concentration, Counted, Losses};
use why504_handshake::{Count, PointId};
use why504_model::Endpoint;

use crate::moment::grouped;
use crate::rate::{Rate, percent};
use crate::run::Run;

/// Upstreams named of one way.
const UPSTREAMS: usize = 3;

/// A line for each way, followed by lines that belong to it.
pub(super) fn lines(run: &Run<'_>) -> Vec<String> {
    let losses = &run.totals.losses;
    let mut lines = Vec::new();
    for way in losses.iter().filter(|way| !is_told_by_two(way.counted, losses)) {
        let counted = words(run, way.counted);
        let of = share(way.all).unwrap_or_default();
        let mut line = format!("{counted}: {} of {} {of}", lost(way.all), grouped(way.all.trials));
        if way.saved > 0 {
            line.push_str(&format!("; {} saved by a repetition", grouped(way.saved)));
        }
        lines.push(line);
        lines.extend(worst(way));
        lines.extend(way.concentrations.iter().map(concentrated));
    }
    lines
}

/// What one point tells of a way is left to two, where they tell in which direction.
fn is_told_by_two(counted: Counted, losses: &[Losses]) -> bool {
    let Counted::Unanswered(point) = counted else { return false };
    losses.iter().any(|way| matches!(way.counted, Counted::Syn(from, _) if from == point))
}

fn words(run: &Run<'_>, counted: Counted) -> String {
    let name = |point: PointId| run.captures().point(point);
    match counted {
        Counted::Syn(from, to) => format!("SYN, {} → {}", name(from), name(to)),
        Counted::SynAck(from, to) => format!("SYN+ACK, {} → {}", name(from), name(to)),
        Counted::Unanswered(at) => format!("SYN without an answer within 1 s, {}", name(at)),
        Counted::Unacknowledged(at) => {
            format!("SYN+ACK without an ACK within 1 s, {}", name(at))
        }
    }
}

fn lost(count: Count) -> String {
    if count.lost == 0 { "none".to_owned() } else { grouped(count.lost) }
}

/// `0.35% (95% interval 0.20 to 0.61%)`.
fn share(count: Count) -> Option<String> {
    let rate = Rate::of(count)?;
    let (low, high) = (percent(rate.low), percent(rate.high));
    Some(format!("first ones, {}% (95% interval {low} to {high}%)", percent(rate.share)))
}

/// The upstreams that surely lose most, where there are several.
fn worst(way: &Losses) -> Option<String> {
    let mut ranked: Vec<(Rate, Count, Endpoint)> = way
        .servers
        .iter()
        .filter(|(_, (count, _))| count.lost > 0)
        .filter_map(|(server, (count, _))| Some((Rate::of(*count)?, *count, *server)))
        .collect();
    if way.servers.len() < 2 || ranked.is_empty() {
        return None;
    }
    ranked.sort_by(|a, b| {
        b.0.low.total_cmp(&a.0.low).then((Reverse(a.1.lost), a.2).cmp(&(Reverse(b.1.lost), b.2)))
    });
    let named: Vec<String> = ranked
        .iter()
        .take(UPSTREAMS)
        .map(|(rate, count, server)| {
            let (lost, sent) = (grouped(count.lost), grouped(count.trials));
            format!("{server} {lost} of {sent} ({} to {}%)", percent(rate.low), percent(rate.high))
        })
        .collect();
    let of = grouped(way.servers.len() as u64);
    Some(format!("worst of {of} upstreams: {}", named.join(", ")))
}

/// `more than chance: source ports that leave 3 when divided by 4 lose 130 of 861 (15%), ...`.
fn concentrated(found: &Concentration) -> String {
    let class = match found.class {
        Class::Server(server) => format!("connects to {server} lose"),
        Class::Vlan(Some(vlan)) => format!("connects in VLAN {vlan} lose"),
        Class::Vlan(None) => "connects without a VLAN tag lose".to_owned(),
        Class::Client(client) => format!("connects from {client} lose"),
        Class::Ports { modulus, residue } => {
            format!("source ports that leave {residue} when divided by {modulus} lose")
        }
    };
    let within = found.within.map_or_else(String::new, |server| format!(" to {server}"));
    let of = |count: Count| {
        let share =
            Rate::of(count).map_or_else(String::new, |r| format!(" ({}%)", percent(r.share)));
        format!("{} of {}{share}", grouped(count.lost), grouped(count.trials))
    };
    format!(
        "more than chance: {class} {}, the others{within} {}; chance {}, {} classes looked at",
        of(found.inside),
        of(found.outside),
        chance(found.chance),
        grouped(found.looked_at as u64)
    )
}

fn chance(chance: f64) -> String {
    if chance <= 1e-15 { "below 1e-15".to_owned() } else { format!("{chance:.0e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use why504_model::Vlan;

    #[test]
    fn a_vlan_is_named_by_its_tags() {
        let found = |vlan| Concentration {
            class: Class::Vlan(vlan),
            within: None,
            inside: Count { trials: 100, lost: 15 },
            outside: Count { trials: 300, lost: 1 },
            chance: 2e-9,
            looked_at: 4,
        };
        let text = concentrated(&found(Some(Vlan { outer: 100, inner: Some(7) })));
        assert!(
            text.starts_with("more than chance: connects in VLAN 100.7 lose 15 of 100"),
            "{text}"
        );
        let text = concentrated(&found(None));
        assert!(text.contains("connects without a VLAN tag lose 15 of 100"), "{text}");
    }
}
