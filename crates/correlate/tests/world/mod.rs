//! A small world for tests: hosts, capture points, packets by hand, lines of a log.
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::collections::BTreeMap;

use why504_correlate::{
    Case, Correlation, Grade, OneThread, Points, Threads, Verdict, ZoneEvidence, correlate,
    zone_evidence,
};
use why504_handshake::{Coverage, Path, PointId, Tracker, merge};
use why504_model::{
    Checksum, Endpoint, Interval, LimitSource, LinkAddress, Location, Packet, Resolution, Segment,
    SeqNumber, SourceId, Span, StartBasis, TcpFlags, TcpTimestamps, TimeLimit, Timeout, TimeoutId,
    TimeoutKind, Timestamp,
};

/// The world begins here; all times are milliseconds from it.
const EPOCH: i64 = 1_795_000_000;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_parts(EPOCH, 0) + Span::from_millis(ms)
}

pub(crate) fn upstream() -> Endpoint {
    Endpoint::new([10, 0, 0, 9].into(), 8080)
}

pub(crate) fn gateway(port: u16) -> Endpoint {
    Endpoint::new([10, 0, 0, 5].into(), port)
}

/// One packet on its way: which points it passes.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// At both ends.
    Both,
    /// It left the client and never reached the server's point.
    ClientOnly,
    /// It left the server and never reached the client's point.
    ServerOnly,
}

/// Two capture points, packets and log lines.
#[derive(Default)]
pub(crate) struct World {
    /// Packets by point.
    packets: BTreeMap<u16, Vec<Packet>>,
    pub(crate) lines: Vec<Timeout>,
    /// The capture's clock minus the log's.
    pub(crate) skew: Span,
    /// The zone of the log was only assumed.
    pub(crate) zone_assumed: bool,
}

pub(crate) const CLIENT_POINT: u16 = 0;
pub(crate) const SERVER_POINT: u16 = 1;

impl World {
    /// A world in which both points show both directions, and two ports, of the upstream.
    pub(crate) fn watched() -> Self {
        Self::watched_by(Span::ZERO)
    }

    /// The same, by captures whose clock differs from the log's.
    pub(crate) fn watched_by(skew: Span) -> Self {
        let mut world = Self { skew, ..Self::default() };
        for minute in -1..3 {
            world.healthy(minute * 60_000 + 500, 60_000, upstream());
            let other = Endpoint::new(upstream().ip, 8081);
            world.healthy(minute * 60_000 + 700, 60_001, other);
        }
        world
    }

    /// A packet from the client.
    pub(crate) fn up(
        &mut self,
        ms: i64,
        client: Endpoint,
        flags: u8,
        seq: u32,
        ack: u32,
        seen: Seen,
    ) {
        self.packet(ms, (client, upstream()), (flags, seq, ack, 0), seen);
    }

    /// A packet from the upstream.
    pub(crate) fn down(
        &mut self,
        ms: i64,
        client: Endpoint,
        flags: u8,
        seq: u32,
        ack: u32,
        seen: Seen,
    ) {
        self.packet(ms, (upstream(), client), (flags, seq, ack, 0), seen);
    }

    /// A request of `len` bytes from the client, seen at both points.
    pub(crate) fn request(&mut self, ms: i64, client: Endpoint, seq: u32, ack: u32, len: u32) {
        self.packet(ms, (client, upstream()), (0x18, seq, ack, len), Seen::Both);
    }

    /// A handshake with a request and an answer, seen at both points.
    pub(crate) fn healthy(&mut self, ms: i64, port: u16, server: Endpoint) {
        let client = gateway(port);
        let isn = u32::try_from(ms.rem_euclid(1 << 30)).expect("in range") + u32::from(port);
        for (after, from_client, flags, seq, ack, len) in [
            (0, true, 0x02, isn, 0, 0),
            (1, false, 0x12, 77, isn + 1, 0),
            (2, true, 0x10, isn + 1, 78, 0),
            (3, true, 0x18, isn + 1, 78, 10),
            (4, false, 0x18, 78, isn + 11, 10),
        ] {
            let (from, to) = if from_client { (client, server) } else { (server, client) };
            self.packet(ms + after, (from, to), (flags, seq, ack, len), Seen::Both);
        }
    }

    fn packet(
        &mut self,
        ms: i64,
        (source, destination): (Endpoint, Endpoint),
        (flags, seq, ack, payload_len): (u8, u32, u32, u32),
        seen: Seen,
    ) {
        let points: &[u16] = match seen {
            Seen::Both => &[CLIENT_POINT, SERVER_POINT],
            Seen::ClientOnly => &[CLIENT_POINT],
            Seen::ServerOnly => &[SERVER_POINT],
        };
        for &point in points {
            let from_server = source.ip == upstream().ip;
            // One router lies between the points.
            let ttl = if from_server == (point == SERVER_POINT) { 64 } else { 63 };
            self.packets.entry(point).or_default().push(Packet::Tcp(Segment {
                time: at(ms) + self.skew,
                location: Location { source: SourceId(point.into()), record: 0 },
                source,
                destination,
                seq: SeqNumber(seq),
                ack: SeqNumber(ack),
                timestamps: Some(TcpTimestamps {
                    value: u32::try_from((ms + 1_000_000).rem_euclid(1 << 31)).expect("in range"),
                    echo: 0,
                }),
                payload_len,
                ip_id: Some(if flags & 0x12 == 0x12 { 0 } else { 7 }),
                ttl,
                flags: TcpFlags(flags),
                checksum: Checksum::Unknown,
                vlan: None,
            }));
        }
    }

    /// A host asks the client's link for an address.
    pub(crate) fn asks(&mut self, ms: i64, sender: Endpoint, target: Endpoint) {
        let location = Location { source: SourceId(CLIENT_POINT.into()), record: 0 };
        self.packets.entry(CLIENT_POINT).or_default().push(Packet::Resolution(Resolution {
            time: at(ms) + self.skew,
            location,
            answer: false,
            link: LinkAddress([1; 6]),
            sender: sender.ip,
            target: target.ip,
        }));
    }

    /// A SYN that nobody answers, seen at the client.
    pub(crate) fn unanswered(&mut self, ms: i64, port: u16, isn: u32) {
        self.up(ms, gateway(port), 0x02, isn, 0, Seen::ClientOnly);
    }

    /// A SYN that is answered in vain.
    pub(crate) fn answer_lost(&mut self, ms: i64, port: u16, isn: u32) {
        self.up(ms, gateway(port), 0x02, isn, 0, Seen::Both);
        self.down(ms + 1, gateway(port), 0x12, 9000, isn + 1, Seen::ServerOnly);
    }

    /// A connect timeout of the second in which `ms` lies, with its timer's length if known.
    pub(crate) fn timed_out(&mut self, ms: i64, timer: Option<i64>) -> &mut Timeout {
        let second = Timestamp::from_parts(EPOCH + ms.div_euclid(1000), 0);
        let id = TimeoutId(u32::try_from(self.lines.len()).expect("few"));
        let limit = |ms| TimeLimit {
            at_least: Span::from_millis(ms),
            at_most: Span::from_millis(ms),
            source: LimitSource::Flag,
        };
        self.lines.push(Timeout {
            id,
            location: Location { source: SourceId(9), record: u64::from(id.0) + 1 },
            kind: TimeoutKind::LuaConnectTimeout,
            never_sent: false,
            peer: Some(upstream()),
            logged: Interval::second_from(second),
            start: None,
            limits: timer.map(limit).into_iter().collect(),
            worker: Some(1),
            connection: None,
        });
        self.lines.last_mut().expect("just pushed")
    }

    /// The verdicts, with the points that are given.
    pub(crate) fn judge(&self, given: &[u16]) -> Vec<Case> {
        self.correlate(given).cases
    }

    /// What became of each line.
    pub(crate) fn answers(&self, given: &[u16]) -> Vec<(Verdict, Grade)> {
        self.judge(given).iter().map(|case| (case.verdict, case.grade)).collect()
    }

    /// Those of them that are sure.
    pub(crate) fn sure(&self, given: &[u16]) -> Vec<Verdict> {
        let sure = self.answers(given).into_iter().filter(|(_, grade)| grade.is_sure());
        sure.map(|(verdict, _)| verdict).collect()
    }

    pub(crate) fn correlate(&self, given: &[u16]) -> Correlation {
        self.correlate_by(given, &OneThread)
    }

    pub(crate) fn correlate_by(&self, given: &[u16], threads: &impl Threads) -> Correlation {
        self.with_points(given, |points| {
            let shown = || matches!(zone_evidence(&self.lines, points), ZoneEvidence::Shown(_));
            let known = !self.zone_assumed || shown();
            let logs = self.lines.iter().map(|line| line.location.source);
            let unzoned = logs.filter(|_| !known).collect();
            correlate(&self.lines, points, &unzoned, threads)
        })
    }

    pub(crate) fn zone_evidence(&self, given: &[u16]) -> ZoneEvidence {
        self.with_points(given, |points| zone_evidence(&self.lines, points))
    }

    pub(crate) fn with_points<T>(&self, given: &[u16], work: impl FnOnce(Points<'_>) -> T) -> T {
        let mut path = Path::new(given.iter().map(|&p| PointId(p)));
        let mut sightings = Vec::new();
        let mut coverage: BTreeMap<PointId, Coverage> = BTreeMap::new();
        for &point in given {
            let mut tracker = Tracker::new(PointId(point));
            let mut packets = self.packets.get(&point).cloned().unwrap_or_default();
            packets.sort_by_key(Packet::time);
            for packet in &packets {
                tracker.push(packet);
            }
            tracker.end();
            sightings.extend(tracker.take());
            coverage.insert(PointId(point), tracker.finish().0);
        }
        for sighting in &sightings {
            path.learn(sighting);
        }
        let merged = merge(sightings, &path);
        let coverage = coverage.iter().map(|(point, coverage)| (*point, coverage)).collect();
        let points = Points { path: &path, coverage: &coverage, merged: &merged };
        work(points)
    }

    /// Adds the packets of another world.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (point, packets) in other.packets {
            self.packets.entry(point).or_default().extend(packets);
        }
    }

    /// A host whose point this is connects to itself, at once and well.
    pub(crate) fn itself(&mut self, ms: i64, point: u16) {
        let mut alone = Self::default();
        alone.healthy(ms, 50_000, upstream());
        alone.change(point, |segment| {
            let mut there = *segment;
            (there.ttl, there.source.ip, there.destination.ip) = (64, upstream().ip, upstream().ip);
            Some(there)
        });
        alone.packets.retain(|at, _| *at == point);
        self.absorb(alone);
    }

    /// Applies a capture filter to a point.
    pub(crate) fn filter(&mut self, point: u16, keep: impl Fn(&Segment) -> bool) {
        self.change(point, |segment| keep(segment).then_some(*segment));
    }

    /// Changes or drops (`None`) what a point captured.
    pub(crate) fn change(&mut self, point: u16, each: impl Fn(&Segment) -> Option<Segment>) {
        if let Some(packets) = self.packets.get_mut(&point) {
            *packets = packets
                .iter()
                .filter_map(|packet| match packet {
                    Packet::Tcp(segment) => each(segment).map(Packet::Tcp),
                    Packet::Icmp(_) | Packet::Resolution(_) => Some(*packet),
                })
                .collect();
        }
    }

    /// A further point that sees what one point sees, changed or dropped (`None`).
    pub(crate) fn copy_point(
        &mut self,
        from: u16,
        to: u16,
        each: impl Fn(&Segment) -> Option<Segment>,
    ) {
        let packets = self.packets.get(&from).cloned().unwrap_or_default();
        self.packets.insert(to, packets);
        self.change(to, each);
    }

    /// Takes the packets of a point for those of another one.
    pub(crate) fn rename_point(&mut self, from: u16, to: u16) {
        if let Some(packets) = self.packets.remove(&from) {
            self.packets.entry(to).or_default().extend(packets);
        }
    }
}

/// A window as an access line gives it.
pub(crate) fn start_at(ms: i64) -> (Interval, StartBasis) {
    (Interval::around(at(ms), Span::from_millis(5)), StartBasis::UpstreamTimes)
}
