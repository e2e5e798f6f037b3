//! How many copies of its SYN and of the SYN+ACK an attempt put on the way, and how many of them came to
//! the other end: of a loss in both directions the shares (taxonomy class 2m). A measurement only.

use crate::facts::Facts;

/// Copies of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// As the point nearest to the sender saw them leave, up to the deadline.
    pub sent: u32,
    /// Those of them that the point nearest to the receiver saw come.
    pub arrived: u32,
}

/// The copies of both packets, as two points count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The first handshake.
    pub syns: Copies,
    /// The second handshake.
    pub syn_acks: Copies,
}

impl Copies {
    /// What is seen at the end of the way only was missed at its beginning.
    const fn of(sent: u32, arrived: u32) -> Self {
        Self { sent, arrived: if arrived < sent { arrived } else { sent } }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent.saturating_add(other.sent),
            arrived: self.arrived.saturating_add(other.arrived),
        }
    }
}

impl Exchange {
    /// Of an attempt that two points saw; `None` where something between them answers by itself.
    pub(crate) fn of(facts: &Facts) -> Option<Self> {
        let (c, s) = (facts.c(), facts.s());
        (facts.attempt && facts.both() && !facts.other_answer).then_some(Self {
            syns: Copies::of(c.syns, s.syns),
            syn_acks: Copies::of(s.syn_acks, c.syn_acks),
        })
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { syns: self.syns.plus(other.syns), syn_acks: self.syn_acks.plus(other.syn_acks) }
    }
}
