use std::collections::BTreeMap;
use std::vec::Vec;

use super::*;
use crate::OneThread;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_nanos(ms * 1_000_000)
}

fn line(worker: u32, edges: &[(usize, i64, u32)]) -> Listed {
    Listed {
        writer: Writer { log: 0, worker: Some(worker), read: false },
        edges: edges
            .iter()
            .map(|&(attempt, ms, penalty)| Edge {
                attempt,
                end: (at(ms), at(ms)),
                penalty,
                timer: 0,
            })
            .collect(),
    }
}

/// Enters lines whose pairings are written out.
pub(super) fn entered(listed: &[Listed]) -> Lines {
    let mut lines = Lines::default();
    for line in listed {
        let runs = lines.hold(line.edges.clone());
        lines.push(line.writer, runs);
    }
    lines
}

/// What is said of a line: attempts with their shares, and how much of none.
struct Answer {
    attempts: Vec<(usize, f64)>,
    unmatched: f64,
}

fn answers(lines: &Lines, found: Vec<Assignment>) -> Vec<Answer> {
    let answer = |found| match found {
        Assignment::Counted { attempts, unmatched } => Answer { attempts, unmatched },
        Assignment::Uncounted { runs, contradicted } => {
            let mut all: Vec<usize> =
                runs.iter().flat_map(|run| lines.run(run)).map(|place| place.attempt).collect();
            all.sort_unstable();
            all.dedup();
            let none = usize::from(contradicted);
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            let share = 1.0 / (all.len() + none) as f64;
            #[expect(clippy::cast_precision_loss, reason = "one or none")]
            let unmatched = share * none as f64;
            let attempts = all.into_iter().map(|attempt| (attempt, share)).collect();
            Answer { attempts, unmatched }
        }
    };
    found.into_iter().map(answer).collect()
}

fn assigned(listed: &[Listed]) -> Vec<Answer> {
    let lines = entered(listed);
    answers(&lines, assign(&lines, &OneThread))
}

fn names(answer: &Answer) -> Vec<usize> {
    answer.attempts.iter().map(|(a, _)| *a).collect()
}

#[test]
fn the_order_of_a_workers_lines_decides() {
    // Both lines fit both attempts; only one order is possible.
    let lines = [line(1, &[(0, 100, 0), (1, 200, 0)]), line(1, &[(0, 100, 0), (1, 200, 0)])];
    let answers: Vec<Answer> = assigned(&lines);
    assert_eq!(answers.iter().map(names).collect::<Vec<_>>(), [[0], [1]]);
}

#[test]
fn two_workers_leave_it_open_within_the_stall_and_not_beyond() {
    let near = [line(1, &[(0, 100, 0), (1, 200, 0)]), line(2, &[(0, 100, 0), (1, 200, 0)])];
    assert_eq!(assigned(&near).iter().map(names).collect::<Vec<_>>(), [[0, 1], [0, 1]]);
    let far = [line(1, &[(0, 100, 0), (1, 500, 0)]), line(2, &[(0, 100, 0), (1, 500, 0)])];
    assert_eq!(assigned(&far).iter().map(names).collect::<Vec<_>>(), [[0], [1]]);
}

#[test]
fn more_lines_matched_beats_everything() {
    // Line 0 could take attempt 1, but then line 1 would go without.
    let lines = [line(1, &[(0, 100, 5), (1, 100, 0)]), line(1, &[(1, 100, 0)])];
    assert_eq!(assigned(&lines).iter().map(names).collect::<Vec<_>>(), [[0], [1]]);
}

#[test]
fn then_the_class_of_the_attempt() {
    let lines = [line(1, &[(0, 100, 1), (1, 100, 0)])];
    assert_eq!(names(&assigned(&lines)[0]), [1]);
}

#[test]
fn a_line_too_many_shows_as_unmatched() {
    let lines = [line(1, &[(0, 100, 0)]), line(1, &[(0, 100, 0)])];
    for answer in assigned(&lines) {
        assert_eq!(names(&answer), [0]);
        assert!((answer.unmatched - 0.5).abs() < 1e-9);
    }
}

#[test]
fn a_line_without_attempts_stays_without() {
    let answers: Vec<Answer> = assigned(&[line(1, &[])]);
    assert!(answers[0].attempts.is_empty());
}

/// Every one-to-one assignment that keeps the order of lines, by brute force: the attempt of each line.
pub(super) fn every_assignment(lines: &[Listed]) -> Vec<Vec<Option<usize>>> {
    let attempts = |chosen: Vec<Option<Edge>>| {
        chosen.into_iter().map(|edge| edge.map(|edge| edge.attempt)).collect()
    };
    every_choice(lines).into_iter().map(attempts).collect()
}

fn every_choice(lines: &[Listed]) -> Vec<Vec<Option<Edge>>> {
    fn extend(lines: &[Listed], chosen: &mut Vec<Option<Edge>>, all: &mut Vec<Vec<Option<Edge>>>) {
        let i = chosen.len();
        if i == lines.len() {
            all.push(chosen.clone());
            return;
        }
        for option in lines[i].edges.iter().copied().map(Some).chain([None]) {
            let fits = option.is_none_or(|edge| {
                chosen.iter().zip(lines).all(|(earlier, l)| {
                    earlier.is_none_or(|e| {
                        let close = l.writer.worker == lines[i].writer.worker && !l.writer.read;
                        let slack = if close { SAME_WORKER } else { OTHER_WORKER };
                        e.attempt != edge.attempt
                            && (l.writer.log != lines[i].writer.log
                                || edge.end.1 >= e.end.0 - slack)
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
    all
}

/// The best of them, as the shares of each line.
fn brute_force(lines: &[Listed]) -> Vec<BTreeMap<Option<usize>, f64>> {
    let score = |chosen: &Vec<Option<Edge>>| {
        let penalties = chosen.iter().flatten().map(|e| i64::from(e.penalty)).sum::<i64>();
        (chosen.iter().flatten().count(), -penalties)
    };
    let all = every_choice(lines);
    let most = all.iter().map(score).max().unwrap();
    let best: Vec<_> = all.into_iter().filter(|chosen| score(chosen) == most).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let share = 1.0 / best.len() as f64;
    (0..lines.len())
        .map(|i| {
            let mut shares = BTreeMap::new();
            for chosen in &best {
                *shares.entry(chosen[i].map(|edge| edge.attempt)).or_insert(0.0) += share;
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
        ) -> Listed {
            Listed {
                writer: Writer { log, worker: Some(worker), read },
                edges: edges
                    .into_iter()
                    .map(|(attempt, (ms, more, penalty))| {
                        Edge {
                            attempt,
                            end: (at(ms), at(ms + more)),
                            penalty,
                            timer: 0,
                        }
                    })
                    .collect(),
            }
        }
    }

    /// All best assignments give every line an attempt, of its most plausible kind.
    fn is_complete(lines: &[Listed], shares: &[BTreeMap<Option<usize>, f64>]) -> bool {
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
            let lines: Vec<Listed> = lines.into_iter().filter(|l| !l.edges.is_empty()).collect();
            let expected = brute_force(&lines);
            let held = entered(&lines);
            let part = Part::whole(held.places.clone(), held.lines.clone());
            let answers = answers(&held, by_halves(part, sweep::STATES_A_LINE, &OneThread));
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

        /// And where a line has none that is not of last resort alone, all that hang together with it may
        /// have none either.
        #[test]
        fn counting_agrees_with_brute_force(lines in prop::collection::vec(any_line(), 1..6)) {
            let mut expected = brute_force(&lines);
            let held = entered(&lines);
            for component in Part::whole(held.places.clone(), held.lines.clone()).components() {
                let plausible = |line: usize| lines[line].edges.iter().any(|e| e.penalty == 0);
                if component.iter().any(|l| expected[*l].contains_key(&None) && plausible(*l)) {
                    for line in component {
                        expected[line].entry(None).or_insert(CONTRADICTED);
                    }
                }
            }
            for (answer, shares) in assigned(&lines).iter().zip(expected) {
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

/// A row of `n` places, so many microseconds apart, from attempt `first` on.
fn row(lines: &mut Lines, first: usize, n: usize, apart: i64) -> Run {
    let edge = |i: usize| {
        let end = Timestamp::from_nanos(i64::try_from(i).unwrap() * apart * 1000);
        Edge { attempt: first + i, end: (end, end), penalty: 0, timer: 0 }
    };
    let runs = lines.hold((0..n).map(edge).collect());
    assert_eq!(runs.len(), 1, "one timer, one run");
    runs[0]
}

/// Two attempts and three lines: one goes without. Inside the captures some line has no attempt then, which
/// may be any of the three; where all may be older than the captures, the third has the second for sure.
#[test]
fn lines_that_may_be_older_than_the_captures_need_no_attempt() {
    let (first, second) = ((0, 100, 0), (1, 200, 0));
    let given = [line(1, &[first]), line(2, &[first]), line(3, &[first, second])];
    for beyond in [false, true] {
        let mut lines = Lines::default();
        for line in &given {
            let runs = lines.hold(line.edges.clone());
            if beyond {
                lines.push_beyond(line.writer, runs);
            } else {
                lines.push(line.writer, runs);
            }
        }
        let found = assign(&lines, &OneThread);
        let complete: Vec<bool> = found.iter().map(Assignment::is_complete).collect();
        assert_eq!(complete, [false, false, beyond]);
    }
}

#[test]
fn a_burst_costs_its_lines_and_attempts_and_not_their_pairs() {
    // 20,000 lines in one second to one upstream, as many attempts: 400 million pairs. Before and
    // after it stands a line of the same worker whose attempt is known to the millisecond.
    let n = 20_000;
    let mut lines = Lines::default();
    let all = row(&mut lines, 0, n, 50);
    let writer = Writer { log: 0, worker: Some(7), read: false };
    let known = |end: i64, attempt: usize, lines: &mut Lines| {
        let end = (at(end), at(end));
        let edge = Edge { attempt, end, penalty: 0, timer: 0 };
        let runs = lines.hold(std::vec![edge]);
        lines.push(writer, runs);
    };
    known(100, n, &mut lines);
    for _ in 0..n {
        lines.push(Writer { log: 0, worker: Some(8), read: false }, std::vec![all]);
    }
    known(900, n + 1, &mut lines);
    let found = attempts_of_each(&lines);
    // As many as there are: each of them is somebody's, whoever it is.
    assert!(found[1..=n].iter().all(|left| *left == (0..n)));
    // One line less, of the worker of those that stand around it, is bound to them by 25 ms.
    let mut lines = Lines::default();
    let all = row(&mut lines, 0, n, 50);
    known(100, n, &mut lines);
    for _ in 0..n - 1 {
        lines.push(writer, std::vec![all]);
    }
    known(900, n + 1, &mut lines);
    let found = assign(&lines, &OneThread);
    assert!(
        found[1..n].iter().all(|answer| !answer.is_complete()),
        "16,999 attempts for 19,999 lines"
    );
}

/// The stretch of attempts of each line.
fn attempts_of_each(lines: &Lines) -> Vec<core::ops::Range<usize>> {
    let stretch = |found| match found {
        Assignment::Counted { attempts, .. } => attempts[0].0..attempts[0].0 + 1,
        Assignment::Uncounted { runs, contradicted: false } => {
            assert_eq!(runs.len(), 1);
            let places = lines.run(&runs[0]);
            places[0].attempt..places[places.len() - 1].attempt + 1
        }
        Assignment::Uncounted { .. } => panic!("no contradiction"),
    };
    assign(lines, &OneThread).into_iter().map(stretch).collect()
}

mod exchanges {
    use super::*;
    use crate::assign::exchange::Exchange;
    use crate::assign::matching::Matching;
    use proptest::prelude::*;

    /// Whether the lines can have an attempt each, by trying (Kuhn).
    fn can_all(fits: &[Vec<usize>]) -> bool {
        fn help(
            line: usize,
            fits: &[Vec<usize>],
            owner: &mut BTreeMap<usize, usize>,
            tried: &mut Vec<usize>,
        ) -> bool {
            for &attempt in &fits[line] {
                if tried.contains(&attempt) {
                    continue;
                }
                tried.push(attempt);
                let had = owner.get(&attempt).copied();
                if had.is_none_or(|other| help(other, fits, owner, tried)) {
                    owner.insert(attempt, line);
                    return true;
                }
            }
            false
        }
        let mut owner = BTreeMap::new();
        (0..fits.len()).all(|line| help(line, fits, &mut owner, &mut Vec::new()))
    }

    fn part(spans: &[Vec<(bool, usize, usize)>], shared: usize) -> Part {
        let mut lines = Lines::default();
        // Two rows, of which some attempts are the same: two timers.
        let (one, other) = (row(&mut lines, 0, 9, 1000), row(&mut lines, 9 - shared, 9, 1000));
        for spans in spans {
            let runs = spans.iter().map(|&(second, from, to)| {
                let row = if second { other } else { one };
                let (from, to) = (from.min(to), from.max(to) + 1);
                Run { from: row.from + from, to: row.from + to, ..row }
            });
            lines.push(Writer::default(), runs.collect());
        }
        Part::whole(lines.places, lines.lines)
    }

    fn pairs(part: &Part, line: usize, runs: &[Run]) -> Vec<(usize, usize)> {
        let places = runs.iter().flat_map(|run| part.run(run));
        let mut pairs: Vec<_> = places.map(|place| (line, place.attempt)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    proptest! {
        /// A pairing is left exactly if the other lines can still have an attempt each.
        #[test]
        fn what_is_struck_out_is_in_no_complete_matching(
            spans in prop::collection::vec(
                prop::collection::vec((any::<bool>(), 0usize..9, 0usize..9), 1..3), 1..9),
            shared in 0usize..9,
        ) {
            let part = part(&spans, shared);
            let fits: Vec<Vec<usize>> = part.lines.iter().enumerate()
                .map(|(i, line)| pairs(&part, i, &line.runs).into_iter().map(|p| p.1).collect())
                .collect();
            let matching = Matching::complete(&part);
            prop_assert_eq!(matching.is_ok(), can_all(&fits));
            let mut matching = match matching {
                Ok(matching) => matching,
                Err(between) => {
                    // One of these is too many, and without them the others are fine.
                    let too_many: Vec<_> = between.iter().map(|&i| fits[i].clone()).collect();
                    prop_assert!(!can_all(&too_many));
                    let rest = (0..fits.len()).filter(|i| !between.contains(i));
                    prop_assert!(can_all(&rest.map(|i| fits[i].clone()).collect::<Vec<_>>()));
                    return Ok(());
                }
            };
            let all_open = matching.leaves_all_a_choice();
            let exchange = Exchange::of(&matching);
            for (i, line) in part.lines.iter().enumerate() {
                let mut left = Vec::new();
                for run in &line.runs {
                    exchange.possible(i, run, &mut left);
                }
                let left = pairs(&part, i, &left);
                let possible: Vec<(usize, usize)> = fits[i].iter().copied().filter(|&attempt| {
                    let mut fixed = fits.clone();
                    fixed[i] = std::vec![attempt];
                    can_all(&fixed)
                }).map(|attempt| (i, attempt)).collect();
                prop_assert!(!all_open || possible.len() == fits[i].len());
                prop_assert_eq!(left, possible);
            }
        }
    }
}
