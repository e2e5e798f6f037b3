//! Runs built by hand: packets as two capture points saw them, and the log lines about them.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::missing_panics_doc,
    clippy::type_complexity,
    reason = "small numbers of a scene built by hand"
)]

use std::collections::{BTreeMap, BTreeSet};

use why504_correlate::{Correlation, OneThread, Points, Rates, correlate};
use why504_handshake::{Attempt, Coverage, Merged, Outcome, Path, PointId, Tracker, Trials, merge};
use why504_model::{
    Checksum, Endpoint, Interval, LimitSource, Location, Packet, Segment, SeqNumber, SourceId,
    Span, StartBasis, TcpFlags, TcpTimestamps, TimeLimit, Timeout, TimeoutId, TimeoutKind,
    Timestamp,
};
use why504_report::{
    AccessLine, Http504, InputNote, LogLines, LogText, PointInfo, Run, SkippedInput, Style, Totals,
    TunnelInfo, ZoneInfo,
};

/// 2026-11-22T07:18:20Z.
const START: i64 = 1_795_331_900;
/// The upstream's clock runs this far behind.
const BEHIND: Span = Span::from_millis(-3217);
const ONE_WAY: i64 = 200;

/// What becomes of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Arrives after 200 us.
    There,
    /// Is lost.
    Lost,
    /// Arrives after so many milliseconds.
    After(i64),
}

/// Everything that a run borrows from.
pub(crate) struct Scene {
    pub(crate) inputs: Vec<String>,
    pub(crate) sources: Vec<String>,
    pub(crate) points: Vec<PointInfo>,
    pub(crate) zone: ZoneInfo,
    pub(crate) timeouts: Vec<Timeout>,
    pub(crate) texts: Vec<LogText>,
    pub(crate) access: Vec<Option<AccessLine>>,
    pub(crate) correlation: Correlation,
    pub(crate) merged: Merged,
    pub(crate) path: Path,
    pub(crate) coverage: BTreeMap<PointId, Coverage>,
    pub(crate) tunnels: BTreeMap<Location, TunnelInfo>,
    pub(crate) log_lines: LogLines,
    pub(crate) totals: Totals,
    /// Packets of gateway and upstream.
    packets: [Vec<Packet>; 2],
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_parts(START, 0) + Span::from_millis(ms)
}

pub(crate) fn client(port: u16) -> Endpoint {
    Endpoint::new([10, 20, 1, 5].into(), port)
}

pub(crate) fn server() -> Endpoint {
    Endpoint::new([10, 20, 3, 17].into(), 8080)
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            inputs: vec!["error.log".into(), "gateway.pcap".into(), "upstream.pcap".into()],
            sources: vec![
                "logs/error.log".into(),
                "logs/access.log".into(),
                "gateway.pcap".into(),
                "upstream.pcap".into(),
            ],
            points: Vec::new(),
            zone: ZoneInfo {
                name: "Asia/Shanghai".into(),
                chosen: "--tz".into(),
                offset_seconds: 8 * 3600,
            },
            timeouts: Vec::new(),
            texts: Vec::new(),
            access: Vec::new(),
            correlation: Correlation::default(),
            merged: Merged::default(),
            path: Path::default(),
            coverage: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            log_lines: LogLines::default(),
            totals: Totals::default(),
            packets: [Vec::new(), Vec::new()],
        }
    }
}

impl Scene {
    /// A packet, `>` or `<` and tcpdump's letters, `ms` after the start on the gateway's clock.
    pub(crate) fn send(&mut self, ms: i64, port: u16, what: &str, seq: u32, ack: u32, way: Way) {
        let (direction, letters) = what.split_at(1);
        let flags = letters.chars().fold(TcpFlags::default(), |all, letter| {
            all | match letter {
                'S' => TcpFlags::SYN,
                'R' => TcpFlags::RST,
                'F' => TcpFlags::FIN,
                'P' => TcpFlags::PSH,
                _ => TcpFlags::ACK,
            }
        });
        let outward = direction == ">";
        let (from, to) = if outward { (0, 1) } else { (1, 0) };
        let (source, destination) =
            if outward { (client(port), server()) } else { (server(), client(port)) };
        let mut packet = |point: usize, time: Timestamp, ttl: u8| {
            let skew = if point == 1 { BEHIND } else { Span::ZERO };
            let list = &mut self.packets[point];
            list.push(Packet::Tcp(Segment {
                time: time + skew,
                location: Location { source: SourceId(point as u32 + 2), record: 0 },
                source,
                destination,
                seq: SeqNumber(seq),
                ack: SeqNumber(ack),
                timestamps: Some(TcpTimestamps { value: ms as u32, echo: 0 }),
                payload_len: if letters.contains('P') { 100 } else { 0 },
                ip_id: Some(0),
                ttl,
                flags,
                checksum: Checksum::Unknown,
                vlan: None,
            }));
        };
        packet(from, at(ms), 64);
        match way {
            Way::There => packet(to, at(ms) + Span::from_micros(ONE_WAY), 63),
            Way::After(delay) => packet(to, at(ms + delay), 63),
            Way::Lost => {}
        }
    }

    /// The last packet of the upstream was never there: something beside the gateway sent it.
    pub(crate) fn move_last_to_gateway(&mut self) {
        let packet = self.packets[1].pop().expect("a packet of the upstream");
        let Packet::Tcp(segment) = packet else { return };
        self.packets[0].push(Packet::Tcp(Segment { time: segment.time - BEHIND, ..segment }));
    }

    /// A handshake that works, with an answer.
    pub(crate) fn healthy(&mut self, ms: i64, port: u16) {
        let (x, y) = (u32::from(port) * 1000, u32::from(port) * 1000 + 500);
        self.send(ms, port, ">S", x, 0, Way::There);
        self.send(ms + 1, port, "<S.", y, x + 1, Way::There);
        self.send(ms + 2, port, ">.", x + 1, y + 1, Way::There);
        self.send(ms + 3, port, ">P.", x + 1, y + 1, Way::There);
        self.send(ms + 5, port, "<P.", y + 1, x + 101, Way::There);
        self.send(ms + 6, port, ">F.", x + 101, y + 101, Way::There);
    }

    /// The SYN+ACK is lost each time; nginx gives up after 2 s.
    pub(crate) fn syn_ack_lost(&mut self, ms: i64, port: u16) {
        let (x, y) = (u32::from(port) * 1000, u32::from(port) * 1000 + 500);
        self.send(ms, port, ">S", x, 0, Way::There);
        self.send(ms + 1, port, "<S.", y, x + 1, Way::Lost);
        self.send(ms + 1020, port, ">S", x, 0, Way::There);
        self.send(ms + 1021, port, "<S.", y, x + 1, Way::Lost);
    }

    /// Both SYNs are lost.
    pub(crate) fn syn_lost(&mut self, ms: i64, port: u16) {
        let x = u32::from(port) * 1000;
        self.send(ms, port, ">S", x, 0, Way::Lost);
        self.send(ms + 1020, port, ">S", x, 0, Way::Lost);
    }

    /// The SYN+ACK takes 2.6 s.
    pub(crate) fn late(&mut self, ms: i64, port: u16) {
        let (x, y) = (u32::from(port) * 1000, u32::from(port) * 1000 + 500);
        self.send(ms, port, ">S", x, 0, Way::There);
        self.send(ms + 1, port, "<S.", y, x + 1, Way::After(2600));
        self.send(ms + 2602, port, ">R", x + 1, 0, Way::There);
    }

    /// The founding story: x's SYN+ACKs are lost; z on the same port draws a bare ACK, the RST that
    /// answers it is lost too, so z is never answered.
    pub(crate) fn reuse(&mut self, ms: i64, port: u16) {
        let x = u32::from(port) * 1000;
        // Linux's ISN clock makes a step every 64 ns.
        let (y, z) = (x + 500, x + 3_000_000_000 / 64);
        self.syn_ack_lost(ms, port);
        self.send(ms + 3000, port, ">S", z, 0, Way::There);
        self.send(ms + 3001, port, "<.", y + 1, x + 1, Way::There);
        self.send(ms + 3002, port, ">R", x + 1, 0, Way::Lost);
        self.send(ms + 4020, port, ">S", z, 0, Way::There);
        self.send(ms + 4021, port, "<.", y + 1, x + 1, Way::There);
        self.send(ms + 4022, port, ">R", x + 1, 0, Way::Lost);
    }

    /// A line of the error log `ms` after the start, with the access log's start if given.
    pub(crate) fn logged(&mut self, ms: i64, kind: TimeoutKind, began: Option<i64>, named: bool) {
        let second = ms.div_euclid(1000) * 1000;
        let number = self.timeouts.len();
        self.timeouts.push(Timeout {
            id: TimeoutId(number as u32),
            location: Location { source: SourceId(0), record: number as u64 * 7 + 3 },
            kind,
            never_sent: false,
            peer: named.then(server),
            logged: Interval::second_from(at(second)),
            start: began.map(|b| (Interval::new(at(b - 1), at(b + 2)), StartBasis::UpstreamTimes)),
            limits: vec![TimeLimit {
                at_least: Span::from_millis(1990),
                at_most: Span::from_millis(2004),
                source: LimitSource::AccessLog,
            }],
            worker: Some(4711),
            connection: Some(9000 + number as u64),
        });
        self.texts.push(LogText {
            message: "lua tcp socket connect timed out, when connecting to 10.20.3.17:8080".into(),
            client: "203.0.113.9".into(),
            server: "shop.example".into(),
            request: "GET /api/cart HTTP/1.1".into(),
            host: "shop.example".into(),
        });
        self.access.push(began.map(|_| AccessLine {
            location: Location { source: SourceId(1), record: number as u64 + 1 },
            status: Some(504),
            request_time: Some(Span::from_millis(2003)),
        }));
    }

    /// Follows, merges and judges; `seen` says which of gateway and upstream were captured.
    pub(crate) fn analyse(mut self, seen: [bool; 2]) -> Self {
        let mut sightings = Vec::new();
        let names = ["gateway", "upstream"];
        let packets = std::mem::take(&mut self.packets);
        for (i, mut packets) in packets.into_iter().enumerate().filter(|(i, _)| seen[*i]) {
            let point = PointId(self.points.len() as u16);
            packets.sort_by_key(Packet::time);
            let mut tracker = Tracker::new(point);
            for (number, packet) in packets.iter_mut().enumerate() {
                if let Packet::Tcp(segment) = packet {
                    segment.location.record = number as u64 + 1;
                }
                tracker.push(packet);
            }
            tracker.end();
            let closed = tracker.take();
            let (coverage, _) = tracker.finish();
            self.points.push(PointInfo {
                name: names[i].into(),
                files: 1,
                packets: packets.len() as u64,
                span: coverage.span,
                link: "Ethernet".into(),
                snaplen: Some(96),
            });
            self.totals.packets += packets.len() as u64;
            *self.totals.packet_tally.entry("TCP segments".into()).or_default() +=
                packets.len() as u64;
            self.coverage.insert(point, coverage);
            sightings.extend(closed);
        }
        self.path = Path::new((0..self.points.len()).map(|i| PointId(i as u16)));
        for sighting in &sightings {
            self.path.learn(sighting);
        }
        self.merged = merge(sightings, &self.path);
        let coverage = self.coverage.iter().map(|(point, seen)| (*point, seen)).collect();
        let points = Points { path: &self.path, coverage: &coverage, merged: &self.merged };
        self.correlation = correlate(&self.timeouts, points, &BTreeSet::new(), &OneThread);
        let mut healthy: BTreeMap<PointId, Trials> = BTreeMap::new();
        for clean in self.merged.attempts.iter().flat_map(Attempt::sightings) {
            if clean.is_clean() {
                let trials = healthy.entry(clean.point).or_default();
                trials.count(clean.first_syn(), clean.flow, clean.vlan(), Outcome::Arrived);
            }
        }
        self.totals.losses = Rates::of_run(points, &healthy).losses(points);
        self.totals.attempts = self.merged.attempts.len() as u64;
        self.totals.log_files = 1;
        self.log_lines.cases = self.correlation.cases.len() as u64;
        self.log_lines.other += self.correlation.unrelated.len() as u64;
        self.log_lines.total =
            self.log_lines.cases + self.log_lines.other + self.log_lines.unparsed;
        self
    }

    pub(crate) fn run(&self) -> Run<'_> {
        Run {
            tool: "why504 0.1.0",
            inputs: &self.inputs,
            arguments: &self.inputs,
            sources: &self.sources,
            points: &self.points,
            zone: &self.zone,
            timeouts: &self.timeouts,
            texts: &self.texts,
            access: &self.access,
            correlation: &self.correlation,
            merged: &self.merged,
            path: &self.path,
            coverage: &self.coverage,
            tunnels: &self.tunnels,
            log_lines: self.log_lines,
            totals: &self.totals,
        }
    }
}

/// An incident that holds most of what can happen.
pub(crate) fn incident() -> Scene {
    let mut scene = Scene::default();
    for i in 0..40_u16 {
        scene.healthy(i64::from(i) * 1500, 40_000 + i);
    }
    for i in 0..6_u16 {
        let ms = 2_300 + i64::from(i) * 4_000;
        scene.syn_ack_lost(ms, 50_000 + i);
        scene.logged(ms + 2_000, TimeoutKind::LuaConnectTimeout, Some(ms), true);
    }
    for i in 0..2_u16 {
        let ms = 30_700 + i64::from(i) * 3_000;
        scene.syn_lost(ms, 51_000 + i);
        scene.logged(ms + 2_000, TimeoutKind::LuaConnectTimeout, Some(ms), true);
    }
    scene.late(38_400, 52_000);
    scene.logged(40_400, TimeoutKind::UpstreamConnectTimeout, Some(38_400), true);
    // Two attempts within one second that end differently, and one line without an address.
    scene.syn_ack_lost(44_100, 53_000);
    scene.syn_lost(44_300, 53_001);
    scene.logged(46_200, TimeoutKind::LuaConnectTimeout, None, false);
    scene.reuse(50_000, 54_000);
    scene.logged(52_000, TimeoutKind::LuaConnectTimeout, Some(50_000), true);
    scene.logged(55_000, TimeoutKind::LuaConnectTimeout, Some(53_000), true);
    scene.logged(57_000, TimeoutKind::UpstreamReadTimeout, None, true);
    scene.log_lines.other = 812;
    scene.log_lines.unparsed = 2;
    scene.totals.http_504 = Some(Http504 { total: 12, explained: 9, other: 1, undecided: 2 });
    scene.totals.near_misses = 3;
    scene.totals.skipped =
        vec![SkippedInput { path: "notes.txt".into(), reason: "neither log nor capture".into() }];
    scene.totals.diagnostics = vec![InputNote {
        path: "gateway.pcap".into(),
        record: 339,
        offset: Some(33_218),
        message: "the file ends inside a frame; everything before it was used".into(),
    }];
    scene
}

pub(crate) type Rendering = Box<dyn Fn(&Run<'_>, &Style, &mut Vec<u8>)>;

/// Every text that the crate can print about a run.
pub(crate) fn texts() -> Vec<(&'static str, Rendering)> {
    vec![
        (
            "report",
            Box::new(|run, style, out| {
                why504_report::text::report(run, style, out).expect("memory");
            }),
        ),
        (
            "timeouts",
            Box::new(|run, style, out| {
                why504_report::text::timeouts(run, style, out).expect("memory");
            }),
        ),
        (
            "handshakes",
            Box::new(|run, style, out| {
                use why504_report::text::{handshake, handshakes_header, handshakes_summary};
                let coverage = run.coverage.iter().map(|(point, seen)| (*point, seen)).collect();
                let points = Points { path: run.path, coverage: &coverage, merged: run.merged };
                let history = why504_correlate::History::new(points);
                handshakes_header(style, out).expect("memory");
                for attempt in &run.merged.attempts {
                    let judgement = why504_correlate::judge_attempt(points, &history, attempt);
                    handshake(&run.captures(), run.zone, attempt, &judgement, style, out)
                        .expect("memory");
                }
                handshakes_summary(run, style, out).expect("memory");
            }),
        ),
        (
            "explain",
            Box::new(|run, style, out| {
                for id in why504_report::case_ids(run) {
                    why504_report::explain::case(run, &id, style, out).expect("memory");
                }
                why504_report::explain::case(run, "\x1b[2Jnone", style, out).expect("memory");
            }),
        ),
    ]
}
