//! What became of an attempt, where no log line asks.

use why504_handshake::Attempt;
use why504_model::{Interval, Span};

use crate::Grade;
use crate::facts::Asked;
use crate::history::History;
use crate::judge::{Judgement, judge};
use crate::plain;
use crate::view::Points;

/// Without a log an attempt is judged by what never came. A capture that ends sooner than this after
/// its last packet does not show that.
const ANSWER_AWAITED: Span = Span::from_secs(1);

/// The outcome of an attempt without any log.
pub fn judge_attempt(points: Points<'_>, history: &History<'_>, attempt: &Attempt) -> Judgement {
    if let Some(facts) = plain::facts(points, attempt) {
        return judge(&facts);
    }
    let last = attempt.nearest().events.last().map_or(attempt.first_syn(), |e| e.time);
    let until = |end| {
        let during = Interval::new(attempt.first_syn(), end);
        judge(&history.facts(points, attempt, Asked::Outcome, None, during))
    };
    let judgement = until(last + Span::from_nanos(1));
    if judgement.grade == Grade::Proven { until(last + ANSWER_AWAITED) } else { judgement }
}
