//! `why504 check`: each input, how they lie to each other in time, and what is in the way.

use std::io::{self, Write};

use why504_handshake::{Coverage, PointId};
use why504_model::Interval;

use super::header::{clocks, coverage, span};
use crate::check::{Check, LogFile, PointFacts, findings};
use crate::moment::{LocalClock, grouped, plural};
use crate::page::{Page, inked, plain};
use crate::run::{PointInfo, Run};
use crate::style::{Ink, Style};
use crate::visible::{columns, cut_front};

/// Servers named of each point.
const SERVERS: usize = 4;
/// Ports named of each server.
const PORTS: usize = 8;
/// Widest label of the chart.
const LABEL: usize = 24;

/// The whole page.
pub fn check(run: &Run<'_>, check: &Check, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(*style, out);
    let clock = LocalClock { offset_seconds: run.zone.offset_seconds };
    let found = findings(run, check);
    page.line(&[inked(run.tool, Ink::Faint)])?;
    page.blank()?;
    let (sentence, ink) = match found.iter().find(|f| f.hinders) {
        Some(why) => (format!("These inputs cannot be joined: {}.", why.text), Ink::Loss),
        None => ("These inputs can be joined.".to_owned(), Ink::Sure),
    };
    page.wrapped(0, 0, &sentence, ink)?;
    if !check.logs.is_empty() {
        page.heading("LOGS")?;
        for log in &check.logs {
            one_log(log, clock, page)?;
        }
    }
    for (i, (info, facts)) in run.points.iter().zip(&check.points).enumerate() {
        let id = u16::try_from(i).map(PointId).unwrap_or_default();
        page.heading(&format!("CAPTURE POINT {}", info.name))?;
        one_point(run, id, info, facts, clock, page)?;
    }
    page.heading("TOGETHER")?;
    chart(run, check, clock, page)?;
    for (label, texts) in [("clocks", clocks(run)), ("coverage", coverage(run))] {
        let mut label = label;
        for text in texts {
            page.field(2, label, &text)?;
            label = "";
        }
    }
    if found.iter().any(|f| !f.hinders) {
        page.heading("WHAT MAKES VERDICTS LESS SURE")?;
        for finding in found.iter().filter(|f| !f.hinders) {
            page.wrapped(2, 2, &format!("- {}", finding.text), Ink::Unsure)?;
        }
    }
    Ok(())
}

fn one_log(log: &LogFile, clock: LocalClock, page: &mut Page<'_>) -> io::Result<()> {
    let name = cut_front(&log.path, page.width().saturating_sub(4));
    page.line(&[plain("  "), plain(name)])?;
    let zone = log.zone.as_ref().map_or(String::new(), |zone| format!(" in {zone}"));
    let text = format!(
        "{}{zone}, {}, {}",
        log.kind,
        plural(log.lines, "line"),
        plural(log.timeouts as u64, "timeout")
    );
    page.wrapped(4, 2, &text, Ink::Plain)?;
    log.span.map_or(Ok(()), |covered| page.wrapped(4, 2, &span(clock, covered), Ink::Plain))
}

fn one_point(
    run: &Run<'_>,
    id: PointId,
    info: &PointInfo,
    facts: &PointFacts,
    clock: LocalClock,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let mut text =
        format!("{}, {}", plural(info.files as u64, "file"), plural(info.packets, "packet"));
    if !info.link.is_empty() {
        text.push_str(&format!(", {}", info.link));
    }
    match info.snaplen {
        Some(snaplen) => text.push_str(&format!(", snaplen {snaplen}")),
        None => text.push_str(", no snaplen"),
    }
    page.field(2, "holds", &text)?;
    let covered = info.span.map_or("no packet of TCP".to_owned(), |covered| span(clock, covered));
    page.field(2, "spans", &covered)?;
    if let Some(filter) = &facts.filter {
        page.field(2, "filter", filter)?;
    }
    let dropped = facts.dropped.map_or_else(
        || "the files do not say".to_owned(),
        |dropped| format!("{} by the files' own count", plural(dropped, "packet")),
    );
    let inferred = format!(
        "{dropped}; {} of {} acknowledged SYN+ACKs are missing{}",
        grouped(facts.answers_missed),
        grouped(facts.completed),
        requests(facts)
    );
    page.field(2, "dropped", &inferred)?;
    let Some(seen) = run.coverage.get(&id).filter(|c| !c.is_empty()) else { return Ok(()) };
    page.field(2, "place", &place(run, id, seen))?;
    servers(seen, page)
}

/// Payload that must have been there.
fn requests(facts: &PointFacts) -> String {
    let all = grouped(facts.requests);
    match facts.requests_missed {
        _ if facts.requests == 0 => String::new(),
        missed if missed == facts.requests => {
            format!(", and so are all {all} requests: no payload was captured")
        }
        missed => format!(", and {} of {all} requests", grouped(missed)),
    }
}

/// Near which end the point stands, by the hops that packets have made.
fn place(run: &Run<'_>, id: PointId, seen: &Coverage) -> String {
    let mut all = seen.servers().map(|(host, _)| run.path.place(id, host));
    let Some(place) = all.next() else { return "no handshake shows it".to_owned() };
    let role = |place: why504_handshake::Place| {
        if place.at_client() {
            "at the gateway"
        } else if place.at_server() {
            "at the upstream"
        } else {
            "between the two"
        }
    };
    let here = role(place);
    if all.any(|other| role(other) != here) {
        return "differs from server to server".to_owned();
    }
    let hops =
        |count: Option<u8>| count.map_or("unknown".to_owned(), |n| plural(u64::from(n), "hop"));
    format!(
        "{here} ({} from the client, {} from the server)",
        hops(place.client_hops),
        hops(place.server_hops)
    )
}

fn servers(seen: &Coverage, page: &mut Page<'_>) -> io::Result<()> {
    let mut label = "servers";
    for (host, ports) in seen.servers().take(SERVERS) {
        let named: Vec<String> = ports.iter().take(PORTS).map(ToString::to_string).collect();
        let more = match ports.len().saturating_sub(PORTS) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let noun = if ports.len() == 1 { "port" } else { "ports" };
        let ways =
            if seen.shows_both_directions(host) { "both directions" } else { "one direction" };
        page.field(2, label, &format!("{host}: {noun} {}{more}; {ways}", named.join(", ")))?;
        label = "";
    }
    match seen.servers().count().saturating_sub(SERVERS) {
        0 => Ok(()),
        n => page.field(2, "", &format!("and {}", plural(n as u64, "more server"))),
    }
}

/// Logs and points over one axis of time.
fn chart(run: &Run<'_>, check: &Check, clock: LocalClock, page: &mut Page<'_>) -> io::Result<()> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let logs = check.logs.iter().map(|log| (name(&log.path), log.span));
    let points = run.points.iter().map(|point| (point.name.clone(), point.span));
    let rows: Vec<(String, Interval)> =
        logs.chain(points).filter_map(|(name, span)| Some((name, span?))).collect();
    let Some(whole) = rows.iter().map(|(_, span)| *span).reduce(Interval::hull) else {
        return Ok(());
    };
    let label = rows.iter().map(|(name, _)| columns(name)).max().unwrap_or(0).min(LABEL);
    let room = page.width().saturating_sub(label + 4).max(10);
    for (name, covered) in &rows {
        let name = cut_front(name, label);
        let pad = " ".repeat(label.saturating_sub(columns(&name)));
        let row = bar(whole, *covered, room);
        page.line(&[plain(format!("  {name}{pad}  ")), inked(row, Ink::Strong)])?;
    }
    let (start, end) = (clock.date_time(whole.start()), clock.date_time(whole.end()));
    let gap = " ".repeat(room.saturating_sub(start.len() + end.len()));
    page.line(&[plain(" ".repeat(label + 4)), inked(format!("{start}{gap}{end}"), Ink::Faint)])
}

/// `·` where nothing is, `█` where it is; something that is short has a column all the same.
fn bar(whole: Interval, covered: Interval, room: usize) -> String {
    let length = i128::from(whole.length().nanos()).max(1);
    let columns = i128::try_from(room).unwrap_or(80);
    let column = |nanos: i64| {
        usize::try_from(i128::from(nanos) * columns / length).unwrap_or(0).min(room - 1)
    };
    let first = column(covered.start().since(whole.start()).nanos());
    let last = column(covered.end().since(whole.start()).nanos().saturating_sub(1));
    (0..room).map(|i| if (first..=last).contains(&i) { '█' } else { '·' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use why504_model::{Span, Timestamp};

    #[test]
    fn a_bar_lies_where_its_span_lies() {
        let at = |seconds| Timestamp::from_parts(1000, 0) + Span::from_secs(seconds);
        let over = |a, b| Interval::new(at(a), at(b));
        assert_eq!(bar(over(0, 10), over(0, 10), 10), "██████████");
        assert_eq!(bar(over(0, 10), over(0, 5), 10), "█████·····");
        assert_eq!(bar(over(0, 10), over(5, 10), 10), "·····█████");
        assert_eq!(bar(over(0, 1000), over(999, 1000), 10), "·········█");
    }
}
