//! Writes what the tests read: pcap and pcapng in every variant, and frames built by etherparse,
//! which knows nothing of the code under test.
#![allow(dead_code, reason = "each test file uses its part")]

use etherparse::{PacketBuilder, TcpOptionElement};
use proptest::prelude::*;
use why504_capture::{ByteOrder, CaptureReader, CaptureSummary, DecodeTally};
use why504_model::{Packet, SourceId, TcpFlags, TcpTimestamps};

/// A frame with its time.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    /// Nanoseconds since the epoch.
    pub(crate) nanos: u64,
    /// What was captured of it.
    pub(crate) data: Vec<u8>,
    /// Its length on the wire.
    pub(crate) wire_len: u32,
}

/// The fields of a TCP segment that the tests choose.
#[derive(Clone, Debug)]
pub(crate) struct Tcp {
    pub(crate) v6: bool,
    pub(crate) ports: (u16, u16),
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) payload: usize,
}

/// The Ethernet frame of a segment from 10.0.0.1 to 10.0.0.9, or from fd00::1 to fd00::9.
pub(crate) fn ethernet(tcp: &Tcp) -> Vec<u8> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]);
    let (mut a, mut b) = ([0; 16], [0; 16]);
    (a[0], a[15], b[0], b[15]) = (0xfd, 1, 0xfd, 9);
    let ip = if tcp.v6 { link.ipv6(a, b, 61) } else { link.ipv4([10, 0, 0, 1], [10, 0, 0, 9], 61) };
    let mut builder = ip.tcp(tcp.ports.0, tcp.ports.1, tcp.seq, 64_240);
    let has = |flag: TcpFlags| tcp.flags & flag.0 != 0;
    if has(TcpFlags::SYN) {
        builder = builder.syn();
    }
    if has(TcpFlags::ACK) {
        builder = builder.ack(tcp.ack);
    }
    if has(TcpFlags::RST) {
        builder = builder.rst();
    }
    if has(TcpFlags::FIN) {
        builder = builder.fin();
    }
    if let Some((value, echo)) = tcp.timestamps {
        let maximum = TcpOptionElement::MaximumSegmentSize(1460);
        let options = [maximum, TcpOptionElement::Timestamp(value, echo)];
        builder = builder.options(&options).expect("they fit");
    }
    let mut frame = Vec::new();
    builder.write(&mut frame, &vec![b'x'; tcp.payload]).expect("memory takes it");
    frame
}

/// Any segment that [`ethernet`] can build.
pub(crate) fn any_tcp() -> impl Strategy<Value = Tcp> {
    let flags = prop_oneof![Just(0x02), Just(0x12), Just(0x10), Just(0x04), Just(0x14), Just(0x11)];
    let timestamps = proptest::option::of(any::<(u32, u32)>());
    (any::<bool>(), any::<(u16, u16)>(), any::<(u32, u32)>(), flags, timestamps, 0..200_usize)
        .prop_map(|(v6, ports, (seq, ack), flags, timestamps, payload)| {
            let ack = if flags & 0x10 == 0 { 0 } else { ack };
            Tcp { v6, ports, seq, ack, flags, timestamps, payload }
        })
}

/// Frames of segments at microseconds of this century, in any order, captured whole.
pub(crate) fn any_shots(most: usize) -> impl Strategy<Value = Vec<Shot>> {
    let shot = (1..4_000_000_000_000_000_u64, any_tcp()).prop_map(|(micros, tcp)| {
        let data = ethernet(&tcp);
        let wire_len = u32::try_from(data.len()).expect("a small frame");
        Shot { nanos: micros * 1000, data, wire_len }
    });
    proptest::collection::vec(shot, 0..most)
}

/// A pcap file of one link type.
pub(crate) fn pcap(order: ByteOrder, magic: u32, link: u16, shots: &[Shot]) -> Vec<u8> {
    let mut file = Numbers { order, bytes: Vec::new() };
    file.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(262_144).u32(u32::from(link));
    let unit = if magic == 0xa1b2_3c4d { 1 } else { 1000 };
    for shot in shots {
        file.u32(low(shot.nanos / 1_000_000_000)).u32(low(shot.nanos % 1_000_000_000 / unit));
        file.u32(len(&shot.data)).u32(shot.wire_len);
        if magic == 0xa1b2_cd34 {
            file.u32(7).u16(0x0800).u16(0);
        }
        file.bytes.extend_from_slice(&shot.data);
    }
    file.bytes
}

/// Builds a pcapng file block by block.
pub(crate) struct PcapNg {
    pub(crate) order: ByteOrder,
    pub(crate) file: Vec<u8>,
}

impl PcapNg {
    /// A file that begins with a section header.
    pub(crate) fn new(order: ByteOrder) -> Self {
        let mut new = Self { order, file: Vec::new() };
        new.section(order);
        new
    }

    /// Another section, possibly in the other byte order.
    pub(crate) fn section(&mut self, order: ByteOrder) -> &mut Self {
        self.order = order;
        let mut body = self.numbers();
        body.u32(0x1a2b_3c4d).u16(1).u16(0).u32(u32::MAX).u32(u32::MAX);
        self.block(0x0a0d_0d0a, &body.bytes)
    }

    /// An interface with `if_tsresol` and `if_tsoffset`, and a name.
    pub(crate) fn interface(
        &mut self,
        link: u16,
        resolution: u8,
        offset: i64,
        name: &str,
    ) -> &mut Self {
        let mut body = self.numbers();
        body.u16(link).u16(0).u32(262_144);
        body.option(2, name.as_bytes()).option(9, &[resolution]);
        let mut number = self.numbers();
        number.u64(offset.cast_unsigned());
        body.option(14, &number.bytes).option(0, &[]);
        self.block(1, &body.bytes)
    }

    /// An enhanced packet block with a comment.
    pub(crate) fn enhanced(&mut self, interface: u32, units: u64, shot: &Shot) -> &mut Self {
        let mut body = self.numbers();
        body.u32(interface).u32(low(units >> 32)).u32(low(units & 0xffff_ffff));
        body.u32(len(&shot.data)).u32(shot.wire_len).padded(&shot.data);
        body.option(1, b"a comment").option(0, &[]);
        self.block(6, &body.bytes)
    }

    /// An obsolete packet block.
    pub(crate) fn obsolete(&mut self, interface: u16, units: u64, shot: &Shot) -> &mut Self {
        let mut body = self.numbers();
        body.u16(interface).u16(3).u32(low(units >> 32)).u32(low(units & 0xffff_ffff));
        body.u32(len(&shot.data)).u32(shot.wire_len).padded(&shot.data);
        self.block(2, &body.bytes)
    }

    /// A simple packet block.
    pub(crate) fn simple(&mut self, shot: &Shot) -> &mut Self {
        let mut body = self.numbers();
        body.u32(shot.wire_len).padded(&shot.data);
        self.block(3, &body.bytes)
    }

    /// Interface statistics with received and dropped packets.
    pub(crate) fn statistics(
        &mut self,
        interface: u32,
        received: u64,
        dropped: (u64, u64),
    ) -> &mut Self {
        let mut body = self.numbers();
        body.u32(interface).u32(0).u32(0);
        for (code, number) in [(4, received), (5, dropped.0), (7, dropped.1)] {
            let mut value = self.numbers();
            value.u64(number);
            body.option(code, &value.bytes);
        }
        self.block(5, &body.bytes)
    }

    /// Any block; `body` is padded.
    pub(crate) fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let mut block = self.numbers();
        let padded = body.len().next_multiple_of(4);
        let length = u32::try_from(padded + 12).expect("a small block");
        block.u32(kind).u32(length).padded(body).u32(length);
        self.file.append(&mut block.bytes);
        self
    }

    fn numbers(&self) -> Numbers {
        Numbers { order: self.order, bytes: Vec::new() }
    }
}

/// Numbers in one byte order.
struct Numbers {
    order: ByteOrder,
    bytes: Vec<u8>,
}

impl Numbers {
    fn number(&mut self, little: &[u8]) -> &mut Self {
        match self.order {
            ByteOrder::Little => self.bytes.extend(little),
            ByteOrder::Big => self.bytes.extend(little.iter().rev()),
        }
        self
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.number(&number.to_le_bytes())
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.number(&number.to_le_bytes())
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.number(&number.to_le_bytes())
    }

    fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len()).expect("a short option");
        self.u16(code).u16(length).padded(value)
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number).expect("it fits in 32 bits")
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a small frame")
}

/// All that a capture says.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) packets: Vec<Packet>,
    pub(crate) tally: DecodeTally,
    pub(crate) summary: CaptureSummary,
}

/// Reads a whole capture; every frame must be in the tally.
pub(crate) fn read(file: impl std::io::Read) -> Reading {
    let source = SourceId(3);
    let mut reader = CaptureReader::new(file, source).expect("it begins like a capture");
    let (mut packets, mut tally) = (Vec::new(), DecodeTally::default());
    let mut next_frame = 1;
    while let Some(block) = reader.next_block() {
        let part = block.decode(source, &mut packets);
        assert_eq!(block.first_frame(), next_frame);
        assert_eq!(part.frames(), block.frame_count());
        assert_eq!(block.records().count() as u64, block.frame_count());
        next_frame += block.frame_count();
        tally.merge(&part);
    }
    let summary = reader.finish();
    assert_eq!(tally.frames(), summary.frames);
    // Who asks for an address is counted where other packets of its protocol are.
    let asked = packets.iter().filter(|packet| matches!(packet, Packet::Resolution(_))).count();
    assert_eq!((packets.len() - asked) as u64, tally.tcp + tally.icmp_errors);
    Reading { packets, tally, summary }
}

/// Frame number, time, and what the test chose of each segment.
pub(crate) fn chosen(packets: &[Packet]) -> Vec<(u64, u64, Chosen)> {
    let segment = |packet: &Packet| match packet {
        Packet::Tcp(segment) => Some((
            segment.location.record,
            segment.time.nanos().cast_unsigned(),
            Chosen {
                v6: segment.source.ip.is_ipv6(),
                ports: (segment.source.port, segment.destination.port),
                seq: segment.seq.0,
                ack: segment.ack.0,
                flags: segment.flags.0,
                timestamps: segment.timestamps,
                payload: segment.payload_len as usize,
            },
        )),
        Packet::Icmp(_) | Packet::Resolution(_) => None,
    };
    packets.iter().filter_map(segment).collect()
}

/// What [`Tcp`] says, as the model's types say it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    v6: bool,
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    flags: u8,
    timestamps: Option<TcpTimestamps>,
    payload: usize,
}

impl From<&Tcp> for Chosen {
    fn from(tcp: &Tcp) -> Self {
        let timestamps = tcp.timestamps.map(|(value, echo)| TcpTimestamps { value, echo });
        let Tcp { v6, ports, seq, ack, flags, payload, .. } = *tcp;
        Self { v6, ports, seq, ack, flags, timestamps, payload }
    }
}

impl Chosen {
    /// For frames that may be cut inside the options.
    pub(crate) fn without_timestamps(self) -> Self {
        Self { timestamps: None, ..self }
    }
}
