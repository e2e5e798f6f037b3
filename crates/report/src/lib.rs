//! Turns what was found into words: NDJSON for machines, text for people.
//!
//! The binary fills a [`Run`] and calls one of
//! * [`ndjson`]: the contract that scripts rely on, one object a line;
//! * [`text`]: the report that a person reads first;
//! * [`check`]: whether the inputs can be joined at all;
//! * [`explain`]: one case in full, with the packet ladder and the checklist;
//! * [`slices`]: the packets of a case as a commented pcapng file;
//! * [`recipe`]: what to capture and to log before the next incident;
//! * [`verdicts_doc`]: the decision table as documentation.
//!
//! Everything that came from an input is hostile: in text it passes one gate that makes control
//! characters visible, in NDJSON serde escapes it. The crate judges nothing, opens no file and
//! knows no clock; it writes to what it is given.

#![allow(
    clippy::format_push_string,
    reason = "text is put together here; `write!` would add a Result to drop"
)]

mod case_id;
mod counted;
mod flight;
mod limit;
mod moment;
mod page;
mod pcapng;
mod rate;
mod reason;
mod reset;
mod run;
mod style;
mod visible;
mod words;

pub mod check;
pub mod explain;
pub mod ndjson;
pub mod recipe;
pub mod slices;
pub mod text;
pub mod verdicts_doc;

pub use case_id::{case_id, case_ids};
pub use reset::{Fate, ResetGroup, ResetKey, ResetTotals, SentReset};
pub use run::{
    AccessLine, Captures, Http504, InputNote, LogLines, LogText, Logged504, PointInfo, Run,
    SkippedInput, Texts, Totals, TunnelInfo, ZoneInfo,
};
pub use style::Style;
pub use visible::visible;
