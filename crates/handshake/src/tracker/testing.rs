//! Packets written by hand, for the tests of this crate.

use core::net::Ipv4Addr;

use why504_model::{
    Checksum, Endpoint, Location, Packet, Segment, SeqNumber, Span, TcpFlags, TcpTimestamps,
    Timestamp,
};

use crate::{Closing, PointId, Sighting, Tracker};

/// A client, a server and their ISNs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            client: Endpoint::new(Ipv4Addr::new(10, 0, 0, 5).into(), 40_112),
            server: Endpoint::new(Ipv4Addr::new(10, 0, 0, 9).into(), 8080),
        }
    }
}

impl Wire {
    /// A packet `ms` milliseconds into the test; `flags` in tcpdump's letters, `>` in front for
    /// client to server, `<` for server to client.
    pub(crate) fn packet(&self, ms: i64, flags: &str, seq: u32, ack: u32) -> Packet {
        let time = Timestamp::from_parts(1_000_000, 0) + Span::from_millis(ms);
        let (direction, letters) = flags.split_at(1);
        let (from, to) = match direction {
            ">" => (self.client, self.server),
            _ => (self.server, self.client),
        };
        let bits = letters.chars().fold(TcpFlags::default(), |all, letter| {
            all | match letter {
                'S' => TcpFlags::SYN,
                'R' => TcpFlags::RST,
                'F' => TcpFlags::FIN,
                'P' => TcpFlags::PSH,
                _ => TcpFlags::ACK,
            }
        });
        let mut segment = segment(time, from, to, bits, seq, ack);
        if letters.contains('P') {
            segment.payload_len = 100;
        }
        Packet::Tcp(segment)
    }
}

/// A segment with the fields that matter here.
pub(crate) fn segment(
    time: Timestamp,
    source: Endpoint,
    destination: Endpoint,
    flags: TcpFlags,
    seq: u32,
    ack: u32,
) -> Segment {
    Segment {
        time,
        location: Location::default(),
        source,
        destination,
        seq: SeqNumber(seq),
        ack: SeqNumber(ack),
        timestamps: Some(TcpTimestamps {
            value: u32::try_from(time.nanos() / 1_000_000 % 1_000_000_000).unwrap_or(0),
            echo: 0,
        }),
        payload_len: 0,
        ip_id: Some(0),
        ttl: 64,
        flags,
        checksum: Checksum::Unknown,
        vlan: None,
    }
}

/// All attempts in these packets, in the order in which they closed.
pub(crate) fn sightings(packets: &[Packet]) -> alloc::vec::Vec<Sighting> {
    let mut tracker = Tracker::new(PointId(0));
    for packet in packets {
        tracker.push(packet);
    }
    tracker.end();
    let closed = tracker.take();
    let (_, tally) = tracker.finish();
    assert_eq!(
        tally.packets,
        tally.credited + tally.established + tally.unmatched + tally.captured_twice,
        "the tally adds up: {tally:?}"
    );
    closed
}

/// The only attempt with this ISN.
pub(crate) fn by_isn(all: &[Sighting], isn: u32) -> &Sighting {
    let mut found = all.iter().filter(|s| s.isn == SeqNumber(isn));
    let sighting = found.next().expect("an attempt with this ISN");
    assert!(found.next().is_none(), "one attempt for one ISN");
    sighting
}

/// Histories and closings, for assertions on all attempts at once.
pub(crate) fn summary(all: &[Sighting]) -> alloc::vec::Vec<(u32, alloc::string::String, Closing)> {
    all.iter().map(|s| (s.isn.0, s.history(), s.closing)).collect()
}
