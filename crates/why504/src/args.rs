//! What was typed. What it means is decided in [`crate::plan`].

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Which packet of the TCP handshake was lost behind each nginx connect timeout?
///
/// Reads nginx/OpenResty logs and packet captures, joins each logged timeout with its connect
/// attempt, and names the lost step, with the packets that prove it. What a file is, is decided by
/// its content.
#[derive(Debug, Parser)]
#[command(
    name = "why504",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Exit status: 0 complete; 2 usage; 3 complete, but some input was damaged or \
                  unreadable; 4 nothing to analyse, or no capture overlaps the timeouts."
)]
pub(crate) struct Args {
    /// A sub-command; without one, `report`.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The inputs of the report.
    #[command(flatten)]
    pub(crate) report: Report,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The report: which packet was lost, how often, between which points (the default)
    Report(Report),
    /// One case in full: the join, the packet ladder, the checklist, what to do next
    Explain(Explain),
    /// Can these inputs be joined at all? Spans, clocks, coverage, and what is in the way
    Check(Joined),
    /// Every connect attempt of the captures with its outcome; no logs needed
    Handshakes(Handshakes),
    /// Every timeout that the logs report; no captures needed
    Timeouts(Timeouts),
    /// Every RST that a host sent, what provoked it, and whether a lost SYN+ACK is behind it
    Resets(Handshakes),
    /// The capture command to run and the log format to set before the next incident
    Recipe(Recipe),
}

/// Logs and captures that are joined, and how: what `report`, `explain` and `check` take.
#[derive(Debug, ClapArgs)]
pub(crate) struct Joined {
    /// Logs, captures, directories of them, or `-` for standard input
    #[arg(required_unless_present = "at", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) captures: CaptureOptions,
    #[command(flatten)]
    pub(crate) logs: LogOptions,
    #[command(flatten)]
    pub(crate) inputs: InputOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) joined: Joined,
    #[command(flatten)]
    pub(crate) slices: SliceOptions,
}

/// Arguments of `explain`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Explain {
    /// The id of a case, as the report shows it
    #[arg(value_name = "CASE")]
    pub(crate) case: String,
    #[command(flatten)]
    pub(crate) report: Report,
}

/// Arguments of `handshakes` and `resets`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Handshakes {
    /// Captures, directories of them, or `-` for standard input
    #[arg(required_unless_present = "at", value_name = "CAPTURE")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) captures: CaptureOptions,
    #[command(flatten)]
    pub(crate) inputs: InputOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Arguments of `timeouts`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Timeouts {
    /// Logs, directories of them, or `-` for standard input
    #[arg(required = true, value_name = "LOG")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) logs: LogOptions,
    #[command(flatten)]
    pub(crate) inputs: InputOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// How to read files.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct InputOptions {
    /// Stops decompressing a file at this many times its size, the first 64 MiB excepted
    /// [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) max_ratio: Option<u64>,
    /// Stops decompressing a file at this size, e.g. `20G` [default: 1T]
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_decompressed: Option<String>,
}

/// Arguments of `recipe`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Recipe {
    /// Narrows the capture to the ports of the upstreams that an nginx.conf, or the output of
    /// `nginx -T`, names
    #[arg(long, value_name = "FILE")]
    pub(crate) nginx_conf: Option<PathBuf>,
}

/// How to take captures.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct CaptureOptions {
    /// Names the point where captures were taken, e.g. `--at gateway=/data/gw`; repeatable
    #[arg(long = "at", value_name = "NAME=PATH")]
    pub(crate) at: Vec<String>,
    /// A virtual address of the logs or of clients and the real one behind it, where no capture
    /// shows both, e.g. `--nat 10.0.0.10:80=10.244.1.7:8080`; repeatable
    #[arg(long, value_name = "IP:PORT=IP:PORT")]
    pub(crate) nat: Vec<String>,
}

/// How to read logs.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct LogOptions {
    /// Time zone of the error logs: an IANA name, `UTC`, or `+08:00` [default: what the stamps of
    /// a log collector tell, else the access log's offset, else $TZ, else UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<String>,
    /// Connect timeouts in force, for all upstreams or for one; repeatable
    #[arg(long, value_name = "[UPSTREAM=]DURATION[,DURATION...]")]
    pub(crate) connect_timeout: Vec<String>,
    /// Reads log formats and timeouts from an nginx.conf, or from the output of `nginx -T`
    #[arg(long, value_name = "FILE")]
    pub(crate) nginx_conf: Option<PathBuf>,
    /// Format of the access logs in nginx's syntax, or the name of a well-known one
    #[arg(long, value_name = "STRING|NAME")]
    pub(crate) log_format: Vec<String>,
    /// A message of one's own that reports a connect timeout, as a regular expression; a group
    /// `(?P<peer>...)` around IP:PORT names the upstream; repeatable
    #[arg(long, value_name = "REGEX")]
    pub(crate) message: Vec<String>,
}

/// Evidence files.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct SliceOptions {
    /// Writes a pcapng file for each case to a directory: all its packets from all points, each
    /// with a comment that says its part in the story
    #[arg(long, value_name = "DIR")]
    pub(crate) slices: Option<PathBuf>,
    /// Cases of one kind (verdict and mechanism) that get a file; at most 400 in all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) slices_each: usize,
}

/// Where results go.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct OutputOptions {
    /// Writes the results to a file, format by extension (.txt, .ndjson); repeatable. Standard
    /// output stays empty then, unless --format is given
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<PathBuf>,
    /// Format of the results on standard output [default: text]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Threads to use [default: one for each core]
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
    /// Says nothing on standard error but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, in a terminal.
    Text,
    /// One JSON object a line.
    Ndjson,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal that has it, and NO_COLOR is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
