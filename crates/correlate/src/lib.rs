//! Joins logged timeouts with connect attempts and judges what became of each handshake.
//!
//! Two answers, kept apart: *which attempt* a log line is about ([`Join`]: candidates by upstream
//! and time, then one-to-one assignments that keep the order of a worker's lines), and *what
//! happened to it* ([`judge()`]: one total, pure function from [`Facts`] to a [`Judgement`], written
//! as a table whose rows can be read, tested and printed one by one).
//!
//! Time distance never breaks a tie: where several attempts fit a line and their verdicts agree, the
//! verdict stands and the identity is left open; where they disagree, the answer is `ambiguous`.
//!
//! No I/O, no clock, no log text.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod absence;
mod answerer;
mod answers;
mod assign;
mod candidates;
mod case;
mod checksums;
mod classes;
mod copies;
mod correlate;
mod correlation;
mod crowd;
mod deadline;
mod delay;
mod facts;
mod fates;
mod groups;
mod history;
mod judge;
mod late;
mod outcome;
mod peers;
mod pin;
mod plain;
mod rates;
mod room;
mod rounds;
mod search;
mod serials;
mod skew;
mod starts;
mod threads;
mod timers;
mod verdict;
mod view;
mod vote;
mod which;
mod zone;

pub use assign::{Assignment, Edge, Lines, Place, Run, Writer, assign};
pub use candidates::{Basis, Window};
pub use case::{Candidate, Case};
pub use copies::{Copies, Exchange};
pub use correlate::{correlate, correlate_within};
pub use correlation::Correlation;
pub use deadline::Deadline;
pub use delay::Leg;
pub use facts::{Asked, End, Facts, Foreign, Seen};
pub use groups::{Count, Group};
pub use history::History;
pub use judge::{Doubt, Judgement, Need, Row, judge, rows};
pub use late::LateAnswer;
pub use outcome::judge_attempt;
pub use peers::{unseen_peers, virtual_peers};
pub use pin::ClockPin;
pub use plain::Plain;
pub use rates::{Class, Concentration, Counted, Losses, Rates};
pub use room::ROOM;
pub use search::Join;
pub use skew::{Drift, LogClock};
pub use threads::{OneThread, Threads};
pub use timers::{LineOrigin, SettledTimer, USUAL_TIMERS, settle_timers};
pub use verdict::{Grade, LostPacket, Mechanism, Settles, Verdict};
pub use view::{Points, Station, ends};
pub use zone::{ZoneEvidence, ZoneSupport, zone_evidence};
