//! Where losses concentrate beyond chance: one upstream, one VLAN, one client address, one class of
//! source ports (a broken member of an ECMP group or LAG gets those whose hash falls on it).
//!
//! Each candidate is held against the rest of its own stratum: the same moments for an upstream, the
//! same moments and upstream for a client, and the same client as well for ports (for VLANs see
//! `vlan`). So an outage
//! during a batch job, or a bad upstream whose connects use other ports, is not taken for a bad
//! class. Many candidates are looked at, and one false alarm sends somebody to take a healthy link
//! out of service; so the chance of *any* is held below [`FALSE_ALARMS`] by Holm's procedure (A
//! simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979). It needs no
//! independence, and classes of ports overlap; a rate of false discoveries (Benjamini-Hochberg)
//! would bound their share only.

mod vlan;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use why504_handshake::{ByPort, Cell, Count};
use why504_model::{Endpoint, Vlan};

use super::tail::{Stratum, upper_tail};

/// The chance that anything is reported of one way where nothing concentrates.
const FALSE_ALARMS: f64 = 0.01;
/// What is lost less often than this is no pattern.
const LEAST_LOST: u64 = 5;
/// A class matters where it loses this many times as often as the rest, and holds this share of all
/// that was lost: less would not change what is done about it.
const TIMES_THE_REST: u64 = 2;
const SHARE_OF_LOST: u64 = 10;
/// Upstreams whose ports are looked at by themselves: those with most losses.
const UPSTREAMS: usize = 16;
/// Classes of one kind that are told.
const TOLD: usize = 3;
/// A stratum should hold about so many trials: one that holds only the lost one tells nothing.
const PER_STRATUM: u64 = 32;

/// A class of connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Connects to one upstream.
    Server(Endpoint),
    /// Connects from one client address.
    Client(IpAddr),
    /// Connects in one VLAN, or without a tag, as the point nearest the client saw them.
    Vlan(Option<Vlan>),
    /// Connects from source ports that leave `residue` when divided by `modulus`.
    Ports {
        /// Divisor, from 2 to 8.
        modulus: u16,
        /// Remainder, below the divisor.
        residue: u16,
    },
}

/// A class in which more was lost than chance explains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Concentration {
    /// The class.
    pub class: Class,
    /// The upstream among whose connects it was looked for; all where `None`.
    pub within: Option<Endpoint>,
    /// The trials of the class.
    pub inside: Count,
    /// The others that were looked at.
    pub outside: Count,
    /// The chance of so many losses in the class, were it like the rest; never below 1e-15.
    pub chance: f64,
    /// How many classes were looked at.
    pub looked_at: usize,
}

/// What the connects of a stratum have in common besides their time.
type KeyOf = fn(&Cell) -> (Option<Endpoint>, Option<IpAddr>);

/// Cells by stratum.
type Strata<'a> = BTreeMap<(i64, Option<Endpoint>, Option<IpAddr>), Vec<&'a Cell>>;

/// Finds what concentrates, the surest first.
pub(super) fn find(cells: &[Cell]) -> Vec<Concentration> {
    let mut candidates = candidates(cells);
    let looked_at = candidates.len();
    // What is as sure of one upstream as of all is told of that one.
    candidates.sort_by(|(a, a_strength), (b, b_strength)| {
        let ties = |c: &Concentration| (c.within.is_none(), c.within, c.class);
        let by_strength = a.chance.total_cmp(&b.chance).then(b_strength.total_cmp(a_strength));
        by_strength.then(ties(a).cmp(&ties(b)))
    });
    let homes = vlan::Homes::of(&cells.iter().collect::<Vec<_>>());
    let mut found: Vec<Concentration> = Vec::new();
    for (i, (candidate, _)) in candidates.into_iter().enumerate() {
        if candidate.chance * real((looked_at - i) as u64) > FALSE_ALARMS {
            break;
        }
        let alike = found.iter().filter(|known| known.class.is_like(candidate.class));
        let explained = found.iter().any(|known| homes.explain(known, &candidate));
        let told = alike.clone().any(|known| known.tells(&candidate));
        if alike.count() < TOLD && !told && !explained {
            found.push(Concentration { looked_at, ..candidate });
        }
    }
    found
}

/// All classes that are looked at, each with its strength: the square of how many standard
/// deviations its losses are from what its strata let expect.
fn candidates(cells: &[Cell]) -> Vec<(Concentration, f64)> {
    let all: Vec<&Cell> = cells.iter().collect();
    let mut lost: BTreeMap<Endpoint, u64> = BTreeMap::new();
    for cell in cells {
        *lost.entry(cell.server).or_default() += cell.all.lost;
    }
    let mut found = divide(&all, None, of_server, |_| (None, None));
    found.extend(vlan::candidates(&all));
    found.extend(divide(&all, None, of_client, |c| (Some(c.server), None)));
    found.extend(divide(&all, None, of_ports, |c| (Some(c.server), Some(c.client))));
    if lost.len() > 1 {
        let mut ranked: Vec<(u64, Endpoint)> = lost.into_iter().map(|(s, n)| (n, s)).collect();
        ranked.sort_unstable_by_key(|&(lost, server)| (core::cmp::Reverse(lost), server));
        for (_, server) in ranked.into_iter().take(UPSTREAMS) {
            let own: Vec<&Cell> = cells.iter().filter(|cell| cell.server == server).collect();
            found.extend(divide(&own, Some(server), of_ports, |c| (None, Some(c.client))));
        }
    }
    found
}

/// The trials of each class of one kind that any of these cells belongs to.
type ClassesOf = fn(&[&Cell]) -> BTreeMap<Class, Count>;

fn of_server(cells: &[&Cell]) -> BTreeMap<Class, Count> {
    one_each(cells, |cell| Class::Server(cell.server))
}

fn of_client(cells: &[&Cell]) -> BTreeMap<Class, Count> {
    one_each(cells, |cell| Class::Client(cell.client))
}

/// Where all trials of a cell are of one class.
fn one_each(cells: &[&Cell], class: impl Fn(&Cell) -> Class) -> BTreeMap<Class, Count> {
    let mut classes: BTreeMap<Class, Count> = BTreeMap::new();
    for cell in cells {
        let sum = classes.entry(class(cell)).or_default();
        *sum = [*sum, cell.all].into_iter().sum();
    }
    classes
}

fn of_ports(cells: &[&Cell]) -> BTreeMap<Class, Count> {
    let all: ByPort = cells.iter().map(|cell| &cell.by_port).sum();
    let of = |modulus| (0..modulus).map(move |residue| (modulus, residue));
    let counted =
        |(modulus, residue)| (Class::Ports { modulus, residue }, all.of(modulus, residue));
    ByPort::MODULI.into_iter().flat_map(of).map(counted).collect()
}

/// Holds each class against the rest of its strata. Nothing is looked at where there is one class
/// only, or where too little was lost for any to stand out: neither depends on who lost it.
fn divide(
    cells: &[&Cell],
    within: Option<Endpoint>,
    classes: ClassesOf,
    key: KeyOf,
) -> Vec<(Concentration, f64)> {
    let all: Count = cells.iter().map(|cell| cell.all).sum();
    if all.lost < LEAST_LOST {
        return Vec::new();
    }
    let inside = classes(cells);
    if inside.len() < 2 {
        return Vec::new();
    }
    // Nearly always nothing matters enough for them to be asked for.
    let mut known = None;
    inside
        .into_iter()
        .map(|(class, inside)| {
            let outside = all.without(inside);
            let candidate =
                Concentration { class, within, inside, outside, chance: 1.0, looked_at: 0 };
            if !candidate.matters() {
                return (candidate, 0.0);
            }
            let strata = known.get_or_insert_with(|| strata(cells, key, all.trials));
            let tables: Vec<Stratum> = strata
                .values()
                .map(|cells| Stratum {
                    all: cells.iter().map(|cell| cell.all).sum(),
                    class: cells.iter().map(|cell| class.of(cell)).sum(),
                })
                .collect();
            (Concentration { chance: upper_tail(&tables), ..candidate }, strength(&tables))
        })
        .collect()
}

/// Cells by stratum; slices of time are put together until a stratum holds enough.
fn strata<'a>(cells: &[&'a Cell], key: KeyOf, trials: u64) -> Strata<'a> {
    let mut length = cells.iter().map(|cell| cell.time.length().nanos()).max().unwrap_or(1).max(1);
    loop {
        let mut strata = Strata::new();
        for &cell in cells {
            let (server, client) = key(cell);
            let slice = cell.time.start().nanos().div_euclid(length);
            strata.entry((slice, server, client)).or_default().push(cell);
        }
        let enough = strata.len() as u64 * PER_STRATUM <= trials;
        let slice = |at: &(i64, Option<Endpoint>, Option<IpAddr>)| at.0;
        let ends = strata.keys().map(slice).min().zip(strata.keys().map(slice).max());
        // Slices before and after the epoch never come together.
        let divided = ends.is_some_and(|(first, last)| last.saturating_sub(first) > 1);
        match length.checked_mul(2) {
            Some(longer) if divided && !enough => length = longer,
            _ => return strata,
        }
    }
}

/// The square of the standardised excess of losses in the class (Mantel and Haenszel 1959).
fn strength(tables: &[Stratum]) -> f64 {
    let (mut excess, mut variance) = (0.0, 0.0);
    for table in tables {
        let (all, lost) = (real(table.all.trials), real(table.all.lost));
        if table.all.trials < 2 {
            continue;
        }
        let share = real(table.class.trials) / all;
        excess += real(table.class.lost) - lost * share;
        variance += lost * share * (1.0 - share) * (all - lost) / (all - 1.0);
    }
    if variance > 0.0 { excess * excess / variance } else { 0.0 }
}

impl Class {
    /// The trials of a cell that are in the class.
    fn of(self, cell: &Cell) -> Count {
        let holds = match self {
            Self::Server(server) => cell.server == server,
            Self::Vlan(vlan) => cell.vlan == vlan,
            Self::Client(client) => cell.client == client,
            Self::Ports { modulus, residue } => return cell.by_port.of(modulus, residue),
        };
        if holds { cell.all } else { Count::default() }
    }

    /// Whether both are of one kind.
    fn is_like(self, other: Self) -> bool {
        core::mem::discriminant(&self) == core::mem::discriminant(&other)
    }
}

impl Concentration {
    /// Whether anybody would act on it.
    fn matters(&self) -> bool {
        let (inside, outside) = (self.inside, self.outside);
        let cross = |one: u64, other: u64| u128::from(one) * u128::from(other);
        inside.lost >= LEAST_LOST
            && outside.trials > 0
            && cross(inside.lost, SHARE_OF_LOST) >= cross(inside.lost + outside.lost, 1)
            && cross(inside.lost, outside.trials)
                >= cross(outside.lost, inside.trials).saturating_mul(TIMES_THE_REST.into())
    }

    /// Whether another of the same kind says nothing new beside this one: classes of ports overlap.
    fn tells(&self, other: &Self) -> bool {
        match self.class {
            Class::Server(_) | Class::Vlan(_) => false,
            Class::Client(_) => true,
            Class::Ports { .. } => {
                self.within == other.within || self.within.is_none() || other.within.is_none()
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of connects are far below 2^52")]
const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
