//! Finds the timeouts in a stream of error-log bytes.
//!
//! A substring search decides first: a line without a needle is "other" and is not parsed. Where
//! it finds something, the line is freed of what a log collector put around it. The scanner holds
//! one unfinished line and one unfinished record, so its memory does not grow with the file, and
//! the events do not depend on how the bytes are cut into chunks.

mod needles;
mod piece;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDateTime;
use why504_model::Interval;

use crate::classify::{Classified, ClassifyError, Phase, UserPattern, classify};
use crate::error::{ErrorRecord, RecordError};
use crate::lines::{LineBlocks, MAX_LINE};
use crate::zone::Zone;
pub use needles::NEEDLES;
pub use piece::{ErrorPiece, Moved, PieceScanner};
use state::State;

/// What one line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for a line and taken apart at once")]
pub enum LineOutcome<'a> {
    /// A failed or timed-out connect or read.
    Timeout(LoggedTimeout<'a>),
    /// Nothing that could be about a handshake.
    Other,
    /// It holds a needle and cannot be read.
    Unparsed(Unparsed),
}

/// A record together with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedTimeout<'a> {
    /// The record.
    pub record: ErrorRecord<'a>,
    /// What it reports.
    pub class: Classified,
}

/// What nginx's own line about a failed connect of a cosocket and the user's line about it have in
/// common: the second, the worker, the connection, and whether a timer or an errno ended it. Lua code
/// runs on in the loop iteration in which the cosocket failed (lua-nginx-module
/// src/ngx_http_lua_socket_tcp.c); a collector may turn the two lines round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OneEvent {
    time: NaiveDateTime,
    pid: u32,
    connection: u64,
    failure: bool,
}

impl LoggedTimeout<'_> {
    /// The event, for lines of cosockets and of user code that connect for a request.
    pub fn event(&self) -> Option<OneEvent> {
        let Self { record, class } = self;
        let connects = matches!(class.phase, Phase::Connect | Phase::Queue);
        (class.cosocket && connects).then_some(OneEvent {
            time: record.time,
            pid: record.pid,
            connection: record.connection?,
            failure: class.kind.is_failure(),
        })
    }
}

/// Why a line that holds a needle was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unparsed {
    /// It is not a record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It is a record that says too little.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// It is longer than [`MAX_LINE`].
    #[error("the line is longer than {MAX_LINE} bytes, which no nginx writes into an error log")]
    TooLong,
    /// The last line of the file has no line feed and is not whole.
    #[error("the last line of the file is not finished; it will be read once it is")]
    Unfinished,
}

/// Judges one record, given whole, without its line feed and without a collector's wrapper.
pub fn read_line(line: &[u8]) -> LineOutcome<'_> {
    judge_line(line, &[])
}

/// As [`read_line`], with the user's own messages as well.
fn judge_line<'a>(line: &'a [u8], patterns: &[UserPattern]) -> LineOutcome<'a> {
    let by_nginx = needles::has_needle(line);
    if line.len() > MAX_LINE {
        // What stands behind the limit is not known, so neither is what a line of user code says.
        return if by_nginx {
            LineOutcome::Unparsed(Unparsed::TooLong)
        } else {
            LineOutcome::Other
        };
    }
    if !by_nginx && patterns.is_empty() && !needles::has_user_needle(line) {
        return LineOutcome::Other;
    }
    judge(by_nginx, &ErrorRecord::parse(line), patterns)
}

/// Judges a line that holds a needle, of nginx (`by_nginx`) or of user code, by its record.
fn judge<'a>(
    by_nginx: bool,
    parsed: &Result<ErrorRecord<'a>, RecordError>,
    patterns: &[UserPattern],
) -> LineOutcome<'a> {
    let record = match parsed {
        Ok(record) => *record,
        Err(reason) if by_nginx => return LineOutcome::Unparsed((*reason).into()),
        Err(_) => return LineOutcome::Other,
    };
    match classify(&record) {
        Ok(Some(class)) => LineOutcome::Timeout(LoggedTimeout { record, class }),
        Ok(None) => {
            let class = patterns.iter().find_map(|pattern| pattern.classify(&record));
            class.map_or(LineOutcome::Other, |class| {
                LineOutcome::Timeout(LoggedTimeout { record, class })
            })
        }
        Err(reason) => LineOutcome::Unparsed(reason.into()),
    }
}

/// A line that is worth saying something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEvent<'a> {
    /// 1-based number of its first physical line.
    pub line: u64,
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// The record without wrappers; physical lines are joined by line feeds. A record in JSON is
    /// in the spelling of the text form.
    pub text: &'a [u8],
    /// The timeout, or why it could not be read.
    pub outcome: Result<LoggedTimeout<'a>, Unparsed>,
    /// It is the last line and has no line feed: whole as far as can be told, but more may come.
    pub unterminated: bool,
    /// When the line reached the log collector that wrapped it (UTC), which is after it was
    /// written.
    pub wrapper_time: Option<Interval>,
    /// The time that the record states in UTC, a millisecond wide (JSON records): no zone applies.
    pub stated_time: Option<Interval>,
}

impl ErrorEvent<'_> {
    /// When the record was written (UTC), as narrow as its own time, the zone of the log and the
    /// collector's time tell.
    pub fn logged(&self, civil: NaiveDateTime, zone: Zone) -> Interval {
        if let Some(stated) = self.stated_time {
            return stated;
        }
        let second = zone.second(civil);
        self.wrapper_time.map_or(second.interval(), |arrival| second.before(arrival))
    }
}

/// Where every physical line went: `total = timeouts + other + unparsed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineTally {
    /// Physical lines.
    pub total: u64,
    /// Lines that are cases.
    pub timeouts: u64,
    /// Lines about something else, and continuations of records.
    pub other: u64,
    /// Lines with a needle that could not be read.
    pub unparsed: u64,
}

impl LineTally {
    /// Counts the lines of another log, or of another piece, as well.
    pub fn add(&mut self, more: Self) {
        self.total = self.total.saturating_add(more.total);
        self.timeouts = self.timeouts.saturating_add(more.timeouts);
        self.other = self.other.saturating_add(more.other);
        self.unparsed = self.unparsed.saturating_add(more.unparsed);
    }

    /// Takes timeouts for lines about something else: they repeat others.
    pub fn repeats(&mut self, count: u64) {
        let count = count.min(self.timeouts);
        self.timeouts -= count;
        self.other = self.other.saturating_add(count);
    }
}

/// The unterminated last line of a stream, or the unfinished record of several lines that it
/// belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedLine {
    /// 1-based number of its first line.
    pub line: u64,
    /// Offset of its first byte: where to read on when the file has grown.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// An event was made of it, since it reads as a whole record.
    pub consumed: bool,
}

/// What [`ErrorScanner::finish`] hands back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanEnd {
    /// Where the lines went.
    pub tally: LineTally,
    /// How often the log says that lines were left out of it: `too many log messages, limiting`
    /// (freenginx, Angie). Such a log is not complete.
    pub limited: u64,
    /// Lines of nginx that say that a name could not be resolved in time (`resolver_timeout`): no
    /// connect was tried, and the client got a 502.
    pub unresolved: u64,
    /// The last line, if it has no line feed.
    pub unfinished: Option<UnfinishedLine>,
}

/// Finds the timeouts in a stream of chunks.
#[derive(Clone, Debug)]
pub struct ErrorScanner {
    blocks: LineBlocks,
    state: State,
    /// Tells those who scan pieces whether lines come in parts.
    parted: Arc<AtomicBool>,
}

impl Default for ErrorScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl ErrorScanner {
    /// A scanner at the beginning of a file.
    pub fn new() -> Self {
        Self::with_patterns(Vec::new())
    }

    /// A scanner that takes the user's own messages for timeouts as well. With patterns every line
    /// is parsed.
    pub fn with_patterns(patterns: Vec<UserPattern>) -> Self {
        let state = State::new(patterns.into());
        Self { blocks: LineBlocks::default(), state, parted: Arc::default() }
    }

    /// Reads the next bytes; `sink` gets the timeouts and the unparsed lines in order.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut impl FnMut(ErrorEvent<'_>)) {
        let Self { blocks, state, parted } = self;
        blocks.feed(chunk, |block| state.block(&block, sink));
        parted.store(state.parted, Ordering::Relaxed);
    }

    /// The stream has ended. An unterminated last line becomes an event (marked as such) if it
    /// reads as a complete timeout; one with a needle that does not is unparsed, as
    /// [`Unparsed::Unfinished`].
    pub fn finish(mut self, sink: &mut impl FnMut(ErrorEvent<'_>)) -> ScanEnd {
        let unfinished = match self.blocks.tail() {
            Some((tail, len)) => Some(self.state.last_line(tail, len, sink)),
            None => self.state.end(sink),
        };
        let State { tally, limited, unresolved, .. } = self.state;
        ScanEnd { tally, limited, unresolved, unfinished }
    }
}

#[cfg(test)]
mod tests;
