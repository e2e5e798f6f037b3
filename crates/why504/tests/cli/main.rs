//! The binary from outside: arguments and files in, bytes and an exit status out.
//!
//! Expectations come from the promises (exit statuses, the NDJSON contract) and from
//! `testdata/demo/truth.jsonl`, never from what the binary printed once.
#![allow(clippy::panic, reason = "a test says what it found instead")]

mod bad_input;
mod big_logs;
mod check;
mod contract;
mod counts;
mod incident;
mod logs;
mod rates;
mod recipe;
mod resets;
mod same_bytes;
mod sets;
mod slices;
mod truth;
mod tunnels;
mod usage;
