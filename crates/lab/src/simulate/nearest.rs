//! The obvious method, to be compared with: the SYN to that upstream nearest to the logged time
//! minus the timeout. It always answers, and never says that it does not know.

use why504_model::{Span, Timeout};

use super::world::World;

/// The attempt that the obvious method takes for a line: nearest to the middle of the logged
/// interval less the (first) timer.
pub(super) fn nearest(world: &World, timeout: &Timeout) -> Option<usize> {
    let timer = timeout.limits.first().map_or(Span::ZERO, |limit| limit.at_most);
    let middle = timeout.logged.start() + timeout.logged.length().scaled(1, 2);
    let wanted = timeout
        .start
        .map_or(middle - timer, |(start, _)| start.start() + start.length().scaled(1, 2));
    let attempts = &world.merged.attempts;
    let next = attempts.partition_point(|a| a.first_syn() < wanted);
    let to_peer = |i: &usize| attempts.get(*i).map(|a| a.flow().server) == timeout.peer;
    let after = (next..attempts.len()).find(to_peer);
    let before = (0..next).rev().find(to_peer);
    let distance = |i: &usize| attempts.get(*i).map(|a| a.first_syn().distance(wanted));
    before.into_iter().chain(after).min_by_key(distance)
}
