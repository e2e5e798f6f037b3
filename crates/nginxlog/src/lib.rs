//! Reads nginx and OpenResty error and access logs into records and timeouts.
//!
//! Bytes in, records out: the crate opens no file and knows no clock.
//!
//! ```
//! use why504_nginxlog::{ErrorScanner, Zone};
//!
//! let zone: Zone = "Europe/Berlin".parse()?;
//! let log = b"2026/11/22 08:18:23 [error] 31#31: *5 lua tcp socket connect timed out, when \
//!     connecting to 10.0.0.9:6379, client: 203.0.113.7, server: a, request: \"GET / HTTP/1.1\"\n";
//! let mut scanner = ErrorScanner::new();
//! scanner.feed(log, &mut |event| {
//!     let timeout = event.outcome.expect("the line is whole");
//!     assert_eq!(timeout.class.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.9:6379"));
//!     let logged = zone.second(timeout.record.time).interval();
//!     assert_eq!(logged.start().nanos(), 1_795_331_903_000_000_000);
//! });
//! # Ok::<(), why504_nginxlog::ZoneError>(())
//! ```

mod access;
mod address;
mod classify;
mod conf;
mod error;
mod join;
mod lines;
mod log_format;
mod scan;
mod sniff;
mod zone;

pub use access::{AccessEvent, AccessRecord, AccessScanner, AccessTally, Tries, unescape};
pub use address::upstream_endpoint;
pub use classify::{Classified, ClassifyError, Phase, classify};
pub use conf::{Conf, ConfError, Included, LogTarget, NamedFormat, Scope, TimeoutSetting};
pub use error::{Context, ErrorRecord, Level, LogText, RecordError, describe};
pub use join::{AccessJoin, AccessLine, JoinCase, JoinTally, Joined};
pub use lines::MAX_LINE;
pub use log_format::{Escape, FormatError, FormatFault, LogFormat};
pub use scan::{
    ErrorEvent, ErrorScanner, LineOutcome, LineTally, LoggedTimeout, NEEDLES, ScanEnd,
    UnfinishedLine, Unparsed, read_line,
};
pub use sniff::{LogKind, sniff};
pub use zone::{CivilSecond, Zone, ZoneError};
