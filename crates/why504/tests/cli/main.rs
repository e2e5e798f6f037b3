//! The binary from outside: arguments and files in, bytes and an exit status out.
//!
//! Expectations come from the promises (exit statuses, the NDJSON contract) and from
//! `testdata/demo/truth.jsonl`, never from what the binary printed once.

mod bad_input;
mod contract;
mod incident;
mod same_bytes;
mod truth;
mod usage;
