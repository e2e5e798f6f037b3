//! Evidence files: for a case, one pcapng with all its packets from all capture points, each with a
//! comment that says its part in the story.
//!
//! [`Plan`] says which cases get a file and which frames are in it; the binary fetches the frames
//! from the captures, and [`write()`] puts the file together. Nothing is judged here, and no file is
//! opened.
//!
//! Packets stand in the order of the story, on the clock of the point nearest the client; their time
//! stamps are those of the files they come from, untouched. Where clocks differ, the comment of the
//! file says by how much.

use std::collections::BTreeMap;
use std::io::{self, Write};

use why504_correlate::{Case, Mechanism, Verdict};
use why504_model::{Location, Timestamp};

use crate::case_id::case_ids;
use crate::flight::{Proof, proofs};
use crate::moment::duration;
use crate::pcapng::{self, Interface};
use crate::run::Run;
use crate::text::way;
use crate::visible::visible;
use crate::{reason, words};

/// Candidates of one case whose packets are written.
const CANDIDATES: usize = 8;
/// Files of one run, at most.
const FILES_MAX: usize = 400;
/// Packets of all files of one run, at most: they are held in memory for a moment.
const PACKETS_MAX: usize = 20_000;

/// Which files are to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One for each chosen case, in the order of the log.
    pub slices: Vec<Slice>,
    /// Cases that have packets and get no file, since enough of their class do.
    pub left_out: usize,
    /// Cases of which no capture holds a packet.
    pub without_packets: usize,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// `szap6-synack_lost.pcapng`: id of the case and verdict, nothing that an input names.
    pub file_name: String,
    /// What the case is, for the comment of the file.
    headline: String,
    tool: String,
    packets: Vec<SlicePacket>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SlicePacket {
    location: Location,
    /// By the file that it comes from.
    time: Timestamp,
    point: String,
    file: String,
    comment: String,
}

/// A frame as a capture file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `LINKTYPE_` number.
    pub link: u16,
    /// Octets that its interface keeps of a frame; `None` when unlimited.
    pub snaplen: Option<u32>,
    /// Octets on the wire.
    pub wire_len: u32,
    /// The captured octets.
    pub data: Vec<u8>,
}

impl Slice {
    /// The frames that the file needs, with the time stamp that each had when it was analysed.
    pub fn wanted(&self) -> impl Iterator<Item = (Location, Timestamp)> {
        self.packets.iter().map(|p| (p.location, p.time))
    }
}

impl Plan {
    /// Chooses the first `each` cases of every class (verdict and mechanism); of these, as many as
    /// stay within the limits on files and packets. `only` asks for a single case by its id.
    pub fn new(run: &Run<'_>, each: usize, only: Option<&str>) -> Self {
        let ids = case_ids(run);
        let mut plan = Self::default();
        let mut chosen: BTreeMap<(Verdict, Option<Mechanism>), usize> = BTreeMap::new();
        let mut packets = 0;
        for case in &run.correlation.cases {
            let Some(id) = ids.get(case.timeout) else { continue };
            if only.is_some_and(|only| only != id) {
                continue;
            }
            if case.candidates.is_empty() {
                plan.without_packets += 1;
                continue;
            }
            let of_class = chosen.entry((case.verdict, case.mechanism)).or_default();
            if *of_class >= each || plan.slices.len() >= FILES_MAX {
                plan.left_out += 1;
                continue;
            }
            let slice = slice(run, case, id);
            if packets + slice.packets.len() > PACKETS_MAX {
                plan.left_out += 1;
                continue;
            }
            packets += slice.packets.len();
            *of_class += 1;
            plan.slices.push(slice);
        }
        plan
    }
}

fn slice(run: &Run<'_>, case: &Case, id: &str) -> Slice {
    let captures = run.captures();
    let attempts: Vec<_> = case
        .candidates
        .iter()
        .take(CANDIDATES)
        .filter_map(|c| Some((run.merged.attempts.get(c.attempt)?, c.deadline.within)))
        .collect();
    let mut all: Vec<(usize, Proof<'_>)> = attempts
        .iter()
        .enumerate()
        .flat_map(|(i, (attempt, given_up))| {
            proofs(&captures, attempt, Some(*given_up), usize::MAX)
                .into_iter()
                .map(move |proof| (i, proof))
        })
        .collect();
    all.sort_by_key(|(_, proof)| proof.order);
    let mut packets: Vec<SlicePacket> = Vec::new();
    for (candidate, proof) in all {
        let event = proof.seen.event;
        let part = match attempts.len() {
            1 => proof.note,
            several => format!("candidate {} of {several}: {}", candidate + 1, proof.note),
        };
        // A bare ACK may speak of two attempts; it is one packet.
        if let Some(before) = packets.iter_mut().find(|p| p.location == event.location) {
            before.comment.push_str("; ");
            before.comment.push_str(&part);
            continue;
        }
        packets.push(SlicePacket {
            location: event.location,
            time: event.time,
            point: visible(captures.point(proof.seen.point)).into_owned(),
            file: visible(captures.file(event.location)).into_owned(),
            comment: part,
        });
    }
    for packet in &mut packets {
        let name = packet.file.rsplit('/').next().unwrap_or_default();
        packet.comment = format!("{} [{name} #{}]", packet.comment, packet.location.record);
    }
    let file_name = format!("{id}-{}.pcapng", case.verdict.name());
    Slice { file_name, headline: headline(run, case, id), tool: run.tool.to_owned(), packets }
}

/// The comment of the file.
fn headline(run: &Run<'_>, case: &Case, id: &str) -> String {
    let captures = run.captures();
    let sentence = words::sentence(case.verdict, way(run, case.lost_between));
    let mut lines = vec![format!("Case {id}. {sentence} ({}).", case.grade.name())];
    let reason = reason::of_case(case);
    if !reason.is_empty() {
        lines.push(format!("Reason: {reason}."));
    }
    if let Some(timeout) = run.timeouts.get(case.timeout) {
        let message = run.texts.get(case.timeout).unwrap_or_default().message;
        lines.push(format!("{}: {message}", run.log_place(timeout.location)));
    }
    if case.candidates.len() > 1 {
        let shown = case.candidates.len().min(CANDIDATES);
        lines.push(format!("{} attempts fit, {shown} are shown.", case.fitting));
    }
    lines.push(
        "Time stamps are those of the original files; the order is that of the story.".into(),
    );
    for (&(near, far), clock) in &run.merged.offsets {
        lines.push(format!(
            "The clock of {} minus that of {}: {} +- {}.",
            captures.point(far),
            captures.point(near),
            duration(clock.offset),
            duration(clock.uncertainty)
        ));
    }
    lines.iter().map(|line| visible(line).into_owned()).collect::<Vec<_>>().join("\n")
}

/// Writes the file; `frame` gives the frames that [`Slice::wanted`] names, and one that it does not
/// have is an error.
pub fn write<'f>(
    slice: &Slice,
    frame: impl Fn(Location) -> Option<&'f Frame>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut packets = Vec::new();
    for packet in &slice.packets {
        let frame = frame(packet.location).ok_or_else(|| {
            io::Error::other(format!("frame {} is missing", packet.location.record))
        })?;
        let here = Interface {
            link: frame.link,
            snaplen: frame.snaplen.unwrap_or(0),
            name: packet.point.clone(),
            description: packet.file.clone(),
        };
        let known = interfaces.iter().position(|i| *i == here).unwrap_or_else(|| {
            interfaces.push(here);
            interfaces.len() - 1
        });
        packets.push(pcapng::Packet {
            interface: u32::try_from(known).map_err(io::Error::other)?,
            time: packet.time,
            wire_len: frame.wire_len,
            data: &frame.data,
            comment: &packet.comment,
        });
    }
    pcapng::begin(&slice.tool, &slice.headline, &interfaces, out)?;
    packets.iter().try_for_each(|packet| pcapng::packet(packet, out))
}
