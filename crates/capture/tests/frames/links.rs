//! Every link layer leads to the segment, and what is none is counted as such.

use why504_capture::{ByteOrder, Frame, LinkType};
use why504_model::SourceId;

use crate::render::{Chosen, ethernet};
use crate::{ETHERNET, counted, one, syn, tcp_of};

#[test]
fn every_link_layer_leads_to_the_segment() {
    for v6 in [false, true] {
        let tcp = syn(v6);
        let frame = ethernet(&tcp);
        let (mac, rest) = (&frame[..12], &frame[12..]);
        let (ether_type, ip) = (&frame[12..14], &frame[ETHERNET..]);
        let bsd_family = if v6 { 30 } else { 2 };
        let linux_family = if v6 { 10 } else { 2 };
        let ip_len = u8::try_from(ip.len() + 4).expect("a small packet");
        let tag = |number: u16| [&number.to_be_bytes()[..], &[0x20, 5]].concat();
        let ppp_protocol = if v6 { 0x57 } else { 0x21 };
        let (snap, address) = ([&[0xaa, 0xaa, 3, 0, 0, 0], ether_type].concat(), [0; 22]);
        let table: [(u16, Vec<u8>); 25] = [
            // Two labels, the second of which is the last.
            (1, [mac, &[0x88, 0x47, 0, 1, 0, 64, 0, 1, 1, 64], ip].concat()),
            // Ethernet behind a label (RFC 4448): with a control word and a number in it, without one,
            // and with an address that begins as a control word does.
            (1, [mac, &[0x88, 0x47, 0, 1, 1, 64], &[0, 0, 0, 7], &frame].concat()),
            (1, [mac, &[0x88, 0x47, 0, 1, 1, 64], &[0x9e; 12], rest].concat()),
            (1, [mac, &[0x88, 0x47, 0, 1, 1, 64], &[0; 12], &[0x81, 0, 0, 5], rest].concat()),
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

/// Headers in the byte order of the file: the address family of BSD, and the attributes of NFLOG, one of
/// which is of seven octets.
#[test]
fn a_frame_is_copied_to_a_file_of_another_byte_order() {
    let frame = ethernet(&syn(false));
    let ip = &frame[ETHERNET..];
    let length = u16::try_from(ip.len() + 4).expect("a small packet");
    let nflog = |number: fn(u16) -> [u8; 2]| {
        let name = [&number(7)[..], &number(10), b"gw\0\0"].concat();
        [&[2, 0, 0, 1], &name[..], &number(length), &number(9), ip].concat()
    };
    for (link, big, little) in [
        (0, [&[0, 0, 0, 2], ip].concat(), [&[2, 0, 0, 0], ip].concat()),
        (239, nflog(u16::to_be_bytes), nflog(u16::to_le_bytes)),
        (108, [&[0, 0, 0, 2], ip].concat(), [&[0, 0, 0, 2], ip].concat()),
        (1, frame.clone(), frame.clone()),
    ] {
        let (link, wire_len) = (LinkType(link), 99);
        let copy = |data: &[u8], order, other| {
            Frame { time: None, link, wire_len, data, order }.octets_in(other).into_owned()
        };
        assert_eq!(copy(&big, ByteOrder::Big, ByteOrder::Little), little, "{link}");
        assert_eq!(copy(&little, ByteOrder::Little, ByteOrder::Big), big, "{link}");
        assert_eq!(copy(&big, ByteOrder::Big, ByteOrder::Big), big, "{link}");
        // Cut anywhere it is copied all the same.
        for cut in 0..big.len() {
            assert_eq!(copy(&big[..cut], ByteOrder::Big, ByteOrder::Little).len(), cut, "{link}");
        }
    }
}
