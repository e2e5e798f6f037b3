//! Captures that hide, bend or lack something: no verdict may be surer than they allow.

mod world;

use why504_correlate::{Doubt, Grade, Verdict};
use why504_model::{Endpoint, Interval, Segment, Span, StartBasis, TcpFlags, TimeoutKind};
use world::{CLIENT_POINT, SERVER_POINT, Seen, World, at, gateway, upstream};

const BOTH: [u16; 2] = [CLIENT_POINT, SERVER_POINT];

/// The gateway sends by two cards and one was captured: a SYN that left by the other is not one that never
/// left, and the upstream's capture shows it.
#[test]
fn a_syn_that_only_the_upstream_saw_keeps_no_syn_sent_from_being_sure() {
    for (seen_there, grade) in [(false, Grade::Signature), (true, Grade::Consistent)] {
        let mut world = World::watched();
        for ms in [8_100, 20_100] {
            world.answer_lost(ms, 40_000 + u16::try_from(ms / 100).expect("a port"), 5000);
            world.timed_out(ms + 300, Some(300)).start = Some(world::start_at(ms));
        }
        world.timed_out(10_400, Some(300)).start = Some(world::start_at(10_100));
        if seen_there {
            world.up(10_100, gateway(50_000), 0x02, 7000, 0, Seen::ServerOnly);
        }
        assert_eq!(world.answers(&BOTH)[2], (Verdict::NoSynSent, grade));
    }
}

/// Nobody on the link has the upstream's address: the kernel holds the SYN back, asks once a second and
/// drops it. Only the gateway's own questions say so, only if nobody answers, and only of a log that is
/// of the same host: one that says itself that the upstream could not be reached, or found its attempts.
#[test]
fn questions_for_an_address_that_nobody_answers_show_that_no_syn_left() {
    let judged = |asker: Endpoint, asked: &[i64], unreachable: bool| {
        let mut world = World::watched();
        let nobody = Endpoint::new([10, 0, 0, 250].into(), 8080);
        for &ms in asked {
            world.asks(ms, asker, nobody);
        }
        world.timed_out(10_400, Some(300)).start = Some(world::start_at(10_100));
        if unreachable {
            let line = world.timed_out(12_400, None);
            line.kind = TimeoutKind::ConnectUnreachable;
            line.start = Some(world::start_at(10_110));
        }
        for line in &mut world.lines {
            line.peer = Some(nobody);
        }
        world.answers(&BOTH)[0]
    };
    let (own, other) = (gateway(1), Endpoint::new([10, 0, 0, 77].into(), 1));
    let again = [9_400, 10_420, 11_440];
    assert_eq!(judged(own, &again, true), (Verdict::NoSynSent, Grade::Signature));
    assert_eq!(judged(own, &again, false), (Verdict::NoSynSent, Grade::Consistent));
    for (asker, asked) in [(other, &again[..]), (own, &again[..1]), (own, &[7_000, 8_020])] {
        assert_eq!(judged(asker, asked, true), (Verdict::NotCaptured, Grade::Consistent));
    }
}

/// `TCP_DEFER_ACCEPT`, and a client that waits for the server to speak: nothing of the server but a
/// repeated SYN+ACK before nginx gives up, and FINs on both sides right after.
#[test]
fn what_a_server_says_after_nginx_has_closed_is_no_sign_that_it_heard_the_ack() {
    let client = gateway(40_000);
    let mut world = World::watched();
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9000, 5001, Seen::Both);
    world.up(10_102, client, 0x10, 5001, 9001, Seen::Both);
    world.down(11_130, client, 0x12, 9000, 5001, Seen::Both);
    world.up(11_131, client, 0x10, 5001, 9001, Seen::Both);
    world.up(12_102, client, 0x11, 5001, 9001, Seen::Both);
    world.down(12_103, client, 0x11, 9001, 5002, Seen::Both);
    world.timed_out(12_102, Some(2000)).kind = TimeoutKind::LuaReadTimeout;
    assert_eq!(world.answers(&BOTH), [(Verdict::AckIgnored, Grade::Proven)]);
    assert_eq!(world.sure(&[CLIENT_POINT]), []);
}

/// The same where a capture lost the client's FIN: what acknowledges it tells that it was sent. Nor is a
/// capture that lost a packet any proof of what is not in it.
#[test]
fn a_lost_fin_makes_no_sign_of_life_of_its_answer() {
    for (fin, again) in [(Seen::ServerOnly, Seen::Both), (Seen::ClientOnly, Seen::ClientOnly)] {
        let client = gateway(40_000);
        let mut world = World::watched();
        world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
        world.down(10_101, client, 0x12, 9000, 5001, Seen::Both);
        world.up(10_102, client, 0x10, 5001, 9001, Seen::Both);
        world.down(11_130, client, 0x12, 9000, 5001, again);
        world.up(11_131, client, 0x10, 5001, 9001, again);
        world.up(12_090, client, 0x11, 5001, 9001, fin);
        world.down(12_091, client, 0x11, 9001, 5002, Seen::Both);
        world.timed_out(12_102, Some(2000)).kind = TimeoutKind::LuaReadTimeout;
        for given in [&BOTH[..], &[CLIENT_POINT], &[SERVER_POINT]] {
            assert_eq!(world.sure(given), [], "{given:?}");
        }
    }
}

/// The gateway's capture ended before the SYN+ACK came, late: the upstream's shows the RST that answered it.
/// A box that forgot a mapping resets in the client's name, from another distance, and tells nothing; nor
/// does a RST that answers a repeated SYN+ACK at once.
#[test]
fn a_reset_that_only_the_upstream_saw_speaks_of_an_answer_that_came() {
    for (hops, again, grade) in
        [(1, None, Grade::Consistent), (0, None, Grade::Proven), (1, Some(12_290), Grade::Proven)]
    {
        let mut world = World::watched();
        world.answer_lost(10_100, 40_000, 5000);
        if let Some(ms) = again {
            world.down(ms, gateway(40_000), 0x12, 9000, 5001, Seen::ServerOnly);
        }
        world.up(12_300, gateway(40_000), 0x04, 5001, 0, Seen::ServerOnly);
        world.change(SERVER_POINT, |segment| {
            let reset = segment.flags.contains(TcpFlags::RST);
            Some(Segment { ttl: if reset { 64 - hops } else { segment.ttl }, ..*segment })
        });
        world.timed_out(10_400, Some(300));
        assert_eq!(world.answers(&BOTH), [(Verdict::SynAckLost, grade)], "{hops}");
    }
}

/// From the gateway alone a SYN that is missing beside others was not sent; where everything is missing for
/// much longer than connects are apart, the capture may have stood still. The upstream's would show that.
#[test]
fn a_moment_without_any_connect_shows_no_absence_where_connects_are_many() {
    for (every, gap, alone) in
        [(100, 0, Grade::Signature), (100, 1_500, Grade::Consistent), (1_500, 0, Grade::Signature)]
    {
        let mut world = World::watched();
        for (i, ms) in (1_050..60_000).step_by(every).enumerate() {
            if gap == 0 || !(29_500..29_500 + gap).contains(&ms) {
                world.healthy(ms, 20_000 + u16::try_from(i).expect("few"), upstream());
            }
        }
        for ms in [8_100, 20_100] {
            world.answer_lost(ms, 40_000 + u16::try_from(ms / 100).expect("a port"), 5000);
            world.timed_out(ms + 300, Some(300)).start = Some(world::start_at(ms));
        }
        world.timed_out(30_400, Some(300)).start = Some(world::start_at(30_100));
        assert_eq!(world.answers(&[CLIENT_POINT])[2], (Verdict::NoSynSent, alone), "{every} {gap}");
        assert_eq!(world.answers(&BOTH)[2], (Verdict::NoSynSent, Grade::Signature));
    }
}

/// A timer waits a second before it sends a SYN+ACK again (RFC 6298): what comes sooner is the first.
/// Half a second later than the schedule it may be anything.
#[test]
fn from_the_gateway_alone_a_late_answer_is_sure_only_before_any_repetition() {
    for (after, expected) in [
        // A reset before the deadline may be a local firewall's.
        (200, (Verdict::SynAckLate, Grade::Consistent)),
        (700, (Verdict::SynAckLate, Grade::Signature)),
        (960, (Verdict::SynAckLate, Grade::Consistent)),
        (1500, (Verdict::SynAckLate, Grade::Consistent)),
    ] {
        let mut world = World::watched();
        let client = gateway(40_000);
        world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
        world.down(10_100 + after, client, 0x12, 9000, 5001, Seen::Both);
        world.up(10_101 + after, client, 0x04, 5001, 0, Seen::Both);
        // The world's packets echo nothing; this answer echoes its SYN.
        let value = u32::try_from(10_100 + 1_000_000).expect("in range");
        world.change(CLIENT_POINT, |s| {
            let mut segment = *s;
            if segment.flags.contains(TcpFlags::SYN | TcpFlags::ACK)
                && let Some(stamps) = &mut segment.timestamps
                && segment.time == at(10_100 + after)
            {
                stamps.echo = value;
            }
            Some(segment)
        });
        world.timed_out(10_400, Some(300));
        assert_eq!(world.answers(&[CLIENT_POINT]), [expected], "{after} ms");
    }
}

/// An old connection answers a SYN, the client's RST may have ended it, and Linux repeats the SYN after
/// some milliseconds: only when that one draws the same ACK is it known that nothing changed.
#[test]
fn from_the_gateway_alone_a_bare_ack_is_sure_only_for_the_last_syn() {
    for (last_answered, grade) in [(false, Grade::Consistent), (true, Grade::Signature)] {
        let mut world = World::watched();
        let client = gateway(40_000);
        world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
        world.down(10_101, client, 0x10, 9000, 777, Seen::Both);
        world.up(10_102, client, 0x04, 777, 0, Seen::ClientOnly);
        world.up(11_120, client, 0x02, 5000, 0, Seen::Both);
        if last_answered {
            world.down(11_121, client, 0x10, 9000, 777, Seen::Both);
            world.up(11_122, client, 0x04, 777, 0, Seen::ClientOnly);
        }
        world.timed_out(11_600, Some(1500));
        let expected = [(Verdict::StaleConnection, grade)];
        assert_eq!(world.answers(&[CLIENT_POINT]), expected, "{last_answered}");
    }
}

/// After a blocked worker wakes, requests that waited start in the same millisecond; one whose user
/// has left leaves an unanswered SYN and no line. The line is the other's, which was answered in time.
#[test]
fn an_unanswered_syn_beside_a_stalled_connect_takes_no_line_for_sure() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    let client = gateway(40_001);
    world.up(10_101, client, 0x02, 7000, 0, Seen::Both);
    world.down(10_102, client, 0x12, 9000, 7001, Seen::Both);
    world.up(10_103, client, 0x10, 7001, 9001, Seen::Both);
    world.up(10_402, client, 0x11, 7001, 9001, Seen::Both);
    let line = world.timed_out(10_402, Some(300));
    line.start = Some((Interval::new(at(10_095), at(10_105)), StartBasis::RequestTime));
    assert_eq!(world.sure(&BOTH), []);
}

#[test]
fn on_one_wire_a_capture_of_unanswered_answers_may_be_at_either_end() {
    let mut world = World::default();
    for (i, ms) in [10_100, 20_100, 30_100].into_iter().enumerate() {
        world.answer_lost(ms, 40_000 + u16::try_from(i).expect("few"), 5000);
        world.timed_out(ms + 300, Some(300));
    }
    // No router: the time to live is whole at both ends.
    world.change(SERVER_POINT, |segment| Some(Segment { ttl: 64, ..*segment }));
    assert_eq!(world.sure(&[SERVER_POINT]), []);
}

#[test]
fn a_host_that_checks_itself_is_not_the_gateway() {
    let mut world = World::watched();
    world.answer_lost(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    let before = world.answers(&BOTH);
    world.itself(9_000, SERVER_POINT);
    assert_eq!(world.answers(&BOTH), before);
    assert_eq!(world.sure(&[SERVER_POINT]), []);
}

#[test]
fn of_two_ways_side_by_side_one_proves_nothing_about_the_other() {
    let mut world = World::watched();
    world.unanswered(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    // Every second connection goes the other way.
    world.filter(SERVER_POINT, |s| s.source.port != 60_001 && s.destination.port != 60_001);
    world.up(5_000, gateway(50_000), 0x02, 1, 0, Seen::ServerOnly);
    let other = Endpoint::new(upstream().ip, 8081);
    world.healthy(700, 60_003, other);
    assert_eq!(world.sure(&BOTH), []);
}

#[test]
fn a_clock_that_nothing_ties_makes_no_server_slow() {
    let mut world = World::watched();
    for i in 0..3 {
        world.answer_lost(10_100 + i * 2000, 40_000 + u16::try_from(i).expect("few"), 5000);
        world.timed_out(10_400 + i * 2000, Some(300));
    }
    let shared = 40_000..40_010;
    // The healthy connections of the upstream are those of other clients: no packet of the server
    // is at both points, and the upstream's clock is three seconds ahead.
    world.change(SERVER_POINT, |segment| {
        let mut there = *segment;
        there.time = there.time + Span::from_secs(3);
        if !shared.contains(&segment.source.port) && !shared.contains(&segment.destination.port) {
            there.seq.0 = there.seq.0.wrapping_add(1_000_000);
            there.ack.0 = there.ack.0.wrapping_add(1_000_000);
        }
        Some(there)
    });
    for (verdict, _) in world.answers(&BOTH) {
        assert_eq!(verdict, Verdict::SynAckLost);
    }
}

#[test]
fn a_clock_that_was_set_makes_no_server_slow() {
    let mut world = World::watched();
    world.answer_lost(30_100, 40_000, 5000);
    world.timed_out(30_400, Some(300));
    world.change(SERVER_POINT, |segment| {
        let step = if segment.time > at(20_000) { Span::from_secs(5) } else { Span::ZERO };
        Some(Segment { time: segment.time + step, ..*segment })
    });
    assert_eq!(world.answers(&BOTH)[0].0, Verdict::SynAckLost);
}

#[test]
fn a_late_answer_to_an_older_attempt_is_not_a_rewritten_one() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 900_000, 0, Seen::Both);
    // It acknowledges an attempt from before the capture, and echoes that one's time stamp.
    world.down(10_150, client, 0x12, 9000, 5001, Seen::Both);
    world.up(10_150, client, 0x04, 5001, 0, Seen::Both);
    world.down(10_160, client, 0x12, 9900, 900_001, Seen::ServerOnly);
    world.timed_out(10_400, Some(300));
    assert_eq!(world.answers(&BOTH), [(Verdict::SynAckLost, Grade::Proven)]);
}

#[test]
fn a_reset_that_the_client_saw_and_ignored_was_not_lost() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    // Not acceptable in SYN-SENT: it acknowledges the ISN itself.
    world.down(10_101, client, 0x14, 0, 5000, Seen::Both);
    world.timed_out(10_400, Some(300));
    assert_eq!(world.sure(&BOTH), []);
}

#[test]
fn an_answer_at_the_deadline_was_not_refused_by_the_host() {
    let mut world = World::watched();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    // 70 ms after the timer; the host's own filter drops the RST that says so.
    world.down(10_470, client, 0x12, 9000, 5001, Seen::Both);
    world.timed_out(10_410, Some(300));
    assert_eq!(world.sure(&BOTH), []);
}

#[test]
fn two_captures_of_one_gateway_are_not_two_ends() {
    let mut world = World::watched();
    world.unanswered(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    let mut twin = World::watched();
    twin.unanswered(10_100, 40_000, 5000);
    twin.rename_point(SERVER_POINT, 8);
    twin.rename_point(CLIENT_POINT, 2);
    world.rename_point(SERVER_POINT, 7);
    world.absorb(twin);
    assert_eq!(world.sure(&[CLIENT_POINT, 2]), []);
}

#[test]
fn a_silence_between_two_files_proves_nothing() {
    let mut world = World::watched();
    world.unanswered(10_100, 40_000, 5000);
    world.timed_out(10_400, Some(300));
    world.change(SERVER_POINT, |segment| {
        let mut there = *segment;
        there.location.source.0 = if segment.time < at(5_000) { 20 } else { 21 };
        Some(there)
    });
    assert_eq!(world.sure(&BOTH), []);
}

/// SYNs at 10.1 s whose SYN+ACKs come after so many milliseconds each and are reset; each echoes
/// its SYN, as a server with TCP timestamps does.
fn late_answers(waits: &[&[i64]]) -> World {
    let mut world = World::watched();
    for (i, waits) in waits.iter().enumerate() {
        let port = 40_000 + u16::try_from(i).expect("few");
        let (client, isn) = (gateway(port), 5000 + u32::from(port));
        let began = 10_100 + i64::try_from(i).expect("few") * 10_000;
        world.up(began, client, 0x02, isn, 0, Seen::Both);
        for wait in *waits {
            world.down(began + wait, client, 0x12, 9000, isn + 1, Seen::ClientOnly);
            world.up(began + wait + 1, client, 0x04, isn + 1, 0, Seen::ClientOnly);
        }
        world.timed_out(began + 300, Some(300));
    }
    world.change(CLIENT_POINT, |segment| {
        let mut there = *segment;
        if let Some(ts) = there.timestamps.as_mut().filter(|_| segment.is_syn_ack()) {
            // The SYN's time stamp, by the port that gives its time.
            let i = i64::from(segment.destination.port) - 40_000;
            if (0..10).contains(&i) {
                ts.echo = u32::try_from(1_010_100 + i * 10_000).expect("in range");
            }
        }
        Some(there)
    });
    world
}

#[test]
fn a_late_answer_in_the_servers_slot_is_a_repeated_one_where_nothing_else_is_late() {
    let signature = (Verdict::SynAckLost, Grade::Signature);
    assert_eq!(late_answers(&[&[1010]]).answers(&[CLIENT_POINT]), [signature]);
    assert_eq!(late_answers(&[&[3040]]).answers(&[CLIENT_POINT]), [signature]);
}

#[test]
fn a_way_that_delays_packets_makes_no_lost_ones() {
    // The second attempt's answer came when no server repeats itself.
    let world = late_answers(&[&[1010], &[1700]]);
    assert_eq!(world.sure(&[CLIENT_POINT]), []);
    // One second from this answer to the next: it was the first one.
    let world = late_answers(&[&[1010, 2030]]);
    assert_eq!(world.answers(&[CLIENT_POINT]), [(Verdict::SynAckLate, Grade::Consistent)]);
}

#[test]
fn a_server_capture_that_began_late_does_not_show_the_first_answer() {
    let mut world = World::default();
    let client = gateway(40_000);
    world.up(10_100, client, 0x02, 5000, 0, Seen::Both);
    world.down(10_101, client, 0x12, 9000, 5001, Seen::ServerOnly);
    world.down(11_110, client, 0x12, 9000, 5001, Seen::Both);
    world.up(11_111, client, 0x04, 5001, 0, Seen::Both);
    world.timed_out(10_400, Some(300));
    // What was captured before 11 s is gone at the server's point.
    let began = at(11_000);
    world.filter(SERVER_POINT, |segment| segment.time >= began);
    assert_eq!(world.sure(&BOTH), []);
}

#[test]
fn a_line_without_an_address_is_matched_by_time_and_never_sure() {
    for (named, grade, doubt) in
        [(true, Grade::Proven, None), (false, Grade::Consistent, Some(Doubt::Address))]
    {
        let mut world = World::watched();
        world.answer_lost(5100, 20_000, 5000);
        let line = world.timed_out(5400, Some(300));
        if !named {
            line.peer = None;
        }
        let case = &world.judge(&[CLIENT_POINT, SERVER_POINT])[0];
        assert_eq!((case.verdict, case.grade, case.doubt), (Verdict::SynAckLost, grade, doubt));
    }
}
