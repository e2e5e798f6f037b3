//! VLANs as classes of connects. What makes them special: mostly each has upstreams of its own, and
//! then a bad upstream makes its VLAN look bad, and a bad VLAN all of its upstreams.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_handshake::{Cell, Count};
use why504_model::{Endpoint, Vlan};

use super::{Class, Concentration, FALSE_ALARMS, TIMES_THE_REST, divide, one_each};

/// Holds each VLAN against the others. Where some upstream is reached in several, each upstream's
/// connects are compared among themselves; else those of the same moments are, and the VLAN has to
/// stand out without its worst upstream as well.
pub(super) fn candidates(cells: &[&Cell]) -> Vec<(Concentration, f64)> {
    let homes = Homes::of(cells);
    if homes.0.values().any(|vlans| vlans.len() > 1) {
        return divide(cells, None, of_vlan, |cell| (Some(cell.server), None));
    }
    let mut found = divide(cells, None, of_vlan, |_| (None, None));
    for (candidate, _) in found.iter_mut().filter(|(c, _)| c.chance <= FALSE_ALARMS) {
        let Class::Vlan(vlan) = candidate.class else { continue };
        let Some(worst) = worst_upstream(cells, vlan) else { continue };
        let others: Vec<&Cell> =
            cells.iter().copied().filter(|cell| cell.server != worst).collect();
        let again = divide(&others, None, of_vlan, |_| (None, None));
        let stands_out = again
            .iter()
            .any(|(other, _)| other.class == candidate.class && other.chance <= FALSE_ALARMS);
        if !stands_out {
            candidate.chance = 1.0;
        }
    }
    found
}

fn of_vlan(cells: &[&Cell]) -> BTreeMap<Class, Count> {
    one_each(cells, |cell| Class::Vlan(cell.vlan))
}

/// The upstream with most losses in a VLAN.
fn worst_upstream(cells: &[&Cell], vlan: Option<Vlan>) -> Option<Endpoint> {
    let mut lost: BTreeMap<Endpoint, u64> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.vlan == vlan) {
        *lost.entry(cell.server).or_default() += cell.all.lost;
    }
    lost.into_iter().max_by_key(|&(_, lost)| lost).map(|(server, _)| server)
}

/// Upstream -> the VLANs in which it was asked.
pub(super) struct Homes(BTreeMap<Endpoint, BTreeSet<Option<Vlan>>>);

impl Homes {
    pub(super) fn of<'a>(cells: impl IntoIterator<Item = &'a &'a Cell>) -> Self {
        let mut homes: BTreeMap<Endpoint, BTreeSet<Option<Vlan>>> = BTreeMap::new();
        for cell in cells {
            homes.entry(cell.server).or_default().insert(cell.vlan);
        }
        Self(homes)
    }

    /// Whether what is found of an upstream is what was found of the only VLAN in which it was asked:
    /// it loses no more than that.
    pub(super) fn explain(&self, vlan: &Concentration, upstream: &Concentration) -> bool {
        let (Class::Vlan(of), Class::Server(server)) = (vlan.class, upstream.class) else {
            return false;
        };
        let only = self.0.get(&server).is_some_and(|vlans| vlans.iter().eq([&of]));
        let cross = |one: u64, other: u64| u128::from(one) * u128::from(other);
        only && cross(upstream.inside.lost, vlan.inside.trials)
            < cross(vlan.inside.lost, upstream.inside.trials).saturating_mul(TIMES_THE_REST.into())
    }
}
