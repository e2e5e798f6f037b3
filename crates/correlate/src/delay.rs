//! Which part of the way took longest where an answer came too late: the SYN's way, the server, or
//! the SYN+ACK's way. A measurement only; that nothing was lost is decided in [`mod@crate::judge`].

use why504_handshake::{Event, Sighting};
use why504_model::{Span, Timestamp};

use crate::which::{Which, which_came};

/// A part of the way from the client's SYN to the SYN+ACK that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The SYN, from the client's point to the server's.
    Syn,
    /// From the SYN to the SYN+ACK, at the server's point.
    Server,
    /// The SYN+ACK, from the server's point to the client's.
    SynAck,
}

/// The slowest part, as two points saw one attempt; `None` where the packets do not tell. `there`
/// gives a moment of the client's point on the clock of the server's, where the offset between the
/// two is known; without it only the server's own share of the whole is.
pub(crate) fn slowest(
    client: &Sighting,
    server: &Sighting,
    there: impl Fn(Timestamp) -> Option<Timestamp>,
) -> Option<Leg> {
    let arrived = server.syns().next()?;
    let answer = server.syn_acks().next()?;
    let sent = copy_sent(client, server, arrived)?;
    let taken = answer.time.since(arrived.time);
    let first = which_came(client, server, &there) == Which::First;
    let came = client.syn_acks().next().filter(|_| first);
    let Some(there_sent) = there(sent.time) else {
        let travelled = came?.time.since(sent.time) - taken;
        return (taken > travelled).then_some(Leg::Server);
    };
    let forth = arrived.time.since(there_sent);
    let back = came.and_then(|e| there(e.time)).map_or(Span::ZERO, |t| t.since(answer.time));
    let longest = forth.max(taken).max(back);
    Some(if longest == taken {
        Leg::Server
    } else if longest == forth {
        Leg::Syn
    } else {
        Leg::SynAck
    })
}

/// The client's copy of the SYN that the server's point saw first: the time stamp tells copies
/// apart; without one the first is the first where none is missing.
fn copy_sent<'a>(client: &'a Sighting, server: &Sighting, arrived: &Event) -> Option<&'a Event> {
    match arrived.timestamps {
        Some(stamp) => {
            client.syns().find(|syn| syn.timestamps.is_some_and(|ts| ts.value == stamp.value))
        }
        None => client.syns().next().filter(|_| client.syns().count() == server.syns().count()),
    }
}
