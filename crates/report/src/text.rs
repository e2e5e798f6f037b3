//! The report that a person reads first. Facts come from the run; here they are put in order.

use std::io::{self, Write};

use why504_correlate::Judgement;
use why504_handshake::Attempt;

use crate::run::{Captures, Run, ZoneInfo};
use crate::style::Style;

/// The whole report.
pub fn report(_run: &Run<'_>, _style: &Style, _out: &mut dyn Write) -> io::Result<()> {
    Ok(())
}

/// Heading of the list of attempts.
pub fn handshakes_header(_style: &Style, _out: &mut dyn Write) -> io::Result<()> {
    Ok(())
}

/// One attempt of `why504 handshakes`, when it closes.
pub fn handshake(
    _captures: &Captures<'_>,
    _zone: &ZoneInfo,
    _attempt: &Attempt,
    _judgement: &Judgement,
    _style: &Style,
    _out: &mut dyn Write,
) -> io::Result<()> {
    Ok(())
}

/// What follows the list of attempts.
pub fn handshakes_summary(_run: &Run<'_>, _style: &Style, _out: &mut dyn Write) -> io::Result<()> {
    Ok(())
}

/// Every logged timeout, no captures needed.
pub fn timeouts(_run: &Run<'_>, _style: &Style, _out: &mut dyn Write) -> io::Result<()> {
    Ok(())
}
