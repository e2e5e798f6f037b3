//! Many lines in one second that fit as many attempts: too many to count, and still exact in what they
//! say together.

mod world;

use why504_correlate::{Case, Correlation, Doubt, Grade, Threads, Verdict};
use why504_handshake::PointId;
use world::{CLIENT_POINT, SERVER_POINT, World};

/// More than are counted.
const MANY: u16 = 120;

/// As many connects, a millisecond apart, and a line for each of the first so many.
fn burst(lines: u16, answered: impl Fn(u16) -> bool) -> Vec<Case> {
    correlated(lines, answered).cases
}

fn correlated(lines: u16, answered: impl Fn(u16) -> bool) -> Correlation {
    incident(lines, answered).correlate(&[CLIENT_POINT, SERVER_POINT])
}

fn incident(lines: u16, answered: impl Fn(u16) -> bool) -> World {
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
    world
}

/// The last part first.
struct Backwards;

impl Threads for Backwards {
    fn map<P: Send, R: Send>(&self, parts: Vec<P>, work: impl Fn(P) -> R + Send + Sync) -> Vec<R> {
        let mut done: Vec<R> = parts.into_iter().rev().map(work).collect();
        done.reverse();
        done
    }
}

#[test]
fn in_which_order_the_parts_are_done_changes_nothing() {
    for lines in [MANY - 20, MANY, MANY + 1] {
        let mut world = incident(lines, |i| i % 3 == 0);
        // Lines of other seconds, one with an attempt of its own, one with none.
        world.unanswered(20_000, 30_000, 7_000_000);
        world.timed_out(20_300, Some(300));
        world.timed_out(40_300, Some(300));
        let both = [CLIENT_POINT, SERVER_POINT];
        assert_eq!(world.correlate(&both), world.correlate_by(&both, &Backwards), "{lines} lines");
    }
}

/// The only group's bounds, whether they are sure, and the lines that are counted.
fn counted(found: &Correlation) -> (Vec<(Verdict, usize, usize)>, bool, usize) {
    assert_eq!(found.groups.len(), 1, "{:?}", found.groups);
    let group = &found.groups[0];
    let counts = group.counts.iter().map(|c| (c.verdict, c.least, c.most)).collect();
    (counts, group.sure, group.lines.len())
}

#[test]
fn attempts_that_share_their_fate_settle_it_for_all_lines() {
    let cases = burst(MANY, |_| true);
    assert_eq!(cases.len(), usize::from(MANY));
    for case in cases {
        assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Proven));
        assert_eq!(case.fitting, usize::from(MANY), "which of them it is stays open");
        assert!(case.candidates.len() < case.fitting, "they are not all named");
        let way = (PointId(SERVER_POINT), PointId(CLIENT_POINT));
        assert_eq!(case.lost_between, Some(way), "all of them were lost on this way");
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

#[test]
fn as_many_lines_as_attempts_make_the_number_of_each_fate_exact() {
    let found = correlated(MANY, |i| i % 3 == 0);
    assert!(found.cases.iter().all(|case| case.verdict == Verdict::Ambiguous));
    let exact = vec![(Verdict::SynAckLost, 40, 40), (Verdict::SynLost, 80, 80)];
    assert_eq!(counted(&found), (exact, true, 120));
    assert!(found.groups[0].is_exact());
    assert_eq!(found.groups[0].counts[0].expected, Some(40.0));
}

#[test]
fn fewer_lines_than_attempts_leave_bounds() {
    // Twenty attempts are nobody's: they may be of one kind, or of the other.
    let found = correlated(MANY - 20, |i| i % 3 == 0);
    let bounds = vec![(Verdict::SynAckLost, 20, 40), (Verdict::SynLost, 60, 80)];
    assert_eq!(counted(&found), (bounds, true, 100));
    assert_eq!(found.groups[0].counts[0].expected, None, "the assignments were not counted");
}

#[test]
fn lines_that_contradict_each_other_are_not_counted() {
    let found = correlated(MANY + 1, |i| i % 3 == 0);
    assert_eq!(counted(&found), (vec![], false, 121));
    assert!(correlated(MANY, |_| true).groups.is_empty(), "nothing is open");
}

/// Three connects in one second and two lines of two workers: with counted assignments the number that is
/// to be expected is said, and it lies where the shares put it.
#[test]
fn where_assignments_are_counted_the_expected_number_is_said() {
    let mut world = World::watched();
    world.answer_lost(5100, 20_000, 5000);
    world.answer_lost(5110, 20_001, 6000);
    world.unanswered(5120, 20_002, 7000);
    for worker in [1, 2] {
        world.timed_out(5400, Some(300)).worker = Some(worker);
    }
    let found = world.correlate(&[CLIENT_POINT, SERVER_POINT]);
    let bounds = vec![(Verdict::SynAckLost, 1, 2), (Verdict::SynLost, 0, 1)];
    assert_eq!(counted(&found), (bounds, true, 2));
    // Two of the three, in any order, for two lines.
    let expected: Vec<f64> = found.groups[0].counts.iter().filter_map(|c| c.expected).collect();
    assert!((expected[0] - 4.0 / 3.0).abs() < 1e-9 && (expected[1] - 2.0 / 3.0).abs() < 1e-9);
}

/// A capture that does not show both directions makes the same numbers, and none of them sure.
#[test]
fn numbers_are_as_sure_as_the_verdicts() {
    let mut world = World::watched();
    world.answer_lost(5100, 20_000, 5000);
    world.unanswered(5110, 20_001, 6000);
    for worker in [1, 2] {
        world.timed_out(5400, Some(300)).worker = Some(worker);
    }
    let both = vec![(Verdict::SynAckLost, 1, 1), (Verdict::SynLost, 1, 1)];
    let given = [CLIENT_POINT, SERVER_POINT];
    assert_eq!(counted(&world.correlate(&given)), (both.clone(), true, 2));
    world.filter(SERVER_POINT, |segment| segment.flags.0 & 0x02 != 0);
    world.filter(CLIENT_POINT, |segment| segment.flags.0 & 0x10 == 0);
    let (counts, sure, _) = counted(&world.correlate(&given));
    assert_eq!((counts, sure), (both, false));
}
