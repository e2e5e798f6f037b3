//! IPv4 with options and fragments, IPv6 with extension headers, and who asks for whose address.

use std::net::IpAddr;

use etherparse::{IpFragOffset, Ipv4Header};
use why504_model::Packet;

use crate::render::{Chosen, ethernet};
use crate::{ETHERNET, counted, one, syn, tcp_of};

#[test]
fn ipv4_options_fragments_and_offload() {
    let segment = ethernet(&syn(false))[ETHERNET + 20..].to_vec();
    let packet = |change: &dyn Fn(&mut Ipv4Header)| {
        let len = u16::try_from(segment.len()).expect("small");
        let mut header =
            Ipv4Header::new(len, 61, etherparse::ip_number::TCP, [10, 0, 0, 1], [10, 0, 0, 9])
                .expect("a header");
        header.options = [1, 1, 1, 0][..].try_into().expect("options");
        header.set_payload_len(segment.len()).expect("it fits");
        change(&mut header);
        let mut bytes = Vec::new();
        header.write_raw(&mut bytes).expect("memory takes it");
        bytes.extend_from_slice(&segment);
        bytes
    };
    let later = IpFragOffset::try_new(100).expect("an offset");
    let table: [(Vec<u8>, &str); 6] = [
        (packet(&|_| {}), "tcp"),
        (packet(&|header| header.more_fragments = true), "tcp"),
        (packet(&|header| header.fragment_offset = later), "fragments"),
        (packet(&|header| header.protocol = etherparse::ip_number::UDP), "other_ip"),
        (packet(&|header| header.total_len = 23), "malformed"),
        // Segmentation offload writes no length; the frame has it.
        (packet(&|header| header.total_len = 0), "tcp"),
    ];
    for (bytes, counter) in table {
        let reading = one(101, &bytes, usize::MAX);
        assert_eq!(counted(&reading.tally), counter);
        if counter == "tcp" {
            assert_eq!(tcp_of(&reading), Some(Chosen::from(&syn(false))));
        }
    }
}

#[test]
fn ipv6_extension_headers() {
    let frame = ethernet(&syn(true));
    let (header, segment) = frame[ETHERNET..].split_at(40);
    // Each is: number, what follows the next-header octet.
    let hop_by_hop = (0_u8, vec![0, 5, 2, 0, 0, 1, 0]);
    let routing = (43, vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let first_fragment = (44, vec![0, 0, 1, 0, 0, 0, 9]);
    let later_fragment = (44, vec![0, 1, 0x41, 0, 0, 0, 9]);
    let authentication = (51, vec![1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    let encrypted = (50, vec![0, 5, 2, 0, 0, 1, 0]);
    let table = [
        (vec![&hop_by_hop, &routing, &first_fragment, &authentication], "tcp"),
        (vec![&hop_by_hop, &later_fragment], "fragments"),
        (vec![&encrypted], "other_ip"),
    ];
    for (chain, counter) in table {
        let mut packet = header.to_vec();
        let mut next_header_at = 6;
        for (number, rest) in chain {
            packet[next_header_at] = *number;
            next_header_at = packet.len();
            packet.push(0);
            packet.extend(rest);
        }
        packet[next_header_at] = 6;
        packet.extend_from_slice(segment);
        let payload = u16::try_from(packet.len() - 40).expect("small");
        packet[4..6].copy_from_slice(&payload.to_be_bytes());
        let reading = one(101, &packet, usize::MAX);
        assert_eq!(counted(&reading.tally), counter);
        if counter == "tcp" {
            assert_eq!(tcp_of(&reading), Some(Chosen::from(&syn(true))));
        }
    }
}

#[test]
fn what_is_no_ip_and_what_contradicts_itself() {
    let mut not_four = ethernet(&syn(false));
    not_four[ETHERNET] = 0x55;
    let mut short_header = ethernet(&syn(false));
    short_header[ETHERNET] = 0x44;
    let mut short_tcp = ethernet(&syn(false));
    short_tcp[ETHERNET + 20 + 12] = 0x40;
    let arp = [&[0xff; 12][..], &[8, 6], &[0; 28]].concat();
    let llc = [&[0xff; 12][..], &[0, 38], &[0x42; 38]].concat();
    let runt = vec![2; 13];
    let nflog_length = vec![2, 0, 0, 1, 3, 0, 9, 0, 0x45];
    for (link, data, counter) in [
        (1, not_four, "malformed"),
        (1, short_header, "malformed"),
        (1, short_tcp, "malformed"),
        (1, arp, "non_ip"),
        (1, llc, "non_ip"),
        (1, runt, "malformed"),
        (239, nflog_length, "malformed"),
        (101, vec![0x05; 40], "non_ip"),
        (0, vec![7, 0, 0, 0, 1], "non_ip"),
    ] {
        assert_eq!(counted(&one(link, &data, usize::MAX).tally), counter, "{link} {data:02x?}");
    }
}

/// RFC 826: who asks for whom; an announcement (RFC 5227) counts as an answer.
#[test]
fn arp_about_ipv4_tells_who_asks_and_who_answers() {
    let arp = |lengths: [u8; 2], operation: u8, target: [u8; 4]| {
        let head = [&[0xff; 12][..], &[8, 6, 0, 1, 8, 0], &lengths, &[0, operation]].concat();
        [&head[..], &[2; 6], &[10, 0, 0, 5], &[0; 6], &target].concat()
    };
    let (own, peer) = ([10, 0, 0, 5], [10, 0, 0, 250]);
    for (frame, expected) in [
        (arp([6, 4], 1, peer), Some((false, peer))),
        (arp([6, 4], 2, peer), Some((true, peer))),
        (arp([6, 4], 1, own), Some((true, own))),
        // Of a link with other addresses, and cut within the last one.
        (arp([8, 4], 1, peer), None),
        (arp([6, 4], 1, peer)[..41].to_vec(), None),
    ] {
        let reading = one(1, &frame, usize::MAX);
        assert_eq!(counted(&reading.tally), "non_ip");
        let found = reading.packets.first().map(|packet| match packet {
            Packet::Resolution(arp) => (arp.answer, arp.link.0, arp.sender, arp.target),
            other => panic!("{other:?}"),
        });
        let own = IpAddr::from(own);
        let expected = expected.map(|(answer, target)| (answer, [2; 6], own, IpAddr::from(target)));
        assert_eq!(found, expected, "{frame:02x?}");
    }
}

/// RFC 4861: who asks for a neighbour, by the card that the packet names, and who answers.
#[test]
fn neighbour_discovery_tells_who_asks_and_who_answers() {
    let address = |last: u8| [[0xfd].as_slice(), &[0; 14], &[last]].concat();
    let (own, peer) = (address(5), address(9));
    let group = address(0xff);
    let packet = |hops: u8, from: &[u8], to: &[u8], body: &[u8]| {
        let head = [0x60, 0, 0, 0, 0, u8::try_from(body.len()).expect("short"), 58, hops];
        [&head[..], from, to, body].concat()
    };
    let ask = |options: &[u8]| [&[135, 0, 0, 0, 0, 0, 0, 0], &peer[..], options].concat();
    let card = [1, 1, 2, 2, 2, 2, 2, 2];
    let nonce = [14, 1, 9, 9, 9, 9, 9, 9];
    let answer = [&[136, 0, 0, 0, 0x60, 0, 0, 0], &peer[..], &[2, 1, 4, 4, 4, 4, 4, 4]].concat();
    let ip = |octets: &[u8]| IpAddr::from(<[u8; 16]>::try_from(octets).expect("16 octets"));
    let asked = Some((false, [2; 6], ip(&own), ip(&peer)));
    for (data, expected) in [
        (packet(255, &own, &group, &ask(&card)), asked),
        (packet(255, &own, &group, &ask(&[nonce, card].concat())), asked),
        (packet(255, &peer, &own, &answer), Some((true, [0; 6], ip(&peer), ip(&own)))),
        // No card, an option without a length, one that is cut, and from beyond a router.
        (packet(255, &own, &group, &ask(&[])), None),
        (packet(255, &own, &group, &ask(&[14, 0, 0, 0, 0, 0, 0, 0])), None),
        (packet(255, &own, &group, &ask(&card[..7])), None),
        (packet(254, &own, &group, &ask(&card)), None),
        // A router's advertisement.
        (packet(255, &own, &group, &[134, 0, 0, 0, 0, 0, 0, 0]), None),
    ] {
        let reading = one(101, &data, usize::MAX);
        assert_eq!(counted(&reading.tally), "other_ip");
        let found = reading.packets.first().map(|packet| match packet {
            Packet::Resolution(of) => (of.answer, of.link.0, of.sender, of.target),
            other => panic!("{other:?}"),
        });
        assert_eq!(found, expected, "{data:02x?}");
    }
}
