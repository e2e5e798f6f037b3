//! The report that a person reads first: a headline, what it rests on, what was lost, where, when,
//! one example with its packets, what is open, and what to do next. Facts come from the run; here
//! they are counted and put in order.

mod check;
mod classes;
mod ending;
mod example;
mod handshakes;
mod header;
mod headline;
mod losses;
mod packets;
mod places;
mod rates;
mod resets;
mod timeouts;
mod undecided;

use std::io::{self, Write};

use crate::case_id::case_ids;
use crate::page::Page;
use crate::run::Run;
use crate::style::Style;
use classes::classes;

pub use check::check;
pub(crate) use classes::way;
pub use handshakes::{handshake, handshakes_header, handshakes_summary};
pub(crate) use headline::surety_of;
pub(crate) use packets::packet_list;
pub use resets::resets;
pub use timeouts::timeouts;

/// The whole report.
pub fn report(run: &Run<'_>, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(*style, out);
    let ids = case_ids(run);
    let classes = classes(run);
    headline::print(run, &classes, page)?;
    header::print(run, page)?;
    if !run.timeouts.is_empty() {
        losses::print(run, &classes, page)?;
        places::print(run, page)?;
        example::print(run, &classes, &ids, page)?;
        undecided::print(run, page)?;
    }
    ending::print(run, &classes, &ids, page)
}
