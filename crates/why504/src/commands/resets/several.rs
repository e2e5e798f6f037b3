//! Several points: a RST is captured at each point on its way, and is one RST.

use std::collections::BTreeMap;
use std::io;

use why504_correlate::{History, Points, judge_attempt};
use why504_handshake::{Merged, Nat, Path, PointId, Reset, Side};
use why504_ingest::Source;
use why504_model::Endpoint;
use why504_report::SentReset;

use super::{Fates, Printer};
use crate::captures::{self, Captures, Keep};
use crate::inputs::Kind;
use crate::points::Point;
use crate::progress::Complaints;

/// What is the same of a RST at every point: the server as seen nearest the client, who sent it, its
/// numbers and its flags. The client's address is not: source NAT changes it.
type Identity = (Endpoint, Side, u32, u32, u8);

/// Reads all points, judges the attempts, and prints each RST once.
pub(super) fn read(
    points: &[Point],
    files: &[&Source<Kind>],
    nat: &Nat,
    complaints: &mut Complaints,
    printer: &mut Printer<'_>,
) -> io::Result<(Captures, Merged)> {
    let mut all = captures::read(points, files, Keep::Resets, complaints);
    let merged = all.merge(nat);
    let coverage = all.coverage.iter().map(|(point, coverage)| (*point, coverage)).collect();
    let points = Points { path: &all.path, coverage: &coverage, merged: &merged };
    let history = History::new(points);
    let mut fates = Fates::default();
    for attempt in &merged.attempts {
        fates.learn(attempt, (&judge_attempt(points, &history, attempt)).into());
    }
    let tunnels = all.take_tunnels();
    let mut resets = Vec::new();
    for point in &mut all.points {
        printer.totals.captured_twice += point.reset_tally.captured_twice;
        resets.append(&mut point.resets);
    }
    for (reset, further) in once_each(resets, &merged, &all.path) {
        let fate = fates.of(&reset);
        let further = further.into_iter().map(|r| (r.point, r.packet)).collect();
        printer.print(&SentReset { reset, further, fate }, &tunnels)?;
    }
    Ok((all, merged))
}

/// Each RST with its sightings at further points, in order of time. The first one of an identity at
/// one point is the first one at the next, and so on.
fn once_each(resets: Vec<Reset>, merged: &Merged, path: &Path) -> Vec<(Reset, Vec<Reset>)> {
    let mut servers: BTreeMap<(PointId, Endpoint, u32), Endpoint> = BTreeMap::new();
    for attempt in &merged.attempts {
        for sighting in attempt.sightings() {
            let key = (sighting.point, sighting.flow.server, sighting.isn.0);
            servers.insert(key, attempt.flow().server);
        }
    }
    let mut groups: BTreeMap<(Identity, usize), Vec<Reset>> = BTreeMap::new();
    let mut counts: BTreeMap<(Identity, PointId), usize> = BTreeMap::new();
    for reset in resets {
        let own = reset.flow.server;
        let known = reset.about.and_then(|isn| servers.get(&(reset.point, own, isn.0)));
        let packet = &reset.packet;
        let server = known.copied().unwrap_or(own);
        let identity = (server, packet.side, packet.seq.0, packet.ack.0, packet.flags.0);
        let nth = counts.entry((identity, reset.point)).or_default();
        *nth += 1;
        groups.entry((identity, *nth)).or_default().push(reset);
    }
    let mut sent: Vec<(Reset, Vec<Reset>)> = groups
        .into_values()
        .filter_map(|mut group| {
            let order = path.order(server_of(&group)?.ip);
            let from_client = |r: &Reset| order.iter().position(|p| *p == r.point);
            group.sort_by_key(from_client);
            if group.first()?.packet.side == Side::Server {
                group.reverse();
            }
            let mut group = group.into_iter();
            Some((group.next()?, group.collect()))
        })
        .collect();
    sent.sort_by_key(|(reset, _)| (reset.time(), reset.point, reset.packet.location));
    sent
}

fn server_of(group: &[Reset]) -> Option<Endpoint> {
    group.first().map(|reset| reset.flow.server)
}
