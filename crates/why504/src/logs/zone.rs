//! In which zone each error log is written, and how that is known.
//!
//! Logs of several hosts may have several zones. Logs of one folder are taken for those of one
//! host, unless a collector's stamps say otherwise.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use why504_correlate::{ZoneEvidence, ZoneSupport};
use why504_ingest::{Source, open};
use why504_model::{Damage, SourceId, Span, Timeout, Timestamp};
use why504_nginxlog::{AccessScanner, Zone, arrivals, first_second, teach};

use super::is_access_504;
use crate::inputs::{Inputs, Kind};
use crate::plan::LogPlan;
use crate::progress::Complaints;

/// Bytes at the beginning of a log in which an offset is looked for.
const LOOKED_AT: u64 = 64 * 1024;

/// A zone and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct ChosenZone {
    pub(crate) zone: Zone,
    pub(crate) name: String,
    pub(crate) basis: Cow<'static, str>,
    /// Nobody said so.
    pub(crate) guessed: bool,
}

impl Default for ChosenZone {
    fn default() -> Self {
        Self {
            zone: Zone::UTC,
            name: "UTC".to_owned(),
            basis: "assumed; --tz sets it".into(),
            guessed: true,
        }
    }
}

impl ChosenZone {
    /// What the captures say of a zone that nobody named; gives the span by which the lines' times
    /// have to be moved. A named zone is not questioned.
    pub(super) fn settle(&mut self, evidence: ZoneEvidence, moment: Timestamp) -> Option<Span> {
        if !self.guessed {
            return None;
        }
        match evidence {
            ZoneEvidence::NotNeeded | ZoneEvidence::Unclear => None,
            ZoneEvidence::Shown(support) => {
                self.guessed = false;
                self.basis = format!("assumed, and shown: {}", in_words(support)).into();
                None
            }
            ZoneEvidence::Elsewhere(span, support) => {
                let here = i64::from(self.zone.offset_seconds(moment));
                let name = offset_name(here - span.nanos() / 1_000_000_000);
                self.zone = name.parse().ok()?;
                self.name = name;
                self.guessed = false;
                self.basis = format!("worked out: {}", in_words(support)).into();
                Some(span)
            }
        }
    }
}

/// `198 of 200 lines find attempts in it, in any other at most 3`
fn in_words(support: ZoneSupport) -> String {
    let ZoneSupport { tried, found, elsewhere } = support;
    format!("{found} of {tried} lines find attempts in it, in any other at most {elsewhere}")
}

/// `+08:00`
fn offset_name(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The zone of each error log.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    logs: BTreeMap<SourceId, Log>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    zone: ChosenZone,
}

impl Log {
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl Zones {
    pub(super) fn of(&self, log: SourceId) -> Zone {
        self.logs.get(&log).map_or(Zone::UTC, |log| log.zone.zone)
    }

    /// The zone of one error log; `None` for a source that is none.
    pub(crate) fn chosen(&self, log: SourceId) -> Option<&ChosenZone> {
        self.logs.get(&log).map(|log| &log.zone)
    }

    /// The zone that a report shows: that of the first log.
    pub(crate) fn shown(&self) -> ChosenZone {
        self.logs.values().next().map(|log| log.zone.clone()).unwrap_or_default()
    }

    /// Says which logs have another zone than the one that is shown.
    pub(crate) fn complain(&self, complaints: &mut Complaints) {
        let first = self.shown();
        for log in self.logs.values().filter(|log| log.zone.name != first.name) {
            let (path, zone) = (log.path.display(), &log.zone);
            let sentence = format!(
                "{path}: its times are in {} ({}), not {}",
                zone.name, zone.basis, first.name
            );
            complaints.add(Damage::Note, sentence);
        }
    }

    /// Asks the captures about the zones that nobody named, folder by folder, and moves the times
    /// of their lines; gives the logs whose zone is still not known.
    pub(super) fn settle(
        &mut self,
        timeouts: &mut [Timeout],
        evidence: impl Fn(&[Timeout]) -> ZoneEvidence,
    ) -> BTreeSet<SourceId> {
        let mut folders: BTreeMap<PathBuf, BTreeSet<SourceId>> = BTreeMap::new();
        for (source, log) in self.logs.iter().filter(|(_, log)| log.zone.guessed) {
            folders.entry(log.folder().to_path_buf()).or_default().insert(*source);
        }
        let mut unzoned = BTreeSet::new();
        for sources in folders.into_values() {
            // A time that the access log gave in seconds since the epoch is not the zone's.
            let of_folder = |t: &Timeout| {
                sources.contains(&t.location.source) && t.start.is_none() && !is_access_504(t.kind)
            };
            let theirs: Vec<Timeout> = timeouts.iter().filter(|t| of_folder(t)).cloned().collect();
            let Some(moment) = theirs.first().map(|t| t.logged.start()) else { continue };
            let evidence = evidence(&theirs);
            let mut moved = None;
            for source in &sources {
                let Some(log) = self.logs.get_mut(source) else { continue };
                moved = log.zone.settle(evidence, moment).or(moved);
                if log.zone.guessed {
                    unzoned.insert(*source);
                }
            }
            for timeout in timeouts.iter_mut().filter(|t| of_folder(t)) {
                timeout.logged = timeout.logged.shifted(moved.unwrap_or_default());
            }
        }
        unzoned
    }
}

/// `--tz`; else what the stamps of a log collector tell; else the offset that the access logs
/// beside it state; else what all other logs agree on; else `$TZ`; else UTC, said to be assumed.
pub(super) fn choose(inputs: &Inputs, plan: &LogPlan, complaints: &mut Complaints) -> Zones {
    let stamped = by_source(inputs, Kind::ErrorLog, |head| teach(arrivals(head)));
    let stated = by_source(inputs, Kind::AccessLog, |head| stated(head, plan));
    contradictions(inputs, &stated, complaints);
    let mut zones = Zones::default();
    for source in inputs.of(Kind::ErrorLog) {
        let beside =
            |(path, zone): &(&Path, Zone)| (path.parent() == source.path.parent()).then_some(*zone);
        let zone = if let Some((zone, name)) = &plan.zone {
            ChosenZone { zone: *zone, name: name.clone(), basis: "--tz".into(), guessed: false }
        } else if let Some((_, zone)) = stamped.iter().find(|(path, _)| *path == source.path) {
            known(*zone, "the log collector's stamps")
        } else if let Some(zone) = agreed(stated.iter().filter_map(beside)) {
            known(zone, "the access log's offset")
        } else if let Some(zone) = agreed(stamped.iter().chain(&stated).map(|(_, zone)| *zone)) {
            known(zone, "the other logs")
        } else {
            assumed()
        };
        zones.logs.insert(source.id, Log { path: source.path.clone(), zone });
    }
    zones
}

fn known(zone: Zone, basis: &'static str) -> ChosenZone {
    ChosenZone { zone, name: zone.to_string(), basis: basis.into(), guessed: false }
}

fn assumed() -> ChosenZone {
    let variable = std::env::var("TZ").ok().map(|name| name.trim_start_matches(':').to_owned());
    match variable.and_then(|name| Some((name.parse().ok()?, name))) {
        Some((zone, name)) => {
            ChosenZone { zone, name, basis: "$TZ; --tz sets it".into(), guessed: true }
        }
        None => ChosenZone::default(),
    }
}

/// What all say; `None` where they differ or say nothing.
fn agreed(mut zones: impl Iterator<Item = Zone>) -> Option<Zone> {
    let first = zones.next()?;
    zones.all(|zone| zone == first).then_some(first)
}

/// What the beginnings of the logs of one kind say, where they say anything.
fn by_source(
    inputs: &Inputs,
    kind: Kind,
    read: impl Fn(&[u8]) -> Option<Zone>,
) -> Vec<(&Path, Zone)> {
    inputs
        .of(kind)
        .filter_map(|source| Some((source.path.as_path(), read(&beginning(source)?)?)))
        .collect()
}

/// When the first record of an error log was written, if its beginning tells.
pub(super) fn begins_at(source: &Source<Kind>, zone: Zone) -> Option<Timestamp> {
    first_second(&beginning(source)?, zone)
}

fn beginning(source: &Source<Kind>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    open(source).ok()?.take(LOOKED_AT).read_to_end(&mut head).ok()?;
    Some(head)
}

/// The offset of the first line that states one.
fn stated(head: &[u8], plan: &LogPlan) -> Option<Zone> {
    let mut scanner = AccessScanner::new(plan.formats.clone());
    let mut offset = None;
    scanner.feed(head, &mut |event| {
        offset = offset.or(event.record.and_then(|record| record.utc_offset));
    });
    offset_name(i64::from(offset?)).parse().ok()
}

/// Access logs of one folder that state several offsets: the clocks changed between them, so the
/// times of the error logs beside them have no one offset.
fn contradictions(inputs: &Inputs, stated: &[(&Path, Zone)], complaints: &mut Complaints) {
    let mut folders: BTreeMap<&Path, BTreeSet<String>> = BTreeMap::new();
    for (path, zone) in stated {
        let folder = path.parent().unwrap_or(Path::new(""));
        folders.entry(folder).or_default().insert(zone.to_string());
    }
    let concerned = |folder: &Path| {
        inputs.of(Kind::ErrorLog).any(|source| source.path.parent() == Some(folder))
    };
    for (folder, offsets) in folders.iter().filter(|(f, offsets)| offsets.len() > 1 && concerned(f))
    {
        let offsets: Vec<&str> = offsets.iter().map(String::as_str).collect();
        complaints.add(
            Damage::Note,
            format!(
                "{}: the access logs state {}: the clocks changed, so the zone of the error logs \
                 has to be named with --tz, e.g. Europe/Berlin",
                folder.display(),
                offsets.join(" and ")
            ),
        );
    }
}
