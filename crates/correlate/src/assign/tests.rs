use std::collections::BTreeMap;
use std::vec::Vec;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_nanos(ms * 1_000_000)
}

fn line(worker: u32, edges: &[(usize, i64, u32)]) -> Line {
    Line {
        log: 0,
        worker: Some(worker),
        read: false,
        edges: edges
            .iter()
            .map(|&(attempt, ms, penalty)| Edge { attempt, end: (at(ms), at(ms)), penalty })
            .collect(),
    }
}

fn names(answer: &Assignment) -> Vec<usize> {
    answer.attempts.iter().map(|(a, _)| *a).collect()
}

#[test]
fn the_order_of_a_workers_lines_decides() {
    // Both lines fit both attempts; only one order is possible.
    let lines = [line(1, &[(0, 100, 0), (1, 200, 0)]), line(1, &[(0, 100, 0), (1, 200, 0)])];
    let answers = assign(&lines);
    assert_eq!(answers.iter().map(names).collect::<Vec<_>>(), [[0], [1]]);
}

#[test]
fn two_workers_leave_it_open_within_the_stall_and_not_beyond() {
    let near = [line(1, &[(0, 100, 0), (1, 200, 0)]), line(2, &[(0, 100, 0), (1, 200, 0)])];
    assert_eq!(assign(&near).iter().map(names).collect::<Vec<_>>(), [[0, 1], [0, 1]]);
    let far = [line(1, &[(0, 100, 0), (1, 500, 0)]), line(2, &[(0, 100, 0), (1, 500, 0)])];
    assert_eq!(assign(&far).iter().map(names).collect::<Vec<_>>(), [[0], [1]]);
}

#[test]
fn more_lines_matched_beats_everything() {
    // Line 0 could take attempt 1, but then line 1 would go without.
    let lines = [line(1, &[(0, 100, 5), (1, 100, 0)]), line(1, &[(1, 100, 0)])];
    assert_eq!(assign(&lines).iter().map(names).collect::<Vec<_>>(), [[0], [1]]);
}

#[test]
fn then_the_class_of_the_attempt() {
    let lines = [line(1, &[(0, 100, 1), (1, 100, 0)])];
    assert_eq!(names(&assign(&lines)[0]), [1]);
}

#[test]
fn a_line_too_many_shows_as_unmatched() {
    let lines = [line(1, &[(0, 100, 0)]), line(1, &[(0, 100, 0)])];
    for answer in assign(&lines) {
        assert_eq!(names(&answer), [0]);
        assert!((answer.unmatched - 0.5).abs() < 1e-9);
    }
}

#[test]
fn a_line_without_attempts_stays_without() {
    let answers = assign(&[line(1, &[])]);
    assert!(answers[0].attempts.is_empty());
}

/// A whole assignment and its score.
type Choice = ((u32, i64), Vec<Option<usize>>);

/// Every one-to-one assignment by brute force, under the same constraints.
fn brute_force(lines: &[Line]) -> Vec<BTreeMap<Option<usize>, f64>> {
    fn extend(lines: &[Line], chosen: &mut Vec<Option<Edge>>, all: &mut Vec<Choice>) {
        let i = chosen.len();
        if i == lines.len() {
            let score = (
                u32::try_from(chosen.iter().flatten().count()).unwrap(),
                -chosen.iter().flatten().map(|e| i64::from(e.penalty)).sum::<i64>(),
            );
            all.push((score, chosen.iter().map(|c| c.map(|e| e.attempt)).collect()));
            return;
        }
        for option in lines[i].edges.iter().copied().map(Some).chain([None]) {
            let fits = option.is_none_or(|edge| {
                chosen.iter().zip(lines).all(|(earlier, l)| {
                    earlier.is_none_or(|e| {
                        let close = l.worker == lines[i].worker && !l.read;
                        let slack = if close { SAME_WORKER } else { OTHER_WORKER };
                        e.attempt != edge.attempt
                            && (l.log != lines[i].log || edge.end.1 >= e.end.0 - slack)
                    })
                })
            });
            if fits {
                chosen.push(option);
                extend(lines, chosen, all);
                chosen.pop();
            }
        }
    }
    let mut all = Vec::new();
    extend(lines, &mut Vec::new(), &mut all);
    let best = all.iter().map(|(score, _)| *score).max().unwrap();
    let best: Vec<_> = all.into_iter().filter(|(score, _)| *score == best).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let share = 1.0 / best.len() as f64;
    (0..lines.len())
        .map(|i| {
            let mut shares = BTreeMap::new();
            for (_, choice) in &best {
                *shares.entry(choice[i]).or_insert(0.0) += share;
            }
            shares
        })
        .collect()
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_line()(
            log in 0u32..2,
            worker in 0u32..2,
            read in prop::bool::weighted(0.2),
            edges in prop::collection::btree_map(0usize..6, (0i64..600, 0i64..80, 0u32..2), 0..4),
        ) -> Line {
            Line {
                log,
                worker: Some(worker),
                read,
                edges: edges
                    .into_iter()
                    .map(|(attempt, (ms, more, penalty))| {
                        Edge { attempt, end: (at(ms), at(ms + more)), penalty }
                    })
                    .collect(),
            }
        }
    }

    /// All best assignments give every line an attempt, of its most plausible kind.
    fn is_complete(lines: &[Line], shares: &[BTreeMap<Option<usize>, f64>]) -> bool {
        lines.iter().zip(shares).all(|(line, shares)| {
            let least = line.edges.iter().map(|e| e.penalty).min();
            shares.keys().all(|attempt| {
                line.edges.iter().any(|e| Some(e.attempt) == *attempt && Some(e.penalty) == least)
            })
        })
    }

    proptest! {
        /// What is struck out is in no best assignment, what is left is counted exactly, and a
        /// contradiction is noticed.
        #[test]
        fn narrowing_agrees_with_brute_force(lines in prop::collection::vec(any_line(), 1..6)) {
            let lines: Vec<Line> = lines.into_iter().filter(|l| !l.edges.is_empty()).collect();
            let expected = brute_force(&lines);
            let answers = by_halves(&lines.iter().collect::<Vec<_>>());
            let complete = is_complete(&lines, &expected);
            for (answer, shares) in answers.iter().zip(&expected) {
                if complete {
                    let found: Vec<_> = answer.attempts.iter().map(|(a, _)| Some(*a)).collect();
                    prop_assert_eq!(&found, &shares.keys().copied().collect::<Vec<_>>());
                    for (attempt, share) in &answer.attempts {
                        prop_assert!((shares[&Some(*attempt)] - share).abs() < 1e-9);
                    }
                } else {
                    prop_assert!(answer.unmatched > 0.0, "the lines contradict each other");
                    let all: Vec<usize> = names(answer);
                    let known = |a: &Option<usize>| a.is_none_or(|a| all.contains(&a));
                    prop_assert!(shares.keys().all(known), "nothing is lost by doubt");
                }
            }
        }

        #[test]
        fn counting_agrees_with_brute_force(lines in prop::collection::vec(any_line(), 1..6)) {
            let expected = brute_force(&lines);
            for (answer, shares) in assign(&lines).iter().zip(expected) {
                let mut found: BTreeMap<Option<usize>, f64> =
                    answer.attempts.iter().map(|(a, p)| (Some(*a), *p)).collect();
                if answer.unmatched > 0.0 {
                    found.insert(None, answer.unmatched);
                }
                prop_assert_eq!(found.keys().collect::<Vec<_>>(), shares.keys().collect::<Vec<_>>());
                for (key, share) in shares {
                    prop_assert!((found[&key] - share).abs() < 1e-9);
                }
            }
        }
    }
}
