//! The packets of one attempt as a list, in order of time, with the moment at which nginx gave up.

use std::io;

use why504_handshake::{Attempt, Event, Side};
use why504_model::Interval;

use crate::flight::{Proof, proofs};
use crate::moment::relative;
use crate::page::{Page, inked, plain};
use crate::run::{Captures, Run};
use crate::style::Ink;
use crate::visible::{columns, cut_front, visible};

/// Widest name of a frame: `gateway.pcap#114002`.
const FRAME_MAX: usize = 26;

/// Prints at most `kept` packets.
pub(crate) fn packet_list(
    run: &Run<'_>,
    attempt: &Attempt,
    given_up: Option<Interval>,
    kept: usize,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let captures = run.captures();
    let proofs = proofs(&captures, attempt, given_up, kept);
    let names: Vec<String> = proofs.iter().map(|p| frame_name(&captures, p)).collect();
    let wide = names.iter().map(|n| columns(n)).max().unwrap_or(0);
    let left = 2 + 10 + 2 + wide + 2;
    let notes = proofs.iter().map(|p| columns(&p.note)).max().unwrap_or(0);
    // All on one line or none: columns that jump are hard to read.
    let one_line =
        proofs.iter().all(|p| left + notes + 2 + columns(&packet(p.seen.event)) <= page.width());
    let mut waiting = given_up;
    for (proof, name) in proofs.iter().zip(&names) {
        if let Some(at) = waiting.filter(|at| proof.seen.near_time >= at.end()) {
            give_up(attempt, at, wide, page)?;
            waiting = None;
        }
        let after = relative(proof.seen.near_time.since(attempt.first_syn()));
        let pad = wide - columns(name);
        let head = format!("  {after:>10}  {name}{}  ", " ".repeat(pad));
        let packet = packet(proof.seen.event);
        let gap = 2 + notes - columns(&proof.note);
        if one_line {
            page.line(&[
                plain(head),
                plain(proof.note.as_str()),
                inked(format!("{}{packet}", " ".repeat(gap)), Ink::Faint),
            ])?;
            continue;
        }
        for (i, line) in crate::page::wrap(&proof.note, page.width() - left, 0).iter().enumerate() {
            let margin = if i == 0 { head.clone() } else { " ".repeat(left) };
            page.line(&[plain(margin), plain(line.as_str())])?;
        }
        page.line(&[plain(" ".repeat(left)), inked(packet, Ink::Faint)])?;
    }
    match waiting {
        Some(at) => give_up(attempt, at, wide, page),
        None => Ok(()),
    }
}

fn give_up(attempt: &Attempt, at: Interval, wide: usize, page: &mut Page<'_>) -> io::Result<()> {
    let from = at.start().since(attempt.first_syn()).as_secs_f64();
    let to = at.end().since(attempt.first_syn()).as_secs_f64();
    let head = format!("  {:>10}  {:<wide$}  ", "", "(no packet)");
    let text = format!("nginx gives up between {from:+.2} and {to:+.2} s");
    page.line(&[plain(head), inked(text, Ink::Strong)])
}

/// `gateway.pcap#114002`: the file name, and the frame as Wireshark numbers it.
fn frame_name(captures: &Captures<'_>, proof: &Proof<'_>) -> String {
    let location = proof.seen.event.location;
    let path = captures.file(location);
    let name = format!("{}#{}", path.rsplit('/').next().unwrap_or(path), location.record);
    cut_front(&visible(&name), FRAME_MAX).into_owned()
}

/// `> [S] seq 1881923`, `< [S.] seq 9 ack 1881924`: tcpdump's notation, raw numbers.
pub(crate) fn packet(event: &Event) -> String {
    let arrow = match event.side {
        Side::Client => '>',
        Side::Server => '<',
    };
    let flags = crate::words::flags(event);
    let mut text = format!("{arrow} [{flags}] seq {}", event.seq.0);
    if event.flags.contains(why504_model::TcpFlags::ACK) {
        text.push_str(&format!(" ack {}", event.ack.0));
    }
    if event.payload_len > 0 {
        text.push_str(&format!(" length {}", event.payload_len));
    }
    text
}
