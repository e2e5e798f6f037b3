//! One level of tunnel is opened, and the evidence is told what it was.

use etherparse::Ipv4Header;
use why504_capture::{ByteOrder, CaptureReader, Content, Tunnel};
use why504_model::SourceId;

use crate::render::{Chosen, Shot, ethernet, pcap};
use crate::{ETHERNET, counted, one, syn, tcp_of};

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
        let table: [(Tunnel, u8, Vec<u8>, &[u8]); 15] = [
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
            // A frame of type 2 is IP without Ethernet.
            (Tunnel::Erspan, 47, [&erspan_iii[..18], &[2 << 2, 0]].concat(), ip),
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
