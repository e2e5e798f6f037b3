//! The rows. Order is meaning: the first that applies decides.

mod alone;
mod both;
mod client;
mod unseen;

use why504_handshake::CoverageGap;

use super::{Need, Row};
use crate::LateAnswer;
use crate::facts::{Asked, Facts, Foreign};
use crate::verdict::Settles::BetterCoverage;
use crate::{Grade, Verdict};

/// The decision table in order (`docs/verdicts.md` is generated from it). Its last row always
/// applies.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    let parts = [unseen::ROWS, client::ROWS, both::ROWS, alone::ROWS];
    parts.into_iter().flatten().chain([&NOTHING])
}

/// What is said when no other row applies.
pub(super) static NOTHING: Row = Row {
    name: "nothing",
    applies: |_| true,
    when: "nothing above applies",
    verdict: Verdict::NotCaptured,
    mechanism: None,
    grade: Grade::Consistent,
    need: Need::Nothing,
    alternatives: &[(Verdict::NoSynSent, BetterCoverage)],
    reason: "no capture that could show it covers the moment",
};

/// The question is about the third handshake: nginx had a connection, or may have had one, or there
/// is no log line.
fn third_step(f: &Facts) -> bool {
    matches!(f.asked, Asked::Read | Asked::Tls | Asked::ConnectOrRead | Asked::Outcome)
}

/// nginx knew that it was connected: the line is about what came after, or a request was sent.
fn past_connect(f: &Facts) -> bool {
    match f.asked {
        Asked::Connect => false,
        Asked::ConnectOrRead => f.client_or_only().client_bytes > 0,
        _ => true,
    }
}

/// The end that is judged saw a SYN+ACK and no repetition, and its capture shows no plain ACKs.
fn answered_acks_hidden(f: &Facts) -> bool {
    let end = f.client.or(f.server);
    f.late == LateAnswer::None
        && f.acks_may_be_hidden
        && end.is_some_and(|end| {
            end.acks == Err(CoverageGap::NoAcks)
                && end.seen.syn_acks > 0
                && !end.seen.repeated
                && !end.seen.rst_after_first
                && !end.seen.reset_in_window
        })
}

/// A read timer fired after the server had acknowledged what was sent: its ACKs had got through.
fn recovered(f: &Facts) -> bool {
    f.asked != Asked::Outcome && (f.c().server_active || f.s().server_active)
}

/// A SYN+ACK reached the client after it had given up.
fn late_seen(f: &Facts) -> bool {
    f.late != LateAnswer::None
}

/// Something of the server reached the client: it had a SYN and it answered, whatever the server's
/// point shows.
fn heard(f: &Facts) -> bool {
    late_seen(f) || f.c().own_bare_ack || f.c().foreign_ack != Foreign::None || f.c().server_rst
}
