//! Time stamps of log collectors: RFC 3339 and its relatives.

use chrono::NaiveDate;
use why504_model::{Interval, Span, Timestamp};

/// A time stamp at the beginning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// As wide as the digits that are written; `None` when the stamp names no zone.
    pub(super) time: Option<Interval>,
    /// Bytes of the stamp.
    pub(super) length: usize,
}

/// `2026-11-22T07:18:23.512345678Z`; the `T` may be a blank, the fraction may be missing, the zone
/// may be missing or written without a colon (journald, rsyslog, docker, kubelet).
pub(super) fn rfc3339(text: &[u8]) -> Option<Stamp> {
    let shaped = [(4, b"-".as_slice()), (7, b"-"), (10, b"T "), (13, b":"), (16, b":")];
    if !shaped.iter().all(|(at, any)| text.get(*at).is_some_and(|byte| any.contains(byte))) {
        return None;
    }
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    let second = number(17, 19).filter(|second| *second <= 60)?.min(59);
    let civil = date.and_hms_opt(number(11, 13)?, number(14, 16)?, second)?;
    let after = text.get(19..)?;
    let fraction = after.strip_prefix(b".").map_or(0, |rest| leading_digits(rest).min(9));
    let length = 19 + if fraction > 0 { fraction + 1 } else { 0 };
    let nanos = nanos(text.get(20..20 + fraction).unwrap_or_default());
    let zone = text.get(length..).and_then(offset);
    let time = zone.map(|(offset, _)| {
        let utc = civil.and_utc().timestamp().saturating_sub(i64::from(offset));
        let start = Timestamp::from_parts(utc, nanos);
        Interval::new(start, start + resolution(nanos, fraction))
    });
    Some(Stamp { time, length: length + zone.map_or(0, |(_, used)| used) })
}

/// How wide a stamp of so many decimals is. Syslog daemons write `.000000` for messages whose own
/// stamp has seconds only, so a fraction of zero counts as none.
fn resolution(nanos: u32, decimals: usize) -> Span {
    if nanos == 0 {
        return Span::from_secs(1);
    }
    let exponent = u32::try_from(9_usize.saturating_sub(decimals)).unwrap_or(0);
    Span::from_nanos(10_i64.saturating_pow(exponent))
}

fn nanos(fraction: &[u8]) -> u32 {
    let digit = |place: usize| fraction.get(place).map_or(0, |b| u32::from(b - b'0'));
    (0..9).fold(0, |sum, place| sum * 10 + digit(place))
}

/// `Z`, `+01:00` or `+0100`: seconds east of Greenwich, and the bytes used.
fn offset(text: &[u8]) -> Option<(i32, usize)> {
    let sign = match text.first()? {
        b'Z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = digits(text.get(1..3)?)?;
    let colon = usize::from(text.get(3) == Some(&b':'));
    let minutes = digits(text.get(3 + colon..5 + colon)?)?;
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    (hours <= 14 && minutes < 60).then_some((sign * seconds, 5 + colon))
}

/// `Nov  2 07:18:23`, the stamp of RFC 3164, which has neither year nor zone: its length.
pub(super) fn rfc3164(text: &[u8]) -> Option<usize> {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let month = text.get(..3)?;
    let day = text.get(4..6)?;
    let day = digits(day.strip_prefix(b" ").unwrap_or(day))?;
    let fits = MONTHS.contains(&month)
        && text.get(3) == Some(&b' ')
        && (1..=31).contains(&day)
        && text.get(6) == Some(&b' ')
        && clock(text.get(7..)?) == Some(8);
    // journald writes a fraction with `-o short-precise`.
    let fraction = text.get(15..)?.strip_prefix(b".").map_or(0, leading_digits);
    fits.then_some(if fraction > 0 { 16 + fraction } else { 15 })
}

/// `07:18:23`: its length.
pub(super) fn clock(text: &[u8]) -> Option<usize> {
    let fits = digits(text.get(..2)?)? < 24
        && text.get(2) == Some(&b':')
        && digits(text.get(3..5)?)? < 60
        && text.get(5) == Some(&b':')
        && digits(text.get(6..8)?)? <= 60;
    fits.then_some(8)
}

fn leading_digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// A number that is written with digits alone.
pub(super) fn digits(text: &[u8]) -> Option<u32> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    plain.then(|| core::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T07:18:23Z.
    const SECOND: i64 = 1_795_331_903;

    #[test]
    fn a_stamp_is_as_wide_as_its_digits() {
        let rows = [
            ("2026-11-22T07:18:23Z x", 20, Some((0, 1_000_000_000))),
            ("2026-11-22T07:18:23.5Z", 22, Some((500_000_000, 100_000_000))),
            ("2026-11-22T07:18:23.512Z", 24, Some((512_000_000, 1_000_000))),
            ("2026-11-22T07:18:23.512345678Z", 30, Some((512_345_678, 1))),
            ("2026-11-22T08:18:23.512345678+01:00 ", 35, Some((512_345_678, 1))),
            ("2026-11-21T23:18:23.000001-0800", 31, Some((1_000, 1_000))),
            // A syslog daemon that had seconds only.
            ("2026-11-22T07:18:23.000000+00:00", 32, Some((0, 1_000_000_000))),
            ("2026-11-22 07:18:23.5127 ", 24, None),
            ("2026-11-22 07:18:23 ", 19, None),
        ];
        for (text, length, expected) in rows {
            let stamp = rfc3339(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            let time = expected.map(|(nanos, width)| {
                let start = Timestamp::from_parts(SECOND, nanos);
                Interval::new(start, start + Span::from_nanos(width))
            });
            assert_eq!(stamp, Stamp { time, length }, "{text}");
        }
    }

    #[test]
    fn what_is_no_stamp() {
        for text in [
            "2026/11/22 07:18:23",
            "2026-13-22T07:18:23Z",
            "2026-11-22T25:18:23Z",
            "2026-11-22",
            "2026-11-22T07:18:61Z",
            "",
        ] {
            assert_eq!(rfc3339(text.as_bytes()), None, "{text}");
        }
        assert_eq!(rfc3164(b"Nov  2 07:18:23 host"), Some(15));
        assert_eq!(rfc3164(b"Nov 22 07:18:23 host"), Some(15));
        for text in ["Nov 32 07:18:23", "Nox 22 07:18:23", "Nov 22 7:18:23 ", "Nov 22", ""] {
            assert_eq!(rfc3164(text.as_bytes()), None, "{text}");
        }
    }
}
