//! The zone in which an nginx writes its error log, and what a civil second means in it.
//!
//! The log names no zone (nginx src/core/ngx_times.c:152), so the caller does, or the log
//! collector that wrapped its lines.

mod first;
mod order;
mod teach;

use core::fmt;
use core::str::FromStr;

use chrono::{FixedOffset, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use why504_model::{Interval, Span, Timestamp};

pub use first::first_second;
pub use order::{Clock, is_folded, unfold};
pub use teach::{arrivals, teach};

/// How far the clocks of nginx and of a collector on the same machine may differ: both are cached
/// or cut to milliseconds.
const CLOCK_SLACK: Span = Span::from_millis(5);

/// How late a line may arrive and still tell which of two readings is meant.
const ARRIVAL: Span = Span::from_secs(15 * 60);

/// A zone by its IANA name, or a fixed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// For example `Europe/Berlin`.
    Iana(Tz),
    /// For example `+08:00`, east of Greenwich positive.
    Fixed(FixedOffset),
}

/// A text that names no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no time zone; expected an IANA name such as `Europe/Berlin`, `UTC`, or an offset \
     such as `+08:00`"
)]
pub struct ZoneError(pub String);

/// What a civil second of the log means in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CivilSecond {
    /// One second.
    Unique(Interval),
    /// The clock was put back and showed this second twice; the line does not tell which one.
    Twice(Interval, Interval),
    /// The clock was put forward over this second, so the zone is wrong or the clock was; read
    /// with the offset that was in force before the change.
    Skipped(Interval),
}

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self::Iana(Tz::UTC);

    /// Seconds east of Greenwich that are in force at a moment; 0 where the moment is beyond the
    /// calendar.
    pub fn offset_seconds(self, moment: Timestamp) -> i32 {
        let utc = chrono::DateTime::from_timestamp_nanos(moment.nanos()).naive_utc();
        match self {
            Self::Iana(zone) => zone.offset_from_utc_datetime(&utc).fix().local_minus_utc(),
            Self::Fixed(offset) => offset.local_minus_utc(),
        }
    }

    /// The UTC reading of a civil second.
    pub fn second(self, civil: NaiveDateTime) -> CivilSecond {
        match self {
            Self::Iana(zone) => second_in(&zone, civil),
            Self::Fixed(offset) => second_in(&offset, civil),
        }
    }
}

impl CivilSecond {
    /// One interval that is certain to hold the moment: for a second that occurred twice, from
    /// the first reading to the end of the second one (an hour and a second), so that nothing is
    /// claimed that the log does not say. An access line narrows it.
    pub fn interval(self) -> Interval {
        match self {
            Self::Unique(second) | Self::Skipped(second) => second,
            Self::Twice(first, second) => first.hull(second),
        }
    }

    /// The same for a line that reached a log collector at `arrival`, which is after it was
    /// written: the interval ends there, 5 ms tolerated. An arrival before the second (another
    /// clock, a wrong zone) tells nothing. Of a second that occurred twice, the reading is meant
    /// after which the line arrived within 15 minutes.
    #[must_use]
    pub fn before(self, arrival: Interval) -> Interval {
        let follows = |second: Interval| {
            let latest = second.end() + ARRIVAL;
            second.start() < arrival.end() + CLOCK_SLACK && arrival.start() < latest
        };
        let second = match self {
            Self::Twice(first, _) if follows(first) => first,
            Self::Twice(_, second) if follows(second) => second,
            other => other.interval(),
        };
        let end = second.end().min(arrival.end() + CLOCK_SLACK);
        if end > second.start() { Interval::new(second.start(), end) } else { second }
    }
}

fn second_in<Z: TimeZone>(zone: &Z, civil: NaiveDateTime) -> CivilSecond {
    let utc = |moment: chrono::DateTime<Z>| {
        Interval::second_from(Timestamp::from_parts(moment.timestamp(), 0))
    };
    match zone.from_local_datetime(&civil) {
        MappedLocalTime::Single(moment) => CivilSecond::Unique(utc(moment)),
        MappedLocalTime::Ambiguous(one, other) => {
            let (one, other) = (utc(one), utc(other));
            CivilSecond::Twice(one.min(other), one.max(other))
        }
        MappedLocalTime::None => CivilSecond::Skipped(before_the_gap(zone, civil)),
    }
}

/// Gaps are at most a day long (Pacific/Apia skipped 30 December 2011); a quarter of an hour is
/// the finest step at which zones change.
fn before_the_gap<Z: TimeZone>(zone: &Z, civil: NaiveDateTime) -> Interval {
    for quarters in 1..=100_i32 {
        let back = TimeDelta::minutes(i64::from(quarters) * 15);
        let Some(earlier) = civil.checked_sub_signed(back) else { break };
        if let Some(moment) = zone.from_local_datetime(&earlier).latest() {
            let start = Timestamp::from_parts(moment.timestamp(), 0);
            return Interval::second_from(start + Span::from_secs(back.num_seconds()));
        }
    }
    Interval::second_from(Timestamp::from_parts(civil.and_utc().timestamp(), 0))
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if matches!(text, "Z" | "z" | "utc") {
            return Ok(Self::UTC);
        }
        if let Ok(zone) = Tz::from_str(text) {
            return Ok(Self::Iana(zone));
        }
        fixed_offset(text).map(Self::Fixed).ok_or_else(|| ZoneError(text.to_owned()))
    }
}

/// `+08:00`, `+0800`, `-5`, `UTC+8`.
fn fixed_offset(text: &str) -> Option<FixedOffset> {
    let signed = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let (sign, digits) = match signed.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |part: &str| {
        let plain = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    // Offsets in use reach from -12:00 to +14:00.
    if hours > 14 || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iana(zone) => f.write_str(zone.name()),
            Self::Fixed(offset) => offset.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn civil(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y/%m/%d %H:%M:%S").expect("a civil time")
    }

    fn zone(text: &str) -> Zone {
        text.parse().expect("a zone")
    }

    fn utc_second(seconds: i64) -> Interval {
        Interval::second_from(Timestamp::from_parts(seconds, 0))
    }

    #[test]
    fn one_civil_second_in_several_zones() {
        // 2026-11-22T07:18:23Z is 1795331903.
        let rows = [
            ("UTC", "2026/11/22 07:18:23"),
            ("Z", "2026/11/22 07:18:23"),
            ("+08:00", "2026/11/22 15:18:23"),
            ("+0800", "2026/11/22 15:18:23"),
            ("UTC+8", "2026/11/22 15:18:23"),
            ("Asia/Shanghai", "2026/11/22 15:18:23"),
            ("-03:30", "2026/11/22 03:48:23"),
            ("America/New_York", "2026/11/22 02:18:23"),
            ("Europe/Berlin", "2026/11/22 08:18:23"),
        ];
        for (name, local) in rows {
            let expected = CivilSecond::Unique(utc_second(1_795_331_903));
            assert_eq!(zone(name).second(civil(local)), expected, "{name}");
        }
    }

    #[test]
    fn the_hour_that_is_repeated_has_two_readings() {
        // On 25 October 2026 Berlin went from 03:00 CEST back to 02:00 CET at 01:00 UTC.
        let first = utc_second(1_792_888_200);
        let second = utc_second(1_792_888_200 + 3600);
        let found = zone("Europe/Berlin").second(civil("2026/10/25 02:30:00"));
        assert_eq!(found, CivilSecond::Twice(first, second));
        assert_eq!(found.interval().length(), Span::from_secs(3601));
    }

    #[test]
    fn the_hour_that_is_skipped_is_read_with_the_old_offset() {
        // On 29 March 2026 Berlin went from 02:00 CET to 03:00 CEST at 01:00 UTC.
        let found = zone("Europe/Berlin").second(civil("2026/03/29 02:30:00"));
        assert_eq!(found, CivilSecond::Skipped(utc_second(1_774_747_800)));
    }

    #[test]
    fn an_arrival_ends_the_second_and_chooses_between_two_readings() {
        let second = utc_second(1_795_331_903);
        let at = |millis: i64| {
            let point = second.start() + Span::from_millis(millis);
            Interval::new(point, point + Span::from_nanos(1))
        };
        for (arrival, expected) in [
            (300, Some(305)),
            (998, None),
            (1500, None),
            (-4, Some(1)),
            (-6, None),
            (-3_600_000, None),
        ] {
            let found = CivilSecond::Unique(second).before(at(arrival));
            assert_eq!(found.start(), second.start());
            let millis = expected.map_or(Span::from_secs(1), Span::from_millis);
            assert!(found.length().nanos() - millis.nanos() <= 1, "{arrival}: {found:?}");
            assert!(found.length() >= millis, "{arrival}: {found:?}");
        }
        let later = utc_second(1_795_331_903 + 3600);
        let twice = CivilSecond::Twice(second, later);
        assert!(second.covers(twice.before(at(300))));
        assert_eq!(twice.before(at(10_000)), second);
        assert!(later.covers(twice.before(at(3_600_300))));
        assert_eq!(twice.before(at(2_000_000)), Interval::new(second.start(), at(2_000_005).end()));
    }

    #[test]
    fn an_unknown_zone_is_an_error_that_says_what_to_write() {
        for text in ["", "Mars/Olympus", "+25:00", "+8:60", "8", "+", "+08:0x", "--8"] {
            let error = text.parse::<Zone>().expect_err("no zone");
            assert_eq!(error, ZoneError(text.to_owned()));
            assert!(error.to_string().contains("Europe/Berlin"));
        }
    }

    proptest! {
        #[test]
        fn any_text_and_any_time_are_survived(text in ".{0,12}", seconds in any::<i32>()) {
            let _ = text.parse::<Zone>();
            let moment = chrono::DateTime::from_timestamp(i64::from(seconds), 0).expect("in range");
            for zone in [Zone::UTC, zone("Pacific/Apia"), zone("Asia/Kathmandu")] {
                let found = zone.second(moment.naive_utc()).interval();
                // No zone is further from UTC than a day.
                let distance = found.start().distance(Timestamp::from_parts(i64::from(seconds), 0));
                prop_assert!(distance <= Span::from_secs(26 * 3600));
            }
        }
    }
}
