//! Reads the logs: error logs for the timeouts, access logs for the milliseconds.

mod accesses;
mod errors;
mod in_order;
mod item;
mod neighbours;
mod pieces;
mod texts;
mod zone;

use std::collections::BTreeSet;

use why504_correlate::ZoneEvidence;
use why504_ingest::Source;
use why504_model::{Damage, SourceId, TimeLimit, Timeout, TimeoutId, TimeoutKind};
use why504_nginxlog::{
    Access504, Access504Tally, AccessJoin, AccessLine, AccessTally, JoinCase, JoinTally, LineScope,
    LineTally, LogText, is_folded,
};
use why504_report::ndjson::{RawWords, TimeoutLine, TimeoutLines};

use crate::inputs::{Inputs, Kind};
use crate::plan::LogPlan;
use crate::progress::Complaints;
pub(crate) use texts::TextStore;
pub(crate) use zone::Zones;

/// What the logs say.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// In the order of their lines, log by log in order of time.
    pub(crate) timeouts: Vec<Timeout>,
    /// The text of each.
    pub(crate) texts: TextStore,
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

/// What is kept of a timeout.
struct Found {
    timeout: Timeout,
    /// Its words, packed.
    words: Vec<u8>,
    /// Where there are access logs.
    case: Option<JoinCase>,
    /// What nginx.conf says of its timer.
    by_conf: Vec<TimeLimit>,
}

/// Reads all logs of a run.
pub(crate) fn read(inputs: &Inputs, plan: &LogPlan, complaints: &mut Complaints) -> Logs {
    let zones = zone::choose(inputs, plan, complaints);
    let errors = error_logs(inputs, &zones);
    let joined = inputs.of(Kind::AccessLog).next().is_some();
    let mut logs = Logs::default();
    let (mut cases, mut by_conf) = (Vec::new(), Vec::new());
    logs.lines = errors::read(
        &errors,
        plan,
        &zones,
        |found| {
            let timeout = found.timeout;
            let RawWords { message, client, server, request, host } = raw_words(&found.text);
            let words = texts::packed([message, client, server, request, host]);
            let case = joined.then(|| JoinCase::new(timeout.id, found.logged, timeout.logged));
            let by_conf = plan.by_conf(|| LineScope::of(found.logged));
            Found { timeout, words, case, by_conf }
        },
        |_, batch| {
            let mut words = Vec::with_capacity(batch.len());
            for item in batch {
                let Found { mut timeout, words: of_one, case, by_conf: limits } = item.value;
                (timeout.location.record, timeout.logged) = (item.line, item.logged);
                timeout.id = logs.next_id();
                let settled = |case: JoinCase| case.logged_at(item.logged).with_id(timeout.id);
                cases.extend(case.map(settled));
                logs.timeouts.push(timeout);
                words.push(of_one);
                by_conf.push(limits);
            }
            logs.texts.extend(&words);
        },
        complaints,
    );
    logs.zones = zones;
    by_conf.extend(join_access(&mut logs, cases, inputs, plan, complaints));
    for (timeout, by_conf) in logs.timeouts.iter_mut().zip(&by_conf) {
        plan.apply(timeout, by_conf);
    }
    if let Some(error) = &logs.texts.failure {
        let sentence = format!(
            "the words of {} log lines could not be kept in the temporary directory: {error}; \
             $TMPDIR names another one",
            logs.timeouts.len()
        );
        complaints.add(Damage::Partial, sentence);
    }
    logs
}

/// A timeout that is told at once.
enum Told {
    Line(TimeoutLine),
    /// Its time is one of two, and lines after it may tell which. With its words, packed.
    Folded(Box<(Timeout, Vec<u8>)>),
}

/// Tells every timeout of the error logs in order, as a line of NDJSON with the number of its log
/// line, and keeps none of them: for runs in which nothing that is read later adds to a line.
pub(crate) fn stream(
    inputs: &Inputs,
    plan: &LogPlan,
    mut each: impl FnMut(&TimeoutLines, &TimeoutLine, u64),
    complaints: &mut Complaints,
) -> Logs {
    let zones = zone::choose(inputs, plan, complaints);
    let errors = error_logs(inputs, &zones);
    let files: Vec<TimeoutLines> =
        inputs.paths().iter().map(|path| TimeoutLines::new(path)).collect();
    let lines = errors::read(
        &errors,
        plan,
        &zones,
        |found| {
            let mut timeout = found.timeout;
            plan.apply(&mut timeout, &plan.by_conf(|| LineScope::of(found.logged)));
            let words = raw_words(&found.text);
            if is_folded(timeout.logged) {
                let RawWords { message, client, server, request, host } = words;
                let packed = texts::packed([message, client, server, request, host]);
                return Told::Folded(Box::new((timeout, packed)));
            }
            Told::Line(TimeoutLine::new(&timeout, &words))
        },
        |source, batch| {
            let Some(file) = files.get(source.0 as usize) else { return };
            for item in batch {
                match item.value {
                    Told::Line(line) => each(file, &line, item.line),
                    Told::Folded(kept) => {
                        let (mut timeout, packed) = *kept;
                        timeout.logged = item.logged;
                        let [message, client, server, request, host] = texts::unpacked(&packed);
                        let words = RawWords { message, client, server, request, host };
                        each(file, &TimeoutLine::new(&timeout, &words), item.line);
                    }
                }
            }
        },
        complaints,
    );
    Logs { lines, zones, ..Logs::default() }
}

fn raw_words<'a>(text: &LogText<'a>) -> RawWords<'a> {
    RawWords {
        message: text.message,
        client: text.client.unwrap_or_default(),
        server: text.server.unwrap_or_default(),
        request: text.request.unwrap_or_default(),
        host: text.host.unwrap_or_default(),
    }
}

/// In order of the times at which they begin.
fn error_logs<'a>(inputs: &'a Inputs, zones: &Zones) -> Vec<&'a Source<Kind>> {
    let mut logs: Vec<&Source<Kind>> = inputs.of(Kind::ErrorLog).collect();
    if logs.len() > 1 {
        let begins_at = |source: &Source<Kind>| zone::begins_at(source, zones.of(source.id));
        logs.sort_by_cached_key(|source| (begins_at(source), source.id));
    }
    logs
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
    let sources: Vec<&Source<Kind>> = inputs.of(Kind::AccessLog).collect();
    let mut join = AccessJoin::new(cases);
    logs.access_lines = accesses::read(&sources, plan, &mut join, complaints);
    let (unlogged, gateway_timeouts) = join.take_access_504();
    logs.access_504 = gateway_timeouts;
    let (joined, tally) = join.finish();
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
    let by_conf = |case| plan.by_conf(|| LineScope::of_access_504(case));
    for case in &unlogged {
        logs.add_access_504(case);
    }
    unlogged.iter().map(by_conf).collect()
}

impl Logs {
    fn next_id(&self) -> TimeoutId {
        TimeoutId(u32::try_from(self.timeouts.len()).unwrap_or(u32::MAX))
    }

    /// Takes a 504 without an error line as a case; its log line is the access line.
    fn add_access_504(&mut self, case: &Access504) {
        let shown = |bytes: &'_ Option<Vec<u8>>| bytes.clone().unwrap_or_default();
        self.timeouts.push(case.timeout(self.next_id()));
        let message = b"504 in the access log, no line in the error log";
        let (client, request, host) =
            (shown(&case.client), shown(&case.request), shown(&case.host));
        self.texts.extend(&[texts::packed([message, &client, b"", &request, &host])]);
        self.access.push(Some(case.access));
        self.lines.total += 1;
        self.lines.timeouts += 1;
    }
}
