//! The zone of an error log, held against the captures.
//!
//! A log says local times and not where: lines are looked for under every zone there is, and one under
//! which they find attempts, and nowhere else, is the log's. Finer differences are of the clock
//! ([`LogClock`]).

use alloc::vec::Vec;

use why504_model::{Span, Timeout};

use crate::candidates::{self, Index};
use crate::view::Points;
use crate::{Drift, LogClock};

/// Lines that are tried under other zones; more do not make the answer surer.
const ZONE_SAMPLE: usize = 500;
/// Real zones differ by multiples of a quarter of an hour, by 14 hours to both sides of UTC.
const QUARTER: Span = Span::from_secs(900);
const QUARTERS: i64 = 2 * 14 * 4;

/// What the captures say about the zone in which an error log was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneEvidence {
    /// Nothing rests on the zone: every line has an absolute time.
    NotNeeded,
    /// The zone is right: lines find attempts, and under any other offset at most half as many do.
    Shown(ZoneSupport),
    /// The lines find attempts when this is added to their times, and nowhere else.
    Elsewhere(Span, ZoneSupport),
    /// No offset stands out.
    Unclear,
}

/// How many lines speak for a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneSupport {
    /// Lines that were tried.
    pub tried: usize,
    /// Those of them that find an attempt in the zone.
    pub found: usize,
    /// Those that find one under the offset that is best but for this one.
    pub elsewhere: usize,
}

/// Holds the lines that have no absolute time against the attempts under every zone there is.
pub fn zone_evidence(timeouts: &[Timeout], points: Points<'_>) -> ZoneEvidence {
    let index = Index::new(&points.merged.attempts, |attempt| points.is_home(attempt));
    let rests_on_zone = |t: &&Timeout| t.start.is_none() && !t.kind.is_read_timeout();
    let undated: Vec<&Timeout> = timeouts.iter().filter(rests_on_zone).collect();
    if undated.is_empty() {
        return ZoneEvidence::NotNeeded;
    }
    let step = undated.len().div_ceil(ZONE_SAMPLE).max(1);
    let fit = |quarter: i64| {
        let skew = Span::from_nanos(QUARTER.nanos().saturating_mul(quarter));
        let clock = LogClock::Aligned { skew, drift: Drift::NONE, votes: 0 };
        let sample = undated.iter().step_by(step);
        sample.filter(|t| !candidates::candidates(&index, t, clock).0.is_empty()).count()
    };
    let mut fits: Vec<(usize, i64)> = (-QUARTERS..=QUARTERS).map(|q| (fit(q), q)).collect();
    fits.sort_by_key(|&(count, quarter)| (core::cmp::Reverse(count), quarter.abs()));
    let &[(found, quarter), (elsewhere, _), ..] = fits.as_slice() else {
        return ZoneEvidence::Unclear;
    };
    let support = ZoneSupport { tried: undated.len().div_ceil(step), found, elsewhere };
    if found == 0 || found * 2 < support.tried || elsewhere * 2 > found {
        ZoneEvidence::Unclear
    } else if quarter == 0 {
        ZoneEvidence::Shown(support)
    } else {
        let span = Span::from_nanos(QUARTER.nanos().saturating_mul(quarter));
        ZoneEvidence::Elsewhere(span, support)
    }
}
