//! The packets of one point in order of time, from however many files.
//!
//! Files are opened when their first packet is due and closed when they end, so a long series of
//! rotated files costs as much memory as one. Some are begun ahead of their time: of compressed ones, which
//! one core alone can read, the first megabytes of the next two; of small ones as many as have the work of
//! some blocks of a large one. Where files overlap in time they are merged, and so are blocks of one file
//! (see [`held`]).

mod feed;
mod held;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use rayon::prelude::*;
use why504_capture::{CaptureReader, CaptureSummary, DecodeTally, Digest, Gathered, Picker};
use why504_ingest::{Codec, Source, open, open_anywhere};
use why504_model::{Damage, SourceId, Timestamp};

use crate::inputs::Kind;
use crate::progress::Complaints;
use feed::{Ahead, Feed, Memory};
use held::Held;

type Reader = CaptureReader<Box<dyn Read + Send>>;

/// Compressed files that are begun ahead of their time at most, each by a core that others leave free.
const BEGUN: usize = 2;
/// Plain files that are begun ahead of their time at most, and octets of all of them: of a larger one,
/// several cores read several blocks as it is.
const SMALL_BEGUN: usize = 32;
const SMALL_OCTETS: u64 = 8 << 20;

/// As much of a file is read, as a rule, to find its first packet.
const HEAD_OCTETS: u64 = 16 << 10;

/// Who goes through the packets of a point.
pub(super) trait Observer: Picker {
    /// What plain segments of a file show as a whole, before the first of them is due.
    fn gathered(&mut self, file: SourceId, gathered: &Gathered);
    /// A good moment for anything that is not done for each packet: a block is over, the latest packet
    /// of which is of this time. When it comes depends on the files alone.
    fn pause(&mut self, latest: Timestamp);
}

/// The files of one point.
pub(super) struct PointStream<'a> {
    /// Not yet begun, the latest first.
    waiting: Vec<(Timestamp, &'a Source<Kind>)>,
    /// The next of them, as far as they were begun ahead of their time.
    begun: VecDeque<Result<FileStream<'a>, String>>,
    active: Vec<FileStream<'a>>,
    frames: DecodeTally,
    closed: Vec<(&'a Source<Kind>, CaptureSummary)>,
    failed: Vec<(&'a Source<Kind>, String)>,
    memory: Arc<Memory>,
}

/// One file that is being read: the blocks of which packets are due, and those that come behind them.
struct FileStream<'a> {
    source: &'a Source<Kind>,
    feed: Feed,
    held: Held,
    tally: DecodeTally,
}

impl<'a> PointStream<'a> {
    /// Looks at the first packets of each file to order them.
    pub(super) fn open(sources: Vec<&'a Source<Kind>>, complaints: &mut Complaints) -> Self {
        let memory = Arc::default();
        let first = |source: &&'a Source<Kind>| first_packet(source, &memory);
        let times: Vec<Result<Timestamp, String>> = sources.par_iter().map(first).collect();
        let mut waiting = Vec::new();
        for (source, time) in sources.into_iter().zip(times) {
            match time {
                Ok(time) => waiting.push((time, source)),
                Err(reason) => {
                    complaints
                        .add(Damage::Unusable, format!("{}: {reason}", source.path.display()));
                }
            }
        }
        waiting.sort_by_key(|&(time, source)| std::cmp::Reverse((time, source.id)));
        Self {
            waiting,
            begun: VecDeque::new(),
            active: Vec::new(),
            frames: DecodeTally::default(),
            closed: Vec::new(),
            failed: Vec::new(),
            memory,
        }
    }

    /// Shows all packets to `observer`, in order of time.
    pub(super) fn show(&mut self, observer: &mut impl Observer) {
        loop {
            self.activate();
            let Some(first) = self.earliest() else { break };
            let others = self.active.iter().enumerate().filter(|(i, _)| *i != first);
            let until = others
                .filter_map(|(_, file)| file.due())
                .chain(self.waiting.last().map(|(time, _)| *time))
                .min();
            let Some(file) = self.active.get_mut(first) else { break };
            file.fold(until, observer);
            if !file.advance() {
                let file = self.active.remove(first);
                self.close(file);
            }
        }
    }

    /// Counters of all frames, and what is known of each file.
    pub(super) fn finish(self, complaints: &mut Complaints) -> (DecodeTally, Vec<CaptureSummary>) {
        for (source, reason) in self.failed {
            complaints.add(Damage::Unusable, format!("{}: {reason}", source.path.display()));
        }
        for (source, summary) in &self.closed {
            for diagnostic in &summary.diagnostics {
                complaints.about(&source.path, diagnostic);
            }
        }
        (self.frames, self.closed.into_iter().map(|(_, summary)| summary).collect())
    }

    /// Opens the files whose first packet is due.
    fn activate(&mut self) {
        while let Some(&(time, source)) = self.waiting.last() {
            let due = self.active.iter().filter_map(FileStream::due).min();
            if due.is_some_and(|due| due < time) {
                break;
            }
            self.waiting.pop();
            let begun = self.begun.pop_front();
            match begun.unwrap_or_else(|| FileStream::open(source, &self.memory)) {
                Ok(mut file) => {
                    file.feed.have_help();
                    if file.advance() {
                        self.active.push(file);
                    } else {
                        self.close(file);
                    }
                }
                Err(reason) => self.failed.push((source, reason)),
            }
        }
        self.begin_next();
    }

    /// Begins the next files if they are compressed or small: each is one core's work, and others may be
    /// free.
    fn begin_next(&mut self) {
        let others = rayon::current_num_threads().saturating_sub(1);
        if others == 0 {
            return;
        }
        let begun = self.waiting.iter().rev().take(self.begun.len());
        let mut octets: u64 = begun.map(|(_, source)| source.size).sum();
        while let Some((_, source)) = self.waiting.iter().rev().nth(self.begun.len()) {
            octets = octets.saturating_add(source.size);
            let room = match source.codec {
                Codec::Plain => self.begun.len() < SMALL_BEGUN && octets <= SMALL_OCTETS,
                _ => self.begun.len() < BEGUN.min(others),
            };
            if !room {
                return;
            }
            let file = FileStream::open(source, &self.memory).map(|mut file| {
                file.feed.begin();
                file
            });
            self.begun.push_back(file);
        }
    }

    fn earliest(&self) -> Option<usize> {
        let due = |(i, file): (usize, &FileStream<'_>)| Some((file.due()?, file.source.id, i));
        self.active.iter().enumerate().filter_map(due).min().map(|(_, _, i)| i)
    }

    fn close(&mut self, file: FileStream<'a>) {
        self.frames.merge(&file.tally);
        let mut summary = file.feed.finish();
        if summary.truncated && has_grown(file.source) {
            summary.still_growing();
        }
        summary.diagnostics.extend(file.tally.diagnostics(file.source.id));
        self.closed.push((file.source, summary));
    }
}

/// Time of the first packet of a file. One without packets has no time: it is read first, for what its
/// header and its diagnostics say.
fn first_packet(source: &Source<Kind>, memory: &Arc<Memory>) -> Result<Timestamp, String> {
    let due = |mut file: FileStream<'_>| {
        let due = file.first();
        if let Some(mut looked_at) = file.held.given_up() {
            memory.take_back_block(looked_at.clear());
        }
        due
    };
    // As a rule it is near the beginning. Where it is not, or not even the header is whole there, the file
    // says more.
    let head = opened(open(source))?.take(HEAD_OCTETS);
    let head = FileStream::new(source, Box::new(head), None, memory);
    if let Some(time) = head.ok().and_then(due) {
        return Ok(time);
    }
    Ok(due(FileStream::open(source, memory)?).unwrap_or(Timestamp::MIN))
}

fn opened<T>(opening: io::Result<T>) -> Result<T, String> {
    opening.map_err(|error| format!("cannot be read: {error}"))
}

/// Whether a file is longer than when it was found: somebody writes it, so half a record at its end is no
/// damage. One that nothing was added to in that time may be written as well; that is not known.
fn has_grown(source: &Source<Kind>) -> bool {
    let now = std::fs::metadata(source.file());
    source.codec == Codec::Plain && now.is_ok_and(|now| now.len() > source.size)
}

impl<'a> FileStream<'a> {
    fn open(source: &'a Source<Kind>, memory: &Arc<Memory>) -> Result<Self, String> {
        let ahead = opened(open_anywhere(source))?.map(Ahead::new);
        let input: Box<dyn Read + Send> = match ahead.clone() {
            Some(file) => Box::new(file),
            None => opened(open(source))?,
        };
        Self::new(source, input, ahead, memory)
    }

    fn new(
        source: &'a Source<Kind>,
        input: Box<dyn Read + Send>,
        ahead: Option<Ahead>,
        memory: &Arc<Memory>,
    ) -> Result<Self, String> {
        let reader = CaptureReader::with_memory(input, source.id, memory.block())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            source,
            feed: Feed::new(reader, ahead, source.id, memory),
            held: Held::default(),
            tally: DecodeTally::default(),
        })
    }

    /// Time of the next packet that is in memory.
    fn due(&self) -> Option<Timestamp> {
        self.held.due()
    }

    /// Hands over the packets in memory up to `until`, at least one.
    fn fold(&mut self, until: Option<Timestamp>, observer: &mut impl Observer) {
        self.held.fold(self.source.id, until, observer);
    }

    /// Time of the first packet, of a file of which nothing was read.
    fn first(&mut self) -> Option<Timestamp> {
        let Self { held, feed, tally, .. } = self;
        held.look_ahead(|done| read(feed, tally, done))
    }

    /// Has in memory what is due next; `false` at the end of the file.
    fn advance(&mut self) -> bool {
        let Self { held, feed, tally, .. } = self;
        held.fill(|done| read(feed, tally, done));
        held.due().is_some()
    }
}

/// The next block that holds a packet; `done` is one that was handed over, for its memory.
fn read(
    feed: &mut Feed,
    tally: &mut DecodeTally,
    mut done: Option<Box<Digest>>,
) -> Option<Box<Digest>> {
    loop {
        let next = feed.next(done)?;
        tally.merge(&next.tally);
        if next.due().is_some() {
            return Some(next);
        }
        done = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;
    use crate::captures::{Keep, read};
    use crate::exit::Outcome;
    use crate::inputs::Inputs;
    use crate::points::Point;

    /// The capture is read while tcpdump writes it: up to the last whole record, and that is all there is
    /// to say. One that nobody adds to is cut off, for all that is known.
    #[test]
    fn half_a_record_of_a_file_that_grows_is_no_damage() {
        let head = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0";
        let record =
            [&1_u32.to_le_bytes()[..], &[0; 4], &60_u32.to_le_bytes(), &60_u32.to_le_bytes()];
        let record = [record.concat(), vec![0; 60]].concat();
        for (added, outcome) in [(10, Outcome::Complete), (0, Outcome::Damaged)] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("gw.pcap");
            fs::write(&path, [&head[..], &record, &record[..30]].concat()).expect("a file");
            let mut complaints = Complaints::default();
            let inputs =
                Inputs::find(std::slice::from_ref(&path), &[], <_>::default(), &mut complaints);
            let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
            file.write_all(&record[30..30 + added]).expect("room");
            let files: Vec<_> = inputs.of(Kind::Capture).collect();
            let point = Point { name: "gw".to_owned(), files: vec![0] };
            let captures = read(&[point], &files, Keep::Remarkable, &mut complaints);
            assert_eq!(captures.points[0].frames.frames(), 1);
            assert_eq!(complaints.outcome(), outcome, "{added} octets were added");
        }
    }
}
