//! What refines a verdict.

use super::*;

#[test]
fn loss_in_both_directions_and_a_held_port_are_named() {
    let mixed = with(both(), |f| {
        at_client(f).syns = 2;
        at_server(f).syn_acks = 1;
    });
    assert_eq!(judge(&mixed).mechanism, Some(Mechanism::Mixed));
    let (syns, syn_acks) = (Copies { sent: 2, arrived: 1 }, Copies { sent: 1, arrived: 0 });
    assert_eq!(judge(&mixed).copies, Some(Exchange { syns, syn_acks }));
    // What the client's capture missed did not arrive more often than it was sent.
    let missed = judge(&with(mixed, |f| at_server(f).syns = 3)).copies.expect("two points");
    assert_eq!(missed.syns, Copies { sent: 2, arrived: 2 });
    assert_eq!(judge(&gateway_only()).copies, None);
    assert_eq!(judge(&with(mixed, |f| f.other_answer = true)).copies, None);
    // Linux's limiter may swallow the bare ACK: SYN z gets no answer while x is half open.
    let limited = with(both(), |f| at_server(f).port_half_open = true);
    let judgement = judge(&limited);
    assert_eq!(judgement.verdict(), Verdict::ServerSilent);
    assert_eq!(judgement.mechanism, Some(Mechanism::PortReuseSynRecv));
}

#[test]
fn what_the_server_held_and_why_it_ignored_the_ack_are_named() {
    for (foreign, mechanism) in [
        (Foreign::Unknown, None),
        (Foreign::Unfinished, Some(Mechanism::PortReuseSynRecv)),
        (Foreign::Established, Some(Mechanism::Established)),
        (Foreign::CloseWait, Some(Mechanism::CloseWait)),
        (Foreign::TimeWait, Some(Mechanism::TimeWait)),
    ] {
        let stale = with(both(), |f| {
            at_server(f).foreign_ack = foreign;
            at_client(f).foreign_ack = foreign;
        });
        assert_eq!(judge(&stale).mechanism, mechanism);
        // The connect that succeeded after that says the same.
        let saved = with(stale, |f| (f.asked, at_client(f).completed) = (Asked::Outcome, true));
        assert_eq!(
            (judge(&saved).verdict(), judge(&saved).mechanism),
            (Verdict::Connected, mechanism)
        );
    }
    for (first_timer_fired, mechanism) in
        [(true, Mechanism::AcceptQueueOverflow), (false, Mechanism::DeferAccept)]
    {
        let ignored = with(both(), |f| {
            f.asked = Asked::Outcome;
            let seen = at_server(f);
            (seen.acked_in_time, seen.syn_acks_after_ack) = (true, 1);
            seen.first_timer_fired = first_timer_fired;
        });
        assert_eq!(judge(&ignored).mechanism, Some(mechanism));
    }
}

/// Taxonomy section 3.2, row 10: what was slow names the mechanism of an answer that came too late.
#[test]
fn what_took_longest_is_named() {
    for (leg, mechanism) in [
        (Some(Leg::Syn), Some(Mechanism::SynDelayed)),
        (Some(Leg::Server), Some(Mechanism::ServerSlow)),
        (Some(Leg::SynAck), Some(Mechanism::LatePath)),
        (None, None),
    ] {
        let left_late = with(both(), |f| (f.server_slow, f.slowest) = (true, leg));
        let came_late = with(both(), |f| {
            at_server(f).syn_acks = 1;
            (f.late, f.came, f.slowest) = (LateAnswer::OffSchedule, Which::First, leg);
        });
        for facts in [left_late, came_late] {
            let judgement = judge(&facts);
            assert_eq!(
                (judgement.verdict(), judgement.grade, judgement.mechanism),
                (Verdict::SynAckLate, Grade::Proven, mechanism)
            );
        }
    }
}

/// product.md section 4: an attempt still open when the capture ends says so in its mechanism.
#[test]
fn an_attempt_that_the_capture_left_open_says_so() {
    let open = |asked| {
        with(gateway_only(), |f| {
            f.asked = asked;
            f.open_at_end = true;
        })
    };
    assert_eq!(judge(&open(Asked::Outcome)).mechanism, Some(Mechanism::OpenAtEnd));
    assert_eq!(judge(&open(Asked::Connect)).mechanism, None, "nginx gave it up");
    let connected = with(open(Asked::Outcome), |f| at_client(f).completed = true);
    assert_eq!(judge(&connected).mechanism, None);
}

/// A SYN proxy whose server does not answer: the client's handshake is complete, and of the server's no
/// more than the SYN is seen.
#[test]
fn a_handshake_that_the_server_never_answered_was_completed_by_something_else() {
    let elsewhere = with(both(), |f| {
        f.asked = Asked::Read;
        (at_client(f).syn_acks, at_client(f).completed) = (1, true);
    });
    let uncovered = with(elsewhere, |f| {
        f.server.as_mut().expect("a server end").coverage = Err(CoverageGap::OneDirection);
    });
    let answered = with(elsewhere, |f| {
        (at_server(f).syn_acks, at_server(f).acked_in_time) = (1, true);
    });
    for (facts, mechanism) in
        [(elsewhere, Some(Mechanism::SynProxy)), (uncovered, None), (answered, None)]
    {
        let judgement = judge(&facts);
        assert_eq!((judgement.verdict(), judgement.mechanism), (Verdict::Connected, mechanism));
    }
    assert_eq!(judge(&elsewhere).grade, Grade::Consistent, "its own capture may have missed it");
}
