//! In which zone the error logs are written, and how that is known.

use std::io::Read;

use why504_correlate::ZoneEvidence;
use why504_ingest::{Source, open};
use why504_model::{Span, Timestamp};
use why504_nginxlog::{AccessScanner, Zone, arrivals, teach};

use crate::inputs::{Inputs, Kind};
use crate::plan::LogPlan;

/// Bytes at the beginning of a log in which an offset is looked for.
const LOOKED_AT: u64 = 64 * 1024;

/// A zone and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct ChosenZone {
    pub(crate) zone: Zone,
    pub(crate) name: String,
    pub(crate) basis: &'static str,
    /// Nobody said so.
    pub(crate) guessed: bool,
}

impl Default for ChosenZone {
    fn default() -> Self {
        Self {
            zone: Zone::UTC,
            name: "UTC".to_owned(),
            basis: "assumed; --tz sets it",
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
            ZoneEvidence::Shown => {
                self.guessed = false;
                self.basis = "assumed, and shown by the captures";
                None
            }
            ZoneEvidence::Elsewhere(span) => {
                let here = i64::from(self.zone.offset_seconds(moment));
                let name = offset_name(here - span.nanos() / 1_000_000_000);
                self.zone = name.parse().ok()?;
                self.name = name;
                self.guessed = false;
                self.basis = "worked out: the only one in which the lines find their attempts";
                Some(span)
            }
        }
    }
}

/// `+08:00`
fn offset_name(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `--tz`; else what the stamps of a log collector tell; else the offset that the access logs
/// state; else `$TZ`; else UTC, said to be assumed.
pub(super) fn choose(inputs: &Inputs, plan: &LogPlan) -> ChosenZone {
    if let Some((zone, name)) = &plan.zone {
        return ChosenZone { zone: *zone, name: name.clone(), basis: "--tz", guessed: false };
    }
    if let Some(zone) = from_wrappers(inputs) {
        let name = zone.to_string();
        return ChosenZone { zone, name, basis: "the log collector's stamps", guessed: false };
    }
    if let Some((zone, name)) = from_access_log(inputs, plan) {
        return ChosenZone { zone, name, basis: "the access log's offset", guessed: false };
    }
    let variable = std::env::var("TZ").ok().map(|name| name.trim_start_matches(':').to_owned());
    match variable.and_then(|name| Some((name.parse().ok()?, name))) {
        Some((zone, name)) => ChosenZone { zone, name, basis: "$TZ; --tz sets it", guessed: true },
        None => ChosenZone::default(),
    }
}

/// The difference between the stamps of wrapped error lines and the times in them. All logs must
/// agree, since one zone is used for all.
fn from_wrappers(inputs: &Inputs) -> Option<Zone> {
    let heads = inputs.of(Kind::ErrorLog).filter_map(beginning);
    teach(heads.flat_map(|head| arrivals(&head)))
}

fn beginning(source: &Source<Kind>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    open(source).ok()?.take(LOOKED_AT).read_to_end(&mut head).ok()?;
    Some(head)
}

/// The offset of the first line that states one. Logs over a change of the clocks state two; the
/// zone must be named then.
fn from_access_log(inputs: &Inputs, plan: &LogPlan) -> Option<(Zone, String)> {
    let source = inputs.of(Kind::AccessLog).next()?;
    let head = beginning(source)?;
    let mut scanner = AccessScanner::new(plan.formats.clone());
    let mut offset = None;
    scanner.feed(&head, &mut |event| {
        offset = offset.or(event.record.and_then(|record| record.utc_offset));
    });
    let name = offset_name(i64::from(offset?));
    Some((name.parse().ok()?, name))
}
