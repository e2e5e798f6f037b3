//! The times of an access log (nginx src/core/ngx_times.c:152-180, ngx_http_log_module.c:236-253).

use chrono::NaiveDate;
use why504_model::{Interval, Span, Timestamp};

use super::number;

/// `$msec`, `1795331903.512`: the millisecond, since nginx cuts off what is finer.
pub(super) fn msec(text: &[u8]) -> Option<Interval> {
    let start = Timestamp::from_nanos(seconds(text)?.nanos());
    Some(Interval::new(start, start + Span::from_millis(1)))
}

/// `5.000`: seconds with at most nine decimals.
pub(super) fn seconds(text: &[u8]) -> Option<Span> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (text.get(..point)?, text.get(point + 1..)?),
        None => (text, b"".as_slice()),
    };
    let plain = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    if whole.is_empty() || fraction.len() > 9 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let mut nanos: i64 = 0;
    for place in 0..9 {
        let digit = fraction.get(place).map_or(0, |b| i64::from(b - b'0'));
        nanos = nanos * 10 + digit;
    }
    Some(Span::from_secs(number(whole)?) + Span::from_nanos(nanos))
}

/// `$time_local`, `22/Nov/2026:07:18:23 +0000`: the second and the offset from UTC in seconds.
pub(super) fn local(text: &[u8]) -> Option<(Interval, i32)> {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let name = text.get(3..6)?;
    let month = (1..).zip(MONTHS).find(|(_, m)| *m == name)?.0;
    let shaped = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if !shaped.iter().all(|(at, byte)| text.get(*at) == Some(byte)) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(number(text.get(7..11)?)?, month, number(text.get(..2)?)?)?;
    let offset = offset(*text.get(21)?, text.get(22..24)?, text.get(24..)?)?;
    second(date, text.get(12..20)?, offset)
}

/// `$time_iso8601`, `2026-11-22T07:18:23+00:00`.
pub(super) fn iso8601(text: &[u8]) -> Option<(Interval, i32)> {
    let shaped = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (22, b':')];
    if !shaped.iter().all(|(at, byte)| text.get(*at) == Some(byte)) {
        return None;
    }
    let (year, month, day) = (text.get(..4)?, text.get(5..7)?, text.get(8..10)?);
    let date = NaiveDate::from_ymd_opt(number(year)?, number(month)?, number(day)?)?;
    let offset = offset(*text.get(19)?, text.get(20..22)?, text.get(23..)?)?;
    second(date, text.get(11..19)?, offset)
}

fn offset(sign: u8, hours: &[u8], minutes: &[u8]) -> Option<i32> {
    let (hours, minutes) = (number::<u8>(hours)?, number::<u8>(minutes)?);
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// `clock` is `hh:mm:ss`.
fn second(date: NaiveDate, clock: &[u8], offset: i32) -> Option<(Interval, i32)> {
    let (hour, minute, second) = (clock.get(..2)?, clock.get(3..5)?, clock.get(6..)?);
    let civil = date.and_hms_opt(number(hour)?, number(minute)?, number::<u32>(second)?.min(59))?;
    let utc = civil.and_utc().timestamp().checked_sub(i64::from(offset))?;
    Some((Interval::second_from(Timestamp::from_parts(utc, 0)), offset))
}
