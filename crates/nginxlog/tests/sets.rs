//! Real incidents with known truth, where they are present beside the project; skipped where not.
//!
//! The truth gives, for each error line, the time at which the SYN of its connect was captured.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use why504_model::{Location, SourceId, Span, TimeoutId, TimeoutKind, Timestamp};
use why504_nginxlog::{
    AccessJoin, AccessScanner, Conf, ErrorScanner, JoinCase, JoinTally, Joined, LineScope, LogKind,
    Zone, sniff,
};

const SETS: [(&str, &str); 6] = [
    ("mixed", "Asia/Shanghai"),
    ("reuse", "Asia/Shanghai"),
    ("nat", "America/New_York"),
    ("ipv6-any", "UTC"),
    ("rotated-skewed", "Europe/Berlin"),
    ("mixed-causes", "Asia/Shanghai"),
];

struct Incident {
    joined: Vec<Joined>,
    tally: JoinTally,
    kinds: Vec<TimeoutKind>,
    /// Error-log line of each case.
    lines: Vec<u64>,
    truth: HashMap<u64, Truth>,
}

/// One line of the truth, of which only flat numbers and strings are read.
struct Truth {
    syn: Timestamp,
    limit: f64,
}

fn folder(set: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sets").join(set);
    folder.is_dir().then_some(folder)
}

/// Without the queries that make every request of the sets unique: as in a real log.
fn without_queries(text: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let keeps = |byte: &u8| {
        inside = (inside || *byte == b'?') && !matches!(byte, b' ' | b'"' | b'\n');
        !inside
    };
    text.iter().copied().filter(keeps).collect()
}

/// With `keyed`, by the set's own format and requests; else without connection numbers and with
/// requests that resemble each other.
fn incident(set: &str, zone: &str, keyed: bool) -> Option<Incident> {
    let folder = folder(set)?;
    let read = |name: &str| {
        let text = fs::read(folder.join(name)).expect("a file of the set");
        if keyed { text } else { without_queries(&text) }
    };
    let zone: Zone = zone.parse().expect("a zone");
    let (mut cases, mut kinds, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut scanner = ErrorScanner::new();
    let errors = read("error.log");
    scanner.feed(&errors, &mut |event| {
        let timeout = event.outcome.expect("nginx wrote nothing that cannot be read");
        let id = TimeoutId(u32::try_from(cases.len()).expect("few"));
        let logged = zone.second(timeout.record.time).interval();
        cases.push(JoinCase::new(id, &timeout, logged));
        kinds.push(timeout.class.kind);
        lines.push(event.line);
    });
    let mut conf = String::from_utf8(read("conf/nginx.conf")).expect("UTF-8");
    if !keyed {
        conf = conf.replace("conn=$connection", "conn=$unknown");
    }
    let conf = Conf::read("nginx.conf", conf.as_bytes(), &mut |_| Ok(Vec::new()));
    let format = conf.expect("a sound configuration").format("lab").expect("the format");
    let accesses = read("access.log");
    assert_eq!(sniff(&accesses, std::slice::from_ref(&format)), Some(LogKind::Access(0)));
    assert_eq!(sniff(&errors, std::slice::from_ref(&format)), Some(LogKind::Error));
    let mut join = AccessJoin::new(cases);
    let mut scanner = AccessScanner::new(vec![format]);
    scanner.feed(&accesses, &mut |event| {
        let record = event.record.expect("every line has the format");
        join.offer(Location { source: SourceId(1), record: event.line }, &record);
    });
    let (joined, tally) = join.finish();
    Some(Incident { joined, tally, kinds, lines, truth: truth(&read("truth.jsonl")) })
}

fn truth(text: &[u8]) -> HashMap<u64, Truth> {
    let text = std::str::from_utf8(text).expect("UTF-8");
    let number = |line: &str, name: &str| -> Option<f64> {
        let after = line.split_once(&format!("\"{name}\": "))?.1;
        after.split([',', '}']).next()?.trim().parse().ok()
    };
    let exact = text.lines().filter(|line| line.contains("\"exact\": true"));
    exact
        .filter_map(|line| {
            // Microseconds survive in an f64 of this size.
            let micros = format!("{:.0}", number(line, "syn_t")? * 1e6).parse().ok()?;
            let syn = Timestamp::from_nanos(Span::from_micros(micros).nanos());
            let place = format!("{:.0}", number(line, "line")?).parse().ok()?;
            Some((place, Truth { syn, limit: number(line, "connect_timeout")? }))
        })
        .collect()
}

#[test]
fn every_line_finds_its_access_line_and_the_syn_within_five_milliseconds() {
    for (set, zone) in SETS {
        let Some(incident) = incident(set, zone, true) else { return };
        let cases = incident.kinds.len() as u64;
        let tally = JoinTally { joined: cases, ..JoinTally::default() };
        assert_eq!(incident.tally, tally, "{set}");
        let (mut checked, mut worst) = (0, Span::ZERO);
        for joined in &incident.joined {
            let line = incident.lines[joined.id.0 as usize];
            let Some(truth) = incident.truth.get(&line) else { continue };
            let (start, _) = joined.start.unwrap_or_else(|| panic!("{set} line {line}: no start"));
            assert!(start.contains(truth.syn), "{set} line {line}: {start:?} {:?}", truth.syn);
            assert!(start.length() <= Span::from_millis(11), "{set} line {line}");
            let middle = start.start() + start.length().scaled(1, 2);
            worst = worst.max(middle.distance(truth.syn));
            checked += 1;
        }
        println!(
            "{set}: {cases} cases, {checked} with exact truth, worst {} ms",
            worst.as_secs_f64() * 1e3
        );
        assert!(checked > 100, "{set}");
        assert!(worst <= Span::from_millis(5), "{set}: {worst:?}");
    }
}

#[test]
fn the_limits_hold_the_timeout_that_was_in_force() {
    for (set, zone) in SETS {
        let Some(incident) = incident(set, zone, true) else { return };
        let mut checked = 0;
        for joined in &incident.joined {
            let line = incident.lines[joined.id.0 as usize];
            let kind = incident.kinds[joined.id.0 as usize];
            let Some(truth) = incident.truth.get(&line) else { continue };
            if !kind.is_connect_timeout() {
                continue;
            }
            let [limit] = joined.limits.as_slice() else { panic!("{set} line {line}: no limit") };
            let (low, high) = (limit.at_least.as_secs_f64(), limit.at_most.as_secs_f64());
            assert!((low..=high).contains(&truth.limit), "{set} line {line}: {limit:?}");
            checked += 1;
        }
        assert!(checked > 50, "{set}: {checked}");
    }
}

#[test]
fn without_connection_numbers_nothing_is_joined_wrongly() {
    for (set, zone) in SETS {
        let Some(keyed) = incident(set, zone, true) else { return };
        let keyless = incident(set, zone, false).expect("the set is there");
        let lines: HashMap<_, _> =
            keyed.joined.iter().map(|joined| (joined.id, joined.access.location)).collect();
        for joined in &keyless.joined {
            assert_eq!(lines.get(&joined.id), Some(&joined.access.location), "{set}");
        }
        println!("{set}: {:?}", keyless.tally);
        let tally = keyless.tally;
        let cases = keyless.kinds.len() as u64;
        assert_eq!(tally.joined + tally.ambiguous, cases, "{set}: no access line is missing");
        assert!(tally.joined > 0 && tally.ambiguous > 0, "{set}");
    }
}

/// One location of the sets' configurations serves each request, so there is one value, and it is
/// the one that was in force.
#[test]
fn the_configuration_gives_the_timeout_in_force() {
    for (set, _) in SETS {
        let Some(folder) = folder(set) else { return };
        let read = |name: &str| fs::read(folder.join(name)).expect("a file of the set");
        let conf = Conf::read("nginx.conf", &read("conf/nginx.conf"), &mut |_| Ok(Vec::new()));
        let conf = conf.expect("a sound configuration");
        let truth = truth(&read("truth.jsonl"));
        let (mut checked, mut cosockets) = (0, 0);
        let mut scanner = ErrorScanner::new();
        scanner.feed(&read("error.log"), &mut |event| {
            let timeout = event.outcome.expect("nginx wrote nothing that cannot be read");
            let limits: Vec<f64> = conf
                .limits(&LineScope::of(&timeout))
                .iter()
                .map(|limit| limit.at_most.as_secs_f64())
                .collect();
            match timeout.class.kind {
                TimeoutKind::UpstreamConnectTimeout => {
                    let limit = truth.get(&event.line).map(|truth| vec![truth.limit]);
                    assert!(limit.is_none_or(|limit| limit == limits), "{set} line {}", event.line);
                    checked += 1;
                }
                TimeoutKind::UpstreamReadTimeout => assert_eq!(limits.len(), 1, "{set}"),
                // The Lua code of the sets sets its own.
                TimeoutKind::LuaConnectTimeout => {
                    assert!(limits.is_empty(), "{set}");
                    cosockets += 1;
                }
                _ => {}
            }
        });
        println!("{set}: {checked} connects of upstreams, {cosockets} of cosockets");
        assert!(checked > 10 || cosockets > 10, "{set}");
    }
}
