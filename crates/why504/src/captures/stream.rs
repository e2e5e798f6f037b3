//! The packets of one point in order of time, from however many files.
//!
//! Files are opened when their first packet is due and closed when they end, so a long series of
//! rotated files costs as much memory as one. Where files overlap in time they are merged.

use std::io::Read;

use rayon::prelude::*;
use why504_capture::{CaptureReader, CaptureSummary, DecodeTally};
use why504_ingest::{Source, open};
use why504_model::{Damage, Packet, Timestamp};

use crate::inputs::Kind;
use crate::progress::Complaints;

/// Blocks that are read before they are decoded together: enough for a few cores, and about
/// 8 MiB of memory for a file.
const BLOCKS_AT_ONCE: usize = 8;

type Reader = CaptureReader<Box<dyn Read + Send>>;

/// The files of one point.
pub(super) struct PointStream<'a> {
    /// Not yet begun, the latest first.
    waiting: Vec<(Timestamp, &'a Source<Kind>)>,
    active: Vec<FileStream<'a>>,
    frames: DecodeTally,
    closed: Vec<(&'a Source<Kind>, CaptureSummary)>,
    failed: Vec<(&'a Source<Kind>, String)>,
}

/// One file that is being read, and its packets that are due.
struct FileStream<'a> {
    source: &'a Source<Kind>,
    reader: Reader,
    packets: Vec<Packet>,
    next: usize,
    tally: DecodeTally,
}

impl<'a> PointStream<'a> {
    /// Looks at the first packets of each file to order them.
    pub(super) fn open(sources: Vec<&'a Source<Kind>>, complaints: &mut Complaints) -> Self {
        let mut waiting = Vec::new();
        for source in sources {
            match FileStream::open(source) {
                Ok(mut file) => {
                    // A file without packets has no time; it is read first, for what its header
                    // and its diagnostics say.
                    file.refill(1);
                    waiting.push((file.due().unwrap_or(Timestamp::MIN), source));
                }
                Err(reason) => {
                    complaints.add(Damage::Unusable, format!("{}: {reason}", source.path.display()))
                }
            }
        }
        waiting.sort_by_key(|&(time, source)| std::cmp::Reverse((time, source.id)));
        Self {
            waiting,
            active: Vec::new(),
            frames: DecodeTally::default(),
            closed: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Hands all packets to `each`, in order of time, in runs.
    pub(super) fn for_each(&mut self, mut each: impl FnMut(&[Packet])) {
        loop {
            self.activate();
            let Some(first) = self.earliest() else { break };
            let others = self.active.iter().enumerate().filter(|(i, _)| *i != first);
            let until = others
                .filter_map(|(_, file)| file.due())
                .chain(self.waiting.last().map(|(time, _)| *time))
                .min();
            let Some(file) = self.active.get_mut(first) else { break };
            each(file.run(until));
            if file.due().is_none() && !file.refill(BLOCKS_AT_ONCE) {
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
            match FileStream::open(source) {
                Ok(mut file) => {
                    if file.refill(BLOCKS_AT_ONCE) {
                        self.active.push(file);
                    } else {
                        self.close(file);
                    }
                }
                Err(reason) => self.failed.push((source, reason)),
            }
        }
    }

    fn earliest(&self) -> Option<usize> {
        let due = |(i, file): (usize, &FileStream<'_>)| Some((file.due()?, file.source.id, i));
        self.active.iter().enumerate().filter_map(due).min().map(|(_, _, i)| i)
    }

    fn close(&mut self, file: FileStream<'a>) {
        self.frames.merge(&file.tally);
        let mut summary = file.reader.finish();
        summary.diagnostics.extend(file.tally.diagnostics(file.source.id));
        self.closed.push((file.source, summary));
    }
}

impl<'a> FileStream<'a> {
    fn open(source: &'a Source<Kind>) -> Result<Self, String> {
        let input = open(source).map_err(|error| format!("cannot be read: {error}"))?;
        let reader = CaptureReader::new(input, source.id).map_err(|error| error.to_string())?;
        let (packets, tally) = (Vec::new(), DecodeTally::default());
        Ok(Self { source, reader, packets, next: 0, tally })
    }

    /// Time of the next packet that is in memory.
    fn due(&self) -> Option<Timestamp> {
        self.packets.get(self.next).map(Packet::time)
    }

    /// The next packets up to `until`, at least one.
    fn run(&mut self, until: Option<Timestamp>) -> &[Packet] {
        let rest = self.packets.get(self.next..).unwrap_or_default();
        let length = match until {
            Some(until) => rest.iter().take_while(|p| p.time() <= until).count().max(1),
            None => rest.len(),
        };
        let run = rest.get(..length).unwrap_or(rest);
        self.next += run.len();
        run
    }

    /// Reads blocks until some hold packets, decoding them in parallel; `false` at the end.
    fn refill(&mut self, blocks: usize) -> bool {
        self.packets.clear();
        self.next = 0;
        while self.packets.is_empty() {
            let read: Vec<_> =
                std::iter::from_fn(|| self.reader.next_block()).take(blocks).collect();
            if read.is_empty() {
                return false;
            }
            let id = self.source.id;
            let decoded: Vec<(Vec<Packet>, DecodeTally)> = read
                .into_par_iter()
                .map(|block| {
                    let mut packets = Vec::new();
                    let tally = block.decode(id, &mut packets);
                    (packets, tally)
                })
                .collect();
            for (packets, tally) in decoded {
                self.packets.extend(packets);
                self.tally.merge(&tally);
            }
        }
        true
    }
}
