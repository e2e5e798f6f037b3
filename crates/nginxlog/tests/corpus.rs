//! Lines that people posted, where the collection is present beside the project; skipped where
//! not. The expectations were written by reading the lines, which are not ours to copy: a row
//! names a line by its number and hash.

use std::fs;
use std::path::PathBuf;

use why504_nginxlog::{
    AccessRecord, AccessScanner, ErrorScanner, LogFormat, Phase, RecordError, Unparsed,
};

/// Formats of the collection that have no well-known name.
const FORMATS: [(&str, &str); 7] = [
    (
        "old-ingress",
        r#"$remote_addr - [$the_real_ip] - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status"#,
    ),
    (
        "timed",
        r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for" rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time""#,
    ),
    (
        "stream",
        "$remote_addr $remote_port -> $server_port [$time_local] $bytes_sent $bytes_received $session_time ==> $upstream_addr",
    ),
    (
        "json",
        r#"{"remote_addr":"$remote_addr","remote_user":"$remote_user","time_local":"$time_local","request":"$request","status":"$status","body_bytes_sent":"$body_bytes_sent","http_referer":"$http_referer","http_user_agent":"$http_user_agent","request_length":"$request_length","request_time":"$request_time","upstream_addr":"$upstream_addr","upstream_response_length":"$upstream_response_length","upstream_response_time":"$upstream_response_time","upstream_status":"$upstream_status","proxy_add_x_forwarded_for":"$proxy_add_x_forwarded_for","bytes_sent":"$bytes_sent","time_iso8601":"$time_iso8601","upstream_connect_time":"$upstream_connect_time","upstream_header_time":"$upstream_header_time","http_x_forwarded_for":"$http_x_forwarded_for"}"#,
    ),
    (
        "proxy-manager",
        r#"[$time_local] $upstream_cache_status $upstream_status $status - $request_method $scheme $host "$request_uri" [Client $remote_addr] [Length $body_bytes_sent] [Gzip $gzip_ratio] [Sent-to $server] "$http_user_agent" "$http_referer""#,
    ),
    (
        "proxy-manager-plain",
        r#"[$time_local] $status - $request_method $scheme $host "$request_uri" [Client $remote_addr] [Length $body_bytes_sent] [Gzip $gzip_ratio] "$http_user_agent" "$http_referer""#,
    ),
    (
        "mail-host",
        r#"[$time_local] $host $remote_addr $request_time "$request" $status $body_bytes_sent $request_length $http_referer $http_user_agent"#,
    ),
];

/// One row of a table: number and hash of a line, and what is expected of it.
struct Row<'a> {
    line: usize,
    hash: &'a str,
    expected: &'a str,
}

fn rows(table: &str) -> impl Iterator<Item = Row<'_>> {
    table.lines().filter(|row| !row.starts_with('#')).map(|row| {
        let mut fields = row.splitn(3, ' ');
        let mut next = || fields.next().expect("three fields");
        Row { line: next().parse().expect("a number"), hash: next(), expected: next() }
    })
}

/// The lines that a table is about, if they are there and the same.
fn lines<'a>(file: &str, table: &'a str) -> Option<Vec<(Row<'a>, Vec<u8>)>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let text = fs::read(folder.join(file)).ok()?;
    let all: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    let pairs = rows(table).map(|row| {
        let line = all.get(row.line - 1).expect("the file has as many lines").to_vec();
        assert_eq!(fnv1a(&line), row.hash, "line {} is another line than it was", row.line);
        (row, line)
    });
    Some(pairs.collect())
}

/// FNV-1a, 32 bits.
fn fnv1a(bytes: &[u8]) -> String {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    format!("{:08x}", bytes.iter().fold(0x811c_9dc5, step))
}

/// What a line makes of an error log that holds nothing else.
fn outcome(line: &[u8]) -> String {
    let mut found = "other".to_owned();
    let mut sink = |event: why504_nginxlog::ErrorEvent<'_>| {
        found = match event.outcome {
            Ok(timeout) => {
                let class = timeout.class;
                let peer = class.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
                format!("{} {} {peer}", class.kind.name(), phase(class.phase))
            }
            Err(Unparsed::Record(RecordError::NoHeader)) => "unparsed no_header".to_owned(),
            Err(reason) => format!("unparsed {reason}"),
        };
    };
    let mut scanner = ErrorScanner::new();
    scanner.feed(line, &mut sink);
    scanner.feed(b"\n", &mut sink);
    let tally = scanner.finish(&mut sink).tally;
    assert_eq!(tally.total, 1);
    assert_eq!(tally.timeouts + tally.other + tally.unparsed, 1);
    found
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Bind => "bind",
        Phase::Queue => "queue",
        Phase::Connect => "connect",
        Phase::TlsHandshake => "tls",
        Phase::Send => "send",
        Phase::Read => "read",
        Phase::Transfer => "transfer",
    }
}

#[test]
fn every_error_line_is_what_a_reader_takes_it_for() {
    let table = include_str!("corpus/error-lines.txt");
    assert_eq!(rows(table).count(), 224);
    let Some(lines) = lines("nginx-error-lines.txt", table) else { return };
    let wrong: Vec<String> = lines
        .iter()
        .map(|(row, line)| (row, outcome(line)))
        .filter(|(row, found)| found != row.expected)
        .map(|(row, found)| format!("{}: expected {}, found {found}", row.line, row.expected))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn as_one_file_the_lines_are_all_counted() {
    let table = include_str!("corpus/error-lines.txt");
    let Some(lines) = lines("nginx-error-lines.txt", table) else { return };
    let mut file = lines.iter().map(|(_, line)| line.as_slice()).collect::<Vec<_>>().join(&b'\n');
    file.push(b'\n');
    let mut events = 0;
    let mut scanner = ErrorScanner::new();
    scanner.feed(&file, &mut |_| events += 1);
    let tally = scanner.finish(&mut |_| events += 1).tally;
    assert_eq!(tally.total, 224);
    assert_eq!(tally.total, tally.timeouts + tally.other + tally.unparsed);
    assert_eq!(tally.timeouts + tally.unparsed, events);
}

fn format(name: &str) -> LogFormat {
    let own = FORMATS.iter().find(|(known, _)| *known == name);
    own.map_or_else(|| LogFormat::named(name), |(_, text)| LogFormat::from_argument(text).ok())
        .expect("a format that is named in the table")
}

/// Status, addresses and response times as the table writes them.
fn shown(record: &AccessRecord<'_>) -> String {
    let dash = || "-".to_owned();
    let list = |empty: bool, elements: Vec<String>| {
        if empty { "none".to_owned() } else { elements.join(",") }
    };
    let addresses =
        record.upstream_addr.endpoints().map(|e| e.map_or_else(dash, |e| e.to_string()));
    let times = record
        .upstream_response_time
        .spans()
        .map(|s| s.map_or_else(dash, |s| (s.nanos() / 1_000_000).to_string()));
    format!(
        "{} {} {}",
        record.status.map_or_else(dash, |status| status.to_string()),
        list(record.upstream_addr.is_empty(), addresses.collect()),
        list(record.upstream_response_time.is_empty(), times.collect()),
    )
}

fn read(formats: Vec<LogFormat>, line: &[u8]) -> String {
    let mut found = String::new();
    let mut scanner = AccessScanner::new(formats);
    scanner.feed(&[line, b"\n"].concat(), &mut |event| {
        found = event.record.as_ref().map_or_else(|| "unmatched".to_owned(), shown);
    });
    found
}

#[test]
fn every_access_line_is_read_in_its_format() {
    let table = include_str!("corpus/access-lines.txt");
    assert_eq!(rows(table).count(), 81);
    let Some(lines) = lines("nginx-access-lines.txt", table) else { return };
    let mut all = LogFormat::well_known();
    all.extend(FORMATS.iter().map(|(name, _)| format(name)));
    let mut wrong = Vec::new();
    for (row, line) in &lines {
        let (name, expected) = row.expected.split_once(' ').expect("a format and values");
        let found = [read(vec![format(name)], line), read(all.clone(), line)];
        if found != [expected, expected] {
            wrong.push(format!("{}: expected {expected}, found {found:?}", row.line));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
