//! One frame at a time: link layers, IP, TCP and ICMP, whole and cut.

mod icmp;
mod links;
mod network;
#[path = "../render/mod.rs"]
mod render;
mod segments;
mod tunnels;

use render::{Chosen, Shot, Tcp, chosen, pcap, read};
use why504_capture::{ByteOrder, DecodeTally};

/// Octets of an Ethernet header.
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
