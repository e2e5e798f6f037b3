//! The figures that must be reached, and whether they are.

use super::output::Concentration;
use super::{Judgement, Mode, Score};

/// What is demanded; the defaults are those that the product promises.
#[derive(Debug, Clone, clap::Args)]
pub struct Limits {
    /// Wrong verdicts at grade proven or signature, at most, in every mode
    #[arg(long, default_value_t = 0)]
    pub max_wrong_sure: usize,
    /// Share of exact timeouts with the true verdict at a sure grade, mode `both`
    #[arg(long, default_value_t = 0.98)]
    pub min_right_sure: f64,
    /// Share of exact timeouts with exactly one attempt, mode `both`
    #[arg(long, default_value_t = 0.95)]
    pub min_one_attempt: f64,
    /// Share of the timeouts that the gateway's packets decide with the true verdict at a sure
    /// grade, mode `gateway`
    #[arg(long, default_value_t = 0.95)]
    pub min_decided: f64,
    /// Error of a stated offset between two points' clocks, at most, milliseconds
    #[arg(long, default_value_t = 1.0)]
    pub max_offset_ms: f64,
    /// Error of a stated drift where the captures span ten minutes, at most, millionths
    #[arg(long, default_value_t = 5.0)]
    pub max_drift_ppm: f64,
    /// Cases with one attempt that is not the true one, at most, mode `both`
    #[arg(long, default_value_t = 0)]
    pub max_wrong_attempt: usize,
    /// Sets to which the two shares do not apply
    #[arg(long, value_name = "SET")]
    pub apart: Vec<String>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of log lines are far below 2^52")]
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Whether the class of source ports that loses SYNs is told, and no class that is none of its parts.
pub(super) fn finds(said: &[Concentration], [modulus, residue]: [u16; 2]) -> bool {
    let classes: Vec<[u16; 2]> = said
        .iter()
        .filter(|said| said.by == "source_port" && said.packet.starts_with("syn"))
        .filter_map(|said| Some([said.modulus?, said.residue?]))
        .collect();
    classes.contains(&[modulus, residue])
        && classes.iter().all(|[m, r]| m % modulus == 0 && r % modulus == residue)
        && said.iter().all(|said| said.by == "source_port")
}

impl Limits {
    /// The sum of all judgements in `mode`, of the sets that are apart or of the others.
    pub(super) fn total(&self, judgements: &[Judgement], mode: Mode, apart: bool) -> Score {
        let mut total = Score::default();
        for judgement in judgements {
            if judgement.mode == mode && self.apart.contains(&judgement.set) == apart {
                total.add(&judgement.score);
            }
        }
        total
    }

    fn of_clocks(&self, score: &Score) -> impl Iterator<Item = String> {
        let clocks = score.clocks;
        let offset = (clocks.offset_ms > self.max_offset_ms)
            .then(|| format!("an offset is {:.3} ms off", clocks.offset_ms));
        let drift = clocks
            .drift_ppm
            .filter(|ppm| *ppm > self.max_drift_ppm)
            .map(|ppm| format!("a drift is {ppm:.2} ppm off"));
        offset.into_iter().chain(drift)
    }

    /// What is not reached, a line each.
    pub fn violations(&self, judgements: &[Judgement]) -> Vec<String> {
        let mut violations = Vec::new();
        for Judgement { set, mode, score } in judgements {
            let at = format!("{set} ({})", mode.name());
            if score.wrong_sure.len() > self.max_wrong_sure {
                violations.push(format!(
                    "{at}: {} wrong verdicts at a sure grade",
                    score.wrong_sure.len()
                ));
            }
            if *mode == Mode::Both && score.wrong_attempt.len() > self.max_wrong_attempt {
                let count = score.wrong_attempt.len();
                violations.push(format!("{at}: {count} cases name an attempt that is not theirs"));
            }
            let evidence = &score.evidence;
            if !evidence.problems.is_empty() || evidence.without > 0 {
                violations.push(format!(
                    "{at}: {} of {} cited frames are wrong, {} sure cases cite none",
                    evidence.problems.len(),
                    evidence.checked,
                    evidence.without
                ));
            }
            violations.extend(score.counted.wrong.iter().map(|what| format!("{at}: {what}")));
            violations.extend(score.tally_problems.iter().map(|what| format!("{at}: {what}")));
            violations.extend(score.unstable.iter().map(|run| format!("{at}: {run} differs")));
            violations.extend(self.of_clocks(score).map(|what| format!("{at}: {what}")));
            if score.concentration == Some(false) {
                violations
                    .push(format!("{at}: the class of ports that loses is not what is named"));
            }
            if score.exit_status != 0 {
                violations.push(format!("{at}: exit status {}", score.exit_status));
            }
        }
        let mut alone = self.total(judgements, Mode::Gateway, false);
        alone.add(&self.total(judgements, Mode::Gateway, true));
        if share(alone.decided, alone.decidable) < self.min_decided {
            violations.push(format!(
                "from the gateway alone only {} of {} that its packets decide are decided; {:.1} % \
                 are demanded",
                alone.decided,
                alone.decidable,
                self.min_decided * 100.0
            ));
        }
        let total = self.total(judgements, Mode::Both, false);
        for (what, part, least) in [
            ("the true verdict at a sure grade", total.right_sure(), self.min_right_sure),
            ("exactly one attempt", total.one_attempt, self.min_one_attempt),
        ] {
            if share(part, total.exact) < least {
                violations.push(format!(
                    "only {part} of {} timeouts have {what}; {:.1} % are demanded",
                    total.exact,
                    least * 100.0
                ));
            }
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::{Counts, Wrong};
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_wrong_sure: 0,
            min_right_sure: 0.98,
            min_one_attempt: 0.95,
            min_decided: 0.95,
            max_offset_ms: 1.0,
            max_drift_ppm: 5.0,
            max_wrong_attempt: 0,
            apart: vec!["hard".into()],
        }
    }

    fn judgement(set: &str, right: usize, wrong_sure: usize) -> Judgement {
        let mut score = Score { exact: 100, one_attempt: 100, ..Score::default() };
        score.by_grade.insert("proven".into(), Counts { right, wrong: 0 });
        let wrong = Wrong {
            line: 1,
            truth: "refused".into(),
            verdict: "syn_lost".into(),
            mechanism: None,
            grade: "proven".into(),
            reason: String::new(),
        };
        score.wrong_sure = vec![wrong; wrong_sure];
        Judgement { set: set.into(), mode: Mode::Both, score }
    }

    #[test]
    fn the_broken_class_alone_is_to_be_named() {
        let class = |modulus, residue| Concentration {
            packet: "syn".into(),
            by: "source_port".into(),
            modulus: Some(modulus),
            residue: Some(residue),
        };
        assert!(finds(&[class(4, 2)], [4, 2]));
        assert!(finds(&[class(4, 2), class(8, 6)], [4, 2]));
        assert!(!finds(&[class(2, 0)], [4, 2]));
        assert!(!finds(&[class(4, 2), class(3, 1)], [4, 2]));
        assert!(!finds(&[], [4, 2]));
    }

    #[test]
    fn each_limit_has_its_violation() {
        assert_eq!(limits().violations(&[judgement("easy", 98, 0)]), Vec::<String>::new());
        assert_eq!(limits().violations(&[judgement("easy", 97, 0)]).len(), 1);
        assert_eq!(limits().violations(&[judgement("easy", 98, 1)]).len(), 1);
        let mut late = judgement("easy", 98, 0);
        late.score.clocks.offset_ms = 1.5;
        late.score.clocks.drift_ppm = Some(6.0);
        late.score.concentration = Some(false);
        assert_eq!(limits().violations(&[late]).len(), 3);
        // The shares of a set that is apart do not count, its wrong verdicts do.
        assert_eq!(limits().violations(&[judgement("hard", 50, 1)]).len(), 1);
    }
}
