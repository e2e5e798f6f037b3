//! Generates big captures for benchmarks.
