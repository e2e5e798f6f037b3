//! ICMP and ICMPv6 errors that quote a segment.

use std::net::IpAddr;

use etherparse::PacketBuilder;
use why504_model::{IcmpError, IcmpFamily, Packet, SeqNumber};

use crate::render::ethernet;
use crate::{ETHERNET, counted, one, syn};

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
