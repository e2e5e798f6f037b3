//! The command line of why504.
//!
//! Nothing is decided here: arguments become a plan, the plan runs, the outcome becomes an exit
//! status. Only this crate and `ingest` touch files, the environment and the terminal.

mod args;
mod captures;
mod commands;
mod exit;
mod inputs;
mod logs;
mod output;
mod plan;
mod points;
mod progress;
mod raw_frames;
mod run;
mod shown;
mod slices;
mod threads;
mod tunnels;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit::status(commands::run(args::Args::parse()))
}
