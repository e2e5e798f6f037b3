//! Reads the error logs: each timeout is made into what the caller wants of it on the thread that
//! finds it, and handed over in order.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use why504_ingest::Source;
use why504_model::{Damage, Diagnostic, Location, SourceId, Timeout, TimeoutId};
use why504_nginxlog::{
    ErrorEvent, ErrorPiece, ErrorScanner, LineTally, LogText, LoggedTimeout, PieceScanner,
    Unparsed, Zone,
};

use super::in_order::in_order;
use super::item::Item;
use super::neighbours::Neighbours;
use super::pieces::{self, Reader, Scanner};
use super::zone::Zones;
use crate::inputs::Kind;
use crate::plan::LogPlan;
use crate::progress::Complaints;

/// Lines that could not be read are named up to this number in each file; all are counted.
const UNPARSED_NAMED: usize = 3;

/// A timeout as it is found. The number of its line counts from the beginning of the piece, and its
/// time may still change.
pub(super) struct Found<'a> {
    pub(super) timeout: Timeout,
    pub(super) logged: &'a LoggedTimeout<'a>,
    pub(super) text: LogText<'a>,
}

/// Reads the logs in their order; `each` gets the timeouts of one log after the other, with the log.
pub(super) fn read<T: Send>(
    sources: &[&Source<Kind>],
    plan: &LogPlan,
    zones: &Zones,
    make: impl Fn(Found<'_>) -> T + Sync,
    mut each: impl FnMut(SourceId, Vec<Item<T>>),
    complaints: &mut Complaints,
) -> LineTally {
    let several = sources.len() > 1;
    let mut copies = Copies::default();
    let read = in_order(
        sources,
        |source, emit| {
            let scanner = ErrorScanner::with_patterns(plan.messages.clone());
            let zone = zones.of(source.id);
            let log = ErrorLog { source: source.id, zone, several, make: &make };
            read_one(source, log, scanner, emit)
        },
        |number, mut batch| {
            if several {
                copies.remove(number, &mut batch);
            }
            if let Some(source) = sources.get(number) {
                each(source.id, batch);
            }
        },
    );
    let mut tally = LineTally::default();
    for (of_one, complaints_of_one) in read {
        tally.add(of_one);
        complaints.extend(complaints_of_one);
    }
    tally.repeats(copies.count);
    tally
}

/// What an event is made into.
struct ErrorLog<'a, M> {
    source: SourceId,
    zone: Zone,
    several: bool,
    make: &'a M,
}

impl<M> Clone for ErrorLog<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for ErrorLog<'_, M> {}

struct ErrorReader<'a, T, M> {
    log: ErrorLog<'a, M>,
    scanner: ErrorScanner,
    found: Vec<Item<T>>,
    unparsed: UnparsedLines,
}

#[derive(Default)]
struct UnparsedLines {
    first: Vec<(u64, u64, Unparsed)>,
    count: usize,
}

impl UnparsedLines {
    fn push(&mut self, line: u64, offset: u64, reason: Unparsed) {
        if self.first.len() < UNPARSED_NAMED {
            self.first.push((line, offset, reason));
        }
        self.count = self.count.saturating_add(1);
    }
}

/// An event of a piece: a timeout, or a line that could not be read with its offset.
enum Event<T> {
    Item(Item<T>),
    Unparsed(u64, u64, Unparsed),
}

fn read_one<T: Send, M: Fn(Found<'_>) -> T + Sync>(
    source: &Source<Kind>,
    log: ErrorLog<'_, M>,
    scanner: ErrorScanner,
    emit: &mut dyn FnMut(Vec<Item<T>>),
) -> (LineTally, Complaints) {
    let unparsed = UnparsedLines::default();
    let mut reader = ErrorReader { log, scanner, found: Vec::new(), unparsed };
    let mut neighbours = Neighbours::default();
    let damage = pieces::read(source, &mut reader, |reader| {
        let mut ready = Vec::new();
        for item in reader.found.drain(..) {
            neighbours.push(item, &mut ready);
        }
        if !ready.is_empty() {
            emit(ready);
        }
    });
    let ErrorReader { log, scanner, mut found, mut unparsed } = reader;
    let end = scanner.finish(&mut |event| log.note(&event, &mut found, &mut unparsed));
    let mut tally = end.tally;
    let mut ready = Vec::new();
    for item in found {
        neighbours.push(item, &mut ready);
    }
    neighbours.end(&mut ready);
    emit(ready);
    tally.repeats(neighbours.retold);
    let mut complaints = Complaints::default();
    complain_of_limit(source, end.limited, &mut complaints);
    complain_of_names(source, end.unresolved, &mut complaints);
    complain_of_clock(source, &neighbours, &mut complaints);
    if let Some(damage) = damage {
        complaints.add(Damage::Partial, damage);
    }
    complain_of_unparsed(source, &unparsed, &mut complaints);
    (tally, complaints)
}

/// Scans pieces of an error log.
struct ErrorPieces<'a, M> {
    log: ErrorLog<'a, M>,
    scanner: PieceScanner,
}

impl<T: Send, M: Fn(Found<'_>) -> T + Sync> Scanner for ErrorPieces<'_, M> {
    type Piece = (ErrorPiece, Vec<Event<T>>);

    fn scan(&self, lines: &[u8]) -> Self::Piece {
        // As many as a block of a log full of them holds in a fiftieth of its lines.
        let mut events = Vec::with_capacity(16);
        let piece = self.scanner.scan(lines, &mut |event| events.push(self.log.event(&event)));
        (piece, events)
    }
}

impl<'a, T: Send, M: Fn(Found<'_>) -> T + Sync> Reader for ErrorReader<'a, T, M> {
    type Scanner = ErrorPieces<'a, M>;
    type Piece = (ErrorPiece, Vec<Event<T>>);

    fn scanner(&self) -> Self::Scanner {
        ErrorPieces { log: self.log, scanner: self.scanner.pieces() }
    }

    fn adopt(&mut self, (piece, events): Self::Piece) -> bool {
        let Some(moved) = self.scanner.adopt(piece) else { return false };
        for event in events {
            match event {
                Event::Item(item) => {
                    let line = item.line.saturating_add(moved.lines);
                    self.found.push(Item { line, ..item });
                }
                Event::Unparsed(line, offset, reason) => self.unparsed.push(
                    line.saturating_add(moved.lines),
                    offset.saturating_add(moved.bytes),
                    reason,
                ),
            }
        }
        true
    }

    fn feed(&mut self, bytes: &[u8]) {
        let Self { log, scanner, found, unparsed } = self;
        scanner.feed(bytes, &mut |event| log.note(&event, found, unparsed));
    }
}

impl<T, M: Fn(Found<'_>) -> T> ErrorLog<'_, M> {
    fn note(&self, event: &ErrorEvent<'_>, found: &mut Vec<Item<T>>, unparsed: &mut UnparsedLines) {
        match self.event(event) {
            Event::Item(item) => found.push(item),
            Event::Unparsed(line, offset, reason) => unparsed.push(line, offset, reason),
        }
    }

    fn event(&self, event: &ErrorEvent<'_>) -> Event<T> {
        let logged = match &event.outcome {
            Ok(logged) => logged,
            Err(reason) => return Event::Unparsed(event.line, event.offset, *reason),
        };
        let (record, class) = (&logged.record, logged.class);
        let timeout = Timeout {
            id: TimeoutId::default(),
            location: Location { source: self.source, record: event.line },
            kind: class.kind,
            never_sent: class.never_sent,
            peer: class.peer,
            logged: event.logged(record.time, self.zone),
            start: None,
            limits: Vec::new(),
            worker: Some(record.pid),
            connection: record.connection,
        };
        let fingerprint = if self.several { fingerprint(event.text) } else { 0 };
        let (time, text) = (timeout.logged, LogText::of(record));
        let value = (self.make)(Found { timeout, logged, text });
        Event::Item(Item {
            line: event.line,
            logged: time,
            event: logged.event(),
            user_text: class.user_text,
            fingerprint,
            value,
        })
    }
}

fn fingerprint(record: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.hash(&mut hasher);
    hasher.finish()
}

/// Records that several files hold. A copy in another file is the same event; two equal lines of
/// one file are two events.
#[derive(Default)]
struct Copies {
    /// Of the files before this one.
    earlier: HashSet<u64>,
    file: usize,
    of_this: Vec<u64>,
    /// Copies that were removed.
    count: u64,
}

impl Copies {
    fn remove<T>(&mut self, file: usize, batch: &mut Vec<Item<T>>) {
        if file != self.file {
            self.file = file;
            self.earlier.extend(self.of_this.drain(..));
        }
        let before = batch.len();
        batch.retain(|item| !self.earlier.contains(&item.fingerprint));
        self.count = self.count.saturating_add((before - batch.len()) as u64);
        self.of_this.extend(batch.iter().map(|item| item.fingerprint));
    }
}

fn complain_of_limit(source: &Source<Kind>, limited: u64, complaints: &mut Complaints) {
    if limited > 0 {
        let sentence = format!(
            "{}: not complete: it says {limited} times that too many messages were to be logged and \
             lines were left out",
            source.path.display()
        );
        complaints.add(Damage::Note, sentence);
    }
}

fn complain_of_names(source: &Source<Kind>, unresolved: u64, complaints: &mut Complaints) {
    if unresolved > 0 {
        let sentence = format!(
            "{}: {unresolved} times a name could not be resolved within resolver_timeout; no connect was \
             tried then, so these requests are no cases",
            source.path.display()
        );
        complaints.add(Damage::Note, sentence);
    }
}

fn complain_of_clock<T>(
    source: &Source<Kind>,
    neighbours: &Neighbours<T>,
    complaints: &mut Complaints,
) {
    let Some((line, by)) = neighbours.largest_step else { return };
    let sentence = format!(
        "the times go back by {:.0} s here{}: the clock was set, or lines of several logs are in one \
         file",
        by.as_secs_f64(),
        match neighbours.steps {
            1 => String::new(),
            all => format!(", and {} more times by less", all - 1),
        }
    );
    let location = Location { source: source.id, record: line };
    complaints.about(&source.path, &Diagnostic::new(location, Damage::Note, sentence));
}

fn complain_of_unparsed(
    source: &Source<Kind>,
    unparsed: &UnparsedLines,
    complaints: &mut Complaints,
) {
    for (line, offset, reason) in &unparsed.first {
        let location = Location { source: source.id, record: *line };
        let diagnostic =
            Diagnostic::new(location, Damage::Note, reason.to_string()).at_offset(*offset);
        complaints.about(&source.path, &diagnostic);
    }
    if let Some(more) = unparsed.count.checked_sub(UNPARSED_NAMED).filter(|n| *n > 0) {
        let sentence =
            format!("{}: {more} more lines that could not be read", source.path.display());
        complaints.add(Damage::Note, sentence);
    }
}
