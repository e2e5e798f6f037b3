//! One run of a scenario: namespaces, processes, captures, load.

pub mod client;
mod command;
mod conf;
mod detour;
pub mod forwarder;
mod install;
pub mod leftovers;
mod namespaces;
mod plan;
mod processes;
mod rules;
mod run;
pub mod server;

pub use install::{install, missing_programs};
pub use namespaces::{janitor, remove_leftovers};
pub use plan::{Request, plan};
pub use run::{Outcome, run};
