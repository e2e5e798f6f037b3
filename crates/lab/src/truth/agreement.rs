//! Compares two truths of the same set: ours, and one that somebody else derived.

use serde::Serialize;

use super::Row;

/// How far two truths of a set agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Rows that both have.
    pub rows: usize,
    /// Rows that both know the attempt of.
    pub both_exact: usize,
    /// Of these, rows with the same attempt.
    pub same_attempt: usize,
    /// Of these, rows with the same cause.
    pub same_cause: usize,
    /// Of these, rows with the same counts of packets.
    pub same_counts: usize,
    /// Rows that only we know the attempt of.
    pub ours_only: usize,
    /// Rows that only the other knows the attempt of.
    pub theirs_only: usize,
    /// Lines that only one of the two has a row for.
    pub unmatched: Vec<u64>,
    /// What differs, a line each.
    pub differences: Vec<String>,
}

/// Compares `ours` with `theirs`, row by row of the error log.
pub fn compare(ours: &[Row], theirs: &[Row]) -> Agreement {
    let mut agreement = Agreement::default();
    for row in ours {
        let Some(other) = theirs.iter().find(|other| other.line == row.line) else {
            agreement.unmatched.push(row.line);
            continue;
        };
        agreement.rows += 1;
        match (&row.attempt, &other.attempt) {
            (Some(our), Some(their)) => {
                agreement.both_exact += 1;
                let id = |a: &super::Attempt| (a.src.clone(), a.sport, a.dport, a.isn);
                let same = id(our) == id(their);
                let cause = our.cause == their.cause;
                let counts = (our.n_syn, our.syn_arrived, our.synack_sent, our.late_synack)
                    == (their.n_syn, their.syn_arrived, their.synack_sent, their.late_synack);
                agreement.same_attempt += usize::from(same);
                agreement.same_cause += usize::from(same && cause);
                agreement.same_counts += usize::from(same && counts);
                if !(same && cause && counts) {
                    agreement.differences.push(format!(
                        "line {}: ours {our:?}\n           theirs {their:?}",
                        row.line
                    ));
                }
            }
            (Some(_), None) => agreement.ours_only += 1,
            (None, Some(_)) => agreement.theirs_only += 1,
            (None, None) => {}
        }
    }
    let extra = theirs.iter().filter(|other| !ours.iter().any(|row| row.line == other.line));
    agreement.unmatched.extend(extra.map(|row| row.line));
    agreement
}
