//! One run of a scenario: namespaces, processes, captures, load.

pub mod client;
mod command;
mod conf;
mod detour;
pub mod forwarder;
mod install;
pub mod leftovers;
pub mod meeting;
mod namespaces;
mod plan;
mod processes;
mod proxy;
mod rules;
mod run;
pub mod server;
mod translation;
mod twin;

pub(crate) use conf::SECOND_CONNECT_TIMEOUT;
pub use install::{install, missing_programs};
pub use namespaces::{janitor, remove_leftovers};
pub use plan::{Request, plan};
pub(crate) use rules::BROKEN_MEMBER;
pub use run::{Outcome, run};
