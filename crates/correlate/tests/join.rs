//! From packets and lines to verdicts, in a world written by hand: the truth is known because it
//! was made.

mod world;

use why504_correlate::{Case, Grade, Mechanism, Verdict, ZoneEvidence, ZoneSupport};
use why504_handshake::PointId;
use why504_model::Span;
use world::{CLIENT_POINT, SERVER_POINT, Seen, World, at, gateway, start_at, upstream};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];

#[test]
fn a_lost_second_handshake_is_proven_by_both_ends_and_open_from_one() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    let cases = world.judge(&BOTH);
    assert_eq!((cases[0].verdict, cases[0].grade), (Verdict::SynAckLost, Grade::Proven));
    let (up, gw) = (PointId(SERVER_POINT), PointId(CLIENT_POINT));
    assert_eq!(cases[0].lost_between, Some((up, gw)));
    assert_eq!(cases[0].candidates.len(), 1);
    assert!((cases[0].probability - 1.0).abs() < 1e-9);

    assert_eq!(world.answers(&[CLIENT_POINT]), [(Verdict::NoReply, Grade::Consistent)]);
    // The upstream alone cannot show that its clock is the log's.
    assert_eq!(world.answers(&[SERVER_POINT]), [(Verdict::SynAckLost, Grade::Consistent)]);
}

/// SYN at 100 ms, SYN+ACK at 600 ms, nginx gave up at 400 ms: where the half second went, the other
/// end's clock tells.
#[test]
fn what_took_longest_names_the_mechanism_of_a_late_answer() {
    for (arrived, answered, mechanism) in [
        (10_590, 10_599, Mechanism::SynDelayed),
        (10_101, 10_599, Mechanism::ServerSlow),
        (10_101, 10_102, Mechanism::LatePath),
    ] {
        let mut world = World::watched();
        let client = gateway(40_000);
        world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
        world.down(10_600, client, 0x12, 9000, 5001, Seen::Both);
        world.up(10_601, client, 0x04, 5001, 0, Seen::Both);
        world.change(SERVER_POINT, |segment| {
            let mut there = *segment;
            match (segment.flags.0, segment.seq.0) {
                (0x02, 5000) => there.time = at(arrived),
                (0x12, 9000) => there.time = at(answered),
                _ => {}
            }
            Some(there)
        });
        world.timed_out(10_400, Some(300));
        let case = &world.judge(&BOTH)[0];
        assert_eq!(
            (case.verdict, case.grade, case.mechanism),
            (Verdict::SynAckLate, Grade::Proven, Some(mechanism))
        );
    }
}

#[test]
fn two_gateways_do_not_prove_each_others_losses() {
    let mut world = World::watched();
    world.rename_point(SERVER_POINT, 7);
    // A second gateway with its own capture of its own, healthy connections.
    let mut other = World::watched();
    other.rename_point(SERVER_POINT, 8);
    other.rename_point(CLIENT_POINT, SERVER_POINT);
    world.unanswered(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    let mut together = world;
    together.absorb(other);
    assert_eq!(
        together.answers(&[CLIENT_POINT, SERVER_POINT]),
        [(Verdict::NoReply, Grade::Consistent)],
        "the other gateway's capture is not on the way: it proves no lost SYN"
    );
}

#[test]
fn a_stall_is_seen_by_its_timer_and_not_guessed_without_one() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9000, 5001, Seen::Both);
    world.up(10_102, client, 0x10, 5001, 9001, Seen::Both);
    world.up(10_405, client, 0x11, 5001, 9001, Seen::Both);
    world.timed_out(10_400, Some(300));
    assert_eq!(world.answers(&BOTH), [(Verdict::GatewayStall, Grade::Signature)]);
    world.lines.clear();
    world.timed_out(10_400, None);
    assert!(!world.answers(&BOTH)[0].1.is_sure());
}

#[test]
fn a_covered_capture_without_a_syn_shows_that_none_was_sent() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    // Beyond the windows of the handshakes that make the coverage.
    world.timed_out(30_400, Some(300)).start = Some(start_at(30_100));
    assert_eq!(world.answers(&BOTH)[1], (Verdict::NoSynSent, Grade::Signature));
    assert_eq!(world.answers(&[SERVER_POINT])[1], (Verdict::NotCaptured, Grade::Consistent));
    // Connections that were used at that moment are not the one that timed out; an unanswered SYN of
    // another moment may be, if a handler did something else before it connected.
    let beside = |unanswered| {
        let mut world = World::watched();
        world.answer_lost(10_100, 40_000, 5000);
        world.timed_out(10_400, Some(300));
        world.timed_out(30_400, Some(300)).start = Some(start_at(30_100));
        world.healthy(30_150, 40_001, upstream());
        if unanswered {
            world.unanswered(30_200, 40_002, 6000);
        }
        world.answers(&BOTH)[1]
    };
    assert_eq!(beside(false), (Verdict::NoSynSent, Grade::Signature));
    assert!(!beside(true).1.is_sure());
    // A length that somebody stated may be wrong, and then the SYN lies further back.
    world.lines[1].start = None;
    assert!(!world.answers(&BOTH)[1].1.is_sure());
}

#[test]
fn a_log_of_another_host_shows_nothing_by_finding_nothing() {
    let mut world = World::watched();
    for i in 0..5 {
        world.timed_out(30_400 + i * 1000, Some(300)).start = Some(start_at(30_100 + i * 1000));
    }
    assert!(world.answers(&BOTH).iter().all(|a| *a == (Verdict::NoSynSent, Grade::Consistent)));
}

#[test]
fn an_assumed_zone_must_be_shown_by_the_data() {
    let mut world = World::watched();
    for i in 0..10 {
        world.answer_lost(10_100 + i * 2000, 40_000 + u16::try_from(i).expect("few"), 5000);
        world.timed_out(10_400 + i * 2000, Some(300));
    }
    world.zone_assumed = true;
    assert!(world.answers(&BOTH).iter().all(|a| *a == (Verdict::SynAckLost, Grade::Proven)));
    // The same losses an hour later: which hour the log means, it does not say.
    for i in 0..10 {
        let later = 3_600_000 + 10_100 + i * 2000;
        world.answer_lost(later, 50_000 + u16::try_from(i).expect("few"), 6000);
    }
    assert!(world.answers(&BOTH).iter().all(|(_, grade)| !grade.is_sure()));
    world.zone_assumed = false;
    assert!(world.answers(&BOTH).iter().all(|(_, grade)| grade.is_sure()));
}

#[test]
fn a_wrong_zone_is_found_by_the_captures() {
    let mut world = World::watched();
    for i in 0..10 {
        // Eight and three quarters of an hour: the log was read as UTC and is not.
        let written = 10_400 + i * 2000 + 31_500_000;
        world.answer_lost(10_100 + i * 2000, 40_000 + u16::try_from(i).expect("few"), 5000);
        world.timed_out(written, Some(300));
    }
    let support = |elsewhere| ZoneSupport { tried: 10, found: 10, elsewhere };
    let found = |elsewhere| ZoneEvidence::Elsewhere(Span::from_secs(-31_500), support(elsewhere));
    assert_eq!(world.zone_evidence(&BOTH), found(0));
    // Three would find an attempt if the log had been written an hour later as well.
    for i in 0..3 {
        let later = 3_600_000 + 10_100 + i * 2000;
        world.answer_lost(later, 50_000 + u16::try_from(i).expect("few"), 6000);
    }
    assert_eq!(world.zone_evidence(&BOTH), found(3));
    world.zone_assumed = true;
    assert!(world.answers(&BOTH).iter().all(|(_, grade)| !grade.is_sure()), "never silently");
}

#[test]
fn a_burst_is_unanimous_or_ambiguous_and_never_a_guess() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    world.answer_lost(10_100, 40_001, 6000);
    world.timed_out(10_400, Some(300));
    world.timed_out(10_400, Some(300));
    for case in world.judge(&BOTH) {
        assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Proven));
        assert_eq!(case.candidates.len(), 2, "which of the two is open");
        assert!((case.probability - 1.0).abs() < 1e-9, "what became of it is not");
    }

    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    world.unanswered(10_100, 40_001, 6000);
    world.timed_out(10_400, Some(300));
    world.timed_out(10_400, Some(300));
    for case in world.judge(&BOTH) {
        assert_eq!((case.verdict, case.grade), (Verdict::Ambiguous, Grade::Ambiguous));
        let of: Vec<_> = case.alternatives.iter().map(|(v, count, _)| (*v, *count)).collect();
        assert_eq!(of, [(Verdict::SynAckLost, 1), (Verdict::SynLost, 1)]);
        assert!((case.probability - 0.5).abs() < 1e-9);
    }
}

#[test]
fn the_order_of_a_workers_lines_tells_a_burst_apart() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    world.unanswered(10_150, 40_001, 6000);
    world.timed_out(10_400, Some(300));
    world.timed_out(10_450, Some(300));
    assert_eq!(
        world.answers(&BOTH),
        [(Verdict::SynAckLost, Grade::Proven), (Verdict::SynLost, Grade::Proven)]
    );
    // Two workers may be out of step by a stall.
    world.lines[1].worker = Some(2);
    assert!(world.answers(&BOTH).iter().all(|(verdict, _)| *verdict == Verdict::Ambiguous));
}

/// Some SYNs never leave the gateway. Where a line finds another's attempt all the same (a request whose user
/// went away left one behind), nothing shows that it is not its own, unless other lines of the log go without.
#[test]
fn lines_that_go_without_make_all_of_their_log_and_upstream_unsure() {
    let sure = |one_goes_without: bool| {
        let mut world = World::watched();
        for i in 0..30_u16 {
            let ms = 10_100 + i64::from(i) * 1000;
            world.answer_lost(ms, 40_000 + i, 5000 + u32::from(i) * 7919);
            world.timed_out(ms + 300, Some(300));
            if one_goes_without && i == 5 {
                world.timed_out(ms + 310, Some(300));
            }
        }
        world.answers(&BOTH).iter().filter(|(_, grade)| grade.is_sure()).count()
    };
    assert_eq!((sure(false), sure(true)), (30, 0));
}

#[test]
fn more_lines_than_attempts_are_not_sure() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    world.timed_out(10_400, Some(300));
    for case in world.judge(&BOTH) {
        assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Consistent));
        assert!((case.probability - 0.5).abs() < 1e-9);
    }
}

/// The SYN was lost; at that moment an old copy of another attempt's SYN reached the upstream, whose
/// connection was over. It is not this attempt, rewritten on its way.
#[test]
fn a_late_copy_of_another_syn_is_not_taken_for_the_one_that_was_lost() {
    let judged = |isn: u32| {
        let mut world = World::watched();
        world.healthy(9_600, 41_000, upstream());
        world.unanswered(10_100, 40_000, 5000);
        world.up(10_200, gateway(41_000), 0x02, isn, 0, Seen::ServerOnly);
        world.timed_out(10_400, Some(300));
        world.answers(&BOTH)
    };
    let of_the_healthy_one = 9_600 + 41_000;
    assert_eq!(judged(of_the_healthy_one), [(Verdict::SynLost, Grade::Proven)]);
    assert_eq!(judged(777), [(Verdict::SynLost, Grade::Consistent)]);
}

/// A clean connection is forgotten before its end. What the server still holds of it then shows by the IP
/// identification of its bare ACK: a full socket counts them, a TIME-WAIT entry does not.
#[test]
fn a_bare_ack_for_a_forgotten_connection_tells_a_full_socket_from_time_wait() {
    for (ip_id, mechanism) in [(7, Mechanism::Established), (0, Mechanism::TimeWait)] {
        let mut world = World::watched();
        world.healthy(5_000, 40_000, upstream());
        let seq_after = 5_000 + 40_000 + 12;
        let client = gateway(40_000);
        world.up(10_100, client, 0x02, 900_000, 0, Seen::Both);
        world.down(10_101, client, 0x10, 89, seq_after, Seen::Both);
        world.up(10_102, client, 0x04, seq_after, 0, Seen::Both);
        world.timed_out(10_400, Some(300));
        for point in BOTH {
            world.change(point, |s| {
                let bare = s.ack == why504_model::SeqNumber(seq_after);
                Some(why504_model::Segment {
                    ip_id: if bare { Some(ip_id) } else { s.ip_id },
                    ..*s
                })
            });
        }
        let cases = world.judge(&BOTH);
        assert_eq!(
            (cases[0].verdict, cases[0].mechanism),
            (Verdict::StaleConnection, Some(mechanism))
        );
    }
}

#[test]
fn a_read_timeout_on_an_old_connection_has_no_handshake_to_blame() {
    let mut world = World::watched();
    world.timed_out(40_400, Some(300)).kind = why504_model::TimeoutKind::UpstreamReadTimeout;
    let found = world.correlate(&BOTH);
    assert!(found.cases.is_empty());
    assert_eq!(found.unrelated, [0]);
}

/// Silent servers, seen by an upstream whose clock is off, at moments given by the spacing.
fn skewed(moment: impl Fn(i64) -> i64) -> World {
    let mut world = World::default();
    world.skew = Span::from_millis(-3217);
    for i in 0..20_i64 {
        let ms = moment(i);
        let client = gateway(40_000 + u16::try_from(i).expect("few"));
        world.up(ms, client, 0x02, 5000, 0, Seen::Both);
        world.timed_out(ms + 300, Some(300)).start = Some(start_at(ms));
    }
    world.healthy(0, 61_000, upstream());
    world.healthy(60_000, 61_001, upstream());
    world
}

#[test]
fn a_skewed_upstream_capture_is_aligned_by_the_access_log_where_that_is_clear() {
    let irregular = skewed(|i| 10_000 + i * 1370 + (i * i * 37) % 900).answers(&[SERVER_POINT]);
    assert!(
        irregular.iter().all(|a| *a == (Verdict::ServerSilent, Grade::Proven)),
        "{irregular:?}"
    );
    // At a steady beat every multiple of it fits nearly as well.
    let steady = skewed(|i| 10_000 + i * 1370).answers(&[SERVER_POINT]);
    assert!(steady.iter().all(|(_, grade)| !grade.is_sure()), "{steady:?}");
}

/// From the upstream alone: the client answered the second SYN+ACK with a RST, at once. The same RST
/// from a nearer box, which translated addresses and has forgotten the mapping, tells nothing.
#[test]
fn a_rst_speaks_for_the_client_only_if_it_came_as_far_as_the_syn() {
    let mut world = skewed(|i| 10_000 + i * 1370 + (i * i * 37) % 900);
    for i in 0..20_i64 {
        let ms = 10_000 + i * 1370 + (i * i * 37) % 900;
        let client = gateway(40_000 + u16::try_from(i).expect("few"));
        world.down(ms + 1, client, 0x12, 9000, 5001, Seen::ServerOnly);
        world.down(ms + 1021, client, 0x12, 9000, 5001, Seen::Both);
        world.up(ms + 1023, client, 0x04, 5001, 0, Seen::Both);
    }
    let of = |world: &World| world.judge(&[SERVER_POINT]);
    let other_fates = |case: &Case| -> Vec<Verdict> {
        case.alternatives.iter().map(|(verdict, ..)| *verdict).collect()
    };
    for case in of(&world) {
        assert_eq!((case.verdict, case.grade), (Verdict::SynAckLost, Grade::Consistent));
        assert_eq!(other_fates(&case), [Verdict::SynAckNotAccepted], "the client had the second");
    }
    world.change(SERVER_POINT, |s| {
        let reset = s.flags.contains(why504_model::TcpFlags::RST);
        Some(why504_model::Segment { ttl: if reset { 64 } else { s.ttl }, ..*s })
    });
    for case in of(&world) {
        assert!(!case.grade.is_sure());
        assert!(other_fates(&case).contains(&Verdict::ReplyLost), "or nothing that it got");
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever is lost, whenever: a sure verdict is the truth.
        #[test]
        fn a_sure_verdict_is_the_truth(
            attempts in prop::collection::vec((0i64..20_000, prop::bool::ANY, prop::bool::ANY), 1..25),
            workers in 1u32..3,
            given in prop::sample::select(vec![vec![0u16], vec![1], vec![0, 1]]),
        ) {
            let mut world = World::watched();
            let mut truth = Vec::new();
            for (i, (ms, arrives, slow)) in attempts.into_iter().enumerate() {
                let number = u16::try_from(i).expect("few");
                let (ms, timer) = (ms + 5000, if slow { 900 } else { 300 });
                let isn = 5000 + u32::from(number) * 10_000;
                if arrives {
                    world.answer_lost(ms, 40_000 + number, isn);
                } else {
                    world.unanswered(ms, 40_000 + number, isn);
                }
                let verdict = if arrives { Verdict::SynAckLost } else { Verdict::SynLost };
                truth.push((ms + timer, timer, verdict, u32::from(number) % workers));
            }
            truth.sort_by_key(|(end, ..)| *end);
            for (end, _, _, worker) in &truth {
                let line = world.timed_out(*end, Some(300));
                line.worker = Some(*worker);
                let mut other = line.limits[0];
                other.at_least = Span::from_millis(900);
                other.at_most = Span::from_millis(900);
                line.limits.push(other);
            }
            for case in world.judge(&given) {
                if case.grade.is_sure() {
                    prop_assert_eq!(case.verdict, truth[case.timeout].2);
                }
                let shares: f64 = case.candidates.iter().map(|c| c.share).sum();
                prop_assert!(shares <= 1.0 + 1e-9);
            }
        }
    }
}

/// The gateway's own capture, its clock off by seconds: the access log's starts show it.
#[test]
fn the_clock_of_a_capture_on_the_gateway_is_held_against_the_log_as_well() {
    for skew in [0, -4000, 2750, 7300] {
        let mut world = World::watched_by(Span::from_millis(skew));
        for i in 0..30_i64 {
            // Unevenly spaced, so that no other shift fits; lost, answered in vain, lost ...
            let (ms, port) = (10_000 + 1_130 * i + 37 * i * i, 40_000 + u16::try_from(i).unwrap());
            if i % 2 == 0 {
                world.unanswered(ms, port, 5000);
            } else {
                world.answer_lost(ms, port, 5000);
            }
            world.timed_out(ms + 300, Some(300)).start = Some(start_at(ms));
        }
        for (i, case) in world.judge(&BOTH).iter().enumerate() {
            let expected = if i % 2 == 0 { Verdict::SynLost } else { Verdict::SynAckLost };
            assert_eq!(case.verdict, expected, "line {i} at {skew} ms");
        }
    }
}
