//! The packets of one point in order of time, from however many files.
//!
//! Files are opened when their first packet is due and closed when they end, so a long series of
//! rotated files costs as much memory as one. Where files overlap in time they are merged.

mod batch;

use std::io::Read;

use why504_capture::{CaptureReader, CaptureSummary, DecodeTally, Gathered, Picker};
use why504_ingest::{Source, open, open_anywhere};
use why504_model::{Damage, SourceId, Timestamp};

use crate::inputs::Kind;
use crate::progress::Complaints;
use batch::{Ahead, Batch, Feed};

type Reader = CaptureReader<Box<dyn Read + Send>>;

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
    active: Vec<FileStream<'a>>,
    frames: DecodeTally,
    closed: Vec<(&'a Source<Kind>, CaptureSummary)>,
    failed: Vec<(&'a Source<Kind>, String)>,
}

/// One file that is being read: the packets that are due, and those that come behind them.
struct FileStream<'a> {
    source: &'a Source<Kind>,
    feed: Feed,
    now: Batch,
    /// Filled while `now` is folded.
    ahead: Option<Batch>,
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
                    file.begin(1);
                    waiting.push((file.due().unwrap_or(Timestamp::MIN), source));
                }
                Err(reason) => {
                    complaints
                        .add(Damage::Unusable, format!("{}: {reason}", source.path.display()));
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
            if file.due().is_none() && !file.advance() {
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
                    if file.begin(batch::BLOCKS) {
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
        let mut summary = file.feed.finish();
        summary.diagnostics.extend(file.tally.diagnostics(file.source.id));
        self.closed.push((file.source, summary));
    }
}

impl<'a> FileStream<'a> {
    fn open(source: &'a Source<Kind>) -> Result<Self, String> {
        let unreadable = |error| format!("cannot be read: {error}");
        let ahead = open_anywhere(source).map_err(unreadable)?.map(Ahead::new);
        let input: Box<dyn Read + Send> = match ahead.clone() {
            Some(file) => Box::new(file),
            None => open(source).map_err(unreadable)?,
        };
        let reader = CaptureReader::new(input, source.id).map_err(|error| error.to_string())?;
        Ok(Self {
            source,
            feed: Feed::new(reader, ahead, source.id),
            now: Batch::default(),
            ahead: None,
            tally: DecodeTally::default(),
        })
    }

    /// Time of the next packet that is in memory.
    fn due(&self) -> Option<Timestamp> {
        self.now.due()
    }

    /// Reads the first packets, from at most `blocks` blocks at a time; `false` when there are none.
    fn begin(&mut self, blocks: usize) -> bool {
        self.now = Batch::of(blocks);
        self.feed.fill(&mut self.now);
        self.now.merge_tallies(&mut self.tally);
        self.due().is_some() || self.advance()
    }

    /// Hands over the packets in memory up to `until`, at least one, and reads and decodes the next
    /// batch at the same time.
    fn fold(&mut self, until: Option<Timestamp>, observer: &mut impl Observer) {
        let (file, feed, now) = (self.source.id, &mut self.feed, &mut self.now);
        // With a single thread there is nobody to read on meanwhile.
        if self.ahead.is_some() || now.ended() || rayon::current_num_threads() == 1 {
            return now.fold(file, until, observer);
        }
        let ahead = self.ahead.insert(feed.spare_batch());
        rayon::in_place_scope(|scope| {
            feed.spawn(scope, ahead);
            now.fold(file, until, observer);
        });
    }

    /// Goes on to the next batch that holds a packet; `false` at the end of the file.
    fn advance(&mut self) -> bool {
        while self.due().is_none() {
            if self.now.ended() {
                return false;
            }
            let next = self.ahead.take().unwrap_or_else(|| {
                let mut next = self.feed.spare_batch();
                self.feed.fill(&mut next);
                next
            });
            let done = std::mem::replace(&mut self.now, next);
            self.feed.keep(done);
            self.now.merge_tallies(&mut self.tally);
        }
        true
    }
}
