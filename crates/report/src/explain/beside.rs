//! What other attempts to the same upstream tell of this one: hints that narrow a verdict down and
//! change nothing of it.

use why504_correlate::{Case, Verdict};
use why504_handshake::{Attempt, Event, Sighting};
use why504_model::Span;

use crate::run::Run;

/// What was answered within this time was answered by the service as it was then.
const AT_THAT_TIME: Span = Span::from_secs(1);

/// A sentence, where there is something to say.
pub(super) fn hint(run: &Run<'_>, case: &Case, attempt: &Attempt) -> Option<String> {
    match case.verdict {
        Verdict::ServerSilent => others_answered(run, attempt),
        Verdict::Refused => refused_on_the_way(run, attempt),
        _ => None,
    }
}

/// Whether the silent server answered others meanwhile. That it answered none says nothing: of the
/// healthy ones only a sample is kept.
fn others_answered(run: &Run<'_>, attempt: &Attempt) -> Option<String> {
    let seen = attempt.sightings().last()?;
    let at_that_time = |other: &Sighting| {
        let answer = other.syn_acks().next()?;
        (answer.time.distance(seen.first_syn()) <= AT_THAT_TIME).then_some(())
    };
    let answered = at_the_same_point(run, seen).filter_map(at_that_time).count();
    (answered > 0).then(|| {
        format!(
            "Within a second of it this upstream answered other SYNs on the same port ({answered} \
             seen): something is up and lets some through, as a full accept or SYN queue and a rate \
             limit do; a filter on the port or a dead host would drop all."
        )
    })
}

/// Whether the RST has made fewer hops than every SYN+ACK of the server: something on the way sent it.
fn refused_on_the_way(run: &Run<'_>, attempt: &Attempt) -> Option<String> {
    let seen = attempt.nearest();
    let rst = seen.refusal()?;
    let farthest = at_the_same_point(run, seen).flat_map(Sighting::syn_acks).map(hops).min()?;
    let made = hops(rst);
    (made < farthest).then(|| {
        format!(
            "By its time to live the RST has made {made} hops and every SYN+ACK of this upstream \
             {farthest} or more: not the upstream, but something on the way sent it."
        )
    })
}

/// What the same point saw of other attempts to the same server.
fn at_the_same_point<'a>(
    run: &Run<'a>,
    seen: &'a Sighting,
) -> impl Iterator<Item = &'a Sighting> + use<'a> {
    let others = run.merged.attempts.iter().filter_map(|other| other.at(seen.point));
    others.filter(|other| other.flow.server == seen.flow.server && other.isn != seen.isn)
}

/// Hops that a packet has made, by the next usual initial value: 64 (Linux, BSD), 128 (Windows), 255.
fn hops(event: &Event) -> u8 {
    let initial = match event.ttl {
        0..=64 => 64,
        65..=128 => 128,
        _ => 255,
    };
    initial - event.ttl
}
