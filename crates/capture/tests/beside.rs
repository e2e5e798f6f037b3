//! What a frame tells beside its fields: whether the checksum of a SYN is right, and its VLAN. The
//! frames are etherparse's, which computes checksums by itself.

mod render;

use proptest::prelude::*;
use render::{Shot, Tcp, any_tcp, ethernet, pcap, read};
use why504_capture::ByteOrder;
use why504_model::{Checksum, Packet, Segment, TcpFlags, Vlan};

const ETHERNET: usize = 14;
/// Behind the header of TCP begins its checksum.
const CHECKSUM: usize = 16;

/// The only segment of a capture of one frame.
fn segment(link: u16, data: &[u8], snaplen: usize) -> Segment {
    let wire_len = u32::try_from(data.len()).expect("a small frame");
    let data = data[..snaplen.min(data.len())].to_vec();
    let shot = Shot { nanos: 1_000_000_000, data, wire_len };
    let reading = read(pcap(ByteOrder::Little, 0xa1b2_3c4d, link, &[shot]).as_slice());
    let only = match reading.packets.as_slice() {
        [Packet::Tcp(segment)] => Some(*segment),
        _ => None,
    };
    only.expect("one segment")
}

fn syn(v6: bool, flags: u8) -> Tcp {
    let timestamps = Some((7, 0));
    Tcp { v6, ports: (40_000, 8080), seq: 0xdead_beef, ack: 5, flags, timestamps, payload: 0 }
}

/// Where the TCP header begins.
fn tcp_at(v6: bool) -> usize {
    ETHERNET + if v6 { 40 } else { 20 }
}

/// The one's complement sum over addresses, protocol and length, by hand.
fn pseudo_header(frame: &[u8], v6: bool) -> u16 {
    let addresses = if v6 { 22..54 } else { 26..34 };
    let length = frame.len() - tcp_at(v6);
    let mut sum: usize =
        frame[addresses].chunks(2).map(|w| usize::from(w[0]) << 8 | usize::from(w[1])).sum();
    sum += 6 + length;
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).expect("folded")
}

#[test]
fn checksums_of_syns_are_right_wrong_or_left_to_the_card() {
    for v6 in [false, true] {
        for flags in [0x02, 0x12] {
            let frame = ethernet(&syn(v6, flags));
            let at = tcp_at(v6) + CHECKSUM;
            let with = |sum: u16| {
                let mut changed = frame.clone();
                changed[at..at + 2].copy_from_slice(&sum.to_be_bytes());
                segment(1, &changed, usize::MAX).checksum
            };
            assert_eq!(segment(1, &frame, usize::MAX).checksum, Checksum::Right);
            assert_eq!(with(pseudo_header(&frame, v6)), Checksum::Offloaded);
            assert_eq!(with(0), Checksum::Offloaded);
            assert_eq!(with(0x1234), Checksum::Wrong);
            let mut damaged = frame.clone();
            damaged[tcp_at(v6) + 5] ^= 0x40;
            assert_eq!(segment(1, &damaged, usize::MAX).checksum, Checksum::Wrong);
            // With its last octet cut off nothing is known.
            assert_eq!(segment(1, &frame, frame.len() - 1).checksum, Checksum::Unknown);
        }
        // Of other segments nobody asks.
        let mut plain = ethernet(&syn(v6, 0x10));
        plain[tcp_at(v6) + CHECKSUM] ^= 1;
        assert_eq!(segment(1, &plain, usize::MAX).checksum, Checksum::Unknown);
    }
}

proptest! {
    /// Whatever the payload, of odd length, too; and any one octet changed is noticed.
    #[test]
    fn a_checksum_of_another_implementation_is_right_until_an_octet_changes(
        tcp in any_tcp(), place in any::<prop::sample::Index>(), change in 1..=255_u8,
    ) {
        let mut frame = ethernet(&tcp);
        let has_syn = tcp.flags & TcpFlags::SYN.0 != 0;
        let expected = if has_syn { Checksum::Right } else { Checksum::Unknown };
        prop_assert_eq!(segment(1, &frame, usize::MAX).checksum, expected);
        // But for the octets that decide how the segment is read.
        let at = tcp_at(tcp.v6) + place.index(frame.len() - tcp_at(tcp.v6));
        if has_syn && !(12..14).contains(&(at - tcp_at(tcp.v6))) {
            frame[at] ^= change;
            prop_assert_ne!(segment(1, &frame, usize::MAX).checksum, Checksum::Right);
        }
    }
}

#[test]
fn the_vlan_of_a_syn_is_that_of_its_tags() {
    let one = |outer| Some(Vlan { outer, inner: None });
    for v6 in [false, true] {
        let frame = ethernet(&syn(v6, 0x02));
        let (mac, rest) = (&frame[..12], &frame[12..]);
        // Priority bits stand above the identifier.
        let tag =
            |number: u16, id: u16| [number.to_be_bytes(), (0x6000 | id).to_be_bytes()].concat();
        let cooked = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        for (link, data, vlan) in [
            (1, frame.clone(), None),
            (1, [mac, &tag(0x8100, 5), rest].concat(), one(5)),
            (1, [mac, &tag(0x8100, 0), rest].concat(), None),
            (1, [mac, &tag(0x8100, 0), &tag(0x8100, 9), rest].concat(), one(9)),
            (
                1,
                [mac, &tag(0x88a8, 4094), &tag(0x8100, 7), rest].concat(),
                Some(Vlan { outer: 4094, inner: Some(7) }),
            ),
            (113, [&cooked[..], &tag(0x8100, 12), rest].concat(), one(12)),
            (101, frame[ETHERNET..].to_vec(), None),
        ] {
            assert_eq!(segment(link, &data, usize::MAX).vlan, vlan, "link type {link}");
        }
    }
}
