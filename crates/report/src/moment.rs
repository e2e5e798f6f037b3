//! Times and durations as text. Not parsing, and no zone rules: the binary gives the offset.

use chrono::DateTime;
use serde::{Serialize, Serializer};
use why504_model::{Span, Timestamp};

/// RFC 3339 in UTC with nanoseconds: `2026-11-22T07:18:23.000000000Z`.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    digits(time).map(char::from).iter().collect()
}

/// The same where it is only written once: no memory is asked for.
pub(crate) struct Rfc3339(pub(crate) Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&digits(self.0)).unwrap_or_default())
    }
}

/// Written digit by digit: every line of NDJSON has several times, and chrono reads its pattern anew for
/// each of them.
pub(crate) fn digits(time: Timestamp) -> [u8; 30] {
    let (seconds, nanos) =
        (time.nanos().div_euclid(1_000_000_000), time.nanos().rem_euclid(1_000_000_000));
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let clock = seconds.rem_euclid(86_400);
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let pairs = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, clock / 3600),
        (14, clock / 60 % 60),
        (17, clock % 60),
    ];
    for (at, number) in pairs {
        if let Some([ten, one]) = text.get_mut(at..at + 2) {
            // All of them are less than a hundred: an i64 of nanoseconds ends in the year 2262.
            let number = u8::try_from(number).unwrap_or_default();
            (*ten, *one) = (b'0' + number / 10, b'0' + number % 10);
        }
    }
    // Most times are whole seconds. Less than a billion is left.
    let mut left = u32::try_from(nanos).unwrap_or_default();
    for digit in text.iter_mut().take(29).rev() {
        if left == 0 {
            break;
        }
        *digit += (left % 10) as u8;
        left /= 10;
    }
    text
}

/// Year, month and day of the Gregorian calendar, by days since 1970-01-01 (Hinnant,
/// "chrono-compatible low-level date algorithms").
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

/// Civil times at a fixed offset from UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalClock {
    pub(crate) offset_seconds: i32,
}

impl LocalClock {
    /// `2026-11-22 07:18:23`.
    pub(crate) fn date_time(self, time: Timestamp) -> String {
        self.format(time, "%Y-%m-%d %H:%M:%S")
    }

    /// `07:18:23`.
    pub(crate) fn time(self, time: Timestamp) -> String {
        self.format(time, "%H:%M:%S")
    }

    /// `07:18:23.123`.
    pub(crate) fn millis(self, time: Timestamp) -> String {
        self.format(time, "%H:%M:%S%.3f")
    }

    /// `07:18:23.123456`.
    pub(crate) fn precise(self, time: Timestamp) -> String {
        self.format(time, "%H:%M:%S%.6f")
    }

    /// `+08:00`, or `UTC`.
    pub(crate) fn name(self) -> String {
        if self.offset_seconds == 0 {
            return "UTC".to_owned();
        }
        let sign = if self.offset_seconds < 0 { '-' } else { '+' };
        let minutes = self.offset_seconds.unsigned_abs() / 60;
        format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    fn format(self, time: Timestamp, pattern: &str) -> String {
        let local = time + Span::from_secs(i64::from(self.offset_seconds));
        DateTime::from_timestamp_nanos(local.nanos()).format(pattern).to_string()
    }
}

/// A duration that a person reads: `4 min 48 s`, `2.000 s`, `0.3 ms`.
pub(crate) fn duration(span: Span) -> String {
    let seconds = span.as_secs_f64();
    let whole = span.nanos() / 1_000_000_000;
    match seconds.abs() {
        0.0 => "0 s".to_owned(),
        s if s < 0.000_001 => format!("{} ns", span.nanos()),
        s if s < 0.000_1 => format!("{:.0} µs", seconds * 1e6),
        s if s < 0.1 => format!("{:.1} ms", seconds * 1e3),
        s if s < 10.0 => format!("{seconds:.3} s"),
        s if s < 120.0 => format!("{seconds:.1} s"),
        s if s < 7200.0 => format!("{} min {} s", whole / 60, whole % 60),
        s if s < 172_800.0 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// Seconds after the first SYN, with microseconds: `+1.024000`.
pub(crate) fn relative(span: Span) -> String {
    format!("{:+.6}", span.as_secs_f64())
}

/// A count with a thin grouping that needs no locale: `3 812 440`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `3 files`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_read_as_expected() {
        // 1795331903 is 2026-11-22T07:18:23Z.
        let time = Timestamp::from_parts(1_795_331_903, 5);
        assert_eq!(rfc3339(time), "2026-11-22T07:18:23.000000005Z");
        let shanghai = LocalClock { offset_seconds: 8 * 3600 };
        assert_eq!(shanghai.date_time(time), "2026-11-22 15:18:23");
        assert_eq!(shanghai.name(), "UTC+08:00");
        assert_eq!(LocalClock { offset_seconds: -12_600 }.name(), "UTC-03:30");
        assert_eq!(LocalClock::default().name(), "UTC");
    }

    #[test]
    fn durations_and_counts_read_as_expected() {
        for (nanos, text) in [
            (0, "0 s"),
            (-7, "-7 ns"),
            (50_000, "50 µs"),
            (300_000, "0.3 ms"),
            (2_000_000_000, "2.000 s"),
            (54_000_000_000, "54.0 s"),
            (288_000_000_000, "4 min 48 s"),
            (86_400_000_000_000, "24 h 0 min"),
            (200_000_000_000_000, "2 d 7 h"),
        ] {
            assert_eq!(duration(Span::from_nanos(nanos)), text);
        }
        assert_eq!(grouped(3_812_440), "3 812 440");
        assert_eq!(grouped(999), "999");
        assert_eq!(relative(Span::from_millis(1024)), "+1.024000");
        assert_eq!(relative(Span::from_micros(-200)), "-0.000200");
    }

    proptest! {
        #[test]
        fn any_time_can_be_printed(nanos in any::<i64>(), offset in any::<i32>()) {
            let by_chrono = DateTime::from_timestamp_nanos(nanos).format("%Y-%m-%dT%H:%M:%S%.9fZ");
            prop_assert_eq!(rfc3339(Timestamp::from_nanos(nanos)), by_chrono.to_string());
            let written = serde_json::to_value(Rfc3339(Timestamp::from_nanos(nanos)));
            prop_assert_eq!(written.ok(), Some(by_chrono.to_string().into()));
            let clock = LocalClock { offset_seconds: offset };
            prop_assert!(!clock.precise(Timestamp::from_nanos(nanos)).is_empty());
            prop_assert!(!clock.name().is_empty());
            prop_assert!(!duration(Span::from_nanos(nanos)).is_empty());
        }
    }
}
