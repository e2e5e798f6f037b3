//! Pieces of an error log that are scanned by themselves, on other threads, and put together in
//! order.
//!
//! A piece begins with a line. Scanned by itself it does not know what stands before it: how many
//! lines, whether a record is open or a line comes in parts. [`ErrorScanner::adopt`] is the proof that
//! this makes no difference, or refuses the piece, which then has to be fed. So the events are
//! those of one pass over the whole, wherever it is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::state::State;
use super::{ErrorEvent, ErrorScanner};
use crate::classify::UserPattern;
use crate::lines::Block;

/// A piece of an error log, scanned by itself: [`PieceScanner::scan`].
#[derive(Clone, Debug)]
pub struct ErrorPiece {
    state: State,
    /// It was taken for granted that lines come in parts, or that they do not.
    parted: bool,
}

/// Where an adopted piece stands: what has to be added to the numbers and offsets of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Lines before the piece.
    pub lines: u64,
    /// Bytes before the piece.
    pub bytes: u64,
}

/// Scans pieces of the log that an [`ErrorScanner`] reads.
#[derive(Clone, Debug)]
pub struct PieceScanner {
    patterns: Arc<[UserPattern]>,
    parted: Arc<AtomicBool>,
}

impl PieceScanner {
    /// Scans whole lines from further on in the stream. The line numbers and offsets that `sink`
    /// gets count from the beginning of the piece.
    pub fn scan(&self, lines: &[u8], sink: &mut impl FnMut(ErrorEvent<'_>)) -> ErrorPiece {
        let mut state = State::new(self.patterns.clone());
        let parted = self.parted.load(Ordering::Relaxed);
        (state.parted, state.further_on) = (parted, true);
        state.block(&Block { bytes: lines, omitted: 0 }, sink);
        ErrorPiece { state, parted }
    }
}

impl ErrorScanner {
    /// What scans pieces of this log. Whether its lines come in parts it learns from the lines that
    /// this scanner reads, also later: a piece that was scanned too early is refused.
    pub fn pieces(&self) -> PieceScanner {
        PieceScanner { patterns: self.state.patterns.clone(), parted: self.parted.clone() }
    }

    /// Goes on behind a piece that begins where this scanner stands. `None`, and nothing has
    /// changed, when the piece cannot be understood by itself: then its bytes have to be fed.
    pub fn adopt(&mut self, piece: ErrorPiece) -> Option<Moved> {
        let state = &mut self.state;
        let between_records = self.blocks.tail().is_none()
            && state.tally.total > 0
            && state.open.is_none()
            && !state.parts.any();
        if !between_records || state.parted != piece.parted {
            return None;
        }
        let moved = Moved { lines: state.tally.total, bytes: state.offset };
        let piece = piece.state;
        state.open = piece.open.map(|mut open| {
            open.origin.line = open.origin.line.saturating_add(moved.lines);
            open.origin.offset = open.origin.offset.saturating_add(moved.bytes);
            open
        });
        state.parts = piece.parts.moved(moved.lines, moved.bytes);
        state.parted = piece.parted;
        self.parted.store(state.parted, Ordering::Relaxed);
        state.offset = state.offset.saturating_add(piece.offset);
        state.limited = state.limited.saturating_add(piece.limited);
        state.unresolved = state.unresolved.saturating_add(piece.unresolved);
        state.tally.add(piece.tally);
        Some(moved)
    }
}
