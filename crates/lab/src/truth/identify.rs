//! Which attempt an error line is about: by its mark, else by the start of its request.

use std::net::IpAddr;

use super::Settings;
use super::logs::{Access, ErrorLine};
use super::packets::{GatewayAttempt, Packets};

const MS: i64 = 1_000_000;

/// Local ports from here on belong to marked proxy requests, up to [`MARKED_END`].
const MARKED: u16 = 20_000;
const MARKED_END: u16 = 32_000;

/// The one attempt that `error` is about and how that is known; `None` when it is not certain.
pub(super) fn attempt<'a>(
    error: &ErrorLine,
    access: &Access,
    packets: &'a Packets,
    settings: &Settings,
) -> Option<(&'a GatewayAttempt, &'static str)> {
    let gateway: IpAddr = settings.gateway_address().parse().ok()?;
    let marked = error.bind.is_some() || error.source.is_some();
    let source = error.source.as_ref().map_or(Some(gateway), |text| text.parse().ok())?;
    let (from, to) = window(error);
    let fitting: Vec<&GatewayAttempt> = packets
        .gateway
        .iter()
        .filter(|attempt| attempt.dport == error.port && attempt.src == source)
        .filter(|attempt| match error.bind {
            Some(port) => attempt.sport == port,
            None => !(MARKED..MARKED_END).contains(&attempt.sport),
        })
        .filter(|attempt| (from..=to).contains(&attempt.start()))
        .filter(|attempt| outcome_fits(error, attempt))
        .collect();
    if let ([only], true) = (&fitting[..], marked) {
        return Some((only, "mark"));
    }
    // The request's start is known to the millisecond; the SYN leaves in the same turn of the loop.
    let start = access.starts.get(&error.key)?;
    let close = (start - 4 * MS)..=(start + 10 * MS);
    let mut near = fitting.iter().filter(|attempt| close.contains(&attempt.start()));
    match (near.next(), near.next()) {
        (Some(only), None) => Some((only, "access")),
        _ => None,
    }
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
    let answered = attempt.synacks.iter().any(|time| *time < deadline)
        && attempt.acks.iter().any(|time| *time < deadline);
    match error.what {
        "connect() failed (111" => !attempt.refusals.is_empty(),
        "connect() failed (113" | "connect() failed (13" => !attempt.unreachables.is_empty(),
        "lua tcp socket read timed out" | "while reading response header" => answered,
        _ => !answered && attempt.refusals.is_empty() && attempt.unreachables.is_empty(),
    }
}
