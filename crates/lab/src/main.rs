//! The lab's command line. `make lab` calls `install`, `run` and `judge`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use why504_lab::degrade::{self, WAYS, Way};
use why504_lab::judge::{self, Limits, Mode};
use why504_lab::logs::{self, Log};
use why504_lab::netlab;
use why504_lab::netlab::forwarder::Change;
use why504_lab::scenario::Scenario;
use why504_lab::simulate::{self, Simulate};
use why504_lab::traffic::{self, Traffic};
use why504_lab::truth;

/// Makes real incidents with known truth in network namespaces, and judges why504 by them.
#[derive(Parser)]
#[command(name = "why504-lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Play scenarios and write a set (logs, captures, truth) for each; needs root
    Run {
        /// Scenario files
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
        /// Folder that gets one folder for each scenario
        #[arg(long)]
        out: PathBuf,
        /// Play no scenario longer than this
        #[arg(long, value_name = "SECONDS")]
        at_most: Option<f64>,
    },
    /// Run why504 over sets and compare what it says with their truth
    Judge {
        #[command(flatten)]
        examined: Examined,
        /// Also write everything as JSON to this file
        #[arg(long)]
        json: Option<PathBuf>,
        #[command(flatten)]
        limits: Limits,
    },
    /// Spoil the captures of sets in every way and see that no verdict becomes wrong and sure
    Degrade {
        #[command(flatten)]
        examined: Examined,
        /// Only ways whose name contains this; repeatable [default: all]
        #[arg(long, value_name = "NAME")]
        way: Vec<String>,
        /// Leave the spoiled sets in this folder
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Derive the truth of existing sets again and print how far it agrees with theirs
    Truth {
        /// Folders of sets
        #[arg(required = true)]
        sets: Vec<PathBuf>,
        /// Print every row that differs
        #[arg(long)]
        verbose: bool,
        /// Replace their truth by ours
        #[arg(long)]
        write: bool,
    },
    /// Write a big made-up capture for benchmarks, and its counts as FILE.truth.json
    Traffic(Traffic),
    /// Measure the join by made-up incidents with truth, in this process
    Simulate(Simulate),
    /// Write a big made-up log for benchmarks, and its counts as FILE.truth.json
    Log(Log),
    /// Install what `run` needs (Debian packages) where it is missing; needs root
    Install,
    /// Send the load of a scenario (started by `run`, inside the gateway's namespace)
    #[command(hide = true)]
    Client { scenario: PathBuf },
    /// Wait until an address can be reached (started by `run`, inside the gateway's namespace)
    #[command(hide = true)]
    Reach { address: SocketAddr },
    /// Answer on some addresses (started by `run`, inside the upstream's namespace)
    #[command(hide = true)]
    Server { manner: netlab::server::Manner, listen: Vec<SocketAddr> },
    /// Give back packets of a TUN device later or changed (started by `run`)
    #[command(hide = true)]
    Forward {
        device: String,
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
        /// Address of the server whose connections get other sequence numbers
        #[arg(long)]
        rewrite_for: Option<Ipv4Addr>,
        /// Turn over a bit of each packet
        #[arg(long)]
        damage: bool,
        /// Connect to the sender of each SYN first
        #[arg(long)]
        meet: bool,
    },
    /// Leave connections behind that the upstream still has (started by `run`)
    #[command(hide = true)]
    Leftovers { scenario: PathBuf },
    /// Remove the namespaces of a run when it ends (started by `run`)
    #[command(hide = true)]
    Janitor { prefix: String },
}

/// Whose verdicts are held against which truth.
#[derive(clap::Args)]
struct Examined {
    /// Folders of sets, or folders that hold them
    #[arg(required = true)]
    sets: Vec<PathBuf>,
    /// The why504 binary
    #[arg(long)]
    why504: PathBuf,
    /// What why504 is given of each set; repeatable [default: each that applies]
    #[arg(long, value_enum)]
    mode: Vec<Mode>,
}

impl Examined {
    /// The folders with a truth. Says so where there is none.
    fn sets(&self) -> Result<Option<Vec<PathBuf>>> {
        let sets = judge::sets(&self.sets)?;
        if sets.is_empty() {
            println!("skipped: no set with a truth.jsonl (the lab needs root to make some)");
            return Ok(None);
        }
        Ok(Some(sets))
    }

    fn modes(&self) -> &[Mode] {
        if self.mode.is_empty() { &Mode::ALL } else { &self.mode }
    }
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("why504-lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn perform(task: Task) -> Result<ExitCode> {
    match task {
        Task::Run { scenarios, out, at_most } => return run(&scenarios, &out, at_most),
        Task::Judge { examined, json, limits } => {
            return judge_sets(&examined, json.as_deref(), &limits);
        }
        Task::Degrade { examined, way, keep } => {
            return degrade_sets(&examined, &way, keep.as_deref());
        }
        Task::Truth { sets, verbose, write } => return compare_truth(&sets, verbose, write),
        Task::Traffic(traffic) => {
            println!("{}", serde_json::to_string(&traffic::generate(&traffic)?)?);
        }
        Task::Simulate(asked) => simulate::simulate(&asked, |text| println!("{text}"))?,
        Task::Log(log) => println!("{}", serde_json::to_string(&logs::generate(&log)?)?),
        Task::Install => return install(),
        Task::Client { scenario } => {
            let load = netlab::client::client(&Scenario::load(&scenario)?)?;
            println!("{}", serde_json::to_string(&load)?);
        }
        Task::Reach { address } => netlab::client::reach(address)?,
        Task::Server { manner, listen } => {
            netlab::server::server(&listen, manner, || println!("listening"))?;
        }
        Task::Forward { device, meet: true, .. } => {
            netlab::meeting::meet(&device, || println!("forwarding"))?;
        }
        Task::Forward { device, delay_ms, rewrite_for, damage, .. } => {
            let delay = Duration::from_millis(delay_ms);
            let change = match rewrite_for {
                Some(server) => Change::Rewrite(server),
                None if damage => Change::Damage,
                None => Change::None,
            };
            netlab::forwarder::forward(&device, delay, change, || println!("forwarding"))?;
        }
        Task::Leftovers { scenario } => {
            println!("{}", netlab::leftovers::leave(&Scenario::load(&scenario)?)?);
        }
        Task::Janitor { prefix } => netlab::janitor(&prefix)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether this process may make namespaces. Reads the effective user id from the kernel.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

fn run(scenarios: &[PathBuf], out: &std::path::Path, at_most: Option<f64>) -> Result<ExitCode> {
    if !is_root() {
        println!("skipped: the lab makes network namespaces, which needs root");
        // An empty folder lets a `judge` that follows say that there is nothing to judge.
        std::fs::create_dir_all(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let removed = netlab::remove_leftovers()?;
    if removed > 0 {
        println!("removed {removed} namespaces of an earlier run that died");
    }
    let mut loaded: Vec<Scenario> =
        scenarios.iter().map(|path| Scenario::load(path)).collect::<Result<_>>()?;
    for scenario in &mut loaded {
        scenario.seconds = scenario.seconds.min(at_most.unwrap_or(f64::INFINITY));
    }
    let mut code = ExitCode::SUCCESS;
    for (path, scenario) in scenarios.iter().zip(&loaded) {
        let name = path.file_stem().context("a scenario needs a name")?.to_string_lossy();
        println!("{name}: {} ({} s)", scenario.description, scenario.seconds);
        match netlab::run(scenario, &name, out) {
            Ok(outcome) => {
                println!("  load {}", outcome.load);
                println!("  truth {}", serde_json::to_string(&outcome.truth)?);
            }
            Err(error) => {
                eprintln!("why504-lab: {name}: {error:#}");
                code = ExitCode::from(2);
            }
        }
    }
    Ok(code)
}

fn install() -> Result<ExitCode> {
    let missing = netlab::missing_programs();
    if missing.is_empty() {
        println!("everything that the lab needs is installed");
    } else if is_root() {
        netlab::install(&missing)?;
        println!("installed {}", missing.join(" "));
    } else {
        println!("skipped: {} would have to be installed, which needs root", missing.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}

fn compare_truth(sets: &[PathBuf], verbose: bool, write: bool) -> Result<ExitCode> {
    for folder in sets {
        let settings = truth::Settings::read(folder)?;
        let (rows, summary) = truth::derive(folder, &settings)?;
        let mut agreement = truth::compare(&rows, &truth::read(folder)?);
        let differences = std::mem::take(&mut agreement.differences);
        println!("{}: {}", folder.display(), serde_json::to_string(&agreement)?);
        println!("  {}", serde_json::to_string(&summary)?);
        if write {
            truth::write(folder, &settings)?;
        }
        if verbose {
            for difference in &differences {
                println!("  {difference}");
            }
        } else if !differences.is_empty() {
            println!("  {} rows differ (--verbose shows them)", differences.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn judge_sets(
    examined: &Examined,
    json: Option<&std::path::Path>,
    limits: &Limits,
) -> Result<ExitCode> {
    let Some(sets) = examined.sets()? else { return Ok(ExitCode::SUCCESS) };
    let mut judgements = Vec::new();
    let mut violations = Vec::new();
    for mode in examined.modes() {
        for folder in sets.iter().filter(|folder| judge::applies(folder, *mode)) {
            // A set that cannot be judged must not hide the others.
            match judge::judge(folder, *mode, &examined.why504) {
                Ok(judgement) => judgements.push(judgement),
                Err(error) => {
                    violations.push(format!("{} ({}): {error:#}", folder.display(), mode.name()));
                }
            }
        }
    }
    print!("{}", judge::render(&judgements, limits));
    violations.extend(limits.violations(&judgements));
    if let Some(path) = json {
        let all = serde_json::json!({ "judgements": judgements, "violations": violations });
        std::fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    if violations.is_empty() {
        println!("all limits are kept");
        return Ok(ExitCode::SUCCESS);
    }
    for violation in &violations {
        println!("LIMIT {violation}");
    }
    Ok(ExitCode::FAILURE)
}

fn degrade_sets(
    examined: &Examined,
    names: &[String],
    keep: Option<&std::path::Path>,
) -> Result<ExitCode> {
    let Some(sets) = examined.sets()? else { return Ok(ExitCode::SUCCESS) };
    let wanted = |way: &&Way| names.is_empty() || names.iter().any(|name| way.name.contains(name));
    let ways: Vec<&'static Way> = WAYS.iter().filter(wanted).collect();
    let scratch = tempfile::tempdir()?;
    let folder = (keep.unwrap_or(scratch.path()), keep.is_some());
    let wrong =
        degrade::degrade(&sets, &ways, examined.modes(), &examined.why504, folder, |outcome| {
            print!("{}", degrade::render(outcome));
        })?;
    print!("{}", degrade::excuses());
    if wrong == 0 {
        println!("no verdict is wrong and sure");
        return Ok(ExitCode::SUCCESS);
    }
    println!("LIMIT {wrong} verdicts are wrong and sure");
    Ok(ExitCode::FAILURE)
}
