//! The age of an earlier attempt that still held the port, by the client's own clocks.

use why504_handshake::isn_clock::{Earlier, agrees};
use why504_handshake::{Attempt, Sighting};

use crate::moment::{LocalClock, duration};
use crate::run::Run;

/// Whether the ISNs of two attempts are as far apart as their SYNs; nothing where the port is
/// another, since Linux's clock is one for each 4-tuple.
pub(super) fn of_both(earlier: &Sighting, later: &Sighting) -> &'static str {
    if earlier.flow != later.flow || earlier.point != later.point {
        ""
    } else if agrees(earlier, later) {
        " Their ISNs are that far apart on Linux's ISN clock, too: one host's kernel chose both."
    } else {
        " On Linux's ISN clock they are not that far apart: several hosts behind one address, \
         something that rewrites ISNs, or another system."
    }
}

/// What a bare ACK tells of an attempt that no capture holds.
pub(super) fn of_unseen(run: &Run<'_>, attempt: &Attempt) -> Option<String> {
    let (sighting, earlier) =
        attempt.sightings().find_map(|sighting| Some((sighting, Earlier::of(sighting)?)))?;
    let clock = LocalClock { offset_seconds: run.zone.offset_seconds };
    let isn = earlier.isn.0;
    let head = format!(
        "A bare ACK speaks of something older on this port that no capture holds, with sequence \
         number x = {isn}."
    );
    let began = |before| clock.precise(sighting.first_syn() - before);
    let by_isn = duration(earlier.by_isn);
    let age = match (earlier.is_consistent(), earlier.by_stamps) {
        (Some(true), Some(stamps)) => format!(
            "By Linux's ISN clock (one step in 64 ns on one 4-tuple) its number was chosen {by_isn} \
             before this SYN, or a multiple of 274.88 s earlier; by the time stamp that the server \
             echoes {}: at about {}.",
            duration(stamps),
            began(stamps)
        ),
        (_, Some(stamps)) => format!(
            "By the time stamp that the server echoes it was sent {} before this SYN, at about {}. \
             Linux's ISN clock says {by_isn}, which does not agree: payload was sent on it, several \
             hosts share the address, something rewrites ISNs, or this is another system.",
            duration(stamps),
            began(stamps)
        ),
        (_, None) => format!(
            "If the client is a Linux host, its number was chosen {by_isn} before this SYN (at \
             about {}), or a multiple of 274.88 s earlier: its ISN clock makes one step in 64 ns.",
            began(earlier.by_isn)
        ),
    };
    Some(format!("{head} {age}"))
}
