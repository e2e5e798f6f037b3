//! One run of a scenario: namespaces, processes, captures, load.

pub mod client;
mod command;
mod conf;
mod namespaces;
mod plan;
mod processes;
mod rules;
mod run;
pub mod server;

pub use namespaces::{janitor, remove_leftovers};
pub use plan::{Request, plan};
pub use run::{Outcome, run};
