//! The parallel part: frames to packets, each frame counted once.

use why504_model::{
    Checksum, Endpoint, IcmpError, Location, Packet, Resolution, Segment, SourceId, TcpFlags,
    Timestamp,
};

use crate::block::{Block, Content, Frame};
use crate::link::Protocol;
use crate::tally::{DecodeTally, Unused};
use crate::{link, net, tcp, tunnel};

impl Block {
    /// Appends the packets of the block to `out`, in file order. Every frame of the block is counted
    /// in the tally: its [`frames`](DecodeTally::frames) is [`Block::frame_count`].
    pub fn decode(&self, source: SourceId, out: &mut Vec<Packet>) -> DecodeTally {
        self.for_each_packet(source, |packet| out.push(packet))
    }

    /// Hands the packets of the block to `each`, in file order, for callers that keep only a few.
    pub fn for_each_packet(&self, source: SourceId, mut each: impl FnMut(Packet)) -> DecodeTally {
        let mut tally = DecodeTally::default();
        for record in self.records() {
            let location = Location { source, record: record.number };
            let Content::Frame(frame) = record.content else {
                tally.count_unusable(&record.content);
                continue;
            };
            let Some(time) = tally.time_of(&frame) else { continue };
            match packet(&frame, time, location, &mut tally) {
                Ok(packet) => {
                    tally.count_packet(&packet);
                    each(packet);
                }
                Err(unused) => tally.count(unused),
            }
        }
        tally
    }
}

/// What one frame means to us. A tunnel that it came through is noted in the tally.
#[inline]
pub(crate) fn packet(
    frame: &Frame<'_>,
    time: Timestamp,
    location: Location,
    tally: &mut DecodeTally,
) -> Result<Packet, Unused> {
    let network = link::network(frame)?;
    if network.protocol == Protocol::Arp {
        return Ok(asked(net::arp::resolution(&network)?, time, location));
    }
    let outer = net::packet(&network)?;
    let inner;
    let ip = if matches!(outer.protocol, net::TCP | net::ICMP | net::ICMPV6) {
        &outer
    } else {
        inner = tunnelled(&outer, tally)?;
        &inner
    };
    let mut packet = transport(ip, time, location)?;
    if let Packet::Tcp(segment) = &mut packet
        && segment.flags.contains(TcpFlags::SYN)
    {
        segment.checksum = tcp::checksum(ip);
        segment.vlan = link::vlan(frame);
    }
    Ok(packet)
}

/// Who asks for whose address. Apart from the common case, which must stay small.
#[cold]
fn asked(found: net::Resolution, time: Timestamp, location: Location) -> Packet {
    let net::Resolution { answer, link, sender, target } = found;
    Packet::Resolution(Resolution { time, location, answer, link, sender, target })
}

/// The IP packet with a segment or ICMP in it that came through a tunnel. Apart from the common
/// case, which must stay small.
#[cold]
fn tunnelled<'a>(
    outer: &net::IpPacket<'a>,
    tally: &mut DecodeTally,
) -> Result<net::IpPacket<'a>, Unused> {
    let (tunnel, network) = tunnel::inside(outer)?;
    let inner = net::packet(&network)
        .map_err(|unused| if unused == Unused::NonIp { Unused::OtherIp } else { unused })?;
    if !matches!(inner.protocol, net::TCP | net::ICMP | net::ICMPV6) {
        return Err(Unused::OtherIp);
    }
    let counter = tally.tunnelled.entry(tunnel).or_default();
    *counter = counter.saturating_add(1);
    Ok(inner)
}

/// The segment or the ICMP error in an IP packet.
#[inline]
fn transport(
    ip: &net::IpPacket<'_>,
    time: Timestamp,
    location: Location,
) -> Result<Packet, Unused> {
    match ip.protocol {
        net::TCP => {
            let header = tcp::header(ip)?;
            Ok(Packet::Tcp(Segment {
                time,
                location,
                source: Endpoint::new(ip.source, header.source_port),
                destination: Endpoint::new(ip.destination, header.destination_port),
                seq: header.seq,
                ack: header.ack,
                timestamps: header.timestamps,
                payload_len: header.payload_len,
                ip_id: ip.ip_id,
                ttl: ip.ttl,
                flags: header.flags,
                checksum: Checksum::Unknown,
                vlan: None,
            }))
        }
        net::ICMP | net::ICMPV6 => {
            if ip.protocol == net::ICMPV6
                && let Some(found) = net::neighbour::resolution(ip)
            {
                return Ok(asked(found, time, location));
            }
            let error = net::icmp::error(ip)?;
            Ok(Packet::Icmp(IcmpError {
                time,
                location,
                reporter: error.reporter,
                family: error.family,
                kind: error.kind,
                code: error.code,
                quoted: error.quoted,
                quoted_seq: error.quoted_seq,
            }))
        }
        _ => Err(Unused::OtherIp),
    }
}
