//! Streams the access logs past the timeouts.

use why504_ingest::Source;
use why504_model::{Damage, Location, SourceId};
use why504_nginxlog::{
    AccessEvent, AccessJoin, AccessPiece, AccessScanner, AccessTally, JoinIndex, Offers,
};

use super::in_order::in_order;
use super::pieces::{self, Reader, Scanner};
use crate::inputs::Kind;
use crate::plan::LogPlan;
use crate::progress::Complaints;

/// Shows every line of the access logs to the join.
pub(super) fn read(
    sources: &[&Source<Kind>],
    plan: &LogPlan,
    join: &mut AccessJoin,
    complaints: &mut Complaints,
) -> AccessTally {
    let (index, gathered) = join.parts();
    let read = in_order(
        sources,
        |source, emit| read_one(source, plan, index, emit),
        |_, batch: Vec<(Offers, u64)>| {
            for (offers, lines_before) in batch {
                gathered.take(offers, lines_before);
            }
        },
    );
    let mut tally = AccessTally::default();
    for (of_one, damage) in read {
        tally.add(of_one);
        if let Some(damage) = damage {
            complaints.add(Damage::Partial, damage);
        }
    }
    tally
}

/// Scans pieces of an access log.
#[derive(Clone)]
struct AccessPieces<'a> {
    source: SourceId,
    index: &'a JoinIndex,
    scanner: AccessScanner,
}

struct AccessReader<'a> {
    pieces: AccessPieces<'a>,
    /// What lines may mean, and how many lines stand before those of a piece.
    ready: Vec<(Offers, u64)>,
}

fn read_one(
    source: &Source<Kind>,
    plan: &LogPlan,
    index: &JoinIndex,
    emit: &mut dyn FnMut(Vec<(Offers, u64)>),
) -> (AccessTally, Option<String>) {
    let scanner = AccessScanner::new(plan.formats.clone());
    let pieces = AccessPieces { source: source.id, index, scanner };
    let mut reader = AccessReader { pieces, ready: Vec::new() };
    let damage =
        pieces::read(source, &mut reader, |reader| emit(std::mem::take(&mut reader.ready)));
    (reader.pieces.scanner.finish(), damage)
}

impl Scanner for AccessPieces<'_> {
    type Piece = (AccessPiece, Offers);

    fn scan(&self, lines: &[u8]) -> Self::Piece {
        let mut offers = Offers::default();
        let piece = self.scanner.piece(lines, &mut |event| {
            look(self.index, self.source, &event, &mut offers);
        });
        (piece, offers)
    }
}

impl<'a> Reader for AccessReader<'a> {
    type Scanner = AccessPieces<'a>;
    type Piece = (AccessPiece, Offers);

    fn scanner(&self) -> Self::Scanner {
        self.pieces.clone()
    }

    fn adopt(&mut self, (piece, offers): Self::Piece) -> bool {
        let Some((lines_before, _)) = self.pieces.scanner.adopt(piece) else { return false };
        self.ready.push((offers, lines_before));
        true
    }

    fn feed(&mut self, bytes: &[u8]) {
        let Self { pieces: AccessPieces { source, index, scanner }, ready } = self;
        let mut offers = Offers::default();
        scanner.feed(bytes, &mut |event| look(index, *source, &event, &mut offers));
        ready.push((offers, 0));
    }
}

/// Notes what a line may mean.
fn look(index: &JoinIndex, source: SourceId, event: &AccessEvent<'_>, offers: &mut Offers) {
    if let Some(record) = &event.record {
        index.look(Location { source, record: event.line }, record, offers);
    }
}
