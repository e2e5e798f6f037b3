//! Compares the tool's cases with the truth, row by row of the error log.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::clocks::ClockScore;
use super::counted::CountedCheck;
use super::evidence::EvidenceCheck;
use super::output::{Case, Output};
use crate::truth::{Attempt, Row};

/// Grades at which a verdict must never be wrong.
const SURE: [&str; 2] = ["proven", "signature"];

/// A case that contradicts the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// Line of the error log.
    pub line: u64,
    /// What really happened.
    pub truth: String,
    /// What the tool said.
    pub verdict: String,
    /// The tool's mechanism.
    pub mechanism: Option<String>,
    /// At which grade.
    pub grade: String,
    /// Why, in its words, or what is wrong with the attempt.
    pub reason: String,
}

/// Right and wrong verdicts at one grade.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Verdicts equal to the truth.
    pub right: usize,
    /// Other verdicts.
    pub wrong: usize,
}

/// How the tool did on the timeouts of one cause and mechanism.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Exact rows.
    pub exact: usize,
    /// The true verdict at a sure grade.
    pub right_sure: usize,
    /// The true verdict at any grade.
    pub right: usize,
    /// Of these, with the true mechanism, where the truth knows one.
    pub mechanism: usize,
    /// Rows that the packets decide, and how many of them are right and sure.
    pub decidable: usize,
    /// See `decidable`.
    pub decided: usize,
}

/// Timeouts of which no capture shows who would have to answer: counted for themselves, in no share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Undecidable {
    /// Rows whose attempt is known.
    pub exact: usize,
    /// The true verdict at a sure grade.
    pub right_sure: usize,
    /// The true verdict at any grade.
    pub right: usize,
}

impl Kind {
    fn add(&mut self, other: Self) {
        self.exact += other.exact;
        self.right_sure += other.right_sure;
        self.right += other.right;
        self.mechanism += other.mechanism;
        self.decidable += other.decidable;
        self.decided += other.decided;
    }
}

/// How the tool did on one set.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Score {
    /// Rows whose truth is exact.
    pub exact: usize,
    /// Rows whose attempt the truth does not know; they are not judged.
    pub inexact: usize,
    /// Rows that no capture can decide by the way the set was made, and that are in none of the other
    /// counts; a wrong one that is sure is wrong all the same.
    pub undecidable: Undecidable,
    /// Exact rows without a case.
    pub missing: Vec<u64>,
    /// Cases of the error log without a row in the truth (for example `bind() failed`).
    pub extra: usize,
    /// Verdicts by grade.
    pub by_grade: BTreeMap<String, Counts>,
    /// Every wrong verdict at a sure grade.
    pub wrong_sure: Vec<Wrong>,
    /// Exact rows for which the tool names exactly one attempt.
    pub one_attempt: usize,
    /// Every one of these that is not the true attempt.
    pub wrong_attempt: Vec<Wrong>,
    /// Exact rows of which the packets that the tool was given decide the cause; counted for the
    /// gateway alone.
    pub decidable: usize,
    /// Of these, rows with the true verdict at a sure grade.
    pub decided: usize,
    /// Right verdicts about a loss between two of more than two points.
    pub placeable: usize,
    /// Of these, those that name the two points.
    pub placed: usize,
    /// By cause and mechanism of the truth.
    pub by_mechanism: BTreeMap<String, Kind>,
    /// Verdicts by truth.
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
    /// What it says of the points' clocks.
    pub clocks: ClockScore,
    /// Where the losses concentrate in a class of source ports: whether it names this class, and
    /// no other that is none of its parts.
    pub concentration: Option<bool>,
    /// The frames that the tool cites.
    pub evidence: EvidenceCheck,
    /// Ambiguous cases that the tool counts together.
    pub counted: CountedCheck,
    /// Tallies that do not add up.
    pub tally_problems: Vec<String>,
    /// Runs whose bytes differ from the first.
    pub unstable: Vec<String>,
    /// The tool's exit status.
    pub exit_status: i32,
    /// Wall time of the first run.
    pub seconds: f64,
}

impl Score {
    /// Exact rows with the true verdict at a sure grade.
    pub fn right_sure(&self) -> usize {
        SURE.iter().filter_map(|grade| self.by_grade.get(*grade)).map(|counts| counts.right).sum()
    }

    /// Exact rows with the true verdict at any grade.
    pub fn right(&self) -> usize {
        self.by_grade.values().map(|counts| counts.right).sum()
    }

    /// Adds the counts and lists of another set.
    pub fn add(&mut self, other: &Self) {
        self.exact += other.exact;
        self.inexact += other.inexact;
        self.undecidable.exact += other.undecidable.exact;
        self.undecidable.right_sure += other.undecidable.right_sure;
        self.undecidable.right += other.undecidable.right;
        self.missing.extend(&other.missing);
        self.extra += other.extra;
        for (grade, counts) in &other.by_grade {
            let sum = self.by_grade.entry(grade.clone()).or_default();
            sum.right += counts.right;
            sum.wrong += counts.wrong;
        }
        self.wrong_sure.extend(other.wrong_sure.iter().cloned());
        self.one_attempt += other.one_attempt;
        self.wrong_attempt.extend(other.wrong_attempt.iter().cloned());
        self.decidable += other.decidable;
        self.decided += other.decided;
        self.placeable += other.placeable;
        self.placed += other.placed;
        for (name, kind) in &other.by_mechanism {
            self.by_mechanism.entry(name.clone()).or_default().add(*kind);
        }
        for (truth, verdicts) in &other.confusion {
            for (verdict, count) in verdicts {
                *self
                    .confusion
                    .entry(truth.clone())
                    .or_default()
                    .entry(verdict.clone())
                    .or_default() += count;
            }
        }
        self.clocks.add(other.clocks);
        self.evidence.add(&other.evidence);
        self.counted.add(&other.counted);
        self.tally_problems.extend(other.tally_problems.iter().cloned());
        self.unstable.extend(other.unstable.iter().cloned());
        self.seconds += other.seconds;
    }
}

impl Score {
    fn count_undecidable(
        &mut self,
        line: u64,
        truth: &Attempt,
        case: Option<&Case>,
        differs: Differs,
    ) {
        let mut one = Self::default();
        match case {
            Some(case) => score_case(&mut one, line, truth, case, differs),
            None => self.missing.push(line),
        }
        self.undecidable.exact += 1;
        self.undecidable.right_sure += one.right_sure();
        self.undecidable.right += one.right();
        self.wrong_sure.append(&mut one.wrong_sure);
        self.wrong_attempt.append(&mut one.wrong_attempt);
    }

    fn count_kind(&mut self, truth: &Attempt, case: Option<&Case>, decidable: bool) {
        let name = match &truth.mechanism {
            Some(mechanism) => format!("{} {mechanism}", truth.cause),
            None => truth.cause.clone(),
        };
        let right = case.filter(|case| case.verdict == truth.cause);
        let sure = right.is_some_and(|case| SURE.contains(&case.grade.as_str()));
        let same = right
            .is_some_and(|case| truth.mechanism.is_none() || case.mechanism == truth.mechanism);
        let one = Kind {
            exact: 1,
            right_sure: usize::from(sure),
            right: usize::from(right.is_some()),
            mechanism: usize::from(same),
            decidable: usize::from(decidable),
            decided: usize::from(decidable && sure),
        };
        self.decidable += one.decidable;
        self.decided += one.decided;
        self.by_mechanism.entry(name).or_default().add(one);
    }
}

/// What of an attempt the tool cannot say as the truth has it, from the files that it was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Differs {
    /// Addresses and client ports.
    pub(super) addresses: bool,
    /// Sequence numbers.
    pub(super) isn: bool,
}

/// Scores `output` by `rows`; `decidable` are the lines that the packets decide.
pub(super) fn score(
    rows: &[Row],
    output: &Output,
    differs: Differs,
    decidable: &BTreeSet<u64>,
) -> Score {
    let mut score = Score::default();
    let mut cases: BTreeMap<u64, &Case> = BTreeMap::new();
    for case in &output.cases {
        if case.log.file.ends_with("error.log") && cases.insert(case.log.line, case).is_some() {
            let problem = format!("two cases for line {} of the error log", case.log.line);
            score.tally_problems.push(problem);
        }
    }
    for row in rows {
        let case = cases.remove(&row.line);
        let Some(truth) = &row.attempt else {
            score.inexact += 1;
            continue;
        };
        if !row.decidable {
            score.count_undecidable(row.line, truth, case, differs);
            continue;
        }
        score.exact += 1;
        let verdict = case.map_or("(no case)", |case| case.verdict.as_str());
        let by_verdict = score.confusion.entry(truth.cause.clone()).or_default();
        *by_verdict.entry(verdict.to_owned()).or_default() += 1;
        match case {
            Some(case) => score_case(&mut score, row.line, truth, case, differs),
            None => score.missing.push(row.line),
        }
        score.count_kind(truth, case, decidable.contains(&row.line));
    }
    score.extra = cases.len();
    score
}

fn score_case(score: &mut Score, line: u64, truth: &Attempt, case: &Case, differs: Differs) {
    let wrong = |reason: String| Wrong {
        line,
        truth: truth.cause.clone(),
        verdict: case.verdict.clone(),
        mechanism: case.mechanism.clone(),
        grade: case.grade.clone(),
        reason,
    };
    let counts = score.by_grade.entry(case.grade.clone()).or_default();
    if case.verdict == truth.cause {
        counts.right += 1;
    } else {
        counts.wrong += 1;
        if SURE.contains(&case.grade.as_str()) {
            score.wrong_sure.push(wrong(case.reason.clone()));
        }
    }
    if let Some([near, far]) = &truth.lost_between
        && case.verdict == truth.cause
    {
        score.placeable += 1;
        let placed = case.lost_between.as_ref().is_some_and(|said| {
            (&said.from, &said.to) == (near, far) || (&said.from, &said.to) == (far, near)
        });
        score.placed += usize::from(placed);
    }
    let Some(attempt) = &case.attempt else {
        // Of a SYN that was never sent there is none to name.
        score.one_attempt += usize::from(truth.cause == "no_syn_sent");
        return;
    };
    score.one_attempt += 1;
    let server = (attempt.isn == truth.isn || differs.isn) && attempt.server_port == truth.dport;
    let client = attempt.client == truth.src
        && attempt.client_port == truth.sport
        && attempt.server == truth.dst;
    if !(server && (client || differs.addresses)) {
        score.wrong_attempt.push(wrong(format!(
            "it is {}:{} isn {}, not {}:{} isn {}",
            truth.src, truth.sport, truth.isn, attempt.client, attempt.client_port, attempt.isn
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::{parse, tests as samples};
    use super::*;

    fn row(line: u64, isn: u32, cause: &str) -> Row {
        let text = format!(
            r#"{{"line":{line},"log":"","what":"","upstream_port":8001,"connect_timeout":2.0,"exact":true,"how":"mark","src":"10.77.1.2","sport":20001,"dst":"10.77.2.2","dport":8001,"isn":{isn},"cause":"{cause}","n_syn":1,"syn_t":1.0,"syn_arrived":1,"synack_sent":1,"late_synack":0,"gw_frames":[]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn judged(cases: &[String], rows: &[Row]) -> Score {
        let text = format!("{{\"type\":\"run\"}}\n{}\n{}\n", cases.join("\n"), samples::SUMMARY);
        score(rows, &parse(text.as_bytes()).unwrap(), Differs::default(), &BTreeSet::from([1, 4]))
    }

    #[test]
    fn right_wrong_missing_and_extra_are_told_apart() {
        let cases = [
            samples::case(1, "synack_lost", "proven"),
            samples::case(2, "syn_lost", "signature"),
            samples::case(3, "no_reply", "consistent"),
            samples::case(9, "no_syn_sent", "proven"),
        ];
        let rows = [
            row(1, 7, "synack_lost"),
            row(2, 7, "synack_lost"),
            row(3, 8, "synack_lost"),
            row(4, 7, "refused"),
        ];
        let score = judged(&cases, &rows);
        assert_eq!((score.exact, score.right(), score.right_sure()), (4, 1, 1));
        assert_eq!(score.wrong_sure.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [2]);
        assert_eq!(score.wrong_attempt.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [3]);
        assert_eq!((score.decidable, score.decided), (2, 1));
        assert_eq!(score.by_mechanism["synack_lost"].right_sure, 1);
        assert_eq!((score.missing, score.extra, score.one_attempt), (vec![4], 1, 3));
    }

    #[test]
    fn what_nobody_can_decide_counts_in_no_share_and_may_not_be_wrong() {
        let undecidable = |line, cause| Row { decidable: false, ..row(line, 7, cause) };
        let cases = [
            samples::case(1, "synack_lost", "proven"),
            samples::case(2, "syn_lost", "consistent"),
            samples::case(3, "syn_lost", "proven"),
        ];
        let rows =
            [row(1, 7, "synack_lost"), undecidable(2, "syn_lost"), undecidable(3, "synack_lost")];
        let score = judged(&cases, &rows);
        assert_eq!((score.exact, score.right_sure(), score.one_attempt), (1, 1, 1));
        assert_eq!(score.undecidable, Undecidable { exact: 2, right_sure: 0, right: 1 });
        assert_eq!(score.wrong_sure.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [3]);
        assert!(score.missing.is_empty() && !score.confusion.contains_key("syn_lost"));
    }
}
