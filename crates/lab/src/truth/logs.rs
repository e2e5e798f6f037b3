//! Just enough of nginx's logs for the truth: the lines of our own configuration, nothing else.

use std::collections::HashMap;

use super::Settings;
use crate::clock_text;

/// The messages that make a row, as the sets name them.
pub(super) const WHAT: [&str; 7] = [
    "lua tcp socket connect timed out",
    "lua tcp socket read timed out",
    "upstream timed out (110: Connection timed out) while connecting to upstream",
    "while reading response header",
    "connect() failed (111",
    "connect() failed (113",
    "connect() failed (13",
];

/// An error line that makes a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ErrorLine {
    pub(super) line: u64,
    pub(super) log: String,
    pub(super) what: &'static str,
    /// Start of the logged second, UTC, nanoseconds since the epoch.
    pub(super) second_ns: i64,
    pub(super) port: u16,
    /// Connect timeout in force, seconds.
    pub(super) connect_timeout: f64,
    /// Local port that the request asked for.
    pub(super) bind: Option<u16>,
    /// Local address that the request asked for.
    pub(super) source: Option<String>,
    /// `*N` and the request line: together they name one access line.
    pub(super) key: (u64, String),
    /// Which of the lines of its request it is, from 0, and how many there are: nginx tries another
    /// server, or the same once more (`proxy_next_upstream`).
    pub(super) turn: (usize, usize),
    /// When its request ended, nanoseconds since the epoch, where that was the end of its timer.
    pub(super) ended: Option<i64>,
}

impl ErrorLine {
    /// Whether the line is about a timer that ended a connect, and its request with it.
    fn ends_its_request(&self) -> bool {
        let (nth, all) = self.turn;
        nth + 1 == all && WHAT_CONNECTS.contains(&self.what)
    }
}

/// Those of [`WHAT`] that a connect timer makes.
const WHAT_CONNECTS: [&str; 2] = [WHAT[0], WHAT[2]];

/// The access log: the start of each request.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    /// Seconds that local time is ahead of UTC.
    pub(super) zone_seconds: i64,
    /// Start of a request, nanoseconds since the epoch, by connection and request line.
    pub(super) starts: HashMap<(u64, String), i64>,
    /// Its end, likewise.
    pub(super) ends: HashMap<(u64, String), i64>,
}

/// The text between the first `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}

/// The value of `name` in the query of a request line.
fn argument<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let query = request.split_once('?')?.1.split(' ').next()?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// `seconds.millis` as nanoseconds.
fn millis(text: &str) -> Option<i64> {
    let (seconds, millis) = text.split_once('.')?;
    let seconds: u32 = seconds.parse().ok()?;
    let millis: u16 = millis.parse().ok()?;
    Some(i64::from(seconds) * 1_000_000_000 + i64::from(millis) * 1_000_000)
}

/// Reads the access log.
pub(super) fn access(text: &str) -> Access {
    let mut access = Access::default();
    for line in text.lines() {
        let Some(zone) = between(line, "[", "]").and_then(|time| time.split(' ').nth(1)) else {
            continue;
        };
        if let Ok(number) = zone.parse::<i16>().map(i64::from) {
            access.zone_seconds = number / 100 * 3600 + number % 100 * 60;
        }
        let field = |name: &str| line.rsplit_once(name)?.1.split(' ').next();
        let start = field(" msec=").and_then(millis).zip(field(" rt=").and_then(millis));
        let connection = field(" conn=").and_then(|text| text.parse().ok());
        let request = between(line, "\"", "\"");
        if let (Some((end, took)), Some(connection), Some(request)) = (start, connection, request) {
            access.starts.insert((connection, request.to_owned()), end - took);
            access.ends.insert((connection, request.to_owned()), end);
        }
    }
    access
}

/// Reads the error log: the lines that make a row.
pub(super) fn errors(text: &str, access: &Access, settings: &Settings) -> Vec<ErrorLine> {
    let numbered = (1_u64..).zip(text.lines());
    let mut lines: Vec<ErrorLine> = numbered
        .filter_map(|(number, line)| error(number, line, access.zone_seconds, settings))
        .collect();
    let mut of_request: HashMap<(u64, String), usize> = HashMap::new();
    for line in &mut lines {
        let count = of_request.entry(line.key.clone()).or_default();
        line.turn.0 = *count;
        *count += 1;
    }
    for line in &mut lines {
        line.turn.1 = of_request.get(&line.key).copied().unwrap_or(1);
        line.ended = access.ends.get(&line.key).copied().filter(|_| line.ends_its_request());
    }
    lines
}

fn error(line: u64, text: &str, zone_seconds: i64, settings: &Settings) -> Option<ErrorLine> {
    let message = text.split(", client: ").next()?;
    let what = WHAT.into_iter().find(|what| message.contains(what))?;
    if what == "while reading response header" && !message.contains("upstream timed out") {
        return None;
    }
    let log = text.get(..19)?;
    let request = between(text, "request: \"", "\"")?;
    let path = request.split(' ').nth(1)?.split('?').next()?;
    let mut parts = path.split('/').skip(1);
    let (kind, port) = (parts.next()?, parts.next()?.parse().ok()?);
    let connect_timeout = if ["lua", "quiet", "stalled"].contains(&kind) {
        f64::from(argument(request, "t").and_then(|text| text.parse::<u16>().ok()).unwrap_or(500))
            / 1000.0
    } else {
        settings.proxy_connect_timeout
    };
    let connection = between(text, ": *", " ")?.parse().ok()?;
    Some(ErrorLine {
        line,
        log: log.to_owned(),
        what,
        second_ns: (clock_text::seconds(log)? - zone_seconds).checked_mul(1_000_000_000)?,
        port,
        connect_timeout,
        bind: argument(request, "bind").and_then(|text| text.parse().ok()),
        source: argument(request, "src").map(str::to_owned),
        key: (connection, request.to_owned()),
        turn: (0, 1),
        ended: None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> Settings {
        let text = "description = 'x'\nseconds = 1\nrate = 1\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\n";
        Settings::of(&crate::scenario::Scenario::parse(text).unwrap())
    }

    #[test]
    fn an_error_line_and_its_access_line() {
        let settings = settings();
        let access = access(
            "127.0.0.1 - - [22/Nov/2026:15:58:28 +0800] \"GET /proxy/8001?bind=20003&i=5 \
             HTTP/1.1\" 504 1 \"-\" \"lab/1\" rt=2.001 uct=- msec=1795334308.110 conn=9 rid=ab\n",
        );
        let lines = errors(
            "noise\n2026/11/22 15:58:28 [error] 1#1: *9 upstream timed out (110: Connection timed \
             out) while connecting to upstream, client: 127.0.0.1, server: x, request: \"GET \
             /proxy/8001?bind=20003&i=5 HTTP/1.1\", upstream: \"http://10.77.2.2:8001/\"\n",
            &access,
            &settings,
        );
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((line.line, line.port, line.bind), (2, 8001, Some(20003)));
        assert_eq!(line.second_ns, 1_795_334_308_000_000_000);
        assert_eq!(access.starts.get(&line.key), Some(&1_795_334_306_109_000_000));
    }

    /// nginx tries the same server twice for one request: two lines, of which the last ends it.
    #[test]
    fn each_try_of_a_request_has_its_line() {
        let request = "request: \"GET /again/8001?bind=20003&i=5 HTTP/1.1\"";
        let access = access(
            "127.0.0.1 - - [22/Nov/2026:15:58:28 +0000] \"GET /again/8001?bind=20003&i=5 HTTP/1.1\" \
             504 1 \"-\" \"lab/1\" rt=0.010 uct=-, - msec=1795334308.110 conn=9 rid=ab\n",
        );
        let line = format!(
            "2026/11/22 15:58:28 [error] 1#1: *9 upstream timed out (110: Connection timed out) while \
             connecting to upstream, client: 127.0.0.1, {request}\n"
        );
        let lines = errors(&line.repeat(2), &access, &settings());
        assert_eq!(lines.iter().map(|line| line.turn).collect::<Vec<_>>(), [(0, 2), (1, 2)]);
        let ends: Vec<_> = lines.iter().map(|line| line.ended).collect();
        assert_eq!(ends, [None, Some(1_795_334_308_110_000_000)]);
    }

    /// The year 0 has no nanosecond of a 64-bit epoch; the property below found it.
    #[test]
    fn a_time_beyond_the_epoch_is_passed_over() {
        let settings = settings();
        let line = "0 0 0 0 0 0         [error] 1#1: *0 lua tcp socket connect timed out, client: , \
                    request: \"GET /lua/0?t=0&bind=0 HTTP/1.1\"";
        assert_eq!(errors(line, &Access::default(), &settings), []);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_passed_over(
            time in "[0-9/: ]{0,22}", number in "[0-9+.-]{0,24}", rest in ".{0,60}",
        ) {
            let settings = settings();
            let _ = access(&format!(
                "a [{time} {number}] \"GET {rest}\" rt={number} msec={number} conn={number} {rest}"
            ));
            let _ = errors(
                &format!(
                    "{time} [error] 1#1: *{number} lua tcp socket connect timed out, client: \
                     {rest}, request: \"GET /lua/{number}?t={number}&bind={number} HTTP/1.1\""
                ),
                &Access { zone_seconds: i64::from(i16::MAX) * 3600, ..Access::default() },
                &settings,
            );
        }
    }
}
