//! `docs/verdicts.md`, generated from the decision table.

/// The document.
pub fn markdown() -> String {
    String::new()
}
