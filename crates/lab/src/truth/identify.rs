//! Which attempt an error line is about: by its mark, else by the start of its request.

use std::net::IpAddr;

use super::gateway::GatewayAttempt;
use super::logs::{Access, ErrorLine};
use super::packets::Packets;
use super::{Attempt, Settings};

const MS: i64 = 1_000_000;

/// Local ports from here on belong to marked proxy requests, up to [`MARKED_END`].
const MARKED: u16 = 20_000;
const MARKED_END: u16 = 32_000;

/// What a line was about.
pub(super) enum Found<'a> {
    /// An attempt that the gateway's capture shows.
    Sent(&'a GatewayAttempt),
    /// One of which no SYN ever left, as far as it is known.
    Unsent(Box<Attempt>),
}

/// The one attempt that `error` is about and how that is known; `None` when it is not certain.
pub(super) fn attempt<'a>(
    error: &ErrorLine,
    access: &Access,
    packets: &'a Packets,
    settings: &Settings,
) -> Option<(Found<'a>, &'static str)> {
    let mark = Mark::of(error, settings)?;
    let sent: Vec<&GatewayAttempt> =
        packets.gateway.iter().filter(|attempt| mark.fits(attempt)).collect();
    if mark.certain && sent.is_empty() {
        return unsent(error, packets, settings, &mark)
            .map(|found| (Found::Unsent(Box::new(found)), "mark"));
    }
    if mark.certain && error.turn.1 > 1 {
        // Each try has its line, in order; the access line dates the first alone.
        let (nth, all) = error.turn;
        let found = sent.get(nth).filter(|_| sent.len() == all);
        return found.map(|attempt| (Found::Sent(attempt), "mark"));
    }
    let fitting: Vec<&GatewayAttempt> =
        sent.iter().copied().filter(|attempt| outcome_fits(error, attempt)).collect();
    match (&fitting[..], &sent[..], mark.certain) {
        // A worker that is late calls a handshake timed out that was complete in time.
        ([only], _, true) | ([], [only], true) => return Some((Found::Sent(only), "mark")),
        _ => {}
    }
    if settings.stalls {
        return None;
    }
    // The request's start is known to the millisecond; the SYN leaves in the same turn of the loop.
    let start = access.starts.get(&error.key)?;
    let close = (start - 4 * MS)..=(start + 10 * MS);
    let mut near = fitting.iter().filter(|attempt| close.contains(&attempt.start()));
    match (near.next(), near.next()) {
        (Some(only), None) => Some((Found::Sent(only), "access")),
        _ => None,
    }
}

/// What an attempt must look like to be the one of a line.
struct Mark {
    source: IpAddr,
    /// The local port, where the request asked for one.
    bind: Option<u16>,
    port: u16,
    window: (i64, i64),
    /// Whether the request says what no other request near it says.
    certain: bool,
}

impl Mark {
    fn of(error: &ErrorLine, settings: &Settings) -> Option<Self> {
        let gateway: IpAddr = settings.gateway_address().parse().ok()?;
        Some(Self {
            source: error.source.as_ref().map_or(Some(gateway), |text| text.parse().ok())?,
            bind: error.bind,
            port: error.port,
            window: window(error),
            certain: error.bind.is_some() || error.source.is_some(),
        })
    }

    fn fits(&self, attempt: &GatewayAttempt) -> bool {
        attempt.dport == self.port
            && attempt.src == self.source
            && match self.bind {
                Some(port) => attempt.sport == port,
                None => !(MARKED..MARKED_END).contains(&attempt.sport),
            }
            && (self.window.0..=self.window.1).contains(&attempt.start())
    }
}

/// An attempt that was never sent: the gateway's filter dropped its SYNs and logged them, or nobody
/// has its address.
fn unsent(
    error: &ErrorLine,
    packets: &Packets,
    settings: &Settings,
    mark: &Mark,
) -> Option<Attempt> {
    if error.what.starts_with("connect() failed") {
        return None;
    }
    let mut logged = packets.unsent.iter().filter(|attempt| mark.fits(attempt));
    let (dst, sport, isn) = match (logged.next(), logged.next()) {
        (Some(only), None) => (only.dst.to_string(), only.sport, only.isn),
        (None, _) if settings.absent.contains(&error.port) => {
            (String::new(), error.bind.unwrap_or(0), 0)
        }
        _ => return None,
    };
    Some(Attempt {
        src: mark.source.to_string(),
        sport,
        dst,
        dport: error.port,
        isn,
        cause: "no_syn_sent".to_owned(),
        mechanism: None,
        lost_between: None,
        n_syn: 0,
        syn_t: 0.0,
        syn_arrived: 0,
        synack_sent: 0,
        late_synack: 0,
        gw_frames: Vec::new(),
    })
}

/// When the first SYN can have been sent: before the logged second by the timeout, or, for read
/// timeouts, by the read timeout and at most the connect timeout more.
fn window(error: &ErrorLine) -> (i64, i64) {
    #[expect(clippy::cast_possible_truncation, reason = "a timeout of seconds, in nanoseconds")]
    let connect = (error.connect_timeout * 1e9) as i64;
    let (least, most) = match error.what {
        "lua tcp socket read timed out" => (2000 * MS, 2000 * MS + connect),
        "while reading response header" => (4000 * MS, 4000 * MS + connect),
        refused if refused.starts_with("connect() failed") => (0, connect),
        _ => (connect, connect),
    };
    (error.second_ns - most - 300 * MS, error.second_ns + 1000 * MS - least + 100 * MS)
}

/// Whether the attempt can have ended the way the line says.
fn outcome_fits(error: &ErrorLine, attempt: &GatewayAttempt) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "a timeout of seconds, in nanoseconds")]
    let deadline = attempt.start() + (error.connect_timeout * 1e9) as i64;
    // A SYN+ACK that the client did not acknowledge was no answer to it.
    let answered = attempt.synacks.iter().any(|synack| synack.time < deadline)
        && attempt.acks.iter().any(|time| *time < deadline);
    match error.what {
        "connect() failed (111" => !attempt.refusals.is_empty(),
        "connect() failed (113" | "connect() failed (13" => !attempt.unreachables.is_empty(),
        "lua tcp socket read timed out" | "while reading response header" => answered,
        _ => !answered && attempt.refusals.is_empty() && attempt.unreachables.is_empty(),
    }
}
