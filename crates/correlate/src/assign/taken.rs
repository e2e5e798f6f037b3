//! Sets of attempts as bits: of those that several lines want, while they want them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Listed;

/// Sixty-four attempts each.
const WORDS: usize = 4;

/// Attempts that are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Taken([u64; WORDS]);

impl Taken {
    /// With one more; `None` when it is taken already.
    pub(super) fn with(mut self, bit: u8) -> Option<Self> {
        let (word, mask) = (usize::from(bit / 64), 1_u64 << (bit % 64));
        let word = self.0.get_mut(word)?;
        if *word & mask != 0 {
            return None;
        }
        *word |= mask;
        Some(self)
    }

    fn without(self, other: Self) -> Self {
        let mut left = self;
        for (word, gone) in left.0.iter_mut().zip(other.0) {
            *word &= !gone;
        }
        left
    }
}

/// Which bit stands for which attempt.
pub(super) struct Places {
    /// Line -> the bits of the attempts of its edges.
    bits: Vec<Vec<u8>>,
    /// Line -> attempts that no later line wants.
    settled: Vec<Taken>,
}

impl Places {
    /// `None` when more attempts are wanted at once than there are bits.
    pub(super) fn new(lines: &[Listed]) -> Option<Self> {
        let mut wanted_until: BTreeMap<usize, usize> = BTreeMap::new();
        for (i, line) in lines.iter().enumerate() {
            for edge in &line.edges {
                wanted_until.insert(edge.attempt, i);
            }
        }
        let most = u8::try_from(WORDS * 64 - 1).unwrap_or(u8::MAX);
        let mut free: Vec<u8> = (0..=most).rev().collect();
        let mut held: BTreeMap<usize, u8> = BTreeMap::new();
        let mut places = Self { bits: Vec::new(), settled: Vec::new() };
        for (i, line) in lines.iter().enumerate() {
            let mut bits = Vec::with_capacity(line.edges.len());
            let mut settled = Taken::default();
            let mut over = Vec::new();
            for edge in &line.edges {
                let bit = match held.get(&edge.attempt) {
                    Some(&bit) => bit,
                    None => free.pop()?,
                };
                held.insert(edge.attempt, bit);
                bits.push(bit);
                if wanted_until.get(&edge.attempt) == Some(&i)
                    && let Some(more) = settled.with(bit)
                {
                    settled = more;
                    over.push((edge.attempt, bit));
                }
            }
            for (attempt, bit) in over {
                held.remove(&attempt);
                free.push(bit);
            }
            places.bits.push(bits);
            places.settled.push(settled);
        }
        Some(places)
    }

    /// The bits of the attempts of a line's edges.
    pub(super) fn of(&self, line: usize) -> &[u8] {
        self.bits.get(line).map(Vec::as_slice).unwrap_or_default()
    }

    /// Forgets what no line after this one wants.
    pub(super) fn settled(&self, line: usize, taken: Taken) -> Taken {
        self.settled.get(line).map_or(taken, |gone| taken.without(*gone))
    }
}
