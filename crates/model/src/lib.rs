//! The vocabulary of why504, in the field's own words, and nothing else.
//!
//! Every other crate speaks in these types. The crate does no I/O, knows no clock and prints
//! nothing (`no_std` + `alloc` lets the compiler prove it), and it holds no log text: a
//! [`Timeout`] is numbers and the [`Location`] of the line that it came from.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod diagnostic;
mod endpoint;
mod mark;
mod resolution;
mod segment;
mod seq;
mod time;
mod timeout;
mod wire;

pub use diagnostic::{Damage, Diagnostic, Location, SourceId};
pub use endpoint::{Endpoint, Flow};
pub use mark::FlowMark;
pub use resolution::{LinkAddress, Resolution};
pub use segment::{IcmpError, IcmpFamily, Packet, Segment, TcpFlags, TcpTimestamps};
pub use seq::SeqNumber;
pub use time::{Interval, Span, Timestamp};
pub use timeout::{LimitSource, StartBasis, TimeLimit, Timeout, TimeoutId, TimeoutKind};
pub use wire::{Checksum, Vlan};
