//! Reads the logs: error logs for the timeouts, access logs for the milliseconds.

mod files;
mod zone;

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;
use why504_correlate::ZoneEvidence;
use why504_ingest::Source;
use why504_model::{
    Damage, Diagnostic, Interval, Location, SourceId, TimeLimit, Timeout, TimeoutId, TimeoutKind,
};
use why504_nginxlog::{
    Access504, Access504Tally, AccessJoin, AccessLine, AccessScanner, AccessTally, ErrorEvent,
    ErrorScanner, JoinCase, JoinTally, LineScope, LineTally, LoggedTimeout, OneEvent, Unparsed,
    Zone, back_steps, describe, unfold,
};

use why504_report::LogText;

use crate::inputs::{Inputs, Kind};
use crate::plan::LogPlan;
use crate::progress::Complaints;
pub(crate) use zone::Zones;

/// Lines that could not be read are named up to this number in each file; all are counted.
const UNPARSED_NAMED: usize = 3;

/// What the logs say.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// In the order of their lines, log by log in order of time.
    pub(crate) timeouts: Vec<Timeout>,
    /// The text of each.
    pub(crate) texts: Vec<LogText>,
    /// The access line of each.
    pub(crate) access: Vec<Option<AccessLine>>,
    pub(crate) lines: LineTally,
    pub(crate) access_lines: AccessTally,
    pub(crate) join: JoinTally,
    /// Requests of the access logs that ended with a 504.
    pub(crate) access_504: Access504Tally,
    pub(crate) zones: Zones,
}

impl Logs {
    /// Settles zones that were assumed by what the captures show; gives the logs whose zone is still
    /// not known.
    pub(crate) fn settle_zones(
        &mut self,
        evidence: impl Fn(&[Timeout]) -> ZoneEvidence,
        complaints: &mut Complaints,
    ) -> BTreeSet<SourceId> {
        let unzoned = self.zones.settle(&mut self.timeouts, evidence);
        self.zones.complain(complaints);
        unzoned
    }
}

/// Whether the line is one of an access log, which states its zone.
fn is_access_504(kind: TimeoutKind) -> bool {
    matches!(kind, TimeoutKind::Access504 | TimeoutKind::Access504Unclear)
}

/// One line of an error log.
struct Found {
    timeout: Timeout,
    text: LogText,
    case: JoinCase,
    /// What nginx.conf says of its timer.
    by_conf: Vec<TimeLimit>,
    /// Hash of the whole record: nginx may write one event to several files.
    fingerprint: u64,
    /// What it has in common with other lines about the same event.
    event: Option<OneEvent>,
    /// It is a line of the user's code.
    user_text: bool,
}

/// What one error log holds.
struct ErrorLog {
    found: Vec<Found>,
    tally: LineTally,
    complaints: Complaints,
}

/// Reads all logs of a run.
pub(crate) fn read(inputs: &Inputs, plan: &LogPlan, complaints: &mut Complaints) -> Logs {
    let zones = zone::choose(inputs, plan, complaints);
    let errors: Vec<&Source<Kind>> = inputs.of(Kind::ErrorLog).collect();
    let read: Vec<ErrorLog> =
        errors.par_iter().map(|source| read_error_log(source, plan, zones.of(source.id))).collect();
    let mut logs = Logs { zones, ..Logs::default() };
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for log in read {
        complaints.extend(log.complaints);
        add_lines(&mut logs.lines, log.tally);
        let of_this: Vec<Found> = log.found;
        let before = of_this.len();
        let fresh: Vec<Found> =
            of_this.into_iter().filter(|f| !seen.contains(&f.fingerprint)).collect();
        // A copy in another file is the same event; two equal lines of one file are two events.
        seen.extend(fresh.iter().map(|f| f.fingerprint));
        let copies = (before - fresh.len()) as u64;
        logs.lines.timeouts -= copies;
        logs.lines.other += copies;
        found.push(fresh);
    }
    found.sort_by_key(|log| log.first().map(|f| (f.timeout.logged.start(), f.timeout.location)));
    let (mut cases, mut by_conf) = (Vec::new(), Vec::new());
    for (i, mut entry) in found.into_iter().flatten().enumerate() {
        entry.timeout.id = TimeoutId(u32::try_from(i).unwrap_or(u32::MAX));
        cases.push(entry.case.with_id(entry.timeout.id));
        logs.timeouts.push(entry.timeout);
        logs.texts.push(entry.text);
        by_conf.push(entry.by_conf);
    }
    by_conf.extend(join_access(&mut logs, cases, inputs, plan, complaints));
    for (timeout, by_conf) in logs.timeouts.iter_mut().zip(&by_conf) {
        plan.apply(timeout, by_conf);
    }
    logs
}

fn add_lines(sum: &mut LineTally, more: LineTally) {
    sum.total += more.total;
    sum.timeouts += more.timeouts;
    sum.other += more.other;
    sum.unparsed += more.unparsed;
}

fn read_error_log(source: &Source<Kind>, plan: &LogPlan, zone: Zone) -> ErrorLog {
    let mut log = ErrorLog {
        found: Vec::new(),
        tally: LineTally::default(),
        complaints: Complaints::default(),
    };
    let mut scanner = ErrorScanner::with_patterns(plan.messages.clone());
    let mut unparsed = Vec::new();
    let mut sink = |event: ErrorEvent<'_>| {
        let location = Location { source: source.id, record: event.line };
        match event.outcome {
            Ok(timeout) => log.found.push(found(location, &event, &timeout, zone, plan)),
            Err(reason) => unparsed.push((location, event.offset, reason)),
        }
    };
    let damage = files::chunks(source, |chunk| scanner.feed(chunk, &mut sink));
    let end = scanner.finish(&mut sink);
    log.tally = end.tally;
    if end.limited > 0 {
        let sentence = format!(
            "{}: not complete: it says {} times that too many messages were to be logged and lines \
             were left out",
            source.path.display(),
            end.limited
        );
        log.complaints.add(Damage::Note, sentence);
    }
    drop_retold(&mut log);
    settle_order(source, &mut log);
    if let Some(damage) = damage {
        log.complaints.add(Damage::Partial, damage);
    }
    complain_of_unparsed(source, &unparsed, &mut log.complaints);
    log
}

/// With `lua_socket_log_errors on` a failed connect makes two lines: the cosocket's, and that of the
/// code that got the error; the latter may be several. They are one event.
fn drop_retold(log: &mut ErrorLog) {
    let told: HashSet<OneEvent> =
        log.found.iter().filter(|found| !found.user_text).filter_map(|found| found.event).collect();
    let before = log.found.len();
    log.found.retain(|f| !f.user_text || f.event.is_none_or(|event| !told.contains(&event)));
    let retold = (before - log.found.len()) as u64;
    log.tally.timeouts -= retold;
    log.tally.other += retold;
}

/// Uses the order of the lines: the hour that a change of the clocks repeats, and clocks that were
/// set.
fn settle_order(source: &Source<Kind>, log: &mut ErrorLog) {
    let mut times: Vec<Interval> = log.found.iter().map(|found| found.timeout.logged).collect();
    unfold(&mut times);
    for (found, time) in log.found.iter_mut().zip(&times) {
        if found.timeout.logged != *time {
            found.timeout.logged = *time;
            found.case = found.case.clone().logged_at(*time);
        }
    }
    let steps = back_steps(&times);
    let Some(largest) = steps.iter().max_by_key(|step| step.by) else { return };
    let Some(found) = log.found.get(largest.index) else { return };
    let sentence = format!(
        "the times go back by {:.0} s here{}: the clock was set, or lines of several logs are in one \
         file",
        largest.by.as_secs_f64(),
        match steps.len() {
            1 => String::new(),
            all => format!(", and {} more times by less", all - 1),
        }
    );
    let diagnostic = Diagnostic::new(found.timeout.location, Damage::Note, sentence);
    log.complaints.about(&source.path, &diagnostic);
}

fn complain_of_unparsed(
    source: &Source<Kind>,
    unparsed: &[(Location, u64, Unparsed)],
    complaints: &mut Complaints,
) {
    for (location, offset, reason) in unparsed.iter().take(UNPARSED_NAMED) {
        let diagnostic =
            Diagnostic::new(*location, Damage::Note, reason.to_string()).at_offset(*offset);
        complaints.about(&source.path, &diagnostic);
    }
    if let Some(more) = unparsed.len().checked_sub(UNPARSED_NAMED).filter(|n| *n > 0) {
        let sentence =
            format!("{}: {more} more lines that could not be read", source.path.display());
        complaints.add(Damage::Note, sentence);
    }
}

fn found(
    location: Location,
    event: &ErrorEvent<'_>,
    logged: &LoggedTimeout<'_>,
    zone: Zone,
    plan: &LogPlan,
) -> Found {
    let second = event.logged(logged.record.time, zone);
    let id = TimeoutId::default();
    let mut hasher = DefaultHasher::new();
    event.text.hash(&mut hasher);
    Found {
        timeout: Timeout {
            id,
            location,
            kind: logged.class.kind,
            never_sent: logged.class.never_sent,
            peer: logged.class.peer,
            logged: second,
            start: None,
            limits: Vec::new(),
            worker: Some(logged.record.pid),
            connection: logged.record.connection,
        },
        text: words(event.text),
        case: JoinCase::new(id, logged, second),
        by_conf: plan.by_conf(&LineScope::of(logged)),
        fingerprint: hasher.finish(),
        event: logged.event(),
        user_text: logged.class.user_text,
    }
}

/// Streams the access logs past the timeouts. Gives what nginx.conf says of the cases that the
/// access logs add.
fn join_access(
    logs: &mut Logs,
    cases: Vec<JoinCase>,
    inputs: &Inputs,
    plan: &LogPlan,
    complaints: &mut Complaints,
) -> Vec<Vec<TimeLimit>> {
    let join = AccessJoin::new(cases);
    let sources: Vec<&Source<Kind>> = inputs.of(Kind::AccessLog).collect();
    let read: Vec<(AccessJoin, AccessTally, Option<String>)> =
        sources.par_iter().map(|source| read_access_log(source, plan, join.clone())).collect();
    let mut whole = join;
    for (part, tally, damage) in read {
        whole.absorb(part);
        logs.access_lines.total += tally.total;
        logs.access_lines.matched += tally.matched;
        logs.access_lines.unmatched += tally.unmatched;
        logs.access_lines.parts += tally.parts;
        logs.access_lines.unfinished += tally.unfinished;
        if let Some(damage) = damage {
            complaints.add(Damage::Partial, damage);
        }
    }
    let (unlogged, gateway_timeouts) = whole.take_access_504();
    logs.access_504 = gateway_timeouts;
    let (joined, tally) = whole.finish();
    logs.join = tally;
    logs.access = vec![None; logs.timeouts.len()];
    for entry in joined {
        let index = entry.id.0 as usize;
        if let (Some(timeout), Some(slot)) =
            (logs.timeouts.get_mut(index), logs.access.get_mut(index))
        {
            entry.apply(timeout);
            *slot = Some(entry.access);
        }
    }
    let by_conf = |case| plan.by_conf(&LineScope::of_access_504(case));
    for case in &unlogged {
        logs.add_access_504(case);
    }
    unlogged.iter().map(by_conf).collect()
}

impl Logs {
    /// Takes a 504 without an error line as a case; its log line is the access line.
    fn add_access_504(&mut self, case: &Access504) {
        let id = TimeoutId(u32::try_from(self.timeouts.len()).unwrap_or(u32::MAX));
        let shown = |bytes: &Option<Vec<u8>>| {
            String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
        };
        self.timeouts.push(case.timeout(id));
        self.texts.push(LogText {
            message: "504 in the access log, no line in the error log".to_owned(),
            client: shown(&case.client),
            server: String::new(),
            request: shown(&case.request),
            host: shown(&case.host),
        });
        self.access.push(Some(case.access));
        self.lines.total += 1;
        self.lines.timeouts += 1;
    }
}

fn read_access_log(
    source: &Source<Kind>,
    plan: &LogPlan,
    mut join: AccessJoin,
) -> (AccessJoin, AccessTally, Option<String>) {
    let mut scanner = AccessScanner::new(plan.formats.clone());
    let damage = files::chunks(source, |chunk| {
        scanner.feed(chunk, &mut |event| {
            if let Some(record) = event.record {
                join.offer(Location { source: source.id, record: event.line }, &record);
            }
        });
    });
    (join, scanner.finish(), damage)
}

/// The words of a record, lossily decoded.
fn words(record: &[u8]) -> LogText {
    let Some(text) = describe(record) else { return LogText::default() };
    let owned =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    LogText {
        message: owned(Some(text.message)),
        client: owned(text.client),
        server: owned(text.server),
        request: owned(text.request),
        host: owned(text.host),
    }
}
