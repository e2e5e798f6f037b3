//! `why504 recipe`: what to run and what to log before the next incident.

use why504_report::recipe;

use crate::args::Recipe;
use crate::exit::Outcome;
use crate::output;
use crate::plan;

/// Prints it, narrowed to the ports that nginx.conf names.
pub(super) fn run(options: &Recipe) -> anyhow::Result<Outcome> {
    let conf = options.nginx_conf.as_deref().map(plan::read_conf).transpose()?;
    let ports = conf.as_ref().and_then(why504_nginxlog::Conf::upstream_ports);
    output::to_stdout(|out| recipe::print(ports.as_ref(), conf.is_some(), out))?;
    Ok(Outcome::Complete)
}
