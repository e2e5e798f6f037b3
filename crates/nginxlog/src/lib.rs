//! Reads nginx and OpenResty error and access logs into records and timeouts.
//!
//! Bytes in, records out: the crate opens no file, knows no clock and does not judge. What it
//! offers, in the order in which a run uses it:
//!
//! * [`Conf::read`]: the `log_format`s, log paths and timeouts of an nginx.conf or of `nginx -T`;
//!   [`LogFormat::from_argument`]: a format that the user gives by name or in nginx's syntax.
//! * [`sniff()`]: is this beginning of a file an error log or an access log?
//! * [`ErrorScanner`]: chunks of an error log in, an [`ErrorEvent`] for each timeout and each line
//!   that could not be read out, a [`LineTally`] at the end. [`read_line`] does the same for one
//!   line, [`describe`] gives the texts of a line for display.
//! * [`Zone::second`]: what the log's civil second means in UTC.
//! * [`AccessScanner`]: chunks of an access log in, [`AccessRecord`]s out.
//! * [`AccessJoin`]: the timeouts as [`JoinCase`]s first, then the access lines in any order, and
//!   a [`Joined`] for each timeout whose request was found: milliseconds instead of a second, the
//!   timer's length, the status that the client got.
//!
//! ```
//! use why504_nginxlog::{AccessJoin, AccessScanner, ErrorScanner, JoinCase, LogFormat, Zone};
//!
//! use why504_model::{Location, SourceId, StartBasis, TimeoutId};
//!
//! let zone: Zone = "Europe/Berlin".parse()?;
//! let errors = b"2026/11/22 08:18:23 [error] 31#31: *5 lua tcp socket connect timed out, when \
//!     connecting to 10.0.0.9:6379, client: 203.0.113.7, server: a, request: \"GET / HTTP/1.1\"\n";
//! let mut cases = Vec::new();
//! let mut scanner = ErrorScanner::new();
//! scanner.feed(errors, &mut |event| {
//!     let timeout = event.outcome.expect("the line is whole");
//!     assert_eq!(timeout.class.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:6379"));
//!     let logged = zone.second(timeout.record.time).interval();
//!     cases.push(JoinCase::new(TimeoutId(0), &timeout, logged));
//! });
//! assert_eq!(scanner.finish(&mut |_| {}).tally.timeouts, 1);
//!
//! let format = LogFormat::from_argument("$msec $request_time $connection $status \"$request\"")?;
//! let accesses = b"1795331903.512 0.500 5 504 \"GET / HTTP/1.1\"\n";
//! let mut join = AccessJoin::new(cases);
//! AccessScanner::new(vec![format]).feed(accesses, &mut |event| {
//!     let location = Location { source: SourceId(1), record: event.line };
//!     join.offer(location, &event.record.expect("the line has this format"));
//! });
//! let (joined, tally) = join.finish();
//! assert_eq!(tally.joined, 1);
//! let (start, basis) = joined[0].start.expect("the request's time is known");
//! assert_eq!(basis, StartBasis::RequestTime);
//! assert!(start.contains(why504_model::Timestamp::from_parts(1_795_331_903, 12_000_000)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod address;
mod classify;
mod conf;
mod error;
mod join;
mod json;
mod lexer;
mod lines;
mod log_format;
mod scan;
mod sniff;
mod wrapper;
mod zone;

pub use access::{
    AccessEvent, AccessPiece, AccessRecord, AccessScanner, AccessTally, Tries, unescape,
};
pub use address::upstream_endpoint;
pub use classify::{Classified, ClassifyError, Phase, UserPattern, UserPatternError, classify};
pub use conf::{Conf, ConfError, Included, LineScope, LogTarget, NamedFormat, Scope};
pub use error::{Context, ErrorRecord, Level, LogText, RecordError, describe};
pub use join::{
    Access504, Access504Tally, AccessJoin, AccessLine, Gathered, JoinCase, JoinIndex, JoinTally,
    Joined, Offers,
};
pub use lines::{MAX_LINE, whole_lines};
pub use log_format::{Escape, FormatError, FormatFault, LogFormat};
pub use scan::{
    ErrorEvent, ErrorPiece, ErrorScanner, LineOutcome, LineTally, LoggedTimeout, Moved, NEEDLES,
    OneEvent, PieceScanner, ScanEnd, UnfinishedLine, Unparsed, read_line,
};
pub use sniff::{LogKind, UnknownFormat, looks_like_conf, sniff, unknown_format};
pub use zone::{
    CivilSecond, Clock, Zone, ZoneError, arrivals, first_second, is_folded, teach, unfold,
};
