//! Cases grouped by what happened and where.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use why504_correlate::{Case, Exchange, Grade, Mechanism, Verdict};
use why504_handshake::PointId;

use crate::run::Run;

/// Cases with one verdict, lost between the same points.
#[derive(Clone, Debug)]
pub(super) struct Class<'a> {
    pub(super) verdict: Verdict,
    pub(super) between: Option<(PointId, PointId)>,
    pub(super) cases: Vec<&'a Case>,
}

impl Class<'_> {
    pub(super) fn count(&self) -> usize {
        self.cases.len()
    }

    pub(super) fn graded(&self, grade: Grade) -> usize {
        self.cases.iter().filter(|c| c.grade == grade).count()
    }

    /// The copies of all cases with this mechanism of which they are known.
    pub(super) fn copies(&self, mechanism: Mechanism) -> Option<Exchange> {
        let of_cases = self.cases.iter().filter(|c| c.mechanism == Some(mechanism));
        of_cases.filter_map(|c| c.copies()).reduce(Exchange::plus)
    }

    pub(super) fn mechanisms(&self) -> BTreeMap<Mechanism, usize> {
        let mut found = BTreeMap::new();
        for mechanism in self.cases.iter().filter_map(|c| c.mechanism) {
            *found.entry(mechanism).or_default() += 1;
        }
        found
    }
}

/// All classes of a run, the largest first.
pub(super) fn classes<'a>(run: &Run<'a>) -> Vec<Class<'a>> {
    let mut groups: BTreeMap<_, Vec<&'a Case>> = BTreeMap::new();
    for case in &run.correlation.cases {
        groups.entry((case.verdict, case.lost_between)).or_default().push(case);
    }
    let mut classes: Vec<Class<'a>> = groups
        .into_iter()
        .map(|((verdict, between), cases)| Class { verdict, between, cases })
        .collect();
    classes.sort_by_key(|class| Reverse(class.count()));
    classes
}

/// The names of the points that enclose a loss.
pub(crate) fn way<'a>(
    run: &Run<'a>,
    between: Option<(PointId, PointId)>,
) -> Option<(&'a str, &'a str)> {
    let (from, to) = between?;
    Some((run.captures().point(from), run.captures().point(to)))
}
