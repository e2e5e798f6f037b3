//! How far the tool's statement about two points' clocks is from what was done to their captures.
//!
//! The lab's hosts share one kernel's clock: the true offset is what the scenario put there, and
//! nothing where it put nothing.

use serde::Serialize;

use super::output::Summary;
use crate::clock_text::rfc3339_ns;
use crate::scenario::ClockError;
use crate::truth::Settings;

/// Errors of one statement, the larger where several runs are summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ClockScore {
    /// Pairs of points whose clocks were compared.
    pub pairs: usize,
    /// The worst error of the offset over the time of the captures, milliseconds.
    pub offset_ms: f64,
    /// The worst error of the drift where the captures span ten minutes, millionths.
    pub drift_ppm: Option<f64>,
}

/// From this span on the drift is judged, seconds: the load of ten minutes.
const TEN_MINUTES: f64 = 595.0;

impl ClockScore {
    /// The worse of both.
    pub(super) fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.offset_ms = self.offset_ms.max(other.offset_ms);
        self.drift_ppm = match (self.drift_ppm, other.drift_ppm) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Judges what `summary` says; nothing of sets whose true offset is not written down.
pub(super) fn score(summary: &Summary, settings: &Settings) -> ClockScore {
    let mut score = ClockScore::default();
    if !settings.losses_logged {
        return score;
    }
    for said in &summary.clock_offsets {
        let (near, far) = (error(&said.near, settings), error(&said.far, settings));
        let Some((start, end)) = span(summary, &said.near) else { continue };
        let seconds = seconds(end - start);
        let drift = (1.0 + far.drift_ppm / 1e6) / (1.0 + near.drift_ppm / 1e6) - 1.0;
        let at_start = far.offset_seconds - near.offset_seconds;
        let off_at_start = said.offset - at_start;
        let off_at_end = off_at_start + (said.drift - drift) * seconds;
        score.add(ClockScore {
            pairs: 1,
            offset_ms: off_at_start.abs().max(off_at_end.abs()) * 1e3,
            drift_ppm: (seconds >= TEN_MINUTES).then(|| (said.drift - drift).abs() * 1e6),
        });
    }
    score
}

/// What was done to the captures of a point.
fn error(point: &str, settings: &Settings) -> ClockError {
    match point {
        "gateway" => settings.gateway_clock,
        "upstream" => settings.upstream_clock,
        _ => ClockError::default(),
    }
}

/// First and last packet of a point, nanoseconds.
fn span(summary: &Summary, name: &str) -> Option<(i64, i64)> {
    let point = summary.points.iter().find(|point| point.name == name)?;
    Some((rfc3339_ns(point.start.as_deref()?)?, rfc3339_ns(point.end.as_deref()?)?))
}

#[expect(clippy::cast_precision_loss, reason = "minutes in nanoseconds")]
fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(offset: f64, drift: f64) -> ClockScore {
        let text = format!(
            r#"{{"log_lines":{{"total":0,"cases":0,"other":0,"unparsed":0}},
                 "cases":{{"total":0,"by_verdict":{{}},"by_grade":{{}}}},
                 "points":[{{"name":"gateway","start":"2026-11-22T10:00:00.000000000Z","end":"2026-11-22T10:10:00.000000000Z"}}],
                 "clock_offsets":[{{"near":"gateway","far":"upstream","offset":{offset},"drift":{drift}}}]}}"#
        );
        let file = "description = 'x'\nseconds = 1\nrate = 1\n\
                    upstream_clock = { offset_seconds = -5.5, drift_ppm = 480.0 }\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\n";
        let scenario = crate::scenario::Scenario::parse(file).unwrap();
        score(&serde_json::from_str(&text).unwrap(), &Settings::of(&scenario))
    }

    #[test]
    fn the_error_is_that_of_the_worse_end() {
        let exact = said(-5.5, 480e-6);
        assert!(exact.offset_ms < 1e-6 && exact.drift_ppm.unwrap() < 1e-6, "{exact:?}");
        // Right at first, and 6 ms off after ten minutes.
        let drifting = said(-5.5, 490e-6);
        assert!((drifting.offset_ms - 6.0).abs() < 0.01, "{drifting:?}");
        assert!((drifting.drift_ppm.unwrap() - 10.0).abs() < 0.01, "{drifting:?}");
        assert!((said(-5.498, 480e-6).offset_ms - 2.0).abs() < 0.01);
    }
}
