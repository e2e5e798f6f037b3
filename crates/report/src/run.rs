//! Everything that a report may show. The binary fills it; nothing here reads an input.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use why504_correlate::{Correlation, Losses, Verdict};
use why504_handshake::{ClockOffset, Coverage, Merged, Path, PointId};
use why504_model::{Interval, Location, Span, Timeout, Timestamp};

use crate::reset::ResetTotals;

/// A finished analysis.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Name and version: `why504 0.1.0`.
    pub tool: &'a str,
    /// The paths as given, sorted.
    pub inputs: &'a [String],
    /// The arguments behind `why504`, as typed: suggested commands repeat them.
    pub arguments: &'a [String],
    /// Path of each source as given, by `SourceId`; may be hostile.
    pub sources: &'a [String],
    /// The capture points, by `PointId`.
    pub points: &'a [PointInfo],
    /// The zone of the error log.
    pub zone: &'a ZoneInfo,
    /// Every logged timeout or failure, in order of file and line.
    pub timeouts: &'a [Timeout],
    /// The words of each, in the same order.
    pub texts: &'a dyn Texts,
    /// The access line of each, in the same order.
    pub access: &'a [Option<AccessLine>],
    /// What became of each.
    pub correlation: &'a Correlation,
    /// The attempts, and what several points together showed.
    pub merged: &'a Merged,
    /// The order of the points on the way to each server.
    pub path: &'a Path,
    /// What each point can be trusted to have seen.
    pub coverage: &'a BTreeMap<PointId, Coverage>,
    /// The tunnels that packets of the cases came through.
    pub tunnels: &'a BTreeMap<Location, TunnelInfo>,
    /// What became of the log lines.
    pub log_lines: LogLines,
    /// Everything that is only counted.
    pub totals: &'a Totals,
}

/// What carried a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelInfo {
    /// `VXLAN`.
    pub kind: &'static str,
    /// What its identifier is called, and the identifier: `vni` 42.
    pub id: Option<(&'static str, u32)>,
    /// Sender of the outer packet.
    pub source: IpAddr,
    /// Receiver of the outer packet.
    pub destination: IpAddr,
}

/// A capture point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointInfo {
    /// `gateway`, `upstream`, or what the user or the path calls it.
    pub name: String,
    /// Number of files.
    pub files: usize,
    /// Frames in all of them.
    pub packets: u64,
    /// First to last frame; `None` when there is none.
    pub span: Option<Interval>,
    /// Link type in words: `Ethernet`.
    pub link: String,
    /// Octets kept of a frame; `None` when unlimited or unknown.
    pub snaplen: Option<u32>,
}

/// The zone in which the log's civil times were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneInfo {
    /// `Europe/Berlin`, `+08:00`.
    pub name: String,
    /// How it was chosen: `--tz`, `from the access log`, `default`.
    pub chosen: String,
    /// Seconds east of Greenwich in force in the period: text prints its times with it.
    pub offset_seconds: i32,
}

/// The words of a log line, lossily decoded; still hostile. Empty where the line has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogText {
    /// The message, context excluded.
    pub message: String,
    /// `client:` of the context.
    pub client: String,
    /// `server:` of the context.
    pub server: String,
    /// `request:` of the context.
    pub request: String,
    /// `host:` of the context.
    pub host: String,
}

/// The words of the log lines, which need not be in memory.
pub trait Texts: Debug {
    /// Those of the timeout with this index.
    fn get(&self, index: usize) -> Option<LogText>;
}

impl Texts for Vec<LogText> {
    fn get(&self, index: usize) -> Option<LogText> {
        self.as_slice().get(index).cloned()
    }
}

/// As [`LogText`], of a line that is at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogWords<'a> {
    pub(crate) message: Cow<'a, str>,
    pub(crate) client: Cow<'a, str>,
    pub(crate) server: Cow<'a, str>,
    pub(crate) request: Cow<'a, str>,
    pub(crate) host: Cow<'a, str>,
}

impl From<LogText> for LogWords<'_> {
    fn from(text: LogText) -> Self {
        Self {
            message: text.message.into(),
            client: text.client.into(),
            server: text.server.into(),
            request: text.request.into(),
            host: text.host.into(),
        }
    }
}

/// The access-log line of the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLine {
    /// File and line.
    pub location: Location,
    /// `$status`.
    pub status: Option<u16>,
    /// `$request_time`.
    pub request_time: Option<Span>,
}

/// What became of the lines of all logs. `cases + other + unparsed = total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogLines {
    /// All lines.
    pub total: u64,
    /// Lines that are a case.
    pub cases: u64,
    /// Lines about something else, unrelated read timeouts among them.
    pub other: u64,
    /// Lines that hold a needle and could not be read.
    pub unparsed: u64,
}

/// What is only counted, and what was not used.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Log files read.
    pub log_files: usize,
    /// Frames of all captures.
    pub packets: u64,
    /// Connect attempts, the clean ones that were not kept included. Where they were not all judged, those of
    /// the point that saw most.
    pub attempts: u64,
    /// Those of them that succeeded after a SYN or SYN+ACK was repeated.
    pub near_misses: u64,
    /// How the attempts ended, clean ones included; empty where they were not all judged.
    pub attempts_by_verdict: BTreeMap<Verdict, u64>,
    /// How often first packets were lost, by way and direction.
    pub losses: Vec<Losses>,
    /// What became of the frames, by name; adds up to `packets`.
    pub packet_tally: BTreeMap<String, u64>,
    /// The RSTs, where they were asked for.
    pub resets: Option<ResetTotals>,
    /// The 504s of the access logs; `None` without one.
    pub http_504: Option<Http504>,
    /// The same 504s by what the logs say of them; `None` without an access log.
    pub logged_504: Option<Logged504>,
    /// Inputs that were not read.
    pub skipped: Vec<SkippedInput>,
    /// What was wrong with the inputs that were.
    pub diagnostics: Vec<InputNote>,
}

/// The 504s that users saw. `explained + other + undecided = total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http504 {
    /// All lines with status 504.
    pub total: u64,
    /// A handshake packet was lost.
    pub explained: u64,
    /// Something else is known to be the cause.
    pub other: u64,
    /// Nobody can tell from these inputs.
    pub undecided: u64,
}

/// What the logs say of the 504s that users saw; `total` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logged504 {
    /// All lines with status 504.
    pub total: u64,
    /// A line of an error log may tell of them.
    pub with_error_line: u64,
    /// None does, and they are cases of their own.
    pub access_504: u64,
    /// No upstream with an address was tried: nginx or Lua code made the answer.
    pub without_upstream: u64,
    /// The connect of the try that timed out had succeeded.
    pub after_connect: u64,
    /// The access line does not tell.
    pub untold: u64,
    /// The same request in another access log.
    pub copies: u64,
    /// More than are kept.
    pub beyond: u64,
}

/// An input that was not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkippedInput {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Something about an input that its owner should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputNote {
    /// Its path.
    pub path: String,
    /// Line or frame; 0 is the file as a whole.
    pub record: u64,
    /// Byte offset, where known.
    pub offset: Option<u64>,
    /// What was found.
    pub message: String,
}

/// What the rendering of one attempt needs, with or without logs.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'a> {
    /// Path of each source as given, by `SourceId`.
    pub sources: &'a [String],
    /// The capture points, by `PointId`.
    pub points: &'a [PointInfo],
    /// The order of the points.
    pub path: &'a Path,
    /// What each point saw, as far as it is known yet.
    pub coverage: &'a BTreeMap<PointId, Coverage>,
    /// (near, far) -> far clock minus near clock, as far as it is known yet.
    pub offsets: &'a BTreeMap<(PointId, PointId), ClockOffset>,
    /// The tunnels that packets came through, where they were looked at.
    pub tunnels: &'a BTreeMap<Location, TunnelInfo>,
}

impl<'a> Run<'a> {
    /// The part that the rendering of one attempt needs.
    pub const fn captures(&self) -> Captures<'a> {
        Captures {
            sources: self.sources,
            points: self.points,
            path: self.path,
            coverage: self.coverage,
            offsets: &self.merged.offsets,
            tunnels: self.tunnels,
        }
    }

    /// A line of a log, by the name of its file alone: `error.log.2.gz:88213`.
    pub(crate) fn log_place(&self, location: Location) -> String {
        let path = self.captures().file(location);
        format!("{}:{}", path.rsplit('/').next().unwrap_or(path), location.record)
    }
}

impl<'a> Captures<'a> {
    /// The name of a point; `?` for one that the run does not list.
    pub(crate) fn point(&self, point: PointId) -> &'a str {
        self.points.get(usize::from(point.0)).map_or("?", |p| p.name.as_str())
    }

    /// The path of a location's file; `?` for one that the run does not list.
    pub(crate) fn file(&self, location: Location) -> &'a str {
        usize::try_from(location.source.0)
            .ok()
            .and_then(|i| self.sources.get(i))
            .map_or("?", String::as_str)
    }

    /// A moment of `point`'s clock on the clock of `near`; unchanged where no offset is known.
    pub(crate) fn on_near_clock(
        &self,
        near: PointId,
        point: PointId,
        time: Timestamp,
    ) -> Timestamp {
        if let Some(offset) = self.offsets.get(&(near, point)) {
            offset.to_near(time)
        } else if let Some(offset) = self.offsets.get(&(point, near)) {
            time + offset.at(time)
        } else {
            time
        }
    }
}

/// `VXLAN vni 42, 10.0.0.1 > 10.0.0.2`.
impl std::fmt::Display for TunnelInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind)?;
        if let Some((name, id)) = self.id {
            write!(f, " {name} {id}")?;
        }
        write!(f, ", {} > {}", self.source, self.destination)
    }
}
