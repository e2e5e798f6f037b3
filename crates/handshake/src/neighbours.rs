//! Addresses on the link for which a host asked and nobody answered (ARP, RFC 826; neighbour discovery
//! of IPv6, RFC 4861).
//!
//! Linux holds a SYN back until the link address of its next hop is known, asks once a second, three
//! times (`mcast_solicit`, `retrans_time_ms`), and then drops what it held. So a host that goes on
//! asking has sent nothing. Whose SYN it was, this does not know.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use why504_model::{Interval, LinkAddress, Resolution, Span, Timestamp};

/// Packets remembered at most; a scan of a subnet asks for ever new addresses.
const KEPT: usize = 1 << 14;
/// Packets of one kind closer together than this are one: two points of a bridge, a storm.
const AT_ONCE: Span = Span::from_millis(100);
/// A host that got no answer asks again after a second (`retrans_time_ms`), later if it is busy.
const AGAIN: Span = Span::from_millis(1500);

/// Who was asked for, by whom, and who answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbours {
    /// Address asked for and the card that asked -> when, in order.
    asked: BTreeMap<(IpAddr, LinkAddress), Vec<Timestamp>>,
    /// Address -> when somebody answered for it, in order.
    answered: BTreeMap<IpAddr, Vec<Timestamp>>,
    /// The cards that asked, and by which addresses.
    cards: BTreeSet<(LinkAddress, IpAddr)>,
    kept: usize,
}

impl Neighbours {
    /// Somebody asked for an address, or answered.
    pub(crate) fn learn(&mut self, packet: &Resolution) {
        if self.is_full() {
            return;
        }
        let times = if packet.answer {
            self.answered.entry(packet.sender).or_default()
        } else {
            self.cards.insert((packet.link, packet.sender));
            self.asked.entry((packet.target, packet.link)).or_default()
        };
        let here = times.partition_point(|time| *time <= packet.time);
        let before = here.checked_sub(1).and_then(|at| times.get(at));
        if before.is_none_or(|before| packet.time.since(*before) >= AT_ONCE) {
            times.insert(here, packet.time);
            self.kept += 1;
        }
    }

    const fn is_full(&self) -> bool {
        self.kept >= KEPT
    }

    /// The cards that asked by an address for which `own` is true.
    pub(crate) fn cards_of(&self, own: impl Fn(IpAddr) -> bool) -> BTreeSet<LinkAddress> {
        self.cards.iter().filter(|(_, ip)| own(*ip)).map(|(card, _)| *card).collect()
    }

    /// Whether a host with one of these cards was asking for this address, again and without an
    /// answer, when it may have wanted to send within `during`.
    pub(crate) fn unresolved(
        &self,
        address: IpAddr,
        during: Interval,
        cards: &BTreeSet<LinkAddress>,
    ) -> bool {
        // What was not kept may have been an answer.
        if self.is_full() || self.answered(address, during) {
            return false;
        }
        let pending = during.widened(AGAIN, Span::ZERO);
        let of_address = self.asked.range((address, LinkAddress::LEAST)..);
        of_address
            .take_while(|((of, _), _)| *of == address)
            .filter(|((_, card), _)| cards.contains(card))
            .any(|(_, times)| {
                times.windows(2).any(|pair| match pair {
                    [one, next] => {
                        next.since(*one) <= AGAIN
                            && (pending.contains(*one) || pending.contains(*next))
                    }
                    _ => false,
                })
            })
    }

    fn answered(&self, address: IpAddr, during: Interval) -> bool {
        let near = during.widened(AGAIN, AGAIN);
        let times = self.answered.get(&address).map(Vec::as_slice).unwrap_or_default();
        let from = times.partition_point(|time| *time < near.start());
        times.get(from).is_some_and(|time| near.contains(*time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use why504_model::Location;

    const GATEWAY: [u8; 4] = [10, 0, 0, 5];
    const OTHER: [u8; 4] = [10, 0, 0, 6];
    const PEER: [u8; 4] = [10, 0, 0, 250];

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_parts(1_000_000, 0) + Span::from_millis(ms)
    }

    fn learnt(packets: &[(i64, bool, [u8; 4], [u8; 4])]) -> Neighbours {
        let mut neighbours = Neighbours::default();
        for &(ms, answer, sender, target) in packets {
            let (sender, target) = (sender.into(), target.into());
            let (time, location) = (at(ms), Location::default());
            // The gateway has another address on the same card.
            let card = if sender == IpAddr::from(PEER) { 2 } else { 1 };
            let link = LinkAddress([card; 6]);
            neighbours.learn(&Resolution { time, location, answer, link, sender, target });
        }
        neighbours
    }

    #[test]
    fn a_host_that_asks_again_has_sent_nothing() {
        let during = Interval::new(at(1200), at(1500));
        let ask = |ms| (ms, false, GATEWAY, PEER);
        let answer = |ms| (ms, true, PEER, GATEWAY);
        for (what, packets, expected) in [
            ("asked before and after", &[ask(1000), ask(2020)][..], true),
            ("by another of its addresses", &[(0, false, OTHER, PEER), ask(1010)], true),
            ("asked twice before", &[ask(0), ask(1010)], true),
            ("once: the answer may have been missed", &[ask(1000)], false),
            ("long before", &[ask(-5000), ask(-4000)], false),
            ("answered", &[ask(0), ask(1010), answer(1011)], false),
            ("answered afterwards", &[ask(1000), ask(2020), answer(2021)], false),
            ("by another host", &[(0, false, PEER, PEER), (1010, false, PEER, PEER)], false),
            ("for another host", &[(0, false, GATEWAY, GATEWAY)], false),
        ] {
            let learnt = learnt(packets);
            let cards = learnt.cards_of(|who| who == IpAddr::from(GATEWAY));
            assert_eq!(learnt.unresolved(PEER.into(), during, &cards), expected, "{what}");
        }
    }

    #[test]
    fn beyond_what_is_kept_nothing_is_claimed() {
        let mut packets = alloc::vec![(0, false, GATEWAY, PEER), (1010, false, GATEWAY, PEER)];
        let during = Interval::new(at(500), at(800));
        let cards = BTreeSet::from([LinkAddress([1; 6])]);
        assert!(learnt(&packets).unresolved(PEER.into(), during, &cards));
        packets.extend((0..16_384).map(|i| (i * 200, false, PEER, GATEWAY)));
        assert!(!learnt(&packets).unresolved(PEER.into(), during, &cards));
    }
}
