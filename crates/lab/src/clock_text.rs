//! Times as text: the little calendar arithmetic that the lab needs, independent of the product's.

/// Days from 1970-01-01 of a date of the Gregorian calendar (Hinnant, "chrono-compatible
/// low-level date algorithms").
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// A date and time of day as seconds since the epoch, read as UTC; whatever is not a digit
/// separates the numbers. `None` unless there are six numbers of a plausible size.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse::<i64>().ok().filter(|number| *number <= 9999));
    let mut next = || numbers.next().flatten();
    let date = days(next()?, next()?, next()?);
    Some(date * 86_400 + next()? * 3600 + next()? * 60 + next()?)
}

/// RFC 3339 with nanoseconds and `Z` as nanoseconds since the epoch.
pub(crate) fn rfc3339_ns(text: &str) -> Option<i64> {
    let (whole, fraction) = text.strip_suffix('Z')?.split_once('.')?;
    if fraction.len() != 9 {
        return None;
    }
    seconds(whole)?.checked_mul(1_000_000_000)?.checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        for (date, expected) in [((1970, 1, 1), 0), ((2000, 3, 1), 11_017), ((2024, 2, 29), 19_782)]
        {
            assert_eq!(days(date.0, date.1, date.2), expected);
        }
        assert_eq!(seconds("2026/11/22 15:58:28"), Some(1_795_363_108));
        assert_eq!(rfc3339_ns("2026-11-22T15:58:28.000000007Z"), Some(1_795_363_108_000_000_007));
        for bad in ["", "2026-11-22T15:58:28Z", "2026-11-22T15:58:28.5Z", "x.000000000Z"] {
            assert_eq!(rfc3339_ns(bad), None, "{bad}");
        }
    }
}
