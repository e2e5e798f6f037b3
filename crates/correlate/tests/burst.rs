//! Many lines in one second that fit as many attempts: too many to count, and still exact in what they
//! say together.

mod world;

use why504_correlate::{Case, Doubt, Grade, Verdict};
use world::{CLIENT_POINT, SERVER_POINT, World};

/// More than are counted.
const MANY: u16 = 120;

/// As many connects, a millisecond apart, and a line for each of the first so many.
fn burst(lines: u16, answered: impl Fn(u16) -> bool) -> Vec<Case> {
    let mut world = World::watched();
    for i in 0..MANY {
        let (ms, isn) = (5100 + i64::from(i), 5000 + u32::from(i) * 10_000);
        if answered(i) {
            world.answer_lost(ms, 20_000 + i, isn);
        } else {
            world.unanswered(ms, 20_000 + i, isn);
        }
    }
    for i in 0..lines {
        world.timed_out(5400 + i64::from(i % MANY), Some(300)).worker = Some(u32::from(i % 4));
    }
    world.judge(&[CLIENT_POINT, SERVER_POINT])
}

#[test]
fn attempts_that_share_their_fate_settle_it_for_all_lines() {
    let cases = burst(MANY, |_| true);
    assert_eq!(cases.len(), usize::from(MANY));
    for case in cases {
        assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Proven));
        assert_eq!(case.fitting, usize::from(MANY), "which of them it is stays open");
        assert!(case.candidates.len() < case.fitting, "they are not all named");
    }
}

#[test]
fn attempts_that_do_not_are_counted_by_their_fates() {
    for case in burst(MANY, |i| i % 3 == 0) {
        let counts: Vec<_> = case.alternatives.iter().map(|a| (a.0, a.1)).collect();
        assert_eq!(case.verdict, Verdict::Ambiguous);
        assert_eq!(counts, [(Verdict::SynLost, 80), (Verdict::SynAckLost, 40)]);
        assert!((case.probability - 2.0 / 3.0).abs() < 1e-9);
    }
}

#[test]
fn more_lines_than_attempts_leave_none_of_them_sure() {
    for case in burst(MANY + 1, |_| true) {
        assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Consistent));
        assert_eq!(case.doubt, Some(Doubt::Unmatched));
        assert!(case.probability < 1.0);
    }
}
