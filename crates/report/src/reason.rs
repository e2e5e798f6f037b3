//! The reason of a case in one sentence: the row's words, what makes it less sure, and how many
//! candidates agree.

use std::borrow::Cow;

use why504_correlate::{Case, Doubt, Judgement, Verdict};

/// One sentence, without a full stop.
pub(crate) fn of_case(case: &Case) -> String {
    let mut reason = with_doubt(case.reason, case.doubt).into_owned();
    if case.fitting > 1 && case.verdict != Verdict::Ambiguous {
        reason.push_str(&format!("; {} candidates agree", case.fitting));
    }
    reason
}

/// The same for one attempt.
pub(crate) fn of_judgement(judgement: &Judgement) -> Cow<'static, str> {
    with_doubt(judgement.row.reason, judgement.doubt)
}

fn with_doubt(reason: &'static str, doubt: Option<Doubt>) -> Cow<'static, str> {
    match doubt {
        None => reason.into(),
        Some(doubt @ Doubt::Coverage(_)) => {
            format!("{reason}; coverage unproven: {}", doubt.words()).into()
        }
        Some(doubt) => format!("{reason}; less sure because {}", doubt.words()).into(),
    }
}
