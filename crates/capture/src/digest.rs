//! The parallel part for those who follow handshakes: of a block, the packets that always matter,
//! and a note of a few octets for each plain segment.
//!
//! Which plain segments matter depends on the packets before them, so on blocks that another core is
//! still at. Whoever goes through the digests in order knows: it asks a [`Picker`] for each mark,
//! and decodes the few frames that are wanted. What the rest show (who talked with whom in which
//! minute) is gathered here, once for each pair of hosts and not for each packet.

mod order;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use why504_model::{FlowMark, Location, Packet, SourceId, Timestamp};

use crate::block::{Block, Content, Contents, Frame, Numbered, Record};
use crate::decode::packet;
use crate::glance::{Glance, plain_segment, plain_segment_in_ipv4};
use crate::recent::Recent;
use crate::tally::DecodeTally;
use crate::tunnel::Envelope;
use order::Order;
pub use order::REORDERED;

/// What a block holds. One digest is used again and again for blocks of the same file in their order:
/// it remembers what it has gathered before, and its memory.
#[derive(Debug, Default)]
pub struct Digest {
    /// Counters of all frames of the block.
    pub tally: DecodeTally,
    /// What the plain segments of the block show.
    pub gathered: Gathered,
    block: Option<Block>,
    source: SourceId,
    notes: Vec<Note>,
    /// Where the numbered records of the block stand of which there is no note.
    others: Vec<u32>,
    /// Of each note, how many numbered records stand before its own: only where the notes are in another
    /// order than that of the file.
    restored: Vec<u32>,
    /// The packets that always matter, each with the number of notes before it.
    packets: Vec<(usize, Packet)>,
    /// Those of them that came through a tunnel, by their frames' numbers.
    envelopes: BTreeMap<u64, Envelope>,
    /// Time of the latest of both.
    latest: Option<Timestamp>,
    /// How many notes and packets were handed over.
    done: (usize, usize),
    recent: Recent,
}

/// What is counted of plain segments one by one, and told when all were seen.
#[derive(Debug)]
struct Plain {
    first: Timestamp,
    last: Timestamp,
    /// See [`Gathered::unmarked`].
    unmarked: bool,
    /// The order of everything, plain or not.
    order: Order,
}

impl Default for Plain {
    fn default() -> Self {
        let (first, last) = (Timestamp::MAX, Timestamp::MIN);
        Self { first, last, unmarked: false, order: Order::default() }
    }
}

/// What the plain segments of a block show as a whole.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Who sent to whom, and when first; once in a minute at least.
    pub talks: Vec<(IpAddr, IpAddr, Timestamp)>,
    /// Times of the earliest and the latest.
    pub span: Option<(Timestamp, Timestamp)>,
    /// One of them has no flag that filters ask for ([`why504_model::TcpFlags::is_unmarked`]).
    pub unmarked: bool,
}

/// A plain segment.
#[derive(Clone, Copy, Debug)]
struct Note {
    /// Where its record stands in the block.
    at: u32,
    mark: FlowMark,
}

/// Who goes through packets and needs only some of the plain ones.
pub trait Picker {
    /// Whether plain segments with this mark are wanted just now.
    fn wants(&self, mark: FlowMark) -> bool;
    /// A packet that always matters, or one that was wanted.
    fn packet(&mut self, packet: &Packet);
    /// The packet that comes next came through a tunnel.
    fn tunnelled(&mut self, _packet: &Packet, _envelope: &Envelope) {}
    /// So many plain segments that were not wanted.
    fn pass_over(&mut self, segments: u64);
}

impl Digest {
    /// Takes in a block, when the one before it has been handed over.
    pub fn read(&mut self, block: Block, source: SourceId) {
        self.clear();
        self.source = source;
        let plain = match block.contents() {
            Contents::Pcap(records) => self.go_through(&block, records),
            Contents::PcapNg(records) => self.go_through(&block, records),
        };
        self.tell(&plain);
        self.block = Some(block);
        if plain.order.is_to_be_restored() {
            self.restore_order();
        }
    }

    /// The hot loop over all frames.
    fn go_through<'a>(&mut self, block: &Block, mut records: impl Numbered<'a>) -> Plain {
        let mut plain = Plain::default();
        loop {
            // A block is far shorter than 4 GiB.
            let at = u32::try_from(block.len() - records.octets_left()).unwrap_or(u32::MAX);
            let Some(content) = records.next() else { return plain };
            if let Content::Frame(frame) = content
                && let Some(time) = frame.time
                && let Some(glance) = plain_segment_in_ipv4(&frame)
            {
                self.plain(at, glance, time, &mut plain);
            } else {
                let before = (self.notes.len() + self.others.len()) as u64;
                self.unusual(at, content, block.first_frame().saturating_add(before), &mut plain);
            }
        }
    }

    /// What was counted of the plain segments.
    fn tell(&mut self, plain: &Plain) {
        if self.notes.is_empty() {
            return;
        }
        self.tally.plain_segments(self.notes.len(), (plain.first, plain.last));
        self.latest = self.latest.max(Some(plain.last));
        self.gathered.span = Some((plain.first, plain.last));
        self.gathered.unmarked = plain.unmarked;
    }

    /// A record at which a glance is not enough. Kept out of the loop over the others.
    #[inline(never)]
    fn unusual(&mut self, at: u32, content: Content<'_>, number: u64, plain: &mut Plain) {
        let Content::Frame(frame) = content else {
            self.tally.count_unusable(&content);
            self.others.push(at);
            return;
        };
        if let Some(time) = frame.time
            && let Some(glance) = plain_segment(&frame)
        {
            return self.plain(at, glance, time, plain);
        }
        let location = Location { source: self.source, record: number };
        let decoded =
            self.tally.time_of(&frame).map(|time| packet(&frame, time, location, &mut self.tally));
        match decoded {
            Some(Ok(Packet::Tcp(segment))) if segment.flags.is_plain() => {
                return self.plain(at, Glance::of(&segment), segment.time, plain);
            }
            Some(Ok(packet)) => {
                plain.order.see(packet.time());
                self.tally.count_packet(&packet);
                self.latest = self.latest.max(Some(packet.time()));
                self.packets.push((self.notes.len(), packet));
                self.envelopes.extend(self.envelope(&frame).map(|envelope| (number, envelope)));
            }
            Some(Err(unused)) => self.tally.count(unused),
            None => {}
        }
        self.others.push(at);
    }

    /// The tunnel that a frame of this block came through.
    fn envelope(&self, frame: &Frame<'_>) -> Option<Envelope> {
        // Hardly any capture holds one, and decoding has counted those that do.
        if self.tally.tunnelled.is_empty() { None } else { frame.envelope() }
    }

    #[expect(
        clippy::inline_always,
        reason = "called apart, it took a tenth of the loop over frames"
    )]
    #[inline(always)]
    fn plain(&mut self, at: u32, glance: Glance, time: Timestamp, plain: &mut Plain) {
        (plain.first, plain.last) = (plain.first.min(time), plain.last.max(time));
        plain.order.see(time);
        plain.unmarked |= glance.flags.is_unmarked();
        self.notes.push(Note { at, mark: glance.mark });
        if self.recent.is_new(glance.hosts, time) {
            let (from, to) = glance.hosts.addresses();
            self.gathered.talks.push((from, to, time));
        }
    }

    /// Time of the packet or plain segment that is next to be handed over.
    pub fn due(&self) -> Option<Timestamp> {
        match self.packets.get(self.done.1) {
            Some((notes, packet)) if *notes <= self.done.0 => Some(packet.time()),
            _ => self.time(self.done.0),
        }
    }

    /// Time of the latest packet or plain segment of the block.
    pub fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Hands over what is due up to `until`, and in any case the first `least`; returns how many.
    pub fn hand_over(
        &mut self,
        until: Option<Timestamp>,
        least: usize,
        picker: &mut impl Picker,
    ) -> usize {
        // Times are looked at only where the block reaches beyond.
        match until {
            Some(until) if self.latest > Some(until) => self.some(until, least, picker),
            _ => self.all(picker),
        }
    }

    fn all(&mut self, picker: &mut impl Picker) -> usize {
        let (from, first) = self.done;
        let mut from = from;
        for (notes, packet) in self.packets.get(first..).unwrap_or_default() {
            self.segments(from..*notes, picker);
            self.unusual_one(packet, picker);
            from = *notes;
        }
        self.segments(from..self.notes.len(), picker);
        let handed = self.left();
        self.done = (self.notes.len(), self.packets.len());
        handed
    }

    fn some(&mut self, until: Timestamp, least: usize, picker: &mut impl Picker) -> usize {
        let mut handed = 0;
        while let Some(due) = self.due()
            && (due <= until || handed < least)
        {
            match self.packets.get(self.done.1) {
                Some((notes, packet)) if *notes <= self.done.0 => {
                    self.unusual_one(packet, picker);
                    self.done.1 += 1;
                }
                _ => {
                    self.segments(self.done.0..self.done.0 + 1, picker);
                    self.done.0 += 1;
                }
            }
            handed += 1;
        }
        handed
    }

    /// How many packets and plain segments were not handed over yet.
    fn left(&self) -> usize {
        self.notes.len() - self.done.0 + self.packets.len() - self.done.1
    }

    /// The hot loop of whoever goes through the digests.
    fn segments(&self, range: Range<usize>, picker: &mut impl Picker) {
        let mut passed_over = 0;
        for (note, index) in self.notes.get(range.clone()).unwrap_or_default().iter().zip(range) {
            if !picker.wants(note.mark) || self.decoded(index, picker).is_none() {
                passed_over += 1;
            }
        }
        picker.pass_over(passed_over);
    }

    /// Hands over a segment of which there was only a note.
    fn decoded(&self, note: usize, picker: &mut impl Picker) -> Option<()> {
        let record = self.record(note)?;
        let location = Location { source: self.source, record: record.number };
        let Content::Frame(frame) = record.content else { return None };
        let packet = packet(&frame, frame.time?, location, &mut DecodeTally::default()).ok()?;
        if let Some(envelope) = self.envelope(&frame) {
            picker.tunnelled(&packet, &envelope);
        }
        picker.packet(&packet);
        Some(())
    }

    /// The record of a note.
    fn record(&self, note: usize) -> Option<Record<'_>> {
        let at = self.notes.get(note)?.at;
        let index = match self.restored.get(note) {
            Some(&index) => index as usize,
            None => note + self.others.partition_point(|other| *other < at),
        };
        self.block.as_ref()?.record_at(at, index)
    }

    /// Hands over a packet that always matters.
    fn unusual_one(&self, packet: &Packet, picker: &mut impl Picker) {
        if let Some(envelope) = self.envelopes.get(&packet.location().record) {
            picker.tunnelled(packet, envelope);
        }
        picker.packet(packet);
    }

    fn time(&self, note: usize) -> Option<Timestamp> {
        match self.record(note)?.content {
            Content::Frame(frame) => frame.time,
            _ => None,
        }
    }

    /// Empties it, but for what was gathered before. The block is given back for its memory.
    pub fn clear(&mut self) -> Option<Block> {
        self.tally = DecodeTally::default();
        self.gathered.talks.clear();
        (self.gathered.span, self.gathered.unmarked) = (None, false);
        self.notes.clear();
        self.others.clear();
        self.restored.clear();
        self.packets.clear();
        self.envelopes.clear();
        self.latest = None;
        self.done = (0, 0);
        self.block.take()
    }
}
