//! The head of every record: `time [level] pid#tid: *connection `.

use chrono::{NaiveDate, NaiveDateTime};

use super::RecordError;

/// Severity of a record (nginx src/core/ngx_log.c:75-85).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are nginx's own words")]
pub enum Level {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
}

pub(super) struct Header {
    pub(super) time: NaiveDateTime,
    pub(super) level: Level,
    pub(super) pid: u32,
    pub(super) tid: u64,
    pub(super) connection: Option<u64>,
}

/// Year, month, day, hour, minute, second as they stand, not yet a date.
type Civil = (u32, u32, u32, u32, u32, u32);

/// Whether a physical line begins a record; if not, it continues the one before.
pub(crate) fn begins_record(line: &[u8]) -> bool {
    shape(line).is_some()
}

/// The header and what follows it.
pub(super) fn header(line: &[u8]) -> Result<(&[u8], Header), RecordError> {
    let Shape { civil, level, pid, tid, connection, rest } =
        shape(line).ok_or(RecordError::NoHeader)?;
    let (year, month, day, hour, minute, second) = civil;
    let time = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        // ngx_localtime may print :60 in a leap second; chrono has no such second, and 59 is the
        // nearest one.
        .and_then(|date| date.and_hms_opt(hour, minute, second.min(59)))
        .filter(|_| second <= 60)
        .ok_or(RecordError::BadTime)?;
    Ok((rest, Header { time, level, pid, tid, connection }))
}

/// A header as it stands, and what follows it.
struct Shape<'a> {
    civil: Civil,
    level: Level,
    pid: u32,
    tid: u64,
    connection: Option<u64>,
    rest: &'a [u8],
}

fn shape(line: &[u8]) -> Option<Shape<'_>> {
    let (civil, rest) = civil(line)?;
    let (level, rest) = level(rest.strip_prefix(b" [")?)?;
    let (pid, rest) = decimal(rest.strip_prefix(b"] ")?)?;
    let (tid, rest) = decimal(rest.strip_prefix(b"#")?)?;
    let rest = rest.strip_prefix(b": ")?;
    let numbered = || {
        let (number, rest) = decimal(rest.strip_prefix(b"*")?)?;
        Some((number, rest.strip_prefix(b" ")?))
    };
    let (connection, rest) = numbered().map_or((None, rest), |(number, rest)| (Some(number), rest));
    Some(Shape { civil, level, pid: u32::try_from(pid).ok()?, tid, connection, rest })
}

/// `%4d/%02d/%02d %02d:%02d:%02d` (nginx src/core/ngx_times.c:152). Read at its places: each line
/// is asked whether it begins like this.
fn civil(input: &[u8]) -> Option<(Civil, &[u8])> {
    let (stamp, rest) = input.split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, b'/', o0, o1, b'/', d0, d1, b' ', h0, h1, b':', m0, m1, b':', s0, s1] =
        stamp
    else {
        return None;
    };
    let digits = [y0, y1, y2, y3, o0, o1, d0, d1, h0, h1, m0, m1, s0, s1];
    if !digits.iter().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |ten: &u8, one: &u8| u32::from(ten - b'0') * 10 + u32::from(one - b'0');
    let year = two(y0, y1) * 100 + two(y2, y3);
    Some(((year, two(o0, o1), two(d0, d1), two(h0, h1), two(m0, m1), two(s0, s1)), rest))
}

fn level(input: &[u8]) -> Option<(Level, &[u8])> {
    const LEVELS: [(&[u8], Level); 8] = [
        (b"error", Level::Error),
        (b"warn", Level::Warn),
        (b"notice", Level::Notice),
        (b"info", Level::Info),
        (b"crit", Level::Crit),
        (b"alert", Level::Alert),
        (b"emerg", Level::Emerg),
        (b"debug", Level::Debug),
    ];
    LEVELS.iter().find_map(|(name, level)| Some((*level, input.strip_prefix(*name)?)))
}

/// A number of one digit or more that fits, and what follows it.
fn decimal(input: &[u8]) -> Option<(u64, &[u8])> {
    let length = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = input.split_at_checked(length).filter(|_| length > 0)?;
    let add =
        |number: u64, digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    Some((digits.iter().try_fold(0, add)?, rest))
}
