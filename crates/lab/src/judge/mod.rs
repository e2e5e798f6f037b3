//! Judges the tool by sets with known truth.
