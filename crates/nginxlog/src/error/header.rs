//! The head of every record: `time [level] pid#tid: *connection `.

use chrono::{NaiveDate, NaiveDateTime};
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, u32, u64};
use nom::combinator::{opt, value};
use nom::error::{Error, ErrorKind};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

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
    shape(line).is_ok()
}

/// The header and what follows it.
pub(super) fn header(line: &[u8]) -> Result<(&[u8], Header), RecordError> {
    let (rest, (civil, level, pid, tid, connection)) =
        shape(line).map_err(|_| RecordError::NoHeader)?;
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

type Shape = (Civil, Level, u32, u64, Option<u64>);

fn shape(line: &[u8]) -> IResult<&[u8], Shape> {
    (
        civil,
        delimited(tag(" ["), level, tag("] ")),
        terminated(u32, char('#')),
        terminated(u64, tag(": ")),
        opt(delimited(char('*'), u64, char(' '))),
    )
        .parse(line)
}

/// `%4d/%02d/%02d %02d:%02d:%02d` (nginx src/core/ngx_times.c:152). Read at its places: each line
/// is asked whether it begins like this.
fn civil(input: &[u8]) -> IResult<&[u8], Civil> {
    let no_time = nom::Err::Error(Error::new(input, ErrorKind::Digit));
    let Some((stamp, rest)) = input.split_first_chunk::<19>() else { return Err(no_time) };
    let [y0, y1, y2, y3, b'/', o0, o1, b'/', d0, d1, b' ', h0, h1, b':', m0, m1, b':', s0, s1] =
        stamp
    else {
        return Err(no_time);
    };
    let digits = [y0, y1, y2, y3, o0, o1, d0, d1, h0, h1, m0, m1, s0, s1];
    if !digits.iter().all(|byte| byte.is_ascii_digit()) {
        return Err(no_time);
    }
    let two = |ten: &u8, one: &u8| u32::from(ten - b'0') * 10 + u32::from(one - b'0');
    let year = two(y0, y1) * 100 + two(y2, y3);
    Ok((rest, (year, two(o0, o1), two(d0, d1), two(h0, h1), two(m0, m1), two(s0, s1))))
}

fn level(input: &[u8]) -> IResult<&[u8], Level> {
    alt((
        value(Level::Error, tag("error")),
        value(Level::Warn, tag("warn")),
        value(Level::Notice, tag("notice")),
        value(Level::Info, tag("info")),
        value(Level::Crit, tag("crit")),
        value(Level::Alert, tag("alert")),
        value(Level::Emerg, tag("emerg")),
        value(Level::Debug, tag("debug")),
    ))
    .parse(input)
}
