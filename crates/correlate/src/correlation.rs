//! What a run found: the cases, and what is only known of several lines together.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::PointId;

use crate::LogClock;
use crate::case::Case;
use crate::groups::Group;
use crate::pin::ClockPin;

/// All cases of a run, and the timeouts that are about something else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correlation {
    /// One for each timeout that is about a connect, in the order of the timeouts.
    pub cases: Vec<Case>,
    /// Read timeouts without a handshake to blame: connections opened long before, or kept alive.
    pub unrelated: Vec<usize>,
    /// Lines that cannot be told apart, counted together.
    pub groups: Vec<Group>,
    /// How the clock of each point that is nearest to some client relates to the log's, and what failed
    /// connects say of it.
    pub clocks: BTreeMap<PointId, (LogClock, Option<ClockPin>)>,
}

impl Correlation {
    /// How many cases are of lines that were not assigned one to one ([`Join::assigned`](crate::Join)).
    pub fn not_assigned(&self) -> usize {
        self.cases.iter().filter(|case| !case.join.assigned).count()
    }
}
