//! Ambiguous cases that the tool counts together, held against the truth: an exact number is the true
//! one, and bounds hold it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::output::{Case, Output};
use crate::truth::Row;

/// What the tool's groups say, and how much of it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CountedCheck {
    /// Groups of ambiguous cases.
    pub groups: usize,
    /// Cases in them.
    pub cases: usize,
    /// Groups whose numbers are exact, or bounded, and sure; and cases in them.
    pub exact: usize,
    /// See `exact`.
    pub exact_cases: usize,
    /// See `exact`.
    pub bounded: usize,
    /// See `exact`.
    pub bounded_cases: usize,
    /// Groups of which the truth of some case is not exact; they are not held against it.
    pub unknown: usize,
    /// Numbers that the truth contradicts, a line each; those of groups that are not sure apart.
    pub wrong: Vec<String>,
    /// See `wrong`.
    pub wrong_unsure: Vec<String>,
}

impl CountedCheck {
    /// Adds the counts and lists of another set.
    pub(super) fn add(&mut self, other: &Self) {
        self.groups += other.groups;
        self.cases += other.cases;
        self.exact += other.exact;
        self.exact_cases += other.exact_cases;
        self.bounded += other.bounded;
        self.bounded_cases += other.bounded_cases;
        self.unknown += other.unknown;
        self.wrong.extend(other.wrong.iter().cloned());
        self.wrong_unsure.extend(other.wrong_unsure.iter().cloned());
    }
}

/// Holds every group against the truth of its cases.
pub(super) fn check(rows: &[Row], output: &Output) -> CountedCheck {
    let truths: BTreeMap<u64, &str> = rows
        .iter()
        .filter_map(|row| Some((row.line, row.attempt.as_ref()?.cause.as_str())))
        .collect();
    let mut members: BTreeMap<u64, Vec<&Case>> = BTreeMap::new();
    for case in &output.cases {
        if let Some(group) = case.group {
            members.entry(group).or_default().push(case);
        }
    }
    let mut found = CountedCheck { groups: output.groups.len(), ..CountedCheck::default() };
    for group in &output.groups {
        let cases = members.get(&group.number).map(Vec::as_slice).unwrap_or_default();
        found.cases += cases.len();
        if group.counts.is_empty() {
            continue;
        }
        if group.sure {
            let (groups, of_them) = if group.exact {
                (&mut found.exact, &mut found.exact_cases)
            } else {
                (&mut found.bounded, &mut found.bounded_cases)
            };
            *groups += 1;
            *of_them += cases.len();
        }
        let of_case = |case: &&Case| truths.get(&case.log.line).copied();
        let Some(truth) = cases.iter().map(of_case).collect::<Option<Vec<&str>>>() else {
            found.unknown += 1;
            continue;
        };
        let wrong = if group.sure { &mut found.wrong } else { &mut found.wrong_unsure };
        let said = |cause: &str| group.counts.iter().find(|count| count.verdict == cause);
        let mut fates: Vec<&str> = truth.clone();
        fates.extend(group.counts.iter().map(|count| count.verdict.as_str()));
        fates.sort_unstable();
        fates.dedup();
        for cause in fates {
            let true_number = truth.iter().filter(|of_case| **of_case == cause).count();
            let (least, most) = said(cause).map_or((0, 0), |count| (count.least, count.most));
            if true_number < least || true_number > most {
                wrong.push(format!(
                    "group {} of {}: {true_number} are {cause}, said {least} to {most}",
                    group.number,
                    cases.len()
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::output::{parse, tests as samples};
    use super::*;

    fn checked(counts: &str, sure: bool) -> CountedCheck {
        let row = |line, cause: &str| -> Row {
            let text = format!(
                r#"{{"line":{line},"log":"","what":"","upstream_port":8001,"connect_timeout":2.0,"exact":true,"how":"mark","src":"10.77.1.2","sport":20001,"dst":"10.77.2.2","dport":8001,"isn":7,"cause":"{cause}","n_syn":1,"syn_t":1.0,"syn_arrived":1,"synack_sent":1,"late_synack":0,"gw_frames":[]}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let case =
            |line| samples::case(line, "ambiguous", "ambiguous").replacen('{', "{\"group\":1,", 1);
        let text = format!(
            "{{\"type\":\"run\"}}\n{}\n{}\n{{\"type\":\"group\",\"group\":1,\"exact\":true,\"sure\":{sure},\"counts\":[{counts}]}}\n{}\n",
            case(1),
            case(2),
            samples::SUMMARY
        );
        check(&[row(1, "refused"), row(2, "syn_lost")], &parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_number_that_the_truth_contradicts_is_named() {
        let count = |verdict, least, most| {
            format!(r#"{{"verdict":"{verdict}","least":{least},"most":{most},"expected":null}}"#)
        };
        let right = format!("{},{}", count("refused", 1, 1), count("syn_lost", 0, 2));
        let found = checked(&right, true);
        assert_eq!((found.exact, found.exact_cases, found.wrong.len()), (1, 2, 0));
        for wrong in [
            format!("{},{}", count("refused", 2, 2), count("syn_lost", 0, 2)),
            count("refused", 1, 1),
        ] {
            assert_eq!(checked(&wrong, true).wrong.len(), 1);
            let unsure = checked(&wrong, false);
            assert_eq!((unsure.wrong.len(), unsure.wrong_unsure.len()), (0, 1));
        }
        assert_eq!(
            checked("", true),
            CountedCheck { groups: 1, cases: 2, ..CountedCheck::default() }
        );
    }
}
