//! Rebuilds TCP connect attempts from the packets of one or several capture points.
//!
//! An attempt is a 4-tuple and an ISN: a SYN with the same ISN is a repeated SYN, one with another
//! ISN on the same 4-tuple is another attempt on a reused port, and every packet of the server is
//! credited by what it acknowledges, never by the stream that it happens to travel in.
//!
//! * [`Tracker`] takes the packets of one point in time order and gives a [`Sighting`] for each
//!   attempt, when it closes.
//! * [`Path`] works out which points lie near the client and which near the server.
//! * [`ResetWatch`] says of each RST what provoked it.
//! * [`ClockOffset`] holds two points' clocks against each other.
//! * [`Trials`] counts how often a first packet was sent and lost.
//! * [`merge()`] puts the sightings of one attempt at several points together: an [`Attempt`].
//!
//! The crate sees no log, judges nothing and does no I/O.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod clock;
mod coverage;
mod event;
pub mod isn_clock;
mod merge;
mod nat;
mod neighbours;
mod path;
mod reset;
mod sample;
mod schedule;
mod sighting;
mod tracker;
mod trials;

pub use clock::{ClockOffset, ClockStep};
pub use coverage::{Coverage, CoverageGap, misses_many};
pub use event::{Event, EventKind, IcmpCause, Side};
pub use merge::{Attempt, Merged, lacks_packets, merge, merge_translated};
pub use nat::{Nat, Translation};
pub use path::{Path, Place, PointId};
pub use reset::{Reset, ResetTally, ResetWatch, Trigger};
pub use sample::Sample;
pub use schedule::Schedule;
pub use sighting::{Closing, Sighting};
pub use tracker::{Tally, Tracker};
pub use trials::{ByPort, Cell, Count, Outcome, Trials};
