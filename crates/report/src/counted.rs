//! Ambiguous cases counted together: the groups of a run by upstream and over all of it, in numbers and
//! in words. How they were counted is the business of `why504_correlate::Group`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use why504_correlate::{Count, Group, Verdict};
use why504_model::Endpoint;

use crate::moment::{grouped, plural};
use crate::run::Run;

/// Some groups together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    /// Lines that are counted.
    pub(crate) lines: usize,
    /// Lines that contradict each other, and are not.
    pub(crate) uncounted: usize,
    /// How many of those that are have each verdict.
    pub(crate) counts: Vec<Count>,
    /// Every number rests on captured SYNs and sure verdicts.
    pub(crate) sure: bool,
}

impl Counted {
    /// The sums over some groups.
    pub(crate) fn of<'g>(groups: impl Iterator<Item = &'g Group>) -> Self {
        let mut all = Self { sure: true, ..Self::default() };
        let mut sums: BTreeMap<Verdict, Count> = BTreeMap::new();
        for group in groups {
            if group.counts.is_empty() {
                all.uncounted += group.lines.len();
                continue;
            }
            all.lines += group.lines.len();
            all.sure &= group.sure;
            for count in &group.counts {
                let nothing = Count { least: 0, most: 0, expected: Some(0.0), ..*count };
                let sum = sums.entry(count.verdict).or_insert(nothing);
                sum.least += count.least;
                sum.most += count.most;
                sum.expected = sum.expected.zip(count.expected).map(|(a, b)| a + b);
            }
        }
        all.counts = sums.into_values().collect();
        all
    }

    /// `38 lines to 10.0.0.9:80: exactly 21 synack_lost, 17 syn_lost`.
    pub(crate) fn words(&self, upstream: Option<Endpoint>) -> String {
        let mut ranked: Vec<&Count> = self.counts.iter().collect();
        ranked.sort_by_key(|count| Reverse((count.most, count.least)));
        let parts: Vec<String> = ranked.iter().map(|count| number(count)).collect();
        let exactly = if self.sure && self.is_exact() { "exactly " } else { "" };
        let to = upstream.map_or_else(String::new, |upstream| format!(" to {upstream}"));
        format!("{}{to}: {exactly}{}", plural(self.lines as u64, "line"), parts.join(", "))
    }

    fn is_exact(&self) -> bool {
        self.counts.iter().all(|count| count.least == count.most)
    }

    /// What has to be known to read them.
    pub(crate) fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if !self.is_exact() && self.counts.iter().any(|count| count.expected.is_some()) {
            notes.push("in brackets: expected, if all assignments of lines to attempts are alike");
        }
        if !self.sure {
            notes.push("not sure: it rests on verdicts, or on a capture, that are not");
        }
        notes
    }
}

/// `12 to 15 synack_lost (13.4)`.
fn number(count: &Count) -> String {
    let (least, most) = (grouped(count.least as u64), grouped(count.most as u64));
    let label = count.verdict.name();
    match count.expected {
        _ if count.least == count.most => format!("{least} {label}"),
        Some(mean) => format!("{least} to {most} {label} ({mean:.1})"),
        None => format!("{least} to {most} {label}"),
    }
}

/// The group of a case; `None` where its verdict is its own.
pub(crate) fn group_of<'a>(run: &Run<'a>, timeout: usize) -> Option<&'a Group> {
    run.correlation.groups.iter().find(|group| group.lines.binary_search(&timeout).is_ok())
}

/// The upstream that all lines of a group name.
pub(crate) fn upstream(run: &Run<'_>, group: &Group) -> Option<Endpoint> {
    let mut peers = group.lines.iter().map(|&line| run.timeouts.get(line).and_then(|t| t.peer));
    let first = peers.next()??;
    peers.all(|peer| peer == Some(first)).then_some(first)
}

/// The sums of each upstream, those with most lines first.
pub(crate) fn by_upstream(run: &Run<'_>) -> Vec<(Option<Endpoint>, Counted)> {
    let mut groups: BTreeMap<Option<Endpoint>, Vec<&Group>> = BTreeMap::new();
    for group in &run.correlation.groups {
        groups.entry(upstream(run, group)).or_default().push(group);
    }
    let counted = |(peer, groups): (_, Vec<&Group>)| (peer, Counted::of(groups.into_iter()));
    let mut all: Vec<(Option<Endpoint>, Counted)> = groups.into_iter().map(counted).collect();
    all.sort_by_key(|(_, counted)| Reverse(counted.lines));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(lines: usize, counts: &[(Verdict, usize, usize, Option<f64>)], sure: bool) -> Group {
        let counts = counts.iter().map(|&(verdict, least, most, expected)| Count {
            verdict,
            least,
            most,
            expected,
        });
        let lines = (0..lines).collect();
        Group { lines, decided: 0, attempts: 9, counts: counts.collect(), sure }
    }

    #[test]
    fn sums_are_said_as_exactly_as_they_are_known() {
        let exact = group(
            3,
            &[(Verdict::SynAckLost, 2, 2, Some(2.0)), (Verdict::SynLost, 1, 1, Some(1.0))],
            true,
        );
        let open = group(
            2,
            &[(Verdict::SynAckLost, 0, 2, Some(1.25)), (Verdict::Refused, 0, 2, Some(0.75))],
            true,
        );
        let large =
            group(9, &[(Verdict::SynAckLost, 4, 6, None), (Verdict::SynLost, 3, 5, None)], false);
        let none = group(4, &[], false);
        let said = |groups: &[&Group]| Counted::of(groups.iter().copied()).words(None);
        assert_eq!(said(&[&exact]), "3 lines: exactly 2 synack_lost, 1 syn_lost");
        assert_eq!(
            said(&[&exact, &open, &none]),
            "5 lines: 2 to 4 synack_lost (3.2), 0 to 2 refused (0.8), 1 syn_lost"
        );
        assert_eq!(said(&[&exact, &large]), "12 lines: 6 to 8 synack_lost, 4 to 6 syn_lost");
        let notes = |groups: &[&Group]| Counted::of(groups.iter().copied()).notes().len();
        assert_eq!((notes(&[&exact]), notes(&[&open]), notes(&[&large])), (0, 1, 1));
        assert_eq!(Counted::of([&none, &exact].into_iter()).uncounted, 4);
    }
}
