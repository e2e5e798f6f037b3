//! How often a packet of a handshake was sent, and how often it had to be missed: counts of trials by
//! time, by the two ends, by the VLAN and by the client's port.
//!
//! One connect is one trial, whose outcome is that of its *first* packet: what happens to repeated
//! ones depends on what happened to those before. What counts as lost is for the caller to say, and
//! so is what the counts show.
//!
//! Memory is bounded: where servers, clients and VLANs are many, slices of time become longer.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use why504_model::{Endpoint, Flow, Interval, Span, Timestamp, Vlan};

use crate::address::mix;

/// Cells kept, of some 270 octets each: what a hash table of 2^14 places takes, 4.5 MB.
const CELLS: usize = (1 << 14) / 8 * 7;
/// Slices of 2^40 s and longer hold all of time: what does not fit then is only counted.
const LONGEST: u32 = 40;

/// The moduli by which ports are counted; all their divisors follow from them.
const MODULI: [u16; 4] = [8, 7, 6, 5];
const RESIDUES: usize = 26;

/// What became of the first packet of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Arrived,
    /// It was lost, and a repeated one saved the connect.
    Saved,
    /// It was lost, and so was the connect.
    Lost,
}

/// Trials, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// First packets that were sent.
    pub trials: u64,
    /// Those of them that were lost.
    pub lost: u64,
}

/// The trials between one client address and one server in one VLAN and one slice of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// When the first SYNs were sent, on the clock of the point nearest the client.
    pub time: Interval,
    /// Who was asked.
    pub server: Endpoint,
    /// Who asked.
    pub client: IpAddr,
    /// The VLAN of the first SYNs at the point nearest the client; `None` for those without a tag.
    pub vlan: Option<Vlan>,
    /// All of them.
    pub all: Count,
    /// Connects that a repeated packet saved: a part of those that were lost.
    pub saved: u64,
    /// The same by the client's port.
    pub by_port: ByPort,
}

/// Trials by what the client's port leaves when divided by small numbers; no count goes beyond 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByPort([Few; RESIDUES]);

/// Counts of trials.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// A slice of time is 2^this seconds long.
    exponent: u32,
    /// Read out in order, never iterated for output.
    cells: HashMap<Key, Tally, FixedState>,
    beyond: u64,
}

/// Number of the slice since the epoch, server, client, VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(i64, Endpoint, IpAddr, Option<Vlan>);

impl Hash for Key {
    /// Every attempt asks for one.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self(slice, server, client, vlan) = *self;
        state.write_u64(mix(server.ip) ^ mix(client).rotate_left(32));
        state.write_u64(slice.cast_unsigned() << 16 ^ u64::from(server.port));
        vlan.hash(state);
    }
}

#[derive(Clone, Debug, Default)]
struct Tally {
    all: Few,
    saved: u32,
    by_port: ByPort,
}

/// A [`Count`] in little room: there are many of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Few {
    trials: u32,
    lost: u32,
}

impl Few {
    fn add(&mut self, other: Self) {
        self.trials = self.trials.saturating_add(other.trials);
        self.lost = self.lost.saturating_add(other.lost);
    }
}

impl From<Few> for Count {
    fn from(few: Few) -> Self {
        Self { trials: few.trials.into(), lost: few.lost.into() }
    }
}

impl Count {
    /// The trials that are not of `part`, which is a part of these.
    #[must_use]
    pub const fn without(self, part: Self) -> Self {
        Self {
            trials: self.trials.saturating_sub(part.trials),
            lost: self.lost.saturating_sub(part.lost),
        }
    }

    fn add(&mut self, other: Self) {
        self.trials = self.trials.saturating_add(other.trials);
        self.lost = self.lost.saturating_add(other.lost);
    }
}

impl core::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut all, count| {
            all.add(count);
            all
        })
    }
}

impl ByPort {
    /// The moduli for which [`ByPort::of`] knows the classes.
    pub const MODULI: [u16; 7] = [2, 3, 4, 5, 6, 7, 8];

    /// The trials from ports that leave `residue` when divided by `modulus`, one of
    /// [`ByPort::MODULI`]; nothing for another.
    pub fn of(&self, modulus: u16, residue: u16) -> Count {
        let Self(counts) = self;
        let (mut first, mut all) = (0, Count::default());
        for base in MODULI {
            if base.checked_rem(modulus) == Some(0) {
                let of_class = (residue..base).step_by(usize::from(modulus));
                let counts = of_class.filter_map(|rest| counts.get(usize::from(first + rest)));
                counts.for_each(|count| all.add((*count).into()));
                break;
            }
            first += base;
        }
        all
    }

    fn count(&mut self, port: u16, one: Few) {
        let mut first = 0;
        for modulus in MODULI {
            if let Some(count) = self.0.get_mut(usize::from(first + port % modulus)) {
                count.add(one);
            }
            first += modulus;
        }
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.add(*theirs);
        }
    }
}

impl<'a> core::iter::Sum<&'a Self> for ByPort {
    fn sum<I: Iterator<Item = &'a Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut all, count| {
            all.add(count);
            all
        })
    }
}

impl Tally {
    fn count(&mut self, port: u16, outcome: Outcome) {
        let one = Few { trials: 1, lost: u32::from(outcome != Outcome::Arrived) };
        self.all.add(one);
        self.saved = self.saved.saturating_add(u32::from(outcome == Outcome::Saved));
        self.by_port.count(port, one);
    }

    fn absorb(&mut self, other: &Self) {
        self.all.add(other.all);
        self.saved = self.saved.saturating_add(other.saved);
        self.by_port.add(&other.by_port);
    }
}

impl Trials {
    /// Counts a connect that began at `at`.
    pub fn count(&mut self, at: Timestamp, flow: Flow, vlan: Option<Vlan>, outcome: Outcome) {
        let key = Key(self.slice(at), flow.server, flow.client.ip, vlan);
        match self.tally(key) {
            Some(tally) => tally.count(flow.client.port, outcome),
            None => self.beyond = self.beyond.saturating_add(1),
        }
    }

    /// Adds what another counted of the servers that are `wanted`.
    pub fn absorb(&mut self, other: &Self, wanted: impl Fn(Endpoint) -> bool) {
        self.lengthen(other.exponent);
        self.beyond = self.beyond.saturating_add(other.beyond);
        // In order: which of too many cells find no room must not depend on hashes.
        let mut cells: Vec<(&Key, &Tally)> =
            other.cells.iter().filter(|(Key(_, server, ..), _)| wanted(*server)).collect();
        cells.sort_unstable_by_key(|(key, _)| **key);
        self.cells.reserve(cells.len());
        for (Key(slice, server, client, vlan), tally) in cells {
            let slice = slice >> (self.exponent - other.exponent).min(63);
            match self.tally(Key(slice, *server, *client, *vlan)) {
                Some(mine) => mine.absorb(tally),
                None => self.beyond = self.beyond.saturating_add(tally.all.trials.into()),
            }
        }
    }

    /// The counts, in order of time, server and client.
    pub fn cells(&self) -> Vec<Cell> {
        self.cells_where(|_, _| true)
    }

    /// Those of times and servers that are `wanted`, which is asked once for each of them.
    pub fn cells_where(&self, wanted: impl Fn(Interval, Endpoint) -> bool) -> Vec<Cell> {
        let mut counted: Vec<(&Key, &Tally)> = self.cells.iter().collect();
        counted.sort_unstable_by_key(|(key, _)| **key);
        let mut cells = Vec::new();
        let alike = |(a, _): &(&Key, &Tally), (b, _): &(&Key, &Tally)| (a.0, a.1) == (b.0, b.1);
        for run in counted.chunk_by(alike) {
            let Some(&(&Key(slice, server, ..), _)) = run.first() else { continue };
            let time = self.time_of(slice);
            if !wanted(time, server) {
                continue;
            }
            cells.extend(run.iter().map(|&(&Key(_, _, client, vlan), tally)| Cell {
                time,
                server,
                client,
                vlan,
                all: tally.all.into(),
                saved: tally.saved.into(),
                by_port: tally.by_port,
            }));
        }
        cells
    }

    /// The servers that were asked, in order.
    pub fn servers(&self) -> BTreeSet<Endpoint> {
        self.cells.keys().map(|Key(_, server, ..)| *server).collect()
    }

    /// Trials that found no room: there were more pairs of hosts than are kept.
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// The place of a key, slices made longer until there is room.
    fn tally(&mut self, mut key: Key) -> Option<&mut Tally> {
        while self.cells.len() >= CELLS && !self.cells.contains_key(&key) {
            if self.exponent >= LONGEST {
                return None;
            }
            self.lengthen(self.exponent + 1);
            key.0 >>= 1;
        }
        Some(self.cells.entry(key).or_default())
    }

    fn lengthen(&mut self, exponent: u32) {
        let Some(shift) = exponent.checked_sub(self.exponent).filter(|shift| *shift > 0) else {
            return;
        };
        self.exponent = exponent;
        for (Key(slice, server, client, vlan), tally) in core::mem::take(&mut self.cells) {
            let key = Key(slice >> shift.min(63), server, client, vlan);
            self.cells.entry(key).or_default().absorb(&tally);
        }
    }

    fn slice(&self, at: Timestamp) -> i64 {
        at.nanos().div_euclid(1_000_000_000) >> self.exponent.min(63)
    }

    fn time_of(&self, slice: i64) -> Interval {
        let length = 1_i64 << self.exponent.min(LONGEST);
        let start = Timestamp::from_parts(slice.saturating_mul(length), 0);
        Interval::new(start, start + Span::from_secs(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(server: u8, client: u8, port: u16) -> Flow {
        Flow {
            client: Endpoint::new([10, 0, 1, client].into(), port),
            server: Endpoint::new([10, 0, 2, server].into(), 80),
        }
    }

    /// Some ports are used in a VLAN.
    fn vlan_of(port: u16) -> Option<Vlan> {
        (port > 9).then_some(Vlan { outer: port, inner: None })
    }

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn every_class_of_ports_is_counted_and_classes_of_a_modulus_add_up() {
        let mut trials = Trials::default();
        for port in 40_000..40_840 {
            let lost = if port % 4 == 3 { Outcome::Saved } else { Outcome::Arrived };
            trials.count(second(1), flow(1, 1, port), None, lost);
        }
        let [cell] = trials.cells().try_into().expect("one second, one pair");
        assert_eq!((cell.all, cell.saved), (Count { trials: 840, lost: 210 }, 210));
        for modulus in ByPort::MODULI {
            let classes: Vec<Count> = (0..modulus).map(|r| cell.by_port.of(modulus, r)).collect();
            assert_eq!(classes.iter().copied().sum::<Count>(), cell.all, "{modulus}");
            assert!(classes.iter().all(|c| c.trials == 840 / u64::from(modulus)), "{modulus}");
        }
        assert_eq!(cell.by_port.of(4, 3).lost, 210);
        assert_eq!(cell.by_port.of(8, 7).lost, 105);
        assert_eq!(cell.by_port.of(2, 0).lost, 0);
        assert_eq!(cell.by_port.of(9, 0), Count::default());
        assert_eq!(cell.by_port.of(4, 9), Count::default());
        assert_eq!(cell.by_port.of(0, 0), Count::default());
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_dropped_silently() {
        let mut trials = Trials::default();
        let pairs = i64::try_from(CELLS).expect("small") * 2;
        for i in 0..pairs {
            // 64 pairs of hosts at ever new times: slices become longer.
            let host = u8::try_from(i % 64).expect("small");
            trials.count(second(i), flow(host, 1, 1), None, Outcome::Arrived);
        }
        assert!(trials.cells.len() <= CELLS && trials.beyond() == 0);
        for i in 0..pairs {
            // Ever new hosts: a longer slice does not help.
            let [_, a, b, c] = i.to_be_bytes()[4..] else { panic!("eight octets") };
            let mut from = flow(1, 1, 1);
            from.client.ip = [11, a, b, c].into();
            trials.count(second(0), from, None, Outcome::Lost);
        }
        assert!(trials.cells.len() <= CELLS && trials.beyond() > 0);
        let counted: Count = trials.cells().iter().map(|cell| cell.all).sum();
        assert_eq!(i64::try_from(counted.trials + trials.beyond()), Ok(2 * pairs));
    }

    proptest! {
        /// Neither the order of connects nor how they are divided among tallies shows.
        #[test]
        fn order_and_division_do_not_matter(
            connects in prop::collection::vec((0_i64..90, 0_u8..3, 0_u8..3, 0_u16..20, 0_u8..3), 0..60),
            cut in 0_usize..60,
            longer in 0_u32..3,
        ) {
            let outcome = |n| [Outcome::Arrived, Outcome::Saved, Outcome::Lost][usize::from(n)];
            let mut whole = Trials::default();
            whole.lengthen(longer);
            for &(at, server, client, port, end) in connects.iter().rev() {
                whole.count(second(at), flow(server, client, port), vlan_of(port), outcome(end));
            }
            let (mut one, mut other) = (Trials::default(), Trials::default());
            one.lengthen(longer);
            for (i, &(at, server, client, port, end)) in connects.iter().enumerate() {
                let part = if i < cut { &mut one } else { &mut other };
                part.count(second(at), flow(server, client, port), vlan_of(port), outcome(end));
            }
            let mut divided = other.clone();
            divided.absorb(&one, |_| true);
            one.absorb(&other, |_| true);
            prop_assert_eq!(one.cells(), whole.cells());
            prop_assert_eq!(divided.cells(), whole.cells());
        }
    }
}
