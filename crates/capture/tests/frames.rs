//! One frame at a time: link layers, IP, TCP and ICMP, whole and cut.

mod render;

use std::net::IpAddr;

use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder};
use proptest::prelude::*;
use render::{Chosen, Shot, Tcp, any_tcp, chosen, ethernet, pcap, read};
use why504_capture::{ByteOrder, CaptureReader, Content, DecodeTally, LinkType, Tunnel};
use why504_model::{IcmpError, IcmpFamily, Packet, SeqNumber, SourceId};

const ETHERNET: usize = 14;

fn syn(v6: bool) -> Tcp {
    Tcp {
        v6,
        ports: (40_000, 8080),
        seq: 0xdead_beef,
        ack: 0,
        flags: 0x02,
        timestamps: Some((7, 0)),
        payload: 0,
    }
}

/// A capture of one frame, of which `snaplen` octets were kept.
fn one(link: u16, data: &[u8], snaplen: usize) -> render::Reading {
    let wire_len = u32::try_from(data.len()).expect("a small frame");
    let data = data[..snaplen.min(data.len())].to_vec();
    let shot = Shot { nanos: 1_000_000_000, data, wire_len };
    read(pcap(ByteOrder::Little, 0xa1b2_3c4d, link, &[shot]).as_slice())
}

fn tcp_of(reading: &render::Reading) -> Option<Chosen> {
    chosen(&reading.packets).pop().map(|(_, _, chosen)| chosen)
}

/// The counter that the one frame went to.
fn counted(tally: &DecodeTally) -> &'static str {
    let table = [
        ("tcp", tally.tcp),
        ("icmp_errors", tally.icmp_errors),
        ("other_ip", tally.other_ip),
        ("non_ip", tally.non_ip),
        ("fragments", tally.fragments),
        ("cut_short", tally.cut_short),
        ("malformed", tally.malformed),
        ("unknown_link", tally.unknown_link.values().sum()),
    ];
    table.iter().find(|(_, count)| *count == 1).map_or("nothing", |(name, _)| name)
}

#[test]
fn every_link_layer_leads_to_the_segment() {
    for v6 in [false, true] {
        let tcp = syn(v6);
        let frame = ethernet(&tcp);
        let (mac, ether_type, ip) = (&frame[..12], &frame[12..14], &frame[ETHERNET..]);
        let bsd_family = if v6 { 30 } else { 2 };
        let linux_family = if v6 { 10 } else { 2 };
        let ip_len = u8::try_from(ip.len() + 4).expect("a small packet");
        let tag = |number: u16| [&number.to_be_bytes()[..], &[0x20, 5]].concat();
        let ppp_protocol = if v6 { 0x57 } else { 0x21 };
        let (snap, address) = ([&[0xaa, 0xaa, 3, 0, 0, 0], ether_type].concat(), [0; 22]);
        let table: [(u16, Vec<u8>); 22] = [
            // Two labels, the second of which is the last.
            (1, [mac, &[0x88, 0x47, 0, 1, 0, 64, 0, 1, 1, 64], ip].concat()),
            (1, [mac, &tag(0x8100), &[0x88, 0x48, 0, 1, 1, 64], ip].concat()),
            (1, [mac, &[0x88, 0x64, 0x11, 0, 0, 9, 0, 62, 0, ppp_protocol], ip].concat()),
            // Data; quality of service with an HT field; four addresses, behind radiotap.
            (105, [&[0x08, 0x01], &address[..], &snap, ip].concat()),
            (105, [&[0x88, 0x82], &address[..], &[0; 2], &[0; 4], &snap, ip].concat()),
            (105, [&[0x88, 0x02], &address[..], &[0; 2], &snap, ip].concat()),
            (
                127,
                [&[0, 0, 10, 0, 0, 0], &[0; 4][..], &[8, 3], &address, &[0; 6], &snap, ip].concat(),
            ),
            (1, frame.clone()),
            (1, [mac, &tag(0x8100), ether_type, ip].concat()),
            (1, [mac, &tag(0x88a8), &tag(0x8100), ether_type, ip].concat()),
            (1, [mac, &tag(0x9100), &tag(0x8100), ether_type, ip].concat()),
            (113, [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], ether_type, ip].concat()),
            (
                276,
                [ether_type, &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], ip].concat(),
            ),
            (101, ip.to_vec()),
            (12, ip.to_vec()),
            (14, ip.to_vec()),
            (if v6 { 229 } else { 228 }, ip.to_vec()),
            (0, [&[bsd_family, 0, 0, 0], ip].concat()),
            (0, [&[0, 0, 0, bsd_family], ip].concat()),
            (108, [&[0, 0, 0, bsd_family], ip].concat()),
            // Two attributes: a prefix of three octets, padded, and the packet.
            (
                239,
                [&[linux_family, 0, 0, 1, 7, 0, 10, 0, b'h', b'i', 0, 0, ip_len, 0, 9, 0], ip]
                    .concat(),
            ),
            (239, [&[linux_family, 0, 0, 1, ip_len, 0, 9, 0], ip].concat()),
        ];
        for (link, data) in table {
            let reading = one(link, &data, usize::MAX);
            assert_eq!(tcp_of(&reading), Some(Chosen::from(&tcp)), "{}", LinkType(link));
        }
    }
}

#[test]
fn unknown_links_are_counted_by_number_and_named() {
    for (link, name) in [(189, "189 (USB_LINUX)"), (147, "147")] {
        let reading = one(link, &[0; 60], usize::MAX);
        assert_eq!(reading.tally.unknown_link.get(&LinkType(link)), Some(&1));
        let diagnostics = reading.tally.diagnostics(SourceId::default());
        assert!(diagnostics[0].message.contains(name), "{}", diagnostics[0].message);
    }
}

/// With `-s 68` a strict parser loses every SYN, for its options are cut.
#[test]
fn a_segment_is_read_as_far_as_it_was_captured() {
    for v6 in [false, true] {
        let frame = ethernet(&syn(v6));
        let tcp_at = ETHERNET + if v6 { 40 } else { 20 };
        for snaplen in 0..=frame.len() {
            let reading = one(1, &frame, snaplen);
            let found = tcp_of(&reading);
            if snaplen < tcp_at + 14 {
                assert_eq!((found, counted(&reading.tally)), (None, "cut_short"), "{snaplen}");
                continue;
            }
            // MSS is four octets, timestamps ten.
            let timestamps = (snaplen >= tcp_at + 20 + 4 + 10).then_some((7, 0));
            let expected = Tcp { timestamps, ..syn(v6) };
            assert_eq!(found, Some(Chosen::from(&expected)), "{snaplen}");
        }
    }
}

proptest! {
    #[test]
    fn padding_and_snaplen_do_not_change_the_payload_length(
        tcp in any_tcp(), padding in 0..60_usize, kept in 74..400_usize,
    ) {
        let mut frame = ethernet(&tcp);
        frame.resize(frame.len() + padding, 0xaa);
        let found = tcp_of(&one(1, &frame, kept));
        let expected = Tcp { timestamps: None, ..tcp.clone() };
        let found_without_options = found.map(Chosen::without_timestamps);
        prop_assert_eq!(found_without_options, Some(Chosen::from(&expected)));
    }

    #[test]
    fn any_frame_of_any_link_is_counted_once(
        link in prop_oneof![Just(0_u16), Just(1), Just(12), Just(101), Just(108), Just(113), Just(239), Just(276), any::<u16>()],
        data in proptest::collection::vec(any::<u8>(), 0..120),
        tcp in any_tcp(),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        // `read` checks that the tally adds up.
        read(pcap(ByteOrder::Big, 0xa1b2_c3d4, link, &[Shot { nanos: 1000, data, wire_len: 90 }]).as_slice());
        let mut frame = ethernet(&tcp);
        let at = at.index(frame.len());
        frame[at] = octet;
        one(1, &frame, usize::MAX);
    }
}

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

/// An ICMP error from a router about the SYN, which quotes `quote` octets of the TCP header.
fn icmp(v6: bool, kind: u8, code: u8, quote: usize) -> Vec<u8> {
    let quoted = &ethernet(&syn(v6))[ETHERNET..];
    let ip_len = if v6 { 40 } else { 20 };
    let body = &quoted[..ip_len + quote];
    let mut packet = Vec::new();
    let mut router = [0; 16];
    (router[0], router[15]) = (0xfd, 0xfe);
    if v6 {
        PacketBuilder::ipv6(router, [0xfd; 16], 64)
            .icmpv6_raw(kind, code, [0; 4])
            .write(&mut packet, body)
    } else {
        PacketBuilder::ipv4([10, 0, 0, 254], [10, 0, 0, 1], 64)
            .icmpv4_raw(kind, code, [0; 4])
            .write(&mut packet, body)
    }
    .expect("memory takes it");
    packet
}

#[test]
fn icmp_errors_tell_the_segment_that_they_quote() {
    let table = [
        (false, 3, 13, 8, "icmp_errors"),
        (false, 11, 0, 36, "icmp_errors"),
        (false, 12, 0, 20, "icmp_errors"),
        (false, 3, 1, 7, "malformed"),
        (false, 8, 0, 8, "other_ip"),
        (false, 0, 0, 8, "other_ip"),
        (true, 1, 4, 8, "icmp_errors"),
        (true, 2, 0, 36, "icmp_errors"),
        (true, 3, 0, 8, "icmp_errors"),
        (true, 4, 1, 8, "icmp_errors"),
        (true, 128, 0, 8, "other_ip"),
    ];
    for (v6, kind, code, quote, counter) in table {
        let packet = icmp(v6, kind, code, quote);
        let reading = one(101, &packet, usize::MAX);
        assert_eq!(counted(&reading.tally), counter, "{kind}/{code} {quote}");
        let Some(Packet::Icmp(error)) = reading.packets.first() else { continue };
        let reporter: IpAddr = if v6 { "fd00::fe" } else { "10.0.0.254" }.parse().expect("one");
        let family = if v6 { IcmpFamily::V6 } else { IcmpFamily::V4 };
        let quoted =
            if v6 { "[fd00::1]:40000 [fd00::9]:8080" } else { "10.0.0.1:40000 10.0.0.9:8080" };
        assert_eq!(format!("{} {}", error.quoted.client, error.quoted.server), quoted);
        let IcmpError { quoted_seq, .. } = *error;
        assert_eq!((error.reporter, error.family), (reporter, family));
        assert_eq!((error.kind, error.code), (kind, code));
        assert_eq!(quoted_seq, SeqNumber(0xdead_beef));
    }
    let mut quotes_a_later_fragment = icmp(false, 3, 13, 8);
    quotes_a_later_fragment[20 + 8 + 7] = 1;
    assert_eq!(counted(&one(101, &quotes_a_later_fragment, usize::MAX).tally), "other_ip");
    // Cut by the snapshot length instead.
    let packet = icmp(false, 3, 13, 36);
    assert_eq!(counted(&one(101, &packet, 20 + 8 + 20 + 7).tally), "cut_short");
    assert_eq!(counted(&one(101, &packet, 20 + 8 + 20 + 8).tally), "icmp_errors");
}

/// A segment in a packet of `protocol` from 192.0.2.1 to 192.0.2.9, behind the tunnel's headers.
fn carried(protocol: u8, headers: &[u8], inner: &[u8]) -> Vec<u8> {
    let payload = [headers, inner].concat();
    let length = u16::try_from(payload.len()).expect("a small packet");
    let header = Ipv4Header::new(length, 63, protocol.into(), [192, 0, 2, 1], [192, 0, 2, 9])
        .expect("a small packet");
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    header.write(&mut frame).expect("memory takes it");
    frame.extend(payload);
    frame
}

#[test]
fn one_level_of_tunnel_leads_to_the_inner_segment() {
    for v6 in [false, true] {
        let tcp = syn(v6);
        let frame = ethernet(&tcp);
        let (ether_type, ip) = (&frame[12..14], &frame[ETHERNET..]);
        let udp = |port: u16| [&[0x30, 0x39], &port.to_be_bytes()[..], &[0, 0, 0, 0]].concat();
        let gre = |flags: u8, optional: usize| -> Vec<u8> {
            [&[flags, 0], ether_type, &vec![7; optional]].concat()
        };
        let erspan_iii = [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1][..], &[0x20; 11]].concat();
        let vxlan = [8, 0, 0, 0, 0, 0, 1, 0];
        let table: [(Tunnel, u8, Vec<u8>, &[u8]); 14] = [
            (Tunnel::IpInIp, if v6 { 41 } else { 4 }, vec![], ip),
            (Tunnel::Gre, 47, gre(0, 0), ip),
            (Tunnel::Gre, 47, gre(0x80, 4), ip),
            (Tunnel::Gre, 47, gre(0x20, 4), ip),
            (Tunnel::Gre, 47, gre(0xb0, 12), ip),
            (Tunnel::Gre, 47, vec![0, 0, 0x65, 0x58], &frame),
            (Tunnel::Erspan, 47, vec![0, 0, 0x88, 0xbe], &frame),
            (Tunnel::Erspan, 47, [&[0x10, 0, 0x88, 0xbe][..], &[1; 12]].concat(), &frame),
            (Tunnel::Erspan, 47, [&erspan_iii[..], &[0]].concat(), &frame),
            (Tunnel::Erspan, 47, [&erspan_iii[..], &[1], &[0; 8]].concat(), &frame),
            (Tunnel::Vxlan, 17, [&udp(4789)[..], &vxlan].concat(), &frame),
            (Tunnel::Vxlan, 17, [&udp(8472)[..], &vxlan].concat(), &frame),
            // No options and Ethernet; one option of eight octets and IP.
            (
                Tunnel::Geneve,
                17,
                [&udp(6081)[..], &[0, 0, 0x65, 0x58, 0, 0, 1, 0]].concat(),
                &frame,
            ),
            (
                Tunnel::Geneve,
                17,
                [&udp(6081)[..], &[2, 0], ether_type, &[0, 0, 1, 0], &[9; 8]].concat(),
                ip,
            ),
        ];
        for (tunnel, protocol, headers, inner) in table {
            let data = carried(protocol, &headers, inner);
            let reading = one(1, &data, usize::MAX);
            assert_eq!(tcp_of(&reading), Some(Chosen::from(&tcp)), "{tunnel}");
            assert_eq!(reading.tally.tunnelled.into_iter().collect::<Vec<_>>(), [(tunnel, 1)]);
            // Cut anywhere it is a cut frame, or of no tunnel that could be told.
            for snaplen in 0..data.len() - 60 {
                let reading = one(1, &data, snaplen);
                let counter = counted(&reading.tally);
                assert!(
                    ["cut_short", "other_ip"].contains(&counter),
                    "{tunnel} {snaplen} {counter}"
                );
                assert_eq!(reading.packets, []);
            }
            // A second level is not opened.
            let mut twice = carried(4, &[], &data[ETHERNET..]);
            assert_eq!(counted(&one(1, &twice, usize::MAX).tally), "other_ip", "{tunnel}");
            twice.truncate(30);
            assert_eq!(counted(&one(1, &twice, usize::MAX).tally), "malformed", "{tunnel}");
        }
    }
}

#[test]
fn what_only_looks_like_a_tunnel_is_other_traffic() {
    let frame = ethernet(&syn(false));
    let arp = [&[0; 12], &[0x08, 0x06][..], &[0; 46]].concat();
    let table: [(u8, &[u8], &[u8]); 7] = [
        // UDP from port 53, VXLAN without its flag, Geneve of another version, PPTP, source routes.
        (17, &[0, 53, 0x12, 0x34, 0, 0, 0, 0], &frame),
        (17, &[0, 53, 0x12, 0xb5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], &frame),
        (17, &[0, 53, 0x17, 0xc1, 0, 0, 0, 0, 0x40, 0, 0x65, 0x58, 0, 0, 1, 0], &frame),
        (47, &[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0], &frame),
        (47, &[0x40, 0, 0x08, 0, 0, 0, 0, 0], &frame[ETHERNET..]),
        (47, &[0, 0, 0x65, 0x58], &arp),
        (50, &[], &frame),
    ];
    for (protocol, headers, inner) in table {
        let reading = one(1, &carried(protocol, headers, inner), usize::MAX);
        assert_eq!(counted(&reading.tally), "other_ip", "{protocol} {headers:02x?}");
        assert_eq!(reading.packets, []);
    }
}

/// Encrypted, no data, beacons, aggregates, LLC without SNAP.
#[test]
fn other_wireless_frames_are_no_ip() {
    let frame = ethernet(&syn(false));
    let inner = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &frame[ETHERNET..]].concat();
    let table: [(&[u8], &[u8]); 5] = [
        (&[0x08, 0x41], &inner),
        (&[0x48, 0x01], &inner),
        (&[0x80, 0x00], &inner),
        (&[0x88, 0x02], &[&[0x80, 0], &inner[..]].concat()),
        (&[0x08, 0x01], &[&[0x42, 0x42, 3], &inner[..]].concat()),
    ];
    for (control, rest) in table {
        let reading = one(105, &[control, &[0; 22], rest].concat(), usize::MAX);
        assert_eq!(counted(&reading.tally), "non_ip", "{control:02x?}");
    }
}

/// Tunnel, identifier, protocol number, headers, what is inside.
type Carried<'a> = (Tunnel, Option<u32>, u8, Vec<u8>, &'a [u8]);

/// Where a packet came from is told of frames that are shown, from the outer headers alone.
#[test]
fn the_outside_of_a_tunnel_is_told() {
    let frame = ethernet(&syn(false));
    let ip = &frame[ETHERNET..];
    let udp = |port: u16| [&[0x30, 0x39], &port.to_be_bytes()[..], &[0, 0, 0, 0]].concat();
    let vxlan = [&udp(4789)[..], &[8, 0, 0, 0, 0x01, 0x02, 0x03, 0]].concat();
    let geneve = [&udp(6081)[..], &[0, 0, 0x65, 0x58, 0, 0, 42, 0]].concat();
    let keyed = vec![0xa0, 0, 0x08, 0, 9, 9, 9, 9, 0, 0, 1, 0];
    let erspan = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1][..], &[0x10, 0, 0xfc, 5, 0, 0, 0, 0]].concat();
    let table: [Carried<'_>; 7] = [
        (Tunnel::Vxlan, Some(0x0001_0203), 17, vxlan, &frame),
        (Tunnel::Geneve, Some(42), 17, geneve, &frame),
        (Tunnel::Gre, Some(256), 47, keyed, ip),
        (Tunnel::Gre, None, 47, vec![0, 0, 0x08, 0], ip),
        (Tunnel::Erspan, Some(5), 47, erspan, &frame),
        (Tunnel::Erspan, None, 47, vec![0, 0, 0x88, 0xbe], &frame),
        (Tunnel::IpInIp, None, 4, vec![], ip),
    ];
    let envelope = |data: &[u8]| {
        let shot = Shot { nanos: 1, data: data.to_vec(), wire_len: 2000 };
        let file = pcap(ByteOrder::Little, 0xa1b2_3c4d, 1, &[shot]);
        let mut reader = CaptureReader::new(file.as_slice(), SourceId(0)).expect("a capture");
        let block = reader.next_block().expect("a block");
        match block.records().next().expect("a record").content {
            Content::Frame(frame) => frame.envelope(),
            _ => None,
        }
    };
    for (tunnel, id, protocol, headers, inner) in table {
        let found = envelope(&carried(protocol, &headers, inner)).expect("a tunnel");
        assert_eq!((found.tunnel, found.id), (tunnel, id));
        assert_eq!(found.source.to_string(), "192.0.2.1");
        assert_eq!(found.destination.to_string(), "192.0.2.9");
    }
    assert_eq!(envelope(&frame), None, "no tunnel at all");
}
