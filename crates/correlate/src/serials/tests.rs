//! The parts by hand; the whole is played in `tests/numbers.rs`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use why504_model::{Interval, Location, SourceId, Timeout, TimeoutId, TimeoutKind, Timestamp};

use super::epochs;
use super::window::{Began, Voter, stretches};

fn by_workers(workers: &[Option<u32>]) -> Vec<Vec<usize>> {
    let line = |(worker, id): (&Option<u32>, u32)| Timeout {
        id: TimeoutId(id),
        location: Location { source: SourceId(1), record: u64::from(id) },
        kind: TimeoutKind::LuaConnectTimeout,
        never_sent: false,
        peer: None,
        logged: Interval::second_from(Timestamp::default()),
        start: None,
        limits: Vec::new(),
        worker: *worker,
        connection: None,
    };
    epochs::of(&workers.iter().zip(0..).map(line).collect::<Vec<Timeout>>())
}

#[test]
fn a_restart_is_where_no_worker_goes_on() {
    let cases: [(&[Option<u32>], &[usize]); 4] = [
        (&[Some(1), Some(2), Some(1), Some(2)], &[4]),
        (&[Some(1), Some(2), Some(1), Some(8), Some(9), Some(8)], &[3, 3]),
        // A worker of which nothing more is heard: one cut too many, which costs its line.
        (&[Some(1), Some(2), Some(3), Some(2)], &[1, 3]),
        (&[None, None, None], &[3]),
    ];
    for (workers, lengths) in cases {
        let found: Vec<usize> = by_workers(workers).iter().map(Vec::len).collect();
        assert_eq!(found, lengths, "{workers:?}");
    }
}

/// Lines with the attempt at its place under offset 5, and others at chosen distances.
fn voters(lines: usize, others: impl Fn(usize) -> Vec<i64>) -> Vec<Voter> {
    let number = |line: usize| i64::try_from(line * 7).expect("small");
    let voter = |line: usize| {
        let own = (number(line), line);
        let others = others(line).into_iter().map(|off| (number(line) + off, 1000 + line));
        let mut attempts: Vec<(i64, usize)> = core::iter::once(own).chain(others).collect();
        attempts.sort_unstable();
        Voter { line, serial: number(line) * 2 + 5, attempts }
    };
    (0..lines).map(voter).collect()
}

fn inside(voters: &[Voter]) -> Vec<usize> {
    let found = stretches(voters, &Began::default(), &BTreeSet::new());
    found.iter().flat_map(|stretch| &stretch.inside).map(|at| at.line).collect()
}

#[test]
fn a_run_is_believed_where_no_other_offset_explains_as_much() {
    let scattered =
        |line: usize| alloc::vec![i64::try_from(line * line % 97).expect("small") - 300];
    assert!(inside(&voters(20, scattered)).is_empty(), "few");
    let many = inside(&voters(60, scattered));
    assert!(many.len() > 40 && !many.contains(&0) && !many.contains(&59), "{many:?}");
    // SYNs at even distances: the next one explains every line as well.
    assert!(inside(&voters(60, |_| alloc::vec![9])).is_empty(), "even");
    // The attempt that it names is the line's own.
    let all = voters(60, scattered);
    let found = stretches(&all, &Began::default(), &BTreeSet::new());
    assert!(found.iter().flat_map(|s| &s.inside).all(|at| at.attempt == at.line));
}

#[test]
fn a_line_that_is_at_odds_with_others_ends_a_run() {
    let voters = voters(100, |_| Vec::new());
    let against: BTreeSet<usize> = [50].into();
    let found = stretches(&voters, &Began::default(), &against);
    let lines: Vec<usize> = found.iter().flat_map(|s| &s.inside).map(|at| at.line).collect();
    assert!(!lines.contains(&50) && !lines.contains(&49) && !lines.contains(&51), "{lines:?}");
    assert!(lines.contains(&25) && lines.contains(&75), "{lines:?}");
}
