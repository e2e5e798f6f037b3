//! Learns the zone of a log from the times at which a collector got its lines.
//!
//! A collector's stamp is in UTC or has an offset, and a line arrives within moments of being
//! written, so the difference between the two is the zone's offset.

use std::collections::BTreeMap;

use chrono::{FixedOffset, NaiveDateTime};
use memchr::memchr_iter;
use why504_model::{Interval, Span, Timestamp};

use super::Zone;
use crate::error::ErrorRecord;
use crate::lines::trimmed;
use crate::wrapper::unwrapped;

/// All offsets in use are multiples of this.
const STEP: i64 = 15 * 60;

/// How much later than its second a line may arrive and still teach something.
const LATEST: Span = Span::from_secs(120);

/// How much earlier: the collector may be another machine, with another clock.
const EARLIEST: Span = Span::from_secs(-2);

/// Of ten lines so many must agree.
const AGREEING: u64 = 9;

/// The offset of the zone, from civil seconds and the times at which their lines arrived; `None`
/// when there are none or they do not agree (a log over a change of the clocks, a queue that was
/// held up).
pub fn teach(stamps: impl IntoIterator<Item = (NaiveDateTime, Interval)>) -> Option<Zone> {
    let mut votes: BTreeMap<i64, u64> = BTreeMap::new();
    let mut all = 0_u64;
    for (civil, arrival) in stamps {
        let read_as_utc = Timestamp::from_parts(civil.and_utc().timestamp(), 0);
        let apart = read_as_utc.since(arrival.start()).nanos().div_euclid(1_000_000_000);
        let offset = apart.saturating_add(STEP / 2).div_euclid(STEP).saturating_mul(STEP);
        let delay = arrival.start().since(read_as_utc - Span::from_secs(offset));
        all += 1;
        if (EARLIEST..=LATEST).contains(&delay) {
            *votes.entry(offset).or_default() += 1;
        }
    }
    let (offset, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    let stable = count.saturating_mul(10) >= all.saturating_mul(AGREEING);
    let offset = i32::try_from(offset).ok().filter(|o| stable && o.abs() <= 14 * 3600)?;
    FixedOffset::east_opt(offset).map(Zone::Fixed)
}

/// The civil seconds of the wrapped records at the beginning of an error log, and when their lines
/// arrived: what [`teach`] takes.
pub fn arrivals(beginning: &[u8]) -> Vec<(NaiveDateTime, Interval)> {
    let mut start = 0;
    memchr_iter(b'\n', beginning)
        .filter_map(|feed| {
            let line = beginning.get(start..feed).map(trimmed)?;
            start = feed + 1;
            let found = unwrapped(line)?;
            let record = ErrorRecord::parse(&found.inner).ok()?;
            Some((record.time, found.time?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T07:18:23Z.
    const SECOND: i64 = 1_795_331_903;

    fn stamp(offset: i64, delay_millis: i64) -> (NaiveDateTime, Interval) {
        let civil = chrono::DateTime::from_timestamp(SECOND + offset, 0).expect("in range");
        let arrival = Timestamp::from_parts(SECOND, 0) + Span::from_millis(delay_millis);
        (civil.naive_utc(), Interval::new(arrival, arrival + Span::from_nanos(1)))
    }

    fn taught(stamps: &[(NaiveDateTime, Interval)]) -> Option<String> {
        teach(stamps.iter().copied()).map(|zone| zone.to_string())
    }

    #[test]
    fn the_offset_is_the_difference_to_a_quarter_of_an_hour() {
        for (offset, expected) in [
            (0, "+00:00"),
            (8 * 3600, "+08:00"),
            (-6 * 3600, "-06:00"),
            (5 * 3600 + 45 * 60, "+05:45"),
            (-(3 * 3600 + 30 * 60), "-03:30"),
        ] {
            let stamps = [stamp(offset, 3), stamp(offset, 900), stamp(offset, 60_000)];
            assert_eq!(taught(&stamps).as_deref(), Some(expected));
            assert_eq!(taught(&stamps[..1]).as_deref(), Some(expected));
        }
    }

    #[test]
    fn lines_that_disagree_or_are_late_teach_nothing() {
        assert_eq!(taught(&[]), None);
        assert_eq!(taught(&[stamp(0, 400_000)]), None);
        assert_eq!(taught(&[stamp(0, -400_000)]), None);
        assert_eq!(taught(&[stamp(3600, 5), stamp(7200, 5)]), None);
        assert_eq!(taught(&[stamp(20 * 3600, 5)]), None);
        let mut many = vec![stamp(3600, 5); 18];
        many.extend([stamp(3600, 300_000), stamp(3600, 310_000)]);
        assert_eq!(taught(&many).as_deref(), Some("+01:00"));
    }

    #[test]
    fn a_wrapped_log_teaches_its_zone() {
        let text = "2026-11-22T01:18:23.5-06:00 2026/11/22 07:18:23 [error] 1#1: *1 x\n\
            not a record\n\
            2026/11/22 07:18:24 [error] 1#1: *1 without a wrapper\n\
            Nov 22 07:18:25 host nginx: 2026/11/22 07:18:25 [error] 1#1: *1 without a zone\n";
        let found = arrivals(text.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(taught(&found).as_deref(), Some("+00:00"));
    }
}
