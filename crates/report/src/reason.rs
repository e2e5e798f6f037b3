//! The reason of a case in one sentence: the row's words, what makes it less sure, and how many
//! candidates agree.

use why504_correlate::{Case, Doubt, Judgement, Verdict};

/// One sentence, without a full stop.
pub(crate) fn of_case(case: &Case) -> String {
    let mut reason = with_doubt(case.reason, case.doubt);
    if case.candidates.len() > 1 && case.verdict != Verdict::Ambiguous {
        reason.push_str(&format!("; {} candidates agree", case.candidates.len()));
    }
    reason
}

/// The same for one attempt.
pub(crate) fn of_judgement(judgement: &Judgement) -> String {
    with_doubt(judgement.row.reason, judgement.doubt)
}

fn with_doubt(reason: &str, doubt: Option<Doubt>) -> String {
    match doubt {
        None => reason.to_owned(),
        Some(doubt @ Doubt::Coverage(_)) => {
            format!("{reason}; coverage unproven: {}", doubt.words())
        }
        Some(doubt) => format!("{reason}; less sure because {}", doubt.words()),
    }
}
