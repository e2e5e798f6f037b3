//! The lab: makes real incidents with known truth, and judges `why504` by them.
//!
//! It builds a gateway (real nginx with Lua), a router that loses packets on purpose and an
//! upstream host in network namespaces, drives load through them, captures at both ends and at the
//! router, and writes down for each error-log line what really happened. All of that shares no code
//! with the product: what judges the product must be able to disagree with it. Only `simulate`,
//! which measures the join by millions of made-up lines, calls it in process.
#![allow(clippy::disallowed_methods, reason = "the lab drives real processes in real time")]

mod clock_text;
pub mod damage;
pub mod degrade;
pub mod judge;
pub mod logs;
pub mod netlab;
pub mod packet;
pub mod pcap;
pub mod random;
pub mod rewrite;
pub mod scenario;
pub mod simulate;
pub mod traffic;
pub mod truth;
