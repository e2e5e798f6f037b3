//! Checks that the tool's own figures add up and match its cases.

use std::collections::BTreeMap;

use super::output::Output;

/// What does not add up, a line each.
pub(super) fn check(output: &Output) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = &output.summary.log_lines;
    let sum = lines.cases + lines.other + lines.unparsed;
    if lines.total != sum {
        problems.push(format!("log_lines: total {} but the parts make {sum}", lines.total));
    }
    let counts = &output.summary.cases;
    let printed = output.cases.len() as u64;
    if counts.total != printed {
        problems.push(format!("cases.total is {} but {printed} were printed", counts.total));
    }
    let verdicts = output.cases.iter().map(|case| case.verdict.as_str());
    problems.extend(compare("by_verdict", &counts.by_verdict, verdicts));
    let grades = output.cases.iter().map(|case| case.grade.as_str());
    problems.extend(compare("by_grade", &counts.by_grade, grades));
    for case in &output.cases {
        if (case.verdict == "ambiguous") != (case.grade == "ambiguous") {
            let line = case.log.line;
            problems.push(format!("line {line}: {} at grade {}", case.verdict, case.grade));
        }
    }
    problems
}

fn compare<'a>(
    name: &str,
    said: &BTreeMap<String, u64>,
    printed: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for word in printed {
        *counted.entry(word.to_owned()).or_default() += 1;
    }
    let said: BTreeMap<String, u64> =
        said.iter().filter(|(_, count)| **count > 0).map(|(k, v)| (k.clone(), *v)).collect();
    (said != counted).then(|| format!("cases.{name} says {said:?}, printed were {counted:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::output::{parse, tests as samples};
    use super::*;

    fn problems(summary: &str) -> Vec<String> {
        let case = samples::case(1, "synack_lost", "proven");
        let text = format!("{{\"type\":\"run\"}}\n{case}\n{summary}\n");
        check(&parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_sound_summary_passes_and_each_fault_is_named() {
        assert_eq!(problems(samples::SUMMARY), Vec::<String>::new());
        for (from, to, named) in [
            ("\"total\":3", "\"total\":4", "log_lines"),
            ("\"total\":1", "\"total\":2", "cases.total"),
            ("\"synack_lost\":1", "\"syn_lost\":1", "by_verdict"),
            ("\"proven\":1", "\"proven\":2", "by_grade"),
        ] {
            let found = problems(&samples::SUMMARY.replacen(from, to, 1));
            assert!(found.iter().any(|problem| problem.contains(named)), "{named}: {found:?}");
        }
    }
}
