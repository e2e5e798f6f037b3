//! A 504 of an access log that has no connect time: the connect timed out, or the answer did.

mod world;

use why504_correlate::{Grade, Verdict};
use why504_model::{Interval, Span, StartBasis, TimeoutKind};
use world::{CLIENT_POINT, SERVER_POINT, Seen, World, at, gateway};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];

/// A 504 of a format without connect times: the connect timed out, or the answer did.
fn unclear_504(world: &mut World, started_ms: i64, timer: i64) {
    let line = world.timed_out(started_ms + timer, Some(timer));
    let start = Interval::new(at(started_ms - 5), at(started_ms + 5));
    line.kind = TimeoutKind::Access504Unclear;
    line.start = Some((start, StartBasis::UpstreamTimes));
    line.logged = start.shifted(Span::from_millis(timer));
}

#[test]
fn a_504_without_a_connect_time_is_a_case_only_where_a_connect_failed() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    unclear_504(&mut world, 10_100, 300);
    // On a connection that was open: no SYN at that moment.
    unclear_504(&mut world, 20_000, 300);
    let found = world.correlate(&BOTH);
    let verdicts: Vec<_> = found.cases.iter().map(|case| (case.timeout, case.verdict)).collect();
    assert_eq!(verdicts, [(0, Verdict::SynAckLost)]);
    assert_eq!(found.unrelated, [1]);
    // A moment that no capture covers decides nothing.
    let mut world = World::watched();
    unclear_504(&mut world, 900_000, 300);
    let found = world.correlate(&BOTH);
    assert_eq!(found.unrelated, [] as [usize; 0]);
    assert_eq!(world.answers(&BOTH), [(Verdict::NotCaptured, Grade::Consistent)]);
}

/// Where the answer to a request on a new connection timed out, that connection is what the line means;
/// a connect that failed beside it does not make it a loss.
#[test]
fn a_504_without_a_connect_time_may_be_about_an_attempt_that_succeeded() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9000, 5001, Seen::Both);
    world.up(10_102, client, 0x10, 5001, 9001, Seen::Both);
    // The server acknowledges the request and does not answer.
    world.request(10_103, client, 5001, 9001, 100);
    world.down(10_104, client, 0x10, 9001, 5101, Seen::Both);
    world.up(10_400, client, 0x11, 5101, 9001, Seen::Both);
    unclear_504(&mut world, 10_100, 300);
    assert_eq!(world.answers(&BOTH), [(Verdict::Connected, Grade::Signature)]);
    for given in [CLIENT_POINT, SERVER_POINT] {
        let only: Vec<Verdict> = world.answers(&[given]).into_iter().map(|(v, _)| v).collect();
        assert_eq!(only, [Verdict::Connected], "{given}");
    }
    world.answer_lost(10_101, 40_001, 7000);
    let [(verdict, grade)] = world.answers(&BOTH)[..] else { panic!("one line, one case") };
    assert_eq!((verdict, grade), (Verdict::Ambiguous, Grade::Ambiguous));
}

/// Without a byte of a request nginx did not know that it was connected: that is not the answer.
#[test]
fn a_504_without_a_connect_time_may_be_a_stall() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9000, 5001, Seen::Both);
    world.up(10_102, client, 0x10, 5001, 9001, Seen::Both);
    world.up(10_400, client, 0x11, 5001, 9001, Seen::Both);
    unclear_504(&mut world, 10_100, 300);
    assert_eq!(world.answers(&BOTH), [(Verdict::GatewayStall, Grade::Signature)]);
}
