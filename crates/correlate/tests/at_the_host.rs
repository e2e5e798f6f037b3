//! Packets that reached the host of their receiver and went no further: damaged on the way, dropped or
//! rejected by the host's own filter.

mod world;

use why504_correlate::{Grade, Mechanism, Verdict};
use why504_model::{Checksum, Segment, TcpFlags};
use world::{CLIENT_POINT, SERVER_POINT, Seen, World, gateway, start_at};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];

type Answer = (Verdict, Option<Mechanism>, Grade);

fn answer(world: &World, given: &[u16]) -> Answer {
    let cases = world.judge(given);
    assert_eq!(cases.len(), 1, "one line");
    let case = &cases[0];
    (case.verdict, case.mechanism, case.grade)
}

/// Sets the checksums of what one point received: those of healthy connects and those of the port
/// 40000.
fn checksums(world: &mut World, point: u16, healthy: Checksum, of_case: Checksum) {
    let received = if point == SERVER_POINT { TcpFlags(2) } else { TcpFlags(0x12) };
    world.change(point, |segment| {
        let of_this = segment.source.port == 40_000 || segment.destination.port == 40_000;
        let checksum = match segment.flags {
            flags if flags != received => Checksum::Unknown,
            _ if of_this => of_case,
            _ => healthy,
        };
        Some(Segment { checksum, ..*segment })
    });
}

/// Taxonomy class 22: a SYN that comes damaged is dropped by the upstream's kernel without a word.
#[test]
fn a_damaged_syn_is_told_from_a_silent_server_where_checksums_tell() {
    use Checksum::{Offloaded, Right, Unknown, Wrong};
    let damaged = Some(Mechanism::SynCorrupt);
    for (healthy, of_case, mechanism) in [
        (Right, Wrong, damaged),
        // Received from a virtual link of the same machine; cut by the snapshot length; all wrong.
        (Offloaded, Offloaded, None),
        (Offloaded, Wrong, None),
        (Unknown, Wrong, None),
        (Wrong, Wrong, None),
        (Right, Right, None),
        (Right, Unknown, None),
    ] {
        let mut world = World::watched();
        world.up(10_100, gateway(40_000), 0x02, 5000, 0, Seen::Both);
        world.timed_out(10_400, Some(300));
        checksums(&mut world, SERVER_POINT, healthy, of_case);
        let expected = (Verdict::ServerSilent, mechanism);
        let (verdict, found, grade) = answer(&world, &BOTH);
        assert_eq!((verdict, found), expected, "{healthy:?} {of_case:?}");
        assert_eq!(grade, Grade::Proven, "it rests on no checksum");
        // The upstream's clock alone is not tied to the log's.
        let (verdict, found, _) = answer(&world, &[SERVER_POINT]);
        assert_eq!((verdict, found), expected, "{healthy:?} {of_case:?}");
        // The gateway's capture alone holds none of it.
        assert_eq!(answer(&world, &[CLIENT_POINT]).0, Verdict::NoReply);
    }
}

/// What a damaged SYN+ACK looks like at the gateway; from the upstream alone it is not to be seen.
#[test]
fn a_damaged_syn_ack_is_told_from_the_gateways_own_filter() {
    use Checksum::{Offloaded, Right, Wrong};
    for (healthy, of_case, mechanism) in [
        (Right, Wrong, Some(Mechanism::SynAckCorrupt)),
        (Offloaded, Offloaded, None),
        (Wrong, Wrong, None),
        (Right, Right, None),
    ] {
        let mut world = World::watched();
        world.up(10_100, gateway(40_000), 0x02, 5000, 0, Seen::Both);
        world.down(10_101, gateway(40_000), 0x12, 9000, 5001, Seen::Both);
        world.timed_out(10_400, Some(300)).start = Some(start_at(10_100));
        checksums(&mut world, CLIENT_POINT, healthy, of_case);
        for given in [&BOTH[..], &[CLIENT_POINT]] {
            let expected = (Verdict::SynAckNotAccepted, mechanism, Grade::Proven);
            assert_eq!(answer(&world, given), expected, "{healthy:?} {of_case:?} {given:?}");
        }
        let alone = answer(&world, &[SERVER_POINT]);
        assert_eq!((alone.0, alone.2), (Verdict::SynAckLost, Grade::Consistent));
    }
}

/// A damaged SYN of which a whole copy came later is a connect that a repetition saved.
#[test]
fn a_whole_copy_after_a_damaged_one_counts() {
    let mut world = World::watched();
    world.up(10_100, gateway(40_000), 0x02, 5000, 0, Seen::Both);
    world.up(11_100, gateway(40_000), 0x02, 5000, 0, Seen::Both);
    world.timed_out(11_600, Some(1500));
    checksums(&mut world, SERVER_POINT, Checksum::Right, Checksum::Right);
    world.change(SERVER_POINT, |segment| {
        let early = segment.time < world::at(10_500) && segment.source.port == 40_000;
        let checksum = if early { Checksum::Wrong } else { segment.checksum };
        Some(Segment { checksum, ..*segment })
    });
    // The second one came whole and was not answered: the server is silent.
    assert_eq!(answer(&world, &BOTH), (Verdict::ServerSilent, None, Grade::Proven));
}

/// What a gateway's own filter does to the SYN+ACKs is no delay: one that came in time and was dropped
/// was not late, though the closed socket resets a later one; and one that is reset in time may have
/// been rejected (`reject with tcp reset`).
#[test]
fn what_came_in_time_is_not_late() {
    // Which SYN+ACKs come, of which the client resets the last, and nginx's timer.
    let not_accepted = (Verdict::SynAckNotAccepted, Grade::Proven);
    let unsure = (Verdict::SynAckLate, Grade::Consistent);
    for (answers, timer, expected) in [
        (&[1, 1_010][..], 300, not_accepted),
        (&[1, 1_010, 3_020], 2_000, not_accepted),
        (&[1], 300, unsure),
        (&[1, 1_010], 2_000, unsure),
        // Too late by any reading.
        (&[400], 300, (Verdict::SynAckLate, Grade::Proven)),
    ] {
        let mut world = World::watched();
        let client = gateway(40_000);
        world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
        for after in answers {
            world.down(10_100 + after, client, 0x12, 9000, 5001, Seen::Both);
        }
        let last = answers.last().expect("one at least");
        world.up(10_101 + last, client, 0x04, 5001, 0, Seen::Both);
        world.timed_out(10_100 + timer, Some(timer)).start = Some(start_at(10_100));
        for given in [&BOTH[..], &[CLIENT_POINT]] {
            let (verdict, _, grade) = answer(&world, given);
            assert_eq!(verdict, expected.0, "{answers:?} {timer} {given:?}");
            // One side is no surer.
            let lowest = if given.len() == 1 { Grade::Consistent } else { expected.1 };
            assert!((lowest..=expected.1).contains(&grade), "{answers:?} {timer} {given:?}");
        }
    }
}
